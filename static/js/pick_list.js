// @ts-check
// Choosing rows of a list. The list comes anew every few seconds, the choice stays.

const form = /** @type {HTMLFormElement | null} */ (document.getElementById("bulk"));
const boxName = form?.dataset.box ?? "";
/** @type {Set<string>} */
const chosen = new Set();

function listBoxes() {
  return /** @type {HTMLInputElement[]} */ ([...document.querySelectorAll(`#list input[name="${boxName}"]`)]);
}

function show() {
  const boxes = listBoxes();
  const here = new Set(boxes.map((box) => box.value));
  // What another filter or page does not show cannot be meant any more.
  for (const id of chosen) if (!here.has(id)) chosen.delete(id);
  for (const box of boxes) box.checked = chosen.has(box.value);
  const all = document.querySelector("[data-pick-page]");
  if (all instanceof HTMLInputElement) {
    all.checked = boxes.length > 0 && chosen.size === boxes.length;
    all.indeterminate = chosen.size > 0 && !all.checked;
  }
  const label = /** @type {HTMLElement | null} */ (form?.querySelector(".bulk-count"));
  if (label) {
    const pattern = chosen.size ? label.dataset.wordSome : label.dataset.wordNone;
    label.textContent = (pattern ?? "").replace("{count}", String(chosen.size));
  }
  for (const button of form?.querySelectorAll("button") ?? []) button.disabled = !chosen.size;
}

/** @param {Event} event */
function change(event) {
  const box = event.target;
  if (!(box instanceof HTMLInputElement)) return;
  const touched = box.matches("[data-pick-page]") ? listBoxes() : box.name === boxName ? [box] : [];
  for (const one of touched) {
    if (box.checked) chosen.add(one.value);
    else chosen.delete(one.value);
  }
  if (touched.length) show();
}

document.addEventListener("change", change);
document.addEventListener("htmx:afterSwap", show);
show();

export {};
