// The ground truth of a recording (package fixtures/truth documents its lines), in the terms of the pages.

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

/**
 * @typedef {{at: number, key: string, hash: string, writes: boolean, lease: string, bytes: number, rows: number}} Statement one that the server ran, and in which lease
 * @typedef {{login: string, name: string, model: string, failed: boolean, error: string, port: number, began: number, ended: number, session: string, statements: Statement[], wire: number}} Call
 *   wire counts what its statements need besides: BEGIN, COMMIT or ROLLBACK, and what hands the connection back
 */

/**
 * What two texts of a statement have in common, the one cut short by the truth and the other without its literals:
 * the beginning before the first literal, without quotes, blanks and letter case.
 * @param {string} text
 */
export const keyOf = (text) => text.slice(0, 72).toLowerCase().replace(/"/g, '').split(/'|\?|\$\d|\btrue\b|\bfalse\b|(?<!\w)\d/)[0].replace(/\s+/g, '').slice(0, 40);

/** BEGIN, COMMIT and the like, which the truth does not list by text. @param {string} text */
export const frames = (text) => /^(BEGIN|COMMIT|ROLLBACK|DISCARD)\b/i.test(text);

/** @param {string|URL} file @param {number} from when the recording began; what ran before is not in it */
export function readTruth(file, from) {
  const lines = gunzipSync(readFileSync(file)).toString().trim().split('\n').map((l) => JSON.parse(l));
  /** @param {any} lease @returns {Statement[]} */
  const ran = (lease) => lease.sql.filter((/** @type {any[]} */ q) => q[0] === 'q' && q[1] >= from).map((/** @type {any[]} */ q) => ({ at: q[1], key: keyOf(q[3]), hash: q[4], writes: /^(insert|update|delete)/i.test(q[3]), lease: `${lease.port} ${lease.t0}`, bytes: q[5], rows: q[6] }));
  /** @param {any} lease */
  const wire = (lease) => lease.sql.filter((/** @type {any[]} */ q) => q[1] >= from).reduce((/** @type {number} */ n, /** @type {any[]} */ q) => n + (q[0] === 'q' ? 1 : 2), 1);
  /** @type {Call[]} */
  const calls = lines.filter((t) => t.type === 'http').map((t) => ({
    login: t.session_login ?? '', model: t.model ?? '', name: t.model ? `${t.model}.${t.method}` : t.path.replace(/\/\d+(?=\/|$)/g, '/#'),
    failed: Boolean(t.error) || t.status >= 400, error: t.error ?? '', port: Number(t.peer.split(':').at(-1)), began: t.t_start, ended: t.t_end, session: t.sid,
    statements: t.leases.flatMap(ran).sort((/** @type {Statement} */ a, /** @type {Statement} */ b) => a.at - b.at), wire: t.leases.map(wire).reduce((/** @type {number} */ a, /** @type {number} */ b) => a + b, 0),
  }));
  const background = lines.filter((t) => t.type === 'bg').flatMap((t) => t.leases.map((/** @type {any} */ l) => ({ statements: ran(l), port: l.port, wire: wire(l) })))
    .filter((l) => l.statements.length > 0);
  return { calls, background };
}

/** How often each key occurs. @template T @param {Iterable<T>} list @param {(x: T) => string} key @param {(x: T) => number} [weight] */
export function tally(list, key, weight = () => 1) {
  /** @type {Record<string, number>} */
  const n = {};
  for (const x of list) n[key(x)] = (n[key(x)] ?? 0) + weight(x);
  return Object.fromEntries(Object.entries(n).filter(([, v]) => v > 0).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * How often a call asked the same again without a write between, where it did more than twice.
 * @param {Call} call
 */
export function repeats(call) {
  let stretch = 0;
  let lease = '';
  return Object.values(tally(call.statements, (s) => {
    if (s.lease !== lease || s.writes) stretch++;
    lease = s.lease;
    return `${stretch} ${s.hash}`;
  })).filter((n) => n > 2);
}
