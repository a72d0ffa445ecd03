package analyzer

import (
	"cmp"
	"math"
	"slices"
)

// tally compares two explanations of a party's leases: that they are made for calls, and that whoever makes them does not
// know of calls.
type tally struct {
	leases int
	odds   float64 // log odds of the second
}

const (
	astray   = 0.02 // share of a server's leases that are strays
	oddsMost = 12.0 // so that what changes shows soon
)

// stray adds up what a window's leases tell of their parties.
func (s *strangers) stray(e sight, leases []*lease) {
	give := int64(slack)
	if e.doubted {
		give = loose
	}
	from, to := int64(math.MaxInt64), s.until
	for _, l := range leases {
		if !l.counted {
			from, to = min(from, l.start), max(to, l.end)
		}
	}
	times := make([]stretch, 0, len(e.owners))
	add := func(since, until int64) {
		if until = later(until, give); until >= min(from, s.until) { // what is over by then holds nothing that is asked for
			times = append(times, stretch{since - give, until})
		}
	}
	for _, list := range [][]owner{e.owners, e.past} {
		for i := range list {
			add(list[i].head, list[i].until)
		}
	}
	for _, l := range leases {
		if l.kind == leaseCron {
			add(l.start, l.end)
		}
	}
	from = max(from, s.until)
	s.until = to
	busy := newBusyTimes(times)
	idle := min(max(1-busy.share(from, to), astray), 1-astray)
	stray, held := math.Log(idle/astray), math.Log((1-idle)/(1-astray))
	for _, l := range leases {
		if l.counted || l.mixed || l.session.Logged || !l.forCalls() { // a log's times are not those of packets
			continue
		}
		t := s.tally(l)
		t.leases++
		d := stray
		if busy.hold(l.start, l.end) {
			d = held
		}
		t.odds = min(max(t.odds+d, -oddsMost), oddsMost)
	}
	for _, l := range leases {
		l.counted = true
	}
}

// forCalls reports whether a lease is of a kind that servers make for calls, and hardly for anything else.
func (l *lease) forCalls() bool {
	switch l.kind {
	case leaseWork, leaseSignaling, leaseCheck, leaseTouch:
		return true
	}
	return false
}

// stretch is a stretch of time, in Unix nanoseconds.
type stretch struct{ from, to int64 }

// later is a moment and some nanoseconds; what never ends does not end later.
func later(at, by int64) int64 {
	if at > math.MaxInt64-by {
		return at
	}
	return at + by
}

// busyTimes are the stretches in which an owner could have had a lease.
type busyTimes struct {
	by     []stretch // by begin
	latest []int64   // the latest end of those so far
}

func newBusyTimes(by []stretch) busyTimes {
	slices.SortFunc(by, func(a, b stretch) int { return cmp.Compare(a.from, b.from) })
	latest := make([]int64, len(by))
	for i, x := range by {
		latest[i] = x.to
		if i > 0 {
			latest[i] = max(latest[i], latest[i-1])
		}
	}
	return busyTimes{by, latest}
}

// hold reports whether one of them holds all from start to end.
func (b busyTimes) hold(start, end int64) bool {
	n, _ := slices.BinarySearchFunc(b.by, start+1, func(x stretch, at int64) int { return cmp.Compare(x.from, at) })
	return n > 0 && b.latest[n-1] >= end
}

// share is the share of the time between two moments that they take.
func (b busyTimes) share(from, to int64) float64 {
	if to <= from {
		return 1
	}
	var taken int64
	at := from
	for _, x := range b.by {
		if x.from >= to {
			break
		}
		if end := min(x.to, to); end > at {
			taken += end - max(x.from, at)
			at = end
		}
	}
	return float64(taken) / float64(to-from)
}
