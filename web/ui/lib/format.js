// Numbers as text: three significant digits, the unit apart so that it can be drawn lighter.

/** Shown where a number is not known. */
export const DASH = '–';

/**
 * Three significant digits of a number below 1000; whole numbers above are grouped.
 * @param {number} x
 * @returns {string}
 */
export function sig3(x) {
  const a = Math.abs(x);
  if (!Number.isFinite(x)) return DASH;
  if (a === 0) return '0';
  if (a >= 999.5) return group(Math.round(x));
  return x.toFixed(a >= 99.95 ? 0 : a >= 9.995 ? 1 : 2);
}

/** @param {number} n @returns {string} */
function group(n) {
  return String(n).replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

/**
 * A duration in seconds as number and unit.
 * @param {number|undefined|null} s
 * @returns {[string, string]}
 */
export function duration(s) {
  if (s === undefined || s === null || !Number.isFinite(s)) return [DASH, ''];
  const a = Math.abs(s);
  if (a < 0.5e-9) return ['0', 's'];
  if (a < 0.9995e-6) return [sig3(s * 1e9), 'ns'];
  if (a < 0.9995e-3) return [sig3(s * 1e6), 'µs'];
  if (a < 0.9995) return [sig3(s * 1e3), 'ms'];
  if (a < 999.5) return [sig3(s), 's'];
  if (a < 59970) return [sig3(s / 60), 'min'];
  return [sig3(s / 3600), 'h'];
}

/**
 * A count as number and unit.
 * @param {number|undefined|null} n
 * @returns {[string, string]}
 */
export function count(n) {
  if (n === undefined || n === null || !Number.isFinite(n)) return [DASH, ''];
  const a = Math.abs(n);
  if (a >= 0.9995e9) return [sig3(n / 1e9), 'G'];
  if (a >= 0.9995e6) return [sig3(n / 1e6), 'M'];
  if (Number.isInteger(n)) return [group(n), ''];
  return [sig3(n), ''];
}

/**
 * A mean of counts: one decimal below a hundred, so that a column lines up.
 * @param {number|undefined|null} x
 * @returns {[string, string]}
 */
export function mean(x) {
  if (x === undefined || x === null || !Number.isFinite(x)) return [DASH, ''];
  return x === 0 ? ['0', ''] : x < 99.95 ? [x.toFixed(1), ''] : count(Math.round(x));
}

/**
 * A size in bytes as number and unit (powers of 1000).
 * @param {number|undefined|null} n
 * @returns {[string, string]}
 */
export function bytes(n) {
  if (n === undefined || n === null || !Number.isFinite(n)) return [DASH, ''];
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let i = 0;
  while (n >= 999.5 && i < units.length - 1) {
    n /= 1000;
    i++;
  }
  return [i === 0 ? String(n) : sig3(n), units[i]];
}

/**
 * A size in memory or on disk, in powers of 1024 as the settings have it.
 * @param {number|undefined|null} n
 * @returns {[string, string]}
 */
export function size(n) {
  if (n === undefined || n === null || !Number.isFinite(n)) return [DASH, ''];
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let i = 0;
  while (n >= 999.5 && i < units.length - 1) {
    n /= 1024;
    i++;
  }
  return [Number.isInteger(n) ? String(n) : sig3(n), units[i]];
}

/**
 * How long something has gone on: whole minutes, hours or days where it is long.
 * @param {number} s
 */
export function lasting(s) {
  if (s < 1) return '0\u00a0s';
  if (s < 120) return `${Math.floor(s)}\u00a0s`;
  if (s < 7200) return `${Math.floor(s / 60)}\u00a0min`;
  return s < 172800 ? `${Math.floor(s / 3600)}\u00a0h` : `${Math.floor(s / 86400)}\u00a0days`;
}

/**
 * A share of one as number and '%'.
 * @param {number|undefined|null} x
 * @returns {[string, string]}
 */
export function percent(x) {
  if (x === undefined || x === null || !Number.isFinite(x)) return [DASH, ''];
  const p = x * 100;
  if (p === 0) return ['0', '%'];
  if (p < 0.1) return ['<0.1', '%'];
  if (p >= 99.95 && p < 100) return ['>99.9', '%'];
  return [p < 9.95 ? p.toFixed(1) : p >= 99.5 && p < 100 ? p.toFixed(1) : p.toFixed(0), '%'];
}

/**
 * A pair joined by a no-break space: for titles, labels and canvases.
 * @param {[string, string]} pair
 * @returns {string}
 */
export function join(pair) {
  return pair[1] ? `${pair[0]}\u00a0${pair[1]}` : pair[0];
}

/** @param {number|undefined|null} s */
export const durationText = (s) => join(duration(s));

const two = (/** @type {number} */ n) => String(n).padStart(2, '0');

/**
 * Time of day in UTC with as many decimals as `step` seconds need. What is beyond them is cut off, so that no
 * moment is shown later than it was.
 * @param {number} t Unix seconds
 * @param {number} [step]
 * @returns {string}
 */
export function clock(t, step = 1) {
  if (!Number.isFinite(t)) return DASH;
  const digits = step >= 1 ? 0 : Math.min(6, Math.ceil(-Math.log10(step) - 1e-9));
  const unit = 10 ** digits;
  // Unix seconds as a double are good to 0.24 µs: a tick may lie that much below its round value.
  const ticks = Math.floor(t * unit + unit * 3e-7);
  const d = new Date(Math.floor(ticks / unit) * 1000);
  let text = `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}`;
  if (step < 60) text += `:${two(d.getUTCSeconds())}`;
  if (digits > 0) text += `.${String(((ticks % unit) + unit) % unit).padStart(digits, '0')}`;
  return text;
}

/**
 * Date of a time in UTC, as 2026-11-22.
 * @param {number} t Unix seconds
 */
export function day(t) {
  if (!Number.isFinite(t)) return DASH;
  const d = new Date(t * 1000);
  return `${d.getUTCFullYear()}-${two(d.getUTCMonth() + 1)}-${two(d.getUTCDate())}`;
}

/**
 * Two times of day and their zone, as 09:41:02 – 09:41:43 UTC.
 * @param {number} from Unix seconds
 * @param {number} to
 * @param {number} [step]
 */
export function clockRange(from, to, step = 1) {
  return `${clock(from, step)} – ${clock(to, step)} UTC`;
}

/**
 * An offset on an axis whose ticks are `step` seconds apart: all labels of one axis share a unit.
 * @param {number} t
 * @param {number} step
 */
export function offset(t, step) {
  const [unit, name] = step >= 1 ? [1, 's'] : step >= 1e-3 ? [1e3, 'ms'] : [1e6, 'µs'];
  const digits = Math.max(0, Math.ceil(-Math.log10(step * unit) - 1e-9));
  const n = t * unit;
  return `${Math.abs(n) < 1e-9 ? '0' : n.toFixed(Math.min(6, digits))}\u00a0${name}`;
}

/**
 * The noun with its count, in the right number.
 * @param {number} n
 * @param {string} one
 * @param {string} [many]
 */
export function plural(n, one, many = one + 's') {
  return `${join(count(n))}\u00a0${n === 1 ? one : many}`;
}

/**
 * A sentence with a capital at its beginning, unless it begins with a name (sale.order, /web, res_partner).
 * @param {string} text
 */
export function sentence(text) {
  return /^[a-z]+[ ,]/.test(text) ? text[0].toUpperCase() + text.slice(1) : text;
}

/** A relative change: +3.2 %, −12 %. @param {number} x */
export function change(x) {
  const p = 100 * x;
  if (Math.abs(p) < 0.05) return '0\u00a0%';
  return `${p < 0 ? '−' : '+'}${Math.abs(p).toFixed(Math.abs(p) < 10 ? 1 : 0)}\u00a0%`;
}
