// Zooming and panning of a time axis by wheel, drag, touch and keys; and the minimap with its brush.

import { pan, zoom } from '../lib/viewport.js';
import { Canvas } from './canvas.js';
import { html, useEffect, useRef } from './html.js';
import { hideTip } from './tip.js';

/** @typedef {import('../lib/viewport.js').Range} Range */

/**
 * Attaches the gestures to an element. `inset` is the room at the left that is no time axis.
 * @param {{ref: any, view: Range, full: Range, inset: number, onChange: (v: Range) => void, onClick?: (e: PointerEvent) => void,
 *   onScroll?: (dy: number) => void}} opts
 */
export function useGestures(opts) {
  const now = useRef(opts);
  // Events may come faster than renders: each starts from what the one before it left.
  now.current = {
    ...opts,
    onChange: (v) => {
      now.current.view = v;
      opts.onChange(v);
    },
  };
  useEffect(() => {
    const el = /** @type {HTMLElement|null} */ (opts.ref.current);
    if (!el) return undefined;
    const time = (/** @type {number} */ clientX) => {
      const { view, inset } = now.current;
      const r = el.getBoundingClientRect();
      const k = (clientX - r.left - inset) / Math.max(1, r.width - inset);
      return view[0] + Math.min(1, Math.max(0, k)) * (view[1] - view[0]);
    };
    const onWheel = (/** @type {WheelEvent} */ e) => {
      const o = now.current;
      if (e.shiftKey && o.onScroll) {
        e.preventDefault();
        o.onScroll(e.deltaY || e.deltaX);
        return;
      }
      e.preventDefault();
      hideTip();
      if (Math.abs(e.deltaX) > Math.abs(e.deltaY)) {
        o.onChange(pan(o.view, (e.deltaX / el.clientWidth) * (o.view[1] - o.view[0]), o.full));
        return;
      }
      const step = e.deltaMode === 1 ? e.deltaY * 16 : e.deltaY;
      o.onChange(zoom(o.view, time(e.clientX), Math.exp(Math.max(-300, Math.min(300, step)) * 0.0022), o.full));
    };
    /** @type {Map<number, {x: number, y: number}>} */
    const fingers = new Map();
    /** @type {{x: number, y: number, view: Range, moved: boolean, spread: number, at: number}|null} */
    let drag = null;
    const spread = () => {
      const [a, b] = [...fingers.values()];
      return b ? Math.max(8, Math.abs(a.x - b.x)) : 0;
    };
    const middle = () => [...fingers.values()].reduce((s, f) => s + f.x, 0) / Math.max(1, fingers.size);
    const begin = () => {
      const f = [...fingers.values()][0];
      drag = f ? { x: middle(), y: f.y, view: now.current.view, moved: drag?.moved ?? false, spread: spread(), at: time(middle()) } : null;
    };
    const onDown = (/** @type {PointerEvent} */ e) => {
      if (e.button !== 0) return;
      fingers.set(e.pointerId, { x: e.clientX, y: e.clientY });
      drag = null;
      begin();
    };
    const onMove = (/** @type {PointerEvent} */ e) => {
      const f = fingers.get(e.pointerId);
      if (!f || !drag) return;
      const dy = e.clientY - f.y;
      f.x = e.clientX;
      f.y = e.clientY;
      const o = now.current;
      const dx = middle() - drag.x;
      if (!drag.moved && Math.abs(dx) < 3 && Math.abs(e.clientY - drag.y) < 3) return;
      if (!drag.moved) {
        drag.moved = true;
        el.setPointerCapture(e.pointerId);
        el.classList.add('grabbing');
        hideTip();
      }
      const width = Math.max(1, el.clientWidth - o.inset);
      let v = drag.view;
      if (drag.spread && spread()) v = zoom(v, drag.at, drag.spread / spread(), o.full);
      o.onChange(pan(v, (-dx / width) * (v[1] - v[0]), o.full));
      if (dy && o.onScroll) o.onScroll(-dy);
    };
    const onUp = (/** @type {PointerEvent} */ e) => {
      if (!fingers.delete(e.pointerId)) return;
      const moved = drag?.moved;
      el.classList.remove('grabbing');
      if (fingers.size) begin();
      else {
        drag = null;
        if (!moved && e.type === 'pointerup') now.current.onClick?.(e);
      }
    };
    const onDouble = () => now.current.onChange(now.current.full);
    const onKey = (/** @type {KeyboardEvent} */ e) => {
      if (e.metaKey || e.ctrlKey || e.altKey || (e.target instanceof Element && e.target.closest('input, textarea, select'))) return;
      const o = now.current;
      const span = o.view[1] - o.view[0];
      const mid = (o.view[0] + o.view[1]) / 2;
      const k = e.key.toLowerCase();
      if (k === 'w') o.onChange(zoom(o.view, mid, 0.75, o.full));
      else if (k === 's') o.onChange(zoom(o.view, mid, 1 / 0.75, o.full));
      else if (k === 'a') o.onChange(pan(o.view, -span * 0.15, o.full));
      else if (k === 'd') o.onChange(pan(o.view, span * 0.15, o.full));
      else if (k === '0') o.onChange(o.full);
    };
    el.addEventListener('wheel', onWheel, { passive: false });
    el.addEventListener('pointerdown', onDown);
    el.addEventListener('pointermove', onMove);
    el.addEventListener('pointerup', onUp);
    el.addEventListener('pointercancel', onUp);
    el.addEventListener('dblclick', onDouble);
    document.addEventListener('keydown', onKey);
    return () => {
      el.removeEventListener('wheel', onWheel);
      el.removeEventListener('pointerdown', onDown);
      el.removeEventListener('pointermove', onMove);
      el.removeEventListener('pointerup', onUp);
      el.removeEventListener('pointercancel', onUp);
      el.removeEventListener('dblclick', onDouble);
      document.removeEventListener('keydown', onKey);
    };
  }, [opts.ref.current === null]);
}

