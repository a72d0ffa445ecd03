package analyzer

import (
	"time"

	"github.com/DataDog/sketches-go/ddsketch"
	"github.com/DataDog/sketches-go/ddsketch/mapping"
	"github.com/DataDog/sketches-go/ddsketch/store"
)

// sketchAccuracy is the relative error of quantiles.
const sketchAccuracy = 0.01

// sketch estimates quantiles of durations in bounded memory; the extremes are exact.
type sketch struct {
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
	if s.n == 1 {
		return // most groups of a long tail never see a second value
	}
	if s.dd == nil {
		s.dd = ddsketch.NewDDSketch(sketchMapping, store.NewBufferedPaginatedStore(), store.NewBufferedPaginatedStore())
		s.put(s.min + s.max - d) // the first value: of two, the other one
	}
	s.put(d)
}

// put adds nanoseconds. The sketch refuses only values beyond 10^308.
func (s *sketch) put(d time.Duration) { _ = s.dd.Add(float64(d)) }

// quantile returns the value at q, 0 ≤ q ≤ 1, within 1 %; 0 for an empty sketch.
func (s *sketch) quantile(q float64) time.Duration {
	if s.dd == nil {
		return s.max
	}
	v, err := s.dd.GetValueAtQuantile(q)
	if err != nil {
		return s.max
	}
	return min(max(time.Duration(v), s.min), s.max)
}
