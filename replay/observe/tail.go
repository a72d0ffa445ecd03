package observe

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Tail is how long the slowest calls took at the server, in seconds: all that did not fail, and once those are left out
// that were tried again or waited for a lock. A quantile is 0 where too few calls tell it.
type Tail struct {
	P95     float64 `json:"p95,omitempty"`
	P95Once float64 `json:"p95_once,omitempty"`
	P99     float64 `json:"p99,omitempty"`
	P99Once float64 `json:"p99_once,omitempty"`
}

// Calls from which quantiles are told.
const (
	leastP95 = 100
	leastP99 = 1000
)

// tails are the durations of an arm's calls.
type tails struct{ all, once *hdrhistogram.Histogram }

func newTails() tails {
	histogram := func() *hdrhistogram.Histogram {
		return hdrhistogram.New(1, int64(time.Hour/time.Microsecond), 3)
	}
	return tails{histogram(), histogram()}
}

func (t *tails) add(d time.Duration, once bool) {
	us := min(max(int64(d/time.Microsecond), 0), int64(time.Hour/time.Microsecond))
	_ = t.all.RecordValue(us) // which is within the bounds
	if once {
		_ = t.once.RecordValue(us)
	}
}

func (t *tails) merge(o *tails) {
	t.all.Merge(o.all)
	t.once.Merge(o.once)
}

func (t *tails) result() Tail {
	at := func(h *hdrhistogram.Histogram, percent float64, least int64) float64 {
		if h.TotalCount() < least {
			return 0
		}
		return (time.Duration(h.ValueAtPercentile(percent)) * time.Microsecond).Seconds()
	}
	return Tail{at(t.all, 95, leastP95), at(t.once, 95, leastP95), at(t.all, 99, leastP99), at(t.once, 99, leastP99)}
}
