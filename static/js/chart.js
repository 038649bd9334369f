// @ts-check
// Draws one chart with uPlot. Columns: Unix seconds, then each line, then lowest and highest of
// the band if there is one. null breaks a line; undefined (no value at this moment) does not.
import uPlot from "../vendor/uPlot.esm.js";
import { formatQuantity, formatTick } from "./format.js";
import { drawThreshold } from "./threshold.js";

/** @typedef {{style: string, labels: string[], hasBand?: boolean, isBars?: boolean, band?: string, height?: number, threshold?: number | null}} Drawing */
/** @typedef {(number | null | undefined)[]} Column */

const LINE_COLOURS = ["--chart-1", "--chart-2", "--chart-3", "--chart-4", "--chart-5", "--chart-6"];
const DAY_SECONDS = 86_400;
const FEW_POINTS = 25;
const POWERS_OF_TWO = Array.from({ length: 60 }, (_item, power) => 2 ** power);
const timeZone = document.documentElement.dataset.zone || "UTC";
const writeDay = new Intl.DateTimeFormat("sv-SE", { timeZone, month: "2-digit", day: "2-digit" });
const writeMinute = new Intl.DateTimeFormat("sv-SE", { timeZone, hour: "2-digit", minute: "2-digit" });
const writeSecond = new Intl.DateTimeFormat("sv-SE", { timeZone, timeStyle: "medium" });
const writeMoment = new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short", timeStyle: "medium" });

/** A CSS colour as a canvas understands it, whatever functions it is written with.
 * @param {string} name */
function readColour(name) {
  const probe = document.createElement("i");
  probe.className = "colour-probe";
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

/** The times below a chart, in the user's zone and no finer than their distance.
 * @param {number[]} splits @param {number} step */
function writeTimes(splits, step) {
  const writer = step >= DAY_SECONDS ? writeDay : step >= 60 ? writeMinute : writeSecond;
  return splits.map((seconds) => writer.format(seconds * 1000));
}

/** @param {Drawing} drawing @param {number | null} lowest @param {number | null} highest @returns {[number, number]} */
function chooseRange(drawing, lowest, highest) {
  const low = lowest ?? 0;
  const high = highest ?? 0;
  if (drawing.style === "ratio") return [0, drawing.isBars ? Math.min(Math.max(high * 1.15, 0.1), 1) : 1];
  const isNarrow = low > high / 2;
  const room = Math.max((isNarrow ? high - low : high) * 0.15, high * 0.02);
  // Fractions of a bit would be written as the same whole numbers again and again.
  const emptyTop = drawing.style === "bit_rate" ? 1000 : 1;
  return [isNarrow ? low - room : 0, high + room || emptyTop];
}

/** @param {Drawing} drawing @param {number} index @returns {uPlot.Series} */
function describeLine(drawing, index) {
  const colour = readColour(drawing.isBars ? "--chart-bad" : LINE_COLOURS[index % LINE_COLOURS.length]);
  return {
    label: drawing.labels[index],
    stroke: colour,
    width: drawing.isBars ? 0 : 1.75,
    fill: drawing.isBars ? colour : undefined,
    paths: drawing.isBars ? uPlot.paths.bars?.({ size: [0.9, 14, 2] }) : undefined,
    points: { show: (_chart, _index, first, last) => !drawing.isBars && last - first < FEW_POINTS },
    value: (_chart, value) => formatQuantity(value, drawing.style),
  };
}

/** @returns {uPlot.Series} */
function describeEdge() {
  return { stroke: "transparent", width: 0, points: { show: false }, class: "is-edge" };
}

/** @param {Drawing} drawing @param {(extremes: boolean) => [number, number]} readSpan @returns {Omit<uPlot.Options, "width" | "height">} */
function describe(drawing, readSpan) {
  const axis = { stroke: readColour("--chart-text"), font: "11px system-ui", ticks: { show: false } };
  const grid = { stroke: readColour("--chart-grid"), width: 1 };
  const count = drawing.labels.length;
  return {
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), timeZone),
    cursor: { sync: { key: "page" }, y: false, points: { size: 6 } },
    scales: {
      x: { range: () => readSpan(true) },
      y: { range: (_chart, low, high) => chooseRange(drawing, low, high) },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 26,
        space: 70,
        values: (_chart, splits, _axis, _space, step) => writeTimes(splits, step),
      },
      {
        ...axis,
        grid,
        size: 64,
        space: drawing.isBars ? 24 : 36,
        incrs: drawing.style.startsWith("byte") ? POWERS_OF_TWO : undefined,
        values: (_chart, splits) => splits.map((split) => formatTick(split, drawing.style)),
      },
    ],
    series: [
      { label: "", value: (_chart, seconds) => (seconds ? writeMoment.format(seconds * 1000) : "") },
      ...drawing.labels.map((_label, index) => describeLine(drawing, index)),
      ...(drawing.hasBand ? [describeEdge(), describeEdge()] : []),
    ],
    bands: drawing.hasBand
      ? [{ series: [count + 2, count + 1], fill: readColour("--chart-band") }]
      : [],
  };
}

/** The legend tells the newest values while the pointer is elsewhere.
 * @param {uPlot} chart */
function showNewest(chart) {
  if ((chart.cursor.left ?? -1) >= 0 || !chart.data[0].length) return;
  let index = chart.data[0].length - 1;
  while (index > 0 && chart.data[1][index] == null) index -= 1;
  chart.setLegend({ idx: index }, false);
}

/** A chart inside `host`; `readSpan` gives the moments its time axis begins and ends at.
 * @param {HTMLElement} host @param {Drawing} drawing @param {() => [number, number]} readSpan */
export function createChart(host, drawing, readSpan) {
  const height = drawing.height ?? (drawing.isBars ? 110 : 200);
  /** @type {Column[]} */
  let columns = [[]];
  /** @type {uPlot | undefined} */
  let chart;
  const draw = () => {
    chart?.destroy();
    const size = { width: Math.max(host.clientWidth, 200), height };
    const data = /** @type {uPlot.AlignedData} */ (columns);
    const limit = [(/** @type {uPlot} */ made) => drawThreshold(made, drawing.threshold, readColour("--chart-bad"))];
    const hooks = { setCursor: [showNewest], setData: [showNewest], ready: [showNewest], draw: limit };
    chart = new uPlot({ ...describe(drawing, readSpan), ...size, hooks }, data, host);
  };
  new ResizeObserver(() => chart?.setSize({ width: Math.max(host.clientWidth, 200), height })).observe(host);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart && draw());
  return {
    /** @param {Column[]} newColumns */
    show(newColumns) {
      columns = newColumns;
      if (chart) chart.setData(/** @type {uPlot.AlignedData} */ (columns));
      else draw();
    },
  };
}
