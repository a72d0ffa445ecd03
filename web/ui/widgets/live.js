// What the top bar tells of a server that is being watched: that it is, how it goes, and what is wrong.

import { clock, count, join, lasting, percent, plural, sentence, size } from '../lib/format.js';
import { rounded } from '../lib/live.js';
import { callRate, serverNow, togglePause, useLive } from '../live.js';
import { html, useEffect, useLayoutEffect, useRef, useState } from './html.js';
import { Icon } from './icons.js';
import { Count, Percent } from './num.js';

/** @typedef {import('../lib/types.js').State} State */

/** A click leaves the focus where it is, so that the space bar still pauses. @param {Event} e */
const keepFocus = (e) => e.preventDefault();

/** The chip with the rate, its panel, and the button that pauses. */
export function LiveChip() {
  const status = useLive((l) => l.status);
  const paused = useLive((l) => l.paused);
  const missed = useLive((l) => l.missed);
  const state = useLive((l) => l.state);
  const [open, setOpen] = useState(false);
  const [, bump] = useState(0);
  const box = useRef(/** @type {HTMLElement|null} */ (null));
  useEffect(() => {
    const timer = setInterval(() => bump((n) => n + 1), 1000); // silence lowers the rate too
    return () => clearInterval(timer);
  }, []);
  useLayoutEffect(() => { // at once: who opens it may press Escape before the next frame
    if (!open) return undefined;
    const away = (/** @type {Event} */ e) => e.target instanceof Node && !box.current?.contains(e.target) && setOpen(false);
    const key = (/** @type {KeyboardEvent} */ e) => e.key === 'Escape' && setOpen(false);
    document.addEventListener('pointerdown', away);
    document.addEventListener('keydown', key);
    return () => {
      document.removeEventListener('pointerdown', away);
      document.removeEventListener('keydown', key);
    };
  }, [open]);
  useEffect(() => {
    const show = () => setOpen(true);
    document.addEventListener('perfd:state', show);
    return () => document.removeEventListener('perfd:state', show);
  }, []);
  const r = callRate();
  const worst = ['critical', 'warning'].find((w) => state?.notices.some((n) => n.severity === w)) ?? '';
  const mode = status === 'lost' ? 'lost' : paused ? 'paused' : status;
  return html`<div class="live" ref=${box}>
    <button type="button" class="live-chip is-${mode}" aria-expanded=${open ? 'true' : 'false'} aria-controls="live-panel" onMouseDown=${keepFocus} onClick=${() => setOpen(!open)} title="How the watching goes">
      <i class="dot ${worst}" aria-hidden="true" /><strong>${{ lost: 'no answer', paused: 'paused', live: 'live', connecting: 'live' }[mode]}</strong>
      <span class="n">${mode === 'lost' ? '' : paused ? html`${join(count(missed))}<span class="u">${'\u00a0'}new</span>` : r === undefined ? '\u00a0' : html`${rounded(r)}<span class="u">${'\u00a0'}calls/s</span>`}</span>
    </button>
    <button type="button" class="tool pause" aria-pressed=${paused ? 'true' : 'false'} onMouseDown=${keepFocus} onClick=${togglePause} aria-label=${paused ? 'Resume' : 'Pause'} title="${paused ? 'Resume and catch up' : 'Pause'} (Space)"><${Icon} name=${paused ? 'play' : 'pause'} size="14" /></button>
    ${open && html`<div class="live-panel" id="live-panel" role="dialog" aria-label="State of the watching">${state ? html`<${Panel} state=${state} lost=${status === 'lost'} />` : html`<p class="dim">perfd has not answered yet.</p>`}</div>`}
  </div>`;
}

