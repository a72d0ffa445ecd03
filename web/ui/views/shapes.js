// SQL by fingerprint.

import { usePages } from '../api.js';
import { filterParams, go, link, patch, usePlace } from '../state.js';
import { Empty, Failure } from '../widgets/empty.js';
import { narrowed, PageHead } from '../widgets/frame.js';
import { html } from '../widgets/html.js';
import { StatementName } from '../widgets/name.js';
import { Count, Dur, Mean, Percent } from '../widgets/num.js';
import { Table } from '../widgets/table.js';

/** @typedef {import('../lib/types.js').Shape} Shape */

/** What the switch chooses, in the API's words. */
const KINDS = /** @type {Record<string, string[]>} */ ({ query: ['query', 'copy', 'other'], control: ['begin', 'commit', 'rollback', 'savepoint', 'reset'] });

/** @param {{source: import('../lib/types.js').Source|null}} props */
export function Shapes({ source }) {
  const place = usePlace();
  const q = place.query;
  const sort = q.get('sort') ?? 'total';
  const order = q.get('order') ?? 'desc';
  const kind = q.get('kind') ?? '';
  const base = { ...filterParams(place), kind: KINDS[kind] ?? kind };
  const list = usePages('/shapes', { ...base, sort, order });
  const top = usePages('/shapes', { ...base, sort: 'total', order: 'desc' });
  const most = /** @type {Shape|undefined} */ (top.row(0))?.total ?? 0;
  const href = (/** @type {Shape} */ s) => link(`/sql/${s.fingerprint}`);
  const columns = [
    { key: 'text', label: 'Statement', width: 'minmax(280px, 4fr)', cell: (/** @type {Shape} */ s) => html`<a class="cut" href=${href(s)} title=${s.text.slice(0, 600)} tabindex="-1"><${StatementName} of=${s} /></a>` },
    { key: 'statements', label: 'Runs', width: '68px', num: true, cell: (/** @type {Shape} */ s) => html`<${Count} n=${s.statements} />` },
    { key: 'calls', label: 'Calls', width: '60px', num: true, title: 'Calls that ran it', cell: (/** @type {Shape} */ s) => html`<${Count} n=${s.calls} />` },
    { key: 'per_call', label: 'Per call', width: '70px', num: true, sort: false, cell: (/** @type {Shape} */ s) => html`<${Mean} x=${s.calls ? s.per_call : undefined} />` },
    { key: 'rows', label: 'Rows', width: '72px', num: true, cell: (/** @type {Shape} */ s) => html`<${Count} n=${s.rows} />` },
    { key: 'p50', label: 'p50', width: '76px', num: true, cell: (/** @type {Shape} */ s) => html`<${Dur} s=${s.p50} />` },
    { key: 'p95', label: 'p95', width: '76px', num: true, cell: (/** @type {Shape} */ s) => html`<${Dur} s=${s.p95} />` },
    { key: 'max', label: 'Max', width: '76px', num: true, cell: (/** @type {Shape} */ s) => html`<${Dur} s=${s.max} />` },
    { key: 'total', label: 'Total', width: '80px', num: true, cell: (/** @type {Shape} */ s) => html`<strong><${Dur} s=${s.total} /></strong>` },
    { key: 'share', label: '', width: '46px', num: true, sort: false, cell: (/** @type {Shape} */ s) => html`<span class="dim"><${Percent} x=${s.share} /></span>` },
    { key: 'bar', label: '', width: 'minmax(90px, 1fr)', sort: false, cell: (/** @type {Shape} */ s) => html`<div class="bar" title=${s.background > 0 ? 'light: run by no call (background)' : undefined}><div class="bar-fill" style=${{ width: `${most > 0 ? Math.max(0.5, (s.total / most) * 100) : 0}%` }}>
      <i class="p-sql" style=${{ flexGrow: Math.max(0, s.total - s.background) }} />${s.background > 0 && html`<i class="p-sql light" style=${{ flexGrow: s.background }} />`}</div></div>` },
  ];
  let body;
  if (list.error) body = html`<${Failure} error=${list.error} retry=${list.retry} />`;
  else if (list.total === 0) {
    body = narrowed() || kind ? html`<${Empty} title="No statement matches">Nothing fits the filter. <button type="button" class="link-button" onClick=${() => patch({ filter: null, from: null, to: null, kind: null })}>Show all statements</button><//>`
      : html`<${NoSQL} source=${source} />`;
  } else {
    body = html`<${Table} label="SQL statements" phone=${{ text: '188px', total: '64px', bar: '78px' }} columns=${columns} count=${list.total} row=${list.row} need=${list.need} sort=${sort} order=${order} fill keys
      onSort=${(/** @type {string} */ s, /** @type {string} */ o) => patch({ sort: s, order: o, row: null }, { replace: true })}
      selected=${q.has('row') ? Number(q.get('row')) : -1} onSelect=${(/** @type {number} */ i) => patch({ row: i }, { replace: true })}
      onOpen=${(/** @type {number} */ i) => list.row(i) && go(href(/** @type {Shape} */ (list.row(i))))} />`;
  }
  return html`<${PageHead} title="SQL" total=${list.total} unit=${list.total === 1 ? 'shape' : 'shapes'}>
      <div class="switch" role="radiogroup" aria-label="Kind of statement">${[['', 'all'], ['query', 'queries'], ['control', 'transaction control']].map(([k, l]) => html`<button type="button" role="radio" aria-checked=${kind === k} onClick=${() => patch({ kind: k, row: null }, { replace: true })}>${l}</button>`)}</div>
    <//>${body}`;
}

/** @param {{source: import('../lib/types.js').Source|null}} props */
function NoSQL({ source }) {
  if (source?.watching) return html`<${Empty} title="No statements yet" icon="sql" command="perfd doctor">Statements appear with the calls that ran them. If calls come and statements do not, this says why:<//>`;
  const notice = source?.notices.find((n) => /postgres/i.test(n.title));
  return html`<${Empty} title=${notice?.title ?? 'No PostgreSQL traffic was seen'} icon="sql" command="perfd analyze FILE --pg-port 5432">${notice?.fix
    ?? 'A Unix socket or TLS hides it from the recording. Let Odoo connect by TCP (db_host = 127.0.0.1, db_sslmode = disable) while recording; if PostgreSQL listens on another port, name it:'}<//>`;
}
