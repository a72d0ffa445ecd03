// Findings as sentences, the costliest first.

import { useAPI } from '../api.js';
import { plural, sentence } from '../lib/format.js';
import { withTerm } from '../lib/filter.js';
import { filterParams, link, patch, usePlace } from '../state.js';
import { Empty, Failure, Skeleton } from '../widgets/empty.js';
import { narrowed, PageHead } from '../widgets/frame.js';
import { html } from '../widgets/html.js';
import { Dur } from '../widgets/num.js';

/** @typedef {import('../lib/types.js').Finding} Finding */

/** @param {{source: import('../lib/types.js').Source|null}} props */
export function Findings({ source }) {
  const place = usePlace();
  const { data, error, retry } = useAPI('/findings', { ...filterParams(place), examples: 5 });
  const rule = place.query.get('rule') ?? '';
  const all = /** @type {Finding[]} */ (data?.rows ?? []);
  const rows = rule ? all.filter((f) => f.rule === rule) : all;
  const rules = [...new Set(all.map((f) => f.rule))];
  const most = Math.max(...all.map((f) => f.cost), 1e-9);
  let body;
  if (error) body = html`<${Failure} error=${error} retry=${retry} />`;
  else if (!data) body = html`<${Skeleton} rows=${8} height=${64} />`;
  else if (rows.length === 0) {
    body = html`<${Empty} title=${narrowed() ? 'No finding here' : 'No findings'} icon="check">${narrowed()
      ? html`No rule fired for the calls that match. <button type="button" class="link-button" onClick=${() => patch({ filter: null, from: null, to: null, rule: null })}>Show all</button>`
      : source && source.statements === 0 ? 'Most rules look at SQL, and this recording holds none.' : 'No rule fired: nothing in this recording stands out.'}<//>`;
  } else {
    body = html`<ol class="findings-list">${rows.map((f) => html`<li key=${f.rule + f.name + f.title}>
      <div class="cost"><${Dur} s=${f.cost} /><i class="cost-bar"><i style=${{ width: `${Math.max(1, (f.cost / most) * 100)}%` }} /></i></div>
      <div class="what">
        <p class="title">${sentence(f.title)}</p>
        <p class="fix">${f.fix}</p>
        <p class="meta"><span class="tag">${f.rule}</span>
          <a class="link" href=${link('/calls', { filter: withTerm(withTerm('', 'method', f.name), 'finding', f.rule), sort: 'duration', order: 'desc' })}>${f.name} · ${plural(f.calls, 'call')}</a>
          ${f.users.length > 0 && html`<span class="dim">${f.users.slice(0, 4).join(', ')}${f.users.length > 4 ? ` and ${f.users.length - 4} more` : ''}</span>`}
          <span class="dim examples">costliest ${f.examples.map((id) => html`<a class="link n" href=${link(`/calls/${id}`)}>#${id}</a> `)}</span></p>
      </div></li>`)}</ol>`;
  }
  const cost = rows.reduce((s, f) => s + f.cost, 0);
  return html`<${PageHead} title="Findings" total=${data ? rows.length : null} unit=${rows.length === 1 ? 'kind' : 'kinds'}>
      ${cost > 0 && html`<span class="dim">together <${Dur} s=${cost} /></span>`}
      ${rules.length > 1 && html`<div class="switch" role="radiogroup" aria-label="Rule">${['', ...rules].map((r) => html`<button type="button" role="radio" aria-checked=${rule === r} onClick=${() => patch({ rule: r }, { replace: true })}>${r || 'all'}</button>`)}</div>`}
    <//>${body}`;
}
