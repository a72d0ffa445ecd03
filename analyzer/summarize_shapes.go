package analyzer

import (
	"cmp"
	"slices"

	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

type shapeGroup struct {
	ShapeGroup
	latency sketch
	last    rpclog.CallID // the last call counted
	methods []methodCount
}

type methodCount struct {
	name string
	n    int64
}

func (s *Summarizer) span(sp *Span, call rpclog.CallID, method string) {
	st := sp.Statement
	f := st.Fingerprint
	x := s.shapes[f]
	if x == nil && len(s.shapes) >= s.cfg.Shapes {
		f = otherShape
		x = s.shapes[f]
	}
	if x == nil {
		x = &shapeGroup{}
		x.Fingerprint = uint64(f)
		s.shapes[f] = x
	}
	d := max(0, st.End.Sub(st.Start))
	x.Statements++
	x.Rows += max(0, st.Rows)
	x.Bytes += st.Out
	x.Total = plus(x.Total, d)
	x.Max = max(x.Max, d)
	x.latency.add(d)
	if st.SQLState != "" {
		x.Errors++
	}
	if call == 0 {
		x.Background = plus(x.Background, d)
		return
	}
	if x.last != call {
		x.last = call
		x.Calls++
	}
	x.count(method)
}

// otherShape stands for the fingerprints beyond the limit. A real fingerprint equal to it would only be
// counted there.
const otherShape = ^sqltrace.Fingerprint(0)

// count keeps a small set of candidates for the methods that ran a shape most: a newcomer replaces the
// rarest and inherits its count (the Space-Saving algorithm).
func (x *shapeGroup) count(method string) {
	rarest := 0
	for i := range x.methods {
		if x.methods[i].name == method {
			x.methods[i].n++
			return
		}
		if x.methods[i].n < x.methods[rarest].n {
			rarest = i
		}
	}
	if len(x.methods) < 16 {
		x.methods = append(x.methods, methodCount{method, 1})
		return
	}
	x.methods[rarest].name = method
	x.methods[rarest].n++
}

func (s *Summarizer) shapeList() []ShapeGroup {
	list := make([]ShapeGroup, 0, len(s.shapes))
	for f, x := range s.shapes {
		x.P50, x.P95, x.P99 = x.latency.quantile(0.5), x.latency.quantile(0.95), x.latency.quantile(0.99)
		switch f {
		case otherShape:
			x.Text = Other
		case 0:
			x.Text = "(text not captured)"
		default:
			shape := s.dict.Shape(f)
			x.Text, x.Tables, x.Written = shape.Text, shape.Tables, shape.Written
		}
		top := slices.Clone(x.methods)
		slices.SortFunc(top, func(a, b methodCount) int {
			return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.name, b.name))
		})
		x.Methods = make([]string, 0, 5)
		for _, m := range top[:min(5, len(top))] {
			x.Methods = append(x.Methods, m.name)
		}
		list = append(list, x.ShapeGroup)
	}
	slices.SortFunc(list, func(a, b ShapeGroup) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Fingerprint, b.Fingerprint))
	})
	return list
}
