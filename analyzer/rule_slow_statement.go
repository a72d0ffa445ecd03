package analyzer

import (
	"fmt"
	"time"

	"github.com/perfd/perfd/sqltrace"
)

// slowStatement finds statements that took long on their own account: those that waited for a lock are
// left to the lock-wait rule.
type slowStatement struct {
	cfg  RuleConfig
	dict sqltrace.Dictionary
}

var _ Rule = slowStatement{}

func (slowStatement) Name() string { return "slow-statement" }

func (r slowStatement) Check(t *Trace) []Finding {
	var found []Finding
	locked := t.Time.Lock
	groupSpans(t.Spans, 1, func(i int) uint64 {
		s := t.Spans[i].Statement
		if took(t.Spans[i]) < r.cfg.SlowStatement || s.Gaps&sqltrace.GapUnanswered != 0 || retryable(s.SQLState) {
			return 0
		}
		return uint64(s.Fingerprint) | 1<<63
	}, func(group []int) {
		sh := r.dict.Shape(t.Spans[group[0]].Statement.Fingerprint)
		var sum, longest time.Duration
		for _, i := range group {
			sum = plus(sum, took(t.Spans[i]))
			longest = max(longest, took(t.Spans[i]))
		}
		if locked > 0 && locking(sh) && locked >= sum/10*9 {
			return
		}
		title := fmt.Sprintf("%s took %s", describe(sh), Figure(longest))
		if len(group) > 1 {
			title = fmt.Sprintf("%d × %s took %s, the longest %s", len(group), describe(sh), Figure(sum), Figure(longest))
		}
		found = append(found, Finding{
			Rule:  r.Name(),
			Title: title,
			Fix:   fmt.Sprintf("Look at its plan with EXPLAIN: an index on %s, a narrower domain or fewer columns.", tableOf(sh)),
			// What a good plan leaves is taken for a fifth of the threshold.
			Cost:  sum - time.Duration(len(group))*r.cfg.SlowStatement/5,
			Spans: group,
		})
	})
	return found
}
