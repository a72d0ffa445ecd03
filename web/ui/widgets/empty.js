// What stands where data does not: loading, nothing there, an error. Each says what would mend it.

import { html } from './html.js';
import { Icon } from './icons.js';

/** @param {{title: string, children?: any, command?: string, icon?: string}} props */
export function Empty({ title, children, command, icon = 'search' }) {
  return html`<div class="empty" role="status"><${Icon} name=${icon} size="24" /><h2>${title}</h2>
    ${children && html`<p>${children}</p>`}${command && html`<${Command} text=${command} />`}</div>`;
}

/** @param {{error: import('../api.js').APIError, retry?: () => void}} props */
export function Failure({ error, retry }) {
  return html`<div class="empty" role="alert"><${Icon} name="findings" size="24" /><h2>${error.message}</h2>
    ${error.hint && html`<p>${error.hint}</p>`}
    ${retry && html`<p><button type="button" class="button" onClick=${retry}>Try again</button></p>`}</div>`;
}

/** @param {{text: string}} props */
export function Command({ text }) {
  return html`<div class="command"><code>${text}</code><${Copy} text=${text} /></div>`;
}

/** @param {{text: string|(() => string), label?: string}} props */
export function Copy({ text, label = 'Copy' }) {
  const copy = async (/** @type {Event} */ e) => {
    const b = /** @type {HTMLElement} */ (e.currentTarget);
    try {
      await navigator.clipboard.writeText(typeof text === 'function' ? text() : text);
      b.dataset.done = 'yes';
      setTimeout(() => delete b.dataset.done, 1200);
    } catch {
      b.dataset.done = 'no';
    }
  };
  return html`<button type="button" class="copy" onClick=${copy} aria-label=${label} title=${label}><${Icon} name="copy" size="14" /><${Icon} name="check" size="14" /></button>`;
}

/** @param {{rows?: number, height?: number}} props grey bars that take the room of what is to come */
export function Skeleton({ rows = 8, height = 28 }) {
  return html`<div class="skeleton" aria-hidden="true">${Array.from({ length: rows }, (_, i) => html`<div style=${{ height: `${height}px` }}><i style=${{ width: `${30 + ((i * 37) % 50)}%` }} /></div>`)}</div>`;
}
