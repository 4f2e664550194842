import { all, api, byId, data, doing, el, inPageWords, plural } from "./common.js";
import { look, watch } from "./jobs.js";

const song = data();
const base = `/api/songs/${encodeURIComponent(song.id)}`;
const form = byId("render");

// All layers that some generator makes: a list of thirty of them says less than "every layer".
const every = (offers) => new Set(offers.flatMap((one) => one.parts));

function makes(one, layers) {
  if (!one.parts.length) return one.whole ? "the whole song in one" : "";
  const named = one.parts.slice(0, 6).join(", ") + (one.parts.length > 6 ? " …" : "");
  return one.parts.length === layers.size ? "every layer" : `${one.parts.length} of ${plural(layers.size, "layer")}: ${named}`;
}

// "ace-step: licence MIT; commercial use is allowed." of each part, as one line.
const LICENCE = /^.*: licence (.*); (commercial use .*?)\.?$/;
function licences(one) {
  const facts = one.facts.filter((fact) => fact.includes("licence")), parsed = facts.map((fact) => fact.match(LICENCE));
  if (!parsed.every(Boolean)) return facts.join(" ");
  const each = (index) => [...new Set(parsed.map((match) => match[index]))];
  return [each(1).join(", "), ...each(2)].join("; ");
}

function offer(one, layers) {
  const time = [one.parts.length && one.time ? `about ${one.time} for a take of each` : "", one.whole && one.whole_time ? `about ${one.whole_time} for the whole song in one` : ""].filter(Boolean).join("; ");
  const facts = [
    ["Makes", makes(one, layers)], ["Time", time], ["Memory", one.memory_text], ["Download", one.download_text ? `${one.download_text} first` : one.available ? "nothing to download" : ""],
    ["Licence", licences(one)],
  ].filter(([, text]) => text);
  const able = canMake(one);
  const more = [...one.facts, ...one.problems].map(inPageWords);
  return el("li", { class: `card offer${able ? "" : " unable"}` },
    el("label", { class: "check" }, el("input", { type: "checkbox", name: "generators", value: one.name, disabled: !able }), el("b", { text: one.name }),
      one.chosen ? el("span", { class: "badge accent", text: "in the sheet" }) : "", one.available ? "" : el("span", { class: "badge ink", text: "not installed" })),
    el("p", { class: "quiet small", text: one.about }),
    able ? el("dl", { class: "facts-list small" }, ...facts.map(([name, text]) => el("div", {}, el("dt", { text: name }), el("dd", { dir: "auto", text })))) : "",
    able || more.length ? "" : el("p", { class: "small", text: "Makes nothing of this song." }),
    more.length ? el("details", { class: "fold small", open: !able }, el("summary", { text: able ? "More" : "Why not" }), el("ul", {}, ...more.map((text) => el("li", { dir: "auto", text })))) : "");
}

const canMake = (one) => one.available && Boolean(one.parts.length || one.whole);

function drawOffers(offers) {
  const layers = every(offers), able = offers.filter(canMake), others = offers.filter((one) => !canMake(one));
  byId("offers").replaceChildren(...able.map((one) => offer(one, layers)));
  byId("unable").hidden = !others.length;
  byId("unable").replaceChildren(el("summary", { text: `${plural(others.length, "other generator")} can't make this song here` }), el("ul", { class: "offers" }, ...others.map((one) => offer(one, layers))));
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
    found.notes.length ? el("ul", { class: "quiet small notes" }, ...found.notes.map((note) => el("li", { dir: "auto", text: inPageWords(note) }))) : "");
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
    drawOffers(offers);
    form.dispatchEvent(new Event("restore"));
  }, (error) => byId("offers").replaceChildren(el("li", { class: "trouble", text: error.message })));
}
watch({
  wanted: (job) => job.song === song.id,
  links: (job) => (job.state === "done" ? [el("a", { class: "button small-button", href: `/songs/${encodeURIComponent(song.id)}/listen`, text: "Listen" })] : []),
  empty: "None yet.",
});
document.body.dataset.ready = "true";
