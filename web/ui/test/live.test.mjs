import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lasting, size } from '../lib/format.js';
import { added, counted, extend, find, order, places, rate, rounded } from '../lib/live.js';

const parts = { wait: 0, application: 1, sql: 0, lock: 0, retry: 0, transfer: 0, unknown: 0 };
/** @param {number} id @param {number} start @param {object} [more] @returns {any} */
const call = (id, start, more = {}) => ({ id, start, duration: 1, name: `m${id % 3}`, user: `u${id % 2}`, session: '', client: `10.0.0.${id % 2}:99`, failed: false, findings: [], parts, ...more });

test('rows are added once, in the order of the list', () => {
  const by = order('start', 'desc');
  const rows = added([call(5, 50)], [call(6, 40), call(7, 60), call(5, 50)], by);
  assert.deepEqual(rows.map((r) => r.id), [7, 5, 6]);
  assert.deepEqual(added(rows, [], by), rows);
  assert.deepEqual(added([], [call(1, 3), call(2, 3)], by).map((r) => r.id), [2, 1], 'ties go by id');
  assert.deepEqual(added([], [call(1, 3, { name: 'b' }), call(2, 1, { name: 'a' })], order('name', 'asc')).map((r) => r.id), [2, 1]);
  assert.deepEqual(added([], [call(1, 3, { findings: ['x'] }), call(2, 1)], order('findings', 'desc')).map((r) => r.id), [1, 2]);
  assert.deepEqual(added([], [call(1, 3), call(2, 1, { parts: { ...parts, sql: 4 } })], order('sql', 'desc')).map((r) => r.id), [2, 1]);
});

test('a list with added rows is the list of all, whatever has been read of it', () => {
  let seed = 7;
  const random = (/** @type {number} */ n) => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
  for (let round = 0; round < 200; round++) {
    const by = order('start', round % 2 ? 'desc' : 'asc');
    const base = Array.from({ length: random(30) }, (_, i) => call(i + 1, random(50))).sort(by);
    const rows = added([], Array.from({ length: random(12) }, (_, i) => call(100 + i, random(60))), by);
    const at = places(rows, (i) => base[i], base.length, by);
    const shown = Array.from({ length: base.length + rows.length }, (_, i) => {
      const f = find(at, i);
      return f.row >= 0 ? rows[f.row] : base[f.base];
    });
    assert.deepEqual(shown, [...base, ...rows].sort(by));
    // Of a list that was read in part, no row is lost and none stands twice.
    const known = random(base.length + 1);
    const some = places(rows, (i) => (i < known ? base[i] : undefined), base.length, by);
    const found = Array.from({ length: base.length + rows.length }, (_, i) => find(some, i));
    assert.deepEqual(found.filter((f) => f.row >= 0).map((f) => f.row), rows.map((_, i) => i));
    assert.deepEqual(found.filter((f) => f.row < 0).map((f) => f.base), base.map((_, i) => i));
  }
});

test('the rate is that of the last ten seconds, and sinks in silence', () => {
  let seen = counted([], 0, 1000);
  assert.equal(rate(seen, 0), undefined);
  assert.equal(rate(seen, 3), 0, 'nothing was told since');
  for (let t = 1; t <= 30; t++) seen = counted(seen, t, 1000 + t * 5);
  assert.equal(rate(seen, 30), 5);
  assert.ok(seen.length < 15, `${seen.length} kept`);
  assert.ok(Math.abs(/** @type {number} */ (rate(seen, 35)) - 2.5) < 0.01);
  assert.equal(rate(seen, 60), 0);
  assert.equal(rate(counted(seen, 31, 3), 31), undefined, 'a restart begins anew');
  assert.deepEqual([123.4, 12.34, 1.234, 0.04].map(rounded), [123, 12, 1.2, 0]);
});

test('a timeline takes added calls in order, with new lanes and names', () => {
  /** @type {any} */
  const d = { t0: 100, t1: 110, total: 1, mode: 'calls', lanes: [{ session: '', user: 'u1', client: '10.0.0.1', calls: 1 }], names: ['m1'],
    calls: { lane: [0], id: [1], start: [4], duration: [1], failed: [0], name: [0], parts: [0, 1, 0, 0, 0, 0, 0] }, bins: {} };
  const e = extend(d, [call(3, 112, { failed: true }), call(2, 102), call(1, 104), call(9, 50)]);
  assert.deepEqual(e.calls.id, [2, 1, 3]);
  assert.deepEqual(e.calls.start, [2, 4, 12]);
  assert.deepEqual(e.calls.lane, [1, 0, 0]);
  assert.deepEqual(e.calls.failed, [0, 0, 1]);
  assert.deepEqual(e.calls.name.map((i) => e.names[i]), ['m2', 'm1', 'm0']);
  assert.equal(e.calls.parts.length, 21);
  assert.deepEqual(e.lanes.map((l) => [l.user, l.client, l.calls]), [['u1', '10.0.0.1', 2], ['u0', '10.0.0.0', 1]]);
  assert.deepEqual([e.total, e.t1], [3, 113]);
  assert.deepEqual([d.calls.id, d.lanes.length, d.total], [[1], 1, 1], 'the one before is as it was');
  assert.equal(extend(d, [call(1, 104)]), d);
});

test('sizes are those of the settings, times are round', () => {
  assert.deepEqual([size(256 * 2 ** 20), size(61.5 * 2 ** 20), size(0), size(undefined)], [['256', 'MiB'], ['61.5', 'MiB'], ['0', 'B'], ['–', '']]);
  assert.deepEqual([0.5, 90, 125, 7300, 86400 * 3].map(lasting).map((s) => s.replace('\u00a0', ' ')), ['0 s', '90 s', '2 min', '2 h', '3 days']);
});
