// Benchmarks: reports of perfd replay that were kept, run beside run, and one of them.

import { useAPI } from '../api.js';
import { change, day, duration, plural } from '../lib/format.js';
import { spread } from '../lib/runs.js';
import { go, link } from '../state.js';
import { Empty, Failure, Skeleton } from '../widgets/empty.js';
import { PageHead, useTitle } from '../widgets/frame.js';
import { html } from '../widgets/html.js';
import { Icon } from '../widgets/icons.js';
import { Count, Dur } from '../widgets/num.js';
import { Seen } from '../widgets/observed.js';

/** @typedef {import('../lib/types.js').Benchmark} Benchmark @typedef {import('../lib/types.js').ReplayRow} ReplayRow @typedef {import('../lib/types.js').ReplayEffect} ReplayEffect */

const COMMAND = 'perfd replay day.load --target http://staging:8069 --store runs.perfd';

/** @param {number} t */
const when = (t) => `${day(t)} ${new Date(t * 1000).toISOString().slice(11, 19)}`;

/** @param {{word: string}} props */
const Verdict = ({ word }) => html`<span class=${word === 'slower' || word === 'invalid' ? 'harm' : word === 'faster' ? 'verdict-good' : 'dim'}>${word || '–'}</span>`;

/** The medians and p95 of runs over time. @param {{runs: Benchmark[]}} props runs of one load, the latest first */
function Runs({ runs }) {
  const { points, ticks } = spread(runs, 1000, 120);
  const text = (/** @type {number} */ s) => duration(s).join(' ');
  const range = (/** @type {number[]} */ of) => `from ${text(Math.min(...of))} to ${text(Math.max(...of))}`;
  const tails = runs.map((r) => r.p95).filter((s) => s > 0);
  return html`<svg class="runs" viewBox="0 0 1000 140" preserveAspectRatio="none" role="img" aria-label=${`Durations of ${plural(runs.length, 'run')}`}>
    ${ticks.map((t) => html`<line x1="0" x2="1000" y1=${t.y} y2=${t.y} class="grid" />`)}
    ${tails.length > 0 && html`<polyline class="p95" points=${points.map((p) => `${p.x},${p.y95}`).join(' ')} />`}
    <polyline class="p50" points=${points.map((p) => `${p.x},${p.y50}`).join(' ')} />
  </svg><p class="dim small">p50 ${range(runs.map((r) => r.p50))} (line)${tails.length > 0 && `, p95 ${range(tails)} (dashed)`}, oldest left</p>`;
}

export function Benchmarks() {
  const { data, error, retry } = useAPI('/benchmarks');
  const rows = /** @type {Benchmark[]} */ (data?.rows ?? []);
  const head = html`<${PageHead} title="Benchmarks" total=${data ? data.total : null} unit=${data?.total === 1 ? 'run' : 'runs'}><span class="dim">replays that were kept, the latest first</span><//>`;
  if (error) return html`${head}<${Failure} error=${error} retry=${retry} />`;
  if (!data) return html`${head}<${Skeleton} rows=${12} />`;
  if (!rows.length) return html`${head}<${Empty} title="No replay was kept here" icon="benchmarks" command=${COMMAND}>A replay keeps its report in a store that it is given. Runs of the same load then stand beside each other.<//>`;
  const loads = [...new Set(rows.map((r) => r.load))];
  return html`${head}<div class="prose-pad">
    ${loads.map((load) => {
    const runs = rows.filter((r) => r.load === load);
    return html`<section class="panel" key=${load}><div class="panel-head"><h2>${load || 'a load without a name'}</h2><span class="dim">${plural(runs.length, 'run')}</span></div>
      ${runs.filter((r) => r.p50 > 0).length > 1 && html`<${Runs} runs=${runs.filter((r) => r.p50 > 0)} />`}
      <div class="scroll"><table class="plain"><thead><tr><th scope="col">Made (UTC)</th><th scope="col">Verdict</th><th scope="col" class="num">p50</th><th scope="col" class="num">p95</th><th scope="col">A</th><th scope="col">B</th><th scope="col" class="wide">In words</th></tr></thead>
      <tbody>${runs.map((r) => html`<tr key=${r.id} class="opens" onClick=${() => go(link(`/benchmarks/${r.id}`))}><td class="n"><a href=${link(`/benchmarks/${r.id}`)}>${when(r.made)}</a></td><td><${Verdict} word=${r.verdict} /></td>
        <td class="num"><${Dur} s=${r.p50} /></td><td class="num"><${Dur} s=${r.p95 || null} /></td><td>${r.a}</td><td>${r.b || html`<span class="faint">–</span>`}</td><td class="wide cut" title=${r.sentence}>${r.sentence}</td></tr>`)}</tbody></table></div></section>`;
  })}</div>`;
}