/** @param {{state: State, lost: boolean}} props */
function Panel({ state: s, lost }) {
  const row = (/** @type {string} */ label, /** @type {any} */ value) => html`<dt>${label}</dt><dd>${value}</dd>`;
  const of = (/** @type {number} */ n, /** @type {number} */ limit) => html`${join(size(n))}${limit > 0 && html` <span class="dim">of ${join(size(limit))}</span>`}`;
  const left = [[s.shed.texts, 'text'], [s.shed.statements, 'statement'], [s.shed.calls, 'call']].filter(([n]) => Number(n) > 0).map(([n, w]) => plural(Number(n), String(w)));
  if (s.shed.bytes > 0) left.push(html`${join(size(s.shed.bytes))} not decoded`);
  return html`${lost && html`<p class="notice warning"><${Icon} name="findings" size="14" /><span>perfd does not answer. The page connects again by itself.</span></p>`}
    ${s.notices.map((n) => html`<div class="notice ${n.severity}" key=${n.title}><${Icon} name="findings" size="14" /><span>${said(s, n.title)}${n.fix && html` <span class="dim">${n.fix}</span>`}</span></div>`)}
    ${s.taps.length > 0 && html`<table class="plain taps"><thead><tr><th scope="col">Source</th><th scope="col">State</th><th scope="col" class="num">Packets</th><th scope="col" class="num">Dropped</th></tr></thead>
      <tbody>${s.taps.map((t) => html`<tr key=${t.kind + t.name} title=${t.detail}><td class="cut"><span class="mono">${t.name}</span>${t.kind !== 'interface' && html` <span class="dim">${t.kind}</span>`}</td><td class=${t.state === 'up' ? '' : 'harm'}>${t.state}</td>
        <td class="num"><${Count} n=${t.packets} /></td><td class="num ${t.drops ? 'harm' : ''}"><${Count} n=${t.drops} /></td></tr>`)}</tbody></table>`}
    <dl class="facts">
      ${row('Left out', s.shed.level > 0 ? html`<span class="harm">${s.shed.detail || `level ${s.shed.level}`}</span>${s.shed.since ? html` <span class="dim">since ${clock(s.shed.since)}</span>` : ''}` : left.length ? html`nothing now; ${left.map((x, i) => html`${i > 0 ? ', ' : ''}${x}`)} earlier` : 'nothing')}
      ${s.evidence.map((e) => row(`By ${e.name}`, html`${e.active ? 'known' : html`<span class="dim">not known</span>`}${e.detail && html` <span class="dim">${e.detail}</span>`}`))}
      ${s.agreement.calls > 0 && row('Server’s log', html`agrees on <${Percent} x=${s.agreement.agreed / s.agreement.calls} /> of ${plural(s.agreement.calls, 'call')} <span class="dim">${join(percent(s.agreement.recent))} of late</span>`)}
      ${row('Queue', html`${of(s.queue.bytes, s.queue.limit)}${s.queue.dropped > 0 && html` <span class="harm">${join(count(s.queue.dropped))} dropped</span>`}`)}
      ${row('Store', html`${of(s.store.bytes, s.store.limit)}${s.store.oldest ? html` <span class="dim">${lasting(serverNow() - s.store.oldest)} kept</span>` : ''}${s.store.lost > 0 && html` <span class="harm">${join(count(s.store.lost))} lost</span>`}${s.store.error && html`<br /><span class="harm">${s.store.error}</span>`}`)}
      ${row('Memory', of(s.memory.bytes, s.memory.limit))}
      ${(s.cpu.share > 0 || s.cpu.limit > 0) && row('Processor', html`<${Percent} x=${s.cpu.share} />${s.cpu.limit > 0 && html` <span class="dim">of ${join(percent(s.cpu.limit))}</span>`}`)}
      ${s.started && row('Watching', html`for ${lasting(serverNow() - s.started)}, ${plural(s.calls, 'call')}`)}
    </dl>`;
}

/** A notice's title as a sentence; an interface keeps its name. @param {State|null} state @param {string} title */
function said(state, title) {
  const text = state?.taps.some((t) => title.startsWith(`${t.name} `)) ? title : sentence(title);
  return /[.!?:]$/.test(text) ? text : `${text}.`;
}

/** Titles of warnings that the reader has put away. @type {Set<string>} */
const away = new Set();

/** The most severe notice, above the page. */
export function Banner() {
  const [, bump] = useState(0);
  const status = useLive((l) => l.status);
  const state = useLive((l) => l.state);
  const notices = (state?.notices ?? []).filter((n) => n.severity === 'critical' || (n.severity === 'warning' && !away.has(n.title)));
  const first = notices[0];
  if (!first && status !== 'lost') return null;
  const more = notices.length - 1;
  return html`<div class="banner ${status === 'lost' ? 'warning' : first.severity}" role="status"><${Icon} name="findings" size="14" />
    ${status === 'lost' ? html`<p>perfd does not answer. <span class="dim">The page connects again by itself; what is shown is what was there last.</span></p>`
    : html`<p>${said(state, first.title)} ${first.fix && html`<span class="dim">${first.fix}</span>`}</p>${more > 0 && html`<button type="button" class="link-button" onClick=${() => document.dispatchEvent(new Event('perfd:state'))}>${more} more</button>`}
      ${first.severity === 'warning' && html`<button type="button" class="tool" onClick=${() => {
    notices.forEach((n) => n.severity === 'warning' && away.add(n.title));
    bump((n) => n + 1);
  }} aria-label="Put away" title="Put away: the panel under “live” keeps it"><${Icon} name="close" size="12" /></button>`}`}
  </div>`;
}
