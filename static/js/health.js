// @ts-check
// The course of a score. What it draws stands in the page; a drag asks for a shorter time.
import { createChart } from "./chart.js";
import { makeZoom } from "./zoom.js";

const LEAST_ZOOM_SECONDS = 600;

const zoom = makeZoom(LEAST_ZOOM_SECONDS);

/** @type {{host: HTMLElement, chart: ReturnType<typeof createChart>} | undefined} */
let shown;

function start() {
  const host = document.getElementById("health-course");
  if (host === shown?.host) return;
  shown?.chart.end();
  shown = undefined;
  const text = document.getElementById("health-columns")?.textContent;
  if (!host || !text) return;
  /** @type {{style: string, columns: (number | null)[][]}} */
  const course = JSON.parse(text);
  const { start: from, end: until, wordMean = "", wordExtremes = "" } = host.dataset;
  /** @type {import("./chart_look.js").Drawing} */
  const drawing = {
    style: course.style,
    lines: [{ label: wordMean }],
    bands: [{ name: "extremes", label: wordExtremes }],
    isScore: true,
    height: 220,
    zoom,
  };
  shown = { host, chart: createChart(host, drawing, () => [Number(from), Number(until)]) };
  shown.chart.show(course.columns);
}

document.body.addEventListener("htmx:afterSettle", start);
start();
