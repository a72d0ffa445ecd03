// Figures: the number in monospace, its unit in a lighter tone.

import { bytes, count, duration, mean, percent } from '../lib/format.js';
import { html } from './html.js';

/** @param {[string, string]} pair */
const pair = ([v, u]) => html`<span class=${v === '0' ? 'n zero' : 'n'}>${v}${u && v !== '0' && html`<span class="u">${`\u00a0${u}`}</span>`}</span>`;

/** @param {{s: number|undefined|null}} props seconds */
export const Dur = ({ s }) => pair(duration(s));
/** @param {{n: number|undefined|null}} props */
export const Count = ({ n }) => pair(count(n));
/** @param {{n: number|undefined|null}} props */
export const Bytes = ({ n }) => pair(bytes(n));
/** @param {{x: number|undefined|null}} props a mean of counts, one decimal */
export const Mean = ({ x }) => pair(mean(x));
/** @param {{x: number|undefined|null}} props share of one */
export const Percent = ({ x }) => pair(percent(x));
