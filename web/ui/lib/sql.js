// SQL for reading: tokens and lines. Not a parser: it never fails, whatever the text.

/**
 * @typedef {'key'|'name'|'string'|'number'|'param'|'op'|'comment'|'text'} Kind
 * @typedef {{kind: Kind, text: string}} Token
 * @typedef {{indent: number, tokens: Token[]}} Line
 */

const KEYWORDS = new Set(`select from where and or not in is null as on join left right full inner outer cross lateral
group by order having limit offset union all except intersect insert into values update set delete returning with
recursive case when then else end distinct exists between like ilike asc desc nulls first last true false for share
nowait skip locked begin commit rollback savepoint release to transaction isolation level read only write
start copy stdin stdout using conflict do nothing over partition filter within any some array cast interval
create table index alter drop add column default primary key references unique lock mode explain analyze
fetch discard listen notify unlisten close deallocate next rows row coalesce materialized repeatable committed serializable reset`.split(/\s+/));

/** Words that begin a line, at the depth where they stand. */
const BREAKS = new Set(['from', 'where', 'group', 'order', 'having', 'limit', 'offset', 'union', 'except', 'intersect',
  'values', 'set', 'returning', 'join', 'left', 'right', 'full', 'inner', 'cross', 'for', 'on conflict']);
const JOINS = new Set(['left', 'right', 'full', 'inner', 'cross', 'outer']);

/**
 * @param {string} text
 * @returns {Token[]}
 */
export function tokens(text) {
  const re = /(--[^\n]*|\/\*[\s\S]*?\*\/)|('(?:[^']|'')*'?)|("(?:[^"]|"")*"?)|(\$\d+|%\([^)]*\)s|%s|\?)|(\d+(?:\.\d+)?)|([A-Za-z_][\w$]*)|(::|<>|!=|<=|>=|\|\||->>|->|#>>|[^\s\w])/g;
  /** @type {Token[]} */
  const out = [];
  for (const m of text.matchAll(re)) {
    const word = m[6];
    /** @type {Kind} */
    const kind = m[1] ? 'comment' : m[2] ? 'string' : m[3] ? 'name' : m[4] ? 'param' : m[5] ? 'number'
      : word ? (KEYWORDS.has(word.toLowerCase()) ? 'key' : 'text') : 'op';
    out.push({ kind, text: kind === 'key' ? word.toUpperCase() : m[0] });
  }
  return out;
}

/**
 * Whether a blank stands between two tokens.
 * @param {Token} a
 * @param {Token} b
 */
export function spaced(a, b) {
  if (b.text === ',' || b.text === ')' || b.text === ';' || b.text === '.' || b.text === ']') return false;
  if (a.text === '(' || a.text === '.' || a.text === '[') return false;
  if (a.text === '::' || b.text === '::') return false;
  if (b.text === '[') return false;
  if (b.text === '(') return a.kind === 'key' ? !['COALESCE', 'CAST', 'ANY', 'ALL', 'SOME'].includes(a.text) : a.kind === 'op';
  return true;
}

/**
 * The statement broken into lines: clauses, joins and the conditions of AND and OR.
 * @param {string} text
 * @returns {Line[]}
 */
export function lines(text) {
  /** @type {Line[]} */
  const out = [];
  /** @type {Line} */
  let line = { indent: 0, tokens: [] };
  let depth = 0;
  /** @type {{select: boolean, group: boolean, base: number}[]} */
  const open = [];
  let base = 0;
  let between = false;
  const flush = (/** @type {number} */ indent) => {
    if (line.tokens.length) out.push(line);
    line = { indent, tokens: [] };
  };
  const all = tokens(text);
  for (let i = 0; i < all.length; i++) {
    const t = all[i];
    const low = t.kind === 'key' ? t.text.toLowerCase() : '';
    const inner = open[open.length - 1];
    const flat = !inner || inner.select;
    if (t.text === '(') {
      const select = all[i + 1]?.kind === 'key' && /^(SELECT|WITH|VALUES)$/.test(all[i + 1].text);
      // Parentheses around conditions: AND and OR within them begin lines too.
      const group = !select && (/^(WHERE|AND|OR|NOT|HAVING)$/.test(all[i - 1]?.text ?? '') || (all[i - 1]?.text === '(' && Boolean(inner?.group)));
      open.push({ select, group, base });
      depth++;
      line.tokens.push(t);
      if (select) {
        for (let g = open.length - 2; g >= 0 && open[g].group; g--) base++;
        base++;
        flush(base);
      }
      continue;
    }
    if (t.text === ')') {
      const was = open.pop();
      depth = Math.max(0, depth - 1);
      if (was?.select) {
        base = was.base;
        let groups = 0;
        while (groups < open.length && open[open.length - 1 - groups].group) groups++;
        flush(base + groups);
      }
      line.tokens.push(t);
      continue;
    }
    if (low === 'between') between = true;
    if (flat && low && line.tokens.length) {
      const before = line.tokens[line.tokens.length - 1];
      const after = all[i + 1];
      const joined = (low === 'join' || low === 'outer') && JOINS.has(before.text.toLowerCase());
      const within = (low === 'from' && (before.text === 'DISTINCT' || open.length > 0 && !open[open.length - 1].select)) ||
        (low === 'set' && before.text === 'ON') || (low === 'left' && after?.text === '(') || (low === 'right' && after?.text === '(') ||
        (low === 'for' && !/^(UPDATE|SHARE|NO|KEY)$/i.test(after?.text ?? '')) ||
        (low === 'order' && before.text === 'WITHIN') || (low === 'set' && before.text !== 'UPDATE' && all[0].text !== 'UPDATE' && before.text !== 'DO');
      if (BREAKS.has(low) && !joined && !within) flush(base);
      else if ((low === 'and' || low === 'or') && !between) flush(base + 1);
    } else if (inner?.group && (low === 'and' || low === 'or') && !between) {
      let groups = 0;
      while (groups < open.length && open[open.length - 1 - groups].group) groups++;
      flush(base + groups);
    }
    if (low === 'and') between = false;
    line.tokens.push(t);
  }
  flush(0);
  return out;
}

/**
 * The text as plain lines, for the clipboard.
 * @param {string} text
 */
export function pretty(text) {
  return lines(text).map((l) => '  '.repeat(l.indent) + l.tokens.map((t, i) => (i && spaced(l.tokens[i - 1], t) ? ' ' : '') + t.text).join('')).join('\n');
}
