// What each page shows, compared with the ground truth: not with perfd's own API, which might be wrong in the same way.
// Each comparison is done again on an answer that was falsified on its way to the page, and has to fail then.

import assert from 'node:assert/strict';
import { frames, keyOf, repeats, tally } from './truth.mjs';

/** @typedef {import('./truth.mjs').Call} Call */

const plain = (/** @type {string|null} */ s) => (s ?? '').replace(/[\s\u00a0\u202f]+/g, ' ').trim();
const number = (/** @type {string} */ s) => Number(s.replace(/[^\d.]/g, ''));
const close = (/** @type {number} */ got, /** @type {number} */ want, /** @type {number} */ share, /** @type {string} */ what) => assert.ok(Math.abs(got - want) <= want * share, `${what}: ${got}, in truth ${want}`);

/** High enough for most tables, so that they need no scrolling. */
const TALL = { width: 1280, height: 6000 };

/** All rows of a table that draws those in view: by column label, with the cell's title. @param {any} page @param {string} [within] */
async function rows(page, within = '') {
  if (!within) await page.setViewportSize(TALL);
  await page.locator(`${within} .tbody .tr`).first().waitFor();
  return page.evaluate(async (/** @type {string} */ scope) => {
    const table = /** @type {HTMLElement} */ (document.querySelector(`${scope} .table`));
    const labels = [...table.querySelectorAll('.th')].map((h) => /** @type {HTMLElement} */ (h).innerText.replace(/[↓↑]/g, '').trim());
    const all = Number(table.getAttribute('aria-rowcount')) - 1;
    /** @type {Map<number, Record<string, {text: string, title: string}>>} */
    const seen = new Map();
    const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
    for (let top = 0, still = 0; seen.size < all && still < 300; still++) {
      table.scrollTop = top;
      await frame();
      const inView = [...table.querySelectorAll('.tbody .tr')];
      for (const tr of inView) {
        const i = Number(tr.getAttribute('aria-rowindex'));
        if (tr.querySelector('.ghost') || seen.has(i)) continue;
        still = 0;
        seen.set(i, Object.fromEntries([...tr.children].map((c, k) => [labels[k], { text: /** @type {HTMLElement} */ (c).innerText, title: c.querySelector('[title]')?.getAttribute('title') ?? '' }])));
      }
      if (!inView.some((tr) => tr.querySelector('.ghost'))) top = Math.min(top + table.clientHeight / 2, table.scrollHeight);
    }
    table.scrollTop = 0;
    return { all, list: [...seen].sort((a, b) => a[0] - b[0]).map(([, r]) => r) };
  }, within).then((/** @type {any} */ r) => {
    assert.equal(r.list.length, r.all, 'rows that came into view');
    return r.list;
  });
}

/**
 * @param {{base: string, page: any, truth: {calls: Call[], background: {port: number, statements: import('./truth.mjs').Statement[], wire: number}[]},
 *   api: (path: string) => Promise<any>, check: (name: string, body: () => Promise<void>) => Promise<void>}} with_
 */
