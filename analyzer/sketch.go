package analyzer

import (
	"math"
	"slices"
	"time"

	"github.com/DataDog/sketches-go/ddsketch"
	"github.com/DataDog/sketches-go/ddsketch/mapping"
	"github.com/DataDog/sketches-go/ddsketch/store"
)

const (
	sketchAccuracy = 0.01 // relative error of quantiles of many values
	sketchExact    = 32   // up to so many, quantiles are exact
)

// sketch estimates quantiles of durations in bounded memory; the extremes are exact. Most groups of a long
// tail never need more than the list of their few values.
type sketch struct {
	few      []time.Duration // sorted once asked
	dd       *ddsketch.DDSketch
	n        int64
	min, max time.Duration
}

var sketchMapping = func() mapping.IndexMapping {
	m, err := mapping.NewCubicallyInterpolatedMapping(sketchAccuracy)
	if err != nil {
		panic(err) // only for an accuracy outside (0, 1)
	}
	return m
}()

func (s *sketch) add(d time.Duration) {
	d = max(d, 0)
	if s.n == 0 || d < s.min {
		s.min = d
	}
	s.max = max(s.max, d)
	s.n++
	if s.n <= sketchExact {
		s.few = append(s.few, d)
		return
	}
	if s.dd == nil {
		s.dd = ddsketch.NewDDSketch(sketchMapping, store.NewBufferedPaginatedStore(), store.NewBufferedPaginatedStore())
		for _, d := range s.few {
			s.put(d)
		}
		s.few = nil
	}
	s.put(d)
}

// put adds nanoseconds. The sketch refuses only values beyond 10^308.
func (s *sketch) put(d time.Duration) { _ = s.dd.Add(float64(d)) }

// quantile returns the smallest value that at least the share q of all do not exceed (nearest rank), of many
// values within 1 %; 0 for an empty sketch.
func (s *sketch) quantile(q float64) time.Duration {
	if s.n == 0 {
		return 0
	}
	rank := min(max(int64(math.Ceil(q*float64(s.n))), 1), s.n)
	switch {
	case s.dd == nil:
		slices.Sort(s.few)
		return s.few[rank-1]
	case rank == s.n:
		return s.max
	}
	// The half keeps rounding from the neighbouring rank.
	v, err := s.dd.GetValueAtQuantile((float64(rank-1) + 0.5) / float64(s.n-1))
	if err != nil {
		return s.max // not reached: 0 ≤ q ≤ 1 and the sketch is not empty
	}
	return min(max(time.Duration(v), s.min), s.max)
}
