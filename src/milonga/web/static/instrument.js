// Sliders that are heard as they move: a short sound by Griffin-Lim for each move, the last one counts.
import { all, api, byId, data, doing, el, Fault, notice } from "./common.js";

const model = data();
const base = `/api/sounds/${encodeURIComponent(model.name)}`;
const form = byId("sliders"), sound = byId("sound"), state = byId("state");
const key = `sliders:${model.name}`;

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function slider(name, label, { min = -3, max = 3, step = 0.1, value = 0, term = "", note = "", off = "" } = {}) {
  const output = el("output", { for: `c-${name}`, text: String(value) });
  const input = el("input", { type: "range", id: `c-${name}`, min, max, step, value, disabled: Boolean(off), data: { name } });
  const write = () => { output.textContent = input.value; };
  input.addEventListener("input", write);
  input.addEventListener("fill", write);
  return el("div", { class: "slider" }, el("label", { for: `c-${name}` }, label, term ? el("span", { class: "quiet small", text: ` ${term}` }) : ""), input, output, note || off ? el("p", { class: "quiet small", text: capital(off || note) }) : "");
}

form.append(
  el("div", { class: "sliders" }, ...model.controls.map((one) => slider(one.name, capital(one.name), { term: one.term, note: one.weak, off: one.enabled ? "" : one.reason || "This model can't do that." }))),
  el("div", { class: "sliders" },
    slider("pace", "Pace", { min: 0, max: 4, value: 1 }), slider("tempo", "Tempo of the pulse", { min: 40, max: 240, step: 1, value: 120 }),
    slider("seconds", "Seconds while playing", { min: 1, max: 10, step: 0.5, value: 2 })),
  el("div", { class: "fields" },
    el("div", { class: "field" }, el("label", { for: "seed", text: "Seed" }), el("input", { type: "number", id: "seed", min: "0", value: "0" })),
    el("div", { class: "field span-6" }, el("label", { for: "like", text: "Like the recording" }), el("select", { id: "like" }, el("option", { value: "", text: "a walk of its own" }), ...model.recordings.map((name) => el("option", { value: name, text: name })))),
    ),
  model.others.length ? el("fieldset", { class: "plain blend" }, el("legend", { text: "Blend" }),
    el("p", { class: "quiet small", text: "Other models play the same settings, and all sound as one." }),
    el("div", { class: "sliders", id: "shares" }),
    el("div", { class: "row" }, el("label", { for: "other", class: "sr", text: "Model to blend with" }), el("select", { id: "other", class: "narrow" }), el("button", { type: "button", class: "button quiet-button small-button", id: "add", text: "Add to the blend", onclick: () => { share(byId("other").value, 50); play(); } }))) : "");

// ---- The blend: a slider of its own for each model that takes part.
const MOST = 8;
const blended = () => all("[data-model]", form).map((box) => box.dataset.model);
function share(name, value) {
  if (!name) return;
  if (!blended().includes(model.name)) byId("shares").append(shareRow(model.name, 50));
  if (!blended().includes(name)) byId("shares").append(shareRow(name, value));
  others();
}
function shareRow(name, value) {
  const row = slider(`share-${name}`, name, { min: 0, max: 100, step: 1, value });
  row.dataset.model = name;
  if (name !== model.name) {
    row.append(el("button", { type: "button", class: "button quiet-button small-button", "aria-label": `Take ${name} out of the blend`, text: "Take out",
      onclick: () => { row.remove(); if (blended().length < 2) byId("shares").replaceChildren(); others(); play(); } }));
  }
  return row;
}
function others() {
  const left = model.others.filter((name) => !blended().includes(name));
  byId("other").replaceChildren(...left.map((name) => el("option", { value: name, text: name })));
  byId("add").parentElement.hidden = !left.length || blended().length >= MOST;
}
function blend() {
  const shares = {};
  for (const row of all("[data-model]", form)) shares[row.dataset.model] = Number(row.querySelector("input").value);
  return shares;
}
function putBlend(shares) {
  if (!model.others.length) return;
  byId("shares").replaceChildren();
  for (const [name, value] of Object.entries(shares || {})) if (model.others.includes(name)) share(name, value);
  for (const row of all("[data-model]", form)) {
    const input = row.querySelector("input");
    input.value = Math.round(shares[row.dataset.model] ?? 0);
    input.dispatchEvent(new Event("fill"));
  }
  others();
}

const sliders = () => all("input[type=range]", form);
function settings() {
  const controls = {};
  for (const input of sliders()) if (model.controls.some((one) => one.name === input.dataset.name) && Number(input.value) !== 0) controls[input.dataset.name] = Number(input.value);
  return { controls, blend: model.others.length ? blend() : {}, seed: Number(byId("seed").value) || 0, pace: Number(byId("c-pace").value), tempo: Number(byId("c-tempo").value), like: byId("like").value };
}

