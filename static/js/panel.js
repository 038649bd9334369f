// @ts-check
// One panel of a page's history: its title, chart, changes and notes.
import { createChart } from "./chart.js";
import { describeExpected } from "./foretold.js";
import { describeThreshold } from "./threshold.js";
import { arrangePanel, breakGaps } from "./series.js";
import { Unusual } from "./unusual.js";

/** @typedef {import("./series.js").Panel} Panel */
/** @typedef {import("./series.js").Series} Series */
/** @typedef {import("./series.js").Column} Column */
/** @typedef {{readSpan: () => [number, number], band: string, words: DOMStringMap, fetchUsual: (panel: Panel, line: number) => Promise<import("./series.js").Usual | undefined>, zoom?: (start: number, end: number) => void, disturbed: [number, number][]}} Stage */

// Beside longer buckets single values would be another kind of line.
const LONGEST_LIVE_STEP = 60;

/** @param {string} name @param {string} className @param {string} [text] */
function make(name, className, text = "") {
  const element = document.createElement(name);
  element.className = className;
  element.textContent = text;
  return element;
}

/** How a line differs from the earlier time: sign, arrow, word and colour.
 * @param {import("./series.js").Change} change @param {string} label */
function describeChange(change, label) {
  const item = make("li", "panel-change");
  const badge = make("span", `state state-${change.tone}`, `${change.arrow} ${change.percent} ${change.word}`);
  const figures = `${change.figure} ${change.before} → ${change.now}`;
  item.append(badge, make("span", "panel-figures", label ? `${label}: ${figures}` : figures));
  return item;
}

export class PanelView {
  /** @param {HTMLElement} parent @param {Panel} panel @param {Stage} stage */
  constructor(parent, panel, stage) {
    this.panel = panel;
    this.stage = stage;
    /** @type {Column[]} */
    this.columns = [[]];
    this.stepSeconds = 0;
    this.shape = "";
    this.isStale = false;
    const figure = make("figure", `card panel${panel.is_bars ? " panel-bars" : ""}`);
    const title = make("figcaption", "", panel.title);
    if (panel.threshold_text) title.append(describeThreshold(panel.threshold_text));
    this.resolution = make("small", "panel-resolution");
    this.unusual = new Unusual(panel, stage, () => this.draw());
    title.append(this.unusual.key, this.resolution);
    this.changes = make("ul", "panel-changes");
    this.body = make("div", "panel-body");
    this.note = make("p", "panel-note");
    figure.append(title, this.changes, this.body, this.unusual.list, this.note);
    parent.append(figure);
    this.drawing = this.describe([], false, []);
    this.chart = createChart(this.body, this.drawing, stage.readSpan);
  }

  /** @param {("extremes" | "percentiles" | "forecast")[]} bands @param {boolean} hasGhosts @param {number[]} foretold @returns {import("./chart_look.js").Drawing} */
  describe(bands, hasGhosts, foretold) {
    const { panel, stage } = this;
    const { wordExtremes = "", wordPercentiles = "", wordEarlier = "", wordForecast = "" } = stage.words;
    const words = { extremes: wordExtremes, percentiles: wordPercentiles, forecast: "" };
    const lines = panel.lines.map(({ label }) => ({ label }));
    const ghosts = lines.map(({ label }, colour) => ({
      label: lines.length > 1 ? `${label}, ${wordEarlier}` : wordEarlier,
      isGhost: true,
      colour,
    }));
    return {
      style: panel.style,
      lines: [...lines, ...(hasGhosts ? ghosts : []), ...describeExpected(panel, foretold, wordForecast)],
      bands: bands.map((name) => ({ name, label: words[name] })),
      isBars: panel.is_bars, isWhole: panel.is_whole, isScaled: panel.is_scaled,
      readDisturbed: () => stage.disturbed,
      threshold: panel.threshold, unusual: this.unusual,
      zoom: stage.zoom,
    };
  }

  /** @param {Series[]} fetched */
  load(fetched) {
    const arranged = arrangePanel(this.panel, fetched, this.stage.band);
    this.columns = arranged.columns;
    this.stepSeconds = arranged.stepSeconds;
    this.unusual.load(fetched);
    this.resolution.textContent = arranged.resolution;
    // Raw values have no bands and buckets have: the chart is made anew when that changes.
    const shape = [...arranged.bands, arranged.hasGhosts, arranged.foretold].join();
    if (shape !== this.shape) this.drawing = this.describe(arranged.bands, arranged.hasGhosts, arranged.foretold);
    this.shape = shape;
    const isOnly = this.panel.lines.length === 1;
    this.changes.replaceChildren(
      ...arranged.changes.flatMap((changes, index) =>
        // Of several lines only the first figure, the mean: else there are more words than chart.
        changes
          .slice(0, isOnly ? undefined : 1)
          .map((change) => describeChange(change, isOnly ? "" : this.panel.lines[index].label)),
      ),
    );
    if (arranged.hasGhosts && !this.changes.children.length) {
      this.changes.append(make("li", "panel-change", this.stage.words.wordNothingEarlier));
    }
    this.draw();
  }

  draw() {
    const span = this.stage.readSpan();
    const moments = /** @type {number[]} */ (this.columns[0]);
    const first = moments.findIndex((at) => at >= span[0] - this.stepSeconds);
    if (first > 0) this.columns = this.columns.map((column) => column.slice(first));
    this.note.textContent = first < 0 ? (this.stage.words.wordEmpty ?? "") : "";
    this.chart.show(breakGaps(this.columns, this.stepSeconds, span), this.drawing);
    this.isStale = false;
  }

  /** @param {string} text */
  say(text) {
    this.note.textContent = text;
  }

  end() {
    this.chart.end();
  }

  /** A frame off the socket becomes the newest point of the lines it has values for.
   * @param {{source: string, subject: string, at: number, values: Record<string, number>}} frame */
  take(frame) {
    const { lines, band, is_complement: isComplement } = this.panel;
    const { drawing } = this;
    const last = this.columns[0][this.columns[0].length - 1] ?? 0;
    const values = [...lines, ...band].map((line) => {
      const isOwn = line.source === frame.source && line.subject === frame.subject;
      return isOwn ? frame.values[line.key] : undefined;
    });
    const isLate = frame.at < last || frame.at > this.stage.readSpan()[1] + 1;
    if (isLate || this.stepSeconds > LONGEST_LIVE_STEP || values.every((value) => value === undefined)) return;
    const width = 1 + drawing.lines.length + 2 * drawing.bands.length;
    if (this.columns.length !== width) this.columns = Array.from({ length: width }, () => []);
    if (frame.at > last) this.columns.forEach((column, index) => column.push(index ? undefined : frame.at));
    values.forEach((value, index) => {
      const isEdge = index >= lines.length;
      if (value === undefined || (isEdge && drawing.bands[0]?.name !== "extremes")) return;
      const column = this.columns[isEdge ? 1 + drawing.lines.length + index - lines.length : 1 + index];
      column[column.length - 1] = isComplement ? 1 - value : value;
    });
    this.isStale = true;
  }
}
