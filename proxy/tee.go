package proxy

import (
	"sync/atomic"
	"time"

	"github.com/perfd/perfd/capture"
)

// tee shows what passes between a client and perfd to the decoders, and counts it. It may be without a connection of
// the feed.
type tee struct {
	*capture.FeedConn
	passed *[2]atomic.Int64 // by capture.Dir
}

// Write counts data and gives it to the decoders.
func (t tee) Write(dir capture.Dir, at time.Time, data []byte) {
	t.passed[dir&1].Add(int64(len(data)))
	t.FeedConn.Write(dir, at, data)
}

// Skip counts n bytes whose content no decoder reads.
func (t tee) Skip(dir capture.Dir, at time.Time, n int64) {
	t.passed[dir&1].Add(n)
	t.FeedConn.Skip(dir, at, n)
}

// reach remembers what came of the latest connection to the upstream.
type reach struct{ why atomic.Pointer[string] }

// note takes down an attempt that failed, or nil for one that did not.
func (r *reach) note(err error) {
	if err == nil {
		if r.why.Load() != nil { // most succeed, and nothing is to be written
			r.why.Store(nil)
		}
		return
	}
	text := err.Error()
	r.why.Store(&text)
}

// down is why the latest attempt failed; empty if it did not, or there was none.
func (r *reach) down() string {
	if why := r.why.Load(); why != nil {
		return *why
	}
	return ""
}
