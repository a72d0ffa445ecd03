// Users: who waited, and on what.

import { link } from '../state.js';
import { GroupPage } from '../widgets/groups.js';
import { html } from '../widgets/html.js';
import { Count } from '../widgets/num.js';

/** @typedef {import('../lib/types.js').Group} Group */

export function Users() {
  return html`<${GroupPage} title="Users" path="/users" field="user" unit="User" name=${(/** @type {Group} */ g) => g.name || html`<span class="dim">no user</span>`}
    extra=${[{ key: 'methods', label: 'Methods', width: '76px', num: true, sort: false, cell: (/** @type {Group} */ g) => (g.name ? html`<a href=${link('/methods', { filter: `user:${g.name}` })} tabindex="-1" title="Methods of ${g.name}"><${Count} n=${g.methods} /></a>` : html`<${Count} n=${g.methods} />`) }]} />`;
}
