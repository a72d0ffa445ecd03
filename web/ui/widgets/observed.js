// What a tap saw of a replay: where the time of a call goes in each arm, by method, and on which statements.

import { count, duration, plural } from '../lib/format.js';
import { longest, part, seen, table, timeOf } from '../lib/observed.js';
import { LABEL } from '../lib/parts.js';
import { Legend, PartsBar } from './bar.js';
import { html } from './html.js';
import { MethodName, StatementName } from './name.js';
import { Count, Dur, Mean } from './num.js';

/** @typedef {import('../lib/types.js').Observed} Observed @typedef {import('../lib/types.js').SeenRow} SeenRow @typedef {import('../lib/types.js').SeenPart} SeenPart @typedef {import('../lib/types.js').SeenStatement} SeenStatement */

/** @type {Record<string, string>} */
const NAMES = { ...LABEL, duration: 'At the server', statements: 'Statements', rows: 'Rows' };
const MOST = 30; // methods

/** Three digits of a number, whole from a hundred on. @param {number} x */
const digits = (x) => (x >= 100 ? Math.round(x) : Number(x.toPrecision(3)));

/** @param {{p: SeenPart, of: 'a'|'b', seconds: boolean}} props */
const Figure = ({ p, of, seconds }) => (seconds ? html`<${Dur} s=${p[of]} />` : p.name === 'statements' ? html`<${Mean} x=${p[of]} />` : html`<${Count} n=${digits(p[of])} />`);

/** @param {number} x @param {boolean} seconds */
const signed = (x, seconds) => `${x < 0 ? '−' : '+'}${(seconds ? duration(Math.abs(x)) : count(digits(Math.abs(x)))).filter(Boolean).join('\u00a0')}`;

/** A difference with its interval; ~ where rounds do not agree on one. @param {{p: SeenPart, seconds: boolean}} props */
function Delta({ p, seconds }) {
  const interval = p.low < p.high ? `${signed(p.low, seconds)} to ${signed(p.high, seconds)}` : 'too few rounds to tell';
  if (!p.shown) return html`<span class="dim" title=${interval}>~</span>`;
  return html`<span class=${`n ${p.delta > 0 ? 'harm' : 'verdict-good'}`} title=${interval}>${signed(p.delta, seconds)}</span>`;
}

/** A and B in one cell, B in the colour of what is claimed. @param {{p: SeenPart, seconds: boolean, both: boolean}} props */
function Pair({ p, seconds, both }) {
  if (!p.a && !p.b) return html`<span class="faint">·</span>`;
  if (!both) return html`<${Figure} p=${p} of="a" seconds=${seconds} />`;
  return html`<span class="from"><${Figure} p=${p} of="a" seconds=${seconds} /></span><span class="faint"> → </span><span class=${!p.shown ? '' : p.delta > 0 ? 'harm' : 'verdict-good'}><${Figure} p=${p} of="b" seconds=${seconds} /></span>`;
}

/** A's bar above B's. @param {{row: SeenRow, most: number, both: boolean}} props */
const Bars = ({ row, most, both }) => html`<div class="arms">${(both ? /** @type {const} */ (['a', 'b']) : /** @type {const} */ (['a'])).map((arm) => html`<${PartsBar} parts=${timeOf(row, arm)} width=${part(row, 'duration')[arm] / most}
  title=${`${row.method}${both ? `, ${arm.toUpperCase()}` : ''}`} total=${part(row, 'duration')[arm]} />`)}</div>`;

/** How well an arm was seen. @param {{name: string, side: import('../lib/types.js').SeenSide, calls: import('../lib/types.js').SeenCalls}} props */
const Sight = ({ name, side, calls }) => html`<p class="dim small">${name && html`<b>${name}</b> `}${plural(side.seen, 'call')} seen of ${count(side.sent)[0]} sent · ${plural(side.statements, 'statement')}, ${side.statements ? Math.floor((100 * side.exact) / side.statements) : 0}${'\u00a0'}% of them surely the call’s${
  calls.locked > 0 && ` · ${plural(calls.locked, 'call')} most likely waited for a lock`}${calls.retried > 0 && ` · ${count(calls.retried)[0]} tried again by the server`}${calls.errors > 0 && ` · ${count(calls.errors)[0]} failed`}</p>`;

