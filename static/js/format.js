// @ts-check
// Quantities as people read them: the same rules as apps/dashboard/formats.py, held to the same
// examples by tests/dashboard/quantities.json.

const SPACE = "\u00a0";
const ABSENT = "—";
const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;
const BINARY_PREFIXES = ["", "Ki", "Mi", "Gi", "Ti", "Pi"];
const DECIMAL_PREFIXES = ["", "k", "M", "G", "T", "P"];

/** @param {number} value */
function formatDigits(value) {
  const size = Math.abs(value);
  if (size >= 100 || size === 0) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1);
  return size >= 1 ? value.toFixed(2) : value.toFixed(3);
}

/** @param {number} seconds @param {number} large @param {string} largeUnit @param {number} small @param {string} smallUnit */
function joinParts(seconds, large, largeUnit, small, smallUnit) {
  const whole = Math.trunc(Math.abs(seconds));
  const sign = seconds < 0 ? "-" : "";
  const text = `${sign}${Math.floor(whole / large)}${SPACE}${largeUnit}`;
  const rest = Math.floor((whole % large) / small);
  return rest ? `${text} ${rest}${SPACE}${smallUnit}` : text;
}

/** @param {number} seconds */
function formatDuration(seconds) {
  const size = Math.abs(seconds);
  if (size < 1) return `${formatDigits(seconds * 1000)}${SPACE}ms`;
  if (size < 2 * MINUTE) return `${formatDigits(seconds)}${SPACE}s`;
  if (size < 2 * HOUR) return joinParts(seconds, MINUTE, "min", 1, "s");
  if (size < 2 * DAY) return joinParts(seconds, HOUR, "h", MINUTE, "min");
  return joinParts(seconds, DAY, "d", HOUR, "h");
}

/** @param {number} ratio */
function formatRatio(ratio) {
  const percent = ratio * 100;
  const size = Math.abs(percent);
  if (percent === 0 || size >= 100) return `${percent.toFixed(0)}${SPACE}%`;
  return `${percent.toFixed(size >= 1 ? 1 : 2)}${SPACE}%`;
}

/** @param {number} value @param {number} step @param {string[]} prefixes @param {string} unit */
function scale(value, step, prefixes, unit) {
  let index = 0;
  while (Math.abs(value) >= step && index < prefixes.length - 1) {
    value /= step;
    index += 1;
  }
  return `${index ? formatDigits(value) : value.toFixed(0)}${SPACE}${prefixes[index]}${unit}`;
}

/** @param {number} value */
function formatNumber(value) {
  if (!Number.isInteger(value)) return formatDigits(value);
  return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
}

/** @type {Record<string, (value: number) => string>} */
const WRITERS = {
  duration: formatDuration,
  ratio: formatRatio,
  bytes: (value) => scale(value, 1024, BINARY_PREFIXES, "B"),
  byte_rate: (value) => scale(value, 1024, BINARY_PREFIXES, "B/s"),
  bit_rate: (value) => scale(value, 1000, DECIMAL_PREFIXES, "bit/s"),
  frequency: (value) => scale(value, 1000, DECIMAL_PREFIXES, "Hz"),
  temperature: (value) => `${value.toFixed(1)}${SPACE}°C`,
  voltage: (value) => `${formatDigits(value)}${SPACE}V`,
  current: (value) => `${formatDigits(value)}${SPACE}A`,
  power: (value) => `${formatDigits(value)}${SPACE}W`,
  energy: (value) => scale(value, 1000, DECIMAL_PREFIXES, "J"),
  level: (value) => `${formatDigits(value)}${SPACE}dBm`,
  gain: (value) => `${formatDigits(value)}${SPACE}dB`,
  rotation: (value) => `${formatNumber(value)}${SPACE}rpm`,
  drift: (value) => `${formatDigits(value)}${SPACE}ppm`,
  rate: (value) => `${formatDigits(value)}${SPACE}/s`,
  flag: (value) => (value ? "yes" : "no"),
  number: formatNumber,
};

/** The value with its unit; a dash when there is none.
 * @param {number | null | undefined} value @param {string} style */
export function formatQuantity(value, style) {
  return value === null || value === undefined ? ABSENT : WRITERS[style](value);
}

/** How long ago, in the largest whole unit of which there are two.
 * @param {number} seconds */
export function formatAge(seconds) {
  const whole = Math.max(Math.trunc(seconds), 0);
  if (whole >= 2 * DAY) return `${Math.floor(whole / DAY)}${SPACE}d`;
  if (whole >= 2 * HOUR) return `${Math.floor(whole / HOUR)}${SPACE}h`;
  if (whole >= 2 * MINUTE) return `${Math.floor(whole / MINUTE)}${SPACE}min`;
  return `${whole}${SPACE}s`;
}

/** A value beside an axis: round numbers need no digits behind the point.
 * @param {number} value @param {string} style */
export function formatTick(value, style) {
  return formatQuantity(value, style).replace(/\.0+(?=\D|$)/, "");
}
