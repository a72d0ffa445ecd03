import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dominant, segments, total } from '../lib/parts.js';
import { clockTicks, niceStep, position, ticks } from '../lib/scale.js';
import { density, hit, layout, lowerBound, walk } from '../lib/timeline.js';
import { clamp, NARROWEST, pan, read, write, zoom } from '../lib/viewport.js';
import { holder, lanes, ownParts, union } from '../lib/waterfall.js';

const PARTS = { wait: 0, application: 0, sql: 0, lock: 0, retry: 0, transfer: 0, unknown: 0 };

test('parts add up and keep their order', () => {
  const s = segments({ ...PARTS, sql: 3, wait: 1 });
  assert.deepEqual(s.map((x) => [x.part, x.share]), [['wait', 0.25], ['sql', 0.75]]);
  assert.equal(total({ sql: 2, lock: 1 }), 3);
  assert.deepEqual(segments(PARTS), []);
  assert.equal(dominant([0, 0, 5, 1, 0, 0, 0], 0), 2);
  assert.equal(dominant([0, 0, 0, 0, 0, 0, 0], 0), 6);
});

test('ticks are round and lie within', () => {
  assert.equal(niceStep(41, 8), 10);
  assert.deepEqual(ticks(0, 1, 5).ticks.length, 6);
  assert.equal(clockTicks(1000, 4600, 8).step, 600);
  assert.ok(clockTicks(0.5, 0.6, 5).step < 0.05);
  for (const t of ticks(3.3, 9.9, 7).ticks) assert.ok(t >= 3.3 - 1e-6 && t <= 9.9 + 1e-6);
});

test('positions grow with the duration and end at one', () => {
  for (const kind of /** @type {const} */ (['log', 'linear'])) {
    let last = 0;
    for (const d of [1e-4, 1e-3, 1e-2, 0.1, 1]) {
      const p = position(kind, d, 1e-4, 1);
      assert.ok(p > last && p <= 1, `${kind} ${d}`);
      last = p;
    }
    assert.equal(last, 1);
    assert.equal(position(kind, 0, 0, 0), 0);
  }
});

test('zooming keeps the time under the pointer and stays within the whole', () => {
  const full = /** @type {[number, number]} */ ([0, 100]);
  const v = zoom([20, 60], 30, 0.5, full);
  assert.deepEqual(v, [25, 45]);
  assert.deepEqual(zoom([0, 100], 50, 2, full), [0, 100]);
  const deep = zoom([50, 50 + NARROWEST], 50, 0.1, full);
  assert.ok(Math.abs(deep[1] - deep[0] - NARROWEST) < 1e-9);
  assert.deepEqual(pan([10, 20], -50, full), [0, 10]);
  assert.deepEqual(clamp([95, 120], full), [75, 100]);
  assert.deepEqual(read(write([12.5, 13], full), full), [12.5, 13]);
  assert.equal(write(full, full), '');
  for (const junk of [null, '', 'x', '5~1', 'NaN~NaN']) assert.deepEqual(read(junk, full), full);
});

/** @param {[number, number, number][]} calls lane, start, duration */
const data = (calls) => ({
  t0: 0, t1: 10, total: calls.length, mode: /** @type {'calls'} */ ('calls'), names: ['m'],
  lanes: [0, 1].map((i) => ({ session: `s${i}`, user: `u${i}`, client: 'c', calls: 0 })),
  calls: {
    lane: calls.map((c) => c[0]), id: calls.map((_, i) => i + 1), start: calls.map((c) => c[1]), duration: calls.map((c) => c[2]),
    failed: calls.map(() => 0), name: calls.map(() => 0), parts: calls.flatMap((c) => [0, c[2] / 4, (c[2] * 3) / 4, 0, 0, 0, 0]),
  },
  bins: { dt: 0, lane: [], bin: [], calls: [], busy: [], parts: [] },
});

test('calls that overlap are stacked, others share a row', () => {
  const l = layout(data([[0, 0, 2], [0, 1, 2], [1, 1, 1], [0, 2, 1], [0, 3, 1]]));
  assert.deepEqual(l.lanes.map((x) => x.depth), [2, 1]);
  assert.deepEqual(l.lanes[0].rows.map((r) => [...r]), [[0, 3, 4], [1]]);
  for (const lane of l.lanes) {
    for (const row of lane.rows) for (let i = 1; i < row.length; i++) assert.ok(l.start[row[i]] >= l.end[row[i - 1]]);
  }
  assert.equal(lowerBound(l, l.lanes[0].rows[0], 2.5), 1);
  assert.equal(hit(l, l.lanes[0].rows[0], 2.5, 0.1), 3);
  assert.equal(hit(l, l.lanes[0].rows[0], 9, 0.1), -1);
});

