import { api, byId, doing, el, inPageWords, plural } from "./common.js";

const ORDER = ["problem", "warning", "ok"];

async function look(button, network) {
  const found = await doing(button, () => api("GET", `/api/doctor${network ? "?network=1" : ""}`));
  if (!found) return;
  const count = (status) => found.filter((one) => one.status === status).length;
  found.sort((a, b) => ORDER.indexOf(a.status) - ORDER.indexOf(b.status));
  const wrong = found.filter((one) => one.status !== "ok"), fine = found.filter((one) => one.status === "ok");
  byId("findings").replaceChildren(
    el("h2", { text: wrong.length ? [["problem", count("problem")], ["warning", count("warning")]].filter(([, n]) => n).map(([word, n]) => plural(n, word)).join(", ") : "Nothing stands in the way" }),
    el("ul", { class: "findings-list" }, ...wrong.map((one) => el("li", { class: `card finding ${one.status}` },
      el("p", {}, el("span", { class: "badge warn", text: one.status }), " ", el("b", { text: one.check })),
      el("p", { dir: "auto", text: inPageWords(one.message) }), one.step ? el("p", { class: "quiet small step", dir: "auto", text: inPageWords(one.step) }) : ""))),
    el("h2", { text: `${fine.length} checks are fine` }),
    el("dl", { class: "facts-list card" }, ...fine.map((one) => el("div", { class: "finding" }, el("dt", { text: one.check }), el("dd", { dir: "auto" }, inPageWords(one.message), one.step ? el("p", { class: "quiet small step", text: inPageWords(one.step) }) : "")))));
}

byId("look").addEventListener("click", (event) => look(event.target, false));
byId("network").addEventListener("click", (event) => look(event.target, true));
look(null, false);
document.body.dataset.ready = "true";
