// Time by bucket as a stacked strip in the five colours (uPlot); drag selects a time range.

import uPlot from '../vendor/uplot.js';
import { clock, clockRange, durationText, plural } from '../lib/format.js';
import { PARTS } from '../lib/parts.js';
import { clockTicks } from '../lib/scale.js';
import { useSize } from './canvas.js';
import { html, useEffect, useRef } from './html.js';
import { colours, useTheme } from './theme.js';
import { hideTip, PartsTip, showTip } from './tip.js';

/** Room at the left for the axis, the same in the heatmap so that both share their x. */
export const AXIS = 56;

/**
 * @param {{buckets: import('../lib/types.js').Buckets, from: number, to: number, height: number,
 *   onSelect: (from: number, to: number) => void}} props
 */
export function Strip({ buckets, from, to, height, onSelect }) {
  const [box, { width }] = useSize();
  const theme = useTheme();
  const select = useRef(onSelect);
  select.current = onSelect;
  useEffect(() => {
    if (!width) return undefined;
    const c = colours();
    const n = buckets.calls.length;
    const xs = Array.from({ length: n }, (_, i) => buckets.t0 + (i + 0.5) * buckets.dt);
    // Cumulated, greatest first: each series is drawn over the one before.
    /** @type {number[][]} */
    const sums = [];
    for (let p = PARTS.length - 1; p >= 0; p--) {
      sums.unshift(buckets[PARTS[p]].map((_, i) => PARTS.slice(0, p + 1).reduce((s, k) => s + buckets[k][i], 0)));
    }
    const most = Math.max(...sums[PARTS.length - 1]);
    const order = PARTS.map((_, p) => p).reverse();
    const bars = uPlot.paths.bars?.({ size: [0.86, 40], gap: 0 });
    /** @type {any} */
    const opts = {
      width, height, legend: { show: false }, padding: [6, 0, 0, 0],
      cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false }, x: true },
      select: { show: true, left: 0, top: 0, width: 0, height: 0 },
      scales: { x: { time: false, range: () => [from, to] }, y: { range: () => [0, most > 0 ? most * 1.05 : 1] } },
      axes: [
        { stroke: c['ink-3'], font: `11px ${c.mono}`, size: 24, gap: 4, space: 10, grid: { show: false }, ticks: { stroke: c.line, width: 1, size: 4 },
          splits: () => clockTicks(from, to, Math.max(3, Math.floor((width - AXIS) / 110))).ticks,
          values: (/** @type {any} */ _u, /** @type {number[]} */ v) => {
            const room = ((to - from) / Math.max(1, width - AXIS)) * 30;
            const { step } = clockTicks(from, to, Math.max(3, Math.floor((width - AXIS) / 110)));
            return v.map((t) => (t > to - room ? '' : clock(t, step)));
          } },
        { stroke: c['ink-3'], font: `11px ${c.mono}`, size: AXIS, gap: 6, grid: { stroke: c.line, width: 1 }, ticks: { show: false },
          values: (/** @type {any} */ _u, /** @type {number[]} */ v) => v.map((s) => (s === 0 ? '0' : durationText(s))), space: 34 },
      ],
      series: [{}, ...order.map((p) => ({ fill: () => c.part[p], stroke: 'transparent', width: 0, paths: bars, points: { show: false } }))],
      hooks: {
        setSelect: [(/** @type {uPlot} */ u) => {
          if (u.select.width < 3) return;
          select.current(u.posToVal(u.select.left, 'x'), u.posToVal(u.select.left + u.select.width, 'x'));
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        }],
        setCursor: [(/** @type {uPlot} */ u) => {
          const i = u.cursor.idx;
          if (i === null || i === undefined || (u.cursor.left ?? -1) < 0) {
            hideTip();
            return;
          }
          const r = u.over.getBoundingClientRect();
          const t = buckets.t0 + i * buckets.dt;
          const parts = Object.fromEntries(PARTS.map((p) => [p, buckets[p][i]]));
          showTip({ clientX: r.left + (u.cursor.left ?? 0), clientY: r.top + (u.cursor.top ?? 0) }, html`<${PartsTip} title=${clockRange(t, t + buckets.dt, buckets.dt)}
            parts=${parts} total=${PARTS.reduce((s, p) => s + buckets[p][i], 0)}><div class="tip-foot">${plural(buckets.calls[i], 'call')}${buckets.errors[i] > 0 && html`, <span class="harm">${plural(buckets.errors[i], 'error')}</span>`}</div><//>`);
        }],
      },
    };
    const chart = new uPlot(opts, /** @type {any} */ ([xs, ...order.map((p) => sums[p])]), box.current);
    return () => {
      hideTip();
      chart.destroy();
    };
  }, [width, height, buckets, from, to, theme]);
  return html`<div class="strip" ref=${box} style=${{ height: `${height}px` }} role="img" aria-label="Seconds waited over time, by part. The table of calls holds the same figures." />`;
}
