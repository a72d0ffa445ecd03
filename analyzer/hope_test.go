package analyzer

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// TestHopeHolds compares what two calls may hope for with every way to divide leases that may overlap.
func TestHopeHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 7).Draw(t, "leases")
		at := 2.0
		var leases [][2]float64
		var conns []int
		for range n {
			at += rapid.Float64Range(0.1, 2).Draw(t, "pause")
			leases = append(leases, [2]float64{at, at + rapid.Float64Range(0.1, 4).Draw(t, "length")})
			conns = append(conns, rapid.IntRange(1, 3).Draw(t, "connection"))
		}
		w := opened([][2]float64{{0, at + 5}, {1, at + rapid.Float64Range(4, 9).Draw(t, "after")}}, leases, conns)
		best := math.Inf(-1)
		for given := range 1 << n {
			var divided [2][]int32
			for i := range n {
				divided[given>>i&1] = append(divided[given>>i&1], int32(i))
			}
			best = max(best, w.total(divided[0], divided[1]))
		}
		for i := range w.units {
			w.place(int32(i), int32(rapid.IntRange(0, 1).Draw(t, "owner")))
		}
		owners := [2]*owner{&w.owners[0], &w.owners[1]}
		if _, ok := w.assemble(&pair{a: 0, b: 1}, owners); !ok {
			t.Fatal("nothing can be divided")
		}
		w.hopes(owners)
		if w.hope[0] < best-1e-9 {
			t.Errorf("no division is said to be better than %g, and one has %g", w.hope[0], best)
		}
	})
}
