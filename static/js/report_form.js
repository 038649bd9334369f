// @ts-check
// The form of a report: sections are put into order, what the schedule does not need is hidden, and
// the preview takes the colour of the form (the policy lets no markup carry a style).

const form = /** @type {HTMLFormElement | null} */ (document.getElementById("report-form"));

function showCadence() {
  const cadence = form?.querySelector("[name=cadence]");
  for (const part of form?.querySelectorAll("[data-cadence]") ?? []) {
    if (part instanceof HTMLElement && cadence instanceof HTMLSelectElement) {
      part.hidden = part.dataset.cadence !== cadence.value;
    }
  }
}

/** @param {string} template */
function takeSectionsOf(template) {
  for (const box of form?.querySelectorAll("[data-templates]") ?? []) {
    if (box instanceof HTMLInputElement) {
      box.checked = (box.dataset.templates ?? "").split(" ").includes(template);
    }
  }
}

/** @param {HTMLElement} button */
function moveUp(button) {
  const row = button.closest("li");
  const before = row?.previousElementSibling;
  if (!row || !before) return;
  before.before(row);
  button.focus();
  row.dispatchEvent(new Event("change", { bubbles: true }));
}

function colourPreview() {
  const paper = document.querySelector("#preview .report");
  if (!(paper instanceof HTMLElement)) return;
  for (const [name, value] of Object.entries(paper.dataset)) {
    // reportOnAccent -> --report-on-accent
    const property = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    if (value) paper.style.setProperty(`--${property}`, value);
  }
}

document.body.addEventListener("htmx:afterSwap", colourPreview);
form?.addEventListener("change", (event) => {
  const field = event.target;
  if (field instanceof HTMLSelectElement && field.name === "template") takeSectionsOf(field.value);
  showCadence();
});
form?.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-move]") : null;
  if (button instanceof HTMLElement) moveUp(button);
});
showCadence();

export {};
