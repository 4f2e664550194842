// The form of a sheet and its YAML, in step. The text is what counts: the form sends one change at
// a time, and the server answers with the text as it is then and with everything that is wrong.
import { all, api, byId, data, doing, el, inPageWords, notice, plural } from "./common.js";

const start = data();
const address = `/api/songs/${encodeURIComponent(start.id)}/sheet`;
const pendingKey = `pending:${start.id}`;
const yaml = byId("yaml");
let draft = start.draft;
let past = [], future = [], lastStep = 0, lastField = null;

// Steps back and forth come back after a reload.
const stepsKey = `steps:${start.id}`;
const MOST_KEPT = 1_500_000; // characters: a browser keeps some five million for a site
function keepSteps() {
  let room = MOST_KEPT;
  const latest = (texts) => { const kept = []; for (const text of [...texts].reverse()) { room -= text.length; if (room < 0) break; kept.unshift(text); } return kept; };
  try {
    sessionStorage.setItem(stepsKey, JSON.stringify({ past: latest(past), future: latest(future), text: draft.text }));
  } catch { sessionStorage.removeItem(stepsKey); }
}
function restoreSteps() {
  const kept = JSON.parse(sessionStorage.getItem(stepsKey) || "null");
  if (!kept) return;
  ({ past, future } = kept);
  // Saved meanwhile, by the page that was closed or by another: back to what was here is one step.
  if (kept.text !== draft.text) { past.push(kept.text); future = []; }
  buttons();
}

const LABELS = {
  title: "Title", artist: "Artist", tempo: "Tempo (BPM)", time: "Time", key: "Key", style: "Style", mood: "Mood", voice: "Voice",
  negative: "Not wanted", language: "Language", generators: "Generators", number: "Number", name: "Name", section: "Section",
  seconds: "Seconds", bars: "Bars", lyrics: "Lyrics", baseline: "Baseline", chords: "Chords", pickup: "Pickup (beats)", role: "Role", gain_db: "Gain (dB)",
};
// Columns of twelve; without a figure a quarter of the width.
const COLUMNS = { title: 7, artist: 5, tempo: 4, time: 4, key: 4, style: 12, lyrics: 12, chords: 12, baseline: 6, generators: 6, role: 4, gain_db: 2 };
const SEGMENT_COLUMNS = { name: 7, section: 5, seconds: 3, bars: 3, style: 6, key: 3, tempo: 3, time: 3 };
const FIRST = { Sheet: ["title", "artist", "tempo", "time", "key", "style"], Segment: ["name", "section", "seconds", "bars", "style", "lyrics"], Layer: ["role", "generators", "gain_db"] };
const HINTS = { key: "A minor", tempo: "120", time: "4/4", seconds: "12 or 0:12", bars: "8", chords: "Am Dm E7 Am", language: "en, es, ...", generators: "guide, ace-step", gain_db: "-6", style: "bandoneón, piano, soft drums" };

// The place of a field as problems name it.
function place(loc, values) {
  const words = [];
  for (const part of loc) {
    const child = values === undefined || values === null ? undefined : values[part];
    if (typeof part === "number") {
      const last = words.length - 1;
      if (words[last] === "segments") words[last] = child && child.number ? `segment ${child.number}` : `entry ${part + 1} of the segments`;
      else if (words[last] === "layers") words[last] = child && child.role ? `layer ${child.role}` : `layer ${part + 1}`;
    } else words.push(part);
    values = child;
  }
  return words.join(", ");
}

const valueIn = (values, loc) => loc.reduce((value, part) => (value === undefined || value === null ? undefined : value[part]), values);
const at = (loc) => valueIn(draft.values, loc);
const shown = (value) => (value === undefined || value === null ? "" : Array.isArray(value) ? value.join(", ") : String(value).replace(/\n+$/, ""));
const idOf = (loc) => `f-${loc.join("-")}`;

