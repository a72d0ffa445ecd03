package cache

import (
	"fmt"
	"sync/atomic"
)

// Health says whether a cache does what it is there for. A cache that is not well still gives right answers.
type Health struct {
	OK bool
	// Problems are sentences for people, one for each thing that is wrong.
	Problems []string
	// HitRate is that of the last lookups.
	HitRate float64
}

// Health looks at the circuit, what is pending and the hit rate.
func (l *Loader) Health() Health {
	rate, lookups := l.recent.rate()
	h := Health{HitRate: rate}
	for _, t := range l.cache.Stats().Tiers {
		switch t.Circuit {
		case circuitNames[1], circuitNames[2]:
			h.Problems = append(h.Problems, fmt.Sprintf("%s: the circuit is %s: %s", t.Name, t.Circuit, t.LastError))
		}
		if t.Pending > 0 {
			h.Problems = append(h.Problems, fmt.Sprintf("%s: %d invalidations wait for it to come back", t.Name, t.Pending))
		}
	}
	if lookups >= l.config.AlertAfter && rate < l.config.AlertBelow {
		h.Problems = append(h.Problems, fmt.Sprintf("the hit rate of the last %d lookups is %.0f %%, less than %.0f %%",
			lookups, 100*rate, 100*l.config.AlertBelow))
	}
	h.OK = len(h.Problems) == 0
	return h
}

// circuitNames are the states of gobreaker, by number.
var circuitNames = [...]string{"closed", "half-open", "open"}

// window is the hit rate of the last lookups: of the last full round and the one that runs.
type window struct {
	hits, lookups       atomic.Int64
	oldHits, oldLookups atomic.Int64
}

const windowRound = 1000

func (w *window) add(hit bool) {
	if hit {
		w.hits.Add(1)
	}
	if w.lookups.Add(1) == windowRound {
		w.oldHits.Store(w.hits.Swap(0))
		w.oldLookups.Store(w.lookups.Swap(0))
	}
}

func (w *window) rate() (rate float64, lookups int64) {
	hits, lookups := w.hits.Load()+w.oldHits.Load(), w.lookups.Load()+w.oldLookups.Load()
	if lookups == 0 {
		return 0, 0
	}
	return min(1, float64(hits)/float64(lookups)), lookups
}

// note counts a lookup and looks for an alert now and then.
func (l *Loader) note(hit bool) {
	l.recent.add(hit)
	if l.config.OnAlert == nil || l.config.AlertBelow <= 0 {
		return
	}
	rate, lookups := l.recent.rate()
	low := lookups >= l.config.AlertAfter && rate < l.config.AlertBelow
	if l.alerting.CompareAndSwap(!low, low) {
		l.config.OnAlert(l.Health())
	}
}

// Stats is what the back end and the loader did.
func (l *Loader) Stats() Stats {
	s := l.cache.Stats()
	rate, _ := l.recent.rate()
	s.Loads = LoadStats{
		Loads: l.loads.Load(), Errors: l.errors.Load(), Coalesced: l.coalesced.Load(),
		StaleServes: l.staleServes.Load(), Refreshes: l.refreshes.Load(), Refused: l.refused.Load(),
		Latency: l.latency.histogram(), RecentHitRate: rate,
	}
	return s
}
