package report

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/perfd/perfd/figures"
	"github.com/perfd/perfd/replay/compare"
	"github.com/perfd/perfd/replay/observe"
	"github.com/perfd/perfd/sqltrace"
)

// partWords are the parts of a call, in the words of people.
var partWords = map[string]string{
	"duration": "a call, at the server", "sql": "in SQL", "lock": "waiting for locks", "retry": "asleep before it is tried again",
	"wait": "waiting for a worker", "application": "in the application", "transfer": "in transit", "unknown": "not known",
	"statements": "statements", "rows": "rows",
}

// why says in a sentence what a tap tells of the cause of a change; empty if there is none to be explained.
func (r *Report) why() string {
	if r.Observed == nil || !r.compared() {
		return ""
	}
	o := &r.Comparison.Overall
	if v := overall(*o); v != compare.Faster && v != compare.Slower {
		return ""
	}
	all := &r.Observed.Overall
	total := all.Part("duration")
	if r.Observed.A.Seen == 0 || r.Observed.B.Seen == 0 {
		return ""
	}
	cause := largest(all, total.Delta)
	if !total.Shown && cause == nil {
		return "The tap shows no cause at the server: what changed lies before it, as the network, a proxy or a cache, or rounds do not agree on it."
	}
	out := fmt.Sprintf("At the server a call takes %s %s", figure(math.Abs(total.Delta)), more(total.Delta))
	if cause != nil {
		out += fmt.Sprintf(", %s of it %s", share(int64(1e6*math.Abs(cause.Delta)), int64(1e6*math.Max(math.Abs(cause.Delta), math.Abs(total.Delta)))), partWords[cause.Name])
	}
	if n := all.Part("statements"); n.Shown {
		out += fmt.Sprintf("; it runs %s statements instead of %s", count(n.B), count(n.A))
	}
	if s := culprit(all, total.Delta); s != nil {
		out += fmt.Sprintf(". Most of it is %s: %s instead of %s a call", figures.Cut(figures.Clean(sqltrace.NameOf(s.Text).Fit(80)), 80), figure(s.B.Seconds), figure(s.A.Seconds))
	}
	return out + "."
}

// whyTitle is a title under which a change is explained, if one is claimed.
func (r *Report) whyTitle(of string) string {
	if r.why() == "" {
		return of
	}
	return "WHY: " + of
}

func more(delta float64) string {
	if delta < 0 {
		return "less"
	}
	return "more"
}

// largest is the part that accounts for most of a change; nil if none does.
func largest(r *observe.Row, delta float64) *observe.Part {
	var most *observe.Part
	for i := range r.Parts {
		p := &r.Parts[i]
		if p.Name == "duration" || p.Name == "statements" || p.Name == "rows" || !p.Shown || p.Delta*delta <= 0 {
			continue
		}
		if most == nil || math.Abs(p.Delta) > math.Abs(most.Delta) {
			most = p
		}
	}
	return most
}

// culprit is the statement that accounts for half of a change or more; nil if there is none.
func culprit(r *observe.Row, delta float64) *observe.Statement {
	if len(r.Statements) == 0 {
		return nil
	}
	s := &r.Statements[0]
	if d := s.B.Seconds - s.A.Seconds; d*delta > 0 && math.Abs(d) >= math.Abs(delta)/2 {
		return s
	}
	return nil
}

// count writes a number for a call: 3, 2.4, 120.
func count(x float64) string {
	if x >= 100 || x == math.Trunc(x) {
		return figures.Thousands(int64(math.Round(x)))
	}
	return fmt.Sprintf("%.3g", x)
}

// some writes seconds, if there are any.
func some(seconds float64) string {
	if seconds == 0 {
		return ""
	}
	return figure(seconds)
}

// partRow is a part as it is shown.
type partRow struct{ Name, A, B, Change, Interval, Class string }

const intervalWidth = 26

// parts are those of a call that there are.
func parts(r *observe.Row, compared bool) []partRow {
	var out []partRow
	for _, p := range r.Parts {
		write := figure
		if p.Name == "statements" || p.Name == "rows" {
			write = count
		}
		if p.A == 0 && p.B == 0 && p.Name != "sql" && p.Name != "statements" {
			continue
		}
		row := partRow{Name: partWords[p.Name], A: write(p.A)}
		if compared {
			row.B, row.Change = write(p.B), "~"
			if p.Low < p.High {
				if row.Interval = plus(p.Low, write) + " to " + plus(p.High, write); utf8.RuneCountInString(row.Interval) > intervalWidth {
					row.Interval = "" // it says nothing
				}
			}
			if p.Shown {
				row.Change, row.Class = plus(p.Delta, write), string(compare.Slower)
				if p.Delta < 0 {
					row.Class = string(compare.Faster)
				}
			}
		}
		out = append(out, row)
	}
	return out
}

// plus writes a figure with its sign.
func plus(x float64, write func(float64) string) string {
	if x < 0 {
		return "−" + write(-x)
	}
	return "+" + write(x)
}

