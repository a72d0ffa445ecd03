// Layout of the sessions' timeline: lanes, stacked rows for calls that overlap, and what of them a window shows.

import { dominant } from './parts.js';

/**
 * @typedef {import('./types.js').Timeline} Timeline
 * @typedef {{label: string, detail: string, calls: number, session: string, user: string, rows: Int32Array[], depth: number}} Lane
 * @typedef {{lanes: Lane[], start: Float64Array, end: Float64Array, parts: ArrayLike<number>, main: Uint8Array,
 *   failed: ArrayLike<number>, name: ArrayLike<number>, id: ArrayLike<number>, names: string[], count: number}} Layout
 */

/** Calls that overlap take rows of their own, up to so many; the rest share the last. */
export const MAX_DEPTH = 12;

/**
 * @param {Timeline} data in mode "calls"; calls are in order of start
 * @returns {Layout}
 */
export function layout(data) {
  const c = data.calls;
  const n = c.id.length;
  const start = Float64Array.from(c.start);
  const stop = new Float64Array(n);
  const main = new Uint8Array(n);
  /** @type {number[][][]} */
  const rows = data.lanes.map(() => []);
  /** @type {number[][]} */
  const ends = data.lanes.map(() => []);
  for (let i = 0; i < n; i++) {
    stop[i] = start[i] + c.duration[i];
    main[i] = dominant(c.parts, i * 7);
    const lane = c.lane[i];
    const e = ends[lane];
    let r = 0;
    while (r < e.length && e[r] > start[i]) r++;
    if (r >= MAX_DEPTH) r = MAX_DEPTH - 1;
    if (r === e.length) {
      e.push(0);
      rows[lane].push([]);
    }
    e[r] = Math.max(e[r], stop[i]);
    rows[lane][r].push(i);
  }
  return {
    lanes: data.lanes.map((l, i) => ({
      label: l.user || 'no user',
      detail: [l.session.slice(0, 8), l.client].filter(Boolean).join(' · '),
      calls: l.calls,
      session: l.session,
      user: l.user,
      rows: rows[i].map((r) => Int32Array.from(r)),
      depth: Math.max(1, rows[i].length),
    })),
    start, end: stop, parts: c.parts, main, failed: c.failed, name: c.name, id: c.id, names: data.names, count: n,
  };
}

/**
 * First position in a row whose call ends after t (calls of a row do not overlap, so ends ascend too).
 * @param {Layout} l
 * @param {Int32Array} row
 * @param {number} t
 */
export function lowerBound(l, row, t) {
  let lo = 0;
  let hi = row.length;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if (l.end[row[mid]] <= t) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}

/**
 * Walks what a window shows of a row: bars of at least `least` pixels one by one, shorter ones summed up
 * by pixel column.
 * @param {Layout} l
 * @param {Int32Array} row
 * @param {number} v0 window's start
 * @param {number} v1 window's end
 * @param {number} width of the window in pixels
 * @param {number} least
 * @param {(i: number, x: number, w: number) => void} bar
 * @param {(x: number, main: number, calls: number, failed: boolean) => void} column
 */
export function walk(l, row, v0, v1, width, least, bar, column) {
  const scale = width / (v1 - v0);
  const weight = new Float64Array(7);
  let px = -1;
  let calls = 0;
  let failed = false;
  const flush = () => {
    if (calls > 0) column(px, dominant(weight, 0), calls, failed);
    weight.fill(0);
    calls = 0;
    failed = false;
  };
  for (let k = lowerBound(l, row, v0); k < row.length; k++) {
    const i = row[k];
    if (l.start[i] >= v1) break;
    const x = (l.start[i] - v0) * scale;
    const w = (l.end[i] - l.start[i]) * scale;
    if (w >= least) {
      bar(i, x, w);
      continue;
    }
    const p = Math.floor(x);
    if (p !== px) {
      flush();
      px = p;
    }
    weight[l.main[i]] += l.end[i] - l.start[i];
    calls++;
    if (l.failed[i]) failed = true;
  }
  flush();
}

/**
 * The call of a row nearest to a time, at most `slack` seconds away.
 * @param {Layout} l
 * @param {Int32Array} row
 * @param {number} t
 * @param {number} slack
 * @returns {number} index of the call, -1 for none
 */
export function hit(l, row, t, slack) {
  const k = lowerBound(l, row, t);
  let best = -1;
  let gap = slack;
  for (const j of [k - 1, k]) {
    if (j < 0 || j >= row.length) continue;
    const i = row[j];
    const d = t < l.start[i] ? l.start[i] - t : t > l.end[i] ? t - l.end[i] : 0;
    if (d <= gap) {
      gap = d;
      best = i;
    }
  }
  return best;
}

/**
 * Seconds of each part by column of the whole timeline, for the minimap.
 * @param {Layout} l
 * @param {number} t1 length of the timeline
 * @param {number} columns
 * @returns {Float64Array} seven numbers for each column
 */
export function density(l, t1, columns) {
  const out = new Float64Array(columns * 7);
  if (!(t1 > 0)) return out;
  const dt = t1 / columns;
  for (let i = 0; i < l.count; i++) {
    const d = l.end[i] - l.start[i];
    if (!(d > 0)) continue;
    const a = Math.max(0, Math.floor(l.start[i] / dt));
    const b = Math.min(columns - 1, Math.floor(l.end[i] / dt));
    for (let c = a; c <= b; c++) {
      const share = (Math.min(l.end[i], (c + 1) * dt) - Math.max(l.start[i], c * dt)) / d;
      if (share > 0) for (let p = 0; p < 7; p++) out[c * 7 + p] += l.parts[i * 7 + p] * share;
    }
  }
  return out;
}
