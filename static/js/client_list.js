// @ts-check
// Choosing clients in their list. The list comes anew every few seconds, the choice stays.

const form = /** @type {HTMLFormElement | null} */ (document.getElementById("bulk"));
/** @type {Set<string>} */
const chosen = new Set();
/** @type {HTMLInputElement | null} */
let lastTouched = null;

function listBoxes() {
  return /** @type {HTMLInputElement[]} */ ([...document.querySelectorAll('#list input[name="client"]')]);
}

function readEverything() {
  return /** @type {HTMLInputElement | null} */ (form?.querySelector('input[name="everything"]'));
}

/** @param {string} pattern @param {number | string} count */
function write(pattern, count) {
  return pattern.replace("{count}", String(count));
}

function show() {
  if (!form) return;
  const boxes = listBoxes();
  const everything = readEverything();
  const isEverything = Boolean(everything?.checked);
  for (const box of boxes) {
    box.checked = isEverything || chosen.has(box.value);
    box.disabled = isEverything;
  }
  const pageBox = document.querySelector("[data-pick-page]");
  const isWholePage = boxes.length > 0 && boxes.every((box) => box.checked);
  if (pageBox instanceof HTMLInputElement) {
    pageBox.checked = isWholePage;
    pageBox.disabled = isEverything;
    pageBox.indeterminate = !isWholePage && boxes.some((box) => box.checked);
  }
  const total = document.getElementById("list")?.dataset.count ?? "0";
  showCount(isEverything ? Number(total) : chosen.size);
  const line = /** @type {HTMLElement | null} */ (form.querySelector(".bulk-everything"));
  const label = line?.querySelector("span");
  if (line && label) {
    line.hidden = !isEverything && !isWholePage;
    label.textContent = write(label.dataset.wordAll ?? "", total);
  }
}

/** @param {number} count */
function showCount(count) {
  const element = /** @type {HTMLElement | null} */ (form?.querySelector(".bulk-count"));
  const button = /** @type {HTMLButtonElement | null} */ (form?.querySelector('button[type="submit"]'));
  if (!element || !button || !form) return;
  const pattern = count ? element.dataset.wordSome : element.dataset.wordNone;
  element.textContent = write(pattern ?? "", count);
  button.disabled = !count;
  form.classList.toggle("bulk-idle", !count);
}

function showAction() {
  const action = form?.querySelector('select[name="action"]');
  if (!form || !(action instanceof HTMLSelectElement)) return;
  for (const part of form.querySelectorAll("[data-for]")) {
    if (!(part instanceof HTMLElement)) continue;
    part.hidden = !(part.dataset.for ?? "").split(" ").includes(action.value);
  }
}

/** @param {HTMLInputElement} box @param {boolean} isChosen */
function choose(box, isChosen) {
  if (isChosen) chosen.add(box.value);
  else chosen.delete(box.value);
}

/** @param {Event} event */
function change(event) {
  const target = event.target;
  if (!(target instanceof HTMLInputElement || target instanceof HTMLSelectElement)) return;
  if (target.name === "action") showAction();
  if (target instanceof HTMLInputElement && target.matches("[data-pick-page]")) {
    for (const box of listBoxes()) choose(box, target.checked);
  } else if (target instanceof HTMLInputElement && target.name === "client") {
    choose(target, target.checked);
  }
  show();
}

/** @param {MouseEvent} event */
function click(event) {
  const box = event.target;
  if (!(box instanceof HTMLInputElement) || box.name !== "client") return;
  const boxes = listBoxes();
  const first = boxes.findIndex((one) => one.value === lastTouched?.value);
  if (event.shiftKey && first >= 0) {
    const [from, to] = [first, boxes.indexOf(box)].sort((one, other) => one - other);
    for (const between of boxes.slice(from, to + 1)) choose(between, box.checked);
    show();
  }
  lastTouched = box;
}

function submit() {
  if (!form) return;
  // The filter may have changed since the page came; rows of other pages are not in the document.
  const action = new URL(form.action);
  action.search = window.location.search;
  form.action = action.href;
  for (const old of form.querySelectorAll("input[data-carried]")) old.remove();
  const here = new Set(listBoxes().map((box) => box.value));
  for (const id of readEverything()?.checked ? [] : chosen) {
    if (here.has(id)) continue;
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name: "client", value: id });
    field.dataset.carried = "";
    form.append(field);
  }
}

document.addEventListener("change", change);
document.addEventListener("click", click);
document.addEventListener("htmx:afterSwap", show);
form?.addEventListener("submit", submit);
showAction();
for (const box of listBoxes()) choose(box, box.checked);
show();