function field(kind, name, loc) {
  const id = idOf(loc), value = shown(at(loc)), schema = start.schema[kind][name];
  const common = { id, name: id, "aria-describedby": `${id}-p`, dir: "auto", data: { loc: JSON.stringify(loc) } };
  let input;
  if (name === "lyrics") input = el("textarea", { ...common, rows: String(Math.max(3, value.split("\n").length)), spellcheck: "true" });
  else if (name === "role") {
    input = el("select", common, ...start.roles.map((role) => el("option", { value: role, text: role })));
  } else {
    input = el("input", { ...common, type: "text", placeholder: HINTS[name], list: name === "section" ? "sections" : name === "generators" ? "generators" : null,
      inputmode: ["integer", "number", "tempo"].includes(schema) ? "decimal" : null });
  }
  input.value = value;
  const columns = (kind === "Segment" && SEGMENT_COLUMNS[name]) || COLUMNS[name] || 3;
  return el("div", { class: `field span-${columns}` },
    el("label", { for: id, text: LABELS[name] || name }), input, name === "baseline" ? chooser(input, loc) : "", el("p", { class: "problem", id: `${id}-p`, hidden: true }));
}

// A recording of this machine becomes the baseline: it is copied into the song's folder.
function chooser(input, loc) {
  const picker = el("input", { type: "file", accept: "audio/*", "aria-label": `Choose a recording as the baseline of segment ${(at(loc.slice(0, 2)) || {}).number || loc[1] + 1}` });
  picker.addEventListener("change", async () => {
    const [file] = picker.files;
    if (!file) return;
    const found = await doing(picker, () => api("POST", `/api/songs/${encodeURIComponent(start.id)}/baselines?name=${encodeURIComponent(file.name)}`, file)
      .catch((error) => { error.message = `${file.name}: ${error.message}`; throw error; }));
    picker.value = "";
    if (!found) return;
    input.value = found.path;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  });
  return el("label", { class: "button quiet-button small-button file" }, "Choose a recording", picker);
}

function fields(kind, loc, skip = []) {
  const names = Object.keys(start.schema[kind]).filter((name) => !["options", ...skip].includes(name));
  const first = FIRST[kind].filter((name) => names.includes(name));
  const rest = names.filter((name) => !first.includes(name) && name !== "number");
  const used = rest.some((name) => at([...loc, name]) !== undefined && at([...loc, name]) !== "");
  const parts = [el("div", { class: "fields" }, ...first.map((name) => field(kind, name, [...loc, name])))];
  if (rest.length) {
    parts.push(el("details", { class: "fold more", open: used, data: { more: loc.join("-") } }, el("summary", { text: "More" }),
      el("div", { class: "fields" }, ...rest.map((name) => field(kind, name, [...loc, name])))));
  }
  return parts;
}

function button(text, label, change, disabled = false) {
  return el("button", { type: "button", class: "button quiet-button small-button", "aria-label": label, disabled, text, data: { change: JSON.stringify(change) } });
}

function segmentCard(segment, index, count) {
  const loc = ["segments", index], name = `segment ${segment.number || index + 1}`;
  const layers = segment.layers || [];
  const [main, more] = fields("Segment", loc, ["name", "section"]);
  return el("fieldset", { class: "card segment-card", id: `segment-${index}`, data: { index: String(index) } },
    el("legend", { class: "sr" }, `Segment ${segment.number || index + 1}`),
    el("div", { class: "segment-top" }, ...["number", "name", "section"].map((each) => field("Segment", each, [...loc, each])),
      el("div", { class: "row card-tools" },
        button("↑", `Move ${name} up`, { op: "move", loc, by: -1 }, index === 0),
        button("↓", `Move ${name} down`, { op: "move", loc, by: 1 }, index === count - 1),
        button("Remove", `Remove ${name}`, { op: "remove", loc }, count === 1))),
    main, more || "",
    el("div", { class: "layers" }, ...layers.map((layer, at) => el("div", { class: "layer-row" },
      ...fields("Layer", [...loc, "layers", at]), button("Remove layer", `Remove layer ${layer.role || at + 1} of ${name}`, { op: "remove", loc: [...loc, "layers", at] })))),
    button("Add a layer", `Add a layer to ${name}`, { op: "add", loc: [...loc, "layers"] }, layers.length > 4));
}

