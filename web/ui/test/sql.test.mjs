import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lines, pretty, tokens } from '../lib/sql.js';

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

test('conditions in parentheses take lines of their own, subqueries are indented under them', () => {
  assert.equal(pretty('SELECT count(*) FROM t WHERE ((t.a = ?) AND ((b IS NULL OR c = ?) OR d IN (SELECT id FROM e)))'), [
    'SELECT count(*)', 'FROM t', 'WHERE ((t.a = ?)', '  AND ((b IS NULL', '      OR c = ?)', '    OR d IN (', '      SELECT id', '      FROM e', '    )))'].join('\n'));
});
