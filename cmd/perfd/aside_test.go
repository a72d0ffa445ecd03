package main

import (
	"errors"
	"testing"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/rpclog"
)

// recorder notes what it is given, traces as positive and groups as negative numbers, up to a limit.
type recorder struct {
	got   []int
	limit int
}

var errFull = errors.New("full")

func (r *recorder) take(n int) error {
	if len(r.got) == r.limit {
		return errFull
	}
	r.got = append(r.got, n)
	return nil
}

func (r *recorder) Trace(t *analyzer.Trace) error           { return r.take(t.Call.IDs) }
func (r *recorder) Background(b *analyzer.Background) error { return r.take(-len(b.Spans)) }

// feed gives n results, every fifth a group, and returns the first error.
func feed(a *aside, n int) error {
	for i := 1; i <= n; i++ {
		var err error
		if i%5 == 0 {
			err = a.Background(&analyzer.Background{Spans: make([]analyzer.Span, i)})
		} else {
			err = a.Trace(&analyzer.Trace{Call: &rpclog.Call{IDs: i}})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func TestAsideKeepsOrder(t *testing.T) {
	for _, n := range []int{0, 1, asideBatch, 10*asideBatch + 7} {
		r := &recorder{limit: n}
		a := newAside(r)
		if err := errors.Join(feed(a, n), a.finish()); err != nil {
			t.Fatal(err)
		}
		if len(r.got) != n {
			t.Fatalf("%d of %d results", len(r.got), n)
		}
		for i, got := range r.got {
			if want := i + 1; got != want && got != -want {
				t.Fatalf("result %d is %d", want, got)
			}
		}
	}
}

func TestAsideTellsWhatFailed(t *testing.T) {
	for _, limit := range []int{0, 3, 2 * asideBatch} {
		r := &recorder{limit: limit}
		a := newAside(r)
		err := feed(a, 100*asideBatch) // more than may wait, so that it must be told of before the end
		if !errors.Is(err, errFull) || !errors.Is(a.finish(), errFull) || len(r.got) != limit {
			t.Errorf("limit %d: error %v after %d results", limit, err, len(r.got))
		}
	}
}