// A way to each segment of a long song.
function outline(segments) {
  return el("nav", { class: "outline", "aria-label": "Segments", hidden: segments.length < 4 }, ...segments.map((segment, index) => el("a", { href: `#segment-${index}`, dir: "auto", text: `${segment.number ?? index + 1} ${segment.name || ""}` })));
}

let shape = "";
function shapeOf(values) {
  const segments = Array.isArray(values.segments) ? values.segments : [];
  return JSON.stringify(segments.map((segment) => (segment.layers || []).length));
}

function drawForm() {
  const open = new Map(all("details", byId("form")).map((d) => [d.dataset.more, d.open]));
  const segments = Array.isArray(draft.values.segments) ? draft.values.segments : [];
  shape = shapeOf(draft.values);
  byId("form").replaceChildren(
    el("datalist", { id: "sections" }, ...start.sections.map((value) => el("option", { value }))),
    el("datalist", { id: "generators" }, ...Object.entries(start.generators).map(([value, about]) => el("option", { value, label: about }))),
    ...fields("Sheet", []),
    outline(segments), ...segments.map((segment, index) => segmentCard(segment, index, segments.length)),
    button("Add a segment", "Add a segment", { op: "add", loc: ["segments"] }));
  for (const d of all("details", byId("form"))) if (open.get(d.dataset.more)) d.open = true;
}

function fillForm() {
  if (shapeOf(draft.values) !== shape) drawForm();
  for (const input of all("[data-loc]", byId("form"))) {
    const loc = JSON.parse(input.dataset.loc), value = shown(at(loc));
    // What a person is typing stays as it is typed; a value that can't be read has none.
    if (input !== document.activeElement && !waiting.has(input.id) && (value || !problemAt(loc))) input.value = value;
  }
  for (const card of all(".segment-card", byId("form"))) {
    const loc = ["segments", Number(card.dataset.index)];
    const link = byId("form").querySelectorAll(".outline a")[Number(card.dataset.index)];
    if (link) link.textContent = `${shown(at([...loc, "number"]))} ${shown(at([...loc, "name"]))}`;
  }
}

const problemAt = (loc) => draft.problems.find((problem) => problem.where === place(loc, draft.values));

function drawProblems() {
  const placed = new Set();
  for (const input of all("[data-loc]", byId("form"))) {
    const loc = JSON.parse(input.dataset.loc), here = place(loc, draft.values);
    const found = draft.problems.filter((problem) => problem.where === here);
    found.forEach((problem) => placed.add(problem));
    const line = byId(`${input.id}-p`);
    line.textContent = found.map((problem) => inPageWords(`${problem.message} ${problem.step}`)).join(" ");
    line.hidden = !found.length;
    input.toggleAttribute("aria-invalid", found.length > 0);
    if (found.length) input.setAttribute("aria-invalid", "true");
    const fold = input.closest("details");
    if (found.length && fold) fold.open = true;
  }
  const lines = draft.problems.map((problem) => el("li", {},
    problem.line ? el("button", { type: "button", class: "link", text: `Line ${problem.line}`, onclick: () => goTo(problem.line) }) : "",
    el("span", { dir: "auto", text: ` ${problem.where ? `${problem.where}: ` : ""}${inPageWords(`${problem.message} ${problem.step}`)}` })));
  const notes = draft.notes.map((note) => el("li", { dir: "auto", text: inPageWords(note) }));
  const ready = byId("ready");
  ready.textContent = draft.problems.length ? plural(draft.problems.length, "problem") : `Ready: ${Math.round(draft.seconds * 10) / 10} s`;
  ready.className = `badge ${draft.problems.length ? "warn" : "accent"}`;
  byId("problems").replaceChildren(
    el("h2", { text: draft.problems.length ? plural(draft.problems.length, "problem") : `Ready to render: ${Math.round(draft.seconds * 10) / 10} s` }),
    lines.length ? el("ul", { class: "trouble" }, ...lines) : "", notes.length ? el("ul", { class: "quiet" }, ...notes) : "");
  byId("as-markdown").hidden = draft.problems.length > 0;
}

