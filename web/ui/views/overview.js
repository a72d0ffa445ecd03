// The first page: who waited, on what, in one sentence; then the pictures, the lists and the findings.

import { useAPI } from '../api.js';
import { count, duration, durationText, join, percent, plural, sentence } from '../lib/format.js';
import { withTerm } from '../lib/filter.js';
import { IN_WORDS } from '../lib/parts.js';
import { useTick } from '../live.js';
import { filterParams, here, link, patch, usePlace } from '../state.js';
import { Legend, PartsBar } from '../widgets/bar.js';
import { Empty, Failure } from '../widgets/empty.js';
import { narrowed, useTitle } from '../widgets/frame.js';
import { callsOf } from '../widgets/groups.js';
import { Heatmap } from '../widgets/heatmap.js';
import { html } from '../widgets/html.js';
import { MethodName, StatementName } from '../widgets/name.js';
import { Bytes, Count, Dur, Percent } from '../widgets/num.js';
import { Strip } from '../widgets/strip.js';

/** @typedef {import('../lib/types.js').Overview} View */

/** @param {{source: import('../lib/types.js').Source|null}} props */
export function Overview({ source }) {
  useTitle('Overview');
  const place = usePlace();
  const { data, error, retry } = useAPI('/overview', { ...filterParams(place), buckets: 150, top: 14 }, useTick());
  if (error) return html`<${Failure} error=${error} retry=${retry} />`;
  if (data && data.calls === 0) return html`<${Nothing} source=${source} />`;
  const d = /** @type {View|null} */ (data);
  // The axis covers whole buckets, so that the first and the last stand in full.
  const x0 = d ? Math.min(d.from, d.buckets.t0) : 0;
  const x1 = d ? Math.max(d.to, d.buckets.t0 + d.buckets.calls.length * d.buckets.dt) : 1;
  const select = (/** @type {number} */ from, /** @type {number} */ to) => patch({ from: from.toFixed(6), to: to.toFixed(6) });
  const cells = (/** @type {{from: number, to: number, min: number, max: number}} */ b) => {
    const text = `${b.min ? `${+(b.min * 1e3).toPrecision(6)}ms` : ''}..${b.max ? `${+(b.max * 1e3).toPrecision(6)}ms` : ''}`;
    return link('/calls', { from: b.from.toFixed(6), to: b.to.toFixed(6), filter: text === '..' ? here().query.get('filter') : withTerm(here().query.get('filter') ?? '', 'duration', text) });
  };
  return html`<div class="overview ${d ? '' : 'waiting'}">
    <h1 class="sentence">${d ? html`<${Sentence} d=${d} />` : html`<i class="ghost line" />`}</h1>
    <${Figures} d=${d} source=${source} />
    <section class="panel chart" aria-label="Calls by time and duration">
      <div class="panel-head"><h2>How long calls took</h2><span class="dim">each cell: calls that began then and lasted so long · times in UTC · drag to select</span></div>
      <div class="chart-box">${d ? html`<${Heatmap} heat=${d.heatmap} from=${x0} to=${x1} height=${176} href=${cells} />` : html`<div style=${{ height: '176px' }} />`}</div>
      <div class="panel-head"><h2>What they spent it on</h2><${Legend} parts=${d?.parts ?? {}} /></div>
      <div class="chart-box">${d ? html`<${Strip} buckets=${d.buckets} from=${x0} to=${x1} height=${132} onSelect=${select} />` : html`<div style=${{ height: '132px' }} />`}</div>
    </section>
    <div class="lists">
      <${List} title="Methods" href=${link('/methods')} all=${d?.methods} more=${d?.rows.methods} of=${(/** @type {any} */ g) => ({ key: g.name, name: html`<${MethodName} name=${g.name} model=${g.model} />`, text: g.name, href: callsOf('method', g.name), parts: g.parts, total: g.total, calls: g.calls })} />
      <${List} title="Users" href=${link('/users')} all=${d?.users_top} more=${d?.rows.users} of=${(/** @type {any} */ g) => ({ key: g.name, name: g.name || html`<span class="dim">no user</span>`, text: g.name || 'no user', href: g.name ? callsOf('user', g.name) : link('/users'), parts: g.parts, total: g.total, calls: g.calls })} />
      <${List} title="Statements" href=${link('/sql', { kind: 'query' })} all=${d?.shapes.filter(matters)} more=${d?.rows.queries} of=${(/** @type {any} */ s) => ({ key: s.fingerprint, name: html`<${StatementName} of=${s} />`, text: s.text.slice(0, 500), href: link(`/sql/${s.fingerprint}`), parts: { sql: s.total }, total: s.total, calls: s.statements, light: s.background > s.total / 2 })}
        empty=${html`<p class="note">No SQL was seen. ${source?.notices[0]?.fix ?? ''}</p>`} />
    </div>
    <section class="panel" aria-label="Findings">
      <div class="panel-head"><h2>Findings</h2><a class="link" href=${link('/findings')}>${d ? `all ${join(count(d.rows.findings))}` : 'all'}</a></div>
      ${d && (d.findings.length === 0 ? html`<p class="note">No rule fired${narrowed() ? ' for what is selected' : ''}.</p>`
    : html`<ul class="sentences">${d.findings.slice(0, 6).map((f) => html`<li key=${f.rule + f.name + f.title}><span class="cost num"><${Dur} s=${f.cost} /></span>
        <a class="cut" href=${f.examples.length ? link(`/calls/${f.examples[0]}`) : link('/findings')} title=${`${f.title} ${f.fix}`}>${sentence(f.title)} <span class="dim">${f.fix}</span></a>
        <span class="dim cut where">${f.name}</span></li>`)}</ul>`)}
    </section>
    <${Lacking} source=${source} />
  </div>`;
}

