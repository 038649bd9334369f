// @ts-check
// Draws one chart with uPlot. Columns: Unix seconds, then each line, then lowest and highest of
// each band. null breaks a line; undefined (no value at this moment) does not.
import uPlot from "../vendor/uPlot.esm.js";
import { chooseRange, describeLook, readColour, timeZone } from "./chart_look.js";
import { drawDisturbed } from "./disturbed.js";
import { drawThreshold } from "./threshold.js";

/** @typedef {import("./chart_look.js").Drawing} Drawing */
/** @typedef {(number | null | undefined)[]} Column */

const LEAST_WIDTH = 200;
const LEAST_DRAG_PIXELS = 8;
// How near the pointer has to be to a line to mean it, and how the others look meanwhile.
const NEAR_PIXELS = 24;
const OTHERS_ALPHA = 0.4;

/** The legend tells the newest values while the pointer is elsewhere.
 * @param {uPlot} chart @param {number} first the first line */
function showNewest(chart, first) {
  if ((chart.cursor.left ?? -1) >= 0 || !chart.data[0].length) return;
  let index = chart.data[0].length - 1;
  while (index > 0 && chart.data[first][index] == null) index -= 1;
  chart.setLegend({ idx: index }, false);
}

/** @param {uPlot} chart @param {Drawing} drawing */
function takeSelection(chart, drawing) {
  const { left, width } = chart.select;
  if (width < LEAST_DRAG_PIXELS) return;
  const ends = [left, left + width].map((pixels) => chart.posToVal(pixels, "x"));
  chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  drawing.zoom?.(ends[0], ends[1]);
}

/** @param {Drawing} drawing @param {() => [number, number]} readSpan @returns {Omit<uPlot.Options, "width" | "height">} */
function describe(drawing, readSpan) {
  const newest = (/** @type {uPlot} */ chart) => showNewest(chart, 2 * drawing.bands.length + 1);
  const colour = readColour("--chart-bad");
  const shade = readColour("--chart-text");
  return {
    ...describeLook(drawing),
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), timeZone),
    focus: { alpha: OTHERS_ALPHA },
    cursor: {
      focus: { prox: drawing.unusual?.isSelective ? NEAR_PIXELS : -1 },
      // Other charts follow the pointer, but only the one under it is dragged across.
      sync: { key: "page", filters: { sub: (type) => type === "mousemove" || type === "mouseleave", pub: () => true } },
      drag: { x: Boolean(drawing.zoom), y: false, setScale: false, dist: LEAST_DRAG_PIXELS },
      y: false,
      points: { size: 6 },
    },
    scales: {
      x: { range: () => readSpan() },
      y: { range: (_chart, low, high) => chooseRange(drawing, low, high) },
    },
    hooks: {
      setCursor: [newest],
      setData: [newest],
      ready: [newest],
      setSeries: [(_chart, index) => drawing.unusual?.choose((index ?? 0) - 1 - 2 * drawing.bands.length)],
      setSelect: [(chart) => takeSelection(chart, drawing)],
      drawClear: [(chart) => drawDisturbed(chart, drawing.readDisturbed?.() ?? [], shade)],
      drawAxes: [(chart) => drawing.unusual?.drawUsual(chart)],
      draw: [(chart) => drawThreshold(chart, drawing.threshold, colour), (chart) => drawing.unusual?.drawRibbon(chart)],
    },
  };
}

/** Bands first, so that lines are drawn over them.
 * @param {Column[]} columns @param {Drawing} drawing */
function arrange(columns, drawing) {
  const first = drawing.lines.length + 1;
  const whole = columns.length > 1 ? columns : Array.from({ length: first + 2 * drawing.bands.length }, () => []);
  return /** @type {uPlot.AlignedData} */ ([whole[0], ...whole.slice(first), ...whole.slice(1, first)]);
}

/** A chart inside `host`; `readSpan` gives the moments its time axis begins and ends at.
 * @param {HTMLElement} host @param {Drawing} firstDrawing @param {() => [number, number]} readSpan */
export function createChart(host, firstDrawing, readSpan) {
  let drawing = firstDrawing;
  /** @type {Column[]} */
  let columns = [[]];
  /** @type {uPlot | undefined} */
  let chart;
  const ending = new AbortController();
  const measure = () => ({
    width: Math.max(host.clientWidth, LEAST_WIDTH),
    height: drawing.height ?? (drawing.isBars ? 110 : 200),
  });
  const draw = () => {
    chart?.destroy();
    chart = new uPlot({ ...describe(drawing, readSpan), ...measure() }, arrange(columns, drawing), host);
  };
  const observer = new ResizeObserver(() => chart?.setSize(measure()));
  observer.observe(host);
  const theme = matchMedia("(prefers-color-scheme: dark)");
  theme.addEventListener("change", () => chart && draw(), { signal: ending.signal });
  return {
    /** Of another drawing, other lines or bands from now on.
     * @param {Column[]} newColumns @param {Drawing} [newDrawing] */
    show(newColumns, newDrawing = drawing) {
      columns = newColumns;
      const isOther = newDrawing !== drawing;
      drawing = newDrawing;
      if (chart && !isOther) chart.setData(arrange(columns, drawing));
      else draw();
    },
    end() {
      ending.abort();
      observer.disconnect();
      chart?.destroy();
    },
  };
}
