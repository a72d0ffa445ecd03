package report

import (
	"html/template"

	"github.com/perfd/perfd/figures"
	"github.com/perfd/perfd/replay/observe"
)

// htmlObserved is what a tap saw, as the template shows it.
type htmlObserved struct {
	Why        string
	Parts      []partRow
	Counted    []string
	Methods    []htmlSeen
	More       int
	Statements []htmlSeenStatement
}

// htmlSeen is a method: pairs of A and B.
type htmlSeen struct {
	Method, Calls            string
	Duration, SQL, Lock, App [2]template.HTML
	Statements               [2]string
	Class                    string // of the duration
}

type htmlSeenStatement struct {
	Text  string
	Times [2]string
	Time  [2]template.HTML
	Rows  [2]string
}

// seen makes what the page tells of a tap; nil if there was none.
func (r *Report) seen(top int) *htmlObserved {
	o := r.Observed
	if o == nil || o.A.Seen+o.B.Seen == 0 {
		return nil
	}
	both := r.compared()
	h := &htmlObserved{Why: r.why(), Parts: parts(&o.Overall, both), Counted: counted(o, both), More: max(0, len(o.Methods)-top)}
	pair := func(p observe.Part) [2]template.HTML { return [2]template.HTML{lighter(some(p.A)), lighter(some(p.B))} }
	for i := range o.Methods[:len(o.Methods)-h.More] {
		m := &o.Methods[i]
		d, n := m.Part("duration"), m.Part("statements")
		row := htmlSeen{
			Method: m.Method, Calls: figures.Thousands(m.A.Seen), Duration: pair(d), SQL: pair(m.Part("sql")), Lock: pair(m.Part("lock")),
			App: pair(m.Part("application")), Statements: [2]string{count(n.A), count(n.B)},
		}
		if d.Shown {
			row.Class = "slower"
			if d.Delta < 0 {
				row.Class = "faster"
			}
		}
		h.Methods = append(h.Methods, row)
	}
	for _, s := range o.Overall.Statements {
		h.Statements = append(h.Statements, htmlSeenStatement{
			Text: s.Text, Times: [2]string{count(s.A.Calls), count(s.B.Calls)}, Time: [2]template.HTML{lighter(some(s.A.Seconds)), lighter(some(s.B.Seconds))},
			Rows: [2]string{count(s.A.Rows), count(s.B.Rows)},
		})
	}
	return h
}
