import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const root = new URL('../', import.meta.url);
/** @param {string} dir */
const files = (dir) => readdirSync(new URL(dir, root)).filter((f) => f.endsWith('.js')).map((f) => ({ name: `${dir}${f}`, text: readFileSync(new URL(dir + f, root), 'utf8') }));
/** @param {string} text */
const imports = (text) => [...text.matchAll(/^import\b[^;]*?from '([^']+)'/gms)].map((m) => m[1]);

test('views import lib, widgets and state, never each other', () => {
  for (const f of files('views/')) for (const i of imports(f.text)) assert.match(i, /^\.\.\/(lib|widgets)\/|^\.\.\/(state|api|live)\.js$/, `${f.name} imports ${i}`);
});

test('widgets do not import views', () => {
  for (const f of files('widgets/')) for (const i of imports(f.text)) assert.doesNotMatch(i, /views\//, `${f.name} imports ${i}`);
});

test('lib stands alone and touches no DOM', () => {
  for (const f of files('lib/')) {
    for (const i of imports(f.text)) assert.match(i, /^\.\//, `${f.name} imports ${i}`);
    const code = f.text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
    assert.doesNotMatch(code, /\b(document|window|location|history|localStorage|navigator)\b\./, f.name);
  }
});

test('only api.js fetches', () => {
  for (const f of ['./', 'lib/', 'widgets/', 'views/'].flatMap(files)) {
    if (['./api.js', './login.js'].includes(f.name)) continue; // who signs in has no other module yet
    assert.doesNotMatch(f.text, /\bfetch\(|XMLHttpRequest|EventSource|WebSocket\(/, f.name);
  }
});

test('nothing needs an inline script, an inline style or eval', () => {
  const page = readFileSync(new URL('index.html', root), 'utf8');
  assert.doesNotMatch(page, /<style|style=|<script(?![^>]*src=)|\son\w+=/);
  for (const f of ['./', 'lib/', 'widgets/', 'views/', 'vendor/'].flatMap(files)) assert.doesNotMatch(f.text, /\beval\(|new Function\(/, f.name);
});

test('the page names every module in advance, so that the browser need not find them one by one', () => {
  const root = new URL('../', import.meta.url);
  /** @type {Set<string>} */
  const reached = new Set();
  const walk = (/** @type {URL} */ file) => {
    if (reached.has(file.pathname)) return;
    reached.add(file.pathname);
    for (const m of readFileSync(file, 'utf8').matchAll(/^(?:import|export)[^;]*?from '([^']+)'/gm)) walk(new URL(m[1], file));
  };
  walk(new URL('app.js', root));
  const named = [...readFileSync(new URL('index.html', root), 'utf8').matchAll(/(?:modulepreload" href|module" src)="\/([^"]+)"/g)].map((m) => new URL(m[1], root).pathname);
  assert.deepEqual(named.sort(), [...reached].sort());
});
