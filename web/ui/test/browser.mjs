// Visits every page of a running perfd in Chromium and compares what is shown with the API, and with the
// ground truth where it serves the bundled demo.
//
//   node test/browser.mjs http://127.0.0.1:7070 [truth.jsonl.gz] [--shots DIR]

import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { clockRange, count, duration, sentence } from '../lib/format.js';
import { compareWithTruth } from './against.mjs';
import { readTruth } from './truth.mjs';

const args = process.argv.slice(2);
const shots = args.includes('--shots') ? args.splice(args.indexOf('--shots'), 2)[1] : '';
const base = (args[0] ?? 'http://127.0.0.1:7070').replace(/\/$/, '');
const FIRST_VIEW_MS = 1000;

/** @param {string} path */
const api = async (path) => {
  const r = await fetch(`${base}/api/v1${path}`);
  assert.equal(r.status, 200, path);
  return r.json();
};
const source = await api('/source');
const bundled = new URL('../../../fixtures/demo/truth.jsonl.gz', import.meta.url);
const truthFile = args[1] ?? (source.files[0]?.startsWith('demo.') && existsSync(bundled) ? bundled : null);
const truth = truthFile ? readTruth(truthFile, source.from) : null;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
let failed = 0;
let passed = 0;
const problems = [];

/** @param {string} name @param {() => Promise<void>} body */
async function check(name, body) {
  try {
    await body();
    assert.deepEqual(problems, [], 'console errors and failed requests');
    passed++;
    console.log(`ok    ${name}`);
  } catch (e) {
    failed++;
    console.log(`FAIL  ${name}\n      ${String(e?.stack ?? e).split('\n').slice(0, 6).join('\n      ')}`);
  }
  problems.length = 0;
}

/** @param {object} [options] */
async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: 'light', reducedMotion: 'reduce', ...options });
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const page = await context.newPage();
  page.setDefaultTimeout(10000);
  page.on('console', (m) => ['error', 'warning'].includes(m.type()) && problems.push(`${m.type()}: ${m.text()}`));
  page.on('pageerror', (e) => problems.push(`exception: ${e.message}`));
  page.on('requestfailed', (r) => r.failure()?.errorText !== 'net::ERR_ABORTED' && problems.push(`failed: ${r.url()} ${r.failure()?.errorText}`));
  page.on('response', (r) => r.status() >= 400 && problems.push(`${r.status()}: ${r.url()}`));
  return page;
}

/** Text as it reads: blanks of every kind are one. @param {string|null} s */
const plain = (s) => (s ?? '').replace(/[\s\u00a0\u202f]+/g, ' ').trim();
const text = async (/** @type {any} */ page, /** @type {string} */ selector) => plain(await page.locator(selector).first().innerText());
const texts = async (/** @type {any} */ page, /** @type {string} */ selector) => (await page.locator(selector).allInnerTexts()).map(plain);
const number = (/** @type {string} */ s) => Number(s.replace(/[^\d.]/g, ''));
const settled = (/** @type {any} */ page, /** @type {string} */ selector) => page.locator(selector).first().waitFor();
/** Cells of a column in the rows that have arrived. @param {any} page @param {number} k */
const column = (page, k) => page.locator('.tbody .tr').evaluateAll((/** @type {Element[]} */ rows, /** @type {number} */ i) => rows.filter((r) => !r.querySelector('.ghost')).map((r) => /** @type {HTMLElement} */ (r.children[i]).innerText.replace(/[\s\u00a0\u202f]+/g, ' ').trim()), k);

const overview = await api('/overview');
const slow = await api('/calls?sort=duration&order=desc&limit=50');
const page = await open();

await check(`first view in less than ${FIRST_VIEW_MS} ms`, async () => {
  let best = Infinity;
  let visits = 0;
  // What the page itself takes: of three visits the best, and of more while the machine has other work to do.
  for (let i = 0; best >= (i < 3 ? FIRST_VIEW_MS / 2 : FIRST_VIEW_MS) && i < 12; i++) {
    visits++;
    const fresh = await open();
    await fresh.addInitScript(() => {
      new MutationObserver((_, o) => {
        if (!document.querySelector('.sentence b') || !document.querySelector('.list li a') || !document.querySelector('.strip canvas')) return;
        o.disconnect();
        requestAnimationFrame(() => Object.assign(window, { seen: performance.now() }));
      }).observe(document, { childList: true, subtree: true });
    });
    const seen = fresh.goto(base).then(() => fresh.waitForFunction(() => /** @type {any} */ (window).seen)).then((h) => h.jsonValue());
    best = Math.min(best, await seen.catch((e) => (e.name === 'TimeoutError' ? Infinity : Promise.reject(e))));
    await fresh.context().close();
  }
  console.log(`      ${Math.round(best)} ms, the best of ${visits}`);
  assert.ok(best < FIRST_VIEW_MS, `${Math.round(best)} ms`);
});

