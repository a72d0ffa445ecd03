// SQL on screen: broken into lines, its words coloured.

import { lines, spaced } from '../lib/sql.js';
import { html } from './html.js';

/** @param {import('../lib/sql.js').Token[]} list */
const line = (list) => list.map((t, i) => html`${i > 0 && spaced(list[i - 1], t) ? ' ' : ''}<span class="k-${list[i + 1]?.text === '.' ? 'qualifier' : t.kind}">${t.text}</span>`);

/** @param {{text: string}} props */
export function SQL({ text }) {
  return html`<pre class="sql" tabindex="0" aria-label="SQL">${lines(text).map((l) => html`<div style=${{ paddingLeft: `${l.indent * 2 + 2}ch`, textIndent: '-2ch' }}>${line(l.tokens)}</div>`)}</pre>`;
}
