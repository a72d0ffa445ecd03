// Calls that were added since a list was read, and where they stand in it. All pure.

/** @typedef {import('./types.js').Call} Call */

/** @param {Call} c @param {string} key @returns {number|string} */
function figure(c, key) {
  if (key === 'findings') return c.findings.length;
  if (key in c.parts) return c.parts[/** @type {import('./parts.js').Part} */ (key)];
  const v = /** @type {any} */ (c)[key];
  return typeof v === 'number' || typeof v === 'string' ? v : 0;
}

/**
 * The order of the list of calls: by a key, ties by id.
 * @param {string} sort
 * @param {string} order
 * @returns {(a: Call, b: Call) => number}
 */
export function order(sort, order) {
  const sign = order === 'desc' ? -1 : 1;
  return (a, b) => {
    const x = figure(a, sort);
    const y = figure(b, sort);
    return sign * (x < y ? -1 : x > y ? 1 : a.id - b.id);
  };
}

/**
 * Adds calls to those that were added before; one that is there already is not added again.
 * @param {Call[]} rows in order
 * @param {Call[]} more
 * @param {(a: Call, b: Call) => number} compare
 */
export function added(rows, more, compare) {
  const there = new Set(rows.map((r) => r.id));
  return [...rows, ...more.filter((r) => !there.has(r.id) && there.add(r.id))].sort(compare);
}

/**
 * Where added rows stand among those of a list of which only some parts have been read: a row that stands
 * behind all that has been read from the beginning is taken to stand right there.
 * @param {Call[]} rows in order
 * @param {(i: number) => Call|undefined} base
 * @param {number} total rows of the list
 * @param {(a: Call, b: Call) => number} compare
 * @returns {number[]} for each row, how many of the list stand before it
 */
export function places(rows, base, total, compare) {
  /** @type {number[]} */
  const at = [];
  let i = 0;
  for (const r of rows) {
    for (let b = base(i); i < total && b && compare(b, r) < 0; b = base(i)) i++;
    at.push(i);
  }
  return at;
}

/**
 * What stands at a place of the list with its added rows.
 * @param {number[]} at of places()
 * @param {number} i
 * @returns {{row: number, base: number}} the index of an added row or -1, and of a row of the list
 */
export function find(at, i) {
  let lo = 0;
  let hi = at.length;
  while (lo < hi) { // the first added row that stands at i or behind it
    const mid = (lo + hi) >> 1;
    if (at[mid] + mid < i) lo = mid + 1;
    else hi = mid;
  }
  return lo < at.length && at[lo] + lo === i ? { row: lo, base: -1 } : { row: -1, base: i - lo };
}

/** Over how many seconds a rate is taken. */
const RATE = 10;

/**
 * Keeps counts as they were at some times, for rate().
 * @param {{t: number, n: number}[]} seen
 * @param {number} t seconds
 * @param {number} n
 */
export function counted(seen, t, n) {
  const last = seen[seen.length - 1];
  if (last && (n < last.n || t < last.t)) seen = []; // it began anew
  const kept = seen.filter((s, i) => s.t >= t - RATE || (seen[i + 1]?.t ?? t) > t - RATE);
  return [...kept, { t, n }];
}

/**
 * Per second, over the last seconds up to now.
 * @param {{t: number, n: number}[]} seen
 * @param {number} now
 * @returns {number|undefined} undefined while nothing can be said
 */
export function rate(seen, now) {
  if (!seen.length || (seen.length < 2 && now < seen[0].t + 2)) return undefined; // counts come when they change
  const last = seen[seen.length - 1];
  let first = seen[0];
  for (const s of seen) if (s.t <= now - RATE) first = s;
  return (last.n - first.n) / Math.max(1, Math.max(now, last.t) - first.t);
}

/**
 * A rate as it is shown: no more digits than it deserves.
 * @param {number} x
 */
export const rounded = (x) => (x >= 10 ? Math.round(x) : x >= 0.05 ? Math.round(x * 10) / 10 : 0);

/** @param {Call} c */
const laneOf = (c) => `${c.session}|${c.user}|${c.session ? '' : host(c.client)}`;

/** @param {string} address */
const host = (address) => address.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');

/**
 * A timeline with calls added to it.
 * @param {import('./types.js').Timeline} d in mode "calls"
 * @param {Call[]} rows
 * @returns {import('./types.js').Timeline}
 */
export function extend(d, rows) {
  const there = new Set(d.calls.id);
  const more = rows.filter((r) => !there.has(r.id) && r.start + r.duration >= d.t0).sort((a, b) => a.start - b.start || a.id - b.id);
  if (!more.length) return d;
  const lanes = d.lanes.map((l) => ({ ...l }));
  const lane = new Map(lanes.map((l, i) => [`${l.session}|${l.user}|${l.session ? '' : l.client}`, i]));
  const names = [...d.names];
  const name = new Map(names.map((n, i) => [n, i]));
  const all = { lane: [...d.calls.lane], id: [...d.calls.id], start: [...d.calls.start], duration: [...d.calls.duration], failed: [...d.calls.failed], name: [...d.calls.name], parts: [...d.calls.parts] };
  for (const r of more) {
    const key = laneOf(r);
    let at = lane.get(key);
    if (at === undefined) {
      at = lanes.length;
      lane.set(key, at);
      lanes.push({ session: r.session, user: r.user, client: host(r.client), calls: 0 });
    }
    lanes[at].calls++;
    let word = name.get(r.name);
    if (word === undefined) {
      word = names.length;
      name.set(r.name, word);
      names.push(r.name);
    }
    const start = r.start - d.t0;
    let k = all.start.length; // calls come nearly in order
    while (k > 0 && all.start[k - 1] > start) k--;
    all.lane.splice(k, 0, at);
    all.id.splice(k, 0, r.id);
    all.start.splice(k, 0, start);
    all.duration.splice(k, 0, r.duration);
    all.failed.splice(k, 0, r.failed ? 1 : 0);
    all.name.splice(k, 0, word);
    const p = r.parts;
    all.parts.splice(k * 7, 0, p.wait, p.application, p.sql, p.lock, p.retry, p.transfer, p.unknown);
  }
  return { ...d, lanes, names, calls: all, total: d.total + more.length, t1: Math.max(d.t1, ...more.map((r) => r.start + r.duration)) };
}
