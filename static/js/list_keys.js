// @ts-check
// Moving through a list by keys: j and k, x to choose, Enter to open. The place is kept when the
// list comes anew.

let current = "";

function listRows() {
  return /** @type {HTMLElement[]} */ ([...document.querySelectorAll("#list [data-row]")]);
}

/** @param {HTMLElement} row */
function enter(row) {
  current = row.dataset.row ?? "";
  const link = row.querySelector("[data-open]");
  if (link instanceof HTMLElement) link.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}

/** @param {number} step */
function move(step) {
  const rows = listRows();
  const place = rows.findIndex((row) => row.dataset.row === current);
  const next = rows[place < 0 ? 0 : place + step];
  if (next) enter(next);
}

function choose() {
  const row = listRows().find((one) => one.dataset.row === current);
  const box = row?.querySelector('input[type="checkbox"]');
  if (box instanceof HTMLElement) box.click();
}

/** @param {KeyboardEvent} event */
function press(event) {
  const isTyping = event.target instanceof Element && event.target.matches("input:not([type=checkbox]), select, textarea");
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "j") move(1);
  if (event.key === "k") move(-1);
  if (event.key === "x") choose();
}

function isInList() {
  return document.activeElement === document.body || document.activeElement?.closest("#list") !== null;
}

let wasInList = false;
document.addEventListener("htmx:beforeSwap", () => {
  wasInList = Boolean(current) && isInList();
});
document.addEventListener("htmx:afterSwap", () => {
  const row = listRows().find((one) => one.dataset.row === current);
  if (row && wasInList) enter(row);
});
document.addEventListener("focusin", (event) => {
  const row = event.target instanceof Element ? event.target.closest("#list [data-row]") : null;
  if (row instanceof HTMLElement) current = row.dataset.row ?? "";
});
document.addEventListener("keydown", press);

export {};
