// Jobs, live: asked for once a second while the page is seen, so a restart of the server is no matter.
import { api, byId, doing, el, inPageWords, notice } from "./common.js";

const STATES = { waiting: "waits", running: "running", cancelling: "stopping", done: "done", failed: "failed", cancelled: "cancelled" };

export const span = (seconds) => {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
};

function card(job) {
  const bar = el("progress", { "aria-label": `Progress of job ${job.id}` });
  const about = el("p", { class: "quiet small" });
  const error = el("p", { class: "trouble", dir: "auto", hidden: true });
  const tools = el("div", { class: "row" });
  const state = el("span", { class: "badge ink" });
  const made = el("article", { class: "card job", data: { job: String(job.id) }, "aria-labelledby": `job-${job.id}` },
    el("p", { class: "job-title", id: `job-${job.id}` }, el("b", { dir: "auto", text: `${job.id} · ${job.title} ` }), state), bar, about, error, tools);
  Object.assign(made, { parts: { bar, about, error, tools, state }, shown: "" });
  return made;
}

function fill(made, job, links) {
  const { bar, about, error, tools, state } = made.parts;
  state.textContent = STATES[job.state] || job.state;
  state.className = `badge ${job.state === "failed" ? "warn" : job.state === "running" ? "accent" : "ink"}`;
  bar.hidden = !["running", "cancelling"].includes(job.state);
  if (job.share === null) bar.removeAttribute("value"); else bar.value = job.share;
  const step = job.step;
  const count = step.total ? `${Math.floor(step.done)} of ${Math.floor(step.total)} ${step.unit}` : "";
  about.textContent = [
    job.stalled ? "no sign of life" : "", bar.hidden ? "" : step.label, bar.hidden ? "" : count,
    job.seconds === null ? "" : `${job.state === "running" ? "for" : "took"} ${span(job.seconds)}`,
    job.left_s === null ? "" : `about ${span(job.left_s)} left`, bar.hidden ? "" : inPageWords(step.message),
  ].filter(Boolean).join(" · ");
  error.hidden = !job.error;
  error.textContent = inPageWords(job.error);
  if (made.shown === job.state) return;
  made.shown = job.state;
  const button = (text, action) => el("button", { type: "button", class: "button quiet-button small-button", text, "aria-label": `${text} job ${job.id}`,
    onclick: (event) => doing(event.target, () => api("POST", `/api/jobs/${job.id}/${action}`, {})).then(look) });
  tools.replaceChildren(
    ["waiting", "running"].includes(job.state) ? button("Cancel", "cancel") : "",
    ["failed", "cancelled"].includes(job.state) ? button("Resume", "resume") : "",
    ...links(job),
    el("button", { type: "button", class: "button quiet-button small-button", text: "Log", "aria-label": `Log of job ${job.id}`, onclick: (event) => showLog(job, event.target, made) }));
}

async function showLog(job, button, made) {
  const old = made.querySelector("pre");
  if (old) { old.remove(); return; }
  const found = await doing(button, () => api("GET", `/api/jobs/${job.id}/log`));
  if (found) made.append(el("pre", { tabindex: "0", "aria-label": `Log of job ${job.id}`, text: found.log || "Nothing was printed." }));
}

const watchers = [];
let timer = 0, failing = false;

export async function look() {
  clearTimeout(timer);
  try {
    const found = await api("GET", "/api/jobs");
    failing = false;
    watchers.forEach((watcher) => watcher(found.jobs));
  } catch (error) {
    if (!failing) notice(error.message);
    failing = true;
  }
  timer = setTimeout(() => (document.hidden ? wait() : look()), 1000);
}
function wait() {
  document.addEventListener("visibilitychange", look, { once: true });
}

// Show the jobs that a filter keeps; onstate is told of each change of a state.
export function watch({ wanted = () => true, onstate = null, links = () => [], empty = "No job yet." }) {
  const box = byId("jobs"), cards = new Map(), states = new Map();
  let first = true;
  watchers.push((jobs) => {
    const kept = jobs.filter(wanted);
    for (const job of kept) {
      // One that wasn't there at the first look may be done by the second.
      const before = states.get(job.id) || (first ? undefined : "new");
      states.set(job.id, job.state);
      if (onstate && before !== job.state) onstate(job, before);
    }
    first = false;
    if (!box) return;
    for (const [id, made] of cards) if (!kept.some((job) => job.id === id)) { made.remove(); cards.delete(id); }
    kept.forEach((job, index) => {
      if (!cards.has(job.id)) cards.set(job.id, card(job));
      const made = cards.get(job.id);
      if (box.children[index] !== made) box.insertBefore(made, box.children[index] || null);
      fill(made, job, links);
    });
    const none = box.querySelector(".none");
    if (!kept.length && !none) box.append(el("p", { class: "quiet none", text: empty }));
    else if (kept.length && none) none.remove();
  });
  look();
}
