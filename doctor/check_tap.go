package doctor

import (
	"context"
	"errors"
	"runtime"

	"github.com/perfd/perfd/capture"
)

// tapCheck asks whether packets may be tapped at all.
type tapCheck struct{ permitted func() error }

func (tapCheck) name() string { return "packet tap" }

func (c tapCheck) run(context.Context) []Finding {
	err := c.permitted()
	if err == nil {
		return ok("packets may be tapped")
	}
	fix := "See docs/operations.md on permissions."
	var live *capture.LiveError
	if errors.As(err, &live) && live.Hint != "" {
		fix = live.Hint
	}
	if runtime.GOOS != "linux" && fix == "" {
		fix = "Use perfd proxy, or perfd analyze on a recording."
	}
	return fail(err.Error(), fix)
}
