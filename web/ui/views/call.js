// One call: a sentence, the waterfall, what is selected in it, findings, and all statements as a table.

import { useAPI } from '../api.js';
import { bytes, clock, day, duration, durationText, join, percent, plural, sentence } from '../lib/format.js';
import { withTerm } from '../lib/filter.js';
import { pretty } from '../lib/sql.js';
import { holder, lanes as layLanes } from '../lib/waterfall.js';
import { read, write } from '../lib/viewport.js';
import { filterParams, go, here, link, patch, usePlace } from '../state.js';
import { Legend } from '../widgets/bar.js';
import { Copy, Empty, Failure, Skeleton } from '../widgets/empty.js';
import { useTitle } from '../widgets/frame.js';
import { html, useEffect, useMemo, useRef, useState } from '../widgets/html.js';
import { Icon } from '../widgets/icons.js';
import { Bytes, Count, Dur, Percent } from '../widgets/num.js';
import { SQL } from '../widgets/sqlview.js';
import { StatementName } from '../widgets/name.js';
import { Table } from '../widgets/table.js';
import { Waterfall } from '../widgets/waterfall.js';

/**
 * @typedef {import('../lib/types.js').CallDetail} CallDetail
 * @typedef {import('../lib/types.js').Span} Span
 */

const EVIDENCE = /** @type {Record<string, string>} */ ({
  none: 'No evidence ties it to a call.',
  timing: 'Inferred from time, order and the pool’s behaviour.',
  content: 'Inferred: values of the statement occur in the call.',
  exclusive: 'Exact: no other call was open that could own the lease.',
  process: 'Exact: the operating system named the process.',
});
const GAPS = /** @type {Record<string, string>} */ ({
  request: 'bytes of the request were lost', response: 'bytes of the response were lost', joined: 'its beginning was not recorded', unanswered: 'no answer was recorded', statements: 'statements may have been lost', order: 'packets were recorded out of order',
});

