// @ts-check
// The charts of a forecast: what was measured, and behind it what is expected inside its intervals.
import { createChart } from "./chart.js";

/** @typedef {import("./chart_look.js").Drawing & {columns: (number | null)[][]}} Foretold */

for (const host of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-chart]"))) {
  const text = document.getElementById(host.dataset.chart ?? "")?.textContent;
  if (text) {
    /** @type {Foretold} */
    const { columns, ...drawing } = JSON.parse(text);
    const moments = /** @type {number[]} */ (columns[0]);
    createChart(host, drawing, () => [moments[0] ?? 0, moments.at(-1) ?? 1]).show(columns);
  }
}
