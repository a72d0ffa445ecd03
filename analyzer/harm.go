package analyzer

import (
	"container/heap"
	"slices"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

// harm marks the leases that lost statements: what is missing between two leases of a connection may have
// been either's.
func (w *window) harm() {
	last := map[capture.ConnID]*lease{}
	for i := range w.leases {
		l := &w.leases[i]
		if l.decided { // by a window that looked at it
			last[l.conn()] = l
			continue
		}
		l.since = l.start
		for n, st := range l.statements {
			if st.Gaps == 0 || l.session.Logged {
				continue // a log has no losses: what it lacks of a statement it never had
			}
			if !l.harmed {
				l.sound = l.start
				if n > 0 {
					l.sound = l.statements[n-1].End.UnixNano()
				}
			}
			l.harmed, l.again = true, st.Start.UnixNano()
			if p := last[l.conn()]; n == 0 && p != nil && st.Gaps&sqltrace.GapBefore != 0 {
				p.harmed = true
				l.since = p.end
			}
		}
		last[l.conn()] = l
	}
}

// reach is how unlikely a chain of exchanges may be by which the loss of one call's statements is taken to
// have changed what another one was given, as a loss of log likelihood.
const reach = 30

// warn marks every call whose statements may be others than a whole recording would show: those that could
// have owned a harmed lease, because what was lost may have been their own, those without an expected lease
// while one is left over, and those whose leases could as well be a marked one's, over any number of steps
// that together are likely enough.
func (w *window) warn() {
	if w.doubted {
		return // every call is marked
	}
	q := spread{cost: make([]float64, len(w.owners))}
	for i := range q.cost {
		q.cost[i] = reach
	}
	if !w.struck(&q) {
		return
	}
	rivals := w.rivals()
	for owner, list := range rivals { // learned delays and profiles moved too: a tie may have fallen the other way
		for _, r := range list {
			if r.cost < 1 {
				q.push(w, owner, 0)
				q.push(w, r.owner, 0)
			}
		}
	}
	for len(q.heap) > 0 {
		at := heap.Pop(&q).(reached)
		if at.cost > q.cost[at.owner] {
			continue
		}
		if o := &w.owners[at.owner]; o.call != nil && !o.open && !o.past {
			o.call.Gaps |= rpclog.GapStatements
		}
		for _, r := range rivals[at.owner] {
			q.push(w, r.owner, at.cost+r.cost)
		}
	}
}

// struck starts at the owners that loss struck, and reports whether there are any.
func (w *window) struck(q *spread) bool {
	for id := range w.owners[:w.none] {
		if o := &w.owners[id]; o.call != nil && o.call.Gaps != 0 {
			q.push(w, int32(id), 0)
		}
	}
	for i := range w.units {
		u := &w.units[i]
		if !slices.ContainsFunc(u.leases, func(l int32) bool { return w.leases[l].harmed }) {
			continue
		}
		for _, c := range u.cands {
			q.push(w, c.owner, 0)
		}
		if u.kind == leaseListen {
			continue
		}
		since := w.leases[u.leases[0]].since
		for id := range w.owners[:w.none] { // what is missing may have hidden whose the rest is
			o := &w.owners[id]
			if o.head < u.end && o.until > since && (len(o.units) == 0 || u.owner == w.none || w.torn(u, o)) {
				q.push(w, int32(id), 0)
			}
		}
	}
	if len(q.heap) == 0 {
		return false
	}
	for id := range w.owners[:w.none] {
		if o := &w.owners[id]; o.call == nil || !w.regular(o) {
			q.push(w, int32(id), 0)
		}
	}
	for i := range w.units {
		if u := &w.units[i]; u.owner == w.none {
			for _, c := range u.cands {
				q.push(w, c.owner, 0)
			}
		}
	}
	return true
}

// torn reports whether a unit that lost statements may be one that was an owner's and one that was another's, the end of
// the first and the beginning of the second being what was lost.
func (w *window) torn(u *unit, o *owner) bool {
	for _, li := range u.leases {
		if l := &w.leases[li]; l.harmed &&
			(o.head <= l.start+slack && o.until >= l.sound-slack || o.head <= l.again+slack && o.until >= l.end-slack) {
			return true
		}
	}
	return false
}

// rivals lists for each owner those with which it could have exchanged a unit, and at what cost.
func (w *window) rivals() map[int32][]reached {
	rivals := map[int32][]reached{}
	for i := range w.units {
		u := &w.units[i]
		if u.fixed || len(u.cands) == 1 || u.owner == w.none {
			continue
		}
		for _, o := range w.options(int32(i)) {
			if cost := max(-o.delta, 0); cost < reach && o.to != w.none {
				rivals[u.owner] = append(rivals[u.owner], reached{o.to, cost})
				rivals[o.to] = append(rivals[o.to], reached{u.owner, cost})
			}
		}
	}
	return rivals
}

// reached is an owner and the cost of the way to it.
type reached struct {
	owner int32
	cost  float64
}

// spread finds what can be reached from several owners, the nearest first.
type spread struct {
	cost []float64 // by owner, the least known
	heap []reached
}

func (s *spread) push(w *window, owner int32, cost float64) {
	if owner != w.none && cost < s.cost[owner] {
		s.cost[owner] = cost
		heap.Push(s, reached{owner, cost})
	}
}

var _ heap.Interface = (*spread)(nil)

// Len implements heap.Interface.
func (s *spread) Len() int { return len(s.heap) }

// Less implements heap.Interface.
func (s *spread) Less(i, j int) bool { return s.heap[i].cost < s.heap[j].cost }

// Swap implements heap.Interface.
func (s *spread) Swap(i, j int) { s.heap[i], s.heap[j] = s.heap[j], s.heap[i] }

// Push implements heap.Interface.
func (s *spread) Push(x any) { s.heap = append(s.heap, x.(reached)) }

// Pop implements heap.Interface.
func (s *spread) Pop() any {
	last := s.heap[len(s.heap)-1]
	s.heap = s.heap[:len(s.heap)-1]
	return last
}
