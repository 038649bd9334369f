// @ts-check
// The test form: hides what the schedule does not need, narrows and counts the clients.

const form = /** @type {HTMLFormElement | null} */ (document.getElementById("test-form"));

function showSchedule() {
  const kind = form?.querySelector("[name=schedule_kind]");
  for (const part of form?.querySelectorAll("[data-schedule]") ?? []) {
    if (part instanceof HTMLElement && kind instanceof HTMLSelectElement) {
      part.hidden = part.dataset.schedule !== kind.value;
    }
  }
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

form?.addEventListener("change", () => {
  showSchedule();
  countChosen();
});
form?.addEventListener("input", (event) => {
  if (event.target instanceof HTMLInputElement && event.target.dataset.narrow) narrow(event.target);
});
showSchedule();
countChosen();

export {};
