// The table of methods, models and users: groups of calls with their percentiles and where their time went.

import { usePages } from '../api.js';
import { withTerm } from '../lib/filter.js';
import { filterParams, go, here, link, patch, usePlace } from '../state.js';
import { Legend, PartsBar } from './bar.js';
import { Empty, Failure } from './empty.js';
import { narrowed, PageHead } from './frame.js';
import { html } from './html.js';
import { Count, Dur, Mean, Percent } from './num.js';
import { Table } from './table.js';

/** @typedef {import('../lib/types.js').Group} Group */

/** What comes first on a phone, and how wide it is there. */
const PHONE = { name: '176px', total: '64px', bar: '92px', calls: '48px' };

/**
 * A link to the calls of a group, within the filter that stands.
 * @param {string} field of the filter
 * @param {string} value
 * @param {Record<string, string>} [changes]
 */
export const callsOf = (field, value, changes = {}) => link('/calls', { filter: withTerm(here().query.get('filter') ?? '', field, value), sort: 'duration', order: 'desc', ...changes });

/**
 * @param {{title: string, path: string, field: string, unit: string, tools?: any, name: (g: Group) => any,
 *   extra?: import('./table.js').Column[]}} props
 */
export function GroupPage({ title, path, field, unit, tools, name, extra = [] }) {
  const place = usePlace();
  const sort = place.query.get('sort') ?? 'total';
  const order = place.query.get('order') ?? 'desc';
  const list = usePages(path, { ...filterParams(place), sort, order });
  const top = usePages(path, { ...filterParams(place), sort: 'total', order: 'desc' });
  const most = /** @type {Group|undefined} */ (top.row(0))?.total ?? 0;
  const selected = place.query.has('row') ? Number(place.query.get('row')) : -1;
  const href = (/** @type {Group} */ g) => (g.name ? callsOf(field, g.name) : link('/calls', { sort: 'duration', order: 'desc' }));
  const columns = [
    { key: 'name', label: unit, width: 'minmax(230px, 2.2fr)', cell: (/** @type {Group} */ g) => html`<a class="cut name" href=${href(g)} title="Calls of ${g.name || 'no ' + field}" tabindex="-1">${name(g)}</a>` },
    ...extra,
    { key: 'calls', label: 'Calls', width: '64px', num: true, cell: (/** @type {Group} */ g) => html`<${Count} n=${g.calls} />` },
    { key: 'errors', label: 'Errors', width: '60px', num: true, cell: (/** @type {Group} */ g) => (g.errors ? html`<span class="harm"><${Count} n=${g.errors} /></span>` : html`<span class="faint">·</span>`) },
    { key: 'statements', label: 'Stmts/call', width: '76px', num: true, title: 'Statements per call; sorts by their number', cell: (/** @type {Group} */ g) => html`<${Mean} x=${g.calls ? g.statements / g.calls : 0} />` },
    { key: 'p50', label: 'p50', width: '70px', num: true, cell: (/** @type {Group} */ g) => html`<${Dur} s=${g.p50} />` },
    { key: 'p95', label: 'p95', width: '70px', num: true, cell: (/** @type {Group} */ g) => html`<${Dur} s=${g.p95} />` },
    { key: 'p99', label: 'p99', width: '70px', num: true, cell: (/** @type {Group} */ g) => html`<${Dur} s=${g.p99} />` },
    { key: 'max', label: 'Max', width: '70px', num: true, cell: (/** @type {Group} */ g) => html`<${Dur} s=${g.max} />` },
    { key: 'total', label: 'Total', width: '80px', num: true, title: 'Seconds of all its calls', cell: (/** @type {Group} */ g) => html`<strong><${Dur} s=${g.total} /></strong>` },
    { key: 'share', label: '', width: '48px', num: true, sort: false, cell: (/** @type {Group} */ g) => html`<span class="dim"><${Percent} x=${g.share} /></span>` },
    { key: 'bar', label: '', width: 'minmax(120px, 1.5fr)', sort: false, cell: (/** @type {Group} */ g) => html`<${PartsBar} parts=${g.parts} width=${most > 0 ? g.total / most : 0} title=${g.name || `no ${field}`} total=${g.total} />` },
  ];
  let body;
  if (list.error) body = html`<${Failure} error=${list.error} retry=${list.retry} />`;
  else if (list.total === 0) {
    body = narrowed() ? html`<${Empty} title="Nothing matches">No call fits the filter and the time range. <button type="button" class="link-button" onClick=${() => patch({ filter: null, from: null, to: null })}>Show all</button><//>`
      : html`<${Empty} title="No calls in this recording" icon="calls" command="perfd analyze FILE --rpc-port 8069">If Odoo listens on another port, name it:<//>`;
  } else {
    body = html`<${Table} label=${title} phone=${PHONE} columns=${columns} count=${list.total} row=${list.row} need=${list.need} sort=${sort} order=${order} fill keys
      onSort=${(/** @type {string} */ s, /** @type {string} */ o) => patch({ sort: s, order: o, row: null }, { replace: true })}
      selected=${selected} onSelect=${(/** @type {number} */ i) => patch({ row: i }, { replace: true })}
      onOpen=${(/** @type {number} */ i) => list.row(i) && go(href(/** @type {Group} */ (list.row(i))))} />`;
  }
  return html`<${PageHead} title=${title} total=${list.total} unit=${narrowed() ? 'match' : 'in all'}>${tools}<${Legend} /><//>${body}`;
}
