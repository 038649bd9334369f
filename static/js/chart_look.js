// @ts-check
// How charts look: colours of the theme, times in the user's zone, ranges of the value axis.
import uPlot from "../vendor/uPlot.esm.js";
import { formatQuantity, formatTick } from "./format.js";

/** @typedef {{label: string, isGhost?: boolean, colour?: number}} Line */
/** @typedef {{label: string, name: "extremes" | "percentiles" | "forecast"}} Band */
/** @typedef {{style: string, lines: Line[], bands: Band[], isBars?: boolean, isWhole?: boolean, isScaled?: boolean, isScore?: boolean, readDisturbed?: () => [number, number][], height?: number, threshold?: number | null, unusual?: {isSelective: boolean, choose: (line: number) => void, drawUsual: (chart: uPlot) => void, drawRibbon: (chart: uPlot) => void}, zoom?: (start: number, end: number) => void}} Drawing */

const LINE_COLOURS = ["--chart-1", "--chart-2", "--chart-3", "--chart-4", "--chart-5", "--chart-6"];
const GHOST_DASH = [5, 4];
const DAY_SECONDS = 86_400;
const MONTH_SECONDS = 27 * DAY_SECONDS;
const FEW_POINTS = 25;
const ROUND = [1, 2, 5];
const WHOLE_STEPS = Array.from({ length: 15 }, (_item, power) => ROUND.map((digit) => digit * 10 ** power)).flat();
// As uPlot has them, without fractions of a second: those would be written as the same second again.
const TIME_STEPS = [
  ...[1, 5, 10, 15, 30],
  ...[1, 5, 10, 15, 30].map((minutes) => minutes * 60),
  ...[1, 2, 3, 4, 6, 8, 12].map((hours) => hours * 3600),
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 30, 60, 90, 120, 180, 365, 730].map((days) => days * DAY_SECONDS),
];
const POWERS_OF_TWO = Array.from({ length: 60 }, (_item, power) => 2 ** power);
export const timeZone = document.documentElement.dataset.zone || "UTC";
/** @param {Intl.DateTimeFormatOptions} parts */
const write = (parts) => new Intl.DateTimeFormat("sv-SE", { timeZone, ...parts });
const writeMonth = write({ year: "numeric", month: "2-digit" });
const writeDate = write({ dateStyle: "short" });
const writeMinute = write({ hour: "2-digit", minute: "2-digit" });
const writeSecond = write({ timeStyle: "medium" });
export const writeMoment = write({ dateStyle: "short", timeStyle: "medium" });

/** A CSS colour as a canvas understands it, whatever functions it is written with.
 * @param {string} name */
export function readColour(name) {
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
  if (step >= DAY_SECONDS && step < MONTH_SECONDS) {
    return splits.map((seconds) => writeDate.format(seconds * 1000).slice("2026-".length));
  }
  const writer = step >= MONTH_SECONDS ? writeMonth : step >= 60 ? writeMinute : writeSecond;
  return splits.map((seconds) => writer.format(seconds * 1000));
}

/** @param {Drawing} drawing @param {number | null} lowest @param {number | null} highest @returns {[number, number]} */
export function chooseRange(drawing, lowest, highest) {
  const low = lowest ?? 0;
  const high = highest ?? 0;
  if (drawing.isScore) return [0, 102];
  if (drawing.style === "ratio") return [0, drawing.isBars || drawing.isScaled ? Math.min(Math.max(high * 1.15, 0.1), 1) : 1];
  // Things that are counted: at least one step up, and one down.
  if (drawing.isWhole) return [Math.max(Math.floor(low - (high - low) * 0.15) - 1, 0), Math.ceil(high * 1.05) + 1];
  if (low < 0) {
    // What may be below zero, as the offset of a clock, is whole, and zero beside it.
    const top = Math.max(high, 0);
    const edge = (top - low) * 0.15;
    return [low - edge, top + edge];
  }
  const isNarrow = low > high / 2;
  const room = Math.max((isNarrow ? high - low : high) * 0.15, high * 0.02);
  // Fractions of a bit would be written as the same whole numbers again and again.
  const emptyTop = drawing.style === "bit_rate" ? 1000 : 1;
  return [isNarrow ? low - room : 0, high + room || emptyTop];
}

