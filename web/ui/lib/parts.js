// The parts of a call's time. They have the same order, names and colours everywhere.

/**
 * @typedef {'wait'|'application'|'sql'|'lock'|'retry'|'transfer'|'unknown'} Part
 * @typedef {Record<Part, number>} Parts seconds
 */

/** @type {Part[]} in the order in which they are drawn */
export const PARTS = ['wait', 'application', 'sql', 'lock', 'retry', 'transfer', 'unknown'];

/** @type {Record<Part, string>} */
export const LABEL = {
  wait: 'Wait to be served',
  application: 'Application',
  sql: 'SQL',
  lock: 'Lock',
  retry: 'Retry',
  transfer: 'Transfer',
  unknown: 'Unknown',
};

/** @type {Record<Part, string>} how the overview's sentence says it */
export const IN_WORDS = {
  wait: 'waiting to be served',
  application: 'in the application',
  sql: 'in SQL',
  lock: 'in locks',
  retry: 'in retries',
  transfer: 'in transfer',
  unknown: 'unexplained',
};

/** @type {{key: string, label: string, parts: Part[]}[]} what a legend shows: lock and retry share a colour */
export const LEGEND = [
  { key: 'wait', label: 'Wait', parts: ['wait'] },
  { key: 'application', label: 'Application', parts: ['application'] },
  { key: 'sql', label: 'SQL', parts: ['sql'] },
  { key: 'lock', label: 'Lock, retry', parts: ['lock', 'retry'] },
  { key: 'transfer', label: 'Transfer', parts: ['transfer'] },
  { key: 'unknown', label: 'Unknown', parts: ['unknown'] },
];

/** @param {Partial<Parts>|undefined} parts */
export function total(parts) {
  let sum = 0;
  if (parts) for (const p of PARTS) sum += parts[p] ?? 0;
  return sum;
}

/**
 * The parts that are not zero, in order, with their share.
 * @param {Partial<Parts>|undefined} parts
 * @returns {{part: Part, seconds: number, share: number}[]}
 */
export function segments(parts) {
  const all = total(parts);
  if (!parts || !(all > 0)) return [];
  const out = [];
  for (const part of PARTS) {
    const seconds = parts[part] ?? 0;
    if (seconds > 0) out.push({ part, seconds, share: seconds / all });
  }
  return out;
}

/**
 * Index into PARTS of the greatest of seven numbers that stand at `at` of a flat list.
 * @param {ArrayLike<number>} flat
 * @param {number} at
 */
export function dominant(flat, at) {
  let best = 6;
  let most = 0;
  for (let i = 0; i < 7; i++) {
    if (flat[at + i] > most) {
      most = flat[at + i];
      best = i;
    }
  }
  return best;
}
