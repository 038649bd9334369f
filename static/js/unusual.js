// @ts-check
// What was usual, drawn behind a chart, and the ribbon below it of what was not.
import { readColour, writeMoment } from "./chart_look.js";

/** @typedef {import("../vendor/uPlot.esm.js").default} Chart */
/** @typedef {import("./series.js").Mark} Mark */
/** @typedef {import("./series.js").Usual} Usual */

const RIBBON_PIXELS = 6;
const LEAST_PIXELS = 4;
const MOST_LISTED = 3;

/** @param {string} name @param {string} className @param {string} [text] */
function make(name, className, text = "") {
  const element = document.createElement(name);
  element.className = className;
  element.textContent = text;
  return element;
}

export class Unusual {
  /** @param {import("./series.js").Panel} panel @param {DOMStringMap} words */
  constructor(panel, words) {
    this.panel = panel;
    this.words = words;
    /** @type {(Mark & {label: string})[]} */
    this.marks = [];
    /** @type {Usual | undefined} */
    this.usual = undefined;
    this.key = make("small", "panel-usual", words.wordUsual);
    this.key.hidden = true;
    this.list = make("ul", "panel-unusual");
  }

  /** @param {import("./series.js").Series[]} fetched */
  load(fetched) {
    const { lines } = this.panel;
    this.marks = lines.flatMap(({ label }, index) =>
      (fetched[index].unusual ?? []).map((mark) => ({ ...mark, label: lines.length > 1 ? label : "" })),
    );
    this.marks.sort((one, other) => one.start - other.start);
    this.usual = fetched[0].usual;
    this.key.hidden = !this.usual?.at.length;
    const newest = this.marks.slice(-MOST_LISTED).reverse();
    const more = this.marks.length - newest.length;
    this.list.replaceChildren(
      ...newest.map((mark) => this.describe(mark)),
      ...(more > 0 ? [make("li", "", `+ ${more} ${this.words.wordMore}`)] : []),
    );
  }

  /** @param {Mark & {label: string}} mark */
  describe({ id, start, label, text }) {
    const item = make("li", "");
    const time = make("time", "", writeMoment.format(start * 1000));
    const link = document.createElement("a");
    link.href = `${this.words.findingsUrl}${id}/`;
    link.textContent = label ? `${label}: ${text}` : text;
    item.append(make("b", "", `▲ ${this.words.wordUnusual}`), time, link);
    return item;
  }

  /** Each row of the band holds until the next one. @param {Chart} chart */
  drawUsual(chart) {
    this.drawMarked(chart);
    if (!this.usual) return;
    const { at, low, high, hold_seconds: hold } = this.usual;
    const turn = (/** @type {number} */ value) => (this.panel.is_complement ? 1 - value : value);
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

  /** The time that the whole page is about. @param {Chart} chart */
  drawMarked(chart) {
    const { markStart, markEnd } = this.words;
    if (!markStart || !markEnd) return;
    const pen = startPen(chart);
    const [left, right] = [markStart, markEnd].map((at) => chart.valToPos(Number(at), "x", true));
    const { top, height } = chart.bbox;
    const width = Math.max(right - left, LEAST_PIXELS * devicePixelRatio);
    pen.fillStyle = readColour("--chart-marked");
    pen.fillRect(left, top, width, height);
    pen.restore();
  }

  /** A bar and a tip for each mark, so that it is told by its shape as well. @param {Chart} chart */
  drawRibbon(chart) {
    const pen = startPen(chart);
    const height = RIBBON_PIXELS * devicePixelRatio;
    const bottom = chart.bbox.top + chart.bbox.height;
    pen.fillStyle = readColour("--chart-bad");
    for (const { start, end } of this.marks) {
      const left = chart.valToPos(start, "x", true);
      const width = Math.max(chart.valToPos(end, "x", true) - left, LEAST_PIXELS * devicePixelRatio);
      pen.fillRect(left, bottom - height, width, height);
      pen.beginPath();
      pen.moveTo(left + width / 2 - height, bottom - height);
      pen.lineTo(left + width / 2, bottom - 2.2 * height);
      pen.lineTo(left + width / 2 + height, bottom - height);
      pen.fill();
    }
    pen.restore();
  }
}

/** A pen that stays inside of the plot. @param {Chart} chart */
function startPen(chart) {
  const pen = chart.ctx;
  const { left, top, width, height } = chart.bbox;
  pen.save();
  pen.beginPath();
  pen.rect(left, top, width, height);
  pen.clip();
  return pen;
}
