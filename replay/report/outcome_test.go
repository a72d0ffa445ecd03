package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/perfd/perfd/replay"
	"github.com/perfd/perfd/replay/bench"
	"github.com/perfd/perfd/replay/compare"
	"github.com/perfd/perfd/sqltrace/statements"
)

// TestTheCacheStandsInTheHeadline, for what is compared are its misses alone.
func TestTheCacheStandsInTheHeadline(t *testing.T) {
	r := full()
	r.Answers = nil
	b := &r.Comparison.Overall.B
	b.Hits, b.HitP50 = 3*(b.Calls+b.Errors), 0.00005
	if _, got := r.Headline(); !strings.HasPrefix(got, "75 % of B's calls answered by the cache (p50 50.0 µs); of what it did not answer: B is faster: ") {
		t.Error(got)
	}
	o := &r.Comparison.Overall
	o.Verdict, o.Tail, r.Comparison.Methods = compare.Unchanged, compare.Unchanged, nil
	if _, got := r.Headline(); !strings.Contains(got, "did not answer: no change shown") {
		t.Error(got)
	}
}

// TestAliasesMakeDurationsDoubtful if they are more than a few.
func TestAliasesMakeDurationsDoubtful(t *testing.T) {
	for aliased, want := range map[int64]bool{0: false, 20: false, 400: true} {
		r := &Report{Comparison: &compare.Comparison{}, Passes: []bench.Pass{{Round: 1, Report: replay.Report{Sent: 1000, Aliased: aliased}}}}
		if got := strings.Join(r.doubts(), " "); strings.Contains(got, "40 % of the calls were asked with aliases") != want {
			t.Errorf("%d of 1,000: %q", aliased, got)
		}
	}
}

// TestAServerThatStopsAnswering is told as such, and not as errors that differ; one that never answered did not stop.
func TestAServerThatStopsAnswering(t *testing.T) {
	pass := func(arm compare.Arm, round int, lost int64) bench.Pass {
		return bench.Pass{Arm: arm, Round: round, Report: replay.Report{Sent: 100, Errors: lost, Failures: map[string]int64{"connection error": lost}}}
	}
	for want, passes := range map[string][]bench.Pass{
		"The server of B stopped answering in round 2, so that A and B are not compared.": {
			pass(compare.A, 1, 0), pass(compare.B, 1, 1), pass(compare.B, 2, 70), pass(compare.A, 2, 0), pass(compare.A, 3, 0), pass(compare.B, 3, 100),
		},
		"The servers of A and B stopped answering, in round 2": {pass(compare.A, 1, 0), pass(compare.B, 1, 0), pass(compare.B, 2, 100), pass(compare.A, 2, 100)},
		"A and B are not compared: errors differ":              {pass(compare.A, 1, 0), pass(compare.B, 1, 100), pass(compare.B, 2, 100), pass(compare.A, 2, 0)},
		"A and B are not compared: errors differ, mostly":      {pass(compare.A, 1, 0), pass(compare.B, 1, 100), pass(compare.B, 2, 0), pass(compare.A, 2, 0)},
	} {
		r := full()
		r.Passes = passes
		r.Comparison.Overall.Verdict, r.Comparison.Overall.Reason = compare.NotCompared, "errors differ"
		if word, got := r.Headline(); word != "not compared" || !strings.HasPrefix(got, want) {
			t.Errorf("%s %q, want %q", word, got, want)
		}
	}
	r := &Report{A: "http://a", Comparison: &compare.Comparison{}, Passes: []bench.Pass{pass(compare.A, 1, 60)}}
	if _, got := r.Headline(); !strings.HasPrefix(got, "The server stopped answering in round 1. ") {
		t.Error(got)
	}
}

// TestAMethodThatChangedIsNamed first where all calls together show no change.
func TestAMethodThatChangedIsNamed(t *testing.T) {
	r := &Report{A: "http://a", B: "http://b", Comparison: compared(1400, func(m int) float64 {
		if m == 0 {
			return 2.2
		}
		return 1
	}), Passes: []bench.Pass{{Round: 1, Report: replay.Report{Sent: 1400}}}}
	r.Comparison.Overall.Verdict, r.Comparison.Overall.Tail = compare.Unchanged, compare.Unchanged
	if _, got := r.Headline(); !strings.HasPrefix(got, methodNames[0]+" is slower: its typical call takes 120 % more. Over all calls, no change shown: ") {
		t.Error(got)
	}
}

// TestOneArmHasNoSecond: neither columns of B nor changes of what was not compared.
func TestOneArmHasNoSecond(t *testing.T) {
	r := full()
	r.B, r.Observed = "", nil
	r.Statements = []statements.Change{{Text: "SELECT 1", A: statements.PerPass{Calls: 10, Seconds: 1.5}}}
	var page bytes.Buffer
	if err := HTML(&page, r, HTMLConfig{}); err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{text(t, r, TextConfig{}), page.String()} {
		if !strings.Contains(got, "SELECT 1") || strings.Contains(got, "B calls") || strings.Contains(got, "WHY: STATEMENTS") || strings.Contains(got, "Why: statements") {
			t.Error(got)
		}
	}
	r = full()
	for i := range r.Comparison.Methods {
		r.Comparison.Methods[i].Verdict = compare.NotCompared
	}
	if got := text(t, r, TextConfig{}); strings.Contains(got, "geometric mean") {
		t.Error("a mean of nothing")
	}
}

// TestAdviceIsGivenOnce to who ended the replay.
func TestAdviceIsGivenOnce(t *testing.T) {
	r := full()
	o := &r.Comparison.Overall
	o.Verdict, o.Tail, o.Reason = compare.Unchanged, compare.Unchanged, "2 of 4 rounds"
	r.Comparison.Doubts = []string{"2 of the 4 rounds that a verdict needs: run 5 or more (--rounds)."}
	for stopped, want := range map[bool]int{false: 2, true: 1} {
		r.Stopped = stopped
		if n := strings.Count(text(t, r, TextConfig{}), "--rounds"); n != want {
			t.Error(fmt.Sprint(stopped), n)
		}
	}
}
