import { all, api, byId, clock, data, doing, el, notice, plural } from "./common.js";
import { differenceParts, openDialog, receiptParts } from "./receipts.js";
import { look, watch } from "./jobs.js";
import { onDrop, send } from "./uploads.js";

const KEY = "compare:recordings";
let kept = JSON.parse(sessionStorage.getItem(KEY) || "null") || { batch: null, files: [], baseline: null, left: [] };

function remember() {
  sessionStorage.setItem(KEY, JSON.stringify(kept));
}

function rows() {
  byId("table").hidden = !kept.files.length;
  byId("forget").hidden = !kept.files.length;
  byId("rows").replaceChildren(...kept.files.map((file) => el("tr", {},
    el("th", { scope: "row", dir: "auto" }, file.name, file.receipt ? el("button", { type: "button", class: "button quiet-button small-button", text: "Receipt", "aria-label": `Receipt of ${file.name}`, onclick: (event) => receipt(file, event.target) }) : ""), el("td", { text: clock(file.seconds) }),
    el("td", {}, el("input", { type: "radio", name: "baseline", "aria-label": `${file.name} is the baseline`, checked: kept.baseline === file.name, onchange: () => { kept.baseline = file.name; remember(); } })),
    el("td", {}, el("input", { type: "checkbox", "aria-label": `Use ${file.name}`, checked: !kept.left.includes(file.name), onchange: (event) => { kept.left = kept.left.filter((name) => name !== file.name).concat(event.target.checked ? [] : [file.name]); remember(); } })),
    el("td", {}, el("audio", { controls: true, preload: "none", src: `/files-of-drops/${kept.batch}/${encodeURIComponent(file.name)}`, "aria-label": file.name })))));
}

async function take(files) {
  const answers = files.filter((file) => file.name.toLowerCase().endsWith(".json"));
  if (answers.length) { read(answers); return; }
  byId("notice").hidden = true;
  const made = await send(files, byId("sending"), kept.batch || undefined);
  if (!made.taken.length) return;
  kept.batch = made.batch;
  kept.files.push(...made.taken);
  kept.baseline = kept.baseline || made.taken[0].name;
  remember();
  rows();
}

// How a recording was made, where its tags say so, and what the baseline's tags say else.
async function receipt(file, button) {
  const other = kept.baseline !== file.name ? kept.baseline : null;
  const found = await doing(button, () => api("POST", "/api/receipts", { batch: kept.batch, recording: file.name, other }));
  if (found) openDialog(`Receipt of ${file.name}`, ...receiptParts(found), ...(found.rows ? differenceParts(found, [file.name, other]) : []));
}

const used = () => kept.files.map((file) => file.name).filter((name) => !kept.left.includes(name));

// ---- Results of comparisons and scores.
async function result(job) {
  const found = await api("GET", `/api/jobs/${job.id}/result`).catch(() => null);
  if (!found || byId(`result-${job.id}`)) return;
  const shown = found.kind === "compare" ? comparison(found) : words(found.result);
  byId("results").prepend(el("article", { class: "card", id: `result-${job.id}`, "aria-label": job.title }, el("h3", { text: job.title }), ...shown));
}

const nameOf = (path) => path.split(/[\\/]/).pop();

function comparison(found) {
  const lines = found.result.candidates.map((one) => el("li", { dir: "auto" }, el("b", { text: `${nameOf(one.path)}: ` }), one.sentence || one.error || "can't be compared"));
  const yardsticks = Object.keys(found.result.yardsticks || {});
  return [el("ul", { class: "plain-list" }, ...lines), yardsticks.length ? el("p", { class: "quiet small", text: `Beside them stand: ${yardsticks.join(", ")}.` }) : "",
    el("p", { class: "row" }, el("a", { class: "button small-button", href: found.report, target: "_blank", text: "Open the report" }))];
}