function goTo(line) {
  const lines = yaml.value.split("\n");
  const from = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
  yaml.focus();
  yaml.setSelectionRange(from, from + (lines[line - 1] || "").length);
  yaml.scrollTop = (line - 4) * (yaml.scrollHeight / lines.length);
}

function show(found, { form = true, text = true } = {}) {
  draft = found;
  if (text) yaml.value = draft.text;
  if (form) fillForm();
  drawProblems();
  if (draft.values.title) {
    document.querySelector(".song-title").textContent = draft.values.title;
    document.title = `${draft.values.title} · milonga`;
  }
  keepSteps();
}

function step(before, field = null) {
  // Keys of one field in quick succession are one step back.
  const now = Date.now(), goesOn = field !== null && field === lastField && now - lastStep < 900;
  if (before !== past[past.length - 1] && !goesOn) past.push(before);
  lastStep = now;
  lastField = field;
  if (past.length > 200) past.shift();
  future = [];
  buttons();
}

function buttons() {
  byId("undo").disabled = !past.length;
  byId("redo").disabled = !future.length;
}

// Requests go one after the other: each starts from the text that the one before gave.
let queue = Promise.resolve(), away = false;
const waiting = new Map();

function remember() {
  const kept = { changes: [...waiting.values()].map((one) => one.change).filter(Boolean), text: waiting.has("yaml") ? yaml.value : null };
  if (kept.changes.length || kept.text !== null) sessionStorage.setItem(pendingKey, JSON.stringify(kept));
  else sessionStorage.removeItem(pendingKey);
}

function later(id, task, change, delay = 150) {
  clearTimeout((waiting.get(id) || {}).timer);
  const entry = { change, timer: setTimeout(() => send(id, entry, task), delay) };
  waiting.set(id, entry);
  byId("state").textContent = "Saving";
  remember();
}

function send(id, entry, task) {
  queue = queue.then(async () => {
    if (waiting.get(id) !== entry) return; // typed on before its turn
    const done = () => { if (waiting.get(id) === entry) waiting.delete(id); };
    try {
      await task();
      done();
      if (away) byId("notice").hidden = true;
      away = false;
      byId("state").textContent = waiting.size ? "Saving" : "Saved";
    } catch (error) {
      const gone = error.status === 0;
      byId("state").textContent = gone ? "Not saved, trying again" : "Not saved";
      if (!(gone && away) && byId("conflict").hidden) notice(error.message);
      away = gone;
      // Nothing is lost while the server is away: it waits, also over a reload.
      if (gone) entry.timer = setTimeout(() => send(id, entry, task), 1000);
      else done();
    } finally {
      remember();
    }
  });
  return queue;
}

async function save(body, options = {}) {
  const before = options.before ?? draft.text;
  const forward = () => { if (draft.text !== before && options.step !== false) step(before, options.field); };
  const found = await api("PUT", address, { ...body, version: draft.version });
  if (found.conflict && joins(body, found.conflict)) {
    // What another window changed and what this one changes go together.
    draft = found.conflict;
    if (body.text === draft.text) { forward(); show(draft, options); return; }
    await save(body, { ...options, before });
    return;
  }
  if (found.conflict) {
    byId("conflict").hidden = false;
    byId("conflict").dataset.theirs = JSON.stringify(found.conflict);
    byId("conflict").refused = body;
    throw new Error("This song was changed in another window.");
  }
  draft = found;
  forward();
  show(found, options);
}

