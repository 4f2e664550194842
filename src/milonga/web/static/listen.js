// The song as tracks in time; takes under each layer; choosing, mixing, what differs, ranges.
import { all, api, byId, clock, data, doing, el, notice, plural, sayInPageWords, svg } from "./common.js";
import { editForm } from "./edits.js";
import { watch } from "./jobs.js";
import { Deck, Player, Track } from "./player.js";
import { differenceParts, openDialog, receiptParts } from "./receipts.js";

let song = byId("data") ? data() : null;
const base = song && `/api/songs/${encodeURIComponent(song.id)}`;
const fileOf = (path) => `/files/${encodeURIComponent(song.id)}/${path.split("/").map(encodeURIComponent).join("/")}`;
// The letters that no shortcut has.
const LETTERS = "ABCDEFGHIJKLNOPQRSTUVWXYZ";
const waves = new Map();
let player = null;

const play = (label) => {
  const icon = svg("svg", { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true" },
    svg("path", { class: "when-paused", d: "M4.5 2.4v11.2l9-5.6z" }), svg("path", { class: "when-playing", d: "M3.8 2.5h3v11h-3zM9.2 2.5h3v11h-3z" }));
  return el("button", { type: "button", class: "play", "aria-label": `Play ${label}` }, icon);
};

// ---- Waveforms: measured when they come into view, two at a time.
const wanted = [];
let measuring = 0;
function measure(path, then) {
  if (waves.has(path)) { then(waves.get(path)); return; }
  wanted.push([path, then]);
  next();
}
async function next() {
  if (measuring > 1 || !wanted.length) return;
  const [path, then] = wanted.shift();
  measuring += 1;
  try {
    const wanted = path.startsWith("baseline:") ? `baseline=${path.slice(9)}` : `path=${encodeURIComponent(path.replace(/\?.*/, ""))}`;
    if (!waves.has(path)) waves.set(path, await api("GET", `${base}/wave?${wanted}`));
    then(waves.get(path));
  } catch (error) {
    if (error.status !== 404) notice(error.message);
  } finally {
    measuring -= 1;
    next();
  }
}
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    seen.unobserve(entry.target);
    entry.target.draw();
  }
}, { rootMargin: "400px 0px" });

function waveView(track, path, span) {
  const shape = svg("path", { class: "rms" });
  const picture = svg("svg", { class: "wave", viewBox: "0 0 400 100", preserveAspectRatio: "none", "aria-hidden": "true" }, shape);
  const playhead = el("div", { class: "playhead", hidden: true });
  const range = el("div", { class: "range", hidden: true });
  const view = el("div", { class: "view wave-only" }, picture, range, playhead);
  Object.assign(track, { playhead, rangeMark: range, view, span, path });
  view.draw = () => measure(path, (found) => {
    const count = found.peaks.length, share = Math.min(found.seconds, track.length) / span;
    const cut = found.seconds > track.length + 1; // a piece of the song
    const first = cut ? Math.floor((track.from / found.seconds) * count) : 0;
    const last = cut ? Math.ceil(((track.from + track.length) / found.seconds) * count) : count;
    const part = found.peaks.slice(first, Math.max(last, first + 1));
    const x = (index) => ((index / part.length) * 400 * share).toFixed(1);
    const up = part.map((peak, index) => `${x(index)} ${(49.5 - 49 * peak).toFixed(1)}`);
    const down = part.map((peak, index) => `${x(index)} ${(50.5 + 49 * peak).toFixed(1)}`).reverse();
    shape.setAttribute("d", up.length ? `M${up.join("L")}L${down.join("L")}Z` : "");
    track.lufs = found.lufs;
    player.level();
  });
  seen.observe(view);
  scrub(view, track);
  return view;
}

// A click seeks; a drag marks a range of the deck.
function scrub(view, track) {
  const place = (event) => {
    const box = view.getBoundingClientRect();
    return Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * track.span;
  };
  view.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const from = place(event), begun = event.clientX;
    let dragged = false;
    const drag = (moved) => {
      if (!dragged && Math.abs(moved.clientX - begun) < 5) return;
      if (!dragged) { dragged = true; view.setPointerCapture(moved.pointerId); }
      mark(track, from, place(moved));
    };
    const end = () => {
      view.removeEventListener("pointermove", drag);
      view.removeEventListener("pointerup", up);
      view.removeEventListener("pointercancel", end);
    };
    const up = () => {
      end();
      if (dragged) return;
      const goOn = player.playing;
      player.pick(track, false);
      player.seek(from);
      if (goOn) player.pick(track, true);
    };
    view.addEventListener("pointermove", drag);
    view.addEventListener("pointerup", up);
    view.addEventListener("pointercancel", end);
  });
}

