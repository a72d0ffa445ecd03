import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse, seconds, suggest, terms, withTerm } from '../lib/filter.js';

test('terms become parameters of the API', () => {
  assert.deepEqual(parse('user:bruno method:web_search_read'), { params: { user: ['bruno'], method: ['web_search_read'] }, problems: [] });
  assert.deepEqual(parse('user:bruno login:alice').params, { user: ['bruno', 'alice'] });
  assert.deepEqual(parse('duration:>100ms duration:<2s').params, { min: ['0.1'], max: ['2'] });
  assert.deepEqual(parse('duration:10ms..1s').params, { min: ['0.01'], max: ['1'] });
  assert.deepEqual(parse('error:yes finding:n-plus-one').params, { error: ['any'], rule: ['n-plus-one'] });
  assert.deepEqual(parse('error:AccessError').params, { error: ['AccessError'] });
  assert.deepEqual(parse('sql:00C0FFEE00C0FFEE').params, { shape: ['00c0ffee00c0ffee'] });
  assert.deepEqual(parse('partner confirm').params, { q: ['partner confirm'] });
  assert.deepEqual(parse('method:"a b"').params, { method: ['a b'] });
});

test('what cannot be meant is said, and not sent', () => {
  for (const text of ['duration:fast', 'duration:1s..x', 'session:12', 'class:odd', 'min:soon']) {
    const { params, problems } = parse(text);
    assert.equal(problems.length, 1, text);
    assert.deepEqual(params, {}, text);
  }
});

test('a key that is none is named, with the one that was meant', () => {
  const said = (/** @type {string} */ text) => {
    const { params, problems } = parse(text);
    assert.deepEqual(params, {}, text);
    assert.equal(problems.length, 1, text);
    return problems[0];
  };
  assert.equal(said('duratoin:>100ms'), 'no key duratoin, did you mean duration?');
  assert.equal(said('Usr:bruno'), 'no key Usr, did you mean user?');
  assert.equal(said('dur:1s'), 'no key dur, did you mean duration?');
  assert.equal(said('logn:bruno'), 'no key logn, did you mean login?');
  assert.match(said('colour:red'), /^no key colour: there are user, method, .* Quotes make it a word/);
  assert.deepEqual(parse('user:bruno duratoin:>1s').params, { user: ['bruno'] });
  assert.deepEqual(parse('"colour:red"'), { params: { q: ['colour:red'] }, problems: [] });
});

test('half a term is no term, a word with a colon is a word', () => {
  assert.deepEqual(parse('user:'), { params: {}, problems: [] });
  assert.deepEqual(parse('127.0.0.1:8069').params, { q: ['127.0.0.1:8069'] });
  assert.deepEqual(parse('"unclosed quote').params, { q: ['unclosed quote'] });
  assert.deepEqual(parse('   '), { params: {}, problems: [] });
  assert.deepEqual(parse('http://x/y').params, { q: ['http://x/y'] });
});

test('positions of terms cover the text', () => {
  const text = 'user:a  b duration:>1s';
  for (const t of terms(text)) assert.equal(text.slice(t.from, t.to).trim(), text.slice(t.from, t.to));
  assert.equal(terms(text).length, 3);
});

test('a term replaces those of its field', () => {
  assert.equal(withTerm('user:a x method:b', 'user', 'c d'), 'x method:b user:"c d"');
  assert.equal(withTerm('user:a', 'user', ''), '');
  assert.deepEqual(parse(withTerm('', 'method', 'res.partner.read')).params, { method: ['res.partner.read'] });
});

test('seconds of durations', () => {
  assert.equal(seconds('250ms'), 0.25);
  assert.equal(seconds('300'), 0.3);
  assert.equal(seconds('2min'), 120);
  assert.ok(Number.isNaN(seconds('-1s')));
});

test('completion offers fields, then their values', () => {
  assert.equal(suggest('', 0, {}).items[0].insert, 'user:');
  assert.deepEqual(suggest('me', 2, {}).items.map((i) => i.insert), ['method:']);
  const s = suggest('x user:br', 9, { users: ['bruno', 'alice', 'uid 9'] });
  assert.deepEqual([s.from, s.to, s.items.map((i) => i.insert)], [2, 9, ['user:bruno ']]);
  assert.deepEqual(suggest('user:bruno', 10, { users: ['bruno'] }).items, []);
});
