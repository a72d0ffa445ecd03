// The sessions over time: a lane each, calls as bars in the five colours, from hours to a microsecond.

import { useAPI } from '../api.js';
import { clock, durationText, lasting, plural } from '../lib/format.js';
import { LABEL, PARTS } from '../lib/parts.js';
import { clockTicks } from '../lib/scale.js';
import { density, hit, layout, walk } from '../lib/timeline.js';
import { read, write } from '../lib/viewport.js';
import { serverNow, useLive, useTick, useTimeline } from '../live.js';
import { filterParams, go, link, patch, usePlace } from '../state.js';
import { Legend } from '../widgets/bar.js';
import { Canvas, fit, useSize } from '../widgets/canvas.js';
import { Empty, Failure } from '../widgets/empty.js';
import { narrowed, PageHead } from '../widgets/frame.js';
import { html, useEffect, useMemo, useRef, useState } from '../widgets/html.js';
import { PartsBar } from '../widgets/bar.js';
import { Count, Dur } from '../widgets/num.js';
import { colours } from '../widgets/theme.js';
import { hideTip, PartsTip, showTip } from '../widgets/tip.js';
import { Minimap, useGestures } from '../widgets/viewport.js';

/** @typedef {import('../lib/viewport.js').Range} Range */

const HEAD = 26;
const ROW_MIN = 16;
const ROW_MAX = 26;
const PAD = 12;
const LEAST = 1.5;

/** What is shown of a server that is being watched: the last so many seconds. */
const LAST = /** @type {[string, number][]} */ ([['5 min', 300], ['15 min', 900], ['1 h', 3600]]);

/** @param {{source: import('../lib/types.js').Source|null}} props */
export function Sessions({ source }) {
  const { query } = usePlace();
  if (!source) return html`<${PageHead} title="Sessions" total=${null} unit="sessions" /><div class="timeline waiting" />`;
  return source.watching && !query.get('from') && !query.get('to') ? html`<${Follow} />` : html`<${Whole} source=${source} />`;
}

/** The sessions of the server that is being watched, as time goes on. */
function Follow() {
  const place = usePlace();
  const params = filterParams(place);
  const span = LAST.find(([, s]) => String(s) === place.query.get('last'))?.[1] ?? 900;
  const { data, error, retry } = useTimeline(params, span);
  const table = place.query.get('as') === 'table';
  const tick = useTick();
  const head = html`<${PageHead} title="Sessions" total=${data ? data.lanes.length : null} unit=${data?.lanes.length === 1 ? 'session' : 'sessions'}><${Legend} />
    ${!table && html`<div class="switch" role="radiogroup" aria-label="Time shown">${LAST.map(([l, s]) => html`<button type="button" role="radio" aria-checked=${span === s} onClick=${() => patch({ last: s === 900 ? null : s }, { replace: true })}>${l}</button>`)}</div>`}<${As} table=${table} /><//>`;
  if (error) return html`${head}<${Failure} error=${error} retry=${retry} />`;
  if (table) return html`${head}<${SessionTable} params=${params} tick=${tick} />`;
  if (!data) return html`${head}<div class="timeline waiting" />`;
  if (data.total === 0) return html`${head}<${Empty} title="No calls ${narrowed() ? 'match ' : ''}in the last ${lasting(span)}" icon="sessions">They appear here within a second of their end.<//>`;
  return html`${head}<${Timeline} key=${span} data=${data} params=${params} last=${span} />`;
}

/** @param {{table: boolean}} props */
const As = ({ table }) => html`<div class="switch" role="radiogroup" aria-label="Show as">${[['timeline', false], ['table', true]].map(([l, t]) => html`<button type="button" role="radio" aria-checked=${table === t} onClick=${() => patch({ as: t ? 'table' : null }, { replace: true })}>${l}</button>`)}</div>`;

