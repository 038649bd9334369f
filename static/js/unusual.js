// @ts-check
// The ribbon below a chart of what was unusual, in words as well, and which line's band is drawn.
import { readColour, writeMoment } from "./chart_look.js";
import { drawBand, drawMarked, startPen } from "./usual.js";

/** @typedef {import("../vendor/uPlot.esm.js").default} Chart */
/** @typedef {import("./series.js").Mark} Mark */
/** @typedef {import("./series.js").Usual} Usual */
/** @typedef {import("./series.js").Panel} Panel */
/** @typedef {{words: DOMStringMap, fetchUsual: (panel: Panel, line: number) => Promise<Usual | undefined>}} Stage */

const RIBBON_PIXELS = 6;
const LEAST_PIXELS = 4;
const MOST_LISTED = 3;
// A pointer that only passes a line asks for nothing.
const HOVER_MS = 150;
const OTHERS_ALPHA = 0.35;

/** @param {string} name @param {string} className @param {string} [text] */
function make(name, className, text = "") {
  const element = document.createElement(name);
  element.className = className;
  element.textContent = text;
  return element;
}

export class Unusual {
  /** @param {Panel} panel @param {Stage} stage @param {() => void} redraw */
  constructor(panel, stage, redraw) {
    this.panel = panel;
    this.stage = stage;
    this.words = stage.words;
    this.redraw = redraw;
    /** @type {(Mark & {label: string, line: number})[]} */
    this.marks = [];
    /** @type {Usual | undefined} */
    this.usual = undefined;
    /** @type {Map<number, Usual | undefined>} */
    this.known = new Map();
    this.timer = 0;
    // Of several lines the band is that of one: of the hovered, or the next one by this button.
    this.isSelective = panel.lines.length > 1 && !panel.is_bars && Boolean(stage.words.usual);
    this.key = make(this.isSelective ? "button" : "small", "panel-usual");
    if (this.isSelective) {
      this.key.setAttribute("type", "button");
      this.key.title = stage.words.wordNextLine ?? "";
      this.key.addEventListener("click", () => this.choose((this.line + 1) % panel.lines.length));
    }
    this.nameKey();
    this.key.hidden = true;
    this.list = make("ul", "panel-unusual");
  }

  get line() {
    return this.panel.usual_line ?? 0;
  }

  nameKey() {
    const { wordUsual = "" } = this.words;
    this.key.textContent = this.isSelective ? `${wordUsual}: ${this.panel.lines[this.line].label}` : wordUsual;
  }

  /** The band is that of another line from now on. @param {number} line */
  choose(line) {
    if (!this.isSelective || line === this.line || !this.panel.lines[line]) return;
    this.panel.usual_line = line;
    this.nameKey();
    this.usual = this.known.get(line);
    window.clearTimeout(this.timer);
    if (!this.known.has(line)) this.timer = window.setTimeout(() => this.fetch(line), HOVER_MS);
    this.redraw();
  }

  /** @param {number} line */
  async fetch(line) {
    try {
      this.known.set(line, await this.stage.fetchUsual(this.panel, line));
    } catch {
      // The next hover, or the next look at all series, asks again.
      return;
    }
    if (line === this.line) this.usual = this.known.get(line);
    this.redraw();
  }

  /** @param {import("./series.js").Series[]} fetched */
  load(fetched) {
    const { lines } = this.panel;
    this.marks = lines.flatMap(({ label }, index) =>
      (fetched[index].unusual ?? []).map((mark) => ({ ...mark, line: index, label: lines.length > 1 ? label : "" })),
    );
    this.marks.sort((one, other) => one.start - other.start);
    this.usual = fetched[this.line].usual;
    this.known = new Map([[this.line, this.usual]]);
    this.key.hidden = !(this.isSelective || this.usual?.at.length);
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

  /** @param {Chart} chart */
  drawUsual(chart) {
    drawMarked(chart, this.words);
    if (this.usual) drawBand(chart, this.usual, this.panel.is_complement);
  }

  /** A bar and a tip for each mark, so that it is told by its shape as well. @param {Chart} chart */
  drawRibbon(chart) {
    const pen = startPen(chart);
    const height = RIBBON_PIXELS * devicePixelRatio;
    const bottom = chart.bbox.top + chart.bbox.height;
    pen.fillStyle = readColour("--chart-bad");
    for (const { start, end, line } of this.marks) {
      pen.globalAlpha = this.isSelective && line !== this.line ? OTHERS_ALPHA : 1;
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
