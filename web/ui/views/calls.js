// The calls as a table: one row a call, each ending with its bar in the five colours.

import { usePages, useAPI } from '../api.js';
import { order as inOrder, find, places } from '../lib/live.js';
import { clock, count, duration, durationText, join, plural } from '../lib/format.js';
import { terms } from '../lib/filter.js';
import { barTicks, position } from '../lib/scale.js';
import { LABEL, PARTS } from '../lib/parts.js';
import { useAdded, useLive } from '../live.js';
import { filterParams, go, here, link, patch, usePlace } from '../state.js';
import { Legend, PartsBar } from '../widgets/bar.js';
import { Empty, Failure } from '../widgets/empty.js';
import { narrowed, PageHead } from '../widgets/frame.js';
import { MethodName } from '../widgets/name.js';
import { html, useCallback, useMemo, useState } from '../widgets/html.js';
import { Icon } from '../widgets/icons.js';
import { Count, Dur } from '../widgets/num.js';
import { Table } from '../widgets/table.js';
import { PartsTip, tip } from '../widgets/tip.js';

/** @typedef {import('../lib/types.js').Call} Call */

const MAX_PINS = 6;
/** 100 ms rather than 1.00 s's three digits: the axis has round numbers only. @param {[string, string]} p @returns {[string, string]} */
const short = ([v, u]) => [v.replace(/\.0+$/, ''), u];
/** What comes first on a phone, and how wide it is there. */
const PHONE = { name: '160px', duration: '72px', bar: '98px', user: '80px' };