/** @param {{source: import('../lib/types.js').Source|null}} props */
function Whole({ source }) {
  const place = usePlace();
  const params = filterParams(place);
  const { data, error, retry } = useAPI('/timeline', { ...params, limit: 120000, bins: 2000 });
  const table = place.query.get('as') === 'table';
  const tools = html`<${Legend} /><${As} table=${table} />`;
  const head = html`<${PageHead} title="Sessions" total=${data ? data.lanes.length : null} unit=${data?.lanes.length === 1 ? 'session' : 'sessions'}>${tools}<//>`;
  if (error) return html`${head}<${Failure} error=${error} retry=${retry} />`;
  if (!data) return html`${head}<div class="timeline waiting" />`;
  if (data.total === 0) {
    return html`${head}${narrowed() ? html`<${Empty} title="No call matches">Nothing fits the filter and the time range. <button type="button" class="link-button" onClick=${() => patch({ filter: null, from: null, to: null })}>Show all</button><//>`
      : html`<${Empty} title="No calls in this recording" icon="sessions" command="perfd analyze FILE --rpc-port 8069">If Odoo listens on another port, name it:<//>`}`;
  }
  return table ? html`${head}<${SessionTable} params=${params} />` : html`${head}<${Timeline} data=${data} params=${params} source=${source} />`;
}

/**
 * @param {{data: import('../lib/types.js').Timeline, params: Record<string, string|string[]>, last?: number}} props
 *   last: the window is as many seconds wide and ends now, until the reader moves it
 */
function Timeline({ data, params, last = 0 }) {
  const { query } = usePlace();
  const paused = useLive((l) => l.paused);
  const [now, setNow] = useState(serverNow);
  const [follow, setFollow] = useState(last); // how wide the window is that goes with time; 0: it stays
  const full = /** @type {Range} */ (useMemo(() => [0, Math.max(1e-3, (last ? Math.max(now, data.t1) : data.t1) - data.t0)], [data, last ? now : 0]));
  const [still, setView] = useState(() => (last ? full : read(query.get('zoom'), full)));
  const view = /** @type {Range} */ (last && follow ? [Math.max(0, full[1] - follow), full[1]] : still);
  useEffect(() => {
    if (!last || paused) return undefined;
    const timer = setInterval(() => !document.hidden && setNow(serverNow()), Math.min(1000, Math.max(100, (follow || last) * 0.5)));
    return () => clearInterval(timer);
  }, [last, follow, paused]);
  const [top, setTop] = useState(0);
  const [hover, setHover] = useState(-1);
  const [box, size] = useSize();
  const canvas = useRef(/** @type {HTMLCanvasElement|null} */ (null));
  const timer = useRef(0);
  const first = useRef(true);
  const origin = useRef(data.t0);
  useEffect(() => {
    const by = data.t0 - origin.current;
    origin.current = data.t0;
    if (first.current) first.current = false;
    else if (!last) setView(full);
    else if (by) setView((v) => [Math.max(0, v[0] - by), Math.max(1, v[1] - by)]);
  }, [data]);
  useEffect(() => () => clearTimeout(timer.current), []);
  // Too many calls to send at once come as sums; those of a narrow window are asked for anew.
  const [asked, setAsked] = useState(/** @type {Range|null} */ (null));
  const detail = useAPI(data.mode === 'bins' && asked ? '/timeline' : null, asked ? { ...params, from: (data.t0 + asked[0]).toFixed(6), to: (data.t0 + asked[1]).toFixed(6), limit: 120000 } : {});
  const zoomTo = (/** @type {Range} */ v) => {
    const wide = v[1] - v[0];
    const zoomed = Math.abs(wide - (view[1] - view[0])) > wide * 1e-6;
    const end = last > 0 && !paused && ((follow > 0 && zoomed) || v[1] >= full[1] - wide * 0.01);
    setFollow(end ? wide : 0);
    setView(v);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      if (!last) patch({ zoom: write(v, full) }, { replace: true }); // where all moves, no address holds
      if (data.mode === 'bins') setAsked(v[1] - v[0] < (full[1] - full[0]) * 0.6 ? [Math.max(full[0], v[0] - (v[1] - v[0])), Math.min(full[1], v[1] + (v[1] - v[0]))] : null);
    }, 250);
  };
  const shown = /** @type {import('../lib/types.js').Timeline} */ (detail.data?.mode === 'calls' ? rebase(detail.data, data) : data.mode === 'bins' ? fromBins(data) : data);
  const l = useMemo(() => layout(shown), [data, detail.data]);
  const counted = data.mode === 'bins' && shown.names.length === 0;
  const gutter = size.width < 700 ? 92 : 188;
  // Rows share the height there is, within limits; what does not fit scrolls.
  const depth = useMemo(() => l.lanes.reduce((n, lane) => n + lane.depth, 0), [l]);
  const row = Math.max(ROW_MIN, Math.min(ROW_MAX, Math.floor((size.height - HEAD - l.lanes.length * PAD) / Math.max(1, depth))));
  const tops = useMemo(() => {
    let y = 0;
    return l.lanes.map((lane) => {
      const at = y;
      y += lane.depth * row + PAD;
      return at;
    });
  }, [l, row]);
  const tall = (tops[tops.length - 1] ?? 0) + (l.lanes[l.lanes.length - 1]?.depth ?? 1) * row + PAD;
  const room = Math.max(0, size.height - HEAD);
  const scrollMax = Math.max(0, tall - room);
  const y0 = Math.min(top, scrollMax);
  const grip = useRef(/** @type {number|null} */ (null));
  const thumb = Math.max(24, (room / Math.max(1, tall)) * room);

  const scrollTo = (/** @type {number} */ y, /** @type {Event} */ e) => {
    e.preventDefault();
    setTop(Math.max(0, Math.min(scrollMax, y)));
  };
  const barY = (/** @type {PointerEvent} */ e) => e.clientY - /** @type {HTMLElement} */ (e.currentTarget).getBoundingClientRect().top;

  const draw = (/** @type {CanvasRenderingContext2D} */ g, /** @type {number} */ w, /** @type {number} */ h) => {
    const c = colours();
    const width = w - gutter;
    const span = view[1] - view[0];
    const grid = clockTicks(data.t0 + view[0], data.t0 + view[1], Math.max(3, Math.floor(width / 120)));
    g.textBaseline = 'middle';
    g.font = `11px ${c.mono}`;
    for (const t of grid.ticks) {
      const px = Math.round(gutter + ((t - data.t0 - view[0]) / span) * width);
      g.fillStyle = c.line;
      if (px > gutter + 1) g.fillRect(px, HEAD - 6, 1, h);
      const text = clock(t, grid.step);
      g.fillStyle = c['ink-3'];
      if (px + 4 + g.measureText(text).width <= w) g.fillText(text, px + 4, HEAD / 2 - 2);
    }
    g.save();
    g.beginPath();
    g.rect(0, HEAD, w, h - HEAD);
    g.clip();
    l.lanes.forEach((lane, i) => {
      const y = HEAD + tops[i] - y0;
      const laneHeight = lane.depth * row + PAD;
      if (y > h || y + laneHeight < HEAD) return;
      g.fillStyle = c.line;
      g.fillRect(0, y + laneHeight - 1, w, 1);
      g.save();
      g.beginPath();
      g.rect(gutter, HEAD, width, h - HEAD);
      g.clip();
      lane.rows.forEach((list, r) => {
        const by = y + PAD / 2 + r * row;
        walk(l, list, view[0], view[1], width, LEAST, (k, x, bw) => drawBar(g, c, k, gutter + x, by, bw, width), (x, main, n, failed) => {
          g.fillStyle = c.part[main];
          g.globalAlpha = n > 3 ? 1 : n > 1 ? 0.85 : 0.7;
          g.fillRect(gutter + x, by, 1, row - 2);
          g.globalAlpha = 1;
          if (failed) {
            g.fillStyle = c.lock;
            g.fillRect(gutter + x - 0.5, by + row - 3, 2, 2);
          }
        });
      });
      g.restore();
      g.textAlign = 'left';
      g.font = `600 12px ${c.font}`;
      g.fillStyle = c.ink;
      const two = laneHeight >= 34 && gutter > 100;
      const ty = y + (two ? 11 : Math.min(laneHeight, row + PAD) / 2 - 0.5);
      const name = fit(g, lane.label, gutter - 14);
      g.fillText(name, 0, ty);
      const used = g.measureText(name).width;
      g.font = `11px ${c.mono}`;
      g.fillStyle = c['ink-3'];
      if (two) g.fillText(fit(g, lane.detail, gutter - 14), 0, y + 26);
      else if (gutter > 100) g.fillText(fit(g, lane.session ? lane.session.slice(0, 8) : lane.detail, gutter - 22 - used), used + 8, ty);
    });
    g.restore();
    g.fillStyle = c['line-strong'];
    g.fillRect(0, HEAD - 1, w, 1);
    g.fillStyle = c.line;
    g.fillRect(gutter - 1, HEAD, 1, h);
  };
  const drawBar = (/** @type {CanvasRenderingContext2D} */ g, /** @type {any} */ c, /** @type {number} */ k, /** @type {number} */ x, /** @type {number} */ y, /** @type {number} */ w, /** @type {number} */ width) => {
    const h = row - 2;
    const left = Math.max(x, gutter - 2);
    const right = Math.min(x + w, gutter + width + 2);
    if (w < 4) {
      g.fillStyle = c.part[l.main[k]];
      g.fillRect(left, y, Math.max(1, right - left - 0.5), h);
    } else {
      const sum = l.end[k] - l.start[k];
      let at = x;
      for (let p = 0; p < 7; p++) {
        const pw = (l.parts[k * 7 + p] / sum) * (w - 1);
        if (!(pw > 0)) continue;
        if (at + pw >= left && at <= right) {
          g.fillStyle = c.part[p];
          g.fillRect(Math.max(at, left), y, Math.min(at + pw, right) - Math.max(at, left), h);
        }
        at += pw;
      }
    }
    if (l.failed[k]) {
      g.fillStyle = c['lock-ink'];
      g.fillRect(left, y + h - 2, Math.max(2, right - left - 1), 2);
    }
    if (k === hover) {
      g.strokeStyle = c.ink;
      g.strokeRect(left - 0.5, y - 0.5, right - left, h + 1);
    }
    const text = l.names[l.name[k]];
    if (text && right - left > 40) {
      g.font = `11px ${c.mono}`;
      const room = right - left - 10;
      const s = g.measureText(text).width <= room ? text : fit(g, text.replace(/^.*[./](?=.)/, ''), room);
      if (s) {
        g.textAlign = 'left';
        g.fillStyle = 'oklch(0.17 0.02 265)';
        g.fillText(s, left + 5, y + h / 2 + 0.5);
      }
    }
  };
  const at = (/** @type {{clientX: number, clientY: number}} */ e) => {
    const r = /** @type {HTMLElement} */ (canvas.current).getBoundingClientRect();
    const x = e.clientX - r.left - gutter;
    const y = e.clientY - r.top - HEAD + y0;
    if (x < 0 || e.clientY - r.top < HEAD) return { k: -1, lane: -1 };
    let lane = tops.length - 1;
    while (lane > 0 && tops[lane] > y) lane--;
    const list = l.lanes[lane]?.rows[Math.floor((y - (tops[lane] ?? 0) - PAD / 2) / row)];
    if (!list) return { k: -1, lane };
    const span = view[1] - view[0];
    const width = r.width - gutter;
    return { k: hit(l, list, view[0] + (x / width) * span, (span / width) * 3), lane };
  };
  const partsOf = (/** @type {number} */ k) => Object.fromEntries(PARTS.map((p, j) => [p, l.parts[k * 7 + j]]));
  const move = (/** @type {PointerEvent} */ e) => {
    if (e.buttons) return;
    const { k, lane } = at(e);
    setHover(k);
    if (k < 0) {
      hideTip();
      return;
    }
    const seconds = l.end[k] - l.start[k];
    showTip(e, html`<${PartsTip} title=${counted ? plural(shown.calls.id[k], 'call') : l.names[l.name[k]]} parts=${partsOf(k)} total=${counted ? undefined : seconds}>
      <div class="tip-foot">${l.lanes[lane].label} · ${clock(data.t0 + l.start[k], 1e-3)} UTC${l.failed[k] ? html` · <span class="harm">failed</span>` : ''}</div><//>`);
  };
  const click = (/** @type {PointerEvent} */ e) => {
    const { k } = at(e);
    if (k >= 0 && !counted) go(link(`/calls/${l.id[k]}`));
  };
  useGestures({ ref: canvas, view, full, inset: gutter, onChange: zoomTo, onClick: click, onScroll: (dy) => setTop((t) => Math.max(0, Math.min(scrollMax, t + dy))) });
  const sums = useMemo(() => density(data.mode === 'bins' ? layout(fromBins(data)) : l, full[1], 600), [data, last ? Math.floor(now / 5) : 0]);
  const mini = (/** @type {CanvasRenderingContext2D} */ g, /** @type {number} */ w, /** @type {number} */ h) => {
    const c = colours();
    const n = sums.length / 7;
    let max = 1e-12;
    for (let i = 0; i < n; i++) {
      let s = 0;
      for (let p = 0; p < 7; p++) s += sums[i * 7 + p];
      max = Math.max(max, s);
    }
    for (let i = 0; i < n; i++) {
      let y = h;
      for (let p = 0; p < 7; p++) {
        const d = (sums[i * 7 + p] / max) * (h - 4);
        if (d <= 0) continue;
        g.fillStyle = c.part[p];
        g.fillRect((i / n) * w, y - d, w / n + 0.3, d);
        y -= d;
      }
    }
  };
  return html`<div class="timeline">
    <div class="timeline-mini" style=${{ paddingLeft: `${gutter}px` }}><${Minimap} draw=${mini} deps=${[sums]} view=${view} full=${full} onChange=${zoomTo} label="Load over the whole time" /></div>
    <div class="timeline-box" ref=${box}><div style=${{ height: `${Math.min(size.height, HEAD + tall + 2)}px` }}><${Canvas} draw=${draw} deps=${[l, view, y0, hover, gutter, row]} canvasRef=${canvas}
      label="${l.lanes.length} sessions, ${data.total} calls over time. The table shows them as figures." onPointerMove=${move} onPointerLeave=${() => {
    setHover(-1);
    hideTip();
  }} /></div>
      ${scrollMax > 0 && html`<div class="timeline-scroll" style=${{ top: `${HEAD}px` }} role="scrollbar" aria-label="Sessions above and below" aria-orientation="vertical" aria-valuemin="0" aria-valuemax=${Math.round(scrollMax)} aria-valuenow=${Math.round(y0)} tabindex="0"
        onKeyDown=${(/** @type {KeyboardEvent} */ e) => {
    const by = { ArrowDown: row * 2, ArrowUp: -row * 2, PageDown: room, PageUp: -room, Home: -tall, End: tall }[e.key];
    if (by) scrollTo(y0 + by, e);
  }} onPointerDown=${(/** @type {PointerEvent} */ e) => {
    /** @type {HTMLElement} */ (e.currentTarget).setPointerCapture(e.pointerId);
    const at = y0 * (room - thumb) / scrollMax;
    const y = barY(e);
    grip.current = y >= at && y <= at + thumb ? y - at : thumb / 2;
    scrollTo(((y - grip.current) / (room - thumb)) * scrollMax, e);
  }} onPointerMove=${(/** @type {PointerEvent} */ e) => grip.current !== null && scrollTo(((barY(e) - grip.current) / (room - thumb)) * scrollMax, e)}
        onPointerUp=${() => {
    grip.current = null;
  }} onPointerCancel=${() => {
    grip.current = null;
  }}><i style=${{ height: `${thumb}px`, transform: `translateY(${(y0 / scrollMax) * (room - thumb)}px)` }} /></div>`}</div>
    <p class="hint"><span>times in UTC</span><span><kbd>wheel</kbd> zoom</span><span><kbd>drag</kbd> pan</span>${scrollMax > 0 && html`<span><kbd>Shift + wheel</kbd> scroll</span>`}<span><kbd>W A S D</kbd></span><span><kbd>double click</kbd> show all</span>
      ${last > 0 && !follow && html`<button type="button" class="link-button" onClick=${() => setFollow(view[1] - view[0])}>go on with time</button>`}
      <span class="n end">${last ? lasting(view[1] - view[0]) : durationText(view[1] - view[0])} shown${counted ? ', summed up: zoom in for single calls' : ''}</span></p>
  </div>`;
}

