package compare

import (
	"math"
	"slices"

	"github.com/aclements/go-moremath/stats"
)

// TrendConfig tunes the search for changes in a series. Its zero value works.
type TrendConfig struct {
	// Window is the number of values looked at together; windows overlap by half. Defaults to 50.
	Window int
	// Alpha is the probability above which a change is chance. Defaults to 0.001.
	Alpha float64
	// MinEffect is the least change of the level, relative. Defaults to 0.05.
	MinEffect float64
}

func (c TrendConfig) defaults() TrendConfig {
	if c.Window <= 0 {
		c.Window = 50
	}
	c.Window = max(c.Window, 2*minSide)
	if c.Alpha <= 0 {
		c.Alpha = 0.001
	}
	if c.MinEffect <= 0 {
		c.MinEffect = 0.05
	}
	return c
}

// minSide is the least number of values on either side of a change.
const minSide = 3

// Change is a point from which a series has another level.
type Change struct {
	Index  int     `json:"index"` // of the first value of the new level
	Before float64 `json:"before"`
	After  float64 `json:"after"`
	Delta  float64 `json:"delta"` // relative
	P      float64 `json:"p"`
}

// Trend finds where the level of a series of results, oldest first, changed: the points that divide it best by the
// energy distance (E-divisive; Matteson and James 2014), window by window, kept if a t-test of both sides has them
// significant. Values that are not numbers or not above 0 are left out.
func Trend(series []float64, c TrendConfig) []Change {
	c = c.defaults()
	var at []int
	var values []float64
	for i, x := range series {
		if x > 0 && !math.IsInf(x, 0) {
			at = append(at, i)
			values = append(values, math.Log(x))
		}
	}
	found := map[int]bool{}
	for from := 0; ; from += c.Window / 2 {
		to := min(from+c.Window, len(values))
		divide(values[from:to], from, c.Alpha, found)
		if to == len(values) {
			break
		}
	}
	points := make([]int, 0, len(found))
	for i := range found {
		points = append(points, i)
	}
	slices.Sort(points)
	return c.keep(points, values, at)
}

// keep tests each point between its neighbours and takes out the weakest until all are significant and large enough.
func (c TrendConfig) keep(points []int, values []float64, at []int) []Change {
	for {
		edges := append(append([]int{0}, points...), len(values))
		weakest, worst := -1, -1.0
		out := make([]Change, 0, len(points))
		for i, point := range points {
			before, after := values[edges[i]:point], values[point:edges[i+2]]
			p := differ(before, after)
			x := Change{Index: at[point], Before: math.Exp(stats.Mean(before)), After: math.Exp(stats.Mean(after)), P: p}
			x.Delta = x.After/x.Before - 1
			out = append(out, x)
			bad := p
			if math.Abs(stats.Mean(after)-stats.Mean(before)) < math.Log1p(c.MinEffect) {
				bad = 2
			}
			if bad > c.Alpha && bad > worst {
				weakest, worst = i, bad
			}
		}
		if weakest < 0 {
			return out
		}
		points = slices.Delete(points, weakest, weakest+1)
	}
}

// divide adds the points that divide values to found, as places in the whole series.
func divide(values []float64, offset int, alpha float64, found map[int]bool) {
	i := best(values)
	if i < 0 || differ(values[:i], values[i:]) > alpha {
		return
	}
	found[offset+i] = true
	divide(values[:i], offset, alpha, found)
	divide(values[i:], offset+i, alpha, found)
}

// best returns where the energy distance of both sides is greatest, -1 if there are too few values.
func best(values []float64) int {
	n := len(values)
	if n < 2*minSide {
		return -1
	}
	// Sums of distances within the left side, within the right one and between them, kept up as the point moves.
	var left, right, across float64
	for i := range n {
		for j := range i {
			right += math.Abs(values[i] - values[j])
		}
	}
	point, most := -1, 0.0
	for k := range n - minSide {
		// values[k] moves from the right to the left.
		var toLeft, toRight float64
		for j := range n {
			d := math.Abs(values[k] - values[j])
			if j < k {
				toLeft += d
			} else {
				toRight += d
			}
		}
		left += toLeft
		right -= toRight
		across += toRight - toLeft
		l, r := float64(k+1), float64(n-k-1)
		if k+1 < minSide {
			continue
		}
		energy := 2*across/(l*r) - 2*left/(l*(l-1)) - 2*right/(r*(r-1))
		if q := energy * l * r / (l + r); q > most {
			point, most = k+1, q
		}
	}
	return point
}

// differ is the probability of Welch's t-test; 1 if the sides are too short.
func differ(a, b []float64) float64 {
	if len(a) < 2 || len(b) < 2 {
		return 1
	}
	r, err := stats.TwoSampleWelchTTest(stats.Sample{Xs: a}, stats.Sample{Xs: b}, stats.LocationDiffers)
	if err != nil || math.IsNaN(r.P) { // no variance at all
		if stats.Mean(a) == stats.Mean(b) {
			return 1
		}
		return 0
	}
	return r.P
}
