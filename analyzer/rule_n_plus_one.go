package analyzer

import (
	"fmt"
	"time"

	"github.com/perfd/perfd/sqltrace"
)

// nPlusOne finds a SELECT that a call repeats one after the other with other literals, as a compute method
// or a loop does that reads record by record.
type nPlusOne struct {
	cfg  RuleConfig
	dict sqltrace.Dictionary
}

var _ Rule = nPlusOne{}

func (nPlusOne) Name() string { return "n-plus-one" }

func (r nPlusOne) Check(t *Trace) []Finding {
	var found []Finding
	total := lasted(t.Call)
	groupSpans(t.Spans, r.cfg.RepeatCount, func(i int) uint64 {
		if s := t.Spans[i].Statement; s.Kind == sqltrace.Query {
			return uint64(s.Fingerprint)
		}
		return 0
	}, func(group []int) {
		var sum, longest time.Duration
		sequential, same := 1, true
		for n, i := range group {
			s := t.Spans[i].Statement
			d := took(t.Spans[i])
			sum = plus(sum, d)
			longest = max(longest, d)
			if n > 0 {
				before := t.Spans[group[n-1]].Statement
				if !s.Start.Before(before.End) {
					sequential++
				}
				same = same && s.TextHash == before.TextHash && s.TextHash != 0
			}
		}
		// The same text throughout is a duplicate query, not a loop over records.
		if same || sequential < r.cfg.RepeatCount ||
			sum <= r.cfg.RepeatTime && float64(sum) < r.cfg.RepeatShare*float64(total) {
			return
		}
		sh := r.dict.Shape(t.Spans[group[0]].Statement.Fingerprint)
		if !reads(sh) {
			return
		}
		found = append(found, Finding{
			Rule:  r.Name(),
			Title: fmt.Sprintf("%d × %s took %s of %s", len(group), describe(sh), Figure(sum), Figure(total)),
			Fix:   fmt.Sprintf("Read the %s records together before the loop: batch the compute, prefetch, or use _read_group.", tableOf(sh)),
			Cost:  sum - longest,
			Spans: group,
		})
	})
	return found
}
