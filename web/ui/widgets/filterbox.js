// The filter box: field:value terms with completion. What it holds is the URL's `filter`.

import { useAPI } from '../api.js';
import { parse, suggest } from '../lib/filter.js';
import { patch, usePlace } from '../state.js';
import { html, useEffect, useRef, useState } from './html.js';
import { Icon } from './icons.js';

/** @param {{rules: string[]}} props */
export function FilterBox({ rules }) {
  const place = usePlace();
  const inURL = place.query.get('filter') ?? '';
  const [text, setText] = useState(inURL);
  const [caret, setCaret] = useState(0);
  const [open, setOpen] = useState(false);
  const [at, setAt] = useState(-1);
  const [used, setUsed] = useState(false);
  const input = useRef(/** @type {HTMLInputElement|null} */ (null));
  const timer = useRef(0);
  const sent = useRef(inURL);
  useEffect(() => {
    if (inURL !== sent.current) {
      sent.current = inURL;
      setText(inURL);
    }
  }, [inURL]);
  const methods = useAPI(used ? '/methods' : null, { limit: 500 });
  const users = useAPI(used ? '/users' : null, { limit: 200 });
  const models = useAPI(used ? '/models' : null, { limit: 200 });
  const names = (/** @type {any} */ d) => (d?.rows ?? []).map((/** @type {any} */ r) => r.name);
  const catalogue = {
    methods: names(methods.data), users: names(users.data), models: names(models.data),
    rules: ['any', ...rules], errors: ['any', 'none'], classes: ['ordinary', 'asset', 'poll', 'handshake', 'all'],
  };
  const { from, to, items } = suggest(text, caret, catalogue);
  const { problems } = parse(text);
  const shown = open && items.length > 0;

  const send = (/** @type {string} */ value, /** @type {number} */ delay) => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      sent.current = value.trim();
      patch({ filter: value.trim() }, { replace: true });
    }, delay);
  };
  const change = (/** @type {string} */ value, /** @type {number} */ position, delay = 250) => {
    setText(value);
    setCaret(position);
    setAt(-1);
    setOpen(true);
    // A term that is still being typed would match nothing: it counts from the next blank, Enter or choice.
    const begun = /\S*$/.exec(value.slice(0, position))?.[0] ?? '';
    if (delay > 0 && begun.includes(':')) clearTimeout(timer.current);
    else send(value, delay);
  };
  const take = (/** @type {number} */ i) => {
    const value = text.slice(0, from) + items[i].insert + text.slice(to);
    const position = from + items[i].insert.length;
    change(value, position, 0);
    requestAnimationFrame(() => {
      input.current?.focus();
      input.current?.setSelectionRange(position, position);
    });
  };
  const key = (/** @type {KeyboardEvent} */ e) => {
    if (e.key === 'Escape') {
      if (shown) setOpen(false);
      else input.current?.blur();
    } else if (shown && (e.key === 'ArrowDown' || e.key === 'ArrowUp')) {
      e.preventDefault();
      setAt((at + (e.key === 'ArrowDown' ? 1 : items.length + (at < 0 ? 1 : 0) - 1) + items.length) % items.length);
    } else if (shown && e.key === 'Tab' && !e.shiftKey && text.slice(from, caret) !== '') {
      e.preventDefault();
      take(Math.max(0, at));
    } else if (e.key === 'Enter') {
      if (shown && at >= 0) take(at);
      else {
        send(text, 0);
        setOpen(false);
      }
    }
  };
  return html`<div class="filter ${problems.length ? 'wrong' : ''}">
    <${Icon} name="search" size="14" />
    <input ref=${input} id="filter" type="text" value=${text} placeholder="Filter, as user:bruno duration:>100ms" spellcheck=${false} autocomplete="off"
      autocapitalize="off" role="combobox" aria-label="Filter" aria-expanded=${shown ? 'true' : 'false'} aria-controls="filter-list" aria-autocomplete="list"
      aria-activedescendant=${shown && at >= 0 ? `filter-${at}` : undefined} aria-invalid=${problems.length ? 'true' : undefined}
      onInput=${(/** @type {any} */ e) => change(e.target.value, e.target.selectionStart ?? 0)} onKeyDown=${key}
      onFocus=${() => {
    setUsed(true);
    setOpen(true);
    setCaret(input.current?.selectionStart ?? 0);
  }} onBlur=${() => {
    setOpen(false);
    if (text.trim() !== sent.current) send(text, 0);
  }} onClick=${() => setCaret(input.current?.selectionStart ?? 0)} />
    ${text ? html`<button type="button" class="tool clear" onClick=${() => {
    change('', 0, 0);
    setOpen(false);
  }} aria-label="Clear the filter" title="Clear the filter"><${Icon} name="close" size="12" /></button>` : html`<kbd aria-hidden="true">/</kbd>`}
    ${(shown || problems.length > 0) && html`<div class="suggest">
      ${problems.map((p) => html`<div class="problem" role="alert">${p}</div>`)}
      <ul id="filter-list" role="listbox">${shown && items.map((it, i) => html`<li role="option" id=${`filter-${i}`} aria-selected=${i === at ? 'true' : 'false'} class=${i === at ? 'on' : ''}
        onMouseDown=${(/** @type {Event} */ e) => {
    e.preventDefault();
    take(i);
  }}><code>${it.label}</code><span class="dim cut">${it.hint}</span></li>`)}</ul>
    </div>`}
  </div>`;
}
