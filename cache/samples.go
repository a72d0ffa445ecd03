package cache

import (
	"iter"
	"maps"
	"slices"
)

// SampleKind is what a collector of metrics is to take a Sample for.
type SampleKind string

// The kinds.
const (
	Counter   SampleKind = "counter"
	Gauge     SampleKind = "gauge"
	Durations SampleKind = "histogram"
)

// Sample is a figure for a system of metrics. Samples of one name have one kind, one help and labels of the same
// names.
type Sample struct {
	Name, Help string
	Kind       SampleKind
	Labels     [][2]string
	Value      float64    // of a counter or a gauge
	Histogram  *Histogram // of durations
}

// Samples yields the statistics as metrics, whose names begin with cache_. The number of series is bounded: labels are
// tiers and at most MaxModels models.
func (s Stats) Samples() iter.Seq[Sample] {
	return func(yield func(Sample) bool) {
		for _, list := range [][]Sample{s.tierSamples(), s.modelSamples(), s.loadSamples()} {
			for _, sample := range list {
				if !yield(sample) {
					return
				}
			}
		}
	}
}

func (s Stats) tierSamples() []Sample {
	var out []Sample
	for _, t := range s.Tiers {
		add := func(name, help string, kind SampleKind, v float64, labels ...[2]string) {
			out = append(out, Sample{Name: name, Help: help, Kind: kind, Value: v, Labels: append([][2]string{{"tier", t.Name}}, labels...)})
		}
		for _, c := range t.events() {
			add("cache_events_total", "What happened in a tier of the cache.", Counter, float64(c.n), [2]string{"event", c.name})
		}
		if t.Circuit == "" {
			add("cache_items", "Entries in a memory.", Gauge, float64(t.Items))
			add("cache_bytes", "Bytes in a memory.", Gauge, float64(t.Bytes))
		} else {
			for _, state := range circuitNames {
				add("cache_circuit", "1 for the state that the circuit breaker is in.", Gauge, oneIf(t.Circuit == state), [2]string{"state", state})
			}
			add("cache_pending_invalidations", "Invalidations that the store has yet to be told of.", Gauge, float64(t.Pending))
		}
	}
	return out
}

func (s Stats) modelSamples() []Sample {
	var out []Sample
	for _, name := range slices.Sorted(maps.Keys(s.Models)) {
		c := s.Models[name]
		for _, l := range []event{{"hit", c.Hits}, {"stale", c.Stale}, {"miss", c.Misses}} {
			out = append(out, Sample{
				Name: "cache_lookups_total", Help: "Lookups by model and result.", Kind: Counter, Value: float64(l.n),
				Labels: [][2]string{{"model", name}, {"result", l.name}},
			})
		}
	}
	return out
}

func (s Stats) loadSamples() []Sample {
	l := s.Loads
	if l.Latency.Buckets == nil { // of a bare back end
		return nil
	}
	out := []Sample{
		{Name: "cache_load_seconds", Help: "How long loads took.", Kind: Durations, Histogram: &l.Latency},
		{Name: "cache_recent_hit_rate", Help: "Share of the last lookups that were hits.", Kind: Gauge, Value: l.RecentHitRate},
	}
	for _, e := range []event{{"error", l.Errors}, {"coalesced", l.Coalesced}, {"stale_serve", l.StaleServes}, {"refresh", l.Refreshes}, {"refused", l.Refused}} {
		out = append(out, Sample{
			Name: "cache_loads_total", Help: "What became of loads.", Kind: Counter, Value: float64(e.n), Labels: [][2]string{{"event", e.name}},
		})
	}
	return out
}

type event struct {
	name string
	n    int64
}

func (c Counts) events() []event {
	return []event{
		{"hit", c.Hits}, {"stale", c.Stale}, {"miss", c.Misses}, {"set", c.Sets}, {"delete", c.Deletes},
		{"invalidation", c.Invalidations}, {"eviction", c.Evictions}, {"rejected", c.Rejected}, {"failure", c.Failures},
	}
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
