// Layout of one call: its own parts as intervals, a lane per lease, runs of equal statements folded.

/**
 * @typedef {import('./types.js').CallDetail} CallDetail
 * @typedef {import('./types.js').Span} Span
 * @typedef {import('./parts.js').Part} Part
 * @typedef {{part: Part, start: number, end: number}} Interval
 * @typedef {{spans: number[], start: number, end: number, busy: number, label: string, more: string, exact: boolean,
 *   probability: number, failed: boolean, minor: boolean, period: number}} Item a span, or a run of spans if there are several;
 *   period is the number of statements that take turns in it
 * @typedef {{lease: number, label: string, items: Item[],
 *   exact: boolean, busy: number, count: number}} Lane
 */

/** So many repetitions in a row become one bar: of one statement, or of two or three that take turns. */
export const FOLD = 5;
const PERIODS = 3;

const MINOR = new Set(['begin', 'commit', 'rollback', 'savepoint', 'reset']);

/** @param {Span} s */
export const end = (s) => s.start + (s.duration ?? 0);

/**
 * Lanes of the leases with their bars, in order of time.
 * @param {CallDetail} d
 * @param {boolean} fold
 * @returns {Lane[]}
 */
export function lanes(d, fold) {
  /** @type {Lane[]} */
  const out = d.leases.map((l, i) => ({ lease: i, label: l.client || `lease ${i + 1}`, items: [], exact: true, busy: 0, count: 0 }));
  /** @type {number[][]} */
  const byLease = out.map(() => []);
  d.spans.forEach((s, i) => byLease[s.lease]?.push(i));
  byLease.forEach((indices, lane) => {
    for (let i = 0; i < indices.length;) {
      const { n, period } = fold ? run(d, indices, i) : ONE;
      const it = item(d, indices.slice(i, i + n), period);
      out[lane].items.push(it);
      out[lane].exact &&= it.exact;
      out[lane].busy += it.busy;
      out[lane].count += n;
      i += n;
    }
  });
  return out;
}

const ONE = { n: 1, period: 1 };

/**
 * The run that begins at a position: how many spans, and how many different ones take turns.
 * @param {CallDetail} d
 * @param {number[]} indices of a lease's spans
 * @param {number} i
 */
function run(d, indices, i) {
  const shape = (/** @type {number} */ k) => d.spans[indices[k]].shape;
  for (let period = 1; period <= PERIODS; period++) {
    let j = i + period;
    while (j < indices.length && shape(j) === shape(j - period)) j++;
    const times = Math.floor((j - i) / period);
    if (times >= FOLD) return { n: times * period, period };
  }
  return ONE;
}

/** @param {CallDetail} d @param {number[]} indices @param {number} period @returns {Item} */
function item(d, indices, period) {
  const spans = indices.map((i) => d.spans[i]);
  const name = spans.slice(0, period).map((s) => d.shapes[s.shape]?.name ?? s.kind).join(', ');
  return {
    spans: indices,
    start: spans[0].start,
    end: Math.max(...spans.map(end)),
    busy: spans.reduce((sum, s) => sum + (s.duration ?? 0), 0),
    label: spans.length > 1 ? `×${spans.length / period} ${name}` : name,
    more: spans.length === 1 ? d.shapes[spans[0].shape]?.about ?? '' : '',
    exact: spans.every((s) => s.exact),
    probability: Math.min(...spans.map((s) => s.probability)),
    failed: spans.some((s) => s.sqlstate !== ''),
    period,
    minor: spans.every((s) => MINOR.has(s.kind)),
  };
}

/**
 * Where the call's own parts lie: transfer of the request, wait, then SQL where statements ran and the
 * application between them, transfer of the response. Only lengths of lock and retry are known: lock is
 * taken off the longest statements, retry off the longest gaps. What is unknown is one interval.
 * @param {CallDetail} d
 * @returns {Interval[]}
 */
export function ownParts(d) {
  const { call, spans } = d;
  const total = call.duration;
  const parts = call.parts;
  if (parts.unknown >= total * 0.999 || total <= 0) return [{ part: 'unknown', start: 0, end: total }];
  const sent = Math.min(total, call.sent ?? 0);
  const first = Math.max(sent, Math.min(total, call.first ?? total));
  /** @type {Interval[]} */
  const out = [];
  const push = (/** @type {Part} */ part, /** @type {number} */ start, /** @type {number} */ stop) => {
    if (stop > start) out.push({ part, start, end: stop });
  };
  push('transfer', 0, sent);
  const work = Math.min(first, sent + parts.wait);
  push('wait', sent, work);
  let at = work;
  /** @type {Interval[]} */
  const inner = [];
  for (const [a, b] of union(spans, work, first)) {
    if (a > at) inner.push({ part: 'application', start: at, end: a });
    inner.push({ part: 'sql', start: a, end: b });
    at = b;
  }
  if (first > at) inner.push({ part: 'application', start: at, end: first });
  convert(inner, 'sql', 'lock', parts.lock);
  convert(inner, 'application', 'retry', parts.retry);
  if (parts.unknown > total * 0.001) convert(inner, 'application', 'unknown', parts.unknown);
  out.push(...inner);
  push('transfer', first, total);
  return out;
}

/**
 * Gives `seconds` of one part to another, longest interval first, at the interval's end.
 * @param {Interval[]} list
 * @param {Part} from
 * @param {Part} to
 * @param {number} seconds
 */
function convert(list, from, to, seconds) {
  while (seconds > 1e-9) {
    const longest = list.filter((x) => x.part === from).sort((a, b) => b.end - b.start - (a.end - a.start))[0];
    if (!longest) return;
    const take = Math.min(seconds, longest.end - longest.start);
    if (take <= 0) return;
    const cut = longest.end - take;
    list.splice(list.indexOf(longest) + 1, 0, { part: to, start: cut, end: longest.end });
    longest.end = cut;
    if (longest.end <= longest.start) list.splice(list.indexOf(longest), 1);
    seconds -= take;
  }
}

/**
 * The union of the spans' intervals within [lo, hi].
 * @param {Span[]} spans
 * @param {number} lo
 * @param {number} hi
 * @returns {[number, number][]}
 */
export function union(spans, lo, hi) {
  /** @type {[number, number][]} */
  const out = [];
  for (const s of [...spans].sort((a, b) => a.start - b.start)) {
    const a = Math.max(lo, s.start);
    const b = Math.min(hi, end(s));
    if (b <= a) continue;
    const last = out[out.length - 1];
    if (last && a <= last[1]) last[1] = Math.max(last[1], b);
    else out.push([a, b]);
  }
  return out;
}

/**
 * The bar that holds a span, as lane and position.
 * @param {Lane[]} all
 * @param {number} span
 * @returns {Item|undefined}
 */
export function holder(all, span) {
  for (const lane of all) for (const it of lane.items) if (it.spans.includes(span)) return it;
  return undefined;
}
