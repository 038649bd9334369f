// @ts-check
// The dashed line of a chart above which a value counts as high.

const DASH = [6, 5];

/** Draws nothing while the line lies outside what the chart shows.
 * @param {import("../vendor/uPlot.esm.js").default} chart
 * @param {number | null | undefined} value @param {string} colour */
export function drawThreshold(chart, value, colour) {
  const { min, max } = chart.scales.y;
  if (value == null || min == null || max == null || value < min || value > max) return;
  const { left, width } = chart.bbox;
  const height = Math.round(chart.valToPos(value, "y", true)) + 0.5;
  const pen = chart.ctx;
  pen.save();
  pen.strokeStyle = colour;
  pen.lineWidth = devicePixelRatio;
  pen.setLineDash(DASH.map((length) => length * devicePixelRatio));
  pen.beginPath();
  pen.moveTo(left, height);
  pen.lineTo(left + width, height);
  pen.stroke();
  pen.restore();
}

/** The words for the line, for the chart's title. @param {string} text */
export function describeThreshold(text) {
  const note = document.createElement("small");
  note.className = "panel-threshold";
  note.textContent = text;
  return note;
}