export async function compareWithTruth({ base, page, truth, api, check }) {
  const { calls, background } = truth;
  const queries = [...calls.flatMap((c) => c.statements), ...background.flatMap((b) => b.statements)];
  const text = async (/** @type {string} */ selector) => plain(await page.locator(selector).first().innerText());
  const visit = async (/** @type {string} */ path, /** @type {string} */ until) => {
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.goto(base + path);
    await page.locator(until).first().waitFor();
  };

  /**
   * Compares, and again with one answer falsified: the comparison has to notice.
   * @param {string} name @param {() => Promise<void>} compare
   * @param {RegExp} path of the answer @param {(answer: any) => void} falsify
   */
  const truthful = (name, compare, path, falsify) => check(`truth: ${name}`, async () => {
    await compare();
    let falsified = 0;
    const api_ = (/** @type {URL} */ u) => u.pathname.startsWith('/api/v1') && path.test(u.pathname.slice('/api/v1'.length) + u.search);
    await page.route(api_, async (/** @type {any} */ route) => {
      const response = await route.fetch();
      const json = await response.json();
      const before = JSON.stringify(json);
      falsify(json);
      if (JSON.stringify(json) !== before) falsified++;
      await route.fulfill({ response, json });
    });
    try {
      await assert.rejects(compare(), (/** @type {any} */ e) => e.code === 'ERR_ASSERTION', 'a falsified answer passes');
      assert.ok(falsified > 0, 'nothing was falsified');
    } finally {
      await page.unroute(api_);
    }
  });

  // The overview's first sentence, its figures, and its lists.
  await truthful('overview', async () => {
    await visit('/', 'section[aria-label="Users"] li a');
    const said = await text('.sentence');
    assert.ok(said.includes(`${tallySize(calls, (c) => c.login)} users waited`) && said.includes(`in ${calls.length} calls`), said);
    const figure = async (/** @type {string} */ label) => number(await text(`.figures div:has(dt:text-is("${label}")) dd`));
    assert.equal(await figure('errors'), calls.filter((c) => c.failed).length);
    const inCalls = calls.reduce((n, c) => n + c.wire, 0);
    const all = inCalls + background.reduce((n, b) => n + b.wire, 0);
    close(await figure('statements'), all, 0.002, 'statements on the wire');
    close(await figure('of them in calls'), 100 * inCalls / all, 0.005, 'share in calls');
    const names = async (/** @type {string} */ list) => (await page.locator(`section[aria-label="${list}"] li .cut`).allInnerTexts()).map(plain);
    assert.deepEqual((await names('Users')).sort(), Object.keys(tally(calls, (c) => c.login)));
    const known = tally(calls, (c) => c.name);
    for (const m of await names('Methods')) assert.ok(known[m], `nobody called ${m}`);
    const statements = await names('Statements');
    assert.ok(statements.length === 8 && !statements.some(frames), `what matters among the statements: ${statements}`);
  }, /^\/overview/, (d) => d.calls--);

  await truthful('calls of each user', async () => {
    for (const [login, n] of Object.entries(tally(calls, (c) => c.login))) {
      await visit(`/calls?filter=user:${login}&sort=start&order=asc`, '.tr .n');
      const list = await rows(page);
      assert.equal(number(await text('.page-head .count')), n, login);
      assert.deepEqual(tally(list, (r) => plain(r.Method.text).replace(/^(GET|POST|HEAD) /, '')), tally(calls.filter((c) => c.login === login), (c) => c.name), login);
      assert.deepEqual([...new Set(list.map((r) => plain(r.User.text)))], [login]);
    }
  }, /^\/calls\?/, (d) => { d.rows.at(-1).name = d.rows[0].name + 'x'; });

  const groups = async (/** @type {string} */ path, /** @type {string} */ label, /** @type {(c: Call) => string} */ of, all = calls) => {
    await visit(path, '.tr .n');
    const list = await rows(page);
    const key = (/** @type {any} */ r) => plain(r[label].text);
    assert.deepEqual(tally(list, key, (r) => number(r.Calls.text)), tally(all, of), 'calls');
    assert.deepEqual(tally(list, key, (r) => number(r.Errors.text) || 0), tally(all.filter((c) => c.failed), of), 'errors');
    const wire = tally(all, of, (c) => c.wire);
    for (const r of list) {
      const n = tally(all, of)[key(r)];
      close(n * number(r['Stmts/call'].text), wire[key(r)], 0.03, `statements of ${key(r)}`);
    }
  };
  await truthful('methods', () => groups('/methods', 'Method', (c) => c.name), /^\/methods/, (d) => d.rows[7].calls++);
  await truthful('models', () => groups('/methods?by=model', 'Model', (c) => c.model, calls.filter((c) => c.model)), /^\/models/, (d) => d.rows.pop() && d.total--);
  await truthful('users', () => groups('/users', 'User', (c) => c.login), /^\/users/, (d) => d.rows[1].statements += Math.ceil(d.rows[1].statements / 10));

  await truthful('sessions', async () => {
    const sessions = tally(calls, (c) => `${c.login} ${c.session}`);
    await visit('/sessions', '.timeline-box canvas');
    const label = await page.locator('.timeline-box canvas').getAttribute('aria-label');
    assert.ok(label.startsWith(`${Object.keys(sessions).length} sessions, ${calls.length} calls`), label);
    await visit('/sessions?as=table', 'table.sticky tbody tr');
    const shown = (await page.locator('table.sticky tbody tr').evaluateAll((/** @type {Element[]} */ list) => list.map((r) => [0, 5, 6].map((i) => /** @type {HTMLElement} */ (r.children[i]).innerText).join(' ')))).map(plain);
    const errors = tally(calls.filter((c) => c.failed), (c) => `${c.login} ${c.session}`);
    assert.deepEqual(shown.sort(), Object.entries(sessions).map(([k, n]) => `${k.split(' ')[0]} ${n} ${errors[k] ?? 0}`).sort());
  }, /^\/sessions/, (d) => d.rows[0].calls--);

  // The calls with most statements, those that failed, and every hundredth: each statement, its order, its rows.
  const listed = (await api('/calls?limit=500&sort=start&order=asc')).rows;
  const page_ = (/** @type {Call} */ c) => {
    const of = listed.filter((/** @type {any} */ r) => Number(r.client.split(':').at(-1)) === c.port && r.name === c.name && r.start <= c.began + 0.005 && r.start + r.duration >= c.ended - 0.005);
    assert.equal(of.length, 1, `calls of ${c.name} on port ${c.port}`);
    return of[0];
  };
  const chosen = [...new Set([...[...calls].sort((a, b) => b.statements.length - a.statements.length).slice(0, 4), ...calls.filter((c) => c.failed), ...calls.filter((_, i) => i % 100 === 50)])];
  await truthful(`statements of ${chosen.length} calls`, async () => {
    for (const c of chosen) {
      const row = page_(c);
      await visit(`/calls/${row.id}`, '.statements .tr .n');
      const said = await text('.sentence');
      assert.ok(said.startsWith(`${c.login} called ${c.name}:`) && said.includes('it failed') === c.failed, said);
      const list = (await rows(page, '.statements')).filter((/** @type {any} */ r) => !frames(r.Statement.title));
      const what = `call ${row.id}, ${c.name}`;
      assert.equal(list.length, c.statements.length, `${what}: statements`);
      assert.deepEqual(list.map((/** @type {any} */ r) => keyOf(r.Statement.title)), c.statements.map((s) => s.key), `${what}: their texts, in order`);
      assert.deepEqual(list.map((/** @type {any} */ r) => number(r.Rows.text) || 0), c.statements.map((s) => Math.max(0, s.rows)), `${what}: rows`);
      const at = list.map((/** @type {any} */ r, /** @type {number} */ i) => row.start + number(r.At.text) / 1e3 - c.statements[i].at);
      assert.ok(at.every((/** @type {number} */ d) => Math.abs(d) < 0.02), `${what}: a statement ${Math.max(...at.map(Math.abs))} s beside its time`);
    }
  }, /^\/calls\/\d+/, (d) => d.spans.splice(d.spans.findIndex((/** @type {any} */ s) => !frames(d.shapes[s.shape].text)), 1));

  await truthful('every call has its statements', async () => {
    await visit('/', '.sentence b');
    let wrong = 0;
    for (let i = 0; i < calls.length; i += 20) {
      const some = calls.slice(i, i + 20);
      const details = await page.evaluate((/** @type {number[]} */ ids) => Promise.all(ids.map((id) => fetch(`/api/v1/calls/${id}`).then((r) => r.json()))), some.map((c) => page_(c).id));
      some.forEach((c, k) => {
        const d = details[k];
        const own = d.spans.filter((/** @type {any} */ s) => !frames(d.shapes[s.shape].text));
        if (JSON.stringify(own.map((/** @type {any} */ s) => [keyOf(d.shapes[s.shape].text), s.text_bytes])) === JSON.stringify(c.statements.map((s) => [s.key, s.bytes]))) return;
        wrong++;
        assert.ok(!own.every((/** @type {any} */ s) => s.exact), `call ${d.call.id} is called exact, and is not`);
        assert.ok(wrong <= 0.015 * calls.length, `${wrong} of ${i + k + 1} calls have other statements than in truth`);
      });
    }
  }, /^\/calls\/\d*[05]$/, (d) => d.spans.pop() && d.spans.pop() && d.spans.pop());

  await truthful('SQL: runs of each statement', async () => {
    await visit('/sql', '.tr .n');
    const list = (await rows(page)).filter((/** @type {any} */ r) => !frames(r.Statement.title));
    assert.deepEqual(tally(list, (r) => keyOf(r.Statement.title), (r) => number(r.Runs.text)), tally(queries, (s) => s.key));
  }, /^\/shapes\?/, (d) => d.rows[4].statements--);

  // A statement that is alone with its beginning: who ran it.
  const alone = Object.entries(tally(queries, (s) => s.key)).sort((a, b) => b[1] - a[1]).map(([k]) => k);
  const shapes = (await api('/shapes?limit=1000')).rows;
  await truthful('SQL: who ran a statement', async () => {
    const key = alone.find((k) => shapes.filter((/** @type {any} */ s) => keyOf(s.text) === k).length === 1 && tallySize(calls.filter((c) => c.statements.some((s) => s.key === k)), (c) => c.name) <= 12);
    const shape = shapes.find((/** @type {any} */ s) => keyOf(s.text) === key);
    await visit(`/sql/${shape.fingerprint}`, 'section[aria-label="Users"] li');
    const runs = (/** @type {(c: Call) => string} */ of) => tally(calls, of, (c) => c.statements.filter((s) => s.key === key).length);
    for (const [list, of] of /** @type {[string, (c: Call) => string][]} */ ([['Methods that run it', (c) => c.name], ['Users', (c) => c.login]])) {
      const shown = await page.locator(`section[aria-label="${list}"] li`).evaluateAll((/** @type {Element[]} */ l) => l.map((li) => [/** @type {HTMLElement} */ (li.querySelector('.cut')).innerText, /** @type {HTMLElement} */ (li.querySelector('.num')).innerText]));
      assert.deepEqual(tally(shown, (/** @type {string[]} */ r) => plain(r[0]), (/** @type {string[]} */ r) => number(r[1])), runs(of), list);
    }
  }, /^\/shapes\/\w+/, (d) => d.users[0].statements++);

  await truthful('findings', async () => {
    await visit('/findings', '.findings-list li');
    const shown = await page.locator('.findings-list li').evaluateAll((/** @type {Element[]} */ l) => {
      const said = (/** @type {Element} */ li, /** @type {string} */ selector) => li.querySelector(selector)?.textContent?.trim() ?? '';
      return l.map((li) => ({
        rule: said(li, '.tag'), title: said(li, '.title'),
        name: said(li, '.meta .link').split(/\s·\s/)[0], calls: Number(/(\d+)\scall/.exec(said(li, '.meta .link'))?.[1]),
        example: Number(said(li, '.examples .link').slice(1)),
      }));
    });
    const costliest = (/** @type {any} */ f) => /** @type {Call} */ (calls.find((c) => c.name === f.name && page_(c).id === f.example));
    // Errors: each method that failed, as often as it did.
    assert.deepEqual(tally(shown.filter((/** @type {any} */ f) => f.rule === 'call-error'), (f) => f.name, (f) => f.calls), tally(calls.filter((c) => c.failed), (c) => c.name));
    for (const f of shown) {
      const c = costliest(f);
      assert.ok(c, `${f.title}: call ${f.example} of ${f.name}`);
      if (f.rule === 'call-error') assert.ok(f.title.includes(`failed with odoo.exceptions.${c.error} `), f.title);
      if (f.rule === 'duplicate-query') { // the same text, by its hash
        assert.ok(repeats(c).includes(Number(/ran (\d+) times/.exec(f.title)?.[1])), `${f.title}: in truth ${repeats(c)}`);
        assert.ok(f.calls <= calls.filter((x) => x.name === f.name && repeats(x).length > 0).length, `${f.title} in ${f.calls} calls`);
      }
      if (f.rule === 'worker-wait') { // until the application was entered
        const [, n, unit] = /waited ([\d.]+)\s(ms|s) of/i.exec(f.title.replace(/[\u00a0\u202f]/g, ' ')) ?? [];
        const waited = Number(n) * (unit === 'ms' ? 1e-3 : 1);
        assert.ok(Math.abs(waited - (c.began - page_(c).start)) < 0.02, `${f.title}: in truth ${c.began - page_(c).start} s`);
      }
      assert.ok(['call-error', 'duplicate-query', 'worker-wait'].includes(f.rule), `${f.rule} is not compared`);
    }
  }, /^\/findings/, (d) => d.rows.forEach((/** @type {any} */ f) => { f.title = f.title.replace(/ran (\d+) times/, (/** @type {string} */ _, /** @type {string} */ n) => `ran ${Number(n) + 1} times`); }));

  // Each statement by the connection it came on.
  await truthful('background', async () => {
    await visit('/background', '.tr .n');
    const leases = (await api('/background?limit=500&sort=start&order=asc')).rows;
    assert.equal(number(await text('.page-head .count')), leases.length);
    const list = await rows(page);
    assert.deepEqual(list.map((/** @type {any} */ r) => plain(r.Client.text)), leases.map((/** @type {any} */ l) => l.client));
    /** @type {Record<number, string[]>} what is yet to come on each connection */
    const due = {};
    for (const s of background.flatMap((x) => x.statements.map((q) => ({ ...q, port: x.port }))).sort((x, y) => x.at - y.at)) (due[s.port] ??= []).push(s.key);
    for (const l of leases) {
      await visit(`/background/${l.id}`, 'table.plain tbody tr');
      const titles = await page.locator('table.plain tbody td a').evaluateAll((/** @type {Element[]} */ a) => a.map((x) => x.getAttribute('title') ?? ''));
      const ran = titles.filter((/** @type {string} */ s) => !frames(s)).map(keyOf);
      assert.deepEqual(ran, (due[Number(l.client.split(':').at(-1))] ?? []).splice(0, ran.length), `lease ${l.id}, ${l.group}`);
    }
    assert.deepEqual(Object.values(due).flat(), [], 'statements that no lease has');
  }, /^\/background\/\d+/, (d) => d.spans.splice(1, 1));
}

/** @param {Call[]} list @param {(c: Call) => string} key */
const tallySize = (list, key) => Object.keys(tally(list, key)).length;