/**
 * The whole time axis in small, with the window on it: drag outside the window draws a new one, inside moves
 * it, its edges resize it, a double click shows the whole.
 * @param {{draw: (g: CanvasRenderingContext2D, width: number, height: number) => void, deps: any[], view: Range, full: Range,
 *   onChange: (v: Range) => void, onEnd?: (v: Range) => void, label: string, class?: string}} props
 */
export function Minimap({ draw, deps, view, full, onChange, onEnd, label, class: cls = '' }) {
  const box = useRef(/** @type {HTMLElement|null} */ (null));
  const drag = useRef(/** @type {{mode: string, at: number, view: Range, moved: boolean}|null} */ (null));
  const whole = full[1] - full[0] || 1;
  const time = (/** @type {PointerEvent} */ e) => {
    const r = /** @type {HTMLElement} */ (box.current).getBoundingClientRect();
    return full[0] + Math.min(1, Math.max(0, (e.clientX - r.left) / Math.max(1, r.width))) * whole;
  };
  const all = view[1] - view[0] >= whole * 0.9999;
  const down = (/** @type {PointerEvent} */ e) => {
    if (e.button !== 0) return;
    const t = time(e);
    const px = whole / Math.max(1, /** @type {HTMLElement} */ (box.current).clientWidth);
    const mode = all ? 'new' : Math.abs(t - view[0]) < 5 * px ? 'left' : Math.abs(t - view[1]) < 5 * px ? 'right' : t > view[0] && t < view[1] ? 'move' : 'new';
    drag.current = { mode, at: t, view, moved: false };
    /** @type {HTMLElement} */ (e.currentTarget).setPointerCapture(e.pointerId);
    e.preventDefault();
  };
  const moved = (/** @type {PointerEvent} */ e) => {
    const d = drag.current;
    if (!d) return null;
    const t = time(e);
    const px = whole / Math.max(1, /** @type {HTMLElement} */ (box.current).clientWidth);
    if (!d.moved && Math.abs(t - d.at) < 2 * px) return null;
    d.moved = true;
    /** @type {Range} */
    let v;
    if (d.mode === 'move') return pan(d.view, t - d.at, full);
    if (d.mode === 'left') v = [t, d.view[1]];
    else if (d.mode === 'right') v = [d.view[0], t];
    else v = [d.at, t];
    return /** @type {Range} */ ([Math.min(...v), Math.max(...v, Math.min(...v) + px)]);
  };
  const move = (/** @type {PointerEvent} */ e) => {
    const v = moved(e);
    if (v) onChange(v);
  };
  const up = (/** @type {PointerEvent} */ e) => {
    const v = moved(e);
    drag.current = null;
    if (v) {
      onChange(v);
      onEnd?.(v);
    }
  };
  const fitAll = () => {
    onChange(full);
    onEnd?.(full);
  };
  const key = (/** @type {KeyboardEvent} */ e) => {
    const step = (view[1] - view[0]) * 0.1;
    const mid = (view[0] + view[1]) / 2;
    const v = e.key === 'ArrowLeft' ? pan(view, -step, full) : e.key === 'ArrowRight' ? pan(view, step, full)
      : e.key === '+' || e.key === 'ArrowUp' ? zoom(view, mid, 0.8, full) : e.key === '-' || e.key === 'ArrowDown' ? zoom(view, mid, 1.25, full)
        : e.key === 'Escape' ? full : null;
    if (!v) return;
    e.preventDefault();
    onChange(v);
    onEnd?.(v);
  };
  const left = ((view[0] - full[0]) / whole) * 100;
  const right = ((view[1] - full[0]) / whole) * 100;
  return html`<div class="minimap ${cls} ${all ? 'all' : ''}" ref=${box} tabindex="0" role="group" aria-label="${label}. Arrow keys move the window, plus and minus resize it, Escape shows all."
    onPointerDown=${down} onPointerMove=${move} onPointerUp=${up} onDblClick=${fitAll} onKeyDown=${key}>
    <${Canvas} draw=${draw} deps=${deps} label=${label} />
    ${!all && html`<i class="veil" style=${{ left: 0, width: `${Math.max(0, left)}%` }} /><i class="veil" style=${{ left: `${right}%`, right: 0 }} />
      <i class="window" style=${{ left: `${left}%`, width: `${Math.max(0, right - left)}%` }} />`}
  </div>`;
}
