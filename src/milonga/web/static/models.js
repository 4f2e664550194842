import { api, byId, doing, el, inPageWords } from "./common.js";

const STATES = { ready: "on this machine", partial: "partly here", damaged: "damaged", found: "here, by another tool", folder: "a folder of yours", missing: "not here" };
const ASK = { remove: (key) => `Remove ${key} from this machine? It can be downloaded again.` };
const cards = new Map();
let timer = 0;

const megabytes = (bytes) => (bytes >= 1e9 ? `${(bytes / 1e9).toFixed(2)} GB` : `${(bytes / 1e6).toFixed(1)} MB`);

async function act(button, action, key, token) {
  if (ASK[action] && !button.dataset.sure) {
    button.dataset.sure = "true";
    button.textContent = "Really remove?";
    button.title = ASK[action](key);
    setTimeout(() => { delete button.dataset.sure; button.textContent = "Remove"; }, 5000);
    return;
  }
  const begun = await doing(button, () => api("POST", `/api/models/${action}`, { key, ...(token ? { token } : {}) }));
  if (begun) look();
}

function gate(model) {
  byId("gate-title").textContent = `${model.title || model.key} is gated`;
  byId("gate-link").href = `https://huggingface.co/${model.repo}`;
  byId("token").value = "";
  byId("token-form").dataset.key = model.key;
  byId("gate").showModal();
}

// What is here stands first; the others by what they are for.
const GROUPS = [["here", "On this machine"], ["generator", "For songs"], ["vocoder", "For sounds: vocoders"], ["score", "For scores"], ["other", "Others"]];
function groupOf(model, busy) {
  const used = model.used_by || "";
  const name = busy || model.state !== "missing" ? "here" : /generator|planner/.test(used) ? "generator" : ["vocoder", "score"].includes(used) ? used : "other";
  const found = byId(`group-${name}`);
  if (found) return found.querySelector("ul");
  const [, title] = GROUPS.find(([key]) => key === name);
  const made = el("section", { id: `group-${name}`, "aria-labelledby": `title-${name}` }, el("h2", { id: `title-${name}`, text: title }), el("ul", { class: "models" }));
  const later = GROUPS.slice(GROUPS.findIndex(([key]) => key === name) + 1).map(([key]) => byId(`group-${key}`)).find(Boolean);
  byId("models").insertBefore(made, later || null);
  return made.querySelector("ul");
}

function card(model) {
  const made = el("li", { class: "card model", data: { key: model.key } });
  cards.set(model.key, made);
  return made;
}

function fill(made, model, task) {
  const running = task && task.state === "running";
  const shown = JSON.stringify([model, task]);
  if (made.dataset.shown === shown) return;
  made.dataset.shown = shown;
  const here = ["ready", "found", "folder"].includes(model.state);
  const button = (text, action, kind = "quiet-button") => el("button", { type: "button", class: `button ${kind} small-button`, text, "aria-label": `${text} ${model.key}`, onclick: (event) => act(event.target, action, model.key) });
  const facts = [model.size_text ? `${model.size_text}` : "", model.on_disk_text ? `${model.on_disk_text} here` : "", model.licence ? `licence ${model.licence}` : "",
    model.commercial_use === "no" ? "not for commercial use" : model.commercial_use === "conditional" ? "commercial use on conditions" : "", model.used_by ? `used by ${model.used_by}` : ""].filter(Boolean);
  const bar = el("progress", { "aria-label": `Progress of ${model.key}`, hidden: !running });
  if (running && task.total) bar.value = task.done / task.total;
  const count = running && task.unit === "B" ? `${megabytes(task.done)}${task.total ? ` of ${megabytes(task.total)}` : ""}` : "";
  const said = task && task.result && task.about.startsWith("verify") ? (task.result.ok ? "Every file is as it was downloaded." : "Files differ from what was downloaded.") : "";
  const error = task && task.state === "failed" ? task.error : null;
  const focused = document.activeElement && made.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
  made.replaceChildren(
    el("h3", {}, model.title || model.key, " ", el("span", { class: `badge ${here ? "accent" : model.state === "missing" ? "ink" : "warn"}`, text: STATES[model.state] || model.state }), model.gated ? el("span", { class: "badge ink", text: "gated" }) : ""),
    el("p", { class: "quiet small", text: facts.join(" · ") }), bar,
    el("p", { class: "small", role: running ? null : "status", text: running ? [task.label, count].filter(Boolean).join(" · ") : task && task.state === "cancelled" ? "Stopped. It goes on where it was." : said }),
    error ? el("div", { class: "trouble" }, el("p", { dir: "auto", text: inPageWords(error.message) }), error.step ? el("p", { class: "step", dir: "auto", text: inPageWords(error.step) }) : "") : "",
    el("div", { class: "row" },
      running ? button("Stop", "cancel") : "",
      !running && !here ? button(model.state === "partial" ? "Go on" : "Download", "get") : "",
      !running && !here && model.gated ? el("button", { type: "button", class: "button quiet-button small-button", text: "With a token", "aria-label": `Download ${model.key} with a token`, onclick: () => gate(model) }) : "",
      !running && model.state === "damaged" ? button("Repair", "repair") : "",
      !running && ["ready", "found"].includes(model.state) ? button("Verify", "verify") : "",
      !running && ["ready", "partial", "damaged"].includes(model.state) ? button("Remove", "remove") : ""));
  if (focused) { const again = [...made.querySelectorAll("button")].find((one) => one.getAttribute("aria-label") === focused); if (again) again.focus(); }
}

async function look() {
  clearTimeout(timer);
  const found = await api("GET", "/api/models").catch(() => null);
  if (found) {
    const tasks = new Map(found.tasks.map((task) => [task.key.slice("model:".length), task]));
    if (!cards.size) byId("models").replaceChildren();
    for (const model of found.models) {
      if (!cards.has(model.key)) groupOf(model, tasks.has(model.key)).append(card(model));
      fill(cards.get(model.key), model, tasks.get(model.key));
    }
    const here = found.models.filter((model) => model.size_on_disk);
    byId("on-disk").textContent = here.length ? `${here.length} of ${found.models.length} are on this machine.` : "None is on this machine yet. The guide needs none.";
    document.body.dataset.ready = "true";
    if (!found.tasks.some((task) => task.state === "running")) return;
  }
  timer = setTimeout(look, 700);
}

byId("token-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const token = byId("token").value.trim();
  byId("token").value = "";
  byId("gate").close();
  await act(event.submitter, "get", byId("token-form").dataset.key, token);
});
byId("gate").addEventListener("close", () => { byId("token").value = ""; });
document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
look();
