// Names of methods and statements: what they share with others is lighter.

import { html } from './html.js';

/** @param {{name: string, model?: string, verb?: string}} props */
export function MethodName({ name, model = '', verb = '' }) {
  if (model && name.startsWith(model + '.')) return html`<span class="dim">${model}.</span>${name.slice(model.length + 1)}`;
  return html`${verb && html`<span class="verb">${verb}</span> `}${name || '–'}`;
}

/** Verb and table, then in a lighter tone what tells it from others of the same table. @param {{of: import('../lib/types.js').Named}} props */
export function StatementName({ of }) {
  return html`<span class="mono statement-name">${of.name}${of.about && html` <span class="about">${of.about}</span>`}</span>`;
}
