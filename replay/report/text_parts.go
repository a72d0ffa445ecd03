package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/figures"
	"github.com/perfd/perfd/replay/compare"
	"github.com/perfd/perfd/replay/compare/answer"
	"github.com/perfd/perfd/replay/whatif"
	"github.com/perfd/perfd/sqltrace"
	"github.com/perfd/perfd/sqltrace/statements"
)

// cached tells what the client's cache answered, apart from the server.
func (p *page) cached(r *Report) {
	if r.Comparison == nil {
		return
	}
	if said := hits(&r.Comparison.Overall.B); said != "" {
		p.title("CACHE")
		p.line("  " + said)
		p.line("  The table is of what the servers answered.")
	}
}

// hits says what the cache of B answered; empty if nothing.
func hits(b *compare.Side) string {
	if b.Hits == 0 {
		return ""
	}
	all := b.Hits + b.Calls + b.Errors
	text := fmt.Sprintf("B's cache answered %s of %s, half of them within %s", share(b.Hits, all), figures.Plural(all, "call"), figure(b.HitP50))
	if b.HitP99 > 0 {
		text += fmt.Sprintf(" and 99 %% within %s", figure(b.HitP99))
	}
	return text + "."
}

// maxPlaces, maxStatements and maxRows of lists below the table.
const (
	maxPlaces     = 10
	maxStatements = 8
	maxRows       = 5
)

// answers tells whether A and B answered alike.
func (p *page) answers(r *Report) {
	a := r.Answers
	if a == nil || a.Compared == 0 {
		return
	}
	p.title("ANSWERS")
	p.line("  " + alikeWords(a, r.B != ""))
	shown := 0
	for _, x := range a.Places {
		if x.Cancelled {
			continue
		}
		if shown++; shown > maxPlaces {
			p.line("  … and more places")
			break
		}
		p.linef("  %-9s %s  %d of %d", x.Kind, figures.Middle(figures.Clean(x.Method+" "+x.Path), columns-36), x.Calls, x.Of)
	}
	if a.Beyond > 0 {
		p.linef("  %s in places beyond what is counted apart", figures.Plural(a.Beyond, "difference"))
	}
}

// alikeWords says how many answers are alike.
func alikeWords(a *answer.Result, both bool) string {
	of := fmt.Sprintf("%s of %s", figures.Thousands(a.Alike), figures.Plural(a.Compared, "answer"))
	if !both {
		return of + " have the recorded content"
	}
	return of + " of B are those of A, apart from what A answers differently by itself"
}

// foreign are the statements that changed, but for perfd's own question of what they are.
func (r *Report) foreign() []statements.Change {
	return slices.DeleteFunc(slices.Clone(r.Statements), func(s statements.Change) bool { return strings.Contains(s.Text, "pg_stat_statements") })
}

// statements tells what changed in the database.
func (p *page) statements(r *Report) {
	list := r.foreign()
	if len(list) == 0 {
		return
	}
	list = list[:min(maxStatements, len(list))]
	if r.B == "" {
		p.title(fmt.Sprintf("STATEMENTS, PER PASS%*s %9s %10s", columns-62, "", "calls", "time"))
	} else {
		p.title(fmt.Sprintf("WHY: STATEMENTS, PER PASS%*s %9s %9s %10s %10s", columns-67, "", "A calls", "B calls", "A time", "B time"))
	}
	names, texts := make([]string, len(list)), make([]string, len(list))
	for i, s := range list {
		names[i], texts[i] = figures.Cut(figures.Clean(sqltrace.NameOf(s.Text).Fit(columns-44)), columns-44), s.Text
	}
	names = figures.Distinct(names, texts, columns-44)
	for i, s := range list {
		if r.B == "" {
			p.linef("  %-*s %9.0f %10s", columns-44, names[i], s.A.Calls, figure(s.A.Seconds))
			continue
		}
		p.linef("  %-*s %9.0f %9.0f %10s %10s", columns-44, names[i], s.A.Calls, s.B.Calls, figure(s.A.Seconds), figure(s.B.Seconds))
	}
}

