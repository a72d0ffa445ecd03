// One call over time: its own parts, a lane for each lease, folded runs as one patterned bar.

import { durationText, offset, plural } from '../lib/format.js';
import { LABEL, PARTS } from '../lib/parts.js';
import { ticks } from '../lib/scale.js';
import { lanes as layLanes, ownParts } from '../lib/waterfall.js';
import { Canvas, fit } from './canvas.js';
import { html, useMemo, useRef, useState } from './html.js';
import { Dur, Percent } from './num.js';
import { colours, hatch, useTheme } from './theme.js';
import { hideTip, showTip } from './tip.js';
import { Minimap, useGestures } from './viewport.js';

/**
 * @typedef {import('../lib/viewport.js').Range} Range
 * @typedef {import('../lib/waterfall.js').Item} Item
 * @typedef {import('../lib/types.js').CallDetail} CallDetail
 */

const HEAD = 26;
const OWN = 42;
const LANE = 44;
const TOP = 6;
const BAR = 24;
const GUTTER = 164;
const NARROW = 600;
const DASHES = [4, 3];
/** Text on bars, in both themes. */
const INK = 'oklch(0.16 0.03 185)';

/**
 * @param {{detail: CallDetail, fold: boolean, view: Range, full: Range, onView: (v: Range) => void, selected: number,
 *   onSelect: (span: number) => void}} props
 */
