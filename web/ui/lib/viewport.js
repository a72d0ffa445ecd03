// A window [a, b] over a time axis: zooming, panning and clamping. Times are offsets in seconds.

/** @typedef {[number, number]} Range */

/** The narrowest window, in seconds. */
export const NARROWEST = 2e-6;

/**
 * Keeps the window within the whole and not narrower than NARROWEST.
 * @param {Range} v
 * @param {Range} full
 * @returns {Range}
 */
export function clamp(v, full) {
  const whole = full[1] - full[0];
  const span = Math.min(whole, Math.max(NARROWEST, v[1] - v[0]));
  const a = Math.min(Math.max(v[0], full[0]), full[1] - span);
  return [a, a + span];
}

/**
 * Scales the window by a factor around a time that keeps its place; factor < 1 zooms in.
 * @param {Range} v
 * @param {number} at
 * @param {number} factor
 * @param {Range} full
 * @returns {Range}
 */
export function zoom(v, at, factor, full) {
  const span = v[1] - v[0];
  const next = Math.min(full[1] - full[0], Math.max(NARROWEST, span * factor));
  const k = span > 0 ? (at - v[0]) / span : 0.5;
  const a = at - k * next;
  return clamp([a, a + next], full);
}

/**
 * @param {Range} v
 * @param {number} by seconds
 * @param {Range} full
 * @returns {Range}
 */
export function pan(v, by, full) {
  return clamp([v[0] + by, v[1] + by], full);
}

/**
 * Reads the URL's form of a window; the whole if it is none.
 * @param {string|null} text
 * @param {Range} full
 * @returns {Range}
 */
export function read(text, full) {
  const m = /^(-?[\d.e-]+)~(-?[\d.e-]+)$/.exec(text ?? '');
  const a = m ? Number(m[1]) : NaN;
  const b = m ? Number(m[2]) : NaN;
  return a < b ? clamp([a, b], full) : full;
}

/**
 * The URL's form of a window; '' for the whole.
 * @param {Range} v
 * @param {Range} full
 */
export function write(v, full) {
  const whole = full[1] - full[0];
  if (v[1] - v[0] >= whole * 0.9999) return '';
  return `${Number(v[0].toFixed(7))}~${Number(v[1].toFixed(7))}`;
}
