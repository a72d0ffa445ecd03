// The server that is being watched: one stream of what is added, whether the pages follow it, and its state.

import { forgetAll, hold, listen, PAGE, prefetch } from './api.js';
import { added, counted, extend, order, rate } from './lib/live.js';
import { useEffect, useMemo, useRef, useState } from './vendor/preact-hooks.js';

/**
 * @typedef {import('./lib/types.js').Call} Call
 * @typedef {import('./lib/types.js').State} State
 * @typedef {{now: number, last: number, anew?: boolean}} Hello
 * @typedef {{now: number, last: number, total: number, skipped: number, rows: Call[]}} Added
 * @typedef {{hello?: (e: Hello) => void, calls?: (e: Added) => void}} Listener
 */

/** The least time between two refreshes of figures, in milliseconds. */
const REFRESH = 2000;
/** Added rows kept beside a list; beyond, the list is read anew. */
const BESIDE = 500;

const live = {
  on: false,
  status: /** @type {'connecting'|'live'|'lost'} */ ('connecting'),
  paused: false,
  missed: 0, // calls that were added since the pause began
  ahead: 0, // of the server's clock over this one's, in seconds
  state: /** @type {State|null} */ (null),
  seen: /** @type {{t: number, n: number}[]} */ ([]),
  tick: 1,
};

/** @type {Set<() => void>} */
const watchers = new Set();
/** @type {Set<Listener>} */
const listeners = new Set();
/** @type {Hello|null} */
let hello = null;
/** @type {Record<string, any>} */
let params = { limit: 0 };
let key = '';
const idle = () => {};
let close = idle;
let last = 0;
let ticked = 0;
let due = 0;

const changed = () => {
  for (const w of [...watchers]) w();
};

/** Seconds since 1970 by the server's clock. */
export const serverNow = () => Date.now() / 1000 + live.ahead;

/** Asks for figures anew, and again later: perfd answers costly questions from memory for a while. */
const LATER = [2500, 16000];
/** @type {number[]} */
let later = [];

function tick(again = true) {
  if (again) {
    later.forEach(clearTimeout);
    later = LATER.map((ms) => setTimeout(() => tick(false), ms));
  }
  if (live.paused || document.hidden || due) return;
  due = setTimeout(() => {
    due = 0;
    if (live.paused || document.hidden) return;
    ticked = performance.now();
    live.tick++;
    changed();
  }, Math.max(0, ticked + REFRESH - performance.now()));
}

/** @param {string} name @param {any} e */
function on(name, e) {
  live.ahead = e.now - Date.now() / 1000;
  if (name === 'state') {
    live.state = e.state;
    live.seen = counted(live.seen, e.now, e.state.calls);
    changed();
    return;
  }
  last = e.last;
  if (name === 'hello') {
    hello = e;
    if (e.anew) forgetAll();
    tick(); // what was asked for before may be older than where the stream begins
    for (const l of [...listeners]) l.hello?.(e);
    return;
  }
  if (hello) hello = { ...hello, last: e.last };
  for (const l of [...listeners]) l.calls?.(e);
  if (live.paused) {
    live.missed += e.total;
    changed();
  } else tick();
}

function connect() {
  close();
  close = idle;
  if (!live.on || document.hidden) return;
  close = listen(last && hello ? { ...params, after: last } : params, {
    on,
    status: (s) => {
      live.status = s;
      changed();
    },
  });
}

/** Begins to follow. Hidden pages do not listen: a browser has few connections for one server. */
export function start() {
  if (live.on) return;
  live.on = true;
  hold(REFRESH);
  changed();
  setTimeout(() => close === idle && connect()); // a page that wants rows has connected by then
  document.addEventListener('visibilitychange', () => {
    connect();
    tick();
  });
  window.addEventListener('pagehide', () => close());
}

export function togglePause() {
  if (!live.on) return;
  live.paused = !live.paused;
  live.missed = 0;
  changed();
  tick();
}