await check('overview says who waited', async () => {
  await page.goto(base);
  await settled(page, '.sentence b');
  const said = await text(page, '.sentence');
  const [n, u] = duration(overview.waited);
  for (const part of [`${plain(count(overview.calls)[0])} call`, `${overview.users} user`, `${n} ${u}`]) assert.ok(said.includes(part), `${part} in: ${said}`);
  assert.equal(source.calls >= overview.calls, true);
  // The figures say what /source says, and the lists are as long as their headings tell.
  assert.equal(overview.all_statements, source.statements);
  assert.equal(number(await text(page, '.figures div:nth-child(7) dd')), source.statements);
  assert.ok(Math.abs(number(await text(page, '.figures div:nth-child(8) dd')) - 100 * source.attributed / source.statements) < 1);
  assert.ok(Math.abs(number(await text(page, '.figures div:nth-child(9) dd')) - 100 * overview.control) < 1);
  const range = await page.locator('.range .minimap').getAttribute('aria-label');
  assert.ok(range?.startsWith(`Time range ${clockRange(source.from, source.to)}`), range ?? '');
  const users = await api('/users');
  assert.equal(await text(page, 'section[aria-label="Users"] .panel-head a'), `all ${users.total}`);
  assert.equal(await page.locator('section[aria-label="Users"] li').count(), Math.min(8, users.total));
  assert.equal(await page.locator('.heatmap canvas').count(), 1);
});

await check('calls: rows, sorting and opening', async () => {
  await page.goto(`${base}/calls`);
  await settled(page, '.tr .n');
  assert.equal(number(await text(page, '.page-head .count')), overview.calls);
  await page.getByRole('columnheader', { name: 'Duration' }).getByRole('button').click();
  await page.waitForURL(/sort=duration&order=desc/);
  await page.waitForFunction((d) => document.querySelector('.tbody .tr .td:nth-child(9)')?.textContent?.startsWith(d), duration(slow.rows[0].duration)[0]);
  const shown = await column(page, 8);
  assert.ok(shown.length >= Math.min(20, overview.calls));
  assert.deepEqual(shown.slice(0, 15), slow.rows.slice(0, 15).map((/** @type {any} */ r) => duration(r.duration).join(' ')));
  assert.deepEqual((await column(page, 1)).slice(0, 15), slow.rows.slice(0, 15).map((/** @type {any} */ r) => plain((r.transport === 'http' ? `${r.verb} ` : '') + r.name)));
  assert.ok(await page.locator('.tbody .tr').count() < Math.max(100, overview.calls), 'only rows in view are in the document');
  await page.locator('.table').evaluate((t) => t.scrollTo(0, t.scrollHeight));
  const last = await api(`/calls?sort=duration&order=desc&offset=${overview.calls - 1}&limit=1`);
  await page.waitForFunction((d) => [...document.querySelectorAll('.tbody .tr .td:nth-child(9)')].at(-1)?.textContent?.startsWith(d), duration(last.rows[0].duration)[0]);
  await page.locator('.table').evaluate((t) => t.scrollTo(0, 0));
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.waitForURL(/row=1/);
  await page.keyboard.press('Enter');
  await page.waitForURL(new RegExp(`/calls/${slow.rows[1].id}\\b`));
});

