// What every page shares: requests, notices, help, and fields that survive a reload.

export const byId = (id) => document.getElementById(id);
export const all = (selector, root = document) => [...root.querySelectorAll(selector)];
export const data = () => JSON.parse(byId("data").textContent);

// Build an element; text is never read as markup.
export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "class") made.className = value;
    else if (key === "text") made.textContent = value;
    else if (key === "data") for (const [k, v] of Object.entries(value)) made.dataset[k] = v;
    else if (value === true) made.setAttribute(key, "");
    else made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

const SVG = "http://www.w3.org/2000/svg";
export function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// Messages are written for every face. What they call an option of the command line is, where this page
// has it, the words of the element with that data-option, or the label of the field with that name.
// Commands stay as they are, and the page that does what they do is named. A button stands beside what
// it is for, so it needs no KEY=NAME.
const COMMAND = /\b(milonga|pip|hf|ffmpeg|ray) [a-z]/, OPTION = /(?<![\w-])--([a-z][a-z-]*)( [\w/]+=[\w/-]+(?:\.\w+)*)?/g;
function wordsOf(option, pair = "", bracketed = false) {
  const named = document.querySelector(`form [name="${option.replaceAll("-", "_")}"]`);
  const words = document.querySelector(`[data-option~="${option}"]`) || (named && named.labels[0]);
  if (!words) return `--${option}${pair} ${bracketed ? "on the command line" : "(on the command line)"}`;
  return `“${words.dataset.words || words.textContent.trim()}”${words.matches("button") ? "" : pair}`;
}
function inPageLine(line) {
  const said = line.replace(OPTION, (given, option, pair, at) => (COMMAND.test(line.slice(0, at)) ? given : wordsOf(option, pair, line[at - 1] === "(")));
  const group = line.match(/\bmilonga ([a-z-]+)/);
  const page = group && document.querySelector(`.bar-pages [data-command="${group[1]}"]:not([aria-current=page])`);
  return page ? `${said} (Here: the page “${page.textContent}”.)` : said;
}
export const inPageWords = (text) => (text || "").split("\n").map(inPageLine).join("\n");
// The same for what stands on the page already: elements with data-said, once each.
export function sayInPageWords() {
  for (const each of all("[data-said]")) { each.textContent = inPageWords(each.textContent); delete each.dataset.said; }
}

export class Fault extends Error {
  constructor(said, status) {
    super([said.message, said.step].filter(Boolean).map(inPageWords).join(" "));
    Object.assign(this, { said, status });
  }
}

export async function api(method, address, body) {
  const raw = body instanceof Blob;
  let answer;
  try {
    answer = await fetch(address, {
      method,
      headers: body === undefined || raw ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : raw ? body : JSON.stringify(body),
    });
  } catch {
    throw new Fault({ message: "milonga web doesn't answer.", step: "Is it still running?" }, 0);
  }
  const found = (answer.headers.get("content-type") || "").startsWith("application/json")
    ? await answer.json() : { error: { message: await answer.text() } };
  if (!answer.ok) throw new Fault(found.error || { message: answer.statusText }, answer.status);
  return found;
}

export function announce(text) { byId("announce").textContent = text; }

let clearing = 0;
export function notice(text, kind = "warn") {
  const box = byId("notice");
  box.replaceChildren(el("p", { text, dir: "auto" }),
    el("button", { type: "button", class: "round", "aria-label": "Close", text: "×", onclick: () => { box.hidden = true; } }));
  box.className = kind;
  box.hidden = false;
  clearTimeout(clearing);
  if (kind !== "warn") clearing = setTimeout(() => { box.hidden = true; }, 6000);
}

// Run a task; what goes wrong is said, and the button can't be pressed twice.
export async function doing(button, task) {
  if (button) {
    button.disabled = true;
    button.setAttribute("aria-busy", "true");
    byId("notice").hidden = true; // what was said of the try before
  }
  try {
    return await task();
  } catch (error) {
    const problems = (error.said && error.said.problems) || [];
    notice([error.message, ...problems.map((p) => `${p.where ? `${p.where}: ` : ""}${inPageWords(`${p.message} ${p.step}`)}`)].join("\n"));
    if (!(error instanceof Fault)) throw error;
    return undefined;
  } finally {
    if (button) {
      button.disabled = false;
      button.removeAttribute("aria-busy");
    }
  }
}

export const clock = (seconds) => {
  const tenths = Math.round(Math.max(seconds, 0) * 10);
  return `${Math.floor(tenths / 600)}:${String(Math.floor(tenths / 10) % 60).padStart(2, "0")}.${tenths % 10}`;
};

export const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

export function typing(event) {
  return event.target.closest("input:not([type=range]):not([type=checkbox]), textarea, select, [contenteditable]") !== null;
}

// Fields of forms with data-keep come back after a reload; a token's field never has it.
function keep() {
  for (const form of all("form[data-keep]")) {
    const key = `keep:${location.pathname}:${form.id}`;
    const fields = () => all("[name]", form).filter((f) => f.type !== "password" && f.type !== "file");
    const several = (field) => field.type === "checkbox" || field.type === "radio";
    const restore = () => {
      const kept = JSON.parse(sessionStorage.getItem(key) || "{}");
      for (const field of fields()) {
        if (!(field.name in kept)) continue;
        if (several(field)) field.checked = kept[field.name].includes(field.value);
        else field.value = kept[field.name];
      }
    };
    restore();
    // A part of the form that came later.
    form.addEventListener("restore", restore);
    form.addEventListener("input", () => {
      const found = {};
      for (const field of fields()) {
        if (several(field)) {
          found[field.name] = found[field.name] || [];
          if (field.checked) found[field.name].push(field.value);
        } else found[field.name] = field.value;
      }
      sessionStorage.setItem(key, JSON.stringify(found));
    });
    form.addEventListener("forget", () => { sessionStorage.removeItem(key); form.reset(); });
  }
}

byId("help-open").addEventListener("click", () => byId("help").showModal());
document.addEventListener("keydown", (event) => {
  if (event.key === "?" && !typing(event) && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    byId("help").showModal();
  }
});
for (const dialog of all("dialog")) {
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
}
keep();
sayInPageWords();