/**
 * Renders again when what is picked changes.
 * @template T
 * @param {(l: typeof live) => T} pick
 * @returns {T}
 */
export function useLive(pick) {
  const [, bump] = useState(0);
  const picked = useRef({ pick, value: pick(live) });
  picked.current = { pick, value: pick(live) };
  useEffect(() => {
    const w = () => {
      if (picked.current.pick(live) !== picked.current.value) bump((n) => n + 1);
    };
    w(); // it may have changed since it was rendered
    watchers.add(w);
    return () => {
      watchers.delete(w);
    };
  }, []);
  return picked.current.value;
}

/** Grows when figures should be asked for anew. */
export const useTick = () => useLive((l) => l.tick);

export const isOn = () => live.on;

/** Calls per second of late. */
export const callRate = () => rate(live.seen, serverNow());

/**
 * Listens to what is added, for as long as the page shows it.
 * @param {Record<string, any>|null} filter of the calls that are wanted
 * @param {Listener} to
 */
function useStream(filter, to) {
  const now = useRef(to);
  now.current = to;
  const wanted = filter ? JSON.stringify(filter) : '';
  useEffect(() => {
    if (!wanted) return undefined;
    /** @type {Listener} */
    const l = { hello: (e) => now.current.hello?.(e), calls: (e) => now.current.calls?.(e) };
    listeners.add(l);
    if (key !== wanted) {
      key = wanted;
      params = JSON.parse(wanted);
      hello = null;
      connect();
    } else if (hello) l.hello?.(hello);
    return () => {
      listeners.delete(l);
    };
  }, [wanted]);
  // Who leaves wants counts alone, unless the next page wants rows.
  useEffect(() => () => {
    setTimeout(() => {
      if (listeners.size || key === '') return;
      key = '';
      params = { limit: 0 };
      connect();
    });
  }, []);
}

/**
 * A list of calls that grows: up to which call the list itself goes, and the rows that were added since.
 * @param {Record<string, any>} filter
 * @param {string} sort
 * @param {string} way asc or desc
 * @param {boolean} still whether the rows have to stay where they are
 * @returns {{until: number|null, rows: Call[], waiting: number}} until is null before the stream has begun
 */
export function useAdded(filter, sort, way, still) {
  const follows = useLive((l) => l.on);
  const paused = useLive((l) => l.paused);
  const [, bump] = useState(0);
  const compare = useMemo(() => order(sort, way), [sort, way]);
  const id = JSON.stringify([filter, sort, way]);
  const s = useRef({ id: '', until: /** @type {number|null} */ (null), rows: /** @type {Call[]} */ ([]), kept: /** @type {Call[]} */ ([]), waiting: 0, newest: 0, behind: false, begun: 0, timer: 0 });
  if (s.current.id !== id) {
    clearTimeout(s.current.timer);
    s.current = { id, until: null, rows: [], kept: [], waiting: 0, newest: 0, behind: false, begun: 0, timer: 0 };
  }
  const held = useRef(still || paused);
  held.current = still || paused;
  const c = s.current;
  // Reads the list anew, up to the newest call, and shows it once its first page is there.
  const reread = () => {
    if (c.timer || c !== s.current) return;
    c.timer = setTimeout(async () => {
      const until = c.newest;
      c.begun = performance.now();
      await prefetch('/calls', { ...filter, sort, order: way, until, offset: 0, limit: PAGE }).catch(() => null);
      c.timer = 0;
      if (c !== s.current) return;
      if (held.current) return;
      c.until = until;
      c.rows = c.rows.filter((r) => r.id > until);
      c.behind = false;
      bump((n) => n + 1);
    }, Math.max(0, c.begun + REFRESH - performance.now()));
  };
  const take = () => {
    if (held.current || c !== s.current) return;
    c.rows = added(c.rows, c.kept, compare);
    c.kept = [];
    c.waiting = 0;
    if (c.behind || c.rows.length > BESIDE) reread();
    if (!c.behind) bump((n) => n + 1);
  };
  useStream(follows ? { ...filter, limit: PAGE } : null, {
    hello: (e) => {
      c.newest = Math.max(e.last, e.anew ? 0 : c.newest);
      if (c.until === null) {
        c.until = e.last;
        bump((n) => n + 1);
      } else if (e.anew) {
        c.newest = e.last;
        c.behind = true;
        c.rows = [];
        c.kept = [];
        take();
      }
    },
    calls: (e) => {
      c.newest = e.last;
      c.waiting += e.total;
      c.kept.push(...e.rows);
      if (e.skipped > 0 || c.kept.length > BESIDE) {
        c.behind = true;
        c.kept = [];
      }
      if (held.current) bump((n) => n + 1);
      else take();
    },
  });
  useEffect(() => {
    if (!held.current && c.until !== null && (c.kept.length || c.behind)) take();
  }, [still, paused]);
  useEffect(() => () => clearTimeout(s.current.timer), []);
  return { until: c.until, rows: c.rows, waiting: c.waiting };
}

