// @ts-check
// The chart of many clients. What it draws stands in the page; a drag asks for a shorter time.
import { createChart } from "./chart.js";
import { makeZoom } from "./zoom.js";

const LEAST_ZOOM_SECONDS = 3600;

const zoom = makeZoom(LEAST_ZOOM_SECONDS);

/** @typedef {{style: string, columns: (number | null)[][], step_seconds: number}} Fan */

/** Where clients measured nothing at all, the line breaks.
 * @param {Fan} fan @returns {(number | null)[][]} */
function breakGaps({ columns, step_seconds: step }) {
  const [moments, ...values] = columns;
  /** @type {(number | null)[][]} */
  const broken = columns.map(() => []);
  moments.forEach((at, index) => {
    const before = moments[index - 1];
    if (index && Number(at) - Number(before) > 1.5 * step) {
      broken.forEach((column, place) => column.push(place ? null : Number(before) + step));
    }
    broken[0].push(at);
    values.forEach((column, place) => broken[place + 1].push(column[index]));
  });
  return broken;
}

/** @type {{host: HTMLElement, chart: ReturnType<typeof createChart>} | undefined} */
let shown;

function start() {
  const host = document.getElementById("fleet-fan");
  if (host === shown?.host) return;
  shown?.chart.end();
  shown = undefined;
  const text = document.getElementById("fleet-fan-columns")?.textContent;
  if (!host || !text) return;
  /** @type {Fan} */
  const fan = JSON.parse(text);
  const { start: from, end: until, wordMedian = "", wordExtremes = "", wordPercentiles = "" } = host.dataset;
  /** @type {import("./chart_look.js").Drawing} */
  const drawing = {
    style: fan.style,
    lines: [{ label: wordMedian }],
    bands: [
      { name: "extremes", label: wordExtremes },
      { name: "percentiles", label: wordPercentiles },
    ],
    height: 240,
    zoom,
  };
  shown = { host, chart: createChart(host, drawing, () => [Number(from), Number(until)]) };
  shown.chart.show(breakGaps(fan));
}

document.body.addEventListener("htmx:afterSettle", start);
start();