function put(wanted) {
  for (const input of sliders()) {
    const { name } = input.dataset;
    if (name.startsWith("share-")) continue;
    const value = (wanted.controls || {})[name] ?? wanted[name];
    if (name !== "seconds") input.value = value ?? input.getAttribute("value");
    input.dispatchEvent(new Event("fill"));
  }
  byId("seed").value = wanted.seed ?? 0;
  byId("like").value = wanted.like ?? "";
  putBlend(wanted.blend);
}

let playing = null, again = false, address = "";
async function play() {
  if (playing) { again = true; return; }
  const begun = performance.now();
  state.textContent = "Playing …";
  sessionStorage.setItem(key, JSON.stringify(settings()));
  playing = fetch(`${base}/play`, { method: "POST", headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...settings(), seconds: Number(byId("c-seconds").value), vocoder: "griffin-lim" }) });
  try {
    const answer = await playing;
    if (!answer.ok) throw new Fault((await answer.json()).error, answer.status);
    const blob = await answer.blob();
    if (address) URL.revokeObjectURL(address);
    address = URL.createObjectURL(blob);
    sound.src = address;
    document.body.dataset.took = String(Math.round(performance.now() - begun));
    state.textContent = `Heard ${(Number(document.body.dataset.took) / 1000).toFixed(1)} s after the move.`;
    await sound.play().catch(() => {});
  } catch (error) {
    state.textContent = error instanceof Fault ? error.message : "milonga web doesn't answer.";
  } finally {
    playing = null;
    if (again) { again = false; play(); }
  }
}

let timer = 0;
form.addEventListener("input", (event) => {
  if (["length", "other"].includes(event.target.id)) return;
  clearTimeout(timer);
  timer = setTimeout(play, 120);
});
form.addEventListener("submit", (event) => { event.preventDefault(); play(); });

byId("play").addEventListener("click", () => play());
byId("another").addEventListener("click", () => { byId("seed").value = (Number(byId("seed").value) || 0) + 1; play(); });
byId("reset").addEventListener("click", () => { put({ seed: byId("seed").value }); play(); });

byId("keep").addEventListener("click", async (event) => {
  state.textContent = "Writing …";
  const made = await doing(event.target, () => api("POST", `${base}/keep`, { ...settings(), seconds: Number(byId("length").value), format: byId("format").value }));
  state.textContent = "";
  if (!made) return;
  const file = `/files-of-sounds/${encodeURIComponent(made.file)}`;
  byId("written").prepend(el("p", { class: "row" }, el("audio", { controls: true, src: file, preload: "none", "aria-label": made.file }), el("a", { href: file, download: made.file, text: `Save ${made.file}` })));
  history();
});

byId("save").addEventListener("click", async (event) => {
  const name = byId("preset").value.trim();
  if (!name) { byId("preset").focus(); return; }
  const found = await doing(event.target, () => api("PUT", `${base}/presets`, { preset: name, ...settings() }));
  if (found) { byId("preset").value = ""; drawPresets(found); }
});

function drawPresets(found) {
  const names = Object.keys(found);
  byId("presets").replaceChildren(...(names.length ? names.map((name) => el("li", { class: "row" }, el("b", { dir: "auto", text: name }), Object.keys(found[name].blend || {}).length ? el("span", { class: "quiet small", dir: "auto", text: Object.keys(found[name].blend).join(" + ") }) : "",
    el("button", { type: "button", class: "button quiet-button small-button", text: "Use", "aria-label": `Use the preset ${name}`, onclick: () => { put({ ...found[name].settings, blend: found[name].blend }); play(); } }),
    el("button", { type: "button", class: "button quiet-button small-button", text: "Delete", "aria-label": `Delete the preset ${name}`, onclick: async (event) => { const left = await doing(event.target, () => api("DELETE", `${base}/presets`, { preset: name })); if (left) drawPresets(left); } }))) : [el("li", { class: "quiet", text: "None yet." })]));
}

const percent = (shares) => Object.fromEntries(Object.entries(shares).map(([name, weight]) => [name, 100 * weight]));
const together = (models) => (Object.keys(models).length > 1 ? ` · ${Object.entries(models).map(([name, weight]) => `${name} ${Math.round(100 * weight)} %`).join(", ")}` : "");

async function history() {
  const found = await api("GET", `${base}/history`).catch((error) => { notice(error.message); return []; });
  byId("history").replaceChildren(...(found.length ? found.map((item) => el("li", { class: "row" }, el("span", { dir: "auto", text: `${item.number} · ${item.created.slice(0, 16).replace("T", " ")}${together(item.models)}` }),
    el("audio", { controls: true, preload: "none", src: `/api/sounds-history/${item.number}`, "aria-label": `Sound ${item.number} of the history` }),
    el("button", { type: "button", class: "button quiet-button small-button", text: "Take its settings", "aria-label": `Take the settings of sound ${item.number}`, onclick: () => { put({ ...item.settings, blend: percent(item.models) }); play(); } }))) : [el("li", { class: "quiet", text: "Nothing was kept yet." })]));
}

if (model.others.length) others();
const kept = JSON.parse(sessionStorage.getItem(key) || "null");
if (kept) put(kept);
api("GET", `${base}/presets`).then(drawPresets, (error) => notice(error.message));
history();
document.body.dataset.ready = "true";
