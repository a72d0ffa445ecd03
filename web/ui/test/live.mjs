// Visits the pages of a store that grows, in Chromium: what is added is shown in time and at its place, and stays
// away while the reader pauses or is busy with the rows.
//
//	node test/live.mjs SERVE [--shots DIR]   SERVE is the binary of test/serve

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const args = process.argv.slice(2);
const shots = args.includes('--shots') ? args.splice(args.indexOf('--shots'), 2)[1] : '';
const [binary] = args;
const dir = mkdtempSync(join(tmpdir(), 'perfd-live-'));

/** A server that is told what happens. */
class Server {
  /** @param {string} store @param {string[]} [more] */
  static async start(store, more = []) {
    const s = new Server();
    s.questions = 0;
    s.process = spawn(binary, ['-store', join(dir, store), ...more], { stdio: ['pipe', 'pipe', 'inherit'] });
    s.ended = new Promise((done) => s.process.once('exit', done));
    s.lines = createInterface({ input: s.process.stdout })[Symbol.asyncIterator]();
    s.base = (await s.lines.next()).value;
    assert.match(s.base ?? '', /^http:/);
    return s;
  }

  /** @param {string} command */
  async tell(command) {
    this.process.stdin.write(`${command}\n`);
    assert.equal((await this.lines.next()).value, command.split(' ')[0]);
  }

  async quit() {
    this.process.stdin.write('quit\n');
    assert.equal(await this.ended, 0, 'a clean end');
  }

  /** perfd answers costly questions from memory for a while: each of ours is a new one. @param {string} path */
  async api(path) {
    const r = await fetch(`${this.base}/api/v1${path}${path.includes('?') ? '&' : '?'}to=${4e9 + this.questions++}`);
    assert.equal(r.status, 200, path);
    return r.json();
  }
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
let failed = 0;
let passed = 0;
/** @type {string[]} */
const problems = [];
/** What may be told while a server is away, or somebody has not signed in. @type {RegExp|null} */
let expected = null;

/** @param {string} name @param {() => Promise<void>} body */
async function check(name, body) {
  try {
    await body();
    assert.deepEqual(problems.filter((p) => !expected?.test(p)), [], 'console errors and failed requests');
    passed++;
    console.log(`ok    ${name}`);
  } catch (e) {
    failed++;
    console.log(`FAIL  ${name}\n      ${String(e?.stack ?? e).split('\n').slice(0, 8).join('\n      ')}`);
  }
  problems.length = 0;
}

/** @param {object} [options] */
async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: 'light', reducedMotion: 'reduce', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15000);
  page.on('console', (m) => ['error', 'warning'].includes(m.type()) && problems.push(`${m.type()}: ${m.text()}`));
  page.on('pageerror', (e) => problems.push(`exception: ${e.message}`));
  page.on('response', (r) => r.status() >= 400 && problems.push(`${r.status()}: ${r.url()}`));
  return page;
}

const plain = (/** @type {string|null|undefined} */ s) => (s ?? '').replace(/[\s\u00a0\u202f]+/g, ' ').trim();
/** Starts and methods of the rows in view, from the top. @param {any} page */
const rows = (page) => page.locator('.table').evaluate((/** @type {Element} */ t) => [...t.querySelectorAll('.tbody .tr')]
  .filter((r) => !r.querySelector('.ghost')).sort((a, b) => Number(a.getAttribute('aria-rowindex')) - Number(b.getAttribute('aria-rowindex')))
  .map((r) => `${r.children[0].textContent} ${r.children[1].textContent}`.replace(/[\s\u00a0\u202f]+/g, ' ').trim()));
