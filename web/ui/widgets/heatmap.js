// Time × duration, darker where more calls lie. A drag marks a rectangle; from there a link leads to its calls.

import { clockRange, durationText, plural } from '../lib/format.js';
import { Canvas } from './canvas.js';
import { html, useRef, useState } from './html.js';
import { AXIS } from './strip.js';
import { colours } from './theme.js';
import { hideTip, showTip } from './tip.js';

const FLOOR = 1; // hairline below the last row

/**
 * The rows that hold calls, with one empty row around them.
 * @param {import('../lib/types.js').Heatmap} heat
 */
function used(heat) {
  let a = heat.counts.length;
  let b = 0;
  heat.counts.forEach((row, i) => {
    if (row.some((n) => n > 0)) {
      a = Math.min(a, i);
      b = Math.max(b, i + 1);
    }
  });
  if (a >= b) return { a: 0, b: heat.counts.length };
  a = Math.max(0, a - 1);
  b = Math.min(heat.counts.length, Math.max(b + 1, a + 8));
  return { a, b };
}

/**
 * @param {{heat: import('../lib/types.js').Heatmap, from: number, to: number, height: number,
 *   href: (box: {from: number, to: number, min: number, max: number}) => string}} props
 */
export function Heatmap({ heat, from, to, height, href }) {
  const ref = useRef(/** @type {HTMLCanvasElement|null} */ (null));
  const [mark, setMark] = useState(/** @type {{c0: number, c1: number, r0: number, r1: number}|null} */ (null));
  const drag = useRef(/** @type {{c: number, r: number, moved: boolean}|null} */ (null));
  const { a, b } = used(heat);
  const columns = heat.counts[0]?.length ?? 0;
  const x = (/** @type {number} */ t, /** @type {number} */ w) => AXIS + ((t - from) / (to - from)) * (w - AXIS);
  const rowHeight = (height - FLOOR) / (b - a);
  const draw = (/** @type {CanvasRenderingContext2D} */ g, /** @type {number} */ w, /** @type {number} */ h) => {
    const c = colours();
    g.font = `11px ${c.mono}`;
    g.textBaseline = 'middle';
    g.textAlign = 'right';
    g.fillStyle = c.line;
    g.fillRect(AXIS, h - 1, w - AXIS, 1);
    g.save();
    g.beginPath();
    g.rect(AXIS, 0, w - AXIS, h);
    g.clip();
    for (let r = a; r < b; r++) {
      const y = h - FLOOR - (r - a + 1) * rowHeight;
      for (let i = 0; i < columns; i++) {
        const n = heat.counts[r][i];
        if (!n) continue;
        const x0 = x(heat.t0 + i * heat.dt, w);
        const x1 = x(heat.t0 + (i + 1) * heat.dt, w);
        const k = Math.log(1 + n) / Math.log(1 + Math.max(1, heat.max));
        g.globalAlpha = 0.22 + 0.78 * k;
        g.fillStyle = c['heat-1'];
        g.fillRect(x0 + 0.5, y + 0.5, Math.max(1, x1 - x0 - 1), Math.max(1, rowHeight - 1));
      }
    }
    g.restore();
    g.globalAlpha = 1;
    let last = Infinity;
    for (const d of [1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10, 100, 1000]) {
      const k = rank(heat.bounds, d);
      if (k < a || k > b) continue;
      const y = h - FLOOR - (k - a) * rowHeight;
      if (y < 7 || y > h - 5 || last - y < 14) continue;
      last = y;
      g.fillStyle = c['ink-3'];
      g.fillText(durationText(d), AXIS - 8, y);
      g.globalAlpha = 0.6;
      g.fillStyle = c.line;
      g.fillRect(AXIS, Math.round(y), w - AXIS, 1);
      g.globalAlpha = 1;
    }
    if (mark) {
      const m = box(mark);
      const x0 = Math.max(AXIS, x(heat.t0 + m.c0 * heat.dt, w));
      const x1 = Math.min(w, x(heat.t0 + (m.c1 + 1) * heat.dt, w));
      const y0 = h - FLOOR - (m.r1 - a + 1) * rowHeight;
      const y1 = h - FLOOR - (m.r0 - a) * rowHeight;
      g.fillStyle = c['accent-soft'];
      g.fillRect(x0, y0, x1 - x0, y1 - y0);
      g.strokeStyle = c.accent;
      g.strokeRect(x0 + 0.5, y0 + 0.5, x1 - x0 - 1, y1 - y0 - 1);
    }
  };
  const cell = (/** @type {MouseEvent} */ e) => {
    const r = /** @type {HTMLElement} */ (ref.current).getBoundingClientRect();
    const t = from + ((e.clientX - r.left - AXIS) / Math.max(1, r.width - AXIS)) * (to - from);
    return {
      c: Math.max(0, Math.min(columns - 1, Math.floor((t - heat.t0) / heat.dt))),
      r: Math.max(a, Math.min(b - 1, a + Math.floor((height - FLOOR - (e.clientY - r.top)) / rowHeight))),
      inside: e.clientX - r.left >= AXIS,
    };
  };
  const down = (/** @type {PointerEvent} */ e) => {
    const at = cell(e);
    if (e.button !== 0 || !at.inside) return;
    drag.current = { ...at, moved: false };
    setMark(null);
    /** @type {HTMLElement} */ (e.currentTarget).setPointerCapture(e.pointerId);
  };
  const move = (/** @type {PointerEvent} */ e) => {
    const at = cell(e);
    const d = drag.current;
    if (d) {
      if (at.c !== d.c || at.r !== d.r) d.moved = true;
      if (d.moved) setMark({ c0: d.c, c1: at.c, r0: d.r, r1: at.r });
      hideTip();
      return;
    }
    const n = heat.counts[at.r]?.[at.c] ?? 0;
    if (!n || !at.inside) {
      hideTip();
      return;
    }
    const t = heat.t0 + at.c * heat.dt;
    showTip(e, html`<div class="tip-title">${plural(n, 'call')}</div><div>${durationText(heat.bounds[at.r])} – ${durationText(heat.bounds[at.r + 1])}</div><div class="dim n">${clockRange(t, t + heat.dt, heat.dt)}</div>`);
  };
  const up = (/** @type {PointerEvent} */ e) => {
    const d = drag.current;
    drag.current = null;
    if (!d || d.moved) return;
    const at = cell(e);
    setMark(heat.counts[at.r]?.[at.c] ? { c0: at.c, c1: at.c, r0: at.r, r1: at.r } : null);
  };
  const chosen = mark && box(mark);
  let calls = 0;
  if (chosen) for (let r = chosen.r0; r <= chosen.r1; r++) for (let i = chosen.c0; i <= chosen.c1; i++) calls += heat.counts[r]?.[i] ?? 0;
  const target = chosen && href({
    from: Math.max(from, heat.t0 + chosen.c0 * heat.dt), to: Math.min(to, heat.t0 + (chosen.c1 + 1) * heat.dt),
    min: chosen.r0 === 0 ? 0 : heat.bounds[chosen.r0], max: chosen.r1 === heat.counts.length - 1 ? 0 : heat.bounds[chosen.r1 + 1],
  });
  return html`<div class="heatmap" style=${{ height: `${height}px` }}>
    <${Canvas} draw=${draw} deps=${[heat, from, to, mark, height]} canvasRef=${ref} label="Calls by time and duration. The table of calls holds the same figures."
      onPointerDown=${down} onPointerMove=${move} onPointerUp=${up} onPointerLeave=${hideTip} />
    ${chosen && html`<div class="heat-link">${calls > 0 ? html`<a class="button primary" href=${target}>Open ${plural(calls, 'call')}</a>` : html`<span class="dim">no calls here</span>`}
      <button type="button" class="button" onClick=${() => setMark(null)}>Clear</button></div>`}
  </div>`;
}

/** @param {{c0: number, c1: number, r0: number, r1: number}} m */
const box = (m) => ({ c0: Math.min(m.c0, m.c1), c1: Math.max(m.c0, m.c1), r0: Math.min(m.r0, m.r1), r1: Math.max(m.r0, m.r1) });

/** Where a duration lies among the bounds, in rows. @param {number[]} bounds @param {number} d */
function rank(bounds, d) {
  for (let i = 0; i + 1 < bounds.length; i++) {
    if (d >= bounds[i] && d < bounds[i + 1] && bounds[i] > 0) return i + Math.log(d / bounds[i]) / Math.log(bounds[i + 1] / bounds[i]);
  }
  return -1;
}
