// Receipts and what differs between two, in the dialog of a page.
import { byId, el, plural } from "./common.js";

export function openDialog(title, ...content) {
  byId("dialog-title").textContent = title;
  byId("dialog-body").replaceChildren(...content);
  byId("dialog").showModal();
}

export const receiptParts = (found) => [
  el("dl", { class: "receipt-facts" }, ...found.facts.map(([key, value]) => el("div", {}, el("dt", { text: key }), el("dd", { text: value })))),
  el("details", { class: "fold" }, el("summary", { text: "Whole receipt" }), el("pre", { tabindex: "0", text: found.text })),
];

export const differenceParts = (found, names) => [
  el("p", { text: found.same_samples ? `${names[0]} and ${names[1]} sound the same, to the last sample.` : `The receipts of ${names[0]} and ${names[1]} differ in ${plural(found.rows.length, "field")}.` }),
  found.rows.length ? el("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": "Differences" }, el("table", {}, el("thead", {}, el("tr", {}, ...["", ...names].map((name) => el("th", { scope: "col", text: name })))),
    el("tbody", {}, ...found.rows.map((row) => el("tr", {}, el("th", { scope: "row", text: row[0] }), el("td", { text: row[1] }), el("td", { text: row[2] })))))) : "",
];
