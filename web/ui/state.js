// The state of the UI is the URL: path, filter, time range, sorting, selection. Views read it and patch it.

import { useEffect, useState } from './vendor/preact-hooks.js';
import { parse } from './lib/filter.js';

/** @typedef {{path: string, query: URLSearchParams}} Place */

/** What a link to another page keeps. */
const KEPT = ['from', 'to', 'filter'];

/** @type {Set<() => void>} */
const listeners = new Set();

/** @returns {Place} */
function read() {
  return { path: location.pathname.replace(/\/+$/, '') || '/', query: new URLSearchParams(location.search) };
}

let place = read();

function changed() {
  place = read();
  for (const l of [...listeners]) l();
}

window.addEventListener('popstate', changed);

/** @returns {Place} */
export const here = () => place;

/** Renders again whenever the URL changes. @returns {Place} */
export function usePlace() {
  const [, bump] = useState(0);
  useEffect(() => {
    const l = () => bump((n) => n + 1);
    listeners.add(l);
    return () => {
      listeners.delete(l);
    };
  }, []);
  return place;
}

/**
 * @param {string} url path and query
 * @param {{replace?: boolean}} [opts]
 */
export function go(url, opts = {}) {
  if (url === location.pathname + location.search) return;
  history[opts.replace ? 'replaceState' : 'pushState'](null, '', url);
  changed();
}

/**
 * Changes some of the query; null or '' removes.
 * @param {Record<string, string|number|null|undefined>} changes
 * @param {{replace?: boolean}} [opts]
 */
export function patch(changes, opts = {}) {
  go(link(place.path, changes, place.query), opts);
}

/**
 * A link that keeps the time range and the filter.
 * @param {string} path
 * @param {Record<string, string|number|null|undefined>} [changes]
 * @param {URLSearchParams} [base] query to start from
 */
export function link(path, changes = {}, base) {
  const query = new URLSearchParams(base);
  if (!base) {
    for (const k of KEPT) {
      const v = place.query.get(k);
      if (v) query.set(k, v);
    }
  }
  for (const [k, v] of Object.entries(changes)) {
    if (v === null || v === undefined || v === '') query.delete(k);
    else query.set(k, String(v));
  }
  const text = query.toString().replaceAll('%3A', ':').replaceAll('%2C', ',').replaceAll('%7E', '~');
  return text ? `${path}?${text}` : path;
}

/**
 * The filter box and the time range as parameters of the API.
 * @param {Place} p
 * @returns {Record<string, string|string[]>}
 */
export function filterParams(p) {
  /** @type {Record<string, string|string[]>} */
  const out = { ...parse(p.query.get('filter') ?? '').params };
  for (const k of ['from', 'to']) {
    const v = p.query.get(k);
    if (v && Number.isFinite(Number(v))) out[k] = v;
  }
  return out;
}

/** Follows links within the UI without loading the page anew. */
export function captureLinks() {
  document.addEventListener('click', (e) => {
    if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
    const a = e.target instanceof Element ? e.target.closest('a') : null;
    const url = a?.getAttribute('href');
    if (!a || !url || !url.startsWith('/') || url.startsWith('/api/') || a.target) return;
    e.preventDefault();
    go(url);
    document.querySelector('main')?.scrollTo(0, 0);
  });
}
