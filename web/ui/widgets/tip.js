// One tooltip for the whole page, placed beside the pointer. It shows numbers; nothing in it can be clicked.

import { LABEL, segments } from '../lib/parts.js';
import { html, render } from './html.js';
import { Dur, Percent } from './num.js';

/** @type {HTMLElement|null} */
let box = null;

/**
 * @param {{clientX: number, clientY: number}} at
 * @param {any} content
 */
export function showTip(at, content) {
  if (!box) {
    box = document.createElement('div');
    box.className = 'tip';
    box.setAttribute('role', 'tooltip');
    document.body.append(box);
  }
  render(content, box);
  box.hidden = false;
  const { width, height } = box.getBoundingClientRect();
  const x = at.clientX + 14 + width > innerWidth - 8 ? Math.max(8, at.clientX - 14 - width) : at.clientX + 14;
  const y = at.clientY + 16 + height > innerHeight - 8 ? Math.max(8, at.clientY - 12 - height) : at.clientY + 16;
  box.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
}

export function hideTip() {
  if (box) box.hidden = true;
}

window.addEventListener('popstate', hideTip);
window.addEventListener('blur', hideTip);
document.addEventListener('scroll', hideTip, { capture: true, passive: true });

/** Handlers that show a tip while the pointer is over an element. @param {() => any} content */
export const tip = (content) => ({
  onMouseMove: (/** @type {MouseEvent} */ e) => showTip(e, content()),
  onMouseLeave: hideTip,
});

/** @param {{title: any, parts: Partial<import('../lib/parts.js').Parts>, total?: number, children?: any}} props */
export function PartsTip({ title, parts, total, children }) {
  return html`<div class="tip-title">${title}</div>
    ${total !== undefined && html`<div class="tip-row tip-total"><span>Total</span><${Dur} s=${total} /><span /></div>`}
    ${segments(parts).map((g) => html`<div class="tip-row"><span><i class="chip p-${g.part}" />${LABEL[g.part]}</span><${Dur} s=${g.seconds} /><${Percent} x=${g.share} /></div>`)}
    ${children}`;
}
