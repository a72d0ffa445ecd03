package store

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
)

// Which calls are a user's, a session's, a method's or ran a shape stands in postings: a row for each word of a
// batch, with the ids of its calls. That takes a small part of what an index entry for each of them takes. Rows
// are in order of segments, 1<<segmentBits ids each: what is written is all at one end of the table, and so is
// what is deleted.
//
// A call that is deleted stays in its postings until its segment goes: whoever reads them looks for the calls.
const (
	segmentBits = 12

	byMethod  = 1
	byUser    = 2
	bySession = 3
	byShape   = 4
)

// posting names the calls that share a word.
type posting struct {
	segment, kind, word int64
}

// idList is a row in the making: the JSON array of the ids' distances from the first one, without its end.
type idList struct {
	first int64
	ids   []byte
}

// postings are those of the open transaction.
type postings struct {
	insert statement
	lists  map[posting]*idList
	spare  []*idList
	keys   []posting // scratch
}

func (p *postings) add(kind, word, id int64) {
	k := posting{id >> segmentBits, kind, word}
	l := p.lists[k]
	switch {
	case l != nil:
		l.ids = append(l.ids, ',')
	case len(p.spare) > 0:
		l = p.spare[len(p.spare)-1]
		p.spare = p.spare[:len(p.spare)-1]
	default:
		l = &idList{}
	}
	if len(l.ids) == 0 {
		l.first, l.ids = id, append(l.ids, '[')
		p.lists[k] = l
	}
	l.ids = strconv.AppendInt(l.ids, id-l.first, 10)
}

// write stores the lists, in the order of the table.
func (p *postings) write() error {
	p.keys = p.keys[:0]
	for k := range p.lists {
		p.keys = append(p.keys, k)
	}
	slices.SortFunc(p.keys, func(a, b posting) int {
		return cmp.Or(cmp.Compare(a.segment, b.segment), cmp.Compare(a.kind, b.kind), cmp.Compare(a.word, b.word))
	})
	for _, k := range p.keys {
		l := p.lists[k]
		if err := p.insert.exec(k.segment, k.kind, k.word, l.first, string(append(l.ids, ']'))); err != nil {
			return fmt.Errorf("write postings: %w", err)
		}
	}
	p.reset()
	return nil
}

// reset forgets the lists, of a transaction that came to its end.
func (p *postings) reset() {
	if p.lists == nil {
		p.lists = map[posting]*idList{}
	}
	for _, l := range p.lists {
		l.ids = l.ids[:0]
		p.spare = append(p.spare, l)
	}
	clear(p.lists)
	p.spare = p.spare[:min(len(p.spare), 1024)]
}

// segments is the SQL for s, the segments that there are, the newest first: each is looked into by itself.
const segments = `WITH RECURSIVE s (n) AS MATERIALIZED (SELECT max(segment) FROM postings UNION ALL
 SELECT (SELECT max(segment) FROM postings WHERE segment < s.n) FROM s WHERE s.n IS NOT NULL)`

// posted is the SQL for the ids of the calls of some words.
func posted(kind int, words string) string {
	return "(" + segments + " SELECT p.first + j.value" + inSegments(kind, "IN ("+words+")") + ")"
}

// called is the SQL, within segments, for there being a call of the word t; more conditions on it and a parenthesis follow.
func called(kind int) string {
	return "EXISTS (SELECT 1" + inSegments(kind, "= t.id") + " CROSS JOIN calls c WHERE c.id = p.first + j.value"
}

// unposted is the SQL that deletes the postings of some words.
func unposted(kind int, words string) string {
	return segments + ` DELETE FROM postings WHERE (segment, kind, word, first) IN
(SELECT p.segment, p.kind, p.word, p.first FROM s CROSS JOIN postings p ON p.segment = s.n AND p.kind = ` + strconv.Itoa(kind) + ` AND p.word IN (` + words + `))`
}

func inSegments(kind int, words string) string {
	return " FROM s CROSS JOIN postings p ON p.segment = s.n AND p.kind = " + strconv.Itoa(kind) + " AND p.word " + words + " CROSS JOIN json_each(p.calls) j"
}

// unpost deletes the postings of segments in which no call is left: at most so many, that deleting the given number of calls
// pays for.
func (w *Recorder) unpost(calls int) error {
	_, err := w.exec(`DELETE FROM postings WHERE (segment, kind, word, first) IN (SELECT segment, kind, word, first FROM postings
WHERE segment < (SELECT coalesce(min(id), (SELECT last_call FROM state)) FROM calls) >> ? LIMIT ?)`, segmentBits, 32*calls)
	return err
}
