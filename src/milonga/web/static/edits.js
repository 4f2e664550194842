// The form of an edit: repaint a range, extend, cover.
import { api, doing, el, notice } from "./common.js";

const TASKS = {
  repaint: "Repaint: make a range anew", extend: "Extend: add to the end or the start", cover: "Cover: another style, the same song",
};

// What the command line calls a field that has another name here.
const OPTIONS = { generator: "with", start: "from", end: "to" };

export function editForm({ song, base, layer, take, range, begun }) {
  const tasks = Object.keys(TASKS).filter((task) => Object.values(song.editors).some((able) => able.includes(task)));
  const input = (name, label, attributes = {}) => el("div", { class: `field ${attributes.wide ? "wide" : ""}`, data: { for: attributes.for || "" } }, el("label", { for: `e-${name}`, text: label, data: { option: OPTIONS[name] || name } }),
    attributes.rows ? el("textarea", { id: `e-${name}`, name, rows: attributes.rows, dir: "auto" }) : el("input", { id: `e-${name}`, name, type: attributes.type || "text", step: "any", min: attributes.min, max: attributes.max, value: attributes.value, dir: "auto", placeholder: attributes.placeholder }));
  const choice = (name, label, options) => el("div", { class: "field span-6" }, el("label", { for: `e-${name}`, text: label, data: { option: OPTIONS[name] || name } }), el("select", { id: `e-${name}`, name }, ...options));
  const task = choice("task", "What", tasks.map((each) => el("option", { value: each, text: TASKS[each] })));
  const generator = choice("generator", "With", []);
  const rounded = (value) => value.toFixed(2);
  const form = el("form", { class: "edit", "aria-label": `Edit ${take.name}` }, el("div", { class: "fields" }, task, generator,
    input("start", "From (s)", { for: "repaint", type: "number", min: "0", value: range ? rounded(range[0]) : "0" }),
    input("end", "To (s)", { for: "repaint", type: "number", min: "0", value: range ? rounded(range[1]) : rounded(take.seconds) }),
    input("by", "By (s)", { for: "extend", type: "number", min: "0", value: "4" }),
    el("div", { class: "field", data: { for: "extend" } }, el("span", { class: "label", text: "Where" }), el("label", { class: "check" }, el("input", { type: "checkbox", name: "before", value: "1" }), " before the start")),
    input("strength", "Keeps of the take (0 to 1)", { for: "cover", type: "number", min: "0", max: "1", value: "0.6" }),
    input("style", "Style", { wide: true, placeholder: "as the take" }), input("lyrics", "Lyrics", { wide: true, rows: "3" }),
    input("takes", "Takes", { type: "number", min: "1", max: "20", value: "1" }), input("seed", "First seed", { type: "number", min: "0", value: "0" }),
    el("div", { class: "field" }, el("span", { class: "label", text: "Mix" }), el("label", { class: "check" }, el("input", { type: "checkbox", name: "choose", value: "1" }), " use it when it is good"))),
  el("div", { class: "row" }, el("button", { type: "submit", class: "button", text: "Make it" })));
  const fields = form.elements;
  const fit = () => {
    const wanted = fields.task.value;
    for (const part of form.querySelectorAll("[data-for]")) part.hidden = part.dataset.for !== "" && part.dataset.for !== wanted;
    const able = Object.keys(song.editors).filter((name) => song.editors[name].includes(wanted));
    const chosen = able.includes(take.generator) ? take.generator : able[0];
    fields.generator.replaceChildren(...able.map((name) => el("option", { value: name, text: name, selected: name === chosen })));
  };
  fields.task.addEventListener("change", fit);
  fit();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const wanted = { segment: layer.key.endsWith("/whole") ? "whole" : layer.key, take: take.name };
    for (const name of ["task", "generator", "start", "end", "by", "strength", "style", "lyrics", "takes", "seed"]) {
      const holder = fields[name].closest("[data-for]");
      if (!holder || !holder.hidden) wanted[name] = fields[name].value;
    }
    if (wanted.task === "extend") wanted.before = fields.before.checked;
    wanted.choose = fields.choose.checked;
    const job = await doing(event.submitter, () => api("POST", `${base}/edit`, wanted));
    if (!job) return;
    notice(`Job ${job.id} makes it; the take appears here when it is done.`, "info");
    begun(job);
  });
  return form;
}