function mark(track, from, to) {
  const deck = track.deck;
  deck.range = from === null ? null : [Math.min(from, to), Math.min(Math.max(from, to), track.length)];
  for (const one of deck.tracks) {
    if (!one.rangeMark) continue;
    one.rangeMark.hidden = !deck.range;
    if (!deck.range) continue;
    one.rangeMark.style.left = `${(deck.range[0] / one.span) * 100}%`;
    one.rangeMark.style.width = `${((deck.range[1] - deck.range[0]) / one.span) * 100}%`;
  }
  if (player.deck !== deck) player.pick(track, false);
  const line = deck.element.querySelector(".range-text");
  line.textContent = deck.range ? `Marked: ${deck.range[0].toFixed(2)} to ${deck.range[1].toFixed(2)} s` : "";
  line.nextElementSibling.hidden = !deck.range;
}

// ---- The tracks in time.
function timeline() {
  const total = Math.max(song.seconds, 0.001);
  const percent = (seconds) => `${(seconds / total) * 100}%`;
  const roles = [...new Set(song.segments.flatMap((segment) => segment.layers.map((layer) => layer.role)))];
  const lane = (name, ...blocks) => el("div", { class: "lane" }, el("div", { class: "lane-name", text: name.charAt(0).toUpperCase() + name.slice(1) }), el("div", { class: "lane-time" }, ...blocks));
  const step = [1, 2, 5, 10, 15, 30, 60, 120].find((each) => total / each <= 12) || 300;
  const ruler = el("div", { class: "ruler", "aria-hidden": "true" });
  for (let at = 0; at < total; at += step) {
    const tick = el("span", { text: clock(at).replace(/\.0$/, "") });
    tick.style.left = percent(at);
    ruler.append(tick);
  }
  const rows = [lane("", ruler)];
  if (song.song) {
    const deck = new Deck("The mix", null);
    const row = el("div", { class: "mix-row", id: "mix-row" });
    const track = deck.add(new Track({ label: "The mix", letter: "", address: `${fileOf(song.song)}?v=${song.mixed}`, length: song.song_s || song.seconds, element: row }));
    const button = play("the mix");
    button.addEventListener("click", () => (player.deck === deck && player.playing ? player.toggle() : player.pick(track, true)));
    const view = waveView(track, `${song.song}?${song.mixed}`, song.seconds);
    row.append(view);
    player.decks.push(deck);
    const mixLane = lane("Mix", row);
    mixLane.firstChild.append(button);
    row.classList.add("mix-wave");
    track.element = mixLane;
    deck.element = el("div", {}, el("p", { class: "range-text" }), el("span"));
    rows.push(mixLane);
  }
  for (const role of roles) {
    const blocks = song.segments.flatMap((segment) => {
      const layer = segment.layers.find((each) => each.role === role);
      if (!layer) return [];
      const playing = layer.takes.find((take) => take.in_mix);
      const state = playing ? (playing.findings.length || playing.state === "stale" ? "flawed" : "good") : layer.takes.length ? "silent" : "empty";
      const text = playing ? playing.name : layer.instead ? "–" : layer.takes.length ? "not in the mix" : "no take";
      const about = `Segment ${segment.number} ${segment.name}, ${role}: ${playing ? `${playing.name} in the mix` : text}; ${plural(layer.takes.length, "take")}`;
      const block = el("a", { class: `block ${state}${segment.in_mix ? "" : " left-out"}`, href: `#s${segment.number}`, "aria-label": about, title: about }, el("b", { text: String(segment.number) }), segment.in_mix ? el("span", { text }) : "");
      block.style.left = percent(segment.start);
      if (segment.in_mix) block.style.width = percent(segment.seconds);
      return [block];
    });
    rows.push(lane(role, ...blocks));
  }
  byId("timeline").replaceChildren(...rows);
}

