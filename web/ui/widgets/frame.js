// What stands around every page: the rail, the top bar, the help overlay.

import { useAPI } from '../api.js';
import { clock, clockRange, count, day, durationText, join, lasting, plural } from '../lib/format.js';
import { PARTS } from '../lib/parts.js';
import { useTick } from '../live.js';
import { filterParams, here, link, patch, usePlace } from '../state.js';
import { FilterBox } from './filterbox.js';
import { html, useEffect, useMemo, useRef, useState } from './html.js';
import { Icon } from './icons.js';
import { LiveChip } from './live.js';
import { colours, ThemeSwitch } from './theme.js';
import { Minimap } from './viewport.js';

export const PAGES = [
  { path: '/', icon: 'overview', label: 'Overview' },
  { path: '/calls', icon: 'calls', label: 'Calls' },
  { path: '/sessions', icon: 'sessions', label: 'Sessions' },
  { path: '/methods', icon: 'methods', label: 'Methods' },
  { path: '/users', icon: 'users', label: 'Users' },
  { path: '/sql', icon: 'sql', label: 'SQL' },
  { path: '/findings', icon: 'findings', label: 'Findings' },
  { path: '/background', icon: 'background', label: 'Background' },
  { path: '/benchmarks', icon: 'benchmarks', label: 'Benchmarks' },
];

/** @param {{source: import('../lib/types.js').Source|null}} props */
export function Rail({ source }) {
  const { path } = usePlace();
  return html`<nav class="rail" aria-label="Pages">
    <a class="brand" href=${link('/')} aria-label="perfd, overview"><i /><i /><i /></a>
    ${PAGES.map((p) => {
    const on = p.path === '/' ? path === '/' : path === p.path || path.startsWith(p.path + '/');
    return html`<a href=${link(p.path)} class=${on ? 'on' : ''} aria-current=${on ? 'page' : undefined}><${Icon} name=${p.icon} size="18" /><span>${p.label}</span>
        ${p.path === '/findings' && source && source.findings > 0 && html`<b class="badge" aria-label="${source.findings} findings">${join(count(source.findings))}</b>`}</a>`;
  })}
  </nav>`;
}

