// Scales and ticks. All pure.

/**
 * Round steps 1, 2, 5 × 10ⁿ.
 * @param {number} span
 * @param {number} count at most so many steps
 */
export function niceStep(span, count) {
  if (!(span > 0) || !(count > 0)) return 1;
  const raw = span / count;
  const p = 10 ** Math.floor(Math.log10(raw));
  for (const m of [1, 2, 5, 10]) if (m * p >= raw * (1 - 1e-9)) return m * p;
  return 10 * p;
}

/**
 * Ticks at multiples of a round step within [min, max].
 * @param {number} min
 * @param {number} max
 * @param {number} count
 * @returns {{step: number, ticks: number[]}}
 */
export function ticks(min, max, count) {
  return multiples(min, max, niceStep(max - min, count));
}

const CLOCK_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];

/**
 * Ticks for the time of day: round seconds, minutes and hours.
 * @param {number} min Unix seconds
 * @param {number} max
 * @param {number} count
 */
export function clockTicks(min, max, count) {
  const raw = (max - min) / count;
  if (raw < 1) return ticks(min, max, count);
  const step = CLOCK_STEPS.find((s) => s >= raw) ?? Math.ceil(raw / 86400) * 86400;
  return multiples(min, max, step);
}

/**
 * Round durations for the axis of bars that `position` places, with where they stand. Never the very ends.
 * @param {'log'|'linear'} kind
 * @param {number} min
 * @param {number} max
 * @returns {{at: number, value: number}[]}
 */
export function barTicks(kind, min, max) {
  if (!(max > 0)) return [];
  const values = kind === 'linear' ? ticks(0, max, 4).ticks : [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10, 100, 1000, 1e4];
  return values.map((value) => ({ value, at: position(kind, value, min, max) })).filter((t) => t.value > 0 && t.value < max && t.at > 0.2 && t.at < 0.95);
}

/** @param {number} min @param {number} max @param {number} step */
function multiples(min, max, step) {
  const out = [];
  const first = Math.ceil(min / step - 1e-9);
  for (let i = first; i * step <= max + step * 1e-9 && out.length < 1000; i++) out.push(i * step);
  return { step, ticks: out };
}

/**
 * Where x stands between min and max on a linear or log scale, clamped to 0…1. On the log scale the
 * lower end is a little below min, so that the shortest still shows.
 * @param {'log'|'linear'} kind
 * @param {number} x
 * @param {number} min
 * @param {number} max
 */
export function position(kind, x, min, max) {
  if (!(max > 0) || !(x > 0)) return 0;
  if (kind === 'linear') return Math.min(1, x / max);
  const lo = Math.min(min > 0 ? min : max / 1e4, max / 10) / 1.5;
  return Math.max(0, Math.min(1, Math.log(x / lo) / Math.log(max / lo)));
}
