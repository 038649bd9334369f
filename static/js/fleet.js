// @ts-check
// The chart of many clients. What it draws stands in the page; a drag asks for a shorter time.
import { createChart } from "./chart.js";

const LEAST_ZOOM_SECONDS = 3600;

/** @typedef {{style: string, columns: (number | null)[][], step_seconds: number}} Fan */

/** @param {number} seconds */
function writeSecond(seconds) {
  return new Date(seconds * 1000).toISOString().replace(/\.\d+/, "");
}

/** Asks the server for the section of a shorter time, and puts that into the address.
 * @param {number} start @param {number} end Unix seconds */
function zoom(start, end) {
  const middle = (start + end) / 2;
  const half = Math.max(end - start, LEAST_ZOOM_SECONDS) / 2;
  const query = new URLSearchParams(window.location.search);
  query.delete("range");
  query.set("start", writeSecond(Math.floor(middle - half)));
  query.set("end", writeSecond(Math.ceil(middle + half)));
  const url = `${window.location.pathname}?${query}`;
  const target = { target: "#history", select: "#history", swap: "outerHTML show:none", push: url };
  /** @type {any} */ (window).htmx.ajax("GET", url, target);
}

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