// ---- The takes.
const badge = (text, kind, title = null) => el("span", { class: `badge ${kind}`, text, title });

function takeRow(segment, layer, take, deck, letter, span) {
  const label = `${take.name}${segment.layers.length > 1 ? `, ${layer.role}` : ""}`;
  const row = el("li", { class: `take${take.in_mix ? " chosen" : ""}${take.findings.length || take.state === "stale" ? " flawed" : ""}`, data: { take: take.name, layer: layer.key } });
  const track = deck.add(new Track({ label, letter, address: fileOf(take.path), length: take.seconds, element: row, key: layer.key, take }));
  const button = play(label);
  button.addEventListener("click", () => (player.track === track && player.playing ? player.toggle() : player.pick(track, true)));
  const marks = [
    take.in_mix ? badge(take.by_name ? "in the mix, by name" : "in the mix", "accent") : "",
    take.state === "stale" ? badge("stale", "warn", `Made for an earlier state of the sheet: ${take.changes.join(", ")}`) : "",
    take.findings.length ? badge(plural(take.findings.length, "finding"), "warn") : "",
    take.edit ? badge(take.edit, "ink", `Made from ${take.source}`) : "",
  ];
  const facts = [take.generator, `seed ${take.seed}`, `${take.seconds.toFixed(1)} s`, take.findings.length ? "" : take.remarks.length ? plural(take.remarks.length, "remark") : "checks passed"].filter(Boolean).join(" · ");
  const named = take.in_mix && take.by_name;
  const use = el("button", { type: "button", class: "button quiet-button small-button use", "aria-pressed": String(take.in_mix), data: { option: "choose", words: "Use in the mix" }, text: take.in_mix ? "In the mix" : "Use in the mix", "aria-label": `Use ${label} in the mix`,
    title: named ? "Chosen by name. Press to let milonga choose again." : take.in_mix ? "Picked by itself. Press to keep this take by name." : null,
    onclick: () => choose(use, { [layer.key]: named ? "none" : take.name }) });
  const alone = segment.layers.reduce((sum, each) => sum + each.takes.length, 0) < 2;
  const differs = el("button", { type: "button", class: "button quiet-button small-button", text: "Differences", disabled: alone, "aria-label": `Differences of ${label} and another take`, onclick: () => differences(segment, layer, take, differs) });
  const shown = el("button", { type: "button", class: "button quiet-button small-button", text: "Receipt", "aria-label": `Receipt of ${label}`, onclick: () => receipt(take, shown) });
  const edit = el("button", { type: "button", class: "button quiet-button small-button", text: "Edit", "aria-label": `Edit ${label}: repaint, extend, cover`, onclick: () => openDialog(`Edit ${take.name}`, editForm({ song, base, layer, take, range: deck.range, begun: () => byId("dialog").close() })) });
  const notes = [
    take.state === "stale" ? el("p", { class: "note", text: `Made for an earlier state of the sheet: ${take.changes.join(", ")}` }) : "",
    take.findings.length ? el("ul", { class: "findings" }, ...take.findings.map(([code, message]) => el("li", {}, el("code", { text: code }), ` ${message}`))) : "",
    take.remarks.length ? el("p", { class: "meant", text: `May be meant: ${take.remarks.map(([, message]) => message).join(" ")}` }) : "",
  ];
  row.append(
    el("div", { class: "take-head" }, button, el("div", {}, el("h4", {}, letter ? el("span", { class: "letter", "aria-hidden": "true", text: letter }) : "", el("span", { class: "label", text: take.name }), ...marks), el("p", { class: "facts", text: facts }))),
    waveView(track, take.path, span),
    el("div", { class: "take-tools" }, use, Object.keys(song.editors).length ? edit : "", differs, shown), ...notes);
  return row;
}

