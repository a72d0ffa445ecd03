package analyzer

import (
	"fmt"
	"time"

	"github.com/perfd/perfd/sqltrace"
)

// duplicateQuery finds a SELECT that a call sends again with the very same text in one transaction, with
// no write between that could have changed its answer.
type duplicateQuery struct {
	cfg  RuleConfig
	dict sqltrace.Dictionary
}

var _ Rule = duplicateQuery{}

func (duplicateQuery) Name() string { return "duplicate-query" }

func (r duplicateQuery) Check(t *Trace) []Finding {
	text := func(i int) uint64 {
		s := t.Spans[i].Statement
		if s.Kind != sqltrace.Query || s.Gaps&sqltrace.GapText != 0 || s.SQLState != "" {
			return 0
		}
		return s.TextHash
	}
	if !repeats(t.Spans, r.cfg.DuplicateCount, text) { // whatever the transactions
		return nil
	}
	var found []Finding
	var room [128]uint64
	epochs := room[:]
	if len(t.Spans) > len(room) {
		epochs = make([]uint64, len(t.Spans))
	}
	r.epochs(t, epochs)
	groupSpans(t.Spans, r.cfg.DuplicateCount, func(i int) uint64 {
		hash := text(i)
		if hash == 0 {
			return 0
		}
		return hash ^ epochs[i]*0x9E3779B97F4A7C15
	}, func(group []int) {
		sh := r.dict.Shape(t.Spans[group[0]].Statement.Fingerprint)
		if !reads(sh) {
			return
		}
		var again time.Duration
		for _, i := range group[1:] {
			again = plus(again, took(t.Spans[i]))
		}
		found = append(found, Finding{
			Rule:  r.Name(),
			Title: fmt.Sprintf("the same %s ran %d times; the %d needless ones took %s", describe(sh), len(group), len(group)-1, Figure(again)),
			Fix:   fmt.Sprintf("Keep the first answer from %s: pass the recordset on, or cache it (ormcache).", tableOf(sh)),
			Cost:  again,
			Spans: group,
		})
	})
	return found
}

// epochs numbers, for each span, the transaction and the stretch between writes in which it ran: spans of
// different numbers may rightly answer differently. Where statements' shapes are unknown a write cannot be
// ruled out.
func (r duplicateQuery) epochs(t *Trace, epochs []uint64) {
	epoch := uint64(1)
	var lease int
	for i := range t.Spans {
		s := t.Spans[i].Statement
		if t.Spans[i].Lease != lease {
			lease = t.Spans[i].Lease
			epoch++
		}
		epochs[i] = epoch
		switch s.Kind {
		case sqltrace.Query:
			if s.Fingerprint == 0 || r.dict.Shape(s.Fingerprint).Written != "" {
				epoch++
			}
		case sqltrace.Savepoint:
		default:
			epoch++
		}
	}
}
