// The filter box: `field:value` terms and free words become parameters of the API.

/**
 * @typedef {{field: string, value: string, from: number, to: number, key?: string}} Term field is '' for a free word; key is
 *   what stands before its colon if it looks like a field and is none
 * @typedef {Record<string, string[]>} Params
 */

/** @type {{field: string, hint: string, values?: string}[]} fields that the box understands */
export const FIELDS = [
  { field: 'user', hint: 'login or uid', values: 'users' },
  { field: 'method', hint: 'model.method, or the bare method', values: 'methods' },
  { field: 'model', hint: 'model name', values: 'models' },
  { field: 'duration', hint: '>100ms, <2s, 10ms..1s' },
  { field: 'error', hint: 'any, none, or the error’s name', values: 'errors' },
  { field: 'finding', hint: 'any, or the rule’s name', values: 'rules' },
  { field: 'session', hint: '16 hex digits' },
  { field: 'sql', hint: 'fingerprint, 16 hex digits' },
  { field: 'class', hint: 'ordinary, asset, poll, handshake, all', values: 'classes' },
];

const ALIAS = /** @type {Record<string, string>} */ ({
  login: 'user', shape: 'sql', fingerprint: 'sql', rule: 'finding', findings: 'finding', time: 'duration', errors: 'error',
});
const PARAMETER = /** @type {Record<string, string>} */ ({ sql: 'shape', finding: 'rule' });

/**
 * Splits the text into terms. Double quotes hold blanks together: method:"web save".
 * @param {string} text
 * @returns {Term[]}
 */
