// One statement by its fingerprint: text, figures, who runs it.

import { useAPI } from '../api.js';
import { withTerm } from '../lib/filter.js';
import { clock, plural } from '../lib/format.js';
import { pretty } from '../lib/sql.js';
import { filterParams, here, link, usePlace } from '../state.js';
import { PartsBar } from '../widgets/bar.js';
import { Copy, Failure, Skeleton } from '../widgets/empty.js';
import { useTitle } from '../widgets/frame.js';
import { html } from '../widgets/html.js';
import { Icon } from '../widgets/icons.js';
import { MethodName, StatementName } from '../widgets/name.js';
import { Bytes, Count, Dur, Mean, Percent } from '../widgets/num.js';
import { SQL } from '../widgets/sqlview.js';

/** @param {{arg: string}} props */
export function Shape({ arg }) {
  const place = usePlace();
  const { data, error, retry } = useAPI(`/shapes/${arg}`, filterParams(place));
  const s = /** @type {import('../lib/types.js').Shape|undefined} */ (data?.shape);
  useTitle(s ? `${s.name} ${s.about}`.trim() : 'Statement');
  const back = html`<a class="crumb" href=${link('/sql')}><${Icon} name="left" size="14" />SQL</a>`;
  if (error) return html`${back}<${Failure} error=${error} retry=${retry} />`;
  if (!s) return html`${back}<${Skeleton} rows=${12} />`;
  const withShape = (/** @type {string} */ field, /** @type {string} */ value) => link('/calls', {
    filter: withTerm(withTerm(here().query.get('filter') ?? '', 'sql', s.fingerprint), field, value), sort: 'sql', order: 'desc',
  });
  const callers = (/** @type {string} */ title, /** @type {string} */ field, /** @type {import('../lib/types.js').Caller[]} */ rows) => {
    const most = Math.max(...rows.map((r) => r.total), 1e-12);
    return html`<section class="panel list" aria-label=${title}><div class="panel-head"><h2>${title}</h2></div>
      <ul class="callers">${rows.slice(0, 12).map((r) => html`<li key=${r.name}><a href=${r.name ? withShape(field, r.name) : link('/calls', { filter: `sql:${s.fingerprint}` })}>
        <span class="cut" title=${r.name}>${r.name ? html`<${MethodName} name=${r.name} model=${field === 'method' ? r.name.replace(/\.[^.]*$/, '') : ''} />` : html`<span class="dim">no user</span>`}</span><span class="dim num"><${Count} n=${r.statements} /> runs</span><${PartsBar} parts=${/** @type {any} */ ({ sql: r.total })} width=${r.total / most} /><${Dur} s=${r.total} /></a></li>`)}</ul>
    </section>`;
  };
  const fig = (/** @type {string} */ label, /** @type {any} */ v) => html`<div><dt>${label}</dt><dd>${v}</dd></div>`;
  return html`<div class="shape">
    ${back}
    <h1 class="heading"><${StatementName} of=${s} /></h1>
    <p class="subtitle">${plural(s.statements, 'run')}${s.calls > 0 && ` in ${plural(s.calls, 'call')}`} took <b><${Dur} s=${s.total} /></b>${s.share < 0.9995 && html`, <${Percent} x=${s.share} /> of all SQL time`}${s.background <= 0 ? '' : s.calls > 0 ? html`; <${Dur} s=${s.background} /> of it in the background` : ', all of it in the background: no call ran it'}.</p>
    <dl class="figures">
      ${fig('per call', html`<${Mean} x=${s.calls ? s.per_call : undefined} />`)}${fig('mean', html`<${Dur} s=${s.mean} />`)}${fig('p50', html`<${Dur} s=${s.p50} />`)}${fig('p95', html`<${Dur} s=${s.p95} />`)}${fig('p99', html`<${Dur} s=${s.p99} />`)}${fig('max', html`<${Dur} s=${s.max} />`)}
      ${fig('rows', html`<${Count} n=${s.rows} />`)}${fig('came back', html`<${Bytes} n=${s.bytes} />`)}${fig('errors', html`<span class=${s.errors ? 'harm' : ''}><${Count} n=${s.errors} /></span>`)}
    </dl>
    <section class="panel code" aria-label="Text"><div class="panel-head"><h2>Text</h2><span class="dim mono">${s.fingerprint}</span><${Copy} text=${() => pretty(s.text)} label="Copy the SQL" /></div><${SQL} text=${s.text} /></section>
    ${s.calls > 0 && html`<div class="lists two">${callers('Methods that run it', 'method', data.methods)}${callers('Users', 'user', data.users)}</div>
    <section class="panel" aria-label="Calls that spent most time in it"><div class="panel-head"><h2>Calls that spent most time in it</h2><a class="link" href=${link('/calls', { filter: `sql:${s.fingerprint}`, sort: 'sql', order: 'desc' })}>all ${plural(s.calls, 'call')}</a></div>
      <div class="scroll"><table class="plain"><thead><tr><th scope="col">Start (UTC)</th><th scope="col">Call</th><th scope="col">User</th><th scope="col" class="num">Runs</th><th scope="col" class="num">Longest</th><th scope="col" class="num">In it</th><th scope="col" class="num">Duration</th><th scope="col" class="wide" /></tr></thead>
      <tbody>${data.calls.map((/** @type {any} */ r) => html`<tr key=${r.call.id}><td class="n dim">${clock(r.call.start, 1e-3)}</td><td><a class="link" href=${link(`/calls/${r.call.id}`)}>${r.call.name}</a></td><td>${r.call.user || html`<span class="faint">–</span>`}</td><td class="num"><${Count} n=${r.statements} /></td><td class="num"><${Dur} s=${r.max} /></td><td class="num"><${Dur} s=${r.total} /></td><td class="num"><${Dur} s=${r.call.duration} /></td>
        <td class="wide"><${PartsBar} parts=${r.call.parts} width=${r.call.duration / Math.max(...data.calls.map((/** @type {any} */ x) => x.call.duration), 1e-12)} title=${r.call.name} total=${r.call.duration} /></td></tr>`)}</tbody></table></div>
    </section>`}
    ${data.background.length > 0 && html`<section class="panel" aria-label="In the background"><div class="panel-head"><h2>In the background</h2><a class="link" href=${link('/background')}>all background</a></div>
      <table class="plain"><thead><tr><th scope="col">Group</th><th scope="col">Application</th><th scope="col" class="num">Runs</th><th scope="col" class="num">Total</th></tr></thead><tbody>${data.background.map((/** @type {any} */ b) => html`<tr><td>${b.group}</td><td class="dim">${b.application || '–'}</td><td class="num"><${Count} n=${b.statements} /></td><td class="num"><${Dur} s=${b.total} /></td></tr>`)}</tbody></table></section>`}
  </div>`;
}
