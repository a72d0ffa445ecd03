package report

import (
	"fmt"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/figures"
	"github.com/perfd/perfd/replay"
	"github.com/perfd/perfd/replay/compare"
)

// run tells what one arm's last pass was: each of its durations, and what failed or answered otherwise than recorded.
func (p *page) run(r *Report) {
	if len(r.Passes) == 0 {
		return
	}
	pass := &r.Passes[len(r.Passes)-1]
	last := &pass.Report
	if !r.compared() && last.Sent > 0 {
		name := "DURATIONS"
		if r.B != "" {
			name = fmt.Sprintf("DURATIONS OF PASS %d, %s", pass.Number, pass.Arm)
		}
		p.title(fmt.Sprintf("%-45s %8s %8s %9s %9s %9s", name, "calls", "p50", "p95", "p99", "max"))
		for _, row := range []struct {
			name string
			replay.Durations
		}{
			{"latency, from the time a call was due", last.Latency}, {"service, from the time it was sent", last.Service},
			{"to the first byte", last.First}, {"waited for ids and log-ins, no latency", last.Wait}, {"late: the generator's own", last.Late},
		} {
			if row.Calls > 0 {
				p.linef("%-45s %8s %8s %9s %9s %9s", row.name, figures.Thousands(row.Calls), analyzer.Figure(row.P50), analyzer.Figure(row.P95),
					analyzer.Figure(row.P99), analyzer.Figure(row.Max))
			}
		}
		if last.Errors > 0 && last.Errors < last.Sent {
			p.linef("  calls that failed stand in none of them but in how late they were sent")
		}
		p.most("ANSWERS THAT ARE NOT AS RECORDED", last.Differing)
		p.most("ANSWERS THAT CANNOT BE COMPARED", last.Unjudged)
	}
	p.errors(r)
}

// errors lists what failed, of two arms beside each other.
func (p *page) errors(r *Report) {
	var sums [2]map[string]int64
	all := map[string]int64{}
	for arm := range sums {
		sums[arm] = map[string]int64{}
	}
	for _, x := range r.counted() {
		if x.Arm != compare.Again {
			add(sums[x.Arm], x.Report.Failures)
			add(all, x.Report.Failures)
		}
	}
	if !r.compared() {
		p.most("ERRORS", all)
		return
	}
	if len(all) == 0 {
		return
	}
	p.title(fmt.Sprintf("%8s  %8s  %s", "A", "B", "ERRORS, OVER ALL PASSES"))
	names := most(all)
	for _, name := range names[:min(len(names), maxPlaces)] {
		p.linef("%8s  %8s  %s", figures.Thousands(sums[0][name]), figures.Thousands(sums[1][name]), figures.Cut(figures.Clean(name), columns-20))
	}
	if len(names) > maxPlaces {
		p.linef("  … and %d more", len(names)-maxPlaces)
	}
}

// most lists the largest counts.
func (p *page) most(title string, counts map[string]int64) {
	if len(counts) == 0 {
		return
	}
	p.title(title)
	names := most(counts)
	for i, name := range names {
		if i == maxPlaces {
			p.linef("  … and %d more", len(names)-i)
			break
		}
		p.linef("  %8s  %s", figures.Thousands(counts[name]), figures.Cut(figures.Clean(name), columns-12))
	}
}

// generator tells how well the calls were sent.
func (p *page) generator(r *Report) {
	if len(r.Passes) == 0 {
		return
	}
	var late, wait time.Duration
	var cpu float64
	left := map[replay.Left]int64{}
	sent := int64(0)
	for _, x := range r.Passes {
		sent += x.Report.Sent
		late, wait, cpu = max(late, x.Report.Late.P99), max(wait, x.Report.Wait.P99), max(cpu, x.Report.CPU)
		for why, n := range x.Report.Left {
			left[why] = max(left[why], n)
		}
	}
	p.title("HOW IT WAS SENT")
	if sent > 0 {
		p.linef("  late by %s (p99 of the worst pass), %.0f %% of a processor", analyzer.Figure(late), 100*cpu)
	}
	if wait > 0 {
		p.linef("  calls waited %s (p99) for ids of records and log-ins, which is no latency", analyzer.Figure(wait))
	}
	if said := tried(r); said != "" {
		p.list("·", []string{said}, 1)
	}
	for _, why := range most(left) {
		p.linef("  not sent: %s %s", figures.Plural(left[why], "call"), leftWords(why))
	}
}

// tried says how many answered calls were tried more than once, and what the slowest took without them; empty if none was.
func tried(r *Report) string {
	if r.Comparison == nil {
		return ""
	}
	a, b := &r.Comparison.Overall.A, &r.Comparison.Overall.B
	if a.Retried+b.Retried == 0 {
		return ""
	}
	arm := func(name string, s *compare.Side) string {
		out := figures.Plural(s.Retried, "call") + name
		if s.P99Once > 0 {
			p99 := s.P99.Seconds
			if s.Own != nil {
				p99 = s.Own.P99
			}
			out += fmt.Sprintf(" (p99 %s, without them %s)", figure(p99), figure(s.P99Once))
		}
		return out
	}
	if !r.compared() {
		return "Tried more than once: " + arm("", a) + "."
	}
	return "Tried more than once: " + arm(" of A", a) + ", " + arm(" of B", b) + "."
}
