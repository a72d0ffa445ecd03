// Methods, or models, with their percentiles.

import { link, patch, usePlace } from '../state.js';
import { GroupPage } from '../widgets/groups.js';
import { html } from '../widgets/html.js';
import { MethodName } from '../widgets/name.js';
import { Count } from '../widgets/num.js';

/** @typedef {import('../lib/types.js').Group} Group */

export function Methods() {
  const { query } = usePlace();
  const models = query.get('by') === 'model';
  const tools = html`<div class="switch" role="radiogroup" aria-label="Group by">
    ${[['method', false], ['model', true]].map(([label, on]) => html`<button type="button" role="radio" aria-checked=${models === on}
      onClick=${() => patch({ by: on ? 'model' : null, row: null, sort: null, order: null }, { replace: true })}>by ${label}</button>`)}</div>`;
  if (models) {
    return html`<${GroupPage} key="models" title="Models" path="/models" field="model" unit="Model" tools=${tools} name=${(/** @type {Group} */ g) => g.name || 'no model'}
      extra=${[{ key: 'methods', label: 'Methods', width: '76px', num: true, sort: false, cell: (/** @type {Group} */ g) => html`<${Count} n=${g.methods} />` }]} />`;
  }
  return html`<${GroupPage} key="methods" title="Methods" path="/methods" field="method" unit="Method" tools=${tools}
    name=${(/** @type {Group} */ g) => html`<${MethodName} name=${g.name} model=${g.model} />`}
    extra=${[{ key: 'users', label: 'Users', width: '58px', num: true, sort: false, cell: (/** @type {Group} */ g) => html`<a href=${link('/users', { filter: `method:${g.name}` })} tabindex="-1"><${Count} n=${g.users} /></a>` }]} />`;
}
