package report

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/perfd/perfd/figures"
	"github.com/perfd/perfd/replay/compare"
)

// TextConfig tunes the text. Its zero value works.
type TextConfig struct {
	// Top is the number of methods listed. Defaults to 20.
	Top int
	// Color says that the output is a terminal that shows colours. Defaults to false.
	Color bool
}

// columns of the page.
const columns = 100

type page struct {
	strings.Builder
	color bool
}

// Text writes a page of at most 100 columns. What may be said of A and B, what makes that doubtful and the table stand on
// the first screen.
func Text(w io.Writer, r *Report, c TextConfig) error {
	p := &page{color: c.Color}
	word, sentence := r.Headline()
	if !r.compared() {
		word = "" // what it says of answers holds in any case
	}
	for i, line := range figures.Wrap(sentence, columns) {
		if i > 0 {
			line = "  " + line
		}
		p.line(p.paint(word, line))
	}
	p.about(r)
	p.thresholds(r)
	p.doubts(r)
	top := cmp.Or(c.Top, 20)
	if r.compared() {
		p.comparison(r.Comparison, top)
	} else if r.Comparison != nil && r.Comparison.Overall.A.Calls+r.Comparison.Overall.A.Errors > 0 {
		p.oneArm(r.Comparison, top)
	}
	p.run(r)
	p.cached(r)
	p.answers(r)
	p.observed(r, top)
	p.statements(r)
	p.generator(r)
	p.whatIf(r)
	if _, err := io.WriteString(w, p.String()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

func (p *page) linef(format string, a ...any) { p.line(fmt.Sprintf(format, a...)) }

func (p *page) line(text string) {
	p.WriteString(strings.TrimRight(text, " "))
	p.WriteByte('\n')
}

func (p *page) title(text string) {
	if p.color {
		text = "\x1b[1m" + text + "\x1b[0m"
	}
	p.line("\n" + text)
}

// paint colours what a verdict is about.
func (p *page) paint(word, text string) string {
	color := map[string]string{"faster": "37", "slower": "203", "invalid": "203", "not compared": "214"}[word]
	if !p.color || color == "" {
		return text
	}
	return "\x1b[38;5;" + color + "m" + text + "\x1b[0m"
}

// list writes sentences, each behind a mark.
func (p *page) list(mark string, sentences []string, most int) {
	for i, s := range sentences {
		if i == most {
			p.linef("  … and %d more", len(sentences)-most)
			return
		}
		for j, line := range figures.Wrap(figures.Clean(s), columns-4) {
			if j == 0 {
				p.line("  " + mark + " " + line)
			} else {
				p.line("    " + line)
			}
		}
	}
}

func (p *page) about(r *Report) {
	var parts []string
	if r.Label != "" {
		parts = append(parts, figures.Clean(r.Label))
	}
	if r.B != "" {
		parts = append(parts, "A "+figures.Clean(r.A), "B "+figures.Clean(r.B))
	} else if r.A != "" {
		parts = append(parts, figures.Clean(r.A))
	}
	if r.Load.Name != "" {
		parts = append(parts, figures.Clean(r.Load.Name))
	}
	if r.Mode != "" {
		parts = append(parts, figures.Clean(r.Mode))
	}
	if c := r.Comparison; r.compared() {
		calls := c.Overall.A.Calls + c.Overall.A.Errors + c.Overall.A.Hits
		parts = append(parts, fmt.Sprintf("%s of %s", figures.Plural(int64(c.Rounds), "round"), figures.Plural(calls/int64(c.Rounds), "call")))
	}
	for _, line := range figures.Wrap(strings.Join(parts, " · "), columns) {
		p.line(line)
	}
}

func (p *page) thresholds(r *Report) {
	if len(r.Thresholds) == 0 {
		return
	}
	p.title("THRESHOLDS")
	for _, o := range r.Thresholds {
		mark := map[compare.State]string{compare.Kept: "kept        ", compare.Broken: "BROKEN      ", compare.Undecided: "undecided   ", compare.Unmeasured: "NOT MEASURED"}[o.State]
		word := ""
		if !o.State.Holds() {
			word = "slower"
		}
		p.line("  " + p.paint(word, mark) + " " + figures.Cut(figures.Clean(o.Threshold), columns-16))
		for _, reason := range o.Reasons {
			p.line("               " + figures.Cut(figures.Clean(reason), columns-15))
		}
	}
}

func (p *page) doubts(r *Report) {
	if d := r.doubts(); len(d) > 0 {
		p.title("WHAT COULD MAKE THIS WRONG")
		p.list("!", d, 8)
	}
}

// comparison is benchstat's table, of medians, with the change of the typical call and of the tail.
func (p *page) comparison(c *compare.Comparison, top int) {
	p.title(fmt.Sprintf("%-33s %14s  %14s  %8s %6s %6s  %s", "", "A p50", "B p50", "change", "±", "p", "tail"))
	p.row(c.Overall)
	rows := slices.Clone(c.Methods)
	slices.SortStableFunc(rows, byRank)
	for i, m := range rows {
		if i == top {
			p.linef("… and %s more", figures.Plural(int64(len(rows)-top), "method"))
			break
		}
		p.row(m)
	}
	if slices.ContainsFunc(c.Methods, func(r compare.Row) bool { return r.Verdict != compare.NotCompared }) && len(c.Methods) > 1 {
		p.linef("%-33s %14s  %14s  %8s", "geometric mean of the methods", "", "", signed(c.GeoMean))
	}
}

// byRank puts what got slower first, then what got faster, each by the seconds that makes, then what cannot be compared,
// and leaves the rest in its order.
func byRank(a, b compare.Row) int {
	x, y := rank(a), rank(b)
	if x != y || x > 1 {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(math.Abs(b.Typical.Delta)*b.A.Total, math.Abs(a.Typical.Delta)*a.A.Total)
}

func rank(r compare.Row) int {
	switch overall(r) {
	case compare.Slower:
		return 0
	case compare.Faster:
		return 1
	case compare.NotCompared:
		return 2
	}
	return 3
}

func (p *page) row(r compare.Row) {
	name := figures.Middle(figures.Clean(r.Method), 33)
	if r.Verdict == compare.NotCompared {
		p.linef("%-33s %14s  %14s  %s", name, median(r.A.P50), median(r.B.P50), p.paint("not compared", figures.Cut(r.Reason, columns-67)))
		return
	}
	t := r.Typical
	change, reach, tail := "~", "", ""
	if len(t.PerRound) > 1 {
		reach = percentage(50 * (t.High - t.Low))
	}
	switch {
	case r.Verdict != compare.Unchanged:
		change = signed(t.Delta)
	case strings.HasPrefix(r.Reason, "less than"):
		tail = fmt.Sprintf("below %.2g%%", 100*t.Minimum)
	}
	for _, q := range []struct {
		name string
		e    compare.Effect
	}{{"p95", r.P95}, {"p99", r.P99}} {
		if q.e.Verdict == compare.Faster || q.e.Verdict == compare.Slower {
			tail = q.name + " " + strings.ReplaceAll(signed(q.e.Delta), " ", "")
		}
	}
	p.linef("%-33s %14s  %14s  %s %6s %6s  %s", name, median(r.A.P50), median(r.B.P50), p.paint(string(r.Verdict), fmt.Sprintf("%8s", change)),
		reach, probability(t.Adjusted), p.paint(string(r.Tail), tail))
}

// percentage writes half an interval: with few rounds it may be as wide as it likes.
func percentage(x float64) string {
	switch {
	case x >= 999.5:
		return ">999"
	case x >= 99.95:
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.1f", x)
}

// median writes a median with half of its interval in percent.
func median(q compare.Quantile) string {
	if q.Seconds == 0 {
		return "–"
	}
	if q.High == 0 {
		return figure(q.Seconds) + "     "
	}
	return fmt.Sprintf("%s ±%2.0f%%", figure(q.Seconds), min(99, 50*(q.High-q.Low)/q.Seconds))
}

func (p *page) oneArm(c *compare.Comparison, top int) {
	p.title(fmt.Sprintf("%-45s %8s %7s %10s %10s %10s", "", "calls", "errors", "p50", "p95", "p99"))
	for i, r := range append([]compare.Row{c.Overall}, c.Methods...) {
		if i == top+1 {
			p.linef("… and %s more", figures.Plural(int64(len(c.Methods)-top), "method"))
			return
		}
		p.linef("%-45s %8s %7s %10s %10s %10s", figures.Middle(figures.Clean(r.Method), 45), figures.Thousands(r.A.Calls), figures.Thousands(r.A.Errors), known(r.A.P50), known(r.A.P95), known(r.A.P99))
	}
}

func known(q compare.Quantile) string {
	if q.Seconds == 0 {
		return "–"
	}
	return figure(q.Seconds)
}