/**
 * Sums by bin as if they were calls, so that one drawing serves both.
 * @param {import('../lib/types.js').Timeline} d
 * @returns {import('../lib/types.js').Timeline}
 */
function fromBins(d) {
  const b = d.bins;
  const order = b.bin.map((_, i) => i).sort((x, y) => b.bin[x] - b.bin[y]);
  const parts = order.flatMap((i) => {
    const seven = b.parts.slice(i * 7, i * 7 + 7);
    const sum = seven.reduce((s, x) => s + x, 0) || 1;
    return seven.map((x) => (x / sum) * Math.min(b.dt, b.busy[i]));
  });
  return {
    ...d, mode: 'calls', names: [],
    calls: {
      lane: order.map((i) => b.lane[i]), id: order.map((i) => b.calls[i]), start: order.map((i) => b.bin[i] * b.dt),
      duration: order.map((i) => Math.min(b.dt, b.busy[i])), failed: order.map(() => 0), name: order.map(() => 0), parts,
    },
  };
}

/**
 * Calls of a window, on the lanes and the origin of the whole.
 * @param {import('../lib/types.js').Timeline} part
 * @param {import('../lib/types.js').Timeline} whole
 */
function rebase(part, whole) {
  const key = (/** @type {{session: string, user: string, client: string}} */ l) => `${l.session}|${l.user}|${l.session ? '' : l.client}`;
  const index = new Map(whole.lanes.map((l, i) => [key(l), i]));
  const lanes = part.lanes.map((l) => index.get(key(l)) ?? 0);
  const shift = part.t0 - whole.t0;
  return { ...part, t0: whole.t0, lanes: whole.lanes, calls: { ...part.calls, lane: part.calls.lane.map((i) => lanes[i]), start: part.calls.start.map((s) => s + shift) } };
}

