// Runs over time: where the points of a chart of durations stand.

/** @typedef {{made: number, p50: number, p95: number}} Run */

/**
 * Places runs, the latest first, evenly from the oldest on the left; heights are of a logarithmic scale.
 * @param {Run[]} runs @param {number} width @param {number} height
 * @returns {{points: {x: number, y50: number, y95: number}[], ticks: {y: number, seconds: number}[]}}
 */
export function spread(runs, width, height) {
  const all = runs.flatMap((r) => [r.p50, r.p95]).filter((s) => s > 0);
  if (!all.length) return { points: [], ticks: [] };
  const low = Math.min(...all) / 1.2;
  const high = Math.max(...all) * 1.2;
  const y = (/** @type {number} */ s) => Math.round((1 - Math.log(Math.max(s, low) / low) / Math.log(high / low)) * height * 10) / 10;
  const step = runs.length > 1 ? width / (runs.length - 1) : 0;
  const points = [...runs].reverse().map((r, i) => ({ x: Math.round(i * step * 10) / 10, y50: y(r.p50), y95: y(r.p95 || r.p50) }));
  const ticks = [];
  for (let t = 10 ** Math.floor(Math.log10(low)); t < high; t *= 10) if (t > low) ticks.push({ y: y(t), seconds: t });
  return { points, ticks };
}