/** @param {{source: import('../lib/types.js').Source|null}} props */
export function Calls({ source }) {
  const place = usePlace();
  const q = place.query;
  const sort = q.get('sort') ?? 'start';
  const paused = useLive((l) => l.paused);
  const lost = useLive((l) => l.status === 'lost');
  const order = q.get('order') ?? (source?.watching && sort === 'start' ? 'desc' : 'asc');
  const scale = q.get('scale') === 'linear' ? 'linear' : 'log';
  const selected = q.has('row') ? Number(q.get('row')) : -1;
  const pins = useMemo(() => (q.get('pin') ?? '').split(',').filter((x) => /^\d+$/.test(x)).map(Number), [q.get('pin')]);
  const filter = filterParams(place);
  const [busy, setBusy] = useState(false);
  const { until, rows: fresh, waiting } = useAdded(filter, sort, order, busy || selected >= 0);
  const begun = source && (!source.watching || until !== null || lost);
  const base = usePages(begun ? '/calls' : null, { ...filter, sort, order, until: until ?? undefined });
  const at = places(fresh, base.row, base.total ?? 0, inOrder(sort, order));
  const list = {
    ...base,
    total: base.total === null ? null : base.total + fresh.length,
    row: (/** @type {number} */ i) => {
      const f = find(at, i);
      return /** @type {Call|undefined} */ (f.row >= 0 ? fresh[f.row] : base.row(f.base));
    },
    need: useCallback((/** @type {number} */ a, /** @type {number} */ b) => base.need(Math.max(0, a - fresh.length), b), [base.need, fresh.length]),
  };
  const catchUp = () => {
    document.querySelector('.table.fill')?.scrollTo(0, 0);
    setBusy(false);
    patch({ row: null }, { replace: true });
  };
  const span = useAPI('/overview', { ...filter, buckets: 150, top: 1 });
  const max = Math.max(span.data?.max ?? 0, ...fresh.map((c) => c.duration));
  const min = max / 2000;
  const keep = { sort: q.get('sort'), order: source?.watching ? order : q.get('order'), scale: q.get('scale') };
  const open = (/** @type {number} */ i) => {
    const c = list.row(i);
    if (c) go(link(`/calls/${c.id}`, { sort: keep.sort, order: keep.order }));
  };
  const pin = (/** @type {number} */ i) => {
    const c = list.row(i);
    if (!c) return;
    const next = pins.includes(c.id) ? pins.filter((x) => x !== c.id) : [...pins, c.id].slice(-MAX_PINS);
    patch({ pin: next.join(',') }, { replace: true });
  };
  const step = source && source.seconds < 3600 ? 1e-3 : 1;
  const columns = useMemo(() => [
    { key: 'start', label: 'Start (UTC)', width: '98px', cell: (/** @type {Call} */ c) => html`<span class="n dim">${clock(c.start, step)}</span>` },
    { key: 'name', label: 'Method', width: 'minmax(220px, 2.2fr)', cell: (/** @type {Call} */ c) => html`<a class="cut name" href=${link(`/calls/${c.id}`, { sort: keep.sort, order: keep.order })} title=${c.path} tabindex="-1"><${MethodName} name=${c.name} model=${c.model} verb=${c.transport === 'http' ? c.verb : ''} /></a>
      ${pins.includes(c.id) && html`<${Icon} name="pin" size="12" />`}` },
    { key: 'user', label: 'User', width: 'minmax(72px, 0.7fr)', cell: (/** @type {Call} */ c) => html`<span class="cut">${c.user || html`<span class="faint">–</span>`}</span>` },
    { key: 'error', label: 'Result', width: '94px', cell: (/** @type {Call} */ c) => html`<${Result} call=${c} />` },
    { key: 'findings', label: 'Findings', width: '60px', num: true, title: 'Findings in this call', cell: (/** @type {Call} */ c) => (c.findings.length ? html`<span class="n" title=${c.findings.join(', ')}>${c.findings.length}</span>` : html`<span class="faint">·</span>`) },
    { key: 'statements', label: 'Stmts', width: '60px', num: true, title: 'SQL statements', cell: (/** @type {Call} */ c) => html`<${Count} n=${c.statements} />` },
    { key: 'sql', label: 'SQL', width: '74px', num: true, cell: (/** @type {Call} */ c) => html`<${Dur} s=${c.parts.sql} />` },
    { key: 'wait', label: 'Wait', width: '74px', num: true, title: 'Wait to be served', cell: (/** @type {Call} */ c) => html`<${Dur} s=${c.parts.wait} />` },
    { key: 'duration', label: 'Duration', width: '80px', num: true, cell: (/** @type {Call} */ c) => html`<${Dur} s=${c.duration} />` },
    { key: 'bar', label: html`<span class="bar-axis" aria-hidden="true">${barTicks(scale, min, max).map((t) => html`<i style=${{ left: `${t.at * 100}%` }}>${join(short(duration(t.value)))}</i>`)}</span>`, width: 'minmax(160px, 2fr)', sort: false, cell: (/** @type {Call} */ c) => html`<${PartsBar} parts=${c.parts} width=${position(scale, c.duration, min, max)} />` },
  ], [pins, scale, min, max, step, keep.sort, keep.order]);
  const row = list.row;
  const hover = (/** @type {number} */ i) => tip(() => {
    const c = list.row(i);
    return c && html`<${PartsTip} title=${c.name} parts=${c.parts} total=${c.duration}>
      <div class="tip-foot">${plural(c.statements, 'statement')}${c.user && ` · ${c.user}`}${c.gaps.length > 0 && ` · recording lacks: ${c.gaps.join(', ')}`}</div><//>`;
  });
  let body;
  if (list.error) body = html`<${Failure} error=${list.error} retry=${list.retry} />`;
  else if (list.total === 0) body = html`<${NoCalls} source=${source} />`;
  else {
    body = html`<${Table} label="Calls" columns=${columns} phone=${PHONE} count=${list.total} row=${row} need=${list.need} sort=${sort} order=${order} fill keys
      onSort=${(/** @type {string} */ s, /** @type {string} */ o) => patch({ sort: s, order: o, row: null }, { replace: true })}
      selected=${selected} onSelect=${(/** @type {number} */ i) => patch({ row: i }, { replace: true })} onOpen=${open} onPin=${pin} hover=${hover} onHold=${source?.watching ? setBusy : undefined}
      rowClass=${(/** @type {number} */ i) => (pins.includes(/** @type {Call} */ (list.row(i)).id) ? 'is-pinned' : '')} />`;
  }
  return html`<${PageHead} title="Calls" total=${list.total} unit=${narrowed() ? 'match' : 'in all'}>
      ${waiting > 0 && !paused && html`<button type="button" class="button small fresh" onClick=${catchUp} title="Show them at their place">${join(count(waiting))} new <${Icon} name="up" size="12" /></button>`}
      <${Legend} />
      <div class="switch" role="radiogroup" aria-label="Scale of the bars">
        ${['log', 'linear'].map((s) => html`<button type="button" role="radio" aria-checked=${scale === s} onClick=${() => patch({ scale: s === 'log' ? null : s }, { replace: true })}>${s}</button>`)}
      </div>
    <//>
    ${body}
    ${pins.length > 0 && html`<${Pinned} pins=${pins} scale=${scale} />`}`;
}