// whatIf tells the answers that need no server.
func (p *page) whatIf(r *Report) {
	w := r.WhatIf
	if w == nil {
		return
	}
	if w.Cache.Cacheable > 0 {
		p.title("WHAT IF THERE WERE A CACHE")
		for _, run := range alike(w.Cache.TTLs) {
			c := run[0]
			p.linef("  kept for %-16s %7s of %s, %s less work%s", reach(span(c.TTL), span(run[len(run)-1].TTL)), share(c.Hits+c.Shared, w.Cache.Cacheable),
				figures.Plural(w.Cache.Cacheable, "read"), analyzer.Figure(c.Saved), stale(c.Stale))
		}
		for _, run := range alike(w.Cache.Sizes) {
			c := run[0]
			p.linef("  of %-22s %7s with %s, %s evicted", reach(mebibytes(c.Bytes), mebibytes(run[len(run)-1].Bytes)), share(c.Hits+c.Shared, w.Cache.Cacheable), span(c.TTL), figures.Thousands(c.Evicted))
		}
	}
	if w.Reads.Runs > 0 {
		p.title("WHAT IF RECORDS WERE READ TOGETHER")
		p.linef("  %s of single records in %s would be as many calls: %s fewer, up to %s less", figures.Plural(w.Reads.Calls, "read"),
			figures.Plural(w.Reads.Runs, "run"), figures.Plural(w.Reads.Spared, "call"), analyzer.Figure(w.Reads.Saved))
		for _, m := range w.Reads.Methods[:min(maxRows, len(w.Reads.Methods))] {
			p.linef("  %-50s %8s in %6s runs, longest %d", figures.Middle(figures.Clean(m.Method), 50), figures.Thousands(m.Calls), figures.Thousands(m.Runs), m.Longest)
		}
	}
	if len(w.Workers) > 0 {
		p.title("WHAT IF THERE WERE N WORKERS")
		for _, x := range w.Workers {
			p.linef("  %3d  busy %3.0f %%  waiting %6s of calls  p95 %9s  longest %9s", x.Workers, 100*x.Busy, fmt.Sprintf("%.1f %%", 100*x.Waiting),
				analyzer.Figure(x.WaitP95), analyzer.Figure(x.WaitMax))
		}
	}
	p.list("!", w.Doubts, 5)
}

// alike are caches in runs of those that did the same.
func alike(all []whatif.Cache) (runs [][]whatif.Cache) {
	for i, c := range all {
		if i > 0 {
			b := all[i-1]
			if b.Hits == c.Hits && b.Shared == c.Shared && b.Stale == c.Stale && b.Evicted == c.Evicted && b.Saved == c.Saved {
				runs[len(runs)-1] = append(runs[len(runs)-1], c)
				continue
			}
		}
		runs = append(runs, []whatif.Cache{c})
	}
	return runs
}

// reach is from one to another, if they are two.
func reach(from, to string) string {
	if from == to {
		return from
	}
	return from + " to " + to
}

func mebibytes(n int64) string { return fmt.Sprintf("%.4g MiB", float64(n)/(1<<20)) }

// span writes a TTL: 10 s, 5 min, 4 h.
func span(d time.Duration) string {
	switch {
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d >= time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%.4g s", d.Seconds())
}

func stale(n int64) string {
	if n == 0 {
		return ""
	}
	return ", " + figures.Thousands(n) + " stale"
}

// WhatIf writes the answers about a load alone, in at most 100 columns.
func WhatIf(w io.Writer, of Load, a *whatif.Answers) error {
	p := &page{}
	p.linef("%s: %s in %s", figures.Clean(of.Name), figures.Plural(a.Calls, "call"), analyzer.Figure(a.Span))
	if a.Unknown > 0 {
		p.linef("  ! %s without their arguments", figures.Plural(a.Unknown, "call"))
	}
	p.whatIf(&Report{WhatIf: a})
	if _, err := io.WriteString(w, p.String()); err != nil {
		return fmt.Errorf("write answers: %w", err)
	}
	return nil
}
