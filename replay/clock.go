package replay

import (
	"context"
	"time"
)

// clock hands calls to their sessions when they are due. It owns the run's only timeline: each due time is counted
// from the beginning, never from the call before, so that errors do not add up.
func (r *Runner) clock(ctx context.Context, ready <-chan *item) {
	var n int64
	var cut, last, origin time.Duration
	timer := newSleeper()
	defer timer.stop()
	timer.until(ctx, r.begun) // closed loops begin when the clock does, too
	for it := range ready {
		r.take(it)
		if n == 0 {
			origin, last = it.call.At, it.call.At
		}
		if gap := it.call.At - last; gap > r.cfg.MaxGap && (r.cfg.Mode == Timeline || r.cfg.Mode == Think) {
			cut += gap - r.cfg.MaxGap
			r.tally.cut(gap - r.cfg.MaxGap)
		}
		last = max(last, it.call.At)
		at := time.Duration(float64(it.call.At-origin-cut) / r.cfg.Speed)
		switch r.cfg.Mode {
		case Timeline:
			it.due = at
		case Rate:
			it.due = time.Duration(float64(n) / r.cfg.Rate * float64(time.Second))
		case Think:
			it.begin = at // when its session has nothing before it
		case Max:
		}
		n++
		if ctx.Err() != nil || !r.admit(ctx, timer, it) {
			r.leave(it, r.why(ctx))
			continue
		}
		r.waiting.Add(1)
		r.waitingBytes.Add(it.bytes)
		it.session.take(it)
	}
}

// openLoop tells whether calls are due whatever became of those before.
func (r *Runner) openLoop() bool { return r.cfg.Mode == Timeline || r.cfg.Mode == Rate }

func (r *Runner) why(ctx context.Context) Left {
	if ctx.Err() != nil {
		return LeftStopped
	}
	return LeftQueue
}

// admit waits for a call's time, or in a closed loop for room. It is false if the call cannot be taken.
func (r *Runner) admit(ctx context.Context, timer *sleeper, it *item) bool {
	full := func() bool {
		n := r.waiting.Load()
		return n >= int64(r.cfg.MaxQueued) || n > 0 && r.waitingBytes.Load()+it.bytes > r.cfg.MaxQueuedBytes
	}
	if r.openLoop() {
		return timer.until(ctx, r.begun.Add(it.due)) && !full()
	}
	for full() {
		select {
		case <-r.room:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// gone says that a call no longer waits.
func (r *Runner) gone(it *item) {
	r.waiting.Add(-1)
	r.waitingBytes.Add(-it.bytes)
	select {
	case r.room <- struct{}{}:
	default:
	}
}

// sleeper sleeps until a time, close to it.
type sleeper struct {
	timer *time.Timer
	fine  fineTimer
}

func newSleeper() *sleeper {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &sleeper{t, newFineTimer()}
}

func (s *sleeper) stop() {
	s.timer.Stop()
	s.fine.close()
}

// until sleeps; false if ctx ended first.
func (s *sleeper) until(ctx context.Context, t time.Time) bool {
	for {
		d := time.Until(t)
		switch {
		case d <= 0:
			return ctx.Err() == nil
		case d <= fine:
			s.fine.sleep(d)
			continue
		}
		s.timer.Reset(d - fine)
		select {
		case <-s.timer.C:
		case <-ctx.Done():
			s.timer.Stop()
			return false
		}
	}
}
