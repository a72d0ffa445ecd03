// The only module that fetches. Answers are kept for a while: a recording does not change.

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

/** @param {string} url @returns {Promise<any>} */
function load(url) {
  const known = cache.get(url);
  if (known) return known;
  const answer = request(url);
  cache.set(url, answer);
  answer.then(
    (data) => {
      ready.set(url, data);
      if (cache.size > KEEP) forget(cache.keys().next().value ?? '');
    },
    () => forget(url),
  );
  return answer;
}

/** @param {string} url */
function forget(url) {
  cache.delete(url);
  ready.delete(url);
}

/** @param {string} url */
async function request(url) {
  let response;
  try {
    response = await fetch(url, { headers: { Accept: 'application/json' } });
  } catch {
    throw new APIError('perfd does not answer.', 'unreachable', 'Is it still running? Start it again: perfd analyze FILE --serve', 0);
  }
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
 * @returns {{data: T|null, error: APIError|null, loading: boolean, retry: () => void}}
 */
export function useAPI(path, params) {
  const url = path === null ? '' : address(path, params);
  const [, bump] = useState(0);
  const [attempt, setAttempt] = useState(0);
  const last = useRef(/** @type {{path: string|null, url: string, data: any, error: APIError|null}} */ ({ path: null, url: '', data: null, error: null }));
  if (last.current.path !== path) last.current = { path, url: '', data: null, error: null };
  if (url && last.current.url !== url && ready.has(url)) last.current = { path, url, data: ready.get(url), error: null };
  useEffect(() => {
    if (!url || (last.current.url === url && !last.current.error)) return undefined;
    let current = true;
    load(url).then(
      (data) => {
        if (!current) return;
        last.current = { path, url, data, error: null };
        bump((n) => n + 1);
      },
      (error) => {
        if (!current) return;
        last.current = { path, url, data: null, error };
        bump((n) => n + 1);
      },
    );
    return () => {
      current = false;
    };
  }, [url, attempt]);
  return { data: last.current.data, error: last.current.error, loading: url !== '' && last.current.url !== url, retry: () => setAttempt(attempt + 1) };
}

const PAGE = 200;

/**
 * A long list read by pages as they come into view.
 * @template T
 * @param {string} path
 * @param {Params} params
 * @returns {{total: number|null, row: (i: number) => T|undefined, need: (a: number, b: number) => void, error: APIError|null, retry: () => void}}
 */
export function usePages(path, params) {
  const key = address(path, params);
  const [, bump] = useState(0);
  const state = useRef({ key: '', total: /** @type {number|null} */ (null), pages: /** @type {Map<number, T[]>} */ (new Map()), asked: new Set(), error: /** @type {APIError|null} */ (null) });
  const old = useRef(/** @type {number|null} */ (null));
  if (state.current.key !== key) {
    old.current = state.current.total ?? old.current;
    state.current = { key, total: null, pages: new Map(), asked: new Set(), error: null };
  }
  const need = useCallback((/** @type {number} */ a, /** @type {number} */ b) => {
    const s = state.current;
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