const clock = (/** @type {number} */ t) => new Date(Math.floor(t * 1000 + 3e-4)).toISOString().slice(11, 23);
/** Waits for a number of calls in the heading. @param {any} page @param {number} n */
const counts = (page, n) => page.waitForFunction((/** @type {number} */ want) => Number(document.querySelector('.page-head .count')?.textContent?.replace(/\D/g, '')) === want, n);
/** Compares the rows shown with what the API says. @param {any} page @param {Server} s @param {string} [query] */
async function same(page, s, query = '') {
  const list = await s.api(`/calls?sort=start&order=desc&limit=15${query}`);
  await counts(page, list.total);
  const want = list.rows.map((/** @type {any} */ r) => `${clock(r.start)} ${r.transport === 'http' ? `${r.verb} ` : ''}${r.name}`);
  await page.waitForFunction((/** @type {string} */ first) => {
    const r = document.querySelector('.tbody .tr[aria-rowindex="2"]');
    return r && `${r.children[0].textContent} ${r.children[1].textContent}`.replace(/[\s\u00a0\u202f]+/g, ' ').trim() === first;
  }, want[0]);
  assert.deepEqual((await rows(page)).slice(0, 15), want);
  return list.total;
}

let server = await Server.start('a.perfd');
await server.tell('add 60');
const page = await open();

await check('calls appear at the top within a second', async () => {
  await page.goto(`${server.base}/calls`);
  let total = await same(page, server);
  const took = [];
  for (let i = 0; i < 5; i++) {
    const began = Date.now();
    await server.tell('add 4');
    await counts(page, (total += 4));
    took.push(Date.now() - began);
    await same(page, server);
  }
  console.log(`      ${took.join(', ')} ms`);
  assert.ok(Math.min(...took) < 1000, `${took} ms`);
});

await check('a pause holds them back and counts them; resuming catches up', async () => {
  const before = await rows(page);
  await page.keyboard.press('Space');
  await page.locator('.live-chip.is-paused').waitFor();
  await server.tell('add 7');
  await page.waitForFunction(() => document.querySelector('.live-chip')?.textContent?.replace(/\s/g, ' ').includes('7 new'));
  await server.tell('add 5');
  await page.waitForFunction(() => document.querySelector('.live-chip')?.textContent?.replace(/\s/g, ' ').includes('12 new'));
  assert.deepEqual(await rows(page), before);
  await page.getByRole('button', { name: 'Resume' }).click();
  await same(page, server);
  await page.keyboard.press('Space');
  await page.keyboard.press('Space');
  await page.locator('.live-chip.is-live').waitFor();
});

await check('rows stay where they are while the reader scrolls, points or selects', async () => {
  const top = () => page.locator('.table').evaluate((t) => t.scrollTop);
  await page.locator('.table').evaluate((t) => t.scrollTo(0, 300));
  await page.waitForFunction(() => document.querySelector('.table')?.scrollTop === 300);
  let before = await rows(page);
  await server.tell('add 9');
  const fresh = page.locator('.button.fresh');
  await fresh.waitFor();
  assert.equal(plain(await fresh.innerText()), '9 new');
  assert.deepEqual(await rows(page), before);
  assert.equal(await top(), 300);
  await fresh.click();
  await same(page, server);
  assert.equal(await top(), 0);

  const box = await page.locator('.tbody .tr').nth(3).boundingBox();
  await page.mouse.move(box.x + 200, box.y + 10);
  before = await rows(page);
  await server.tell('add 3');
  await fresh.waitFor();
  assert.deepEqual(await rows(page), before);
  await page.mouse.move(box.x + 200, 4);
  await same(page, server);

  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.waitForURL(/row=1/);
  before = await rows(page);
  await server.tell('add 2');
  await fresh.waitFor();
  assert.deepEqual(await rows(page), before);
  assert.match(page.url(), /row=1/);
  await fresh.click();
  await same(page, server);
  assert.doesNotMatch(page.url(), /row=/);
});

await check('the filter holds for what is added, and other orders are kept', async () => {
  const user = (await server.api('/users')).rows.find((/** @type {any} */ u) => /^user/.test(u.name)).name;
  await page.goto(`${server.base}/calls?filter=user:${user}`);
  await same(page, server, `&user=${user}`);
  await server.tell('add 30');
  await same(page, server, `&user=${user}`);
  await page.goto(`${server.base}/calls?sort=duration&order=desc`);
  await counts(page, (await server.api('/calls?limit=1')).total);
  await server.tell('add 30');
  const list = await server.api('/calls?sort=duration&order=desc&limit=15');
  await counts(page, list.total);
  assert.deepEqual((await rows(page)).slice(0, 15), list.rows.map((/** @type {any} */ r) => `${clock(r.start)} ${r.transport === 'http' ? `${r.verb} ` : ''}${r.name}`));
});

