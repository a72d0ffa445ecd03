package process

import (
	"slices"
	"sync"
	"sync/atomic"
)

// maxGaps bounds the losses that are remembered one by one; the oldest become one.
const maxGaps = 64

// gaps are the times of which it is not known who used what: before a process was tapped, and while the kernel
// had no room for records. Nothing is concluded from silence then. They are safe for concurrent use.
type gaps struct {
	mu     sync.Mutex
	losses atomic.Pointer[[]gap]
	starts atomic.Pointer[map[int32]int64]
}

type gap struct{ from, to int64 }

// lost notes that records were lost between two moments.
func (g *gaps) lost(from, to int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var next []gap
	if old := g.losses.Load(); old != nil {
		next = slices.Clone(*old)
	}
	switch n := len(next); {
	case n > 0 && from <= next[n-1].to:
		next[n-1].to = max(to, next[n-1].to)
	case n == maxGaps:
		next[1].from = next[0].from
		next = append(next[1:], gap{from, to})
	default:
		next = append(next, gap{from, to})
	}
	g.losses.Store(&next)
}

// started sets since when each process has been tapped; one that is missing has been from its beginning.
func (g *gaps) started(since map[int32]int64) { g.starts.Store(&since) }

// within reports whether something may have gone unnoticed between two moments.
func (g *gaps) within(pid int32, from, to int64) bool {
	if since := g.starts.Load(); since != nil && (*since)[pid] > from {
		return true
	}
	losses := g.losses.Load()
	if losses == nil {
		return false
	}
	for i := len(*losses) - 1; i >= 0 && (*losses)[i].to >= from; i-- {
		if (*losses)[i].from <= to {
			return true
		}
	}
	return false
}
