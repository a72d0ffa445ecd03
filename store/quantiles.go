package store

import (
	"math"
	"slices"
	"time"
)

// quantiles gathers durations: exactly while they are few, then in a histogram whose buckets are 2 % wide,
// so that any number of them takes a bounded space and answers stay within 1 %.
type quantiles struct {
	exact  []time.Duration
	sorted bool
	counts []uint32 // by bucket
	n      int64
	max    time.Duration
}

const (
	maxExact  = 4096
	growth    = 1.02
	maxBucket = 2210 // of the longest time.Duration
)

var logGrowth = math.Log(growth)

func (q *quantiles) add(d time.Duration) {
	d = max(d, 0)
	q.n++
	q.max = max(q.max, d)
	if q.counts == nil {
		q.sorted = false
		if q.exact = append(q.exact, d); len(q.exact) <= maxExact {
			return
		}
		q.counts = make([]uint32, maxBucket+1)
		for _, d := range q.exact {
			q.counts[bucket(d)]++
		}
		q.exact = nil
		return
	}
	q.counts[bucket(d)]++
}

func bucket(d time.Duration) int {
	if d < 1 {
		return 0
	}
	return min(int(math.Log(float64(d))/logGrowth)+1, maxBucket)
}

// at returns the smallest duration that at least the share p of all do not exceed (nearest rank); 0 of none.
func (q *quantiles) at(p float64) time.Duration {
	if q.n == 0 {
		return 0
	}
	rank := nearestRank(p, q.n)
	if q.counts == nil {
		if !q.sorted {
			slices.Sort(q.exact)
			q.sorted = true
		}
		return q.exact[rank-1]
	}
	var seen int64
	for i, n := range q.counts {
		if seen += int64(n); seen >= rank {
			if i == 0 {
				return 0
			}
			return min(time.Duration(math.Exp((float64(i)-0.5)*logGrowth)), q.max)
		}
	}
	return q.max
}

// nearestRank is the rank, from 1, of the smallest of n values that at least the share p of them do not exceed.
func nearestRank(p float64, n int64) int64 { return min(max(int64(math.Ceil(p*float64(n))), 1), n) }