test('below a pixel calls are summed up by column and none is lost', () => {
  const many = /** @type {[number, number, number][]} */ (Array.from({ length: 5000 }, (_, i) => [0, i * 0.002, 0.001]));
  const l = layout(data(many));
  let bars = 0;
  let calls = 0;
  const columns = new Set();
  walk(l, l.lanes[0].rows[0], 0, 10, 100, 1.5, () => bars++, (x, main, n) => {
    calls += n;
    assert.equal(main, 2);
    assert.ok(!columns.has(x));
    columns.add(x);
  });
  assert.equal(bars, 0);
  assert.equal(calls, 5000);
  assert.ok(columns.size <= 101);
  walk(l, l.lanes[0].rows[0], 1, 1.01, 1000, 1.5, () => bars++, () => assert.fail('wide enough for bars'));
  assert.equal(bars, 5);
  const sums = density(l, 10, 50);
  assert.ok(Math.abs(sums.reduce((a, b) => a + b, 0) - 5) < 1e-6);
});

/** @param {[number, number, number, number][]} spans start, duration, lease, shape */
const detail = (spans, parts = {}) => /** @type {any} */ ({
  call: { duration: 1, sent: 0.01, first: 0.9, parts: { ...PARTS, ...parts } },
  leases: [{ client: 'a' }, { client: 'b' }],
  shapes: [{ name: 'SELECT res_partner', about: 'by id' }, { name: 'COMMIT', about: '' }],
  spans: spans.map(([start, duration, lease, shape]) => ({ start, duration, lease, shape, kind: shape ? 'commit' : 'query', sqlstate: '', exact: true, probability: 1 })),
});

test('five equal statements in a row fold, four do not', () => {
  const five = detail([0, 1, 2, 3, 4].map((i) => [0.1 + i / 20, 0.01, 0, 0]).concat([[0.6, 0.01, 0, 1]]));
  const [lane] = lanes(five, true);
  assert.deepEqual(lane.items.map((i) => [i.label, i.spans.length]), [['×5 SELECT res_partner', 5], ['COMMIT', 1]]);
  assert.ok(Math.abs(lane.items[0].busy - 0.05) < 1e-9);
  assert.deepEqual(holder(lanes(five, true), 3)?.spans, [0, 1, 2, 3, 4]);
  assert.equal(lanes(five, false)[0].items.length, 6);
  assert.equal(lanes(detail([0, 1, 2, 3].map((i) => [0.1 + i / 20, 0.01, 0, 0])), true)[0].items.length, 4);
});

test('the own parts of a call cover it without overlap', () => {
  const d = detail([[0.2, 0.2, 0, 0], [0.3, 0.2, 1, 0]], { wait: 0.1, application: 0.4, sql: 0.25, lock: 0.05, retry: 0.1, transfer: 0.1 });
  const own = ownParts(d);
  let at = 0;
  for (const p of own) {
    assert.ok(Math.abs(p.start - at) < 1e-9, `${p.part} begins at ${p.start}, not ${at}`);
    at = p.end;
  }
  assert.ok(Math.abs(at - 1) < 1e-9);
  const sum = (/** @type {string} */ k) => own.filter((p) => p.part === k).reduce((s, p) => s + p.end - p.start, 0);
  assert.ok(Math.abs(sum('lock') - 0.05) < 1e-9);
  assert.ok(Math.abs(sum('sql') - 0.25) < 1e-9);
  assert.ok(Math.abs(sum('retry') - 0.1) < 1e-9);
  assert.deepEqual(ownParts(detail([], { unknown: 1 })), [{ part: 'unknown', start: 0, end: 1 }]);
});

test('a union of intervals', () => {
  assert.deepEqual(union(detail([[0, 0.2, 0, 0], [0.1, 0.2, 0, 0], [0.5, 0.1, 0, 0]]).spans, 0.05, 0.55).map((p) => p.map((x) => Math.round(x * 100) / 100)), [[0.05, 0.3], [0.5, 0.55]]);
});

test('statements that take turns fold into one bar', () => {
  const shapes = ['a', 'b', 'c'].map((t) => ({ fingerprint: t, kind: 'query', name: `SELECT ${t}`, about: '', text: `SELECT 1 FROM ${t}`, tables: [t], written: '' }));
  const order = [2, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 2];
  const spans = order.map((shape, i) => ({ start: i, duration: 0.5, lease: 0, shape, kind: 'query', sqlstate: '', duplicate: 0, by: 'timing', probability: 1, exact: i !== 4, gaps: [] }));
  const d = /** @type {any} */ ({ call: { duration: 13, parts: PARTS }, leases: [{ client: 'x', start: 0, end: 13 }], shapes, spans, findings: [] });
  const [lane] = lanes(d, true);
  assert.deepEqual(lane.items.map((it) => [it.label, it.spans.length, it.period]), [['SELECT c', 1, 1], ['×5 SELECT a, SELECT b', 10, 2], ['SELECT a', 1, 1], ['SELECT c', 1, 1]]);
  assert.deepEqual([lane.exact, lane.count, lane.busy], [false, 13, 6.5]);
  assert.equal(lanes(d, false)[0].items.length, 13);
});
