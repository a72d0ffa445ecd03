// A method's name, its model lighter.

import { html } from './html.js';

/** @param {{name: string, model?: string, verb?: string}} props */
export function MethodName({ name, model = '', verb = '' }) {
  if (model && name.startsWith(model + '.')) return html`<span class="dim">${model}.</span>${name.slice(model.length + 1)}`;
  return html`${verb && html`<span class="verb">${verb}</span> `}${name || '–'}`;
}
