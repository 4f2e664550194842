import { api, byId, doing, el } from "./common.js";
import { look, watch } from "./jobs.js";

watch({ links: (job) => (job.song ? [el("a", { class: "button quiet-button small-button", href: `/songs/${encodeURIComponent(job.song)}/${job.state === "done" ? "listen" : "render"}`, text: "To the song" })] : []) });
byId("clean").addEventListener("click", (event) => doing(event.target, () => api("POST", "/api/jobs/clean", {})).then(look));
document.body.dataset.ready = "true";
