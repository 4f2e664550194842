import { all, api, byId, data, doing, el, plural } from "./common.js";
import { look, watch } from "./jobs.js";

const song = data();
const base = `/api/songs/${encodeURIComponent(song.id)}`;
const form = byId("render");

function offer(one) {
  const facts = [
    one.parts.length ? `makes ${one.parts.join(", ")}${one.time ? `: about ${one.time} a take of each` : ""}` : "",
    one.whole ? `the whole song in one${one.whole_time ? `: about ${one.whole_time}` : ""}` : "",
    one.memory_text ? `${one.memory_text} of memory` : "", one.download_text ? `downloads ${one.download_text} first` : one.available ? "nothing to download" : "",
  ].filter(Boolean);
  const licences = one.facts.filter((fact) => fact.includes("licence"));
  const able = one.available && (one.parts.length || one.whole);
  const more = [...one.facts.filter((fact) => !licences.includes(fact)), ...one.problems];
  return el("li", { class: `card offer${able ? "" : " unable"}` },
    el("label", { class: "check" }, el("input", { type: "checkbox", name: "generators", value: one.name, disabled: !able }), el("b", { text: one.name }),
      one.chosen ? el("span", { class: "badge accent", text: "in the sheet" }) : "", one.available ? "" : el("span", { class: "badge ink", text: "not installed" })),
    el("p", { class: "quiet small", text: one.about }), el("p", { class: "small", text: facts.join(" · ") || one.problems[0] || "Nothing of this song." }),
    ...licences.map((text) => el("p", { class: "quiet small", text })),
    more.length ? el("details", { class: "fold small" }, el("summary", { text: "More" }), el("ul", {}, ...more.map((text) => el("li", { dir: "auto", text })))) : "");
}

function wanted() {
  const picked = (name) => all(`[name=${name}]:checked`, form).map((field) => field.value);
  return {
    generators: picked("generators"), segments: picked("segments").map(Number), whole: picked("whole").length > 0,
    takes: Number(byId("takes").value), seed: Number(byId("seed").value), report: picked("report").length > 0, best_by: byId("best_by").value,
  };
}

async function plan(button) {
  const found = await doing(button, () => api("POST", `${base}/plan`, wanted()));
  if (!found) return;
  const box = byId("plan");
  box.hidden = false;
  box.replaceChildren(el("h2", { text: `${plural(found.plan.length, "take")} to make` }), el("p", { text: `${found.summary}. Memory: ${found.memory || "unknown"}.` }),
    el("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": "Planned takes" }, el("table", {}, el("thead", {}, el("tr", {}, ...["Segment", "Role", "Take", "Seconds", "Time"].map((text) => el("th", { scope: "col", text })))),
      el("tbody", {}, ...found.plan.map((take) => el("tr", {}, el("th", { scope: "row", dir: "auto", text: take.segment ? `${take.segment} ${take.name}` : take.name }), el("td", { text: take.role }), el("td", { text: take.take }), el("td", { text: take.seconds }), el("td", { text: take.estimate_s === null ? "unknown" : `${take.estimate_s.toFixed(1)} s` })))))),
    found.notes.length ? el("ul", { class: "quiet small notes" }, ...found.notes.map((note) => el("li", { dir: "auto", text: note }))) : "");
}

if (form) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const job = await doing(event.submitter, () => api("POST", `${base}/render`, wanted()));
    if (!job) return;
    byId("plan").hidden = true;
    await look();
    byId("jobs-title").scrollIntoView({ block: "center" });
  });
  byId("check").addEventListener("click", (event) => plan(event.target));
  api("GET", `${base}/offers`).then((offers) => {
    byId("offers").replaceChildren(...offers.sort((a, b) => (b.available && b.parts.length + b.whole > 0) - (a.available && a.parts.length + a.whole > 0)).map(offer));
    form.dispatchEvent(new Event("restore"));
  }, (error) => byId("offers").replaceChildren(el("li", { class: "trouble", text: error.message })));
}
watch({
  wanted: (job) => job.song === song.id,
  links: (job) => (job.state === "done" ? [el("a", { class: "button small-button", href: `/songs/${encodeURIComponent(song.id)}/listen`, text: "Listen" })] : []),
  empty: "Nothing was rendered yet.",
});
document.body.dataset.ready = "true";