/** Bars beyond which a picture is read anew, and the least time between two readings, in milliseconds. */
const BARS = 30000;
const REREAD = 5000;

/**
 * The timeline of the last `span` seconds, to which calls are added as they come. While paused, it stays as it is.
 * @param {Record<string, any>} filter
 * @param {number} span
 * @returns {{data: import('./lib/types.js').Timeline|null, error: any, retry: () => void}}
 */
export function useTimeline(filter, span) {
  const follows = useLive((l) => l.on);
  const paused = useLive((l) => l.paused);
  const [, bump] = useState(0);
  const id = JSON.stringify([filter, span]);
  const fresh = () => ({ id, data: /** @type {import('./lib/types.js').Timeline|null} */ (null), error: /** @type {any} */ (null), rows: /** @type {Call[]} */ ([]), newest: -1, begun: 0, timer: 0, behind: false });
  const s = useRef(fresh());
  if (s.current.id !== id) {
    clearTimeout(s.current.timer);
    s.current = fresh();
  }
  const c = s.current;
  const stopped = useRef(paused);
  stopped.current = paused;
  const reread = () => {
    if (c.timer || c !== s.current) return;
    c.timer = setTimeout(async () => {
      const until = c.newest;
      c.begun = performance.now();
      c.behind = false;
      const data = await prefetch('/timeline', { ...filter, from: filter.from ?? (serverNow() - span).toFixed(3), until, limit: 60000, bins: 1000 }).catch((e) => {
        c.error = e;
        return null;
      });
      c.timer = 0;
      if (c !== s.current || (stopped.current && c.data)) return;
      if (data) {
        c.error = null;
        c.data = data;
        c.rows = c.rows.filter((r) => r.id > until);
        grow();
      }
      bump((n) => n + 1);
    }, c.begun ? Math.max(0, c.begun + REREAD - performance.now()) : 0);
  };
  const grow = () => {
    const d = c.data;
    if (!d || stopped.current) return;
    if (d.mode === 'bins' || c.behind || d.calls.id.length > BARS || serverNow() - d.t0 > 3 * span) reread();
    if (d.mode === 'bins' || !c.rows.length) return;
    c.data = extend(d, c.rows);
    c.rows = [];
    bump((n) => n + 1);
  };
  useStream(follows ? { ...filter, limit: 1000 } : null, {
    hello: (e) => {
      c.newest = e.anew ? e.last : Math.max(c.newest, e.last);
      if (!c.data || e.anew) reread();
    },
    calls: (e) => {
      c.newest = e.last;
      if (e.skipped > 0 || c.rows.length > 5000) {
        c.behind = true;
        c.rows = [];
      } else c.rows.push(...e.rows);
      grow();
    },
  });
  useEffect(() => {
    if (!paused) grow();
  }, [paused]);
  useEffect(() => () => clearTimeout(s.current.timer), []);
  return { data: c.data, error: c.data ? null : c.error, retry: reread };
}
