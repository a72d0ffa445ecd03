package store

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestQuantiles compares with the sorted list: exact while there are few, within 1 % beyond.
func TestQuantiles(t *testing.T) {
	for _, n := range []int{1, 2, 100, maxExact, 50000} {
		rng := rand.New(rand.NewPCG(1, uint64(n)))
		var q quantiles
		all := make([]time.Duration, n)
		for i := range all {
			all[i] = time.Duration(rng.ExpFloat64() * float64(50*time.Millisecond))
			q.add(all[i])
		}
		slices.Sort(all)
		for _, p := range []float64{.5, .95, .99} {
			want := all[min(max(int(p*float64(n)+.999999)-1, 0), n-1)]
			got := q.at(p)
			if n <= maxExact && got != want || float64(got-want) > .011*float64(want) || float64(want-got) > .011*float64(want) {
				t.Errorf("p%g of %d is %v, want %v", p*100, n, got, want)
			}
		}
		if q.max != all[n-1] {
			t.Errorf("max is %v, want %v", q.max, all[n-1])
		}
	}
	var none quantiles
	if none.at(.5) != 0 {
		t.Error("the median of nothing is not 0")
	}
}

// TestDivide checks that any range is covered by about the buckets asked for, of a round width.
func TestDivide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := time.Unix(0, rapid.Int64Range(0, 4e18).Draw(t, "from"))
		length := time.Duration(rapid.Int64Range(0, int64(24*365*time.Hour)).Draw(t, "length"))
		n := rapid.IntRange(10, 1000).Draw(t, "n")
		b := Divide(from, from.Add(length), n)
		if b.N < 1 || b.N > n+1 {
			t.Fatalf("%d buckets of %v, asked for %d", b.N, b.DT, n)
		}
		if b.T0.After(from) || b.T0.Add(b.DT*time.Duration(b.N)).Before(from.Add(length)) {
			t.Fatalf("%d buckets of %v from %v do not cover %v + %v", b.N, b.DT, b.T0, from, length)
		}
		lead := b.DT
		for lead%10 == 0 {
			lead /= 10
		}
		if lead != 1 && lead != 2 && lead != 5 {
			t.Fatalf("width %v is not round", b.DT)
		}
	})
}

func TestHeatRow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(1000, int64(4000*time.Second)).Draw(t, "d"))
		i := heatRow(d)
		if d < heatBound(i) || d >= heatBound(i+1) {
			t.Fatalf("%v is in row %d: [%v, %v)", d, i, heatBound(i), heatBound(i+1))
		}
	})
	if heatRow(0) != 0 || heatRow(1<<62) != heatRows-1 {
		t.Error("what lies beyond the rows is not in the outer ones")
	}
}
