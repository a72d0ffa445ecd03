package analyzer

import (
	"fmt"
	"time"

	"github.com/perfd/perfd/sqltrace"
)

// serializationRetry finds calls whose transaction was thrown away by a serialization failure or a
// deadlock; the server then sleeps and does the work again.
type serializationRetry struct{ dict sqltrace.Dictionary }

var _ Rule = serializationRetry{}

func (serializationRetry) Name() string { return "serialization-retry" }

func (r serializationRetry) Check(t *Trace) []Finding {
	var failed []int
	for i := range t.Spans {
		if s := t.Spans[i].Statement.SQLState; s == "40001" || s == "40P01" {
			failed = append(failed, i)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	// The work lost is each failed statement's transaction up to the failure.
	var lost time.Duration
	for _, i := range failed {
		from := t.Spans[i].Statement.Start
		for j := i; j >= 0; j-- {
			if t.Spans[j].Lease != t.Spans[i].Lease {
				continue
			}
			from = t.Spans[j].Statement.Start
			if t.Spans[j].Statement.Kind == sqltrace.Begin {
				break
			}
		}
		lost = plus(lost, max(0, t.Spans[i].Statement.End.Sub(from)))
	}
	sh := r.dict.Shape(t.Spans[failed[0]].Statement.Fingerprint)
	times := "once"
	if len(failed) > 1 {
		times = fmt.Sprintf("%d times", len(failed))
	}
	return []Finding{{
		Rule: r.Name(),
		Title: fmt.Sprintf("%s collided with another transaction %s: %s of work lost and %s asleep before the next try",
			describe(sh), times, Figure(lost), Figure(t.Time.Retry)),
		Fix:   fmt.Sprintf("Shorten the transaction that writes %s, or queue such work per record.", tableOf(sh)),
		Cost:  plus(lost, t.Time.Retry),
		Spans: failed,
	}}
}
