// Package report tells people what a replay found: as text for a terminal, as JSON, and as one page of HTML; and hands a
// load to those who replay by other means, as a k6 script or a HAR file.
package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/figures"
	"github.com/perfd/perfd/replay/bench"
	"github.com/perfd/perfd/replay/compare"
	"github.com/perfd/perfd/replay/compare/answer"
	"github.com/perfd/perfd/replay/load"
	"github.com/perfd/perfd/replay/observe"
	"github.com/perfd/perfd/replay/whatif"
	"github.com/perfd/perfd/sqltrace/statements"
)

// Report is all that can be told of a replay. What is nil, empty or zero is left out.
type Report struct {
	Version string // of perfd
	Load    Load
	// A and B name the arms, as http://a:8069; B is empty if there was one.
	A, B string
	// Made is when the replay began.
	Made time.Time
	// Mode is how calls were paced, as "timeline, twice the speed".
	Mode string
	// Comparison is that of A and B; of one arm, the figures of A.
	Comparison *compare.Comparison
	Passes     []bench.Pass
	Answers    *answer.Result
	// Statements are those whose time in the database changed most.
	Statements []statements.Change
	// Observed is what a tap at the target saw.
	Observed   *observe.Result
	Thresholds []compare.Outcome
	WhatIf     *whatif.Answers
	// Doubts are sentences beside those of Comparison.
	Doubts []string
	// Stopped says that the replay was ended early.
	Stopped bool
}

// Load is what was replayed.
type Load struct {
	Name   string
	Header load.Header
}

// compared reports whether there were two arms.
func (r *Report) compared() bool { return r.Comparison != nil && r.B != "" }

// Headline says in one or two sentences what came of the replay, and in a word: faster, slower, ~, not compared, invalid,
// or empty if there was nothing to compare.
func (r *Report) Headline() (word, sentence string) {
	if why := r.invalid(); why != "" {
		return "invalid", "This replay says nothing: " + why + "."
	}
	if !r.compared() {
		return "", r.oneArm()
	}
	o := &r.Comparison.Overall
	t := &o.Typical
	switch o.Verdict {
	case compare.NotCompared:
		return string(o.Verdict), "A and B are not compared: " + o.Reason + "."
	case compare.Faster, compare.Slower:
		sentence = fmt.Sprintf("B is %s: the typical call takes %s (%s to %s, p %s)",
			o.Verdict, moreOrLess(t.Delta), exact(t.Low), exact(t.High), probability(t.Adjusted))
		if tail := r.tail(); tail != "" {
			sentence += ", " + tail
		}
	default:
		switch {
		case o.Tail != compare.Unchanged:
			sentence = "The typical call shows no change, but the slowest do: " + r.tail()
			return string(o.Tail), sentence + r.methodsSay() + "."
		case len(t.PerRound) == 0:
			sentence = "No call was answered by both A and B"
		case o.Reason != "":
			sentence = fmt.Sprintf("No change shown: the typical call differs by %s, %s", signed(t.Delta), o.Reason)
		default:
			sentence = fmt.Sprintf("No change shown: the typical call differs by %s (%s to %s)", signed(t.Delta), exact(t.Low), exact(t.High))
		}
	}
	return string(o.Verdict), sentence + r.methodsSay() + "."
}

// invalid is why a pass is worthless.
func (r *Report) invalid() string {
	for _, p := range r.Passes {
		if p.Report.Invalid != "" {
			return p.Report.Invalid
		}
	}
	return ""
}

// tail words what changed in the slowest calls.
func (r *Report) tail() string {
	o := &r.Comparison.Overall
	switch {
	case o.P99.Verdict == compare.Faster || o.P99.Verdict == compare.Slower:
		return "p99 " + moreOrLess(o.P99.Delta)
	case o.P95.Verdict == compare.Faster || o.P95.Verdict == compare.Slower:
		return "p95 " + moreOrLess(o.P95.Delta)
	}
	return ""
}

