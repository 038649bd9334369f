// @ts-check
// The overview's chart: median and 95th percentile of round trips, packet loss below.
import { createChart } from "./chart.js";
import { describeJsonRequest } from "./requests.js";

const RELOAD_MS = 10_000;
const RETRY_MS = 5000;

const host = document.getElementById("trend");

/** @typedef {{step_seconds: number, at: number[], round_trip_p50: (number | null)[], round_trip_p95: (number | null)[], loss: (number | null)[]}} Trend */

/** @param {HTMLElement} parent */
function build(parent) {
  const words = parent.dataset;
  /** @type {[number, number]} */
  let span = [0, 1];
  const [latency, loss, note] = ["div", "div", "p"].map((name) => document.createElement(name));
  note.className = "panel-note";
  parent.append(latency, loss, note);
  const latencyChart = createChart(
    latency,
    {
      style: "duration",
      lines: [words.wordMedian, words.wordP95].map((label = "") => ({ label })),
      bands: [{ name: "percentiles", label: "" }],
      height: 190,
    },
    () => span,
  );
  const lossChart = createChart(
    loss,
    { style: "ratio", lines: [{ label: words.wordLoss ?? "" }], bands: [], isBars: true, height: 90 },
    () => span,
  );
  return (/** @type {Trend} */ trend) => {
    span = [trend.at[0], trend.at[trend.at.length - 1] + trend.step_seconds];
    const { at, round_trip_p50: median, round_trip_p95: high } = trend;
    const isEmpty = median.every((value) => value === null);
    note.textContent = isEmpty ? (words.wordEmpty ?? "") : "";
    latency.hidden = isEmpty;
    loss.hidden = isEmpty;
    if (isEmpty) return;
    const middle = at.map((moment) => moment + trend.step_seconds / 2);
    latencyChart.show([middle, median, high, median, high]);
    lossChart.show([middle, trend.loss]);
  };
}

async function keep() {
  if (!host) return;
  const show = build(host);
  let shownAt = -RELOAD_MS;
  const load = async () => {
    if (performance.now() - shownAt < RETRY_MS) return;
    shownAt = performance.now();
    const response = await fetch(host.dataset.url ?? "", { headers: describeJsonRequest() });
    if (response.ok) show(await response.json());
  };
  const attempt = () => load().catch(() => undefined);
  document.body.addEventListener("live", attempt);
  window.setInterval(() => document.hidden || attempt(), RELOAD_MS);
  await attempt();
}

keep();
