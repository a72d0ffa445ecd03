package compare

import "math"

// Durations are counted in buckets 1 % wide, from a microsecond to more than two hours.
const (
	least   = 1e-6
	buckets = 2300
)

var width = math.Log(1.01)

// histogram counts durations in the buckets from base on. Its size is that of the range that was seen.
type histogram struct {
	base   int
	counts []uint32
	n      uint64
}

func bucket(seconds float64) int {
	if !(seconds > least) { // also what is not a number
		return 0
	}
	return int(min(math.Log(seconds/least)/width, buckets-1))
}

func (h *histogram) add(seconds float64) { h.put(bucket(seconds)) }

func (h *histogram) put(i int) {
	h.reach(i, i)
	h.counts[i-h.base]++
	h.n++
}

// reach makes the buckets from low to high countable, and those around them: ranges grow by little, and often.
func (h *histogram) reach(low, high int) {
	if low >= h.base && high < h.base+len(h.counts) {
		return
	}
	const step = 32
	low, high = low/step*step, high/step*step+step-1
	switch {
	case h.counts == nil:
		h.base, h.counts = low, make([]uint32, high-low+1)
	case low < h.base:
		h.counts = append(make([]uint32, h.base-low, h.base-low+len(h.counts)), h.counts...)
		h.base = low
	}
	if more := high - (h.base + len(h.counts) - 1); more > 0 {
		h.counts = append(h.counts, make([]uint32, more)...)
	}
}

func (h *histogram) merge(o *histogram) {
	if o.n == 0 {
		return
	}
	h.reach(o.base, o.base+len(o.counts)-1)
	for i, c := range o.counts {
		h.counts[o.base+i-h.base] += c
	}
	h.n += o.n
}

// quantile returns the duration below which the share q of the calls lies, 0 without calls.
func (h *histogram) quantile(q float64) float64 {
	return quantile(h.base, h.counts, float64(h.n), q)
}

func quantile[N uint32 | float64](base int, counts []N, n, q float64) float64 {
	if n == 0 {
		return 0
	}
	rank, seen := q*n, 0.0
	for i, c := range counts {
		if c > 0 && seen+float64(c) >= rank {
			return least * math.Exp(width*(float64(base+i)+(rank-seen)/float64(c)))
		}
		seen += float64(c)
	}
	return least * math.Exp(width*float64(base+len(counts)))
}

// bins returns the distribution in at most about n steps.
func (h *histogram) bins(n int) []Bin {
	var out []Bin
	seen, step := uint64(0), max(1, (len(h.counts)+n-1)/n)
	for i, c := range h.counts {
		seen += uint64(c)
		if i%step == step-1 || i == len(h.counts)-1 {
			out = append(out, Bin{Seconds: least * math.Exp(width*float64(h.base+i+1)), Share: float64(seen) / float64(h.n)})
		}
	}
	return out
}
