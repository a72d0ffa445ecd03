package compare

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func series(r *rand.Rand, noise float64, levels ...float64) []float64 {
	var out []float64
	for _, level := range levels {
		for range 30 {
			out = append(out, level*(1+noise*r.NormFloat64()))
		}
	}
	return out
}

func TestTrendFindsLevels(t *testing.T) {
	for _, c := range []struct {
		name   string
		levels []float64
		want   []int
	}{
		{"none", []float64{1, 1, 1}, nil},
		{"one step up", []float64{1, 1.1}, []int{30}},
		{"up and down", []float64{1, 1.2, 1}, []int{30, 60}},
		{"three levels", []float64{1, 1.1, 1.3, 1.3}, []int{30, 60}},
		{"below the least effect", []float64{1, 1.03}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []int
			for _, x := range Trend(series(rand.New(rand.NewPCG(1, 2)), 0.02, c.levels...), TrendConfig{}) {
				got = append(got, x.Index)
				if (x.Delta > 0) != (x.After > x.Before) {
					t.Errorf("delta %v from %v to %v", x.Delta, x.Before, x.After)
				}
			}
			if len(got) != len(c.want) {
				t.Fatalf("changes at %v, want %v", got, c.want)
			}
			for i := range got {
				if d := got[i] - c.want[i]; d < -2 || d > 2 {
					t.Errorf("changes at %v, want %v", got, c.want)
				}
			}
		})
	}
}

// TestTrendSeldomFindsNothing holds the false alarms of 100 series of 100 values without a change.
func TestTrendSeldomFindsNothing(t *testing.T) {
	alarms := 0
	r := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		if len(Trend(series(r, 0.05, 1, 1, 1), TrendConfig{})) > 0 {
			alarms++
		}
	}
	if alarms > 5 {
		t.Errorf("%d of 100 series without a change had one", alarms)
	}
}

func TestTrendOfOddValues(t *testing.T) {
	if got := Trend(nil, TrendConfig{}); len(got) != 0 {
		t.Errorf("changes in nothing: %v", got)
	}
	values := append(slices.Repeat([]float64{1}, 20), slices.Repeat([]float64{2}, 20)...)
	if got := Trend(values, TrendConfig{}); len(got) != 1 || got[0].Index != 20 || got[0].Delta != 1 {
		t.Errorf("changes %v, want one of 100 %% at 20", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64(), 0, 150).Draw(t, "values")
		for _, x := range Trend(values, TrendConfig{}) {
			if x.Index <= 0 || x.Index >= len(values) {
				t.Fatalf("change at %d of %d", x.Index, len(values))
			}
		}
	})
}
