package sidecar

import (
	"context"
	"sync"
	"time"

	"github.com/perfd/perfd/analyzer"
)

// Writer takes results off the queue, on one goroutine.
type Writer interface {
	// Write takes a result; one of the two is nil.
	Write(t *analyzer.Trace, b *analyzer.Background)
	// Tick is called when there is nothing to write, and at least every QueueConfig.Tick.
	Tick(now time.Time)
}

// QueueConfig bounds a Queue. The zero value works.
type QueueConfig struct {
	// Bytes that may wait, by estimate. Defaults to 32 MiB.
	Bytes int64
	// Tick is the longest time between two calls of Writer.Tick. Defaults to 100 ms.
	Tick time.Duration
}

// Queue is the only buffer between the analyzer, which must not wait, and the store and whoever else writes. It is
// an analyzer.Sink; what does not fit is dropped and counted.
type Queue struct {
	cfg QueueConfig

	mu      sync.Mutex
	some    chan struct{} // has one element when items were added
	items   []item
	bytes   int64
	closed  bool
	dropped int64
	passed  int64

	droppedCalls, droppedStatements int64
}

type item struct {
	trace      *analyzer.Trace
	background *analyzer.Background
	bytes      int64
}

var _ analyzer.Sink = (*Queue)(nil)

// NewQueue returns an empty queue.
func NewQueue(cfg QueueConfig) *Queue {
	if cfg.Bytes <= 0 {
		cfg.Bytes = 32 << 20
	}
	if cfg.Tick <= 0 {
		cfg.Tick = 100 * time.Millisecond
	}
	return &Queue{cfg: cfg, some: make(chan struct{}, 1)}
}

// Estimates of what a result holds.
const (
	traceBytes = 1200
	spanBytes  = 420
	hashBytes  = 4
)

// Trace implements analyzer.Sink. It never waits and never fails.
func (q *Queue) Trace(t *analyzer.Trace) error {
	n := int64(traceBytes + spanBytes*len(t.Spans) + hashBytes*(t.Call.Request.Len()+t.Call.Response.Len()))
	q.add(item{trace: t, bytes: n})
	return nil
}

// Background implements analyzer.Sink, likewise.
func (q *Queue) Background(b *analyzer.Background) error {
	q.add(item{background: b, bytes: int64(traceBytes/4 + spanBytes*len(b.Spans))})
	return nil
}

func (q *Queue) add(i item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.bytes+i.bytes > q.cfg.Bytes && len(q.items) > 0 || q.closed {
		q.dropped++
		if i.trace != nil {
			q.droppedCalls++
			q.droppedStatements += int64(len(i.trace.Spans))
		} else {
			q.droppedStatements += int64(len(i.background.Spans))
		}
		return
	}
	q.items = append(q.items, i)
	q.bytes += i.bytes
	select {
	case q.some <- struct{}{}:
	default:
	}
}

// Close tells that nothing more will be added; Run ends once everything is written.
func (q *Queue) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	select {
	case q.some <- struct{}{}:
	default:
	}
}

// Run gives what is added to w until the queue is closed and empty, or ctx is done.
func (q *Queue) Run(ctx context.Context, w Writer) error {
	tick := time.NewTicker(q.cfg.Tick)
	defer tick.Stop()
	var batch []item
	last := time.Now()
	for {
		var done bool
		batch, done = q.take(batch)
		for n := range batch {
			i := &batch[n]
			w.Write(i.trace, i.background)
			q.written(i.bytes)
			*i = item{}
			if now := time.Now(); now.Sub(last) >= q.cfg.Tick {
				w.Tick(now)
				last = now
			}
		}
		last = time.Now()
		w.Tick(last)
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-q.some:
		case <-tick.C:
		}
	}
}

// take empties the queue into a batch; what it holds counts against the bound until it is written.
func (q *Queue) take(batch []item) (_ []item, done bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := q.items
	q.items = batch[:0]
	return taken, q.closed && len(taken) == 0
}

func (q *Queue) written(bytes int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= bytes
	q.passed++
}

// QueueStats tells how full a queue is.
type QueueStats struct {
	Waiting          int   // results
	Bytes, Bound     int64 // by estimate
	Written, Dropped int64 // results

	DroppedCalls, DroppedStatements int64 // that the dropped results were
}

// Stats is safe from any goroutine.
func (q *Queue) Stats() QueueStats {
	q.mu.Lock()
	defer q.mu.Unlock()
	return QueueStats{
		Waiting: len(q.items), Bytes: q.bytes, Bound: q.cfg.Bytes, Written: q.passed, Dropped: q.dropped,
		DroppedCalls: q.droppedCalls, DroppedStatements: q.droppedStatements,
	}
}
