import assert from 'node:assert/strict';
import { test } from 'node:test';
import { about, brief, lines, pretty, tokens } from '../lib/sql.js';

test('clauses, joins and conditions begin lines', () => {
  assert.equal(pretty('select a.id, count(*) from a left join b on (a.id = b.a and b.x) where a.y in (?, ?) and a.z = ? order by a.id limit ?'), [
    'SELECT a.id, count(*)', 'FROM a', 'LEFT JOIN b ON (a.id = b.a AND b.x)', 'WHERE a.y IN (?, ?)', '  AND a.z = ?', 'ORDER BY a.id', 'LIMIT ?',
  ].join('\n'));
});

test('a query within is indented', () => {
  assert.equal(pretty('SELECT x FROM a WHERE id IN (SELECT b FROM c WHERE d = ?)'), [
    'SELECT x', 'FROM a', 'WHERE id IN (', '  SELECT b', '  FROM c', '  WHERE d = ?', ')',
  ].join('\n'));
});

test('nothing of the text is lost, whatever it is', () => {
  const texts = ["UPDATE \"a b\" SET x = 'it''s', y = $1::int4 WHERE z->>'k' = ? -- end", 'INSERT INTO t (a) VALUES (?), (?) RETURNING id', ')))(((', "'unclosed", 'été ∑ \u0000', '',
    'SELECT extract(epoch FROM now()), a BETWEEN 1 AND 2 FROM t FOR UPDATE NOWAIT'];
  const bare = (/** @type {string} */ s) => s.replace(/\s+/g, '').toLowerCase();
  for (const t of texts) {
    assert.equal(bare(lines(t).map((l) => l.tokens.map((x) => x.text).join('')).join('')), bare(tokens(t).map((x) => x.text).join('')), t);
  }
  assert.equal(bare(tokens(texts[0]).map((x) => x.text).join('')), bare(texts[0]));
});

test('FROM within a function and AND of BETWEEN stay on their line', () => {
  assert.equal(pretty('SELECT extract(epoch FROM now()) FROM t WHERE a BETWEEN 1 AND 2 AND b'), ['SELECT extract(epoch FROM now())', 'FROM t', 'WHERE a BETWEEN 1 AND 2', '  AND b'].join('\n'));
});

test('short names', () => {
  assert.equal(brief('SELECT "res_partner"."id" FROM "res_partner"'), 'SELECT res_partner');
  assert.equal(brief('WITH x AS (SELECT 1) SELECT * FROM y', ['y']), 'SELECT y');
  assert.equal(brief('UPDATE sale_order SET a = 1'), 'UPDATE sale_order');
  assert.equal(brief('COMMIT'), 'COMMIT');
  assert.equal(brief('SELECT pg_sleep(?)'), 'SELECT pg_sleep');
  assert.equal(brief('SELECT COALESCE("public"."Compute"(?), ?)'), 'SELECT compute');
  assert.equal(brief('SELECT ?::numeric(?), now()'), 'SELECT now');
  assert.equal(brief('CALL refresh_all()'), 'CALL refresh_all');
  assert.equal(brief('SELECT ?'), 'SELECT');
  assert.equal(brief('DISCARD ALL'), 'DISCARD ALL');
  assert.equal(brief('BEGIN ISOLATION LEVEL REPEATABLE READ'), 'BEGIN');
  assert.equal(brief(''), '');
});

test('conditions in parentheses take lines of their own, subqueries are indented under them', () => {
  assert.equal(pretty('SELECT count(*) FROM t WHERE ((t.a = ?) AND ((b IS NULL OR c = ?) OR d IN (SELECT id FROM e)))'), [
    'SELECT count(*)', 'FROM t', 'WHERE ((t.a = ?)', '  AND ((b IS NULL', '      OR c = ?)', '    OR d IN (', '      SELECT id', '      FROM e', '    )))'].join('\n'));
});

test('what tells statements of one name apart', () => {
  assert.equal(about('SELECT COUNT(*) FROM "t" WHERE ("t"."active" = ? AND (unaccent("t"."comment") ILIKE unaccent(?)))'), 'count by comment, active');
  assert.equal(about('UPDATE t SET a = ?, b = coalesce(c, d = 1) WHERE e = ?'), 'set a, b');
  assert.equal(about('SELECT t.id FROM t WHERE t.x IN (SELECT y FROM u WHERE u.z = ?)'), 'by x, z');
  for (const t of ['COMMIT', '', 'INSERT INTO t (a) VALUES (?)', 'UPDATE t', ')))', 'SELECT 1']) assert.equal(about(t), '', t);
});
