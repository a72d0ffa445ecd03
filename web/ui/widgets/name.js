// Names of methods and statements: what they share with others is lighter.

import { about, brief } from '../lib/sql.js';
import { html } from './html.js';

/** @param {{name: string, model?: string, verb?: string}} props */
export function MethodName({ name, model = '', verb = '' }) {
  if (model && name.startsWith(model + '.')) return html`<span class="dim">${model}.</span>${name.slice(model.length + 1)}`;
  return html`${verb && html`<span class="verb">${verb}</span> `}${name || '–'}`;
}

/** Verb and table, then in a lighter tone what tells it from others of the same table. @param {{text: string, tables?: string[]}} props */
export function StatementName({ text, tables = [] }) {
  const more = about(text);
  return html`<span class="mono statement-name">${brief(text, tables)}${more && html` <span class="about">${more}</span>`}</span>`;
}
