// @ts-check
// The test form: hides what schedule, selection and topology do not need, narrows and counts the
// clients.

const form = /** @type {HTMLFormElement | null} */ (document.getElementById("test-form"));

/** @param {"schedule" | "selection" | "topology"} name @param {string} field */
function showParts(name, field) {
  const kind = form?.querySelector(`[name=${field}]`);
  for (const part of form?.querySelectorAll(`[data-${name}]`) ?? []) {
    if (part instanceof HTMLElement && kind instanceof HTMLSelectElement) {
      part.hidden = !(part.dataset[name] ?? "").split(" ").includes(kind.value);
      if (name === "topology") disable(part);
    }
  }
}

/** What is hidden is not sent: a mesh has no hub. @param {HTMLElement} part */
function disable(part) {
  for (const field of part.querySelectorAll("input, select")) field.toggleAttribute("disabled", part.hidden);
}

function show() {
  showParts("schedule", "schedule_kind");
  showParts("selection", "selection_kind");
  showParts("topology", "topology");
  countChosen();
}

function countChosen() {
  const count = form?.querySelectorAll("input[name=clients]:checked").length ?? 0;
  const label = form?.querySelector("[data-chosen]");
  if (label) label.textContent = String(count);
}

/** @param {HTMLInputElement} field */
function narrow(field) {
  const wanted = field.value.trim().toLowerCase();
  for (const row of document.querySelectorAll(`#${field.dataset.narrow} .choosable-row`)) {
    if (row instanceof HTMLElement) {
      row.hidden = !(row.textContent ?? "").toLowerCase().includes(wanted);
    }
  }
}

form?.addEventListener("change", show);
document.body.addEventListener("htmx:afterSettle", show);
form?.addEventListener("input", (event) => {
  if (event.target instanceof HTMLInputElement && event.target.dataset.narrow) narrow(event.target);
});
show();

export {};
