package store

import (
	"context"
	"fmt"

	"github.com/perfd/perfd/rpclog"
)

// state is the one row that keeps what counting would take long for. It is written with every commit.
type state struct {
	commits, epoch        int64 // see schema.go
	lastCall, lastGroup   int64
	calls, ordinary       int64
	errors                int64
	attributed, exact     int64
	groups, unowned, last int64
}

const stateColumns = "commits, epoch, last_call, last_group, calls, ordinary, errors, attributed, exact, groups, unowned, last"

func (s *state) targets() []any {
	return []any{&s.commits, &s.epoch, &s.lastCall, &s.lastGroup, &s.calls, &s.ordinary, &s.errors, &s.attributed, &s.exact,
		&s.groups, &s.unowned, &s.last}
}

// add counts a stored call.
func (s *state) add(c *rpclog.Call, failed bool, statements, exact int64) {
	s.calls++
	s.attributed += statements
	s.last = max(s.last, c.Start.UnixNano()+int64(duration(c)))
	if c.Class == rpclog.Ordinary {
		s.ordinary++
		s.exact += exact
		if failed {
			s.errors++
		}
	}
}

func (w *Recorder) loadState() error {
	s := &w.saved
	err := w.conn.QueryRowContext(context.Background(), "SELECT "+stateColumns+" FROM state").Scan(s.targets()...)
	if err != nil {
		return fmt.Errorf("load state: %w", err)
	}
	w.now = w.saved
	return nil
}

func (w *Recorder) saveState() error {
	s := &w.now
	s.commits++
	_, err := w.save.Exec(s.commits, s.epoch, s.lastCall, s.lastGroup, s.calls, s.ordinary, s.errors, s.attributed, s.exact,
		s.groups, s.unowned, s.last)
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}
