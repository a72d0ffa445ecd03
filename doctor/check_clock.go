package doctor

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// clockState is what the kernel says of its clock (adjtimex(2)).
type clockState struct {
	synchronized bool
	maxError     time.Duration
}

// tolerable is the uncertainty from which times of several hosts no longer go together.
const tolerable = 500 * time.Millisecond

// clockCheck tells whether something keeps the clock right.
type clockCheck struct {
	state func() (clockState, error)
}

func (clockCheck) name() string { return "clock" }

func (c clockCheck) run(context.Context) []Finding {
	s, err := c.state()
	const fix = "Run chrony or systemd-timesyncd on the host; without it logs and other hosts' figures do not line up."
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return nil
	case err != nil:
		return warn("the clock cannot be asked: "+err.Error(), "Allow adjtimex in the seccomp filter, or ignore this.")
	case !s.synchronized:
		return warn("the clock is not synchronized", fix)
	case s.maxError > tolerable:
		return warn(fmt.Sprintf("the clock may be wrong by %s", s.maxError.Round(time.Millisecond)), fix)
	}
	return ok(fmt.Sprintf("synchronized, right within %s", s.maxError.Round(time.Millisecond)))
}
