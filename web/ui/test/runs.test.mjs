import assert from 'node:assert/strict';
import { test } from 'node:test';

import { change } from '../lib/format.js';
import { spread } from '../lib/runs.js';

test('the oldest run stands left, the slower one higher', () => {
  const { points, ticks } = spread([{ made: 2, p50: 0.02, p95: 0.2 }, { made: 1, p50: 0.01, p95: 0.1 }], 100, 50);
  assert.equal(points[0].x, 0);
  assert.equal(points[1].x, 100);
  assert.ok(points[1].y50 < points[0].y50 && points[0].y95 < points[0].y50);
  for (const p of points) assert.ok(p.y50 >= 0 && p.y50 <= 50 && p.y95 >= 0 && p.y95 <= 50);
  assert.deepEqual(ticks.map((t) => Math.round(t.seconds * 1000)), [10, 100]);
});

test('nothing to place is nothing, one run stands alone', () => {
  assert.deepEqual(spread([], 100, 50), { points: [], ticks: [] });
  assert.deepEqual(spread([{ made: 1, p50: 0, p95: 0 }], 100, 50).points, []);
  assert.equal(spread([{ made: 1, p50: 0.01, p95: 0 }], 100, 50).points.length, 1);
});

test('changes', () => {
  assert.equal(change(0.032), '+3.2\u00a0%');
  assert.equal(change(-0.12), '−12\u00a0%');
  assert.equal(change(0.0001), '0\u00a0%');
});
