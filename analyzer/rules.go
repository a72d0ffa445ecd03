package analyzer

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

// RuleConfig holds the thresholds of the rules. Its zero value works.
type RuleConfig struct {
	// RepeatCount is the number of SELECTs of one shape in a call that make an N+1. Defaults to 10.
	RepeatCount int
	// RepeatTime is the time such SELECTs must take together, unless they reach RepeatShare.
	// Defaults to 50 ms.
	RepeatTime time.Duration
	// RepeatShare is the share of the call's duration that also makes an N+1. Defaults to 0.2.
	RepeatShare float64
	// SlowStatement is the duration from which one statement is slow. Defaults to 500 ms.
	SlowStatement time.Duration
	// DuplicateCount is how often one exact text must run in a transaction without a write between.
	// Defaults to 3.
	DuplicateCount int
	// LargeRows is the number of rows above which a result is large. Defaults to 10,000.
	LargeRows int64
	// LargeBytes is the size above which a statement's result or a response is large. Defaults to 5 MB.
	LargeBytes int64
	// LockWait is the time in locks that is worth a finding. Defaults to 100 ms.
	LockWait time.Duration
	// WorkerWait is the wait to be served that is worth a finding. Defaults to 200 ms.
	WorkerWait time.Duration
	// Idle is the gap inside an open transaction that is worth a finding. Defaults to 1 s.
	Idle time.Duration
}

func (c RuleConfig) withDefaults() RuleConfig {
	c.RepeatCount = cmp.Or(c.RepeatCount, 10)
	c.RepeatTime = cmp.Or(c.RepeatTime, 50*time.Millisecond)
	c.RepeatShare = cmp.Or(c.RepeatShare, 0.2)
	c.SlowStatement = cmp.Or(c.SlowStatement, 500*time.Millisecond)
	c.DuplicateCount = cmp.Or(c.DuplicateCount, 3)
	c.LargeRows = cmp.Or(c.LargeRows, 10000)
	c.LargeBytes = cmp.Or(c.LargeBytes, 5_000_000)
	c.LockWait = cmp.Or(c.LockWait, 100*time.Millisecond)
	c.WorkerWait = cmp.Or(c.WorkerWait, 200*time.Millisecond)
	c.Idle = cmp.Or(c.Idle, time.Second)
	return c
}

// DefaultRules returns every rule. Titles are worded from the shapes in dict. A new rule is a file
// rule_<name>.go and a line here.
func DefaultRules(dict sqltrace.Dictionary, cfg RuleConfig) []Rule {
	cfg = cfg.withDefaults()
	return []Rule{
		callError{},
		idleInTransaction{cfg, dict},
		largeResult{cfg, dict},
		lockWait{cfg, dict},
		nPlusOne{cfg, dict},
		duplicateQuery{cfg, dict},
		serializationRetry{dict},
		slowStatement{cfg, dict},
		workerWait{cfg},
	}
}

// took is how long a statement ran.
func took(s Span) time.Duration { return max(0, s.Statement.End.Sub(s.Statement.Start)) }

// lasted is how long a call took; 0 where damaged times make it end before it began.
func lasted(c *rpclog.Call) time.Duration { return max(0, c.End.Sub(c.Start)) }

// groupSpans calls yield with the indices of the spans that share a key, in order of each key's first
// span; key 0 leaves a span out. The indices are valid only during the call.
func groupSpans(spans []Span, least int, key func(i int) uint64, yield func(indices []int)) {
	if !repeats(spans, least, key) {
		return
	}
	type entry struct {
		key   uint64
		index int
	}
	var room [64]entry
	list := room[:0]
	for i := range spans {
		if k := key(i); k != 0 {
			list = append(list, entry{k, i})
		}
	}
	slices.SortFunc(list, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.index, b.index))
	})
	var groups [][]int
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].key == list[0].key {
			n++
		}
		if n >= least {
			group := make([]int, n)
			for i := range group {
				group[i] = list[i].index
			}
			groups = append(groups, group)
		}
		list = list[n:]
	}
	slices.SortFunc(groups, func(a, b []int) int { return cmp.Compare(a[0], b[0]) })
	for _, g := range groups {
		yield(g)
	}
}

