package analyzer

import (
	"fmt"
	"time"

	"github.com/perfd/perfd/sqltrace"
)

// lockWait finds calls that stood in line for a row or table lock of another transaction.
type lockWait struct {
	cfg  RuleConfig
	dict sqltrace.Dictionary
}

var _ Rule = lockWait{}

func (lockWait) Name() string { return "lock-wait" }

func (r lockWait) Check(t *Trace) []Finding {
	if t.Time.Lock < r.cfg.LockWait {
		return nil
	}
	// The split says how long; the longest statement that takes locks says where.
	worst, longest := -1, time.Duration(0)
	for i := range t.Spans {
		s := t.Spans[i].Statement
		if d := took(t.Spans[i]); d > longest && (retryable(s.SQLState) || locking(r.dict.Shape(s.Fingerprint))) {
			worst, longest = i, d
		}
	}
	if worst < 0 {
		return nil
	}
	sh := r.dict.Shape(t.Spans[worst].Statement.Fingerprint)
	return []Finding{{
		Rule: r.Name(),
		Title: fmt.Sprintf("%s waited for a lock: %s of %s", describe(sh), Figure(t.Time.Lock),
			Figure(lasted(t.Call))),
		Fix:   fmt.Sprintf("Find the transaction that holds %s so long and shorten it, or move this write out of the rush.", tableOf(sh)),
		Cost:  t.Time.Lock,
		Spans: []int{worst},
	}}
}