await check('a burst beyond what an event holds is read anew', async () => {
  await page.goto(`${server.base}/calls`);
  await same(page, server);
  await server.tell('add 450');
  await same(page, server);
  await server.tell('add 3');
  await same(page, server);
  await page.locator('.table').evaluate((t) => t.scrollTo(0, t.scrollHeight));
  const { total } = await server.api('/calls?limit=1');
  const last = (await server.api(`/calls?sort=start&order=desc&limit=1&offset=${total - 1}`)).rows[0];
  await page.waitForFunction((want) => [...document.querySelectorAll('.tbody .tr')].some((r) => r.textContent?.startsWith(want)), clock(last.start));
});

await check('the state is told, with what mends it', async () => {
  await page.goto(server.base);
  assert.equal(await page.locator('.banner').count(), 0);
  await server.tell('notice critical eth0 is down: its calls are not seen.|ip link set eth0 up');
  await page.locator('.banner.critical').waitFor();
  assert.equal(plain(await page.locator('.banner p').innerText()), 'eth0 is down: its calls are not seen. ip link set eth0 up');
  await page.locator('.live-chip').click();
  const panel = plain(await page.locator('.live-panel').innerText());
  for (const want of ['eth0 down 0 1,200', 'By thread not known CAP_BPF is missing', '61 MiB of 256 MiB', 'eth0 is down']) assert.ok(panel.includes(want), `${want} in ${panel}`);
  await page.keyboard.press('Escape');
  await page.locator('.live-panel').waitFor({ state: 'detached' });
  await server.tell('notice warning the clock is not synchronized|Run chrony.');
  await page.locator('.banner.warning').waitFor();
  assert.equal(plain(await page.locator('.banner p').innerText()), 'The clock is not synchronized. Run chrony.');
  await page.getByRole('button', { name: 'Put away' }).click();
  await page.locator('.banner').waitFor({ state: 'detached' });
  await page.locator('.dot.warning').waitFor();
  await server.tell('notice');
  await page.locator('.dot.warning').waitFor({ state: 'detached' });
});

await check('the overview’s figures follow', async () => {
  await page.goto(server.base);
  await page.locator('.sentence b').first().waitFor();
  await server.tell('add 25');
  const { total } = await server.api('/calls?limit=1');
  await page.waitForFunction((n) => document.querySelector('.sentence')?.textContent?.replace(/\D+call.*/, '').replace(/.*\D/, '') === String(n)
    || document.querySelector('.sentence')?.textContent?.replace(/[\s\u00a0\u202f,]/g, '').includes(`in${n}calls`), total, { timeout: 30000 });
});

await check('the sessions’ timeline goes on with time, unless it is moved', async () => {
  await page.goto(`${server.base}/sessions?last=300`);
  const canvas = page.locator('.timeline-box canvas');
  await canvas.waitFor();
  const calls = async () => Number(/(\d+) calls/.exec((await canvas.getAttribute('aria-label')) ?? '')?.[1]);
  const before = await calls();
  await server.tell('add 6');
  await page.waitForFunction((n) => Number(/(\d+) calls/.exec(document.querySelector('.timeline-box canvas')?.getAttribute('aria-label') ?? '')?.[1]) === n, before + 6);
  const box = await canvas.boundingBox();
  await page.mouse.move(box.x + box.width * 0.9, box.y + 50);
  await page.mouse.wheel(0, -500);
  const on = page.locator('.hint .link-button');
  assert.equal(await on.count(), 0, 'a narrower window goes on with time');
  const edge = () => page.locator('.timeline-mini .window').evaluate((w) => /** @type {HTMLElement} */ (w).offsetLeft + /** @type {HTMLElement} */ (w).offsetWidth);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.9 + 200, box.y + 52, { steps: 4 });
  await page.mouse.up();
  await on.waitFor();
  const moved = await edge();
  await server.tell('add 3');
  await page.waitForFunction((n) => Number(/(\d+) calls/.exec(document.querySelector('.timeline-box canvas')?.getAttribute('aria-label') ?? '')?.[1]) === n, before + 9);
  assert.ok(await edge() <= moved, 'a window that was moved stays');
  await on.click();
  await on.waitFor({ state: 'detached' });
  assert.ok(await edge() > moved);
});