function words(found) {
  const one = (entry) => el("div", {}, el("p", {}, el("b", { dir: "auto", text: `${nameOf(entry.path)}: ` }), `${entry.right} of ${entry.words} words heard. ${entry.verdict || ""}`),
    el("ul", { class: "plain-list small" }, ...entry.lines.map((line) => el("li", { dir: "auto" }, ...line.words.filter((word) => word.expected).map((word) => el(word.kind === "right" ? "span" : "mark", { text: `${word.expected} `, title: word.kind === "right" ? null : word.heard ? `heard as ${word.heard}` : "not heard" }))))));
  return [...found.recordings.map(one), el("p", { class: "quiet small", text: `Recognised by ${found.recogniser.repo || found.recogniser.model || "Whisper"}. ${Object.entries(found.yardsticks).map(([name, score]) => `${name}: ${score.right} of ${score.words}`).join("; ")}` })];
}

// ---- Blind tests.
let tests = data().tests;
function drawTests() {
  byId("tests").replaceChildren(...tests.map((test) => el("li", { class: "card", data: { test: test.id } }, el("p", {}, el("b", { dir: "auto", text: test.title }), ` ${test.kind}, ${plural(test.questions, "question")}`),
    el("p", { class: "row" }, el("a", { class: "button small-button", href: test.address, target: "_blank", text: "Take the test" }),
      el("a", { class: "button quiet-button small-button", href: `/listening/${test.id}.zip`, download: "listening-test.zip", text: "Save it for others" }),
      el("label", { class: "button quiet-button small-button file" }, "Read answers", el("input", { type: "file", multiple: true, accept: ".json", "aria-label": `Answers to ${test.title}`, onchange: (event) => read([...event.target.files], test.id) }))),
    el("div", { class: "verdicts", role: "status" }))));
}

async function read(files, id) {
  const test = id || (await files[0].text().then((text) => JSON.parse(text)).catch(() => ({}))).test;
  const card = all("[data-test]").find((one) => one.dataset.test === test) || (id ? null : all("[data-test]")[0]);
  if (!card) { notice("There is no test that these answers belong to."); return; }
  const made = await send(files, byId("sending"));
  if (!made.taken.length) return;
  const found = await doing(null, () => api("POST", `/api/blind/${card.dataset.test}/answers`, { batch: made.batch, answers: made.taken.map((one) => one.name) }));
  if (!found) return;
  card.querySelector(".verdicts").replaceChildren(el("p", { text: `${plural(found.listeners.length, "listener")} ${found.listeners.length === 1 ? "counts" : "count"}.` }),
    found.screened.length ? el("ul", { class: "findings" }, ...found.screened.map((one) => el("li", { dir: "auto", text: `${one.listener} doesn't count: ${one.reason}.` }))) : "",
    el("ul", { class: "plain-list" }, ...found.pairs.map((pair) => el("li", { dir: "auto", text: `${pair.first} and ${pair.second}: ${pair.verdict}` }))));
}

// Where it is seen how that goes on.
async function begun() {
  await look();
  byId("jobs-title").scrollIntoView({ block: "start" });
}

byId("files").addEventListener("change", (event) => take([...event.target.files]));
onDrop(take);
byId("forget").addEventListener("click", () => { api("DELETE", `/api/uploads/${kept.batch}`).catch(() => {}); kept = { batch: null, files: [], baseline: null, left: [] }; remember(); rows(); });
byId("compare").addEventListener("click", async (event) => {
  const candidates = used().filter((name) => name !== kept.baseline);
  if (await doing(event.target, () => api("POST", "/api/compare", { batch: kept.batch || "0".repeat(16), baseline: kept.baseline, candidates }))) begun();
});
byId("score").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (await doing(event.submitter, () => api("POST", "/api/score", { batch: kept.batch || "0".repeat(16), recordings: used(), lyrics: byId("lyrics").value, language: byId("language").value, model: byId("recogniser").value }))) begun();
});
byId("blind").addEventListener("submit", async (event) => {
  event.preventDefault();
  const of = byId("blind-of").value;
  const made = await doing(event.submitter, () => api("POST", "/api/blind", { ...(of ? { song: of } : { batch: kept.batch || "0".repeat(16), recordings: used() }), kind: byId("blind-kind").value, title: byId("blind-title-field").value, seconds: byId("blind-seconds").value }));
  if (made) { tests = made.tests; drawTests(); }
});
watch({ wanted: (job) => ["compare", "score"].includes(job.kind), onstate: (job) => { if (job.state === "done") result(job); }, empty: "Nothing was compared yet." });
rows();
drawTests();
document.body.dataset.ready = "true";
