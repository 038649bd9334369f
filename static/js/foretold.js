// @ts-check
// What is expected next of a panel's lines: dashed, inside its interval where there is one line.

/** @typedef {{at: number[], mean: number[], lower: number[], upper: number[], note: string}} Expected */
/** @typedef {{lines: {label: string}[], is_bars: boolean, is_complement: boolean}} Panel */
/** @typedef {{at: number[], mean: number[], forecast?: Expected}} Series */

/** The expected part of each line that has one, and which line that is.
 * @param {Panel} panel @param {Series[]} own @param {(values: number[]) => number[]} turn */
export function findExpected(panel, own, turn) {
  return own.flatMap(({ forecast, at, mean }, line) => {
    if (panel.is_bars || !forecast?.at.length) return [];
    // The dashes begin where the line ends.
    const joint = at.length ? { at: at[at.length - 1], value: mean[mean.length - 1] } : null;
    const begins = joint && joint.at < forecast.at[0];
    const moments = begins ? [joint.at, ...forecast.at] : forecast.at;
    const values = begins ? [joint.value, ...forecast.mean] : forecast.mean;
    return [{ line, part: { at: moments, values: turn(values) } }];
  });
}

/** @param {Panel} panel @param {Series[]} own */
export function findExpectedBand(panel, own) {
  const [{ forecast }] = own;
  if (panel.is_bars || panel.is_complement || own.length !== 1 || !forecast?.at.length) return [];
  const edges = [forecast.lower, forecast.upper].map((values) => ({ at: forecast.at, values }));
  return [{ name: /** @type {const} */ ("forecast"), edges }];
}

/** @param {Panel} panel @param {number[]} foretold the numbers of the lines @param {string} word */
export function describeExpected(panel, foretold, word) {
  const isOnly = panel.lines.length === 1;
  return foretold.map((line) => ({
    label: isOnly ? word : `${panel.lines[line].label}, ${word}`,
    isGhost: true,
    colour: line,
  }));
}

/** What points stand for, and what is to be said of the first forecast there is.
 * @param {string} resolution @param {Series[]} own */
export function describeNotes(resolution, own) {
  const note = own.map(({ forecast }) => forecast?.note).find(Boolean);
  return note ? `${resolution}${resolution ? " · " : ""}${note}` : resolution;
}