await check('after a restart the page goes on by itself, with what it missed', async () => {
  expected = /ERR_CONNECTION|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE|ERR_NETWORK/;
  await page.goto(`${server.base}/calls`);
  await same(page, server);
  const before = await rows(page);
  const { base } = server;
  await server.quit();
  await page.locator('.live-chip.is-lost').waitFor();
  await page.locator('.banner').waitFor();
  assert.deepEqual((await rows(page)).slice(0, 15), before.slice(0, 15), 'what was there is still shown'); // the banner takes the room of a row
  server = await Server.start('a.perfd', ['-listen', new URL(base).host]);
  await server.tell('add 8');
  await page.locator('.live-chip.is-live').waitFor();
  await same(page, server);
  await server.quit();
  server = await Server.start('b.perfd', ['-listen', new URL(base).host]);
  await server.tell('add 5');
  await page.locator('.live-chip.is-live').waitFor();
  await same(page, server);
});
expected = null;

await check('who is not known signs in', async () => {
  expected = /\b401\b/;
  const s = await Server.start('a.perfd', ['-password', 'correct horse']);
  const p = await open();
  await p.goto(`${s.base}/calls?scale=linear`);
  await p.waitForURL(/\/login\?next=/);
  await p.locator('#password').fill('battery staple');
  await p.keyboard.press('Enter');
  await p.locator('[role="alert"]').waitFor();
  if (shots) await p.screenshot({ path: `${shots}/login-light.png` });
  await p.locator('#password').fill('correct horse');
  await p.getByRole('button', { name: 'Sign in' }).click();
  await p.waitForURL(/\/calls\?scale=linear$/);
  await p.locator('.tr .n').first().waitFor();
  await p.locator('.live-chip.is-live').waitFor();
  assert.equal(await p.evaluate(() => document.cookie), '', 'no script sees the cookie');
  await s.quit();
  expected = /\b401\b|ERR_CONNECTION|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE|ERR_NETWORK/;
  const again = await Server.start('a.perfd', ['-password', 'correct horse', '-listen', new URL(s.base).host]);
  await p.waitForURL(/\/login\?next=/);
  await again.quit();
  await p.context().close();
});
expected = null;

