// SQL for reading: tokens, lines and a short name. Not a parser: it never fails, whatever the text.

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

/** What reads like a function but only chooses among values, as in sqltrace. */
const CHOOSING = /^(call|greatest|least|nullif|row)$/i;

/**
 * A name of at most a few words: "SELECT res_partner", "UPDATE sale_order", "SELECT pg_sleep" of what reads no table, "COMMIT".
 * @param {string} text
 * @param {string[]} [tables]
 */
export function brief(text, tables = []) {
  const all = tokens(text);
  const common = all[0]?.text === 'WITH';
  const verb = (common ? all.find((t) => /^(SELECT|INSERT|UPDATE|DELETE)$/.test(t.text)) : all.find((t) => t.kind === 'key') ?? all[0])?.text ?? '';
  let table = tables[0] ?? '';
  if (!table) {
    const at = all.findIndex((t) => t.kind === 'key' && /^(FROM|INTO|UPDATE|JOIN)$/.test(t.text));
    const next = at >= 0 ? all[at + 1] : undefined;
    if (next && (next.kind === 'name' || next.kind === 'text')) table = next.text.replaceAll('"', '');
  }
  if (!table && /^(SELECT|CALL)$/i.test(verb)) {
    table = all.find((t, i) => (t.kind === 'text' || t.kind === 'name') && all[i + 1]?.text === '(' && !CHOOSING.test(t.text) && all[i - 1]?.text !== '::')?.text.replaceAll('"', '').toLowerCase() ?? '';
  }
  if (/^(SELECT|INSERT|UPDATE|DELETE|COPY|LOCK|CALL)$/i.test(verb)) return table ? `${verb} ${table}` : verb;
  const second = all[1];
  return second && /^(SET|RESET|DISCARD|LISTEN|NOTIFY|CREATE|ALTER|DROP|CLOSE)$/.test(verb) && second.kind !== 'op' ? `${verb} ${second.text}` : verb;
}

/** Columns that Odoo names in nearly every statement: they come last. */
const COMMON = new Set(['active', 'company_id', 'partner_share', 'write_date', 'write_uid', 'create_date', 'create_uid']);

/**
 * What tells statements of the same name apart, in at most a few words: the columns an UPDATE sets, what a
 * SELECT counts and by which columns it looks. Empty where there is nothing to say.
 * @param {string} text
 */
export function about(text) {
  const all = tokens(text);
  const verb = all.find((t) => /^(SELECT|INSERT|UPDATE|DELETE)$/.test(t.text))?.text ?? '';
  const column = (/** @type {number} */ i) => (all[i]?.kind === 'text' || all[i]?.kind === 'name') && all[i + 1]?.text !== '(' && all[i + 1]?.text !== '.' ? all[i].text.replaceAll('"', '') : '';
  /** @type {string[]} */
  const names = [];
  const add = (/** @type {string} */ name) => name && !names.includes(name) && names.push(name);
  const few = () => [...names.filter((n) => !COMMON.has(n)), ...names.filter((n) => COMMON.has(n))].slice(0, 3).join(', ');
  const at = (/** @type {string} */ word) => all.findIndex((t) => t.kind === 'key' && t.text === word);
  if (verb === 'UPDATE') {
    const from = at('SET');
    if (from < 0) return '';
    for (let i = from + 1, depth = 0; i < all.length && !(depth === 0 && /^(FROM|WHERE|RETURNING)$/.test(all[i].text)); i++) {
      depth += all[i].text === '(' ? 1 : all[i].text === ')' ? -1 : 0;
      if (depth === 0 && all[i + 1]?.text === '=') add(column(i));
    }
    return names.length ? `set ${few()}` : '';
  }
  if (verb !== 'SELECT' && verb !== 'DELETE') return '';
  const from = at('WHERE');
  if (from >= 0) {
    for (let i = from + 1; i < all.length && !/^(GROUP|ORDER|LIMIT|FOR|UNION)$/.test(all[i].text); i++) {
      if (!/^(FROM|JOIN|AS)$/.test(all[i - 1].text) && /^(=|<>|!=|<|>|<=|>=|IN|LIKE|ILIKE|IS|NOT|BETWEEN|\)|->>|\|\|)$/.test(all[i + 1]?.text ?? '')) add(column(i));
    }
  }
  const counts = verb === 'SELECT' && all[at('SELECT') + 1]?.text.toLowerCase() === 'count';
  return [counts ? 'count' : '', names.length ? `by ${few()}` : ''].filter(Boolean).join(' ');
}
