// @ts-check
// The series of a page's panels, fetched in one request, as columns of charts.
import { describeNotes, findExpected, findExpectedBand } from "./foretold.js";
import { describeJsonRequest } from "./requests.js";
import { hasBand } from "./usual.js";

/** @typedef {{key: string, label: string, source: string, subject: string}} Line */
/** @typedef {{title: string, style: string, lines: Line[], band: Line[], is_bars: boolean, is_complement: boolean, is_whole: boolean, is_scaled: boolean, threshold: number | null, threshold_text: string, usual_line?: number}} Panel */
/** @typedef {{figure: string, before: string, now: string, percent: string, arrow: string, word: string, tone: string}} Change */
/** @typedef {{step_seconds: number, resolution: string, at: number[], mean: number[], minimum?: number[], maximum?: number[], p50?: number[], p95?: number[], earlier?: {at: number[], mean: number[]}, forecast?: import("./foretold.js").Expected, changes?: Change[], unusual?: Mark[], usual?: Usual}} Series */
/** @typedef {{id: string, start: number, end: number, score: number, text: string}} Mark */
/** @typedef {import("./usual.js").Usual} Usual */
/** @typedef {{url: string, compare: string, forecast: string, usual: string, points: number}} View */
/** @typedef {(number | null | undefined)[]} Column */
/** @typedef {{at: number[], values: Column}} Part */
/** @typedef {{name: "extremes" | "percentiles" | "forecast", edges: Part[]}} Edges */

const GAPS_PER_SPAN = 30;

/** The series of every panel's lines and then of its band, in their order; and when exclusive runs
 * disturbed what was measured.
 * @param {View} view @param {Panel[]} panels @param {[number, number]} span
 * @returns {Promise<{series: Series[][], disturbed: [number, number][]}>} */
export async function fetchSeries(view, panels, span) {
  const query = new URLSearchParams({
    start: span[0].toFixed(3),
    end: span[1].toFixed(3),
    points: String(view.points),
  });
  if (view.compare) query.set("compare", view.compare);
  if (view.forecast) query.set("forecast", view.forecast);
  if (view.usual) query.set("usual", view.usual);
  for (const panel of panels) {
    for (const line of [...panel.lines, ...panel.band]) {
      query.append("source", line.source);
      query.append("subject", line.subject);
      query.append("key", line.key);
      const hasUsual = view.usual && hasBand(panel, line);
      query.append("columns", (mayBand(panel) ? ["all", "usual"] : ["mean", "mean_usual"])[hasUsual ? 1 : 0]);
    }
  }
  const response = await fetch(`${view.url}?${query}`, { headers: describeJsonRequest() });
  if (!response.ok) throw new Error(`series ${response.status}`);
  /** @type {{lines: Series[], disturbed?: [number, number][]}} */
  const { lines, disturbed = [] } = await response.json();
  const series = panels.map((panel) => lines.splice(0, panel.lines.length + panel.band.length));
  return { series, disturbed };
}

/** Parts with their own times as columns over the union of the times.
 * @param {Part[]} parts @returns {Column[]} */
export function mergeColumns(parts) {
  /** @type {Map<number, Column>} */
  const rows = new Map();
  parts.forEach((part, column) => {
    part.at.forEach((at, index) => {
      const row = rows.get(at) ?? new Array(parts.length).fill(undefined);
      row[column] = part.values[index];
      rows.set(at, row);
    });
  });
  const moments = [...rows.keys()].sort((one, other) => one - other);
  return [moments, ...parts.map((_part, column) => moments.map((at) => rows.get(at)?.[column]))];
}

/** The longest pause that is still drawn through: some steps of the data, and little of the chart.
 * @param {number[]} moments @param {number} stepSeconds @param {[number, number]} span */
function chooseGap(moments, stepSeconds, span) {
  const pauses = moments.slice(1).map((at, index) => at - moments[index]);
  const usual = pauses.sort((one, other) => one - other)[pauses.length >> 1] ?? 0;
  return Math.max((span[1] - span[0]) / GAPS_PER_SPAN, 2.5 * stepSeconds, 3 * usual);
}

/** A pause of a line that is long for what is shown becomes a break in it.
 * @param {Column[]} columns @param {number} stepSeconds @param {[number, number]} span @returns {Column[]} */
export function breakGaps(columns, stepSeconds, span) {
  const [moments, ...values] = /** @type {[number[], ...Column[]]} */ (columns);
  const parts = values.map((column) => {
    const known = moments.filter((_at, index) => column[index] !== undefined);
    const own = column.filter((value) => value !== undefined);
    const longest = chooseGap(known, stepSeconds, span);
    /** @type {Part} */
    const part = { at: [], values: [] };
    known.forEach((at, index) => {
      if (index && at - known[index - 1] > longest) {
        part.at.push((known[index - 1] + at) / 2);
        part.values.push(null);
      }
      part.at.push(at);
      part.values.push(own[index]);
    });
    return part;
  });
  return mergeColumns(parts);
}

/** Whether a panel's one line may be drawn inside a band.
 * @param {Panel} panel */
export function mayBand(panel) {
  return !panel.is_bars && panel.lines.length === 1;
}

/** The bands around a panel's one line: of its neighbours (lowest, highest), or inside buckets.
 * @param {Panel} panel @param {Series[]} fetched @param {string} band @returns {Edges[]} */
function findBands(panel, fetched, band) {
  if (!mayBand(panel) || band === "none") return [];
  const [own, low = own, high = own] = fetched;
  /** @type {Edges[]} */
  const bands = [];
  if (band !== "percentiles" && (panel.band.length || own.step_seconds)) {
    const edges = [{ at: low.at, values: low.minimum ?? [] }, { at: high.at, values: high.maximum ?? [] }];
    bands.push({ name: "extremes", edges });
  }
  if (band !== "extremes" && own.step_seconds && own.p50) {
    const edges = [own.p50, own.p95 ?? []].map((values) => ({ at: own.at, values }));
    bands.push({ name: "percentiles", edges });
  }
  return bands;
}

/** What chart.js draws of a panel. @param {Panel} panel @param {Series[]} fetched @param {string} band */
export function arrangePanel(panel, fetched, band) {
  const turn = (/** @type {number[]} */ values) =>
    panel.is_complement ? values.map((value) => 1 - value) : values;
  const own = fetched.slice(0, panel.lines.length);
  const ghosts = own.flatMap(({ earlier }) => (earlier ? [{ at: earlier.at, values: turn(earlier.mean) }] : []));
  const expected = findExpected(panel, own, turn);
  const bands = [...findBands(panel, fetched, band), ...findExpectedBand(panel, own)];
  const parts = [
    ...own.map(({ at, mean }) => ({ at, values: turn(mean) })),
    ...ghosts,
    ...expected.map(({ part }) => part),
    ...bands.flatMap(({ edges }) => edges),
  ];
  const coarsest = own.reduce((one, other) => (other.step_seconds > one.step_seconds ? other : one));
  return {
    columns: mergeColumns(parts),
    bands: bands.map(({ name }) => name),
    hasGhosts: ghosts.length > 0,
    foretold: expected.map(({ line }) => line),
    stepSeconds: coarsest.step_seconds,
    resolution: describeNotes(coarsest.resolution || own.map(({ resolution }) => resolution).find(Boolean) || "", own),
    changes: own.map(({ changes }) => changes ?? []),
  };
}
