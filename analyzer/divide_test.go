package analyzer

import (
	"math"
	"runtime"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/evidence"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

// opened is a window of calls and leases, ready to be searched. Times are in milliseconds.
func opened(calls, leases [][2]float64, conns []int) *window {
	nano := func(ms float64) int64 { return int64(ms * 1e6) }
	var owners []owner
	for _, c := range calls {
		call := &rpclog.Call{
			Transport: rpclog.XMLRPC, Head: time.Unix(0, nano(c[0])), First: time.Unix(0, nano(c[1])),
			Request: evidence.NewSet(8), Response: evidence.NewSet(8),
		}
		owners = append(owners, ownerOf(call, true))
	}
	var list []lease
	for i, l := range leases {
		session := &sqltrace.Session{Conn: capture.ConnID(conns[i])}
		list = append(list, lease{session: session, start: nano(l[0]), end: nano(l[1])})
	}
	w := newWindow(owners, list, newKnowledge())
	w.chain()
	w.candidates()
	w.want()
	for i := range w.owners {
		w.owners[i].key = mix(^uint64(i))
	}
	w.content = newContent(w)
	w.meetings = make([][]meeting, len(w.leases))
	w.heat, w.lanes = make([]float64, len(w.units)), make([]uint8, len(w.units))
	w.weigh(false)
	w.split()
	for i := range w.owners[:w.none] {
		w.rescore(int32(i))
	}
	return w
}

// total is the log likelihood of how two calls divide some units.
func (w *window) total(a, b []int32) float64 {
	sum := w.scoreOf(&w.owners[0], a) + w.scoreOf(&w.owners[1], b)
	for side, units := range [2][]int32{a, b} {
		for _, u := range units {
			weight, _ := w.units[u].weight(int32(side))
			sum += weight
		}
	}
	return sum
}

// TestDivideFindsTheBest compares with all ways to divide leases that follow one another.
func TestDivideFindsTheBest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 7).Draw(t, "leases")
		at := 2.0
		var leases [][2]float64
		var conns []int
		for range n {
			at += rapid.Float64Range(0.4, 2).Draw(t, "pause")
			end := at + rapid.Float64Range(0.1, 1).Draw(t, "length")
			leases = append(leases, [2]float64{at, end})
			conns = append(conns, rapid.IntRange(1, 3).Draw(t, "connection"))
			at = end
		}
		w := opened([][2]float64{{0, at + 1}, {1, at + rapid.Float64Range(0, 5).Draw(t, "after")}}, leases, conns)
		for i := range w.units {
			w.place(int32(i), int32(rapid.IntRange(0, 1).Draw(t, "owner")))
		}
		p := pair{a: 0, b: 1}
		for w.divide(&p) {
			continue // until nothing is better
		}
		best := math.Inf(-1)
		for given := range 1 << n {
			var a, b []int32
			for i := range n {
				if given>>i&1 == 0 {
					a = append(a, int32(i))
				} else {
					b = append(b, int32(i))
				}
			}
			best = max(best, w.total(a, b))
		}
		if got := w.total(w.owners[0].units, w.owners[1].units); got < best-1e-6 {
			t.Errorf("divided with a likelihood of %g, the best is %g", got, best)
		}
	})
}

// crowd draws calls that overlap and leases of theirs, more than one region's worth.
func crowd(t *rapid.T) *window {
	n := rapid.IntRange(80, 160).Draw(t, "calls")
	var calls, leases [][2]float64
	var conns []int
	for i := range n {
		head := float64(i)*10 + rapid.Float64Range(0, 5).Draw(t, "head")
		calls = append(calls, [2]float64{head, head + 40})
		for j := range 4 {
			at := head + float64(j)*9 + rapid.Float64Range(0.5, 3).Draw(t, "begin")
			leases = append(leases, [2]float64{at, at + 3})
			conns = append(conns, i%5)
		}
	}
	return opened(calls, leases, conns)
}

// TestRegionsAreApart proves that every unit is searched in one place, and that none of a region could be another's.
func TestRegionsAreApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := crowd(t)
		if len(w.regions) < 2 {
			t.Fatalf("%d regions of %d units", len(w.regions), len(w.units))
		}
		var all []int32
		of := map[int32]int{} // by owner
		for n, r := range w.regions {
			all = append(all, r.mine...)
			for _, u := range r.mine {
				for _, c := range w.units[u].cands {
					if before, ok := of[c.owner]; ok && before != n && c.owner != w.none {
						t.Fatalf("owner %d is of regions %d and %d", c.owner, before, n)
					}
					of[c.owner] = n
				}
			}
		}
		all = append(all, w.mine...)
		slices.Sort(all)
		if len(all) != len(w.units) || len(slices.Compact(all)) != len(w.units) {
			t.Errorf("%d of %d units are searched", len(all), len(w.units))
		}
	})
}

// TestRegionsOnAnyProcessors searches the same window on one processor and on several.
func TestRegionsOnAnyProcessors(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	w := rapid.Custom(crowd)
	search := func(processors, seed int) (owners []int32) {
		runtime.GOMAXPROCS(processors)
		w := w.Example(seed)
		w.seed()
		w.search([]float64{2, 1, 0})
		w.redivide()
		for i := range w.units {
			owners = append(owners, w.units[i].owner)
		}
		return owners
	}
	for seed := range 5 {
		if one, several := search(1, seed), search(4, seed); !slices.Equal(one, several) {
			t.Errorf("seed %d: one processor gives %v, several give %v", seed, one, several)
		}
	}
}
