import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes, clock, clockRange, count, day, duration, mean, offset, percent, plural, sig3 } from '../lib/format.js';

test('durations have three significant digits and the unit that fits', () => {
  /** @type {[number, string, string][]} */
  const cases = [
    [1.24, '1.24', 's'], [0.018, '18.0', 'ms'], [340e-6, '340', 'µs'], [0.0009996, '1.00', 'ms'], [0.9996, '1.00', 's'],
    [312.4, '312', 's'], [1200, '20.0', 'min'], [7300, '122', 'min'], [90000, '25.0', 'h'], [0, '0', 's'], [2e-9, '2.00', 'ns'], [99.96, '100', 's'],
  ];
  for (const [s, n, u] of cases) assert.deepEqual(duration(s), [n, u], String(s));
});

test('what is not known is a dash, never NaN or undefined', () => {
  for (const f of [duration, count, bytes, percent, mean]) {
    for (const x of [undefined, null, NaN, Infinity]) assert.deepEqual(f(x), ['–', '']);
  }
  assert.equal(sig3(NaN), '–');
  assert.equal(clock(NaN), '–');
});

test('counts are exact below a million and grouped', () => {
  assert.deepEqual(count(420), ['420', '']);
  assert.deepEqual(count(25492), ['25,492', '']);
  assert.deepEqual(count(1234567), ['1.23', 'M']);
  assert.deepEqual(count(1000), ['1,000', '']);
  assert.deepEqual(mean(15), ['15.0', '']);
  assert.deepEqual(mean(812.4), ['812', '']);
});

test('shares do not round to a false none or all', () => {
  assert.deepEqual(percent(0), ['0', '%']);
  assert.deepEqual(percent(0.0004), ['<0.1', '%']);
  assert.deepEqual(percent(0.61), ['61', '%']);
  assert.deepEqual(percent(0.9999), ['>99.9', '%']);
  assert.deepEqual(percent(0.9964), ['99.6', '%']);
  assert.deepEqual(percent(1), ['100', '%']);
});

test('bytes, offsets, plurals', () => {
  assert.deepEqual(bytes(512), ['512', 'B']);
  assert.deepEqual(bytes(13620248), ['13.6', 'MB']);
  assert.equal(offset(0.05, 0.05), '50\u00a0ms');
  assert.equal(offset(12.5e-6, 0.5e-6), '12.5\u00a0µs');
  assert.equal(plural(1, 'call'), '1\u00a0call');
  assert.equal(plural(2, 'query', 'queries'), '2\u00a0queries');
});

test('times are in UTC and never later than they were', () => {
  const t = 1795330256; // 2026-11-22 06:50:56 UTC
  assert.equal(clock(t), '06:50:56');
  assert.equal(clock(t + 0.9999), '06:50:56');
  assert.equal(clock(t + 0.2767, 1e-3), '06:50:56.276');
  assert.equal(clock(t + 0.9999, 0.1), '06:50:56.9');
  assert.equal(clock(t + 3, 60), '06:50');
  assert.equal(day(t), '2026-11-22');
  assert.equal(clockRange(t, t + 41.9), '06:50:56 – 06:51:37 UTC');
  // The ticks of an axis are round although a double holds them a little low or high.
  for (const digits of [1, 2, 3, 4, 5, 6]) {
    for (let i = 0; i < 10; i++) assert.equal(clock(t + i / 10 ** digits, 10 ** -digits), `06:50:56.${'0'.repeat(digits - 1)}${i}`);
  }
});
