// The only module that fetches. Answers are kept: a recording does not change. Those about a server that is being
// watched are asked for anew when a page comes back to them, and shown until the new ones are there.

import { useCallback, useEffect, useRef, useState } from './vendor/preact-hooks.js';

/** @typedef {Record<string, string|number|string[]|undefined>} Params */

export class APIError extends Error {
  /** @param {string} message @param {string} code @param {string} hint @param {number} status */
  constructor(message, code, hint, status) {
    super(message);
    this.code = code;
    this.hint = hint;
    this.status = status;
  }
}

/** @type {Map<string, Promise<any>>} */
const cache = new Map();
/** @type {Map<string, {at: number, tick: number}>} when an answer was asked for, and for which tick */
const asked = new Map();
/** How long answers hold, in milliseconds. */
let holds = Infinity;
/** @param {number} ms */
export const hold = (ms) => {
  holds = ms;
};
/** @type {Map<string, any>} answers that have arrived, so that a page seen before shows at once */
const ready = new Map();
const KEEP = 120;

/** @param {string} path @param {Params} [params] */
function address(path, params = {}) {
  const q = new URLSearchParams();
  for (const [k, v] of Object.entries(params)) {
    if (v === undefined || v === '') continue;
    for (const one of Array.isArray(v) ? v : [v]) q.append(k, String(one));
  }
  q.sort();
  const text = q.toString();
  return `/api/v1${path}${text ? '?' + text : ''}`;
}

/** @param {string} url @param {number} [tick] a higher one asks anew @returns {Promise<any>} */
function load(url, tick = 0) {
  const known = cache.get(url);
  const was = asked.get(url);
  if (known && was && was.tick >= tick && (tick > 0 || Date.now() - was.at < holds)) return known;
  const answer = request(url);
  cache.delete(url);
  cache.set(url, answer);
  asked.set(url, { at: Date.now(), tick });
  answer.then(
    (data) => {
      if (cache.get(url) === answer) ready.set(url, data);
      if (cache.size > KEEP) forget(cache.keys().next().value ?? '');
    },
    () => cache.get(url) === answer && forget(url),
  );
  return answer;
}

/** Forgets every answer: they were about another recording. */
export function forgetAll() {
  cache.clear();
  ready.clear();
  asked.clear();
}

/** Asks in advance. @param {string} path @param {Params} params @returns {Promise<any>} */
export const prefetch = (path, params) => load(address(path, params));

/** @param {string} url */
function forget(url) {
  cache.delete(url);
  ready.delete(url);
  asked.delete(url);
}

