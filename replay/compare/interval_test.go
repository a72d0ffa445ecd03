package compare

import (
	"math"
	"testing"
)

// TestInterval holds against the table of the t-distribution: 4 numbers, 95 %.
func TestInterval(t *testing.T) {
	mean, reach := Interval([]float64{1, 2, 3, 4}, 0.05)
	if want := 3.1824463 * math.Sqrt(5.0/3/4); math.Abs(mean-2.5) > 1e-12 || math.Abs(reach-want) > 1e-4 {
		t.Errorf("%v ± %v, want 2.5 ± %v", mean, reach, want)
	}
	if mean, reach := Interval([]float64{7}, 0.05); mean != 7 || !math.IsInf(reach, 1) {
		t.Errorf("one number: %v ± %v", mean, reach)
	}
	if mean, reach := Interval(nil, 0.05); mean != 0 || !math.IsInf(reach, 1) {
		t.Errorf("none: %v ± %v", mean, reach)
	}
}
