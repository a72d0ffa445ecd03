import assert from 'node:assert/strict';
import { test } from 'node:test';

import { longest, part, seen, table, timeOf } from '../lib/observed.js';

const row = {
  method: 'all calls', a: {}, b: {}, statements: [], parts: [
    { name: 'duration', a: 0.05, b: 0.02, delta: -0.03, low: -0.04, high: -0.02, shown: true },
    { name: 'sql', a: 0.03, b: 0, delta: -0.03, low: 0, high: 0, shown: true }, { name: 'lock', a: 0, b: 0, delta: 0, low: 0, high: 0, shown: false },
    { name: 'application', a: 0.02, b: 0.02, delta: 0, low: 0, high: 0, shown: false }, { name: 'statements', a: 4, b: 0, delta: -4, low: 0, high: 0, shown: true },
    { name: 'rows', a: 0, b: 0, delta: 0, low: 0, high: 0, shown: false },
  ],
};

test('what takes no time in either arm is left out, SQL and statements never', () => {
  assert.deepEqual(table(row).map((p) => p.name), ['duration', 'application', 'sql', 'statements']);
  assert.deepEqual(table(row).map((p) => p.seconds), [true, true, true, false]);
});

test('the bars of an arm hold its own times, which add up to the call', () => {
  const sum = (/** @type {any} */ parts) => Object.values(parts).reduce((a, b) => a + b, 0);
  assert.equal(sum(timeOf(row, 'a')), part(row, 'duration').a);
  assert.equal(sum(timeOf(row, 'b')), part(row, 'duration').b);
  assert.equal(part(row, 'none').a, 0);
});

test('bars are scaled by the longest call of the arms that there are', () => {
  const slower = { ...row, parts: [{ ...row.parts[0], a: 0.01, b: 0.09 }] };
  assert.equal(longest([row, slower], true), 0.09);
  assert.equal(longest([row, slower], false), 0.05);
  assert.ok(longest([], true) > 0);
});

test('a tap that saw nothing has nothing to show', () => {
  assert.equal(seen(undefined), false);
  assert.equal(seen({ a: { seen: 0 }, b: { seen: 0 } }), false);
  assert.equal(seen({ a: { seen: 0 }, b: { seen: 2 } }), true);
});
