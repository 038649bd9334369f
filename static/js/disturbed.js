// @ts-check
// The times of a chart in which an exclusive run used the client: hatched, behind the lines.

const HATCH_PIXELS = 6;
const LEAST_WIDTH_PIXELS = 3;
const OPACITY = 0.35;

/** @param {import("../vendor/uPlot.esm.js").default} chart
 * @param {[number, number][]} spans Unix seconds @param {string} colour */
export function drawDisturbed(chart, spans, colour) {
  const { left, top, width, height } = chart.bbox;
  const pen = chart.ctx;
  pen.save();
  pen.strokeStyle = colour;
  pen.globalAlpha = OPACITY;
  pen.lineWidth = devicePixelRatio;
  for (const span of spans) {
    const [begin, end] = span.map((at) => Math.min(Math.max(chart.valToPos(at, "x", true), left), left + width));
    if (begin === end) continue;
    pen.save();
    pen.beginPath();
    pen.rect(begin, top, Math.max(end - begin, LEAST_WIDTH_PIXELS * devicePixelRatio), height);
    pen.clip();
    pen.beginPath();
    for (let at = begin - height; at < end + height; at += HATCH_PIXELS * devicePixelRatio) {
      pen.moveTo(at, top + height);
      pen.lineTo(at + height, top);
    }
    pen.stroke();
    pen.restore();
  }
  pen.restore();
}

/** The words for the hatching, below the charts' title. @param {boolean} isShown */
export function showDisturbedNote(isShown) {
  const note = document.getElementById("disturbed-note");
  if (note) note.hidden = !isShown;
}