export function Waterfall({ detail, fold, view, full, onView, selected, onSelect }) {
  const box = useRef(/** @type {HTMLCanvasElement|null} */ (null));
  const [hover, setHover] = useState(/** @type {Item|null} */ (null));
  const theme = useTheme();
  const lanes = useMemo(() => layLanes(detail, fold), [detail, fold]);
  const own = useMemo(() => ownParts(detail), [detail]);
  const height = HEAD + OWN + Math.max(1, lanes.length) * LANE + TOP;
  const gutter = innerWidth < NARROW ? 0 : GUTTER;
  const pattern = useMemo(() => {
    const c = colours();
    return hatch(c.surface, c.sql);
  }, [theme]);

  const draw = (/** @type {CanvasRenderingContext2D} */ g, /** @type {number} */ w, /** @type {number} */ h) => {
    const c = colours();
    const span = view[1] - view[0];
    const x = (/** @type {number} */ t) => gutter + ((t - view[0]) / span) * (w - gutter);
    const grid = ticks(view[0], view[1], Math.max(2, Math.floor((w - gutter) / 96)));
    g.textBaseline = 'middle';
    g.font = `11px ${c.mono}`;
    g.textAlign = 'left';
    for (const t of grid.ticks) {
      const px = Math.round(x(t));
      g.fillStyle = c.line;
      g.fillRect(px, HEAD - 6, 1, h);
      g.fillStyle = c['ink-3'];
      const text = offset(t, grid.step);
      if (px + 4 + g.measureText(text).width <= w) g.fillText(text, px + 4, HEAD / 2 - 2);
    }
    g.fillStyle = c['line-strong'];
    g.fillRect(gutter, HEAD - 1, w - gutter, 1);
    if (gutter) {
      g.font = `12px ${c.font}`;
      g.fillStyle = c['ink-2'];
      g.fillStyle = c.ink;
      g.fillText('call', 0, HEAD + TOP + 5);
      g.font = `11px ${c.font}`;
      g.fillStyle = c['ink-3'];
      g.fillText(fit(g, durationText(detail.call.duration), gutter - 12), 0, HEAD + TOP + 20);
      lanes.forEach((l, i) => {
        const y = HEAD + OWN + i * LANE + TOP;
        g.font = `12px ${c.font}`;
        g.fillStyle = c.ink;
        g.fillText(`lease ${i + 1}`, 0, y + 5);
        const used = g.measureText(`lease ${i + 1}`).width + 8;
        g.font = `11px ${c.mono}`;
        g.fillStyle = c['ink-3'];
        g.fillText(fit(g, l.label.replace(/^127\.0\.0\.1(?=:)/, ''), gutter - used - 12), used, y + 5.5);
        g.font = `11px ${c.font}`;
        g.fillText(fit(g, `${plural(l.count, 'statement')} · ${durationText(l.busy)}`, gutter - 12), 0, y + 20);
      });
    }
    if (!gutter) {
      g.font = `11px ${c.font}`;
      g.fillStyle = c['ink-3'];
      lanes.forEach((l, i) => g.fillText(`lease ${i + 1} · ${plural(l.count, 'statement')} · ${durationText(l.busy)}`, 0, HEAD + OWN + i * LANE + TOP + BAR + 12));
    }
    g.save();
    g.beginPath();
    g.rect(gutter, 0, w - gutter, h);
    g.clip();
    for (const p of own) {
      const x0 = Math.max(gutter - 2, x(p.start));
      const x1 = Math.min(w + 2, x(p.end));
      if (x1 < gutter || x0 > w) continue;
      g.fillStyle = c.part[PARTS.indexOf(p.part)];
      g.fillRect(x0, HEAD + TOP, x1 - x0 > 3 ? x1 - x0 - 0.5 : x1 - x0, BAR);
      if (x1 - x0 > 64) {
        g.font = `11px ${c.mono}`;
        const text = fit(g, `${LABEL[p.part].replace(' to be served', '')} ${durationText(p.end - p.start)}`, Math.min(x1, w) - Math.max(x0, gutter) - 12);
        g.fillStyle = INK;
        if (text && p.part !== 'unknown') g.fillText(text, Math.max(x0, gutter) + 6, HEAD + TOP + BAR / 2 + 0.5);
      }
    }
    g.font = `11px ${c.mono}`;
    lanes.forEach((lane, i) => {
      const y = HEAD + OWN + i * LANE + TOP;
      const l = detail.leases[i];
      const a = x(l.start);
      const b = x(l.end);
      // While the call held the connection; the line under it says how sure that is.
      g.fillStyle = c.hover;
      g.fillRect(Math.max(gutter, a), y, Math.max(1, Math.min(w, b) - Math.max(gutter, a)), BAR);
      g.strokeStyle = c['sql-ink'];
      g.lineWidth = 1.5;
      g.setLineDash(lane.exact ? [] : DASHES);
      g.beginPath();
      g.moveTo(Math.max(gutter - 8, a), y + BAR + 4);
      g.lineTo(Math.max(Math.min(w + 8, b), a + 2), y + BAR + 4);
      g.stroke();
      g.setLineDash([]);
      g.lineWidth = 1;
      let last = -1;
      for (const it of lane.items) {
        const x0 = Math.max(gutter - 4, x(it.start));
        const x1 = Math.min(w + 4, x(it.end));
        if (x1 < gutter - 1 || x0 > w) continue;
        const width = Math.max(1, x1 - x0);
        if (width < 1.01 && Math.floor(x0) === last && !it.spans.includes(selected)) continue;
        last = Math.floor(x0);
        bar(g, c, it, x0, y, width, it.spans.includes(selected), it === hover);
      }
    });
    g.restore();
  };
  const bar = (/** @type {CanvasRenderingContext2D} */ g, /** @type {any} */ c, /** @type {Item} */ it, /** @type {number} */ x0, /** @type {number} */ y, /** @type {number} */ w,
    /** @type {boolean} */ on, /** @type {boolean} */ over) => {
    const inset = it.minor ? 3 : 0;
    const top = y + inset;
    const h = BAR - 2 * inset;
    g.globalAlpha = it.minor ? 0.65 : it.exact || w <= 5 ? 1 : 0.7;
    g.fillStyle = it.failed ? c.lock : it.spans.length > 1 ? pattern : c.sql;
    g.fillRect(x0, top, w, h);
    g.globalAlpha = 1;
    if (w > 5) {
      g.lineWidth = 1;
      g.strokeStyle = it.failed ? c['lock-ink'] : c['sql-ink'];
      if (!it.exact) g.setLineDash([3, 2.5]);
      g.strokeRect(x0 + 0.5, top + 0.5, w - 1, h - 1);
      g.setLineDash([]);
    }
    if (over && !on) {
      g.strokeStyle = c.ink;
      g.strokeRect(x0 - 0.5, top - 0.5, w + 1, h + 1);
    }
    if (on) {
      g.strokeStyle = c.accent;
      g.lineWidth = 2;
      g.strokeRect(x0 - 2, y - 2, Math.max(3, w + 4), BAR + 4);
      g.lineWidth = 1;
    }
    if (w > 34) {
      const text = fit(g, it.more ? `${it.label} ${it.more}` : it.label, w - (it.spans.length > 1 ? 16 : 10));
      if (text) {
        if (it.spans.length > 1) {
          g.fillStyle = c.sql;
          g.fillRect(x0 + 4, top + 3, g.measureText(text).width + 8, h - 6);
        }
        g.fillStyle = INK;
        g.textAlign = 'left';
        g.fillText(text, x0 + (it.spans.length > 1 ? 8 : 5), y + BAR / 2 + 0.5);
      }
    }
  };
  const at = (/** @type {{clientX: number, clientY: number}} */ e) => {
    const r = /** @type {HTMLElement} */ (box.current).getBoundingClientRect();
    const width = r.width - gutter;
    const t = view[0] + ((e.clientX - r.left - gutter) / width) * (view[1] - view[0]);
    const y = e.clientY - r.top - HEAD;
    const slack = ((view[1] - view[0]) / width) * 3;
    if (e.clientX - r.left < gutter) return { t, item: null, part: null };
    if (y >= 0 && y < OWN) return { t, item: null, part: own.find((p) => t >= p.start && t < p.end) ?? own.find((p) => t >= p.start - slack && t < p.end + slack) ?? null };
    const lane = lanes[Math.floor((y - OWN) / LANE)];
    let best = null;
    let gap = slack;
    for (const it of lane?.items ?? []) {
      const d = t < it.start ? it.start - t : t > it.end ? t - it.end : 0;
      if (d < gap || (d === 0 && gap === 0)) {
        gap = d;
        best = it;
      }
    }
    return { t, item: best, part: null };
  };
  const move = (/** @type {PointerEvent} */ e) => {
    if (e.buttons) return;
    const { item, part } = at(e);
    setHover(item);
    if (item) {
      const total = detail.call.duration;
      showTip(e, html`<div class="tip-title mono">${item.label}${item.more && html` <span class="dim">${item.more}</span>`}</div>
        <div class="tip-row"><span>${item.spans.length > 1 ? 'from first to last' : 'Duration'}</span><${Dur} s=${item.end - item.start} /><${Percent} x=${total > 0 ? (item.end - item.start) / total : 0} /></div>
        ${item.spans.length > 1 && html`<div class="tip-row"><span>in SQL</span><${Dur} s=${item.busy} /><${Percent} x=${total > 0 ? item.busy / total : 0} /></div>`}
        <div class="tip-row"><span>At</span><${Dur} s=${item.start} /><span /></div>
        <div class="tip-foot">${item.exact ? 'attributed exactly' : html`inferred, <${Percent} x=${item.probability} />`}${item.failed && html`, <span class="harm">failed</span>`}</div>`);
    } else if (part) {
      showTip(e, html`<div class="tip-row"><span><i class="chip p-${part.part}" />${LABEL[part.part]}</span><${Dur} s=${part.end - part.start} /><span /></div>`);
    } else hideTip();
  };
  const click = (/** @type {PointerEvent} */ e) => {
    const { item } = at(e);
    onSelect(item ? item.spans[0] : -1);
  };
  useGestures({ ref: box, view, full, inset: gutter, onChange: onView, onClick: click });
  const mini = (/** @type {CanvasRenderingContext2D} */ g, /** @type {number} */ w, /** @type {number} */ h) => {
    const c = colours();
    const x = (/** @type {number} */ t) => ((t - full[0]) / (full[1] - full[0])) * w;
    for (const p of own) {
      g.fillStyle = c.part[PARTS.indexOf(p.part)];
      g.fillRect(x(p.start), 4, Math.max(0.5, x(p.end) - x(p.start)), 10);
    }
    g.fillStyle = c.sql;
    const rows = Math.max(1, lanes.length);
    const tall = Math.max(1, Math.min(4, (h - 20) / rows - 1));
    lanes.forEach((l, i) => {
      for (const it of l.items) g.fillRect(x(it.start), 18 + i * (tall + 1), Math.max(0.7, x(it.end) - x(it.start)), tall);
    });
  };
  return html`<div class="waterfall">
    <div class="mini-row" style=${{ paddingLeft: `${gutter}px` }}>
      ${detail.spans.length > 0 && html`<div class="edges"><span><i class="edge exact" />exact</span><span><i class="edge" />inferred</span></div>`}<${Minimap} class="mini" draw=${mini} deps=${[detail, lanes]} view=${view} full=${full} onChange=${onView} label="The whole call" /></div>
    <div style=${{ height: `${height}px` }}><${Canvas} draw=${draw} deps=${[detail, lanes, own, view, selected, hover, pattern]} canvasRef=${box}
      label="Waterfall of the call: ${lanes.length} leases. The table of statements below holds the same." onPointerMove=${move} onPointerLeave=${() => {
    setHover(null);
    hideTip();
  }} /></div>
  </div>`;
}
