// @ts-check
// The history of a client, a test or a run: one chart a panel, kept going by the socket.
import { createChart } from "./chart.js";
import { describeThreshold } from "./threshold.js";
import { breakGaps, chooseGap, hasOwnBand, loadPanel } from "./series.js";

const RANGE_SECONDS = { "15m": 900, "1h": 3600, "6h": 21_600, "24h": 86_400, "7d": 604_800 };
const REDRAW_MS = 1000;
const RETRY_MS = 5000;
const LIVE_POINTS = 600;

const host = /** @type {HTMLElement | null} */ (document.getElementById("panels"));
const clockOffset = Number(document.body.dataset.now) * 1000 - Date.now() || 0;

/** @returns {[number, number]} */
function readSpan() {
  const end = (Date.now() + clockOffset) / 1000;
  if (host?.dataset.start) {
    const [first, last] = [host.dataset.start, host.dataset.end ?? ""].map((text) => Date.parse(text) / 1000);
    return [first, last];
  }
  const range = /** @type {keyof RANGE_SECONDS} */ (host?.dataset.range ?? "15m");
  return [end - RANGE_SECONDS[range], end];
}

class PanelView {
  /** @param {HTMLElement} parent @param {import("./series.js").Panel} panel */
  constructor(parent, panel) {
    this.panel = panel;
    /** @type {import("./series.js").Column[]} */
    this.columns = [[]];
    this.stepSeconds = 0;
    this.livePoints = 0;
    this.isStale = false;
    const figure = document.createElement("figure");
    figure.className = `card panel${panel.is_bars ? " panel-bars" : ""}`;
    const title = document.createElement("figcaption");
    title.textContent = panel.title;
    if (panel.threshold_text) title.append(describeThreshold(panel.threshold_text));
    this.body = document.createElement("div");
    this.body.className = "panel-body";
    this.note = document.createElement("p");
    this.note.className = "panel-note";
    figure.append(title, this.body, this.note);
    parent.append(figure);
    const labels = panel.lines.map((line) => line.label);
    const hasBand = panel.band.length > 0 || hasOwnBand(panel);
    const drawing = { style: panel.style, labels, hasBand, isBars: panel.is_bars, threshold: panel.threshold };
    this.chart = createChart(this.body, drawing, readSpan);
  }

  async load() {
    const points = Math.min(Math.max(Math.round(this.body.clientWidth / 2), 100), 600);
    const { url = "", client = "", test = "" } = host?.dataset ?? {};
    try {
      const loaded = await loadPanel({ url, client, test, points }, this.panel, readSpan());
      this.columns = loaded.columns;
      this.stepSeconds = loaded.stepSeconds;
      this.livePoints = 0;
      this.draw();
    } catch {
      this.note.textContent = host?.dataset.wordFailed ?? "";
      window.setTimeout(() => this.load(), RETRY_MS);
    }
  }

  draw() {
    const span = readSpan();
    const moments = /** @type {number[]} */ (this.columns[0]);
    const first = moments.findIndex((at) => at >= span[0]);
    if (first > 0) this.columns = this.columns.map((column) => column.slice(first));
    const shown = /** @type {number[]} */ (this.columns[0]);
    this.note.textContent = first < 0 ? (host?.dataset.wordEmpty ?? "") : "";
    this.chart.show(breakGaps(this.columns, chooseGap(shown, this.stepSeconds, span)));
    this.isStale = false;
  }

  /** @param {{source: string, subject: string, at: number, values: Record<string, number>}} frame */
  take(frame) {
    const lines = [...this.panel.lines, ...this.panel.band];
    const values = lines.map((line) => {
      const isOwn = line.source === frame.source && line.subject === frame.subject;
      return isOwn ? frame.values[line.key] : undefined;
    });
    const moments = /** @type {number[]} */ (this.columns[0]);
    const last = moments[moments.length - 1] ?? 0;
    if (frame.at < last || frame.at > readSpan()[1] + 1 || values.every((value) => value === undefined)) return;
    const row = values.map((value) => (this.panel.is_complement && value !== undefined ? 1 - value : value));
    if (hasOwnBand(this.panel)) row.push(row[0], row[0]);
    if (this.columns.length !== row.length + 1) this.columns = [[], ...row.map(() => [])];
    if (frame.at === last) {
      row.forEach((value, place) => {
        if (value !== undefined) this.columns[place + 1][moments.length - 1] = value;
      });
    } else {
      this.columns[0].push(frame.at);
      row.forEach((value, place) => this.columns[place + 1].push(value));
    }
    this.livePoints += 1;
    this.isStale = true;
  }
}

function start() {
  const specs = JSON.parse(document.getElementById("panel-specs")?.textContent ?? "[]");
  if (!host) return;
  const views = specs.map((/** @type {import("./series.js").Panel} */ panel) => new PanelView(host, panel));
  const isMoving = !host.dataset.start;
  for (const view of views) view.load();
  document.body.addEventListener("live:refetch", () => views.forEach((/** @type {PanelView} */ view) => view.load()));
  document.body.addEventListener("live:frame", (event) => {
    for (const view of views) view.take(/** @type {CustomEvent} */ (event).detail);
  });
  window.setInterval(() => {
    if (document.hidden) return;
    for (const view of views) {
      // Many single points beside buckets: let the server put them into buckets too.
      if (view.stepSeconds && view.livePoints > LIVE_POINTS) view.load();
      else if (view.isStale || isMoving) view.draw();
    }
  }, REDRAW_MS);
}

start();