// What the takes are held against: the same place, the same level, at a key.
function baselineRow(segment, deck, span) {
  const label = `Baseline of ${segment.number}`;
  const row = el("li", { class: "take baseline", data: { take: "baseline" } });
  const track = deck.add(new Track({ label, letter: "0", address: `/files-of-baselines/${encodeURIComponent(song.id)}/${segment.number}`, length: Math.min(segment.baseline_s, span), element: row }));
  const button = play(label);
  button.addEventListener("click", () => (player.track === track && player.playing ? player.toggle() : player.pick(track, true)));
  const longer = segment.baseline_s > span + 0.05 ? ` of ${segment.baseline_s.toFixed(1)} s` : "";
  row.append(
    el("div", { class: "take-head" }, button, el("div", {}, el("h4", {}, el("span", { class: "letter", "aria-hidden": "true", text: "0" }), el("span", { class: "label", text: "Baseline" }), badge("the recording to come close to", "ink")),
      el("p", { class: "facts", dir: "auto", text: `${segment.baseline.split(/[\\/]/).pop()} · ${track.length.toFixed(1)} s${longer}` }))),
    waveView(track, `baseline:${segment.number}`, span), el("div", { class: "take-tools" }));
  return el("div", { class: "layer" }, el("h3", { text: "baseline" }), el("ol", { class: "takes" }, row));
}

function segmentSection(segment) {
  // A baseline that is much longer, such as a whole song, must not squeeze the takes.
  const own = Math.max(segment.seconds, ...segment.layers.flatMap((layer) => layer.takes.map((take) => take.seconds)), 0.1);
  const span = Math.max(own, Math.min(segment.baseline_s || 0, 1.5 * own));
  const placed = segment.in_mix ? `${clock(segment.start)} to ${clock(segment.start + segment.seconds)} in the mix` : "not in the mix";
  const section = el("section", { class: "segment", id: `s${segment.number}`, "aria-labelledby": `s${segment.number}-title`, tabindex: "-1" });
  const deck = new Deck(`${segment.number} · ${segment.name}`, section);
  let letters = 0;
  const held = segment.baseline_s ? baselineRow(segment, deck, span) : "";
  if (held) deck.active = null;
  const layers = segment.layers.map((layer) => {
    const rows = layer.takes.map((take) => takeRow(segment, layer, take, deck, LETTERS[letters++] || "", span));
    const notes = [...(layer.instead ? [layer.instead] : []), ...layer.notes];
    return el("div", { class: "layer", data: { layer: layer.key } },
      el("h3", {}, layer.role === "whole" ? "of the whole song" : layer.role, layer.gain_db ? el("span", { class: "quiet", text: ` ${layer.gain_db > 0 ? "+" : ""}${layer.gain_db} dB` }) : ""),
      notes.length ? el("ul", { class: "quiet small notes" }, ...notes.map((note) => el("li", { text: note, data: { said: "" } }))) : "",
      rows.length ? el("ol", { class: "takes" }, ...rows) : el("p", { class: "quiet", text: "No take yet." }));
  });
  if (deck.tracks.length) player.decks.push(deck);
  deck.active = deck.tracks.find((track) => track.take && track.take.in_mix) || deck.tracks[held ? 1 : 0] || deck.tracks[0];
  section.append(
    el("header", { class: "segment-head" }, el("h2", { id: `s${segment.number}-title`, dir: "auto", text: `${segment.number} · ${segment.name}` }),
      el("p", { class: "lede-small", text: `${segment.section}, ${placed}` }),
      segment.baseline && !segment.baseline_s ? el("p", { class: "note", text: "The baseline can't be read." }) : "",
      segment.lyrics ? el("details", { class: "fold lyrics" }, el("summary", { text: "Lyrics" }), el("p", { dir: "auto", text: segment.lyrics })) : "",
      el("div", { class: "range-line" }, el("span", { class: "range-text", role: "status" }), el("button", { type: "button", class: "button quiet-button small-button", text: "Clear", "aria-label": "Clear the marked range", hidden: true, onclick: () => mark(deck.tracks[0], null) }))),
    held, ...layers);
  return section;
}

// What the tracks don't show: a sheet that was changed since, a mix of other takes.
function state() {
  const stale = song.song && song.song_s && Math.abs(song.song_s - song.seconds) > 0.1;
  byId("hints").replaceChildren(
    song.changed ? el("p", { class: "note" }, "The sheet was changed since these takes were rendered. ", el("a", { href: `/songs/${encodeURIComponent(song.id)}/render`, text: "Render again" }), ": takes that still fit are kept.") : "",
    stale ? el("p", { class: "note", text: "The mix was made from other takes. “Mix again” makes it of those below." }) : "",
    ...song.notes.map((note) => el("p", { class: "quiet small", dir: "auto", text: note, data: { said: "" } })));
}

