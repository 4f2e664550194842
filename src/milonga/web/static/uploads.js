// Files dropped on a page go to the server one after the other, a folder for each drop.
import { api, el, notice } from "./common.js";

const hex = () => [...crypto.getRandomValues(new Uint8Array(8))].map((each) => each.toString(16).padStart(2, "0")).join("");

async function within(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader(), found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break;
    for (const each of some) found.push(...await within(each));
  }
  return found;
}

export async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry && item.webkitGetAsEntry()).filter(Boolean);
  return entries.length ? (await Promise.all(entries.map(within))).flat() : [...transfer.files];
}

// Send files; box shows how far it is. Returns the drop's name and what was taken in.
export async function send(files, box, batch = hex()) {
  const taken = [], refused = [];
  const bar = el("progress", { max: String(files.length), value: "0", "aria-label": "Files taken in" });
  box.replaceChildren(bar);
  for (const file of files) {
    try {
      taken.push(await api("POST", `/api/uploads/${batch}?name=${encodeURIComponent(file.name)}`, file));
    } catch (error) {
      refused.push(`${file.name}: ${error.message}`);
    }
    bar.value += 1;
  }
  box.replaceChildren();
  if (refused.length) notice(refused.slice(0, 5).join("\n") + (refused.length > 5 ? `\nand ${refused.length - 5} more` : ""));
  return { batch, taken };
}

export function onDrop(handle) {
  document.addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("dropping"); });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("dropping"); });
  document.addEventListener("drop", async (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    const files = await filesOf(event.dataTransfer);
    if (files.length) handle(files);
  });
}