function signIn() {
  location.replace(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
}

/** @param {string} url */
async function request(url) {
  let response;
  try {
    response = await fetch(url, { headers: { Accept: 'application/json' } });
  } catch {
    throw new APIError('perfd does not answer.', 'unreachable', 'Is it still running? Start it again: perfd analyze FILE --serve', 0);
  }
  if (response.status === 401) signIn();
  const body = await response.json().catch(() => null);
  if (!response.ok) {
    const e = body?.error ?? {};
    throw new APIError(e.message ?? `perfd answered ${response.status}.`, e.code ?? 'unknown', e.hint ?? '', response.status);
  }
  if (body === null) throw new APIError('perfd sent an answer that is no JSON.', 'malformed', '', response.status);
  return body;
}

/**
 * The answer to a question, kept on screen while the next one is on its way. A null path asks nothing.
 * @template T
 * @param {string|null} path
 * @param {Params} [params]
 * @param {number} [tick] asks anew when it grows; an answer that fails then leaves the one before in place
 * @returns {{data: T|null, error: APIError|null, loading: boolean, retry: () => void}}
 */
export function useAPI(path, params, tick = 0) {
  const url = path === null ? '' : address(path, params);
  const [, bump] = useState(0);
  const [attempt, setAttempt] = useState(0);
  const last = useRef(/** @type {{path: string|null, url: string, data: any, error: APIError|null, of?: Promise<any>}} */ ({ path: null, url: '', data: null, error: null }));
  if (last.current.path !== path) last.current = { path, url: '', data: null, error: null };
  if (url && last.current.url !== url && ready.has(url)) last.current = { path, url, data: ready.get(url), error: null, of: cache.get(url) };
  useEffect(() => {
    if (!url) return undefined;
    const answer = load(url, tick);
    if (last.current.url === url && !last.current.error && last.current.of === answer) return undefined;
    let current = true;
    answer.then(
      (data) => {
        if (!current) return;
        last.current = { path, url, data, error: null, of: answer };
        bump((n) => n + 1);
      },
      (error) => {
        if (!current || (last.current.url === url && last.current.data)) return;
        last.current = { path, url, data: null, error };
        bump((n) => n + 1);
      },
    );
    return () => {
      current = false;
    };
  }, [url, attempt, tick]);
  return { data: last.current.data, error: last.current.error, loading: url !== '' && last.current.url !== url, retry: () => setAttempt(attempt + 1) };
}

/** Rows of a page of a long list. */
export const PAGE = 200;

/**
 * A long list read by pages as they come into view.
 * @template T
 * @param {string|null} path null asks nothing yet
 * @param {Params} params
 * @returns {{total: number|null, row: (i: number) => T|undefined, need: (a: number, b: number) => void, error: APIError|null, retry: () => void}}
 */
export function usePages(path, params) {
  const key = path === null ? '' : address(path, params);
  const [, bump] = useState(0);
  const state = useRef({ key: '', total: /** @type {number|null} */ (null), pages: /** @type {Map<number, T[]>} */ (new Map()), asked: new Set(), error: /** @type {APIError|null} */ (null) });
  const old = useRef(/** @type {number|null} */ (null));
  if (state.current.key !== key) {
    old.current = state.current.total ?? old.current;
    const first = path !== null && ready.get(address(path, { ...params, offset: 0, limit: PAGE })); // of a recording that grows: asked for in advance
    state.current = { key, total: first?.total ?? null, pages: new Map(first ? [[0, first.rows]] : []), asked: new Set(first ? [0] : []), error: null };
  }
  const need = useCallback((/** @type {number} */ a, /** @type {number} */ b) => {
    const s = state.current;
    if (path === null) return;
    for (let p = Math.floor(a / PAGE); p <= Math.floor(Math.max(a, b - 1) / PAGE); p++) {
      if (s.asked.has(p) || (s.total !== null && p > 0 && p * PAGE >= s.total)) continue;
      s.asked.add(p);
      load(address(path, { ...params, offset: p * PAGE, limit: PAGE })).then(
        (data) => {
          s.total = data.total;
          s.pages.set(p, data.rows);
          s.error = null;
          if (s === state.current) bump((n) => n + 1);
        },
        (error) => {
          s.error = error;
          s.asked.delete(p);
          if (s === state.current) bump((n) => n + 1);
        },
      );
    }
  }, [key]);
  useEffect(() => need(0, 1), [key]);
  const s = state.current;
  return {
    total: s.total ?? old.current,
    row: (i) => s.pages.get(Math.floor(i / PAGE))?.[i % PAGE],
    need,
    error: s.error,
    retry: () => {
      s.error = null;
      need(0, 1);
      bump((n) => n + 1);
    },
  };
}

/**
 * Follows what is added to a recording. The browser connects again by itself; where perfd refuses, it is asked
 * again after a while, or the person to sign in.
 * @param {Params} params
 * @param {{on: (event: string, data: any) => void, status: (s: 'live'|'lost') => void}} to
 * @returns {() => void} ends it
 */
export function listen(params, to) {
  /** @type {EventSource|null} */
  let source = null;
  let timer = 0;
  let last = 0;
  let ended = false;
  const connect = () => {
    const s = new EventSource(address('/live', last ? { ...params, after: last } : params));
    source = s;
    for (const name of ['hello', 'calls', 'state']) {
      s.addEventListener(name, (e) => {
        if (e.lastEventId) last = Number(e.lastEventId);
        to.on(name, JSON.parse(e.data));
      });
    }
    s.addEventListener('open', () => to.status('live'));
    s.addEventListener('error', async () => {
      to.status('lost');
      if (s.readyState !== EventSource.CLOSED || ended) return;
      timer = setTimeout(connect, 3000);
      const answer = await fetch('/api/v1/session').then((r) => r.json(), () => null);
      if (answer && !answer.known && !ended) signIn();
    });
  };
  connect();
  return () => {
    ended = true;
    clearTimeout(timer);
    source?.close();
  };
}
