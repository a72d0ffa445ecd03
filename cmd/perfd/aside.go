package main

import (
	"sync/atomic"

	"github.com/perfd/perfd/analyzer"
)

// aside passes results on, in order, on a goroutine of its own, so that they are written while the next ones
// are made. What the next sink refuses is told by a later call, at the latest by finish.
type aside struct {
	next    analyzer.Sink
	batch   []analyzed
	batches chan []analyzed
	done    chan struct{}
	failed  atomic.Pointer[error] // of next; nothing is given to it afterwards
}

// analyzed is one result: a trace, or a background group.
type analyzed struct {
	trace      *analyzer.Trace
	background *analyzer.Background
}

var _ analyzer.Sink = (*aside)(nil)

// Results that travel together, and how many such batches may wait: enough for the results of a window.
const (
	asideBatch   = 64
	asideBatches = 8
)

// newAside starts the goroutine, which ends with finish.
func newAside(next analyzer.Sink) *aside {
	a := &aside{next: next, batches: make(chan []analyzed, asideBatches), done: make(chan struct{})}
	go a.run()
	return a
}

func (a *aside) run() {
	defer close(a.done)
	for batch := range a.batches {
		for _, r := range batch {
			if a.failed.Load() != nil {
				break
			}
			var err error
			if r.trace != nil {
				err = a.next.Trace(r.trace)
			} else {
				err = a.next.Background(r.background)
			}
			if err != nil {
				a.failed.Store(&err)
			}
		}
	}
}

func (a *aside) Trace(t *analyzer.Trace) error { return a.add(analyzed{trace: t}) }

func (a *aside) Background(b *analyzer.Background) error { return a.add(analyzed{background: b}) }

func (a *aside) add(r analyzed) error {
	if a.batch = append(a.batch, r); len(a.batch) == asideBatch {
		a.batches <- a.batch
		a.batch = make([]analyzed, 0, asideBatch)
	}
	return a.err()
}

// finish waits until everything is passed on. Nothing may be given afterwards.
func (a *aside) finish() error {
	if len(a.batch) > 0 {
		a.batches <- a.batch
	}
	close(a.batches)
	<-a.done
	return a.err()
}

func (a *aside) err() error {
	if err := a.failed.Load(); err != nil {
		return *err
	}
	return nil
}