await check('calls: the filter narrows, and the URL brings all of it back', async () => {
  const user = overview.users_top.find((/** @type {any} */ u) => u.name)?.name;
  const expected = await api(`/calls?user=${encodeURIComponent(user)}&sort=duration&order=desc&limit=5`);
  await page.goto(`${base}/calls?sort=duration&order=desc&scale=linear`);
  await settled(page, '.tr .n');
  await page.keyboard.press('/');
  await page.keyboard.type(`user:${user}`);
  await page.keyboard.press('Enter');
  await page.waitForURL(/filter=user:/);
  const matches = () => page.waitForFunction((n) => document.querySelector('.page-head .count')?.textContent?.replace(/[^\d]/g, '') === String(n), expected.total);
  await matches();
  await page.waitForFunction((u) => [...document.querySelectorAll('.tbody .tr .td:nth-child(3)')].every((c) => c.textContent === u || c.querySelector('.ghost')), user);
  await page.reload();
  await matches();
  assert.equal(await page.locator('#filter').inputValue(), `user:${user}`);
  assert.equal(await page.getByRole('radio', { name: 'linear' }).getAttribute('aria-checked'), 'true');
  assert.deepEqual((await column(page, 8)).slice(0, 5), expected.rows.map((/** @type {any} */ r) => duration(r.duration).join(' ')));
  await page.goBack();
  await page.goto(`${base}/calls?filter=duration:soon`);
  await settled(page, '.suggest .problem');
  await page.goto(`${base}/calls?filter=duratoin:%3E100ms`);
  assert.equal(await text(page, '.suggest .problem'), 'no key duratoin, did you mean duration?');
});

await check('calls: pinned calls are compared', async () => {
  await page.goto(`${base}/calls?pin=${slow.rows[0].id},${slow.rows[1].id}`);
  await settled(page, '.pinned tbody tr:nth-child(2) .bar');
  assert.equal(await page.locator('.pinned tbody tr').count(), 2);
});

await check('call: sentence, waterfall, statements, panel', async () => {
  const most = (await api('/calls?sort=statements&order=desc&limit=1')).rows[0];
  const detail = await api(`/calls/${most.id}`);
  await page.goto(`${base}/calls/${most.id}`);
  await settled(page, '.waterfall canvas');
  const said = await text(page, '.sentence');
  assert.ok(said.includes(most.name) && said.includes(duration(most.duration).join(' ')), said);
  assert.equal(number(await text(page, '.statements .panel-head .n')), detail.spans.length);
  const exact = detail.spans.every((/** @type {any} */ s) => s.exact);
  assert.equal((await texts(page, '.side .facts dd')).includes('exact for all statements'), exact, 'what is inferred is not called exact');
  await page.locator('.statements .tr').nth(1).click();
  await page.waitForURL(/span=1\b/);
  await settled(page, '.side pre.sql');
  await page.locator('.side .copy').click();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  const bare = (/** @type {string} */ s) => s.replace(/\s+/g, '').toLowerCase();
  assert.equal(bare(copied), bare(detail.shapes[detail.spans[1].shape].text));
  const before = page.url();
  const box = await page.locator('.waterfall .canvas canvas').last().boundingBox();
  await page.mouse.move(box.x + box.width * 0.7, box.y + 40);
  await page.mouse.wheel(0, -400);
  await page.waitForURL(/zoom=/);
  await page.mouse.dblclick(box.x + box.width * 0.7, box.y + 8);
  await page.waitForURL((u) => !u.search.includes('zoom='));
  assert.notEqual(before, '');
  await page.reload();
  await settled(page, '.call .sentence b');
  if (detail.next !== undefined || detail.prev !== undefined) {
    await page.keyboard.press(detail.next !== undefined ? ']' : '[');
    await page.waitForURL((u) => u.pathname === `/calls/${detail.next ?? detail.prev}`);
  }
});

await check('sessions: lanes, zoom, table', async () => {
  const timeline = await api('/timeline');
  await page.goto(`${base}/sessions`);
  await settled(page, '.timeline-box canvas');
  assert.equal(number(await text(page, '.page-head .count')), timeline.lanes.length);
  const label = await page.locator('.timeline-box canvas').getAttribute('aria-label');
  assert.ok(label?.includes(`${timeline.lanes.length} sessions, ${timeline.total} calls`), label ?? '');
  const painted = () => page.locator('.timeline-box canvas').evaluate((/** @type {HTMLCanvasElement} */ c) => {
    const d = c.getContext('2d')?.getImageData(200, 30, c.width - 200, c.height - 30).data ?? [];
    let n = 0;
    for (let i = 0; i < d.length; i += 4) if (d[i + 3] > 0 && Math.max(d[i], d[i + 1], d[i + 2]) - Math.min(d[i], d[i + 1], d[i + 2]) > 60) n++;
    return n;
  });
  await page.waitForFunction(() => document.querySelector('.timeline-box canvas')?.clientWidth);
  assert.ok(await painted() > 50, 'bars in colour');
  const box = await page.locator('.timeline-box canvas').boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + 60);
  await page.mouse.wheel(0, -600);
  await page.waitForURL(/zoom=/);
  const zoomed = page.url();
  await page.reload();
  await settled(page, '.timeline .window');
  assert.equal(page.url(), zoomed);
  await page.setViewportSize({ width: 1280, height: 360 });
  const bar = page.locator('.timeline-scroll');
  await bar.waitFor();
  const track = await bar.boundingBox();
  await page.mouse.move(track.x + 5, track.y + 10);
  await page.mouse.down();
  await page.mouse.move(track.x + 5, track.y + track.height, { steps: 4 });
  await page.mouse.up();
  await page.waitForFunction(() => {
    const b = document.querySelector('.timeline-scroll');
    return Number(b?.getAttribute('aria-valuenow')) > 0 && b?.getAttribute('aria-valuenow') === b?.getAttribute('aria-valuemax');
  });
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.getByRole('radio', { name: 'table' }).click();
  await settled(page, 'table.sticky tbody tr');
  const sessions = await api('/sessions');
  assert.equal(await page.locator('table.sticky tbody tr').count(), sessions.rows.length);
});

