import { all, api, byId, doing, notice } from "./common.js";

async function begin(button, wanted) {
  const made = await doing(button, () => api("POST", "/api/songs", wanted));
  if (!made) return;
  byId("paste").dispatchEvent(new Event("forget"));
  if (made.notes.length) sessionStorage.setItem(`note:${made.id}`, made.notes.join(" "));
  location.assign(`/songs/${encodeURIComponent(made.id)}`);
}

async function open(file) {
  if (!file) return;
  if (file.size > 4_000_000) { notice(`${file.name} is too large for a song's words: at most 4 MB.`); return; }
  await begin(null, { name: file.name, text: await file.text() });
}

for (const button of all("[data-starter]")) {
  button.addEventListener("click", () => begin(button, { starter: button.dataset.starter }));
}
byId("paste").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = byId("words").value;
  if (text.trim()) begin(event.submitter, { name: "song.md", text });
  else byId("words").focus();
});
byId("file").addEventListener("change", (event) => open(event.target.files[0]));
document.addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("dropping"); });
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("dropping"); });
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  open(event.dataTransfer.files[0]);
});
document.body.dataset.ready = "true";