/** The two edges of a band, of which the legend shows the upper one with both values, if named.
 * @param {Drawing} drawing @param {Band} band @returns {uPlot.Series[]} */
function describeEdges(drawing, band) {
  const edge = { stroke: "transparent", width: 0, points: { show: false } };
  /** @type {uPlot.Series["value"]} */
  const value = (chart, high, index, place) => {
    const low = place == null ? null : chart.data[index - 1][place];
    return high == null ? "—" : `${formatQuantity(low, drawing.style)} – ${formatQuantity(high, drawing.style)}`;
  };
  return [
    { ...edge, class: "is-edge" },
    { ...edge, class: band.label ? `band-${band.name}` : "is-edge", label: band.label, value },
  ];
}

/** @param {Drawing} drawing @param {Line} line @param {number} index @returns {uPlot.Series} */
function describeLine(drawing, line, index) {
  const isBars = drawing.isBars && !line.isGhost;
  const name = LINE_COLOURS[(line.colour ?? index) % LINE_COLOURS.length];
  const isOnly = drawing.lines.filter((one) => !one.isGhost).length === 1;
  const ghost = isOnly ? "--chart-ghost" : name;
  const colour = readColour(isBars ? "--chart-bad" : line.isGhost ? ghost : name);
  return {
    label: line.label,
    class: line.isGhost ? "is-ghost" : undefined,
    stroke: colour,
    width: isBars ? 0 : line.isGhost ? 1.25 : 1.75,
    dash: line.isGhost ? GHOST_DASH : undefined,
    fill: isBars ? colour : undefined,
    paths: isBars ? uPlot.paths.bars?.({ size: [0.9, 14, 2] }) : undefined,
    points: { show: (_chart, _index, first, last) => !isBars && !line.isGhost && last - first < FEW_POINTS },
    value: (_chart, value) => formatQuantity(value, drawing.style),
  };
}

/** Time and value axis. @param {Drawing} drawing @returns {uPlot.Axis[]} */
function describeAxes(drawing) {
  const axis = { stroke: readColour("--chart-text"), font: "11px system-ui", ticks: { show: false } };
  return [
    {
      ...axis,
      grid: { show: false },
      size: 26,
      space: 70,
      incrs: TIME_STEPS,
      values: (_chart, splits, _axis, _space, step) => writeTimes(splits, step),
    },
    {
      ...axis,
      grid: { stroke: readColour("--chart-grid"), width: 1 },
      size: 72,
      space: drawing.isBars ? 24 : 36,
      incrs: drawing.isWhole ? WHOLE_STEPS : drawing.style.startsWith("byte") ? POWERS_OF_TWO : undefined,
      values: (_chart, splits) => splits.map((split) => formatTick(split, drawing.style)),
    },
  ];
}

/** What uPlot draws: below all lines the bands, each of them two edges.
 * @param {Drawing} drawing @returns {Pick<uPlot.Options, "series" | "bands" | "axes">} */
export function describeLook(drawing) {
  return {
    axes: describeAxes(drawing),
    series: [
      { label: "", value: (_chart, seconds) => (seconds ? writeMoment.format(seconds * 1000) : "") },
      ...drawing.bands.flatMap((band) => describeEdges(drawing, band)),
      ...drawing.lines.map((line, index) => describeLine(drawing, line, index)),
    ],
    bands: drawing.bands.map((band, index) => ({
      series: [2 * index + 2, 2 * index + 1],
      fill: readColour(`--chart-${band.name}`),
    })),
  };
}
