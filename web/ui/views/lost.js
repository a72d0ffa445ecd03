// A path that leads nowhere.

import { link, usePlace } from '../state.js';
import { Empty } from '../widgets/empty.js';
import { useTitle } from '../widgets/frame.js';
import { html } from '../widgets/html.js';

export function Lost() {
  useTitle('No such page');
  const { path } = usePlace();
  return html`<${Empty} title="No such page" icon="file">Nothing stands at <code>${path}</code>. Go to the <a class="link" href=${link('/')}>overview</a> or the <a class="link" href=${link('/calls')}>calls</a>.<//>`;
}
