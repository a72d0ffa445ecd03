// The theme's switch, and the theme's colours for canvases.

import { html, useEffect, useState } from './html.js';
import { Icon } from './icons.js';
import { PARTS } from '../lib/parts.js';

const NAMES = ['bg', 'surface', 'sunken', 'hover', 'line', 'line-strong', 'ink', 'ink-2', 'ink-3', 'ink-4', 'accent', 'accent-soft',
  'heat-0', 'heat-1', 'unknown-bg', ...PARTS.filter((p) => p !== 'retry'),
  'wait-ink', 'application-ink', 'sql-ink', 'lock-ink', 'transfer-ink'];

/** @typedef {Record<string, string> & {part: (string|CanvasPattern)[], font: string, mono: string}} Palette */

/** @type {Palette|null} */
let palette = null;
window.addEventListener('perfd:theme', () => {
  palette = null;
});

/** The tokens as colours that a canvas takes; part[] in the order of PARTS, the unknown hatched. @returns {Palette} */
export function colours() {
  if (palette) return palette;
  const probe = document.createElement('i');
  document.body.append(probe);
  /** @type {any} */
  const out = {};
  for (const n of NAMES) {
    probe.style.color = `var(--${n})`;
    out[n] = getComputedStyle(probe).color;
  }
  const style = getComputedStyle(document.documentElement);
  out.font = style.getPropertyValue('--font');
  out.mono = style.getPropertyValue('--mono');
  probe.remove();
  out.retry = out.lock;
  out.part = PARTS.map((p) => (p === 'unknown' ? hatch(out.unknown, out['unknown-bg']) : out[p]));
  palette = out;
  return out;
}

/** @param {string} line @param {string} ground @returns {CanvasPattern|string} */
export function hatch(line, ground) {
  const c = document.createElement('canvas');
  const dpr = Math.max(1, Math.round(devicePixelRatio || 1));
  const n = 5 * dpr;
  c.width = n;
  c.height = n;
  const g = c.getContext('2d');
  if (!g) return ground;
  g.fillStyle = ground;
  g.fillRect(0, 0, n, n);
  g.strokeStyle = line;
  g.lineWidth = 1.1 * dpr;
  g.beginPath();
  for (const d of [-n, 0, n]) {
    g.moveTo(d - 1, n + 1);
    g.lineTo(d + n + 1, -1);
  }
  g.stroke();
  return g.createPattern(c, 'repeat') ?? ground;
}

/** Renders again when the theme changes; the number is a dependency for effects that draw. */
export function useTheme() {
  const [n, bump] = useState(0);
  useEffect(() => {
    const l = () => bump((x) => x + 1);
    window.addEventListener('perfd:theme', l);
    return () => window.removeEventListener('perfd:theme', l);
  }, []);
  return n;
}

function chosen() {
  try {
    return localStorage.getItem('perfd.theme') ?? 'auto';
  } catch {
    return 'auto';
  }
}

export function ThemeSwitch() {
  const [theme, setTheme] = useState(chosen);
  const choose = (/** @type {string} */ t) => {
    try {
      if (t === 'auto') localStorage.removeItem('perfd.theme');
      else localStorage.setItem('perfd.theme', t);
    } catch {
      // not kept then
    }
    setTheme(t);
    window.dispatchEvent(new Event('perfd:choose-theme'));
  };
  return html`<div class="switch theme" role="radiogroup" aria-label="Theme">
    ${['auto', 'light', 'dark'].map((t) => html`<button type="button" role="radio" aria-checked=${theme === t} aria-label="Theme: ${t}" title="Theme: ${t}"
      onClick=${() => choose(t)}><${Icon} name=${t} size="14" /></button>`)}
  </div>`;
}