/** What frames statements (BEGIN, DISCARD ALL) is no news, unless it takes a tenth of the time. @param {import('../lib/types.js').Shape} s */
const matters = (s) => ['query', 'copy', 'other'].includes(s.kind) || s.share >= 0.1;

/** @param {{d: View}} props */
function Sentence({ d }) {
  const f = (/** @type {[string, string]} */ p) => html`<b>${join(p)}</b>`;
  const users = d.users > 0 ? html`<b>${plural(d.users, 'user')}</b>` : 'clients';
  return html`In ${f(duration(d.seconds))}, ${users} waited ${f(duration(d.waited))} in <b>${plural(d.calls, 'call')}</b>${d.largest && d.largest.share > 0
    ? html`; <b>${join(percent(d.largest.share))}</b> of it <span class="said ${'t-' + d.largest.part}">${IN_WORDS[d.largest.part]}</span>` : ''}.`;
}

/** @param {{d: View|null, source: import('../lib/types.js').Source|null}} props */
function Figures({ d, source }) {
  const cell = (/** @type {string} */ label, /** @type {any} */ value, /** @type {string} */ title = '') => html`<div title=${title}><dt>${label}</dt><dd>${d ? value() : '\u00a0'}</dd></div>`;
  const share = d && d.all_statements > 0 ? d.attributed / d.all_statements : undefined;
  return html`<dl class="figures">
    ${cell('calls per second', () => html`<${Count} n=${d?.rate} />`)}
    ${cell('p50', () => html`<${Dur} s=${d?.p50} />`, 'half of the calls took no longer')}
    ${cell('p95', () => html`<${Dur} s=${d?.p95} />`)}
    ${cell('p99', () => html`<${Dur} s=${d?.p99} />`)}
    ${cell('slowest', () => html`<${Dur} s=${d?.max} />`)}
    ${cell('errors', () => html`<a class=${d?.errors ? 'harm' : ''} href=${link('/calls', { filter: withTerm(here().query.get('filter') ?? '', 'error', 'any') })}><${Count} n=${d?.errors} /></a>`)}
    ${cell('statements', () => html`<${Count} n=${d?.all_statements} />`, 'statements of the calls shown here, and of the background unless a filter is set')}
    ${cell('of them in calls', () => html`<${Percent} x=${share} />`, 'share of these statements that belong to a call; the others are background')}
    ${cell('transaction control', () => html`<${Percent} x=${d?.control} />`, 'share of the statements that only frame others: BEGIN, COMMIT, ROLLBACK, SAVEPOINT, DISCARD ALL and the like')}
    ${!source?.watching && cell('recorded', () => html`<${Bytes} n=${source?.bytes} />`, source ? `${join(count(source.packets))} packets` : '')}
  </dl>`;
}

