// Icons as inline SVG, 16 × 16, drawn with hairlines in the colour of the text.

import { html } from './html.js';

/** @type {Record<string, any>} */
const PATHS = {
  overview: html`<path d="M2 13.5h12M3.5 11V8M6.5 11V4M9.5 11V6.5M12.5 11V2.5" />`,
  calls: html`<path d="M2 3.5h7M2 6.5h11M2 9.5h5M2 12.5h9" />`,
  sessions: html`<path d="M2 4h4M8 4h6M2 8h2M6 8h5M13 8h1M2 12h7M11 12h3" stroke-width="2" />`,
  methods: html`<path d="M6 2.5H4.5A1.5 1.5 0 0 0 3 4v2.5L1.8 8 3 9.5V12a1.5 1.5 0 0 0 1.5 1.5H6M10 2.5h1.5A1.5 1.5 0 0 1 13 4v2.5L14.2 8 13 9.5V12a1.5 1.5 0 0 1-1.5 1.5H10" />`,
  users: html`<circle cx="8" cy="5.2" r="2.7" /><path d="M2.8 13.8c.4-2.9 2.5-4.3 5.2-4.3s4.8 1.4 5.2 4.3" />`,
  sql: html`<ellipse cx="8" cy="3.8" rx="5" ry="2" /><path d="M3 3.8v8.4c0 1.1 2.2 2 5 2s5-.9 5-2V3.8M3 8c0 1.1 2.2 2 5 2s5-.9 5-2" />`,
  findings: html`<path d="M8 2.2 14.4 13.3H1.6zM8 6.5v3.2M8 11.4v.3" />`,
  background: html`<circle cx="8" cy="8" r="5.8" /><path d="M8 4.6V8l2.3 1.5" />`,
  benchmarks: html`<path d="M2 12.5 5.5 8l3 2.5L14 3.5M10.5 3.5H14V7" />`,
  search: html`<circle cx="7" cy="7" r="4.3" /><path d="m10.2 10.2 3.3 3.3" />`,
  close: html`<path d="m4 4 8 8M12 4l-8 8" />`,
  help: html`<path d="M5.7 6a2.3 2.3 0 1 1 3.4 2c-.7.4-1.1.9-1.1 1.7M8 12v.3" />`,
  auto: html`<circle cx="8" cy="8" r="5.3" /><path d="M8 2.7v10.6a5.3 5.3 0 0 0 0-10.6z" fill="currentColor" />`,
  light: html`<circle cx="8" cy="8" r="2.8" /><path d="M8 1.5v1.3M8 13.2v1.3M1.5 8h1.3M13.2 8h1.3M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9" />`,
  dark: html`<path d="M13.3 9.6A5.6 5.6 0 0 1 6.4 2.7a5.6 5.6 0 1 0 6.9 6.9z" />`,
  copy: html`<rect x="5.5" y="5.5" width="8" height="8" rx="1" /><path d="M10.5 5.5v-2a1 1 0 0 0-1-1h-6a1 1 0 0 0-1 1v6a1 1 0 0 0 1 1h2" />`,
  check: html`<path d="m3 8.5 3.2 3.2L13 5" />`,
  left: html`<path d="M9.8 3.5 5.3 8l4.5 4.5" />`,
  right: html`<path d="M6.2 3.5 10.7 8l-4.5 4.5" />`,
  up: html`<path d="M8 12.5v-9M4.5 7 8 3.5 11.5 7" />`,
  pin: html`<path d="M6 2.5h4M6.5 2.5v4l-2 2.5h7l-2-2.5v-4M8 9v4.5" />`,
  pause: html`<path d="M5.5 3.5v9M10.5 3.5v9" stroke-width="2" />`,
  play: html`<path d="M5 3.2v9.6L12.5 8z" fill="currentColor" />`,
  file: html`<path d="M4 2.5h5l3 3v8H4zM9 2.5v3h3" />`,
};

/** @param {{name: string, size?: number}} props */
export function Icon({ name, size = 16 }) {
  return html`<svg class="icon" viewBox="0 0 16 16" width=${size} height=${size} aria-hidden="true"
    fill="none" stroke="currentColor" stroke-width="1.3" stroke-linecap="round" stroke-linejoin="round">${PATHS[name]}</svg>`;
}
