// @ts-check
// Tells the server with what htmx fetches whether somebody used the page lately. A page that only
// keeps itself fresh must not keep its session alive for ever.
const LATELY_MS = 60_000;
const SIGNS = ["pointerdown", "keydown", "wheel", "touchstart"];

let usedAt = performance.now();
for (const sign of SIGNS) {
  document.addEventListener(sign, () => (usedAt = performance.now()), { passive: true, capture: true });
}

document.addEventListener("htmx:configRequest", (event) => {
  if (!(event instanceof CustomEvent) || performance.now() - usedAt > LATELY_MS) return;
  event.detail.headers["X-User-Active"] = "1";
});
