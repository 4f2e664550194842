import { api, byId, doing, el, inPageWords, notice, plural } from "./common.js";
import { look, span, watch } from "./jobs.js";
import { onDrop, send } from "./uploads.js";

let batch = null;
const wanted = () => ({ name: byId("name").value.trim(), minutes: byId("minutes").value, size: byId("size").value, ...(byId("path").value.trim() ? { path: byId("path").value.trim() } : batch ? { batch } : {}) });
let drawn = "";

async function models() {
  const found = await api("GET", "/api/sounds").catch((error) => { notice(error.message); return null; });
  if (!found || JSON.stringify(found) === drawn) return;
  drawn = JSON.stringify(found);
  byId("models").replaceChildren(...(found.length ? found.map((model) => el("li", { class: "card" },
    el("h2", { dir: "auto" }, model.problem ? model.name : el("a", { href: `/sounds/${encodeURIComponent(model.name)}`, text: model.name })),
    el("p", { class: "quiet small", dir: "auto", text: inPageWords(model.problem) || `${plural(model.files, "recording")}, ${span(model.seconds)}; ${model.controls.join(", ")}` }),
    model.previews.length ? el("div", { class: "previews" }, el("p", { class: "small", text: `Heard while it trains, after ${Number(model.previews.at(-1).slice(5, 11))} steps:` }),
      el("audio", { controls: true, preload: "none", "aria-label": `Preview of ${model.name}`, src: `/api/sounds/${encodeURIComponent(model.name)}/preview/${model.previews.at(-1)}` })) : "")) : [el("li", { class: "quiet", text: "No model yet. Train one below." })]));
}

async function inspect(button) {
  const asked = wanted();
  if (!asked.path && !asked.batch) { notice("Drop recordings first, or give a folder."); return; }
  const found = await doing(button, () => api("POST", "/api/sounds-inspect", asked));
  if (!found) return;
  byId("found").replaceChildren(el("p", {}, el("b", { text: `${plural(found.files, "recording")}, ${span(found.seconds)} of sound` })),
    found.alike.length ? el("p", { class: "small quiet", text: `Nearly the same: ${found.alike.map((group) => group.join(" and ")).join("; ")}` }) : "",
    found.skipped.length ? el("ul", { class: "findings" }, ...found.skipped.slice(0, 20).map((one) => el("li", { dir: "auto", text: `${one.name}: ${one.reason}` }))) : "");
}

async function take(files) {
  const made = await send(files, byId("found"));
  if (!made.taken.length) return;
  batch = made.batch;
  byId("path").value = "";
  await inspect(null);
}

byId("files").addEventListener("change", (event) => take([...event.target.files]));
byId("folder").addEventListener("change", (event) => take([...event.target.files].filter((file) => !file.name.startsWith("."))));
byId("inspect").addEventListener("click", (event) => inspect(event.target));
byId("train").addEventListener("submit", async (event) => {
  event.preventDefault();
  const asked = wanted();
  if (!asked.name) { byId("name").focus(); notice("Give the model a name."); return; }
  if (!asked.path && !asked.batch) { notice("Drop recordings first, or give a folder."); return; }
  const job = await doing(event.submitter, () => api("POST", "/api/sounds-train", asked));
  if (job) { byId("train").dispatchEvent(new Event("forget")); look(); }
});
onDrop(take);
watch({ wanted: (job) => job.kind === "train", onstate: models, empty: "No training yet.",
  links: (job) => (job.state === "done" && job.arguments.name ? [el("a", { class: "button small-button", href: `/sounds/${encodeURIComponent(job.arguments.name)}`, text: "Play it" })] : []) });
models();
setInterval(() => { if (!document.hidden) models(); }, 4000);
document.body.dataset.ready = "true";
