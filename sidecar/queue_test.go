package sidecar

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/rpclog"
)

// notebook is a Writer that takes its time.
type notebook struct {
	pace    time.Duration // for one result
	ids     []rpclog.CallID
	groups  int
	ticks   []time.Time
	blocked chan struct{} // writing waits for it to be closed, if there is one
}

func (n *notebook) Write(t *analyzer.Trace, b *analyzer.Background) {
	if n.blocked != nil {
		<-n.blocked
	}
	time.Sleep(n.pace)
	if t != nil {
		n.ids = append(n.ids, t.Call.ID)
	}
	if b != nil {
		n.groups++
	}
}

func (n *notebook) Tick(now time.Time) { n.ticks = append(n.ticks, now) }

func trace(id int) *analyzer.Trace {
	return &analyzer.Trace{Call: &rpclog.Call{ID: rpclog.CallID(id)}}
}

// fill adds n results, and fails the test if that takes time or gives an error.
func fill(t *testing.T, q *Queue, from, n int) {
	t.Helper()
	began := time.Now()
	for i := range n {
		if err := q.Trace(trace(from + i)); err != nil {
			t.Fatal(err)
		}
	}
	if d := time.Since(began); d != 0 { // in a bubble, time passes for those alone who wait
		t.Errorf("adding %d results waited for %v", n, d)
	}
}

func TestQueueKeepsOrderToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(QueueConfig{})
		n := &notebook{pace: 7 * time.Millisecond}
		ended := make(chan error)
		go func() { ended <- q.Run(t.Context(), n) }()
		fill(t, q, 0, 50)
		time.Sleep(time.Second)
		fill(t, q, 50, 50)
		if err := q.Background(&analyzer.Background{}); err != nil {
			t.Error(err)
		}
		q.Close()
		q.Close()
		if err := q.Trace(trace(1000)); err != nil {
			t.Errorf("after the end: %v", err)
		}
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if len(n.ids) != 100 || n.groups != 1 {
			t.Fatalf("%d calls and %d groups were written, want 100 and 1", len(n.ids), n.groups)
		}
		for i, id := range n.ids {
			if id != rpclog.CallID(i) {
				t.Fatalf("call %d was written as number %d", id, i)
			}
		}
		for i := 1; i < len(n.ticks); i++ {
			if d := n.ticks[i].Sub(n.ticks[i-1]); d > 100*time.Millisecond+n.pace {
				t.Errorf("no tick for %v", d)
			}
		}
		if s := q.Stats(); s.Written != 101 || s.Dropped != 1 || s.Bytes != 0 || s.Waiting != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const room = 10
		q := NewQueue(QueueConfig{Bytes: room * traceBytes})
		n := &notebook{blocked: make(chan struct{})}
		ended := make(chan error)
		go func() { ended <- q.Run(t.Context(), n) }()
		fill(t, q, 0, 4)
		synctest.Wait() // what is being written counts until it is written
		fill(t, q, 4, 96)
		if s := q.Stats(); s.Bytes > s.Bound || s.Bound != room*traceBytes || s.Dropped != 90 || s.Written != 0 {
			t.Errorf("while nothing is written: %+v", s)
		}
		close(n.blocked)
		synctest.Wait()
		fill(t, q, 200, room)
		q.Close()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if s := q.Stats(); s.Written != 20 || s.Dropped != 90 || s.Bytes != 0 {
			t.Errorf("at the end: %+v", s)
		}
		if len(n.ids) != 20 || n.ids[room-1] != room-1 || n.ids[room] != 200 {
			t.Errorf("written: %v", n.ids)
		}
	})
}

// A single result that is larger than the bound is let through: it could never be written otherwise.
func TestQueueTakesOneThatIsTooLarge(t *testing.T) {
	q := NewQueue(QueueConfig{Bytes: 1})
	_ = q.Trace(trace(1))
	_ = q.Trace(trace(2))
	if s := q.Stats(); s.Waiting != 1 || s.Dropped != 1 || s.DroppedCalls != 1 || s.DroppedStatements != 0 {
		t.Errorf("%+v", s)
	}
	_ = q.Trace(&analyzer.Trace{Call: &rpclog.Call{}, Spans: make([]analyzer.Span, 2)})
	_ = q.Background(&analyzer.Background{Spans: make([]analyzer.Span, 3)})
	if s := q.Stats(); s.Dropped != 3 || s.DroppedCalls != 2 || s.DroppedStatements != 5 {
		t.Errorf("%+v", s)
	}
}

func TestQueueIsAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(QueueConfig{Tick: time.Minute})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- q.Run(ctx, &notebook{}) }()
		synctest.Wait()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
}

func BenchmarkQueue(b *testing.B) {
	q := NewQueue(QueueConfig{})
	ended := make(chan error)
	go func() { ended <- q.Run(b.Context(), discard{}) }()
	t := trace(1)
	b.ReportAllocs()
	for b.Loop() {
		_ = q.Trace(t)
	}
	q.Close()
	if err := <-ended; err != nil {
		b.Error(err)
	}
}

type discard struct{}

func (discard) Write(*analyzer.Trace, *analyzer.Background) {}
func (discard) Tick(time.Time)                              {}