// counted are sentences on what was counted and not averaged.
func counted(o *observe.Result, compared bool) []string {
	var out []string
	a, b := &o.Overall.A, &o.Overall.B
	say := func(x, y int64, what string) {
		switch {
		case compared && x+y > 0:
			out = append(out, fmt.Sprintf("%s of A's calls and %s of B's %s.", figures.Thousands(x), figures.Thousands(y), what))
		case x > 0:
			out = append(out, fmt.Sprintf("%s %s.", figures.Plural(x, "call"), what))
		}
	}
	say(a.Locked, b.Locked, "most likely waited for a lock")
	say(a.Retried, b.Retried, "were tried again by the server, after a serialization failure or a deadlock")
	if a.Locked+a.Retried+b.Locked+b.Retried > 0 {
		for _, s := range []struct {
			of string
			*observe.Side
		}{{map[bool]string{true: "A's", false: "the"}[compared], &o.A}, {"B's", &o.B}} {
			if text := tailWords(s.Tail); text != "" {
				out = append(out, fmt.Sprintf("Without these %s slowest calls at the server would be: %s.", s.of, text))
			}
		}
	}
	say(o.A.Others, o.B.Others, "were others' or log-ins, and are left out")
	if x, y := o.A.Elsewhere, o.B.Elsewhere; x > 0 || y > 0 {
		if compared {
			out = append(out, fmt.Sprintf("Beside the calls, jobs and others kept the database busy for %s while A was sent, and for %s while B was.", figure(x), figure(y)))
		} else {
			out = append(out, fmt.Sprintf("Beside the calls, jobs and others kept the database busy for %s.", figure(x)))
		}
	}
	return out
}

// tailWords says what quantiles are, and what they would be without calls that waited for locks or were tried again.
func tailWords(t observe.Tail) string {
	var parts []string
	for _, q := range []struct {
		name      string
		all, once float64
	}{{"p95", t.P95, t.P95Once}, {"p99", t.P99, t.P99Once}} {
		if q.all > 0 && q.once > 0 {
			parts = append(parts, fmt.Sprintf("%s %s instead of %s", q.name, figure(q.once), figure(q.all)))
		}
	}
	return strings.Join(parts, ", ")
}

// observed tells what a tap at the target saw.
func (p *page) observed(r *Report, top int) {
	o := r.Observed
	if o == nil || o.A.Seen+o.B.Seen == 0 {
		return
	}
	compared := r.compared()
	if !compared {
		p.title(fmt.Sprintf("%-58s %12s", "WHERE THE TIME GOES", "a call"))
	} else {
		p.title(fmt.Sprintf("%-34s %11s %11s %12s  %26s", r.whyTitle("WHERE THE TIME GOES"), "A", "B", "change", "interval"))
	}
	for i, line := range figures.Wrap(r.why(), columns-2) {
		if i > 0 || line != "" {
			p.line("  " + line)
		}
	}
	for _, x := range parts(&o.Overall, compared) {
		if !compared {
			p.linef("  %-56s %12s", x.Name, x.A)
			continue
		}
		p.linef("  %-32s %11s %11s %s  %26s", x.Name, x.A, x.B, p.paint(x.Class, fmt.Sprintf("%12s", x.Change)), x.Interval)
	}
	p.list("·", counted(o, compared), 8)
	p.observedMethods(r, compared, min(top, maxStatements))
	p.observedStatements(r, compared)
}

func (p *page) observedMethods(r *Report, compared bool, top int) {
	o := r.Observed
	if len(o.Methods) < 2 {
		return
	}
	if !compared {
		p.title(fmt.Sprintf("%-44s %12s %12s %12s %10s", "OF EACH METHOD", "at the server", "SQL", "locks", "statements"))
	} else {
		p.title(fmt.Sprintf("%-33s %15s %19s %15s %12s", r.whyTitle("EACH METHOD, A → B"), "at the server", "SQL", "locks", "statements"))
	}
	for i := range o.Methods {
		if i == top {
			p.linef("  … and %s more", figures.Plural(int64(len(o.Methods)-top), "method"))
			return
		}
		m := &o.Methods[i]
		d, sql, lock, n := m.Part("duration"), m.Part("sql"), m.Part("lock"), m.Part("statements")
		if !compared {
			p.linef("  %-42s %12s %12s %12s %10s", figures.Middle(figures.Clean(m.Method), 42), figure(d.A), some(sql.A), some(lock.A), count(n.A))
			continue
		}
		arrow := func(part observe.Part, write func(float64) string) string {
			if part.A == 0 && part.B == 0 {
				return ""
			}
			return write(part.A) + " → " + write(part.B)
		}
		p.linef("  %-27s %19s %19s %15s %12s", figures.Middle(figures.Clean(m.Method), 27), arrow(d, figure), arrow(sql, figure), arrow(lock, figure), arrow(n, count))
	}
}

func (p *page) observedStatements(r *Report, compared bool) {
	list := r.Observed.Overall.Statements
	if len(list) == 0 {
		return
	}
	if !compared {
		p.title(fmt.Sprintf("STATEMENTS, A CALL%*s %9s %10s", columns-40, "", "times", "time"))
	} else {
		p.title(fmt.Sprintf("%-*s %9s %9s %10s %10s", columns-42, r.whyTitle("STATEMENTS, A CALL"), "A times", "B times", "A time", "B time"))
	}
	list = list[:min(len(list), maxStatements)]
	room := columns - 24
	if compared {
		room = columns - 44
	}
	names, texts := make([]string, len(list)), make([]string, len(list))
	for i, s := range list {
		names[i], texts[i] = figures.Cut(figures.Clean(sqltrace.NameOf(s.Text).Fit(room)), room), s.Text
	}
	names = figures.Distinct(names, texts, room)
	for i, s := range list {
		if !compared {
			p.linef("  %-*s %9s %10s", room, names[i], count(s.A.Calls), figure(s.A.Seconds))
			continue
		}
		p.linef("  %-*s %9s %9s %10s %10s", room, names[i], count(s.A.Calls), count(s.B.Calls), figure(s.A.Seconds), figure(s.B.Seconds))
	}
}