/** @param {{source: import('../lib/types.js').Source|null, onHelp: () => void}} props */
export function TopBar({ source, onHelp }) {
  const files = source?.files ?? [];
  return html`<header class="top">
    <div class="source" title=${files.join('\n')}>
      ${source?.watching ? html`<${LiveChip} />` : html`<div class="cut"><strong>${files.length ? files[0].replace(/^.*\//, '') : source ? 'recording' : '\u00a0'}</strong>${files.length > 1 && html`<span class="dim"> +${files.length - 1}</span>`}</div>`}
      <div class="cut dim small">${source ? `${source.to ? `${day(source.from)} · ` : ''}${source.watching ? lasting(source.seconds) : durationText(source.seconds)} · ${plural(source.ordinary, 'call')}` : '\u00a0'}</div>
    </div>
    <${TimeRange} source=${source} />
    <${FilterBox} rules=${source?.rules ?? []} />
    <div class="tools">
      <${ThemeSwitch} />
      <button type="button" class="tool" onClick=${onHelp} aria-label="Help and keys" title="Help and keys (?)"><${Icon} name="help" /></button>
    </div>
  </header>`;
}

/** @param {{source: import('../lib/types.js').Source|null}} props */
function TimeRange({ source }) {
  const place = usePlace();
  const { from: _f, to: _t, ...filter } = filterParams(place);
  const { data } = useAPI('/overview', { ...filter, buckets: 150, top: 8 }, useTick()); // the question of the overview, so that it is asked once
  const whole = /** @type {import('../lib/viewport.js').Range} */ (source ? [0, Math.max(1e-3, source.to - source.from)] : [0, 1]);
  const chosen = useMemo(() => {
    if (!source) return whole;
    const a = Number(place.query.get('from') ?? NaN);
    const b = Number(place.query.get('to') ?? NaN);
    return /** @type {[number, number]} */ ([Number.isFinite(a) ? Math.max(0, a - source.from) : whole[0], Number.isFinite(b) ? Math.min(whole[1], b - source.from) : whole[1]]);
  }, [source, place.query.get('from'), place.query.get('to')]);
  const [live, setLive] = useState(/** @type {[number, number]|null} */ (null));
  const view = live ?? (chosen[1] > chosen[0] ? chosen : whole);
  const commit = (/** @type {[number, number]} */ v) => {
    setLive(null);
    if (!source) return;
    if (v[1] - v[0] >= whole[1] * 0.999) patch({ from: null, to: null });
    else patch({ from: (source.from + v[0]).toFixed(6), to: (source.from + v[1]).toFixed(6) });
  };
  const draw = (/** @type {CanvasRenderingContext2D} */ g, /** @type {number} */ w, /** @type {number} */ h) => {
    if (!data || !source) return;
    const c = colours();
    const b = data.buckets;
    const n = b.calls.length;
    const sums = Array.from({ length: n }, (_, i) => PARTS.reduce((s, p) => s + b[p][i], 0));
    const max = Math.max(...sums, 1e-9);
    for (let i = 0; i < n; i++) {
      const x0 = Math.max(0, ((b.t0 + i * b.dt - source.from) / whole[1]) * w);
      const x1 = ((b.t0 + (i + 1) * b.dt - source.from) / whole[1]) * w;
      if (sums[i] <= 0) continue;
      const tall = Math.max(1.5, Math.sqrt(sums[i] / max) * (h - 3));
      let y = h;
      PARTS.forEach((p, k) => {
        const d = (b[p][i] / sums[i]) * tall;
        if (d <= 0) return;
        g.fillStyle = c.part[k];
        g.fillRect(x0, y - d, Math.max(1.5, x1 - x0 - (x1 - x0 > 3 ? 1 : 0)), d);
        y -= d;
      });
    }
  };
  const narrowed = view[1] - view[0] < whole[1] * 0.999;
  const t0 = source?.from ?? NaN;
  return html`<div class="range" role="group" aria-label="Time range">
    <span class="n small ${narrowed ? 'narrowed' : 'dim'}">${source?.to ? clock(t0 + view[0]) : '\u00a0'}</span>
    <${Minimap} draw=${draw} deps=${[data, source]} view=${view} full=${whole} onChange=${setLive} onEnd=${commit}
      label=${source ? `Time range ${clockRange(t0 + view[0], t0 + view[1])}` : 'Time range'} />
    <span class="n small ${narrowed ? 'narrowed' : 'dim'}">${source?.to ? `${clock(t0 + view[1])}\u00a0UTC` : '\u00a0'}</span>
    <button type="button" class="tool clear" style=${{ visibility: narrowed ? 'visible' : 'hidden' }} onClick=${() => patch({ from: null, to: null })}
      aria-label="Show the whole recording" title="Show the whole recording"><${Icon} name="close" size="12" /></button>
  </div>`;
}

/** @type {[string[], string][]} keys, ~words between them, and what they do */
const KEYS = [
  [['/'], 'focus the filter'],
  [['?'], 'this help'],
  [['j', 'k'], 'next and previous row'],
  [['Enter'], 'open the row'],
  [['p', '~or Shift-click'], 'pin a call to compare'],
  [['[', ']'], 'previous and next call'],
  [['W', 'A', 'S', 'D'], 'zoom and pan a timeline'],
  [['~wheel, drag'], 'zoom around the pointer, pan'],
  [['0', '~or double click'], 'show all of it'],
  [['f'], 'fold runs of equal statements'],
  [['Space'], 'pause what is live, and resume'],
  [['Esc'], 'close, clear the selection'],
  [['g', 'o'], 'Overview; then c Calls, s Sessions, m Methods, u Users, q SQL, f Findings, b Background, r Benchmarks'],
];

const FILTERS = [
  ['user:bruno', 'calls of one user; twice means either'],
  ['method:action_confirm', 'bare, or as sale.order.action_confirm'],
  ['model:res.partner', 'calls on a model'],
  ['duration:>100ms', 'also <2s and 10ms..1s'],
  ['error:any', 'calls that failed; also none, or a name'],
  ['finding:n-plus-one', 'calls with a finding'],
  ['any other words', 'searched in path, method, login and error'],
];

/** @param {{open: boolean, onClose: () => void}} props */
export function Help({ open, onClose }) {
  const ref = useRef(/** @type {HTMLDialogElement|null} */ (null));
  useEffect(() => {
    const d = ref.current;
    if (!d) return;
    if (open && !d.open) d.showModal();
    if (!open && d.open) d.close();
  }, [open]);
  return html`<dialog class="help" ref=${ref} onClose=${onClose} onClick=${(/** @type {MouseEvent} */ e) => e.target === ref.current && onClose()} aria-labelledby="help-title">
    <div class="help-body">
      <div class="help-head"><h2 id="help-title">Keys and filter</h2><button type="button" class="tool" onClick=${onClose} aria-label="Close"><${Icon} name="close" /></button></div>
      <div class="help-columns">
        <dl>${KEYS.map(([k, v]) => html`<dt>${k.map((x) => (x.startsWith('~') ? html`<span class="dim">${x.slice(1)}</span> ` : html`<kbd>${x}</kbd> `))}</dt><dd>${v}</dd>`)}</dl>
        <dl>${FILTERS.map(([k, v]) => html`<dt><code>${k}</code></dt><dd>${v}</dd>`)}</dl>
      </div>
    </div>
  </dialog>`;
}


export function useTitle(/** @type {string} */ title) {
  useEffect(() => {
    document.title = title ? `${title} · perfd` : 'perfd';
  }, [title]);
}

/** The page's heading line. @param {{title: string, total?: number|null, unit?: string, children?: any}} props */
export function PageHead({ title, total, unit, children }) {
  useTitle(title);
  return html`<div class="page-head"><h1>${title}</h1>
    ${total !== undefined && html`<span class="count n" aria-live="polite">${total === null ? '\u00a0' : html`${join(count(total))} <span class="u">${unit}</span>`}</span>`}
    <div class="page-tools">${children}</div></div>`;
}

/** Whether the filter box or the time range narrow what is shown. */
export function narrowed() {
  const q = here().query;
  return Boolean(q.get('filter') || q.get('from') || q.get('to'));
}