// Tell if a change loses nothing of what another window saved meanwhile.
function joins(body, theirs) {
  if (body.text !== undefined) return body.text === theirs.text;
  const { op, loc, value } = body.change;
  const now = shown(valueIn(theirs.values, loc));
  return op === "set" && shapeOf(theirs.values) === shapeOf(draft.values) && (now === shown(at(loc)) || now === value);
}

const change = (wanted, options = {}) => save({ change: wanted }, options);

byId("form").addEventListener("input", (event) => {
  const input = event.target.closest("[data-loc]");
  if (!input) return;
  if (input.tagName === "TEXTAREA") input.rows = Math.max(3, input.value.split("\n").length);
  const wanted = { op: "set", loc: JSON.parse(input.dataset.loc), value: input.value };
  later(input.id, () => change(wanted, { field: input.id }), wanted);
});
byId("form").addEventListener("click", (event) => {
  const pressed = event.target.closest("[data-change]");
  if (pressed) later("structure", () => change(JSON.parse(pressed.dataset.change)).then(focusNew), null, 0);
});
byId("form").addEventListener("submit", (event) => event.preventDefault());
yaml.addEventListener("input", () => later("yaml", () => save({ text: yaml.value }, { text: false, field: "yaml" })));

function focusNew() {
  const last = all(".segment-card", byId("form")).pop();
  if (last && document.activeElement === document.body) last.querySelector("input").focus();
}

function travel(from, to) {
  if (!from.length) return;
  const wanted = from.pop();
  to.push(draft.text);
  buttons();
  later("yaml", async () => { await save({ text: wanted }, { step: false }); drawForm(); drawProblems(); }, null, 0);
}
byId("undo").addEventListener("click", () => travel(past, future));
byId("redo").addEventListener("click", () => travel(future, past));
document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
  if (event.target === yaml) return; // the browser's own
  event.preventDefault();
  if (event.shiftKey) travel(future, past); else travel(past, future);
});
byId("keep-mine").addEventListener("click", () => {
  byId("conflict").hidden = true;
  draft.version = JSON.parse(byId("conflict").dataset.theirs).version;
  const refused = byId("conflict").refused;
  later("yaml", async () => {
    await save({ text: yaml.value }, {});
    if (refused.change) await save(refused, {});
  }, null, 0);
});
byId("take-theirs").addEventListener("click", () => {
  byId("conflict").hidden = true;
  step(draft.text);
  show(JSON.parse(byId("conflict").dataset.theirs));
  byId("state").textContent = "Saved";
});

drawForm();
restoreSteps();
show(draft);
const note = sessionStorage.getItem(`note:${start.id}`);
if (note) { notice(inPageWords(note)); sessionStorage.removeItem(`note:${start.id}`); }
// A tab that is closed right after a key: what waits is sent by the browser itself.
addEventListener("pagehide", () => {
  const one = [...waiting.keys()].pop();
  if (!one) return;
  const body = one === "yaml" ? { text: yaml.value } : waiting.get(one).change && { change: waiting.get(one).change };
  if (!body) return;
  fetch(address, { method: "PUT", keepalive: true, headers: { "Content-Type": "application/json" }, body: JSON.stringify({ ...body, version: draft.version }) }).catch(() => {});
});

const kept = JSON.parse(sessionStorage.getItem(pendingKey) || "null");
if (kept && kept.text !== null) {
  yaml.value = kept.text;
  later("yaml", () => save({ text: kept.text }, { text: false }), null, 0);
} else if (kept) {
  for (const wanted of kept.changes) {
    if (byId(idOf(wanted.loc))) byId(idOf(wanted.loc)).value = wanted.value;
    later(idOf(wanted.loc), () => change(wanted), wanted, 0);
  }
}
document.body.dataset.ready = "true";