/** @param {{seen: Observed|undefined, both: boolean}} props seen is the member observed of a report */
export function Seen({ seen: o, both }) {
  if (!o || !seen(o)) return null;
  const all = o.overall;
  const why = both && Boolean(o.sentence); // nothing is explained that is not claimed
  const arms = both ? /** @type {const} */ (['a', 'b']) : /** @type {const} */ (['a']);
  const most = longest([all], both);
  const methods = o.methods.slice(0, MOST);
  const scale = longest(methods, both);
  const slowest = Math.max(1e-12, ...all.statements.map((s) => Math.max(s.a.seconds, both ? s.b.seconds : 0)));
  return html`<section class="panel seen" aria-label="Where the time of a call goes"><div class="panel-head"><h2>${why ? 'Why: where the time of a call goes' : 'Where the time of a call goes'}</h2>${both ? html`<${Legend} />` : html`<${Legend} parts=${timeOf(all, 'a')} brief />`}</div>
      ${o.sentence && html`<p class="callout">${o.sentence}</p>`}
      <div class="arms wide-arms">${arms.map((arm) => html`<div class=${both ? 'arm' : 'arm lone'}>${both && html`<b>${arm.toUpperCase()}</b>`}<${PartsBar} parts=${timeOf(all, arm)} width=${part(all, 'duration')[arm] / most} title=${both ? arm.toUpperCase() : 'A call'} total=${part(all, 'duration')[arm]} /><${Dur} s=${part(all, 'duration')[arm]} /></div>`)}</div>
      <div class="scroll"><table class="plain parts"><thead><tr><th scope="col">On average of a call</th><th scope="col" class="num">${both ? 'A' : ''}</th>${both && html`<th scope="col" class="num">B</th><th scope="col" class="num">Change</th>`}</tr></thead>
      <tbody>${table(all).map((p) => html`<tr key=${p.name}><td><i class=${p.name in LABEL ? `chip p-${p.name}` : 'chip'} />${p.name === 'duration' ? html`<b>${NAMES[p.name]}</b>` : NAMES[p.name]}</td><td class="num"><${Figure} p=${p} of="a" seconds=${p.seconds} /></td>${both && html`<td class="num"><${Figure} p=${p} of="b" seconds=${p.seconds} /></td><td class="num"><${Delta} p=${p} seconds=${p.seconds} /></td>`}</tr>`)}</tbody></table></div>
      <${Sight} name=${both ? 'A' : ''} side=${o.a} calls=${all.a} />${both && html`<${Sight} name="B" side=${o.b} calls=${all.b} />`}
    </section>
    ${methods.length > 1 && html`<section class="panel seen" aria-label="By method"><div class="panel-head"><h2>${why ? 'Why, by method' : 'By method'}</h2><span class="dim">on average of a call${both && ', A to B; what differs most first'}${o.methods.length > MOST && ` · ${MOST} of ${o.methods.length}`}</span></div>
      <div class="scroll"><table class="plain"><thead><tr><th scope="col" class="what">Method</th><th scope="col" class="num">Calls</th><th scope="col" class="num">At the server</th><th scope="col" class="num">SQL</th><th scope="col" class="num">Locks</th><th scope="col" class="num">Statements</th><th scope="col" class="wide" /></tr></thead>
      <tbody>${methods.map((r) => html`<tr key=${r.method}><td class="what cut" title=${r.method}><${MethodName} name=${r.method} model=${r.method.replace(/\.[^.]*$/, '')} /></td><td class="num"><${Count} n=${r.a.seen + (both ? r.b.seen : 0)} /></td><td class="num"><${Pair} p=${part(r, 'duration')} seconds both=${both} /></td><td class="num"><${Pair} p=${part(r, 'sql')} seconds both=${both} /></td><td class="num"><${Pair} p=${part(r, 'lock')} seconds both=${both} /></td><td class="num"><${Pair} p=${part(r, 'statements')} seconds=${false} both=${both} /></td><td class="wide"><${Bars} row=${r} most=${scale} both=${both} /></td></tr>`)}</tbody></table></div></section>`}
    ${all.statements.length > 0 && html`<section class="panel seen" aria-label="By statement"><div class="panel-head"><h2>${why ? 'Why, by statement' : 'By statement'}</h2><span class="dim">of an average call${both ? ', A to B; those whose time differs most' : ''}</span></div>
      <div class="scroll"><table class="plain"><thead><tr><th scope="col" class="what">Statement</th><th scope="col" class="num">Times</th><th scope="col" class="num">Time</th><th scope="col" class="num">Rows</th><th scope="col" class="wide" /></tr></thead>
      <tbody>${all.statements.map((s) => html`<tr key=${s.fingerprint}><td class="what cut" title=${s.text}>${s.name ? html`<${StatementName} of=${/** @type {any} */ (s)} />` : html`<span class="mono">${s.text}</span>`}</td>${(/** @type {const} */ (['calls', 'seconds', 'rows'])).map((k) => html`<td class="num"><${Pair} p=${{ name: k, a: s.a[k], b: s.b[k], delta: 0, low: 0, high: 0, shown: false }} seconds=${k === 'seconds'} both=${both} /></td>`)}
        <td class="wide"><div class="arms">${arms.map((arm) => html`<${PartsBar} parts=${/** @type {any} */ ({ sql: s[arm].seconds })} width=${s[arm].seconds / slowest} title=${both ? arm.toUpperCase() : 'A call'} total=${s[arm].seconds} />`)}</div></td></tr>`)}</tbody></table></div></section>`}`;
}
