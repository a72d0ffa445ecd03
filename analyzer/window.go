package analyzer

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/perfd/perfd/capture"
)

// window is a stretch of a recording whose leases are assigned jointly.
type window struct {
	owners []owner // calls and background sources by head; the last is none
	none   int32
	leases []lease // by start
	units  []unit  // by start

	hurry   bool    // the first answer has to do
	doubted bool    // times are not to be trusted
	serving Serving // how the server seems to serve
	timing  *timing
	learned *knowledge
	content *content
	aside   *content // the same for a second goroutine; made when it is needed
	wanted  [][]wish // by owner

	briefs   []brief     // by lease
	heat     []float64   // by unit: the greatest gain when it was weighed last; infinite where something changed since
	lanes    []uint8     // by unit: the region that searches it, from 1; 0 for what lies between them
	lane     uint8       // of this view
	meetings [][]meeting // by lease, then by the distance of the other one
	tick     int32       // counts changes of the assignment
	weighed  int32       // tick of the last weighing
	effort   int         // candidates judged so far
	budget   int         // and how many may be before sweeps are no longer repeated
	buf      []int32     // leases of the owner being scored, by start
	trial    []int32     // units of an owner under trial
	scores   *memo
	spliced  [2][]int32

	alone   bool      // one processor has to do
	regions []*window // views of the window: what can be searched at the same time
	mine    []int32   // units that are searched in this view
	rng     *rand.Rand

	pairings []pair
	pieces   []piece // leases of the two owners under trial
	before   []int32
	hope     []float64 // by piece
	beams    [2][]division
}

// newWindow prepares the assignment of leases to calls. Both are taken over.
func newWindow(calls []owner, leases []lease, k *knowledge) *window {
	w := &window{owners: calls, leases: leases, timing: k.timing, learned: k, scores: &k.memos[0]}
	slices.SortStableFunc(w.leases, func(a, b lease) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.conn(), b.conn()))
	})
	w.briefs = make([]brief, len(w.leases))
	for i := range w.leases {
		l := &w.leases[i]
		w.briefs[i] = brief{start: l.start, end: l.end, conn: l.conn(), kind: l.kind}
		if l.kind == leaseCron {
			w.owners = append(w.owners, owner{group: "cron", route: routeCron, profile: -1, table: -1, head: l.start - slack, until: l.end})
		}
	}
	slices.SortStableFunc(w.owners, func(a, b owner) int { return cmp.Compare(a.head, b.head) })
	w.none = int32(len(w.owners))
	w.owners = append(w.owners, owner{profile: -1, table: -1, head: math.MinInt64, until: math.MaxInt64})
	return w
}

// schedules are the temperatures of the search, round by round; between rounds the window is learned from.
var schedules = [...][]float64{
	{3, 2, 1, 0.5, 0},
	{4, 3, 3, 2, 2, 1.5, 1, 1, 0.7, 0.5, 0},
	{3, 2.5, 2, 2, 1.5, 1, 1, 0.7, 0.5, 0},
	{1, 1, 0.7, 0.5, 0.25, 0, 0}, // what was learned since changes little
}

// settled is the inverse share of units that may change in the last round.
const settled = 500

// solve assigns every unit to an owner.
func (w *window) solve() {
	w.chain()
	w.candidates()
	w.want()
	for i := range w.owners {
		w.owners[i].key = mix(^uint64(i))
	}
	w.heat, w.lanes = make([]float64, len(w.units)), make([]uint8, len(w.units))
	w.content = newContent(w)
	w.meetings = make([][]meeting, len(w.leases))
	w.learned.anticipate(w)
	before := make([]int32, len(w.units))
	for round, temperatures := range schedules {
		w.weigh(round > 0)
		if round == 0 {
			w.settle()
			w.split()
			w.seed()
		}
		for i := range w.owners[:w.none] {
			w.rescore(int32(i))
		}
		w.search(temperatures)
		w.redivide()
		w.learned.learn(w)
		moved := 0
		for i := range w.units {
			if w.units[i].owner != before[i] {
				moved++
			}
			before[i] = w.units[i].owner
		}
		if w.hurry || round > 0 && moved*settled <= len(w.units) {
			break
		}
	}
	w.weigh(true)
	for i := range w.owners[:w.none] {
		w.rescore(int32(i))
	}
	w.search([]float64{0, 0, 0})
	w.redivide()
}

// candidates finds the owners each unit could have. A unit that no call could own, because packets were
// lost or recorded out of order, is taken apart and gets a second chance with loose times.
func (w *window) candidates() {
	latest := make([]int64, w.none) // the latest end of an owner and those before it
	for i := range latest {
		latest[i] = w.owners[i].until
		if i > 0 {
			latest[i] = max(latest[i], latest[i-1])
		}
	}
	units := w.units
	w.units = make([]unit, 0, len(units))
	for _, u := range units {
		first := &w.leases[u.leases[0]]
		if first.foreign || u.kind == leaseListen {
			w.add(u)
			continue
		}
		if w.admit(&u, latest, slack) {
			w.add(u)
			continue
		}
		for _, l := range u.leases {
			single := w.single(l)
			if !w.admit(&single, latest, slack) {
				single.cands = single.cands[:0]
				single.loose = true
				w.admit(&single, latest, loose)
			}
			w.add(single)
		}
	}
}