/** @param {{title: string, href: string, all: any[]|undefined, more?: number, of: (row: any) => any, empty?: any}} props */
function List({ title, href, all, more, of, empty }) {
  const rows = (all ?? []).slice(0, 8).map(of);
  const most = Math.max(...rows.map((r) => r.total), 1e-12);
  return html`<section class="panel list" aria-label=${title}>
    <div class="panel-head"><h2>${title}</h2><a class="link" href=${href}>${more ? `all ${join(count(more))}` : 'all'}</a></div>
    ${all && rows.length === 0 ? empty ?? html`<p class="note">None.</p>` : html`<ul>${(all ? rows : Array.from({ length: 8 }, () => null)).map((r, i) => html`<li key=${r?.key ?? i}>${r ? html`<a href=${r.href} title=${r.text}>
      <span class="cut">${r.name}</span><${PartsBar} parts=${r.parts} width=${r.total / most} light=${r.light} title=${html`<span class="clamp">${r.text}</span>${r.light && html`<span class="tip-foot">mostly in the background: no call owns it</span>`}`} total=${r.total} /><${Dur} s=${r.total} /></a>` : html`<i class="ghost" style=${{ width: `${70 - i * 5}%` }} />`}</li>`)}</ul>`}
  </section>`;
}

/** What the recording lacked. @param {{source: import('../lib/types.js').Source|null}} props */
function Lacking({ source }) {
  if (!source) return null;
  const lost = source.lost_bytes > 0 || source.gaps > 0;
  if (!lost && source.notices.length === 0) return null;
  return html`<section class="panel" aria-label="What the recording lacks"><div class="panel-head"><h2>What the recording lacks</h2></div>
    <ul class="notices">
      ${source.notices.map((n) => html`<li><p>${n.title}</p>${n.fix && html`<p class="dim">${n.fix}</p>`}</li>`)}
      ${lost && source.notices.every((n) => !/lost|gap|missing/i.test(n.title)) && html`<li><p>${plural(source.gaps, 'gap')}, <${Bytes} n=${source.lost_bytes} /> lost.</p><p class="dim">A larger capture buffer mends it: tcpdump -B 65536.</p></li>`}
    </ul></section>`;
}

/** @param {{source: import('../lib/types.js').Source|null}} props */
function Nothing({ source }) {
  if (narrowed()) {
    return html`<${Empty} title="No call matches">Nothing in the recording${source ? ` (${durationText(source.seconds)}, ${plural(source.ordinary, 'call')})` : ''} fits the filter and the time range.
      ${' '}<button type="button" class="link-button" onClick=${() => patch({ filter: null, from: null, to: null })}>Show all calls</button><//>`;
  }
  if (source?.watching) return html`<${Empty} title="No calls yet" icon="calls" command="perfd doctor">Calls appear here within a second of their end. If the server works and none come, this says why:<//>`;
  return html`<${Empty} title=${source?.notices[0]?.title ?? 'No calls in this recording'} icon="calls" command="perfd analyze FILE --rpc-port 8069 --pg-port 5432 --serve">${source?.notices[0]?.fix
    ?? 'No HTTP request was found in it. Record both ports with tcpdump, or name the ports if they are others:'}<//>`;
}
