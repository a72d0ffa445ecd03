// A canvas that fits its box on every screen and draws when something it depends on changes.

import { html, useEffect, useLayoutEffect, useRef, useState } from './html.js';
import { useTheme } from './theme.js';

/**
 * The size of an element, in CSS pixels, followed as it changes.
 * @returns {[import('../vendor/preact.js').RefObject<any>, {width: number, height: number}]}
 */
export function useSize() {
  const ref = useRef(/** @type {any} */ (null));
  const [size, setSize] = useState({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const el = ref.current;
    if (!el) return undefined;
    const read = () => {
      const width = el.clientWidth;
      const height = el.clientHeight;
      setSize((s) => (s.width === width && s.height === height ? s : { width, height }));
    };
    read();
    const o = new ResizeObserver(read);
    o.observe(el);
    return () => o.disconnect();
  }, []);
  return [ref, size];
}

/**
 * @param {{draw: (g: CanvasRenderingContext2D, width: number, height: number) => void, deps: any[], class?: string, label: string,
 *   canvasRef?: any, [handler: string]: any}} props
 */
export function Canvas({ draw, deps, class: cls = '', label, canvasRef, ...rest }) {
  const [box, { width, height }] = useSize();
  const own = useRef(/** @type {HTMLCanvasElement|null} */ (null));
  const canvas = canvasRef ?? own;
  const theme = useTheme();
  const dpr = window.devicePixelRatio || 1;
  useEffect(() => {
    const c = canvas.current;
    if (!c || width === 0 || height === 0) return undefined;
    const frame = requestAnimationFrame(() => {
      const w = Math.round(width * dpr);
      const h = Math.round(height * dpr);
      if (c.width !== w) c.width = w;
      if (c.height !== h) c.height = h;
      const g = c.getContext('2d');
      if (!g) return;
      g.setTransform(dpr, 0, 0, dpr, 0, 0);
      g.clearRect(0, 0, width, height);
      draw(g, width, height);
    });
    return () => cancelAnimationFrame(frame);
  }, [width, height, dpr, theme, ...deps]);
  return html`<div class="canvas ${cls}" ref=${box}><canvas ref=${canvas} role="img" aria-label=${label} ...${rest} /></div>`;
}

/**
 * Text cut to a width.
 * @param {CanvasRenderingContext2D} g
 * @param {string} text
 * @param {number} room
 */
export function fit(g, text, room) {
  if (g.measureText(text).width <= room) return text;
  let lo = 0;
  let hi = text.length;
  while (lo < hi) {
    const mid = (lo + hi + 1) >> 1;
    if (g.measureText(text.slice(0, mid) + '…').width <= room) lo = mid;
    else hi = mid - 1;
  }
  return lo > 1 ? text.slice(0, lo) + '…' : '';
}