/** A change with a verdict, or that there is none. @param {{e?: ReplayEffect}} props */
function Change({ e }) {
  if (!e?.per_round?.length) return html`<span class="faint">–</span>`;
  if (e.verdict !== 'faster' && e.verdict !== 'slower') return html`<span class="dim" title=${`${change(e.low)} to ${change(e.high)}`}>~</span>`;
  return html`<span class=${`n ${e.verdict === 'slower' ? 'harm' : 'verdict-good'}`} title=${`${change(e.low)} to ${change(e.high)}, p ${e.adjusted.toPrecision(2)}`}>${change(e.delta)}</span>`;
}

/** @param {{arg: string}} props */
export function BenchmarkPage({ arg }) {
  const { data, error, retry } = useAPI(`/benchmarks/${arg}`);
  useTitle('Benchmark');
  const back = html`<a class="crumb" href=${link('/benchmarks')}><${Icon} name="left" size="14" />Benchmarks</a>`;
  if (error) return html`${back}<${Failure} error=${error} retry=${retry} />`;
  if (!data) return html`${back}<${Skeleton} rows=${12} />`;
  const b = /** @type {Benchmark} */ (data.benchmark);
  const report = data.report ?? {};
  const both = Boolean(report.b);
  const comparison = report.comparison;
  const rows = /** @type {ReplayRow[]} */ (comparison ? [comparison.overall, ...comparison.methods] : []);
  const doubts = /** @type {string[]} */ (report.doubts ?? []);
  const thresholds = /** @type {{threshold: string, state: string, reasons?: string[]}[]} */ (report.thresholds ?? []);
  return html`${back}<h1 class="heading">${b.sentence}</h1>
    <p class="subtitle">${when(b.made)} UTC · ${b.load}${report.mode && ` · ${report.mode}`} · <span class="n dim">${both ? `A ${b.a} · B ${b.b}` : b.a}</span></p>
    ${thresholds.length > 0 && html`<section class="panel"><div class="panel-head"><h2>Thresholds</h2></div>${thresholds.map((t) => html`<p><span class=${t.state === 'broken' || t.state === 'not measured' ? 'harm' : 'dim'}>${t.state}</span> <code>${t.threshold}</code> <span class="dim">${(t.reasons ?? []).join('; ')}</span></p>`)}</section>`}
    ${doubts.length > 0 && html`<section class="panel"><div class="panel-head"><h2>What could make this wrong</h2></div>${doubts.map((d) => html`<p>${d}</p>`)}</section>`}
    <${Seen} seen=${report.observed} both=${both} />
    ${rows.length > 0 && html`<section class="panel"><div class="panel-head"><h2>Methods</h2><span class="dim">${both ? 'A to B; ~ is no change shown' : ''}</span></div><div class="scroll"><table class="plain"><thead><tr><th scope="col" class="wide">Method</th><th scope="col" class="num">Calls</th><th scope="col" class="num">Errors</th><th scope="col" class="num">${both ? 'A p50' : 'p50'}</th>
      ${both ? html`<th scope="col" class="num">B p50</th><th scope="col" class="num">Typical</th><th scope="col" class="num">p95</th><th scope="col" class="num">p99</th><th scope="col">Why not</th>` : html`<th scope="col" class="num">p95</th><th scope="col" class="num">p99</th>`}</tr></thead>
      <tbody>${rows.map((r, i) => html`<tr key=${i}><td class="wide cut" title=${r.method}>${i === 0 ? html`<b>${r.method}</b>` : r.method}</td><td class="num"><${Count} n=${r.a.calls} /></td><td class="num"><${Count} n=${both ? r.b.errors : r.a.errors} /></td><td class="num"><${Dur} s=${r.a.p50.seconds} /></td>
        ${both ? html`<td class="num"><${Dur} s=${r.b.p50.seconds} /></td><td class="num"><${Change} e=${r.typical} /></td><td class="num"><${Change} e=${r.p95} /></td><td class="num"><${Change} e=${r.p99} /></td><td class="dim">${r.reason ?? ''}</td>` : html`<td class="num"><${Dur} s=${r.a.p95.seconds || null} /></td><td class="num"><${Dur} s=${r.a.p99.seconds || null} /></td>`}</tr>`)}</tbody></table></div></section>`}`;
}
