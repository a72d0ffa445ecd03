package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

// ShapeFilter picks statements by what they are. Its zero value picks all.
type ShapeFilter struct {
	Kinds []sqltrace.Kind
	Table string // named in the statement
	Text  string // every word occurs in the statement's text
}

func (f *ShapeFilter) match(s *sqltrace.Shape, kind sqltrace.Kind) bool {
	if len(f.Kinds) > 0 && !slices.Contains(f.Kinds, kind) {
		return false
	}
	if f.Table != "" && !slices.Contains(s.Tables, f.Table) {
		return false
	}
	if f.Text != "" {
		text := strings.ToLower(s.Text)
		for _, word := range strings.Fields(strings.ToLower(f.Text)) {
			if !strings.Contains(text, word) {
				return false
			}
		}
	}
	return true
}

// ShapeGroup sums up the statements of one shape.
type ShapeGroup struct {
	sqltrace.Shape
	InCalls                                int64 // part of Statements that calls ran
	Statements, Calls, Rows, Bytes, Errors int64
	Total, P50, P95, P99, Max              time.Duration
	Background                             time.Duration // part of Total that no call owns
	Methods                                []string      // those that spent most time in it, at most five
}

type shapeTally struct {
	ShapeGroup
	q       quantiles
	last    rpclog.CallID
	matched bool
	methods map[string]time.Duration
}

func (t *shapeTally) add(s *Span) {
	t.Statements++
	t.Rows += max(s.Rows, 0)
	t.Bytes += s.Out
	t.Total += s.Duration
	if s.SQLState != "" {
		t.Errors++
	}
	t.q.add(s.Duration)
}

func (t *shapeTally) group() ShapeGroup {
	g := t.ShapeGroup
	g.P50, g.P95, g.P99, g.Max = t.q.at(.5), t.q.at(.95), t.q.at(.99), t.q.max
	g.Methods = make([]string, 0, len(t.methods))
	for name := range t.methods {
		g.Methods = append(g.Methods, name)
	}
	slices.SortFunc(g.Methods, func(a, b string) int {
		return cmp.Or(cmp.Compare(t.methods[b], t.methods[a]), cmp.Compare(a, b))
	})
	g.Methods = slices.Clone(first(g.Methods, 5))
	return g
}

// Shapes sums up the statements of the matching calls by shape, greatest total first. Statements that no
// call owns count where the filter leaves them in (see Filter.Narrow).
func Shapes(ctx context.Context, r Reader, f Filter, sf ShapeFilter) ([]ShapeGroup, error) {
	tallies := map[*sqltrace.Shape]*shapeTally{}
	order := []*shapeTally{}
	look := func(s *Span) *shapeTally {
		t := tallies[s.Shape]
		if t == nil {
			t = &shapeTally{ShapeGroup: ShapeGroup{Shape: *s.Shape}, methods: map[string]time.Duration{}, matched: sf.match(s.Shape, s.Kind)}
			t.Kind = s.Kind
			tallies[s.Shape] = t
			order = append(order, t)
		}
		return t
	}
	err := r.Spans(ctx, f, func(b *Brief, spans []Span) {
		for i := range spans {
			t := look(&spans[i])
			if !t.matched {
				continue
			}
			t.add(&spans[i])
			t.InCalls++
			t.methods[b.Name] += spans[i].Duration
			if t.Calls == 0 || t.last != b.ID {
				t.Calls++
				t.last = b.ID
			}
		}
	})
	if err != nil {
		return nil, err
	}
	if !f.Narrow() {
		err := r.BackgroundSpans(ctx, BackgroundFilter{From: f.From, To: f.To}, func(_ *Background, spans []Span) {
			for i := range spans {
				if t := look(&spans[i]); t.matched {
					t.add(&spans[i])
					t.Background += spans[i].Duration
				}
			}
		})
		if err != nil {
			return nil, err
		}
	}
	out := make([]ShapeGroup, 0, len(order))
	for _, t := range order {
		if t.matched {
			out = append(out, t.group())
		}
	}
	slices.SortStableFunc(out, func(a, b ShapeGroup) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Fingerprint, b.Fingerprint))
	})
	return out, nil
}

// Caller is who ran a shape: a method or a user.
type Caller struct {
	Name              string
	Calls, Statements int64
	Total             time.Duration
}

// ShapeCall is a call that ran a shape.
type ShapeCall struct {
	ID         rpclog.CallID
	Statements int64
	Total, Max time.Duration
}