/** @param {{call: Call}} props */
function Result({ call }) {
  if (!call.failed) return html`<span class="dim n">${call.status || (call.gaps.includes('unanswered') ? 'no answer' : '–')}</span>`;
  const name = call.error ? call.error.replace(/^.*\./, '') : String(call.status);
  return html`<span class="harm cut" title=${call.error || `HTTP ${call.status}`}>${name}</span>`;
}

/** @param {{source: import('../lib/types.js').Source|null}} props */
function NoCalls({ source }) {
  if (narrowed()) {
    const exact = terms(here().query.get('filter') ?? '').find((t) => ['user', 'method', 'model'].includes(t.field));
    return html`<${Empty} title="No call matches">Nothing in the recording fits the filter and the time range.
      ${exact && html` <code>${exact.field}:</code> takes a whole name; for a part of one write it alone: <code>${exact.value}</code>.`} <button type="button" class="link-button" onClick=${() => patch({ filter: null, from: null, to: null })}>Show all calls</button><//>`;
  }
  if (source?.watching) return html`<${Empty} title="No calls yet" icon="calls" command="perfd doctor">Calls appear here within a second of their end. If the server works and none come, this says why:<//>`;
  return html`<${Empty} title="No calls in this recording" icon="calls" command="perfd analyze FILE --rpc-port 8069">${source && source.packets > 0
    ? 'There are packets, but no HTTP request was found in them. If Odoo listens on another port, name it:' : 'The recording holds no packets of HTTP traffic.'}<//>`;
}

/** Pinned calls side by side, on one scale. @param {{pins: number[], scale: 'log'|'linear'}} props */
function Pinned({ pins, scale }) {
  const rows = pins.map((id) => useAPI(`/calls/${id}`));
  const calls = rows.map((r) => /** @type {Call|undefined} */ (r.data?.call));
  const max = Math.max(...calls.map((c) => c?.duration ?? 0), 1e-9);
  const drop = (/** @type {number} */ id) => patch({ pin: pins.filter((x) => x !== id).join(',') }, { replace: true });
  return html`<section class="pinned" aria-label="Pinned calls" key=${pins.length}>
    <div class="pinned-head"><h2>Compare ${pins.length === 1 ? 'one call' : `${pins.length} calls`}</h2><span class="dim">Shift-click a row to pin another</span>
      <button type="button" class="tool" onClick=${() => patch({ pin: null }, { replace: true })} aria-label="Unpin all" title="Unpin all"><${Icon} name="close" size="14" /></button></div>
    <div class="pinned-scroll"><table><thead><tr><th scope="col">Call</th><th scope="col" class="num">Duration</th><th scope="col" class="num">Stmts</th>
      ${PARTS.filter((p) => calls.some((c) => c && c.parts[p] > 0)).map((p) => html`<th scope="col" class="num"><i class="chip p-${p}" /> ${LABEL[p].replace(' to be served', '')}</th>`)}<th scope="col" class="wide" /><th /></tr></thead>
    <tbody>${calls.map((c, i) => html`<tr key=${pins[i]}>
      <td>${c ? html`<a class="link" href=${link(`/calls/${c.id}`)}>${c.name}</a> <span class="dim">${c.user}</span>` : html`<span class="dim">call ${pins[i]}</span>`}</td>
      <td class="num"><${Dur} s=${c?.duration} /></td><td class="num"><${Count} n=${c?.statements} /></td>
      ${PARTS.filter((p) => calls.some((x) => x && x.parts[p] > 0)).map((p) => html`<td class="num"><${Dur} s=${c?.parts[p]} /></td>`)}
      <td class="wide">${c && html`<${PartsBar} parts=${c.parts} width=${position(scale, c.duration, max / 2000, max)} title=${`${c.name}, ${durationText(c.duration)}`} total=${c.duration} />`}</td>
      <td><button type="button" class="tool" onClick=${() => drop(pins[i])} aria-label="Unpin" title="Unpin"><${Icon} name="close" size="12" /></button></td></tr>`)}</tbody></table></div>
  </section>`;
}
