package analyzer

import (
	"fmt"
	"time"
)

// idleInTransaction finds gaps inside an open transaction: locks and a connection are held while the
// server does something else, often a request to another service.
type idleInTransaction struct{ cfg RuleConfig }

var _ Rule = idleInTransaction{}

func (idleInTransaction) Name() string { return "idle-in-transaction" }

func (r idleInTransaction) Check(t *Trace) []Finding {
	if t.Call.End.Sub(t.Call.Start) <= r.cfg.Idle {
		return nil
	}
	last := make(map[int]int) // lease → its last span so far
	var sum, longest time.Duration
	var proof []int
	for i := range t.Spans {
		s := t.Spans[i].Statement
		if j, ok := last[t.Spans[i].Lease]; ok {
			before := t.Spans[j].Statement
			gap := s.Start.Sub(before.End)
			if gap > r.cfg.Idle && before.Tx == 'T' {
				sum += gap
				longest = max(longest, gap)
				proof = append(proof, j, i)
			}
		}
		last[t.Spans[i].Lease] = i
	}
	if len(proof) == 0 {
		return nil
	}
	title := fmt.Sprintf("a transaction stood open for %s without a statement", Figure(longest))
	if len(proof) > 2 {
		title = fmt.Sprintf("transactions stood open %d times without a statement, %s in all", len(proof)/2, Figure(sum))
	}
	return []Finding{{
		Rule:  r.Name(),
		Title: title,
		Fix:   "Move what runs between these statements, such as a request to another service, out of the transaction.",
		Cost:  sum,
		Spans: proof,
	}}
}
