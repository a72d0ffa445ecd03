package main

import (
	"os"
	"runtime/debug"
	rtmetrics "runtime/metrics"
	"strconv"
	"strings"
)

// memory measures what the process uses, and holds Go's share of it to what the rest leaves.
type memory struct {
	bound  int64
	ring   int64 // shared with the kernel
	limit  int64 // that Go was given last
	sample []rtmetrics.Sample
}

const (
	outsideHeap = 24 << 20 // at least: what Go does not count, such as code, SQLite's pages and the kernel's maps
	leastHeap   = 32 << 20
	limitStep   = 4 << 20 // a change of the limit that is worth the pause it takes
)

// watchGC makes the heap grow to three times what is live before a collection, within the limit, and not twice as Go
// does: what is live are 11 to 19 MB, and collecting takes a tenth of a busy watch's processor time.
const watchGC = 200

// Places in sample.
const (
	memTotal = iota
	memReleased
	memObjects
	memLive
	memFree
	memUnused
)

func newMemory(bound int64) *memory {
	m := &memory{bound: bound, ring: bound / ringShare}
	for _, name := range []string{
		memTotal: "/memory/classes/total:bytes", memReleased: "/memory/classes/heap/released:bytes", memObjects: "/memory/classes/heap/objects:bytes",
		memLive: "/gc/heap/live:bytes", memFree: "/memory/classes/heap/free:bytes", memUnused: "/memory/classes/heap/unused:bytes",
	} {
		m.sample = append(m.sample, rtmetrics.Sample{Name: name})
	}
	m.allow(m.ring + outsideHeap)
	return m
}

// allow lets Go use what others do not.
func (m *memory) allow(others int64) {
	limit := max(m.bound-others, leastHeap)
	if d := limit - m.limit; d >= limitStep || d <= -limitStep {
		m.limit = limit
		debug.SetMemoryLimit(limit)
	}
}

// measure returns what is used, and the share of the bound that is needed: garbage takes room that a collection
// gives back before it would be lacking.
func (m *memory) measure() (used int64, share float64) {
	rtmetrics.Read(m.sample)
	at := func(i int) int64 { return int64(m.sample[i].Value.Uint64()) }
	ours := at(memTotal) - at(memReleased)
	used = ours + m.ring + outsideHeap
	if resident := residentMemory(); resident > 0 {
		used = resident
		m.allow(max(resident-ours, m.ring+outsideHeap))
	}
	garbage := max(at(memObjects)-at(memLive), 0) + at(memFree) + at(memUnused)
	share = float64(used-garbage) / float64(m.bound)
	if used >= m.bound {
		share = max(share, 1)
	}
	return used, share
}

// residentMemory is the memory of the process as the kernel counts it; 0 where it does not tell.
func residentMemory() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