// add appends a unit; none is always a candidate.
func (w *window) add(u unit) {
	u.cands = append(u.cands, candidate{owner: w.none})
	u.spread()
	u.offers = make([]offer, len(u.cands))
	u.owner = w.none
	u.key = mix(uint64(len(w.units)))
	w.units = append(w.units, u)
}

// single is the unit of one lease.
func (w *window) single(id int32) unit {
	l := &w.leases[id]
	return unit{leases: []int32{id}, start: l.start, end: l.end, before: math.MaxInt64, after: math.MaxInt64, kind: l.kind, worker: l.worker}
}

// admit collects the owners whose interval holds a unit, give or take some nanoseconds, and reports whether
// a call is among them.
func (w *window) admit(u *unit, latest []int64, give int64) (call bool) {
	n, _ := slices.BinarySearchFunc(w.owners[:w.none], u.start+give, func(o owner, at int64) int {
		if o.head <= at {
			return -1
		}
		return 1
	})
	for i := n - 1; i >= 0 && latest[i] >= u.end-give; i-- {
		o := &w.owners[i]
		if o.until < u.end-give || o.answer && o.until > u.bound(o.route) || !o.worker.may(u.worker) {
			continue
		}
		u.cands = append(u.cands, candidate{owner: int32(i)})
		call = call || o.call != nil
	}
	slices.Reverse(u.cands)
	return call
}

// settle gives to a call for good the units that only this call could own, if no other call could own
// anything of it and its leases then follow a pattern that is known.
func (w *window) settle() {
	for i := range w.units {
		u := &w.units[i]
		u.fixed = len(u.cands) == 1
		if l := &w.leases[u.leases[0]]; l.decided {
			w.recall(int32(i), l.call)
			continue
		}
		if owner, ok := w.witnessed(u); ok {
			u.owner, u.fixed, u.witnessed = owner, true, true
			w.owners[owner].units = append(w.owners[owner].units, int32(i))
		}
	}
	for id := range w.owners[:w.none] {
		o := &w.owners[id]
		if o.call == nil || len(w.wanted[id]) == 0 {
			continue
		}
		alone := true
		w.trial = w.trial[:0]
		for _, wish := range w.wanted[id] {
			u := &w.units[wish.unit]
			alone = alone && len(u.cands) == 2 && w.certain(u, o)
			w.trial = append(w.trial, wish.unit)
		}
		if !alone {
			continue
		}
		w.gather(w.trial)
		if !w.timing.knows(o.route, w.patternOf(w.buf)) {
			continue
		}
		for _, wish := range w.wanted[id] {
			u := &w.units[wish.unit]
			if u.fixed {
				continue
			}
			u.owner, u.fixed = int32(id), true
			o.units = append(o.units, wish.unit)
		}
	}
}

// patternOf returns the kinds of leases that are ordered by start.
func (w *window) patternOf(leases []int32) (p pattern) {
	var end int64
	for n, id := range leases {
		l := &w.leases[id]
		p = p.with(l.kind, n > 0 && l.start < end-slack)
		end = max(end, l.end)
	}
	return p
}

func (w *window) place(u, to int32) {
	from := w.units[u].owner
	w.tick++
	if from != w.none {
		o := &w.owners[from]
		o.units = slices.DeleteFunc(o.units, func(x int32) bool { return x == u })
		w.rescore(from)
	}
	w.units[u].owner, w.units[u].moved = to, w.tick+1
	if to != w.none {
		o := &w.owners[to]
		o.units = append(o.units, u)
		w.rescore(to)
	}
}

// rescore notes that an owner has other units, or the same ones under other evidence.
func (w *window) rescore(id int32) {
	o := &w.owners[id]
	o.set = w.setOf(o.units)
	o.score = w.scored(o, o.set, o.units)
	o.traced = false
	w.tick++
	o.changed = w.tick
	for _, at := range w.wanted[id] {
		if w.lanes[at.unit] == w.lane || w.lane == 0 { // others' heat is for others to keep
			w.heat[at.unit] = math.Inf(1)
		}
	}
}

// collect puts the leases of an owner's units into w.buf, by start.
func (w *window) collect(o *owner) { w.gather(o.units) }

func (w *window) gather(units []int32) {
	w.buf = w.buf[:0]
	for _, u := range units {
		for _, l := range w.units[u].leases {
			i := len(w.buf)
			w.buf = append(w.buf, l)
			for i > 0 && w.buf[i-1] > l { // leases are numbered by start
				w.buf[i] = w.buf[i-1]
				i--
			}
			w.buf[i] = l
		}
	}
}

// sameChance is the probability that two random consecutive leases share a connection.
func (w *window) sameChance() float64 {
	n := map[capture.ConnID]float64{}
	for i := range w.leases {
		n[w.leases[i].conn()]++
	}
	var sum float64
	for _, c := range n {
		sum += c * c
	}
	total := float64(len(w.leases))
	return min(max(sum/(total*total+1e-9), 0.02), 0.8)
}