await check('methods: the figures of each', async () => {
  const methods = await api('/methods?sort=total&order=desc&limit=10');
  await page.goto(`${base}/methods`);
  await settled(page, '.tr .n');
  assert.deepEqual((await column(page, 0)).slice(0, 10), methods.rows.map((/** @type {any} */ m) => plain(m.name)));
  assert.deepEqual((await column(page, 2)).slice(0, 10).map(number), methods.rows.map((/** @type {any} */ m) => m.calls));
  await page.getByRole('radio', { name: 'by model' }).click();
  await page.waitForURL(/by=model/);
  await settled(page, '.tr .n');
  await page.goBack();
});

await check('users: all of them', async () => {
  const users = await api('/users');
  await page.goto(`${base}/users`);
  await settled(page, '.tr .n');
  assert.deepEqual(await column(page, 0), users.rows.map((/** @type {any} */ u) => u.name || 'no user').slice(0, 60));
});

await check('SQL: list and one statement', async () => {
  const shapes = await api('/shapes?limit=5');
  await page.goto(`${base}/sql`);
  await settled(page, '.tr .n');
  assert.equal(number(await text(page, '.page-head .count')), shapes.total);
  assert.deepEqual((await column(page, 1)).slice(0, 5).map(number), shapes.rows.map((/** @type {any} */ s) => s.statements));
  // Statements are called what the API calls them.
  const named = (/** @type {any} */ s) => `${s.name} ${s.about}`.trim();
  assert.deepEqual((await column(page, 0)).slice(0, 5), shapes.rows.map(named));
  // The overview's heading leads to as many statements as it tells, without those that only control transactions.
  await page.goto(base);
  await settled(page, '.list li a');
  assert.equal(await text(page, 'section[aria-label="Statements"] .panel-head a'), `all ${overview.rows.queries}`);
  await page.locator('section[aria-label="Statements"] .panel-head a').click();
  await page.waitForURL(/\/sql\?kind=query/);
  await page.waitForFunction((n) => document.querySelector('.page-head .count')?.textContent?.replace(/[^\d]/g, '') === String(n), overview.rows.queries);
  const control = await api('/shapes?kind=begin&kind=commit&kind=rollback&kind=savepoint&kind=reset&limit=1');
  assert.equal(overview.rows.queries + control.total, shapes.total);
  await page.goto(`${base}/sql`);
  await settled(page, '.tr .n');
  await page.locator('.tbody .tr').nth(1).click();
  await page.waitForURL(new RegExp(`/sql/${shapes.rows[1].fingerprint}`));
  await settled(page, 'pre.sql');
  const one = await api(`/shapes/${shapes.rows[1].fingerprint}`);
  assert.equal(await text(page, 'h1'), named(one.shape));
  assert.equal(await page.locator('section[aria-label="Methods that run it"] li').count(), Math.min(12, one.methods.length));
});

await check('findings and background', async () => {
  const findings = await api('/findings');
  await page.goto(`${base}/findings`);
  if (findings.total) {
    await settled(page, '.findings-list li');
    assert.equal(await page.locator('.findings-list li').count(), findings.rows.length);
    assert.equal(await text(page, '.findings-list .title'), plain(sentence(findings.rows[0].title)));
  } else await settled(page, '.empty');
  const background = await api('/background?limit=1');
  await page.goto(`${base}/background`);
  if (background.total) {
    await settled(page, '.tr .n');
    assert.equal(number(await text(page, '.page-head .count')), background.total);
    await page.locator('.tbody .tr').first().click();
    await settled(page, 'table.plain tbody tr');
  } else await settled(page, '.empty');
});

