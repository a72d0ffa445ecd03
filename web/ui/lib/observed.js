// What a tap at the target saw of a replay: the parts of a call on average, by arm.

import { PARTS } from './parts.js';

/** @typedef {import('./types.js').SeenRow} SeenRow @typedef {import('./types.js').SeenPart} SeenPart @typedef {import('./types.js').Observed} Observed */
/** @typedef {'a'|'b'} Arm */

/** One of a row's parts by its name; nothing if it has none. @param {SeenRow} row @param {string} name @returns {SeenPart} */
export const part = (row, name) => row.parts.find((p) => p.name === name) ?? { name, a: 0, b: 0, delta: 0, low: 0, high: 0, shown: false };

/** The parts of a call's time in one arm, as bars draw them. @param {SeenRow} row @param {Arm} arm */
export const timeOf = (row, arm) => /** @type {import('./parts.js').Parts} */ (Object.fromEntries(PARTS.map((p) => [p, part(row, p)[arm]])));

/**
 * The rows of the table of parts: the whole, then what takes time in the order of the bars, then numbers. What is nothing in
 * both arms is left out, but for SQL and statements.
 * @param {SeenRow} row
 * @returns {(SeenPart & {seconds: boolean})[]}
 */
export function table(row) {
  const kept = (/** @type {string} */ name) => {
    const p = part(row, name);
    return p.a || p.b || name === 'sql' || name === 'statements' ? [{ ...p, seconds: name !== 'statements' && name !== 'rows' }] : [];
  };
  return ['duration', ...PARTS, 'statements', 'rows'].flatMap(kept);
}

/** Whether an arm was seen at all. @param {Observed|undefined} o */
export const seen = (o) => Boolean(o && (o.a.seen > 0 || o.b.seen > 0));

/** The longest call of rows, by which bars are scaled. @param {SeenRow[]} rows @param {boolean} both */
export const longest = (rows, both) => Math.max(1e-12, ...rows.map((r) => Math.max(part(r, 'duration').a, both ? part(r, 'duration').b : 0)));
