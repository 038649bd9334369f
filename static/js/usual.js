// @ts-check
// The band of what was usual, and the time that a page is about, drawn behind a chart.
import { readColour } from "./chart_look.js";

/** @typedef {import("../vendor/uPlot.esm.js").default} Chart */
/** @typedef {{at: number[], low: number[], high: number[], hold_seconds: number}} Usual */

const LEAST_PIXELS = 4;

/** Of several lines one has its band: all at once would hide each other.
 * @template Line
 * @param {{is_bars: boolean, lines: Line[], usual_line?: number}} panel @param {Line} line */
export function hasBand(panel, line) {
  return !panel.is_bars && line === panel.lines[panel.usual_line ?? 0];
}

/** Each row of the band holds until the next one. @param {Chart} chart @param {Usual} usual @param {boolean} isComplement */
export function drawBand(chart, { at, low, high, hold_seconds: hold }, isComplement) {
  const turn = (/** @type {number} */ value) => (isComplement ? 1 - value : value);
  const pen = startPen(chart);
  pen.fillStyle = readColour("--chart-usual");
  at.forEach((moment, index) => {
    const left = chart.valToPos(moment, "x", true);
    const right = chart.valToPos(Math.min(at[index + 1] ?? Infinity, moment + hold), "x", true);
    const edges = [low[index], high[index]].map((value) => chart.valToPos(turn(value), "y", true));
    pen.fillRect(left, Math.min(...edges), right - left, Math.max(Math.abs(edges[0] - edges[1]), devicePixelRatio));
  });
  pen.restore();
}

/** The time that the whole page is about. @param {Chart} chart @param {DOMStringMap} words */
export function drawMarked(chart, { markStart, markEnd }) {
  if (!markStart || !markEnd) return;
  const pen = startPen(chart);
  const [left, right] = [markStart, markEnd].map((at) => chart.valToPos(Number(at), "x", true));
  const { top, height } = chart.bbox;
  pen.fillStyle = readColour("--chart-marked");
  pen.fillRect(left, top, Math.max(right - left, LEAST_PIXELS * devicePixelRatio), height);
  pen.restore();
}

/** A pen that stays inside of the plot. @param {Chart} chart */
export function startPen(chart) {
  const pen = chart.ctx;
  const { left, top, width, height } = chart.bbox;
  pen.save();
  pen.beginPath();
  pen.rect(left, top, width, height);
  pen.clip();
  return pen;
}
