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
	"github.com/perfd/perfd/replay"
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
	// Label is what whoever ran it calls the experiment.
	Label string
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
	// Stopped says that the replay was ended early, and Failed what ended it if that was an error.
	Stopped bool
	Failed  string
}

// Load is what was replayed.
type Load struct {
	Name   string
	Header load.Header
}

// compared reports whether there were two arms, and a round of both.
func (r *Report) compared() bool { return r.Comparison != nil && r.B != "" && r.Comparison.Rounds > 0 }

// overall is a row's verdict, or that of its tail if that alone has one.
func overall(m compare.Row) compare.Verdict {
	if m.Verdict == compare.Unchanged {
		return m.Tail
	}
	return m.Verdict
}

// doubts are all that could make the result wrong, the gravest first.
func (r *Report) doubts() []string {
	var out []string
	switch {
	case r.Failed != "":
		out = append(out, "The replay could not go on: "+strings.TrimSuffix(r.Failed, ".")+". What is told is of what came before.")
	case r.Stopped:
		out = append(out, "The replay was ended early: what is told of is right, but not all.")
	}
	out = append(out, r.Doubts...)
	if r.A != "" && r.A == r.B {
		out = append(out, "A and B are the same server: unless a command before the passes switches something, what differs is noise.")
	}
	if r.compared() {
		if a, b := &r.Comparison.Overall.A, &r.Comparison.Overall.B; a.Errors+b.Errors > 0 {
			out = append(out, fmt.Sprintf("Of A %s of %s failed, of B %s of %s: durations are of the others.", figures.Thousands(a.Errors),
				figures.Plural(a.Calls+a.Errors+a.Hits, "call"), figures.Thousands(b.Errors), figures.Plural(b.Calls+b.Errors+b.Hits, "call")))
		}
	}
	out = append(out, r.aliased()...)
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
			if n == replay.DroppedNote {
				continue // they are counted
			}
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

// manyAliases is the share of calls from which aliases make durations those of other work.
const manyAliases = 0.05

// aliased doubts durations of calls that were asked for what nobody has.
func (r *Report) aliased() []string {
	var sent, aliased int64
	for _, p := range r.counted() {
		sent, aliased = sent+p.Report.Sent, aliased+p.Report.Aliased
	}
	if sent == 0 || float64(aliased) < manyAliases*float64(sent) {
		return nil
	}
	return []string{share(aliased, sent) + " of the calls were asked with aliases in the place of values: a search for an alias finds nothing, so their durations are of other work " +
		"than was recorded. Record with --keep-args '*:*' where values may be kept."}
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