// ShapeIdle is the running of a shape outside of calls.
type ShapeIdle struct {
	Kind, Application string
	Statements        int64
	Total             time.Duration
}

// ShapeDetail is everything about one shape.
type ShapeDetail struct {
	ShapeGroup
	Callers, Users []Caller
	Examples       []ShapeCall // at most ten, by time spent in it
	Idle           []ShapeIdle
	Buckets        Buckets
	Counts         []int64 // statements by bucket of their start
	Totals         []time.Duration
}

// Shape tells who runs a shape and when, or ErrNotFound if no matching call and no background does.
func Shape(ctx context.Context, r Reader, f Filter, fp sqltrace.Fingerprint) (*ShapeDetail, error) {
	from, to, err := Range(ctx, r, f)
	if err != nil {
		return nil, err
	}
	narrow := f.Narrow()
	f.Shapes = []sqltrace.Fingerprint{fp}
	d := &ShapeDetail{Buckets: Divide(from, to, 120), Idle: []ShapeIdle{}}
	d.Counts, d.Totals = make([]int64, d.Buckets.N), make([]time.Duration, d.Buckets.N)
	t := shapeTally{methods: map[string]time.Duration{}}
	callers, users := map[string]*Caller{}, map[string]*Caller{}
	calls := []ShapeCall{}
	take := func(start time.Time, s *Span) {
		if t.Statements == 0 {
			t.Shape = *s.Shape
			t.Kind = s.Kind
		}
		t.add(s)
		i := d.Buckets.Index(start.Add(s.Start))
		d.Counts[i]++
		d.Totals[i] += s.Duration
	}
	err = r.Spans(ctx, f, func(b *Brief, spans []Span) {
		c := ShapeCall{ID: b.ID}
		for i := range spans {
			if s := &spans[i]; s.Shape.Fingerprint == fp {
				take(b.Start, s)
				c.Statements++
				c.Total += s.Duration
				c.Max = max(c.Max, s.Duration)
			}
		}
		if c.Statements == 0 {
			return
		}
		t.Calls++
		t.InCalls += c.Statements
		t.methods[b.Name] += c.Total
		calls = append(calls, c)
		for _, to := range [...]struct {
			m    map[string]*Caller
			name string
		}{{callers, b.Name}, {users, b.User}} {
			who := to.m[to.name]
			if who == nil {
				who = &Caller{Name: to.name}
				to.m[to.name] = who
			}
			who.Calls++
			who.Statements += c.Statements
			who.Total += c.Total
		}
	})
	if err != nil {
		return nil, err
	}
	if !narrow {
		if err := d.idle(ctx, r, f, fp, &t, take); err != nil {
			return nil, err
		}
	}
	if t.Statements == 0 {
		return nil, fmt.Errorf("read shape %016x: %w", uint64(fp), ErrNotFound)
	}
	d.ShapeGroup, d.Callers, d.Users = t.group(), ranked(callers), ranked(users)
	slices.SortStableFunc(calls, func(a, b ShapeCall) int { return cmp.Compare(b.Total, a.Total) })
	d.Examples = slices.Clone(first(calls, 10))
	return d, nil
}

func (d *ShapeDetail) idle(ctx context.Context, r Reader, f Filter, fp sqltrace.Fingerprint, t *shapeTally, take func(time.Time, *Span)) error {
	err := r.BackgroundSpans(ctx, BackgroundFilter{From: f.From, To: f.To}, func(g *Background, spans []Span) {
		for i := range spans {
			s := &spans[i]
			if s.Shape.Fingerprint != fp {
				continue
			}
			take(g.Start, s)
			t.Background += s.Duration
			at := slices.IndexFunc(d.Idle, func(x ShapeIdle) bool { return x.Kind == g.Kind && x.Application == g.Backend.Application })
			if at < 0 {
				at = len(d.Idle)
				d.Idle = append(d.Idle, ShapeIdle{Kind: g.Kind, Application: g.Backend.Application})
			}
			d.Idle[at].Statements++
			d.Idle[at].Total += s.Duration
		}
	})
	slices.SortStableFunc(d.Idle, func(a, b ShapeIdle) int { return cmp.Compare(b.Total, a.Total) })
	return err
}

func ranked(m map[string]*Caller) []Caller {
	out := make([]Caller, 0, len(m))
	for _, c := range m {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b Caller) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Name, b.Name))
	})
	return out
}
