// @ts-check
// The strip of heartbeats grows with each one that comes.
import { formatAge } from "./format.js";

const SHOWN = 40;
const LATE_AFTER = 1.5;
const OFFLINE_AFTER = 3;
const strip = document.getElementById("beats");
let last = Number(strip?.dataset.last) || 0;

/** @param {number} gapSeconds @param {number} intervalSeconds */
function judge(gapSeconds, intervalSeconds) {
  if (!last || gapSeconds <= LATE_AFTER * intervalSeconds) return "good";
  return gapSeconds <= OFFLINE_AFTER * intervalSeconds ? "warning" : "bad";
}

/** @param {HTMLElement} list @param {number} at Unix seconds */
function add(list, at) {
  if (at <= last) return;
  const gap = at - last;
  const beat = document.createElement("li");
  beat.className = `beat beat-new beat-${judge(gap, Number(list.dataset.intervalSeconds))}`;
  const time = new Date(at * 1000).toLocaleTimeString([], { timeZone: document.documentElement.dataset.zone });
  const word = (list.dataset.wordGap ?? "").replace("{gap}", formatAge(gap));
  beat.title = last ? `${time} · ${word}` : time;
  last = at;
  list.append(beat);
  while (list.children.length > SHOWN) list.firstElementChild?.remove();
  const ago = document.querySelector(".beats-more time");
  ago?.setAttribute("datetime", new Date(at * 1000).toISOString());
}

document.body.addEventListener("live:frame", (event) => {
  const frame = /** @type {CustomEvent} */ (event).detail;
  if (strip && frame.source === "heartbeat" && frame.topic === strip.dataset.topic) add(strip, frame.at);
});
