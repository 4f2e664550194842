import { api, byId, doing, el, plural } from "./common.js";

const ORDER = ["problem", "warning", "ok"];

async function look(button, network) {
  const found = await doing(button, () => api("GET", `/api/doctor${network ? "?network=1" : ""}`));
  if (!found) return;
  const count = (status) => found.filter((one) => one.status === status).length;
  found.sort((a, b) => ORDER.indexOf(a.status) - ORDER.indexOf(b.status));
  byId("findings").replaceChildren(
    el("h2", { text: `${plural(count("problem"), "problem")}, ${plural(count("warning"), "warning")}` }),
    el("ul", { class: "findings-list" }, ...found.map((one) => el("li", { class: `card finding ${one.status}` },
      el("p", {}, el("span", { class: `badge ${one.status === "ok" ? "ink" : "warn"}`, text: one.status }), " ", el("b", { text: one.check })),
      el("p", { dir: "auto", text: one.message }), one.step ? el("p", { class: "quiet small step", dir: "auto", text: one.step }) : ""))));
}

byId("look").addEventListener("click", (event) => look(event.target, false));
byId("network").addEventListener("click", (event) => look(event.target, true));
look(null, false);
document.body.dataset.ready = "true";