/** @param {{arg: string}} props */
export function Call({ arg }) {
  const place = usePlace();
  const sort = place.query.get('sort') ?? undefined;
  const order = place.query.get('order') ?? undefined;
  const { data, error, retry } = useAPI(`/calls/${arg}`, { ...filterParams(place), sort, order });
  const d = /** @type {CallDetail|null} */ (data);
  useTitle(d ? `${d.call.name} ${durationText(d.call.duration)}` : `Call ${arg}`);
  const to = (/** @type {number|undefined} */ id) => link(`/calls/${id}`, { sort, order });
  useEffect(() => {
    const onKey = (/** @type {KeyboardEvent} */ e) => {
      if (e.target instanceof Element && e.target.closest('input, textarea, dialog')) return;
      if (e.key === '[' && d?.prev !== undefined) go(to(d.prev));
      if (e.key === ']' && d?.next !== undefined) go(to(d.next));
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  });
  const nav = html`<div class="crumbs"><a class="crumb" href=${link('/calls', { sort, order })}><${Icon} name="left" size="14" />Calls</a>
    <span class="steps">${step('prev', d?.prev, to, 'Previous call ([)', 'left')}<span class="n dim">#${arg}</span>${step('next', d?.next, to, 'Next call (])', 'right')}</span></div>`;
  if (error) return html`${nav}${error.status === 404 ? html`<${Empty} title="No call ${arg}" icon="calls">This recording has no call of that number. <a class="link" href=${link('/calls')}>All calls</a><//>` : html`<${Failure} error=${error} retry=${retry} />`}`;
  if (!d) return html`${nav}<div class="call"><h1 class="sentence"><i class="ghost line" /></h1><${Skeleton} rows=${14} /></div>`;
  return html`${nav}<${Body} d=${d} key=${d.call.id} />`;
}

/** @param {string} key @param {number|undefined} id @param {(id: number|undefined) => string} to @param {string} label @param {string} icon */
const step = (key, id, to, label, icon) => (id === undefined ? html`<span class="tool off" key=${key}><${Icon} name=${icon} size="14" /></span>`
  : html`<a class="tool" key=${key} href=${to(id)} aria-label=${label} title=${label}><${Icon} name=${icon} size="14" /></a>`);

/** @param {{d: CallDetail}} props */
function Body({ d }) {
  const { query } = usePlace();
  const c = d.call;
  const full = /** @type {import('../lib/viewport.js').Range} */ ([Math.min(0, d.front?.start ?? 0), Math.max(c.duration, 1e-6)]);
  const [view, setView] = useState(() => read(query.get('zoom'), full));
  const timer = useRef(0);
  const zoomTo = (/** @type {import('../lib/viewport.js').Range} */ v) => {
    setView(v);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => location.pathname === `/calls/${c.id}` && patch({ zoom: write(v, full) }, { replace: true }), 250);
  };
  useEffect(() => () => clearTimeout(timer.current), []);
  const fold = query.get('fold') !== '0';
  const selected = query.has('span') ? Number(query.get('span')) : -1;
  const select = (/** @type {number} */ i) => patch({ span: i < 0 || i >= d.spans.length ? null : i }, { replace: true });
  useEffect(() => {
    const onKey = (/** @type {KeyboardEvent} */ e) => {
      if (e.target instanceof Element && e.target.closest('input, textarea, dialog')) return;
      if (e.key === 'Escape') select(-1);
      if (e.key === 'f') patch({ fold: fold ? '0' : null }, { replace: true });
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  });
  const folded = useMemo(() => layLanes(d, true).some((l) => l.items.some((i) => i.spans.length > 1)), [d]);
  return html`<div class="call">
    <h1 class="sentence"><${Sentence} d=${d} /></h1>
    <${Meta} d=${d} />
    <div class="call-grid">
      <div class="main-side">
      <section class="panel waterfall-panel" aria-label="Waterfall">
        <div class="panel-head"><h2>Waterfall</h2><${Legend} parts=${c.parts} brief=${true} />
          ${folded && html`<button type="button" class="button small" aria-pressed=${fold ? 'true' : 'false'} title="Fold runs of equal statements (f)" onClick=${() => patch({ fold: fold ? '0' : null }, { replace: true })}>${fold ? 'Unfold runs' : 'Fold runs'}</button>`}</div>
        <${Waterfall} detail=${d} fold=${fold} view=${view} full=${full} onView=${zoomTo} selected=${selected} onSelect=${select} />
        ${d.spans.length === 0 && html`<p class="note">No SQL statement belongs to this call.</p>`}
      </section>
    ${d.findings.length > 0 && html`<section class="panel" aria-label="Findings"><div class="panel-head"><h2>Findings</h2></div>
      <ul class="sentences own">${d.findings.map((f) => html`<li key=${f.rule + f.title}><span class="cost num">${f.cost > 0 ? html`<${Dur} s=${f.cost} />` : html`<span class="faint">–</span>`}</span><div><p>${sentence(f.title)}</p><p class="dim">${f.fix}${f.spans.length > 0 && html` <button type="button" class="link-button" onClick=${() => select(f.spans[0])}>Show it</button>`}</p></div>
        <span class="where"><span class="tag">${f.rule}</span></span></li>`)}</ul></section>`}
      ${d.spans.length > 0 && html`<${Statements} d=${d} selected=${selected} onSelect=${select} />`}
      </div>
      <aside class="panel side" aria-label="Selection">${selected >= 0 && selected < d.spans.length ? html`<${SpanPanel} d=${d} i=${selected} fold=${fold} onSelect=${select} />` : html`<${CallPanel} d=${d} />`}</aside>
    </div>
  </div>`;
}

/** @param {{d: CallDetail}} props */
function Sentence({ d }) {
  const c = d.call;
  const b = (/** @type {[string, string]} */ p) => html`<b>${join(p)}</b>`;
  const worst = [...d.findings].sort((x, y) => y.cost - x.cost)[0];
  const parts = /** @type {[import('../lib/parts.js').Part, string][]} */ ([['wait', 'waiting to be served'], ['sql', 'in SQL'], ['application', 'in the application'], ['lock', 'in locks'], ['retry', 'in retries'], ['transfer', 'in transfer'], ['unknown', 'unexplained']]);
  const [part, words] = [...parts].sort((x, y) => c.parts[y[0]] - c.parts[x[0]])[0];
  const run = worst && worst.spans.length > 1 ? d.shapes[d.spans[worst.spans[0]]?.shape] : undefined;
  return html`${c.user ? html`<b>${c.user}</b> called` : 'A client called'} <span class="mono">${c.name}</span>: ${b(duration(c.duration))}${c.statements > 0 && `, ${plural(c.statements, 'statement')}`}${
    worst && worst.rule === 'n-plus-one' && run ? html`, ${b(duration(worst.cost))} of it in one N+1 on <span class="mono">${run.name.replace(/^[A-Z]+ /, '')}</span>`
      : c.parts[part] > 0 && html`, <span class="said t-${part}">${join(percent(c.parts[part] / Math.max(c.duration, 1e-12)))} ${words}</span>`}${
    c.failed && html`; it failed with <span class="harm">${c.error ? c.error.replace(/^.*\./, '') : `HTTP ${c.status}`}</span>`}.`;
}

/** @param {{d: CallDetail}} props */
function Meta({ d }) {
  const c = d.call;
  const rank = d.method.calls > 1 && d.method.p50 > 0 ? c.duration / d.method.p50 : 0;
  return html`<p class="meta-line">
    <span class="n">${day(c.start)} ${clock(c.start, 1e-6)} UTC</span>
    <span>${c.verb && html`<span class="verb">${c.verb}</span> `}<span class="n cut path" title=${c.path}>${c.path}</span></span>
    <span class="n ${c.failed ? 'harm' : ''}">${c.status || 'no answer'}</span>
    ${rank > 0 && html`<span>${rank >= 1.05 ? html`<b>${rank >= 9.95 ? Math.round(rank) : rank.toFixed(1)}×</b> its median of <${Dur} s=${d.method.p50} />` : html`about its median of <${Dur} s=${d.method.p50} />`}</span>`}
    ${c.gaps.map((g) => html`<span class="tag" title="The recording lacks something of this call">${GAPS[g] ?? g}</span>`)}
  </p>`;
}

/** What the panel says of the call itself. @param {{d: CallDetail}} props */
function CallPanel({ d }) {
  const c = d.call;
  const row = (/** @type {string} */ k, /** @type {any} */ v) => v && html`<dt>${k}</dt><dd>${v}</dd>`;
  const all = (/** @type {string} */ field, /** @type {string} */ v) => html`<a class="link" href=${link('/calls', { filter: withTerm(here().query.get('filter') ?? '', field, v) })}>${v}</a>`;
  return html`<div class="panel-head"><h2>Call</h2><span class="dim">select a bar for its SQL</span></div>
    <dl class="facts">
      ${row('User', c.user && html`${all('user', c.user)}${c.uid && c.user !== `uid ${c.uid}` ? html` <span class="dim">uid ${c.uid}</span>` : ''}`)}
      ${row('Session', c.session && html`<a class="link n" href=${link('/calls', { filter: `session:${c.session}` })}>${c.session}</a>`)}
      ${row('Method', html`<a class="link" href=${link('/calls', { filter: withTerm('', 'method', c.name), sort: 'duration', order: 'desc' })}>${c.name}</a>`)}
      ${row('Records', c.ids > 0 && html`<${Count} n=${c.ids} />`)}
      ${row('Transport', html`${c.transport}${c.database && html` <span class="dim">database ${c.database}</span>`}`)}
      ${row('Client', html`<span class="n">${c.client}</span>`)}
      ${row('Server', html`<span class="n">${c.server}</span>`)}
      ${row('Proxy', d.front && html`<span class="n">${d.front.client} → ${d.front.server}</span><div class="dim"><${Dur} s=${d.front.end - d.front.start} /> from there</div>`)}
      ${row('Bytes', html`<${Bytes} n=${c.request_bytes} /> <span class="dim">in</span>, <${Bytes} n=${c.response_bytes} /> <span class="dim">out</span>`)}
      ${row('First byte', c.first !== undefined && html`after <${Dur} s=${c.first} />`)}
      ${row('Attribution', c.statements > 0 && (d.spans.every((s) => s.exact) ? 'exact for all statements' : html`at least <${Percent} x=${Math.min(c.probability, 0.9999)} /> sure for each`))}
    </dl>
    ${d.method.calls > 1 && html`<${Against} d=${d} />`}`;
}

/** Where the call stands among those of its method. @param {{d: CallDetail}} props */
function Against({ d }) {
  const m = d.method;
  const max = Math.max(m.max, d.call.duration, 1e-9);
  const at = (/** @type {number} */ s) => `${Math.min(100, (Math.log1p((s / max) * 50) / Math.log1p(50)) * 100)}%`;
  return html`<div class="against" role="img" aria-label="This call took ${durationText(d.call.duration)}; of ${m.calls} calls of the method p50 is ${durationText(m.p50)}, p95 ${durationText(m.p95)}, the slowest ${durationText(m.max)}">
    <h3>Among ${plural(m.calls, 'call')} of this method</h3>
    <div class="scale"><i class="band" style=${{ left: at(m.p50), width: `calc(${at(m.p95)} - ${at(m.p50)})` }} /><i class="here" style=${{ left: at(d.call.duration) }} /></div>
    <dl class="figures compact"><div><dt>this call</dt><dd><${Dur} s=${d.call.duration} /></dd></div><div><dt>p50</dt><dd><${Dur} s=${m.p50} /></dd></div><div><dt>p95</dt><dd><${Dur} s=${m.p95} /></dd></div><div><dt>slowest</dt><dd><${Dur} s=${m.max} /></dd></div></dl>
  </div>`;
}

/** @param {{d: CallDetail, i: number, fold: boolean, onSelect: (i: number) => void}} props */
function SpanPanel({ d, i, fold, onSelect }) {
  const s = d.spans[i];
  const shape = d.shapes[s.shape];
  const lease = d.leases[s.lease];
  const run = fold ? holder(layLanes(d, true), i) : undefined;
  const same = d.spans.filter((x) => x.shape === s.shape);
  const sum = same.reduce((t, x) => t + (x.duration ?? 0), 0);
  const row = (/** @type {string} */ k, /** @type {any} */ v) => v && html`<dt>${k}</dt><dd>${v}</dd>`;
  const findings = d.findings.filter((f) => f.spans.includes(i));
  return html`<div class="panel-head"><h2 class="mono cut">${run && run.spans.length > 1 ? run.label : html`<${StatementName} of=${shape} />`}</h2>
      <span class="steps">
        <button type="button" class="tool" disabled=${i === 0} onClick=${() => onSelect(i - 1)} aria-label="Previous statement" title="Previous statement"><${Icon} name="left" size="14" /></button>
        <span class="n dim">${i + 1}/${d.spans.length}</span>
        <button type="button" class="tool" disabled=${i === d.spans.length - 1} onClick=${() => onSelect(i + 1)} aria-label="Next statement" title="Next statement"><${Icon} name="right" size="14" /></button>
        <button type="button" class="tool" onClick=${() => onSelect(-1)} aria-label="Close" title="Close (Esc)"><${Icon} name="close" size="14" /></button></span></div>
    <dl class="figures compact"><div><dt>duration</dt><dd><${Dur} s=${s.duration} /></dd></div><div><dt>at</dt><dd><${Dur} s=${s.start} /></dd></div><div><dt>rows</dt><dd><${Count} n=${s.rows} /></dd></div><div><dt>came back</dt><dd>${s.out === undefined ? '–' : html`<${Bytes} n=${s.out} />`}</dd></div></dl>
    ${run && run.spans.length > 1 && html`<p class="callout">${run.period === 1 ? html`One of a run of <b>${run.spans.length}</b> equal statements` : html`One of <b>${run.spans.length}</b> in a run where ${run.period} statements take turns`}: <b><${Dur} s=${run.busy} /></b> in SQL, <${Dur} s=${run.busy / run.spans.length} /> each.</p>`}
    ${findings.map((f) => html`<p class="callout"><span class="tag">${f.rule}</span> ${f.fix}</p>`)}
    <div class="code-head"><a class="link n" href=${link(`/sql/${shape.fingerprint}`)} title="Everything about this statement">${shape.fingerprint}</a><${Copy} text=${() => pretty(shape.text)} label="Copy the SQL" /></div>
    <${SQL} text=${shape.text} />
    <dl class="facts">
      ${row('Evidence', html`${EVIDENCE[s.by] ?? s.by}${!s.exact ? html` <b><${Percent} x=${s.probability} /></b> sure.` : ''}`)}
      ${row('In this call', same.length > 1 ? html`<${Count} n=${same.length} /> times, <${Dur} s=${sum} /> in all` : 'once')}
      ${row('Repeated', s.duplicate > 0 && html`with the same values ${d.spans.filter((x) => x.duplicate === s.duplicate).length} times`)}
      ${row('Error', s.sqlstate && html`<span class="harm">SQLSTATE <span class="n">${s.sqlstate}</span></span>`)}
      ${row('First row', s.first !== undefined && html`after <${Dur} s=${s.first} />`)}
      ${row('Lease', html`${s.lease + 1} <span class="n dim">${lease?.client ?? ''}${lease?.backend ? ` backend ${lease.backend}` : ''}</span>`)}
      ${row('Lacking', s.gaps.length > 0 && s.gaps.join(', '))}
      ${row('Sent', s.text_bytes !== undefined && html`${join(bytes(s.text_bytes))} of text`)}
    </dl>`;
}

/** The statements as a table: what the canvas shows, for reading and for screen readers. @param {{d: CallDetail, selected: number, onSelect: (i: number) => void}} props */
function Statements({ d, selected, onSelect }) {
  const { query } = usePlace();
  const sort = query.get('ssort') ?? 'start';
  const order = query.get('sorder') ?? 'asc';
  const ranks = useMemo(() => {
    const value = (/** @type {Span} */ s) => (sort === 'duration' ? s.duration ?? 0 : sort === 'rows' ? s.rows ?? -1 : sort === 'shape' ? s.shape : sort === 'probability' ? s.probability : s.start);
    const list = d.spans.map((_, i) => i).sort((a, b) => value(d.spans[a]) - value(d.spans[b]) || a - b);
    return order === 'desc' ? list.reverse() : list;
  }, [d, sort, order]);
  const most = Math.max(...d.spans.map((s) => s.duration ?? 0), 1e-12);
  const span = (/** @type {number} */ i) => d.spans[ranks[i]];
  // Offsets share a unit and their decimals, so that neighbours can be told apart.
  const decimals = d.call.duration >= 10 ? 0 : d.call.duration >= 1 ? 1 : 2;
  const columns = [
    { key: 'start', label: 'At', width: '68px', num: true, cell: (/** @type {Span} */ s) => html`<span class="n">${(s.start * 1e3).toFixed(decimals)}<span class="u">${'\u00a0ms'}</span></span>` },
    { key: 'duration', label: 'Duration', width: '72px', num: true, cell: (/** @type {Span} */ s) => html`<${Dur} s=${s.duration} />` },
    { key: 'bar', label: '', width: '72px', sort: /** @type {false} */ (false), cell: (/** @type {Span} */ s) => html`<div class="bar"><div class="bar-fill" style=${{ width: `${Math.max(1, ((s.duration ?? 0) / most) * 100)}%` }}><i class=${s.sqlstate ? 'p-lock' : 'p-sql'} style=${{ flexGrow: 1 }} /></div></div>` },
    { key: 'shape', label: 'Statement', width: 'minmax(200px, 1fr)', cell: (/** @type {Span} */ s) => html`<span class="cut" title=${d.shapes[s.shape].text.slice(0, 500)}><${StatementName} of=${d.shapes[s.shape]} /></span>` },
    { key: 'rows', label: 'Rows', width: '48px', num: true, cell: (/** @type {Span} */ s) => html`<${Count} n=${s.rows} />` },
    { key: 'lease', label: 'Lease', width: '40px', num: true, sort: /** @type {false} */ (false), cell: (/** @type {Span} */ s) => html`<span class="n dim">${s.lease + 1}</span>` },
    { key: 'probability', label: 'Evidence', width: '112px', title: 'How the statement is known to be of this call; sorts by how sure that is', cell: (/** @type {Span} */ s) => html`<span class=${s.exact ? 'evidence exact' : 'evidence'}>${s.by}</span>${!s.exact && html`<span class="dim"><${Percent} x=${s.probability} /></span>`}` },
    ...(d.spans.some((s) => s.sqlstate) ? [{ key: 'state', label: 'Error', width: '52px', sort: /** @type {false} */ (false), cell: (/** @type {Span} */ s) => html`<span class="harm n">${s.sqlstate}</span>` }] : []),
  ];
  return html`<section class="panel statements" aria-label="Statements"><div class="panel-head"><h2>Statements</h2><span class="dim"><${Count} n=${d.spans.length} /></span></div>
    <div class="statements-box" style=${{ height: `${Math.min(20, d.spans.length + 1) * 28 + 2}px` }}><${Table} label="Statements of the call" columns=${columns} count=${d.spans.length} row=${span} fill keys sort=${sort} order=${order}
      onSort=${(/** @type {string} */ s, /** @type {string} */ o) => patch({ ssort: s, sorder: o }, { replace: true })}
      selected=${selected < 0 ? -1 : ranks.indexOf(selected)} onSelect=${(/** @type {number} */ i) => onSelect(ranks[i])} /></div></section>`;
}
