// The frame and the routes: which page stands at which path.

import { useAPI } from './api.js';
import { isOn, start, togglePause, useTick } from './live.js';
import { captureLinks, go, link, usePlace } from './state.js';
import { Failure } from './widgets/empty.js';
import { Help, Rail, TopBar } from './widgets/frame.js';
import { html, render, useEffect, useState } from './widgets/html.js';
import { Banner } from './widgets/live.js';
import { hideTip } from './widgets/tip.js';
import { Background, BackgroundGroup } from './views/background.js';
import { BenchmarkPage, Benchmarks } from './views/benchmarks.js';
import { Call } from './views/call.js';
import { Calls } from './views/calls.js';
import { Findings } from './views/findings.js';
import { Methods } from './views/methods.js';
import { Overview } from './views/overview.js';
import { Sessions } from './views/sessions.js';
import { Shape } from './views/shape.js';
import { Shapes } from './views/shapes.js';
import { Users } from './views/users.js';
import { Lost } from './views/lost.js';

/** @type {[RegExp, any, string][]} */
const ROUTES = [
  [/^\/$/, Overview, 'page scroll'],
  [/^\/calls$/, Calls, 'page'],
  [/^\/calls\/(\d+)$/, Call, 'page scroll'],
  [/^\/sessions$/, Sessions, 'page'],
  [/^\/methods$/, Methods, 'page'],
  [/^\/users$/, Users, 'page'],
  [/^\/sql$/, Shapes, 'page'],
  [/^\/sql\/([0-9a-f]{16})$/, Shape, 'page scroll'],
  [/^\/findings$/, Findings, 'page scroll'],
  [/^\/background$/, Background, 'page'],
  [/^\/background\/(\d+)$/, BackgroundGroup, 'page scroll'],
  [/^\/benchmarks$/, Benchmarks, 'page scroll'],
  [/^\/benchmarks\/(\d+)$/, BenchmarkPage, 'page scroll'],
];

const GO = /** @type {Record<string, string>} */ ({ o: '/', c: '/calls', s: '/sessions', m: '/methods', u: '/users', q: '/sql', f: '/findings', b: '/background', r: '/benchmarks' });

function App() {
  const { path } = usePlace();
  const [help, setHelp] = useState(false);
  const source = useAPI('/source', undefined, useTick());
  const watching = source.data?.watching ?? false;
  useEffect(() => {
    if (watching) start();
  }, [watching]);
  useEffect(hideTip, [path]);
  useEffect(() => {
    let g = 0;
    const onKey = (/** @type {KeyboardEvent} */ e) => {
      if (e.metaKey || e.ctrlKey || e.altKey) return;
      if (e.target instanceof Element && e.target.closest('input, textarea, select')) return;
      if (e.key === '/') {
        e.preventDefault();
        document.getElementById('filter')?.focus();
      } else if (e.key === '?') {
        setHelp((h) => !h);
      } else if (e.key === ' ' && isOn() && !(e.target instanceof Element && e.target.closest('button, a, [role="radio"], dialog'))) {
        e.preventDefault();
        togglePause();
      } else if (e.key === 'g') {
        g = e.timeStamp;
      } else if (e.key in GO && e.timeStamp - g < 1000) {
        g = 0;
        e.stopImmediatePropagation();
        go(link(GO[e.key]));
      }
    };
    document.addEventListener('keydown', onKey, { capture: true });
    return () => document.removeEventListener('keydown', onKey, { capture: true });
  }, []);
  const found = ROUTES.find(([re]) => re.test(path));
  const page = found ? found[1] : Lost;
  const args = found ? (path.match(found[0]) ?? []).slice(1) : [];
  return html`<a class="skip" href="#main">Skip to the page</a>
    <${Rail} source=${source.data} />
    <div class="body">
      <${TopBar} source=${source.data} onHelp=${() => setHelp(true)} />
      ${watching ? html`<${Banner} />` : null}
      <main id="main" class=${found?.[2] ?? 'page'} tabindex="-1" key=${path}>
        ${source.error && !source.data ? html`<${Failure} error=${source.error} retry=${source.retry} />` : html`<${page} source=${source.data} arg=${args[0] ?? ''} />`}
      </main>
    </div>
    <${Help} open=${help} onClose=${() => setHelp(false)} />`;
}

captureLinks();
const root = document.getElementById('app');
if (root) {
  root.replaceChildren();
  render(html`<${App} />`, root);
}