const kept = await Server.start('replays.perfd', ['-replays']);
await check('a benchmark shows what the tap saw of both arms, as the report has it', async () => {
  const p = await open();
  await p.goto(`${kept.base}/benchmarks`);
  await p.locator('table.plain td').first().waitFor();
  const names = await p.locator('table.plain tbody td:first-child').allTextContents();
  assert.equal(new Set(names).size, 2, `runs of one minute have one name: ${names}`);
  assert.ok(!/p95 from/.test(plain(await p.locator('.panel').first().textContent())), 'no run has a p95');
  await p.locator('table.plain tbody a').first().click();
  await p.locator('.seen').first().waitFor();
  const { report } = await (await fetch(`${kept.base}/api/v1/benchmarks/2`)).json();
  const o = report.observed;
  const ms = (/** @type {number} */ s) => (s < 0.9995e-3 ? `${Number((s * 1e6).toPrecision(3))} µs` : `${(s * 1e3).toPrecision(3)} ms`);
  const cells = await p.locator('.seen table.parts tr').evaluateAll((all) => all.slice(1).map((r) => [...r.children].map((c) => (c.textContent ?? '').replace(/[\s\u00a0\u202f]+/g, ' ').trim())));
  for (const [label, name] of [['At the server', 'duration'], ['SQL', 'sql'], ['Application', 'application'], ['Lock', 'lock']]) {
    const want = o.overall.parts.find((/** @type {any} */ x) => x.name === name);
    const got = cells.find((c) => c[0] === label);
    assert.deepEqual(got?.slice(1, 3), [ms(want.a), ms(want.b)], label);
    assert.equal(got?.[3].startsWith('~'), !want.shown, `${label}: a change that rounds do not agree on is none`);
  }
  const wide = await p.locator('.wide-arms .bar-fill').evaluateAll((all) => all.map((e) => e.getBoundingClientRect().width));
  const [a, b] = ['a', 'b'].map((arm) => o.overall.parts.find((/** @type {any} */ x) => x.name === 'duration')[arm]);
  assert.ok(Math.abs(wide[0] / wide[1] - a / b) < 0.02, `bars of ${wide} px for ${a} and ${b} s`);
  const text = plain(await p.locator('main, body').first().textContent());
  for (const want of [o.sentence, '2 calls most likely waited for a lock', '3 tried again by the server', 'SELECT party_address by party, active']) assert.ok(text.includes(plain(want)), want);
  assert.equal(await p.locator('.seen[aria-label="By method"] tbody tr').count(), o.methods.length);
  await p.goto(`${kept.base}/benchmarks/1`);
  await p.locator('.heading').waitFor();
  assert.equal(await p.locator('.seen').count(), 0, 'nobody looked');
  await p.context().close();
});
for (const scheme of /** @type {const} */ (['light', 'dark'])) {
  for (const width of [1280, 390]) {
    await check(`${scheme} at ${width} px: benchmarks fit`, async () => {
      const p = await open({ colorScheme: scheme, viewport: { width, height: 1100 } });
      for (const path of ['/benchmarks', '/benchmarks/2']) {
        await p.goto(kept.base + path);
        await p.locator('table.plain td').first().waitFor();
        const seen = await p.evaluate(() => ({ wide: document.documentElement.scrollWidth - innerWidth, text: document.body.innerText }));
        assert.ok(seen.wide <= 0, `${path} is ${seen.wide} px too wide`);
        assert.ok(!/\bNaN\b|\bundefined\b|\[object|\bfalse\b/.test(seen.text), `${path}: ${/.{0,30}(NaN|undefined|\[object|false).{0,30}/s.exec(seen.text)?.[0]}`);
        if (shots) {
          mkdirSync(shots, { recursive: true });
          await p.screenshot({ path: `${shots}${path.replace(/\W+/g, '-').replace(/^-/, '/')}-${width}-${scheme}.png` });
        }
      }
      await p.context().close();
    });
  }
}
await kept.quit();

for (const scheme of /** @type {const} */ (['light', 'dark'])) {
  for (const width of [1280, 390]) {
    await check(`${scheme} at ${width} px: pages fit and do not jump as calls come`, async () => {
      const p = await open({ colorScheme: scheme, viewport: { width, height: 844 } });
      await p.addInitScript(() => {
        Object.assign(window, { jumps: 0 });
        new PerformanceObserver((l) => l.getEntries().forEach((e) => {
          /** @type {any} */ (window).jumps += /** @type {any} */ (e).value;
        })).observe({ type: 'layout-shift', buffered: true });
      });
      for (const path of ['/', '/calls', '/sessions', '/sessions?as=table']) {
        await p.goto(server.base + path);
        await p.locator('.tr .n, .sentence b, .timeline canvas, table.plain td').first().waitFor();
        await server.tell('add 3');
        await p.waitForFunction(() => /calls\/s/.test(document.querySelector('.live-chip')?.textContent ?? ''));
        const seen = await p.evaluate(() => ({ jumps: /** @type {any} */ (window).jumps, wide: document.documentElement.scrollWidth - innerWidth, text: document.body.innerText,
          unlabelled: [...document.querySelectorAll('button, a, input')].filter((e) => !(/** @type {HTMLElement} */ (e).innerText ?? '').trim() && !e.getAttribute('aria-label')).length }));
        assert.ok(seen.wide <= 0, `${path} is ${seen.wide} px too wide`);
        assert.ok(seen.jumps < 0.05, `${path}: content jumped by ${seen.jumps}`);
        assert.ok(!/\bNaN\b|\bundefined\b|\[object/.test(seen.text), path);
        assert.equal(seen.unlabelled, 0, path);
        if (shots) {
          mkdirSync(shots, { recursive: true });
          await p.locator('.live-chip').click();
          await p.screenshot({ path: `${shots}/live${path.replace(/[^a-z0-9]+/gi, '-').replace(/-$/, '')}-${width}-${scheme}.png` });
        }
      }
      await p.context().close();
    });
  }
}

await browser.close();
await server.quit();
rmSync(dir, { recursive: true });
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