await check('keys, help, empty and lost pages', async () => {
  await page.goto(base);
  await settled(page, '.sentence b');
  await page.keyboard.press('?');
  await settled(page, 'dialog[open]');
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => !document.querySelector('dialog[open]'));
  await page.keyboard.press('g');
  await page.keyboard.press('m');
  await page.waitForURL(/\/methods/);
  await page.goto(`${base}/calls?filter=user:nobody-of-that-name`);
  await settled(page, '.empty .link-button');
  await page.locator('.empty .link-button').click();
  await settled(page, '.tr .n');
  await page.goto(`${base}/nowhere`);
  await settled(page, '.empty');
});

await check('an overview’s brush becomes the time range', async () => {
  await page.goto(base);
  await settled(page, '.strip canvas');
  const box = await page.locator('.strip .u-over').boundingBox();
  await page.mouse.move(box.x + box.width * 0.3, box.y + 40);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.6, box.y + 40, { steps: 5 });
  await page.mouse.up();
  await page.waitForURL(/from=.*to=/);
  const q = new URL(page.url()).searchParams;
  const part = await api(`/overview?from=${q.get('from')}&to=${q.get('to')}`);
  await page.waitForFunction((n) => document.querySelector('.sentence')?.textContent?.replace(/[\u202f\u00a0]/g, ' ').includes(`${n} call`), plain(count(part.calls)[0]));
});

const PAGES = ['/', '/calls', `/calls/${slow.rows[0].id}`, '/sessions', '/sessions?as=table', '/methods', '/users', '/sql', '/findings', '/background', '/benchmarks'];
for (const scheme of /** @type {const} */ (['light', 'dark'])) {
  for (const width of [1280, 1600, 390]) {
    await check(`${scheme} at ${width} px: every page fits and shows no stray value`, async () => {
      const p = await open({ colorScheme: scheme, viewport: { width, height: width < 500 ? 844 : 900 }, hasTouch: width < 500 });
      await p.addInitScript(() => {
        Object.assign(window, { jumps: 0 });
        new PerformanceObserver((l) => l.getEntries().forEach((e) => {
          /** @type {any} */ (window).jumps += /** @type {any} */ (e).value;
        })).observe({ type: 'layout-shift', buffered: true });
      });
      for (const path of PAGES) {
        await p.goto(base + path);
        await settled(p, '.tr .n, .sentence b, .timeline canvas, table.plain td, .findings-list li, .empty, pre.sql');
        const seen = await p.evaluate(() => ({
          jumps: /** @type {any} */ (window).jumps, theme: document.documentElement.dataset.theme, text: document.body.innerText, wide: document.documentElement.scrollWidth - innerWidth,
          ground: getComputedStyle(document.body).backgroundColor, unlabelled: [...document.querySelectorAll('button, a, input')].filter((e) => !(/** @type {HTMLElement} */ (e).innerText ?? '').trim() && !e.getAttribute('aria-label')).map((e) => e.outerHTML.slice(0, 120)),
        }));
        assert.equal(seen.theme, scheme);
        assert.ok(!/\bNaN\b|\bundefined\b|\[object|\bInfinity\b/.test(seen.text), `${path}: ${/.{30}(NaN|undefined|\[object|Infinity).{30}/s.exec(seen.text)?.[0]}`);
        assert.ok(seen.wide <= 0, `${path} is ${seen.wide} px too wide`);
        assert.deepEqual(seen.unlabelled, [], path);
        assert.ok(seen.jumps < 0.05, `${path}: content jumped by ${seen.jumps}`);
        if (shots) {
          mkdirSync(shots, { recursive: true });
          await p.waitForTimeout(300);
          await p.screenshot({ path: `${shots}/${path.replace(/[^a-z0-9]+/gi, '-').replace(/^-|-$/g, '') || 'overview'}-${width}-${scheme}.png` });
        }
      }
      await p.context().close();
    });
  }
}

if (truth) await compareWithTruth({ base, page, truth, api, check });

await browser.close();
console.log(`${passed} passed, ${failed} failed${truth ? '' : ' (no ground truth at hand)'}`);
process.exitCode = failed ? 1 : 0;
