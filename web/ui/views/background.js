// SQL that no call owns: cron, bus, other clients.

import { useAPI, usePages } from '../api.js';
import { clock, plural } from '../lib/format.js';
import { filterParams, go, link, patch, usePlace } from '../state.js';
import { Empty, Failure, Skeleton } from '../widgets/empty.js';
import { PageHead, useTitle } from '../widgets/frame.js';
import { html } from '../widgets/html.js';
import { Icon } from '../widgets/icons.js';
import { StatementName } from '../widgets/name.js';
import { Count, Dur } from '../widgets/num.js';
import { Table } from '../widgets/table.js';

const WORDS = /** @type {Record<string, string>} */ ({
  cron: 'scheduled jobs', bus: 'the bus', websocket: 'websocket connections', listen: 'LISTEN connections', client: 'other clients of the database',
  unattributed: 'SQL whose call could not be told',
});

/** @typedef {{id: number, start: number, duration: number, group: string, client: string, database: string, user: string, application: string, statements: number, sql: number}} Row */

export function Background() {
  const place = usePlace();
  const q = place.query;
  const { from, to } = filterParams(place);
  const group = q.get('group') ?? '';
  const sort = q.get('sort') ?? 'start';
  const order = q.get('order') ?? 'asc';
  const params = { from, to, group, sort, order };
  const head = useAPI('/background', { from, to, limit: 1 });
  const list = usePages('/background', /** @type {any} */ (params));
  const groups = /** @type {any[]} */ (head.data?.groups ?? []);
  const sums = new Map();
  for (const g of groups) {
    const s = sums.get(g.group) ?? { statements: 0, sql: 0, leases: 0 };
    sums.set(g.group, { statements: s.statements + g.statements, sql: s.sql + g.sql, leases: s.leases + g.leases });
  }
  const most = Math.max(...[...sums.values()].map((s) => s.sql), 1e-12);
  const columns = [
    { key: 'start', label: 'Start (UTC)', width: '110px', cell: (/** @type {Row} */ r) => html`<span class="n dim">${clock(r.start, 1e-3)}</span>` },
    { key: 'group', label: 'Group', width: '116px', sort: /** @type {false} */ (false), cell: (/** @type {Row} */ r) => html`<a href=${link(`/background/${r.id}`)} tabindex="-1">${r.group}</a>` },
    { key: 'application', label: 'Application', width: 'minmax(120px, 1.4fr)', sort: /** @type {false} */ (false), cell: (/** @type {Row} */ r) => html`<span class="cut">${r.application || html`<span class="faint">–</span>`}</span>` },
    { key: 'database', label: 'Database', width: 'minmax(90px, 1fr)', sort: /** @type {false} */ (false), cell: (/** @type {Row} */ r) => html`<span class="cut">${r.database || html`<span class="faint">–</span>`}</span>` },
    { key: 'client', label: 'Client', width: 'minmax(130px, 1fr)', sort: /** @type {false} */ (false), cell: (/** @type {Row} */ r) => html`<span class="n dim cut">${r.client}</span>` },
    { key: 'statements', label: 'Stmts', width: '80px', num: true, cell: (/** @type {Row} */ r) => html`<${Count} n=${r.statements} />` },
    { key: 'sql', label: 'SQL', width: '88px', num: true, cell: (/** @type {Row} */ r) => html`<${Dur} s=${r.sql} />` },
    { key: 'duration', label: 'Duration', width: '88px', num: true, cell: (/** @type {Row} */ r) => html`<${Dur} s=${r.duration} />` },
  ];
  let body;
  if (list.error) body = html`<${Failure} error=${list.error} retry=${list.retry} />`;
  else if (list.total === 0) body = html`<${Empty} title="No background" icon="check">Every statement of the recording belongs to a call.<//>`;
  else {
    body = html`<div class="groups">${[...sums].sort((a, b) => b[1].sql - a[1].sql).map(([name, s]) => html`<button type="button" class="group ${group === name ? 'on' : ''}" aria-pressed=${group === name ? 'true' : 'false'} onClick=${() => patch({ group: group === name ? null : name, row: null }, { replace: true })}>
        <strong>${name}</strong><span class="dim cut">${WORDS[name] ?? ''}</span><span><${Dur} s=${s.sql} /> <span class="dim">in ${plural(s.statements, 'statement')}</span></span><i class="cost-bar"><i class="p-sql" style=${{ width: `${(s.sql / most) * 100}%` }} /></i></button>`)}</div>
      <${Table} label="Background leases" phone=${{ start: '104px', group: '92px', sql: '72px', statements: '56px' }} columns=${columns} count=${list.total} row=${list.row} need=${list.need} sort=${sort} order=${order} fill keys
        onSort=${(/** @type {string} */ s, /** @type {string} */ o) => patch({ sort: s, order: o, row: null }, { replace: true })} selected=${q.has('row') ? Number(q.get('row')) : -1}
        onSelect=${(/** @type {number} */ i) => patch({ row: i }, { replace: true })} onOpen=${(/** @type {number} */ i) => list.row(i) && go(link(`/background/${/** @type {Row} */ (list.row(i)).id}`))} />`;
  }
  return html`<${PageHead} title="Background" total=${list.total} unit=${list.total === 1 ? 'lease' : 'leases'}><span class="dim">SQL that no call owns</span><//>${body}`;
}

/** @param {{arg: string}} props */
export function BackgroundGroup({ arg }) {
  const { data, error, retry } = useAPI(`/background/${arg}`);
  useTitle('Background');
  const back = html`<a class="crumb" href=${link('/background')}><${Icon} name="left" size="14" />Background</a>`;
  if (error) return html`${back}<${Failure} error=${error} retry=${retry} />`;
  if (!data) return html`${back}<${Skeleton} rows=${12} />`;
  const b = data.background;
  return html`${back}<h1 class="heading">${b.group}${b.application && ` · ${b.application}`}</h1>
    <p class="subtitle">${plural(b.statements, 'statement')} from ${clock(b.start, 1e-3)} UTC, <${Dur} s=${b.sql} /> of SQL in <${Dur} s=${b.duration} />. <span class="dim n">${b.client} → ${b.server}${b.database && ` · ${b.database}`}</span></p>
    <section class="panel"><div class="scroll"><table class="plain"><thead><tr><th scope="col" class="num">#</th><th scope="col" class="num">At</th><th scope="col" class="num">Duration</th><th scope="col" class="wide">Statement</th><th scope="col" class="num">Rows</th><th scope="col">State</th></tr></thead>
    <tbody>${data.spans.slice(0, 2000).map((/** @type {any} */ s, /** @type {number} */ i) => html`<tr key=${i}><td class="num n dim">${i + 1}</td><td class="num"><${Dur} s=${s.start} /></td><td class="num"><${Dur} s=${s.duration} /></td>
      <td class="wide cut"><a href=${link(`/sql/${data.shapes[s.shape].fingerprint}`)} title=${data.shapes[s.shape].text.slice(0, 500)}><${StatementName} of=${data.shapes[s.shape]} /></a></td><td class="num"><${Count} n=${s.rows} /></td><td class="harm n">${s.sqlstate}</td></tr>`)}</tbody></table></div></section>`;
}
