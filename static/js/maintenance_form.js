// @ts-check
// The form of a maintenance window: hides what the chosen recurrence does not need.

const form = /** @type {HTMLFormElement | null} */ (document.getElementById("maintenance-form"));

function showPreset() {
  const preset = form?.querySelector("[name=preset]");
  for (const part of form?.querySelectorAll("[data-preset]") ?? []) {
    if (part instanceof HTMLElement && preset instanceof HTMLSelectElement) {
      part.hidden = part.dataset.preset !== preset.value;
    }
  }
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

form?.addEventListener("change", showPreset);
form?.addEventListener("input", (event) => {
  if (event.target instanceof HTMLInputElement && event.target.dataset.narrow) narrow(event.target);
});
showPreset();

export {};
