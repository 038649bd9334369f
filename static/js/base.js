// @ts-check
// What every page does: times that go on, the menu on small screens, search keys, copying.
import "./live.js";
import { formatAge } from "./format.js";
import { makeRequestId } from "./requests.js";

const root = document.documentElement;
const clockOffset = Number(document.body.dataset.now) * 1000 - Date.now() || 0;

/** @param {HTMLElement} element */
function readSecondsFromNow(element) {
  return (Date.parse(element.getAttribute("datetime") ?? "") - Date.now() - clockOffset) / 1000;
}

function tick() {
  const pattern = document.body.dataset.wordAgo ?? "{age}";
  for (const element of document.querySelectorAll("time[data-ago]")) {
    if (!(element instanceof HTMLElement)) continue;
    const text = pattern.replace("{age}", formatAge(-readSecondsFromNow(element)));
    if (element.textContent !== text) element.textContent = text;
  }
  for (const element of document.querySelectorAll("time[data-countdown]")) {
    if (!(element instanceof HTMLElement)) continue;
    const seconds = readSecondsFromNow(element);
    const pattern = document.body.dataset.wordIn ?? "{age}";
    element.textContent =
      seconds <= 0 ? (element.dataset.wordNow ?? "") : pattern.replace("{age}", formatAge(seconds + 1));
  }
}

/** @param {HTMLElement} button */
async function copy(button) {
  const source = document.getElementById(button.dataset.copy ?? "");
  const label = button.querySelector("span");
  if (!source || !label) return;
  try {
    await navigator.clipboard.writeText(source.textContent ?? "");
    label.textContent = button.dataset.wordDone ?? "";
  } catch {
    // Plain http has no clipboard: leave the text selected for the user's own key.
    window.getSelection()?.selectAllChildren(source);
  }
}

/** @param {Event} event */
function click(event) {
  const target = event.target instanceof Element ? event.target : null;
  const toggle = target?.closest("[data-side-toggle]");
  if (toggle) {
    const isOpen = root.classList.toggle("side-open");
    toggle.setAttribute("aria-expanded", String(isOpen));
  }
  const copier = target?.closest("[data-copy]");
  if (copier instanceof HTMLElement) copy(copier);
  if (!target?.closest(".bar-search")) closeFound();
  for (const menu of document.querySelectorAll("details.danger-menu[open]")) {
    if (!target || !menu.contains(target)) menu.removeAttribute("open");
  }
}

function closeFound() {
  document.getElementById("found")?.replaceChildren();
}

/** @param {KeyboardEvent} event */
function press(event) {
  const isTyping = event.target instanceof Element && event.target.matches("input, select, textarea");
  const search = document.getElementById("search");
  const isPalette = event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey);
  if (isPalette || (event.key === "/" && !isTyping)) {
    event.preventDefault();
    search?.focus();
  }
  if (event.key === "Escape") closeFound();
  if (event.key === "ArrowDown" || event.key === "ArrowUp") moveThroughFound(event);
}

/** @param {KeyboardEvent} event */
function moveThroughFound(event) {
  const form = document.activeElement?.closest(".bar-search");
  if (!form) return;
  const stops = /** @type {HTMLElement[]} */ ([...form.querySelectorAll("#search, .found-list a")]);
  const place = stops.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  const next = stops[place + (event.key === "ArrowDown" ? 1 : -1)];
  if (!next) return;
  event.preventDefault();
  next.focus();
}

document.addEventListener("click", click);
document.addEventListener("keydown", press);
document.addEventListener("htmx:configRequest", (event) => {
  if (event instanceof CustomEvent) event.detail.headers["X-Request-ID"] = makeRequestId();
});
document.addEventListener("htmx:afterSettle", tick);
document.addEventListener("htmx:oobAfterSwap", tick);
window.setInterval(tick, 1000);
tick();