/** The sessions as figures. @param {{params: Record<string, string|string[]>, tick?: number}} props */
function SessionTable({ params, tick = 0 }) {
  const { data, error, retry } = useAPI('/sessions', params, tick);
  if (error) return html`<${Failure} error=${error} retry=${retry} />`;
  const rows = /** @type {any[]} */ (data?.rows ?? []);
  const most = Math.max(...rows.map((r) => r.total), 1e-12);
  return html`<div class="scroll grow"><table class="plain sticky"><thead><tr>${['User', 'Session', 'Client', 'First (UTC)', 'Last (UTC)'].map((h) => html`<th scope="col">${h}</th>`)}${['Calls', 'Errors', 'Stmts', 'p50', 'p95', 'Max', 'Total'].map((h) => html`<th scope="col" class="num">${h}</th>`)}<th scope="col" class="wide"><span class="sr">${Object.values(LABEL).join(', ')}</span></th></tr></thead>
    <tbody>${rows.map((r) => html`<tr key=${r.session + r.user + r.client}><td><a class="link" href=${link('/calls', { filter: r.session ? `session:${r.session}` : r.user ? `user:${r.user}` : '' })}>${r.user || 'no user'}</a></td><td class="n dim">${r.session || '–'}</td><td class="n dim">${r.client}</td><td class="n dim">${clock(r.first)}</td><td class="n dim">${clock(r.last)}</td>
      <td class="num"><${Count} n=${r.calls} /></td><td class="num ${r.errors ? 'harm' : 'dim'}"><${Count} n=${r.errors} /></td><td class="num"><${Count} n=${r.statements} /></td><td class="num"><${Dur} s=${r.p50} /></td><td class="num"><${Dur} s=${r.p95} /></td><td class="num"><${Dur} s=${r.max} /></td><td class="num"><${Dur} s=${r.total} /></td>
      <td class="wide"><${PartsBar} parts=${r.parts} width=${r.total / most} title=${r.user || 'no user'} total=${r.total} /></td></tr>`)}</tbody></table></div>`;
}
