package cache

import (
	"math"
	"sync/atomic"
	"time"
)

// bounds are the upper bounds of a histogram's buckets; what takes longer falls into one more.
var bounds = [...]time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second,
}

// Bucket is how many durations were at most so long and longer than the bucket before allows.
type Bucket struct {
	UpTo  time.Duration // the last one is math.MaxInt64
	Count int64
}

// Histogram is how long things took.
type Histogram struct {
	Buckets []Bucket
	Count   int64
	Sum     time.Duration
}

// Quantile is a duration that the share q of all did not exceed, from above by at most a bucket's width; 0 without any.
func (h Histogram) Quantile(q float64) time.Duration {
	want := int64(math.Ceil(q * float64(h.Count)))
	var n int64
	for _, b := range h.Buckets {
		if n += b.Count; n >= want && n > 0 {
			return b.UpTo
		}
	}
	return 0
}

// recorder is a Histogram that grows.
type recorder struct {
	counts [len(bounds) + 1]atomic.Int64
	sum    atomic.Int64
}

func (r *recorder) add(d time.Duration) {
	i := 0
	for i < len(bounds) && d > bounds[i] {
		i++
	}
	r.counts[i].Add(1)
	r.sum.Add(int64(d))
}

func (r *recorder) histogram() Histogram {
	h := Histogram{Buckets: make([]Bucket, len(r.counts)), Sum: time.Duration(r.sum.Load())}
	for i := range r.counts {
		n := r.counts[i].Load()
		h.Buckets[i] = Bucket{UpTo: math.MaxInt64, Count: n}
		if i < len(bounds) {
			h.Buckets[i].UpTo = bounds[i]
		}
		h.Count += n
	}
	return h
}
