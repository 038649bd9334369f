// @ts-check
// The history of a client, a test or a run: one chart a panel, kept going by the socket. All of
// its state stands in the address; the server renders the section #history for each.
import { showDisturbedNote } from "./disturbed.js";
import { PanelView } from "./panel.js";
import { fetchSeries } from "./series.js";
import { makeZoom } from "./zoom.js";

const REDRAW_MS = 1000;
const RETRY_MS = 5000;
const SHORTEST_RELOAD_SECONDS = 15;
const LONGEST_RELOAD_SECONDS = 300;
// How much of the chart is kept for what is expected: a day, or a quarter of what is shown.
const FORETOLD_SECONDS = 86_400;
const FORETOLD_SHARE = 0.25;
const LEAST_ZOOM_SECONDS = 10;
// From a year in days to a month in hours, which are kept as they are drawn; as many as can be seen.
const LEAST_POINTS = 370;
const MOST_POINTS = 725;
const POINTS_PER_PIXEL = 0.8;

const zoom = makeZoom(LEAST_ZOOM_SECONDS);

const clockOffset = Number(document.body.dataset.now) * 1000 - Date.now() || 0;

class History {
  /** @param {HTMLElement} host */
  constructor(host) {
    this.host = host;
    this.isMoving = !host.dataset.start;
    this.readSpan = this.readSpan.bind(this);
    /** @type {import("./series.js").Panel[]} */
    this.panels = JSON.parse(document.getElementById("panel-specs")?.textContent ?? "[]");
    const { band = "" } = host.dataset;
    const isZoomable = !host.dataset.fixed;
    /** @type {import("./panel.js").Stage} */
    this.stage = {
      readSpan: this.readSpan,
      band,
      words: host.dataset,
      fetchUsual: (panel, line) => this.fetchUsual(panel, line),
      zoom: isZoomable ? zoom : undefined,
      disturbed: [],
    };
    this.views = this.panels.map((panel) => new PanelView(host, panel, this.stage));
    this.loadedAt = -Infinity;
    this.isLoading = false;
    // No socket carries what sums up a run.
    this.hasRuns = this.panels.some(({ lines }) => lines.some(({ source }) => source === "run"));
  }

  /** @returns {[number, number]} */
  readSpan() {
    const { start = "", end = "", seconds } = this.host.dataset;
    if (!this.isMoving) return [Date.parse(start) / 1000, Date.parse(end) / 1000];
    const now = (Date.now() + clockOffset) / 1000;
    const ahead = this.host.dataset.forecast ? Math.min(FORETOLD_SECONDS, FORETOLD_SHARE * Number(seconds)) : 0;
    return [now - Number(seconds), now + ahead];
  }

  async load() {
    if (this.isLoading || !this.host.isConnected || !this.panels.length) return;
    this.isLoading = true;
    const { url = "", compare = "", forecast = "", usual = "" } = this.host.dataset;
    const width = Math.max(...this.views.map((view) => view.body.clientWidth));
    const points = Math.min(Math.max(Math.round(width * POINTS_PER_PIXEL), LEAST_POINTS), MOST_POINTS);
    try {
      const fetched = await fetchSeries({ url, compare, forecast, usual, points }, this.panels, this.readSpan());
      this.loadedAt = performance.now();
      this.stage.disturbed = fetched.disturbed;
      showDisturbedNote(fetched.disturbed.length > 0);
      this.views.forEach((view, index) => view.load(fetched.series[index]));
    } catch {
      for (const view of this.views) view.say(this.host.dataset.wordFailed ?? "");
      window.setTimeout(() => this.load(), RETRY_MS);
    } finally {
      this.isLoading = false;
    }
  }

  /** The band of what was usual of one line of a panel.
   * @param {import("./series.js").Panel} panel @param {number} line */
  async fetchUsual(panel, line) {
    const { url = "", usual = "" } = this.host.dataset;
    const alone = { ...panel, lines: [panel.lines[line]], band: [], usual_line: 0 };
    const view = { url, compare: "", forecast: "", usual, points: LEAST_POINTS };
    const fetched = await fetchSeries(view, [alone], this.readSpan());
    return fetched.series[0][0].usual;
  }

  /** Single values go on by the socket; buckets, runs and earlier times are fetched again. */
  isOutdated() {
    const step = Math.max(...this.views.map((view) => view.stepSeconds));
    const { compare, forecast } = this.host.dataset;
    if (!this.isMoving || !(step || compare || forecast || this.hasRuns)) return false;
    const seconds = Math.min(Math.max(step, SHORTEST_RELOAD_SECONDS), LONGEST_RELOAD_SECONDS);
    return performance.now() - this.loadedAt > seconds * 1000;
  }

  keep() {
    if (this.isOutdated()) this.load();
    for (const view of this.views) {
      if (view.isStale || this.isMoving) view.draw();
    }
  }

  end() {
    for (const view of this.views) view.end();
  }
}

/** @type {History | undefined} */
let history;

function start() {
  const host = document.getElementById("panels");
  if (!host || host === history?.host) return;
  history?.end();
  history = new History(host);
  history.load();
}

document.body.addEventListener("live:refetch", () => history?.load());
document.body.addEventListener("live:frame", (event) => {
  for (const view of history?.views ?? []) view.take(/** @type {CustomEvent} */ (event).detail);
});
document.body.addEventListener("htmx:afterSettle", start);
window.setInterval(() => document.hidden || history?.keep(), REDRAW_MS);
start();
