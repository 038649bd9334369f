// @ts-check
// The test form: hides what schedule and selection do not need, narrows and counts the clients.

const form = /** @type {HTMLFormElement | null} */ (document.getElementById("test-form"));

/** @param {"schedule" | "selection"} name */
function showParts(name) {
  const kind = form?.querySelector(`[name=${name}_kind]`);
  for (const part of form?.querySelectorAll(`[data-${name}]`) ?? []) {
    if (part instanceof HTMLElement && kind instanceof HTMLSelectElement) {
      part.hidden = !(part.dataset[name] ?? "").split(" ").includes(kind.value);
    }
  }
}

function show() {
  showParts("schedule");
  showParts("selection");
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
form?.addEventListener("input", (event) => {
  if (event.target instanceof HTMLInputElement && event.target.dataset.narrow) narrow(event.target);
});
show();

export {};
