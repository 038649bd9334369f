// @ts-check
// The page's one socket. It dispatches on document.body:
//   "live"          something changed: htmx parts fetch themselves again (at most every 2 s, or as the page asks)
//   "live:frame"    detail: {topic, source, subject, at, values}
//   "live:refetch"  messages may have been missed: fetch series again
//   "live:storage"  the server's disk is full, or no longer, other than the page says
// Without a socket the page polls by the same events.
import "./activity.js";
import { formatAge } from "./format.js";

const SILENT_MS = 10_000;
const POLL_MS = 5000;
const LONGEST_RETRY_MS = 30_000;
const CLOSED = { malformed: 4400, signedOut: 4401, refused: 4403 };

const topics = (document.body.dataset.topics ?? "").split(" ").filter(Boolean);
const announceMs = Number(document.body.dataset.announceMs ?? 2000);
const badge = document.getElementById("live");
let sequence = 0;
let openings = 0;
let failures = 0;
let isOpen = false;
let heardAt = 0;
let polledAt = performance.now();
let announcedAt = -announceMs;
let answeredAt = -Infinity;
/** @type {number | undefined} */
let announceTimer;

/** @param {string} name @param {unknown} [detail] */
function dispatch(name, detail) {
  document.body.dispatchEvent(new CustomEvent(name, { detail }));
}

function announce() {
  if (announceTimer !== undefined) return;
  const wait = Math.max(announcedAt + announceMs - performance.now(), 0);
  announceTimer = window.setTimeout(() => {
    announceTimer = undefined;
    announcedAt = performance.now();
    dispatch("live");
  }, wait);
}

function refetch() {
  announce();
  dispatch("live:refetch");
}

/** @param {{seq: number, hints?: string[], frames?: object[], storage?: string}} batch */
function take(batch) {
  const isGap = batch.seq !== sequence + 1;
  sequence = batch.seq;
  heardAt = performance.now();
  if (isGap) refetch();
  if (batch.hints) announce();
  for (const frame of batch.frames ?? []) dispatch("live:frame", frame);
  const told = document.getElementById("storage-fault")?.dataset.state ?? "";
  if (told !== (batch.storage ?? "")) dispatch("live:storage");
}

// Not a reload: that would send once more the form whose answer the page may be.
function askToSignIn() {
  const here = window.location.pathname + window.location.search;
  window.location.assign(`/accounts/login/?next=${encodeURIComponent(here)}`);
}

function connect() {
  const url = new URL("/ws/live/", window.location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const socket = new WebSocket(url);
  socket.addEventListener("open", () => {
    isOpen = true;
    failures = 0;
    sequence = 0;
    openings += 1;
    socket.send(JSON.stringify({ subscribe: topics }));
    if (openings > 1) refetch();
  });
  socket.addEventListener("message", (event) => take(JSON.parse(event.data)));
  socket.addEventListener("close", (event) => {
    const wasServed = sequence > 0;
    isOpen = false;
    // The server closes when rights are gone: the page itself then says what is left of them.
    if (event.code === CLOSED.signedOut) {
      askToSignIn();
    } else if (event.code === CLOSED.refused && wasServed) {
      window.location.reload();
    } else if (event.code !== CLOSED.malformed && event.code !== CLOSED.refused) {
      failures += 1;
      const wait = Math.min(1000 * 2 ** (failures - 1), LONGEST_RETRY_MS);
      window.setTimeout(connect, wait * (0.5 + Math.random()));
    }
  });
}

function readState() {
  const silence = performance.now() - heardAt;
  const isPolling = performance.now() - answeredAt < 3 * POLL_MS;
  if (heardAt === 0 && !openings && !failures) return "connecting";
  if (isOpen && heardAt > 0 && silence < SILENT_MS) return "live";
  if (silence < SILENT_MS) return "reconnecting";
  return isPolling ? "polling" : "stale";
}

function check() {
  const state = readState();
  if (state !== "live" && !document.hidden && performance.now() - polledAt > POLL_MS) {
    polledAt = performance.now();
    refetch();
  }
  if (!badge) return;
  const word = badge.dataset[`word${state[0].toUpperCase()}${state.slice(1)}`] ?? state;
  const age = state === "stale" ? ` · ${formatAge((performance.now() - heardAt) / 1000)}` : "";
  const label = badge.querySelector(".live-word");
  if (label && label.textContent !== word + age) label.textContent = word + age;
  badge.dataset.state = state;
}

document.body.addEventListener("htmx:afterRequest", (event) => {
  if (event instanceof CustomEvent && event.detail.successful) answeredAt = performance.now();
});
if (topics.length) {
  connect();
  window.setInterval(check, 1000);
} else if (badge) {
  badge.hidden = true;
}
