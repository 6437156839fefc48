"use strict";
// Tables that sort and filter, and the switch of the zero maps. Without scripts everything is there, only unsorted.
for (const table of document.querySelectorAll("table[data-sorts]")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const value = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value === undefined ? cell.textContent.trim() : Number(cell.dataset.value);
  };
  const compare = (a, b) => typeof a === "number" && typeof b === "number" ? a - b
    : String(a).localeCompare(String(b), undefined, {numeric: true});
  heads.forEach((head, column) => {
    if (!head.textContent.trim()) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      // Numbers begin with the largest, names with A.
      const isNumber = [...body.rows].some(row => typeof value(row, column) === "number");
      const first = isNumber ? "descending" : "ascending";
      const present = head.getAttribute("aria-sort");
      const next = present === "none" ? first : present === "ascending" ? "descending" : "ascending";
      heads.forEach(other => other.hasAttribute("aria-sort") && other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", next);
      const sign = next === "ascending" ? 1 : -1;
      const isMissing = row => value(row, column) === "-";
      const rows = [...body.rows].sort((a, b) => isMissing(a) - isMissing(b) ||
        (isMissing(a) ? 0 : sign * compare(value(a, column), value(b, column))));
      body.append(...rows);
    });
  });
}
const tools = document.getElementById("layer-tools");
if (tools) {
  const rows = [...document.getElementById("layer-table").tBodies[0].rows];
  const text = tools.querySelector("input[type=search]");
  const skips = tools.querySelector("input[type=checkbox]");
  const count = tools.querySelector("output");
  const show = () => {
    const words = text.value.trim().toLowerCase();
    let shown = 0;
    for (const row of rows) {
      row.hidden = !row.textContent.toLowerCase().includes(words) || (skips.checked && row.dataset.skips !== "1");
      shown += !row.hidden;
    }
    count.textContent = `${shown} of ${rows.length} layers`;
  };
  text.addEventListener("input", show);
  skips.addEventListener("change", show);
  tools.hidden = false;
  show();
}
const maps = document.getElementById("maps");
const choice = document.getElementById("map-choice");
if (maps && choice) {
  choice.hidden = false;
  choice.addEventListener("change", event => {
    maps.className = `show-${event.target.value}`;
  });
}