export function terms(text) {
  /** @type {Term[]} */
  const out = [];
  for (const m of text.matchAll(/(?:[^\s"]|"[^"]*"?)+/g)) {
    const at = { from: m.index, to: m.index + m[0].length };
    const [, name = '', rest = ''] = /^([A-Za-z_]+):(.*)$/s.exec(m[0]) ?? [];
    const field = ALIAS[name.toLowerCase()] ?? name.toLowerCase();
    const known = field === 'min' || field === 'max' || FIELDS.some((f) => f.field === field);
    // A word that merely contains a colon is a word: an address, a path, and whatever begins with a quote.
    const key = known || name === '' || rest.startsWith('//') ? undefined : name;
    out.push(known ? { field, value: rest.replaceAll('"', ''), ...at } : { field: '', value: m[0].replaceAll('"', ''), key, ...at });
  }
  return out;
}

/** Letters to insert, drop, replace or swap until a is b. @param {string} a @param {string} b */
function distance(a, b) {
  /** @type {number[][]} */
  const d = Array.from({ length: a.length + 1 }, (_, i) => [i]);
  for (let j = 1; j <= b.length; j++) d[0][j] = j;
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      d[i][j] = Math.min(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) d[i][j] = Math.min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.length][b.length];
}

/** What to say of a key that is none. @param {string} key */
function unknown(key) {
  const typed = key.toLowerCase();
  const keys = [...FIELDS.map((f) => f.field), 'min', 'max', ...Object.keys(ALIAS)];
  const near = keys.map((k) => ({ k, d: typed.length > 2 && k.startsWith(typed) ? 0 : distance(typed, k) })).sort((a, b) => a.d - b.d)[0];
  if (near.d <= Math.min(2, Math.floor(typed.length / 2))) return `no key ${key}, did you mean ${near.k}?`;
  return `no key ${key}: there are ${FIELDS.map((f) => f.field).join(', ')}. Quotes make it a word to search for.`;
}

/**
 * Seconds of '250ms', '1.5s', '2min', '300' (milliseconds).
 * @param {string} text
 * @returns {number} NaN if it is none
 */
export function seconds(text) {
  const m = /^(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|min|h)?$/.exec(text.trim().toLowerCase());
  if (!m) return NaN;
  const unit = { ns: 1e-9, us: 1e-6, µs: 1e-6, ms: 1e-3, s: 1, m: 60, min: 60, h: 3600 }[m[2] ?? 'ms'] ?? NaN;
  return Number(m[1]) * unit;
}

/**
 * @param {string} text
 * @returns {{params: Params, problems: string[]}}
 */
export function parse(text) {
  /** @type {Params} */
  const params = {};
  /** @type {string[]} */
  const problems = [];
  const words = [];
  const add = (/** @type {string} */ k, /** @type {string} */ v) => (params[k] ??= []).push(v);
  for (const { field, value, key } of terms(text)) {
    if (key !== undefined) {
      problems.push(unknown(key));
    } else if (field === '') {
      words.push(value);
    } else if (value === '') {
      continue; // still being typed
    } else if (field === 'duration' || field === 'min' || field === 'max') {
      const range = durationRange(field, value);
      if (!range) {
        problems.push(`“${value}” is no duration: write ${field}:>100ms or duration:10ms..1s`);
        continue;
      }
      if (range[0] !== undefined) params.min = [String(range[0])];
      if (range[1] !== undefined) params.max = [String(range[1])];
    } else if (field === 'error') {
      const v = value.toLowerCase();
      add('error', v === 'yes' || v === 'true' ? 'any' : v === 'no' || v === 'false' ? 'none' : value);
    } else if (field === 'session' || field === 'sql') {
      if (/^[0-9a-f]{16}$/i.test(value)) add(PARAMETER[field] ?? field, value.toLowerCase());
      else problems.push(`${field}: takes 16 hex digits, not “${value}”`);
    } else if (field === 'class') {
      if (['ordinary', 'handshake', 'poll', 'asset', 'all'].includes(value)) add('class', value);
      else problems.push(`class: takes ordinary, handshake, poll, asset or all, not “${value}”`);
    } else {
      add(PARAMETER[field] ?? field, value);
    }
  }
  if (words.length) params.q = [words.join(' ')];
  return { params, problems };
}

/**
 * @param {string} field
 * @param {string} value
 * @returns {[number|undefined, number|undefined]|null}
 */
function durationRange(field, value) {
  const dots = value.split('..');
  if (dots.length === 2) {
    const a = dots[0] === '' ? undefined : seconds(dots[0]);
    const b = dots[1] === '' ? undefined : seconds(dots[1]);
    return Number.isNaN(a) || Number.isNaN(b) ? null : [a, b];
  }
  const m = /^([<>]=?)?(.+)$/.exec(value);
  const s = m ? seconds(m[2]) : NaN;
  if (!m || Number.isNaN(s)) return null;
  const below = field === 'max' || (m[1] ?? '').startsWith('<');
  return below ? [undefined, s] : [s, undefined];
}

/** @param {string} value */
const quote = (value) => (/[\s"]/.test(value) ? `"${value.replaceAll('"', '')}"` : value);

/**
 * The text with every term of the field replaced by one value, or removed if value is ''.
 * @param {string} text
 * @param {string} field
 * @param {string} value
 */
export function withTerm(text, field, value) {
  const kept = terms(text)
    .filter((t) => t.field !== field)
    .map((t) => text.slice(t.from, t.to));
  if (value !== '') kept.push(`${field}:${quote(value)}`);
  return kept.join(' ');
}

/**
 * What could complete the word at the caret.
 * @param {string} text
 * @param {number} caret
 * @param {Record<string, string[]>} catalogue known values by name
 * @returns {{from: number, to: number, items: {insert: string, label: string, hint: string}[]}}
 */
export function suggest(text, caret, catalogue) {
  let from = caret;
  while (from > 0 && !/\s/.test(text[from - 1])) from--;
  let to = caret;
  while (to < text.length && !/\s/.test(text[to])) to++;
  const word = text.slice(from, caret);
  const colon = word.indexOf(':');
  if (colon < 0) {
    const items = FIELDS.filter((f) => f.field.startsWith(word.toLowerCase()))
      .map((f) => ({ insert: f.field + ':', label: f.field + ':', hint: f.hint }));
    return { from, to, items };
  }
  const name = word.slice(0, colon).toLowerCase();
  const field = FIELDS.find((f) => f.field === (ALIAS[name] ?? name));
  if (!field?.values) return { from, to, items: [] };
  const begun = word.slice(colon + 1).replace('"', '').toLowerCase();
  const items = (catalogue[field.values] ?? [])
    .filter((v) => v !== '' && v.toLowerCase().includes(begun) && v.toLowerCase() !== begun)
    .slice(0, 8)
    .map((v) => ({ insert: `${field.field}:${quote(v)} `, label: v, hint: '' }));
  return { from, to, items };
}
