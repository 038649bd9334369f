// @ts-check
// Series of the API as columns of a chart.
import { describeJsonRequest } from "./requests.js";

/** @typedef {{key: string, label: string, source: string, subject: string}} Line */
/** @typedef {{title: string, style: string, lines: Line[], band: Line[], is_bars: boolean, is_complement: boolean, threshold: number | null, threshold_text: string}} Panel */
/** @typedef {{step_seconds: number, at: number[], minimum: number[], mean: number[], maximum: number[]}} Series */
/** @typedef {{url: string, client: string, test: string, points: number}} Place */
/** @typedef {(number | null | undefined)[]} Column */

/** @type {Series} */
const EMPTY = { step_seconds: 0, at: [], minimum: [], mean: [], maximum: [] };
const GAPS_PER_SPAN = 30;

/** @param {Place} place @param {Line} line @param {[number, number]} span @returns {Promise<Series>} */
async function fetchSeries(place, line, span) {
  const query = new URLSearchParams({
    client: place.client,
    metric: line.key,
    start: span[0].toFixed(3),
    end: span[1].toFixed(3),
    points: String(place.points),
  });
  if (place.test) query.set("test", place.test);
  else {
    query.set("source_kind", line.source);
    query.set("subject", line.subject);
  }
  const response = await fetch(`${place.url}?${query}`, { headers: describeJsonRequest() });
  // What was never measured there is an empty chart, not a fault.
  if (response.status === 404) return EMPTY;
  if (!response.ok) throw new Error(`series ${response.status}`);
  return response.json();
}

/** Parts with their own times as columns over the union of the times.
 * @param {{at: number[], values: number[]}[]} parts @returns {Column[]} */
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

/** A pause that is long for what is shown becomes a break in the lines.
 * @param {Column[]} columns @param {number} longestSeconds @returns {Column[]} */
export function breakGaps(columns, longestSeconds) {
  const [moments, ...values] = /** @type {number[][]} */ (columns);
  /** @type {Column[]} */
  const broken = columns.map(() => []);
  moments.forEach((at, index) => {
    const before = moments[index - 1];
    if (index && at - before > longestSeconds) {
      broken[0].push((before + at) / 2);
      values.forEach((_column, place) => broken[place + 1].push(null));
    }
    broken[0].push(at);
    values.forEach((column, place) => broken[place + 1].push(column[index]));
  });
  return broken;
}

/** The longest pause that is still drawn through: some steps of the data, and little of the chart.
 * @param {number[]} moments @param {number} stepSeconds @param {[number, number]} span */
export function chooseGap(moments, stepSeconds, span) {
  const pauses = moments.slice(1).map((at, index) => at - moments[index]);
  const usual = pauses.sort((one, other) => one - other)[pauses.length >> 1] ?? 0;
  return Math.max((span[1] - span[0]) / GAPS_PER_SPAN, 2.5 * stepSeconds, 3 * usual);
}

/** Whether a panel's single line is drawn inside its own lowest and highest.
 * @param {Panel} panel */
export function hasOwnBand(panel) {
  return !panel.is_bars && !panel.band.length && panel.lines.length === 1;
}

/** What chart.js draws of a panel, and the step of its buckets (0: single values).
 * @param {Place} place @param {Panel} panel @param {[number, number]} span */
export async function loadPanel(place, panel, span) {
  const fetched = await Promise.all(
    [...panel.lines, ...panel.band].map((line) => fetchSeries(place, line, span)),
  );
  const parts = panel.lines.map((_line, index) => {
    const { at, mean } = fetched[index];
    return { at, values: panel.is_complement ? mean.map((value) => 1 - value) : mean };
  });
  if (panel.band.length) {
    const [low, high] = fetched.slice(panel.lines.length);
    parts.push({ at: low.at, values: low.minimum }, { at: high.at, values: high.maximum });
  } else if (hasOwnBand(panel)) {
    const [own] = fetched;
    parts.push({ at: own.at, values: own.minimum }, { at: own.at, values: own.maximum });
  }
  const stepSeconds = Math.max(0, ...fetched.map((series) => series.step_seconds));
  return { columns: mergeColumns(parts), stepSeconds };
}
