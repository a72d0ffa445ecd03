package analyzer

import (
	"fmt"
	"strings"
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
			Fix:   r.fix(sh),
			// What a good plan leaves is taken for a fifth of the threshold.
			Cost:  sum - time.Duration(len(group))*r.cfg.SlowStatement/5,
			Spans: group,
		})
	})
	return found
}

// fix says what to look at. A plan and an index are of use only where a table is read.
func (slowStatement) fix(sh sqltrace.Shape) string {
	const waits = "wait_event in pg_stat_activity"
	function := sh.Function()
	switch {
	case sh.Text == "":
		return "Find its text in pg_stat_activity or in PostgreSQL's log, and look at its plan with EXPLAIN."
	case sh.Kind == sqltrace.Commit:
		return "Look at what commits wait for (" + waits + "): the disk that takes pg_wal, a synchronous replica, deferred constraints."
	case sh.Written != "" || len(sh.Tables) > 0:
		return fmt.Sprintf("Look at its plan with EXPLAIN: an index on %s, a narrower domain or fewer columns.", tableOf(sh))
	case strings.HasPrefix(function, "pg_sleep"):
		return "Take the sleep out of the call, or out of the database: it holds a connection and a transaction meanwhile."
	case strings.HasPrefix(function, "pg_advisory"):
		return "Find in pg_locks who holds this advisory lock and shorten that, or ask without waiting (pg_try_advisory_lock)."
	case function != "":
		return fmt.Sprintf("It reads no table that an index could help: look at what %s does (auto_explain.log_nested_statements) "+
			"and waits for (%s), and call it less often.", function, waits)
	}
	return "It reads no table that an index could help: look at what it waits for (" + waits + ")."
}
