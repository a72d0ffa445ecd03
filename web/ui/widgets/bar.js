// The stacked bar of a call's time, and the legend of its colours.

import { durationText } from '../lib/format.js';
import { LABEL, LEGEND, segments } from '../lib/parts.js';
import { html } from './html.js';
import { PartsTip, tip } from './tip.js';
import { Dur, Percent } from './num.js';

/**
 * @param {{parts: import('../lib/parts.js').Parts, width?: number, title?: any, total?: number, light?: boolean}} props width is a share of
 *   the room, 0 to 1; light is for what no call owns
 */
export function PartsBar({ parts, width = 1, title, total, light }) {
  const all = segments(parts);
  // A bar of a few pixels has no room for segments: it shows what took most.
  const list = width < 0.02 && all.length > 1 ? [[...all].sort((a, b) => b.share - a.share)[0]] : all;
  const label = all.map((g) => `${LABEL[g.part]} ${durationText(g.seconds)}`).join(', ');
  const hover = title ? tip(() => html`<${PartsTip} title=${title} parts=${parts} total=${total} />`) : {};
  return html`<div class="bar" role="img" aria-label=${label} ...${hover}>
    <div class="bar-fill" style=${{ width: `${Math.max(0.5, width * 100)}%` }}>
      ${list.map((g) => html`<i class="p-${g.part} ${light ? 'light' : ''}" style=${{ flexGrow: g.share }} />`)}
    </div>
  </div>`;
}

/**
 * @param {{parts?: Partial<import('../lib/parts.js').Parts>, brief?: boolean}} props with parts, their seconds and shares are
 *   shown too; brief leaves out those that are zero
 */
export function Legend({ parts, brief }) {
  const all = parts ? segments(parts) : [];
  return html`<ul class="legend" aria-label="Colours of the parts of time">
    ${LEGEND.map((l) => {
    const found = all.filter((g) => l.parts.includes(g.part));
    const share = found.reduce((sum, g) => sum + g.share, 0);
    const seconds = found.reduce((sum, g) => sum + g.seconds, 0);
    if (brief && share === 0) return null;
    return html`<li class=${parts && share === 0 ? 'none' : ''}><i class="chip p-${l.key}" /><span>${l.label}</span>
        ${parts && share > 0 && html`<${Dur} s=${seconds} /> <span class="dim"><${Percent} x=${share} /></span>`}</li>`;
  })}
  </ul>`;
}