function draw(keep) {
  const was = player && player.track ? { deck: player.deck.title, label: player.track.label, position: player.deck.position, playing: player.playing } : keep;
  if (player) { for (const track of [...player.loaded]) player.unload(track); player.decks = []; player.current = null; }
  timeline();
  state();
  byId("board").replaceChildren(...song.segments.map(segmentSection));
  sayInPageWords(); // now that the buttons are there
  const deck = player.decks.find((one) => was && one.title === was.deck) || player.decks[0];
  if (!deck) { byId("dock").hidden = true; return; }
  byId("dock").hidden = false;
  const track = was && deck.tracks.find((one) => one.label === was.label);
  player.current = deck;
  if (track) { deck.active = track; deck.position = was.position; if (was.playing) player.pick(track, true); }
  player.show();
}

// ---- Choosing and mixing.
async function choose(button, choices) {
  byId("mix-text").textContent = "Mixing …";
  const found = await doing(button, () => api("POST", `${base}/choose`, { choose: choices }));
  byId("mix-text").textContent = found ? found.summary : "";
  if (!found) return;
  const focus = button && button.closest("[data-take]");
  song = found.board;
  draw();
  if (focus) {
    const again = all(".take").find((row) => row.dataset.take === focus.dataset.take && row.dataset.layer === focus.dataset.layer);
    if (again) again.querySelector(".use").focus();
  }
}

// ---- What differs, and receipts.
async function differences(segment, layer, take, button) {
  const others = segment.layers.flatMap((each) => each.takes.filter((one) => one !== take).map((one) => ({ ...one, where: each === layer ? "" : `, ${each.role}` })));
  const among = others.filter((one) => !one.where);
  const first = among.find((one) => one.in_mix) || among[0] || others[0];
  const box = el("div", {});
  const show = async (path) => {
    const found = await doing(button, () => api("GET", `${base}/differences?a=${encodeURIComponent(take.path)}&b=${encodeURIComponent(path)}`));
    if (found) box.replaceChildren(...differenceParts(found, found.names));
  };
  const pick = el("select", { id: "other-take", onchange: (event) => show(event.target.value) }, ...others.map((one) => el("option", { value: one.path, text: `${one.name}${one.where}`, selected: one === first })));
  await show(first.path);
  openDialog(`What differs from ${take.name}`, el("div", { class: "field" }, el("label", { for: "other-take", text: "In" }), pick), box);
}

async function receipt(take, button) {
  const found = await doing(button, () => api("GET", `${base}/receipt/${take.path.split("/").map(encodeURIComponent).join("/")}`));
  if (!found) return;
  openDialog(`Receipt of ${take.name}`, ...receiptParts(found));
}

async function reload() {
  song = await api("GET", `${base}/board`);
  draw();
}

// New takes appear by themselves, as a job makes them; one that was chosen is mixed.
function onstate(job, before) {
  if (before === undefined || !["done", "failed", "cancelled"].includes(job.state)) return;
  if (job.state === "failed") notice(inPageWords(job.error));
  else if (job.kind === "edit" && job.state === "done") choose(null, {});
  else reload();
}

function onkey(event, deck) {
  const track = deck.active;
  if (event.key === "m" && track.key) {
    const use = track.element.querySelector(".use");
    choose(use, { [track.key]: track.take.name });
  } else if (event.key === "[" && track.rangeMark) mark(track, deck.position, deck.range ? Math.max(deck.range[1], deck.position) : track.length);
  else if (event.key === "]" && track.rangeMark) mark(track, deck.range ? Math.min(deck.range[0], deck.position) : 0, deck.position);
  else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    const next = deck.tracks[deck.tracks.indexOf(track) + (event.key === "ArrowDown" ? 1 : -1)];
    if (next) { player.pick(next, player.playing); if (next.element) next.element.scrollIntoView({ block: "nearest" }); }
  } else return false;
  return true;
}

if (song) {
  player = new Player({ onkey });
  window.milonga = { player };
  draw();
  byId("remix").addEventListener("click", (event) => choose(event.target, {}));
  watch({ wanted: (job) => job.song === song.id, onstate, links: () => [], empty: "" });
  document.body.dataset.ready = "true";
}