// repeats reports whether least spans or more share a key; of very many spans it says so without a look. Most
// calls repeat nothing, which is cheaper to count than to sort.
func repeats(spans []Span, least int, key func(i int) uint64) bool {
	const slots = 512
	if len(spans) < least {
		return false
	}
	if len(spans) > slots/2 {
		return true
	}
	var keys [slots]uint64
	var seen [slots]uint8
	for i := range spans {
		k := key(i)
		if k == 0 {
			continue
		}
		at := k * 0x9E3779B97F4A7C15 >> (64 - 9)
		for keys[at] != 0 && keys[at] != k {
			at = (at + 1) % slots
		}
		keys[at] = k
		if seen[at]++; int(seen[at]) >= least || seen[at] == math.MaxUint8 {
			return true
		}
	}
	return false
}

// reads reports whether a shape is a SELECT from a table that takes no lock.
func reads(sh sqltrace.Shape) bool {
	return sh.Kind == sqltrace.Query && sh.Written == "" && len(sh.Tables) > 0 && !locking(sh)
}

// describe names a shape in a few words, for use in a sentence.
func describe(sh sqltrace.Shape) string {
	if sh.Text == "" {
		return "a statement of unknown text"
	}
	return sh.Name().Subject
}

// tableOf names the table a shape is about, for use in a sentence.
func tableOf(sh sqltrace.Shape) string {
	if sh.Written == "" && len(sh.Tables) == 0 {
		return "the table"
	}
	if _, table, ok := strings.Cut(sh.Name().Subject, " "); ok {
		return table
	}
	if sh.Written != "" {
		return sh.Written
	}
	return sh.Tables[0]
}

// Figure words a duration with three significant digits and its unit: 340 µs, 18.0 ms, 1.24 s, 12.0 min.
func Figure(d time.Duration) string {
	us := float64(d) / 1e3
	switch {
	case d == 0:
		return "0 s"
	case d == math.MinInt64:
		return "-" + Figure(math.MaxInt64)
	case d < 0:
		return "-" + Figure(-d)
	case us < 999.5:
		return digits(us) + " µs"
	case us < 999.5e3:
		return digits(us/1e3) + " ms"
	case us < 600e6:
		return digits(us/1e6) + " s"
	case us < 600*60e6:
		return digits(us/60e6) + " min"
	}
	return digits(us/3600e6) + " h"
}

// digits writes x with three significant digits, without exponent.
func digits(x float64) string {
	switch {
	case x >= 99.95:
		return fmt.Sprintf("%.0f", x)
	case x >= 9.995:
		return fmt.Sprintf("%.1f", x)
	case x >= 0.9995 || x == 0:
		return fmt.Sprintf("%.2f", x)
	}
	return fmt.Sprintf("%.3f", x)
}

// bytesFigure words a size in decimal units with three significant digits.
func bytesFigure(n int64) string {
	switch x := float64(n); {
	case x < 999.5:
		return fmt.Sprintf("%d B", n)
	case x < 999.5e3:
		return digits(x/1e3) + " kB"
	case x < 999.5e6:
		return digits(x/1e6) + " MB"
	default:
		return digits(x/1e9) + " GB"
	}
}

// shareFigure words a share of which something was seen: <0.1 %, 4.2 %, >99.9 %.
func shareFigure(x float64) string {
	switch {
	case x < 0.001:
		return "<0.1 %"
	case x > 0.999 && x < 1:
		return ">99.9 %"
	}
	return fmt.Sprintf("%.1f %%", 100*x)
}

// MethodOf names what a call does: model.method, service.method, the method alone, or the path of a plain HTTP route with its numbers folded.
// It is the key by which calls are grouped.
func MethodOf(c *rpclog.Call) string {
	switch {
	case c.Method == "":
		return foldPath(c.Path)
	case c.Model != "":
		return c.Model + "." + c.Method
	case c.Service != "":
		return c.Service + "." + c.Method
	}
	return c.Method
}

// foldPath replaces each path segment that begins with a digit by #, so that /web/image/12 and
// /web/image/13 are one method.
func foldPath(p string) string {
	digit := false
	for i := 1; i < len(p) && !digit; i++ {
		digit = p[i-1] == '/' && p[i] >= '0' && p[i] <= '9'
	}
	if !digit {
		return p
	}
	parts := strings.Split(p, "/")
	for i, s := range parts {
		if s != "" && s[0] >= '0' && s[0] <= '9' {
			parts[i] = "#"
		}
	}
	return strings.Join(parts, "/")
}