// methodsSay counts the methods with a verdict of their own.
func (r *Report) methodsSay() string {
	n := map[compare.Verdict]int{}
	for _, m := range r.Comparison.Methods {
		n[overall(m)]++
	}
	var parts []string
	for _, v := range []compare.Verdict{compare.Slower, compare.Faster, compare.NotCompared} {
		if n[v] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[v], v))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf(". Of %s, %s", figures.Plural(int64(len(r.Comparison.Methods)), "method"), strings.Join(parts, ", "))
}

// overall is a row's verdict, or that of its tail if that alone has one.
func overall(m compare.Row) compare.Verdict {
	if m.Verdict == compare.Unchanged {
		return m.Tail
	}
	return m.Verdict
}

func (r *Report) oneArm() string {
	var sent, failed, same, judged int64
	for _, p := range r.Passes {
		sent += p.Report.Sent
		failed += p.Report.Errors
		for name, n := range p.Report.Matches {
			if name != "unknown" {
				judged += n
			}
			if name == "same" {
				same += n
			}
		}
	}
	out := figures.Plural(sent, "call") + " sent"
	if r.Comparison != nil && r.Comparison.Overall.A.Calls > 0 {
		a := &r.Comparison.Overall.A
		out += ": p50 " + figure(a.P50.Seconds)
		if a.P95.Seconds > 0 {
			out += ", p95 " + figure(a.P95.Seconds)
		}
		if a.P99.Seconds > 0 {
			out += ", p99 " + figure(a.P99.Seconds)
		}
	}
	out += "; " + figures.Plural(failed, "error")
	if judged > 0 {
		out += fmt.Sprintf("; %s of %s as recorded", share(same, judged), figures.Plural(judged, "answer"))
	}
	return out + "."
}

// doubts are all that could make the result wrong, the gravest first.
func (r *Report) doubts() []string {
	var out []string
	if r.Stopped {
		out = append(out, "The replay was ended early: what is told of is right, but not all.")
	}
	out = append(out, r.Doubts...)
	if r.Comparison != nil {
		out = append(out, r.Comparison.Doubts...)
	}
	if r.Observed != nil {
		out = append(out, r.Observed.Doubts...)
	}
	var dropped int64
	for _, p := range r.Passes {
		for why, n := range p.Report.Left {
			if why.Dropped() {
				dropped += n
			}
		}
	}
	if dropped > 0 {
		out = append(out, figures.Plural(dropped, "call")+" dropped, because more were under way or waiting than is allowed: the server was not asked all.")
	}
	for _, p := range r.Passes {
		for _, n := range p.Report.Notes {
			n = strings.TrimSuffix(upper(n), ".") + "."
			if !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	for _, n := range r.Load.Header.Lacks {
		out = append(out, "The load: "+strings.TrimSuffix(n, ".")+".")
	}
	return out
}

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// figure writes seconds with three significant digits.
func figure(seconds float64) string {
	return analyzer.Figure(time.Duration(seconds * float64(time.Second)))
}

// signed writes a relative change: +3.2 %, −12 %, 0 %.
func signed(delta float64) string {
	x := 100 * delta
	switch {
	case x > -0.05 && x < 0.05:
		return "0 %"
	case x <= -10 || x >= 10:
		return strings.Replace(fmt.Sprintf("%+.0f %%", x), "-", "−", 1)
	}
	return strings.Replace(fmt.Sprintf("%+.1f %%", x), "-", "−", 1)
}

// exact writes a relative change with a digit after the point.
func exact(delta float64) string {
	return strings.Replace(fmt.Sprintf("%+.1f %%", 100*delta), "-", "−", 1)
}

func moreOrLess(delta float64) string {
	text := strings.TrimLeft(signed(delta), "+−")
	if delta < 0 {
		return text + " less"
	}
	return text + " more"
}

func probability(p float64) string {
	switch {
	case p < 0.001:
		return "<0.001"
	case p >= 0.9995:
		return "1"
	}
	return fmt.Sprintf("%.3f", p)
}

func share(n, total int64) string {
	switch x := 100 * float64(n) / float64(max(total, 1)); {
	case n == total:
		return "100 %"
	case x > 99.9:
		return "99.9 %"
	case x >= 99 || x < 1 && x > 0:
		return fmt.Sprintf("%.1f %%", x)
	default:
		return fmt.Sprintf("%.0f %%", x)
	}
}
