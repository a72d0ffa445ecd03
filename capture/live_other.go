//go:build !linux

package capture

import (
	"context"
	"errors"
	"runtime"
)

// Live taps network interfaces, on Linux only.
type Live struct{}

var _ Source = (*Live)(nil)

// OpenLive fails: packets can be tapped on Linux only.
func OpenLive(LiveConfig) (*Live, error) { return nil, errNoTap() }

// LivePermitted tells why OpenLive would fail.
func LivePermitted() error { return errNoTap() }

func errNoTap() error {
	return &LiveError{
		Op:   "open tap",
		Hint: "put `perfd proxy` in front of the server, or record with tcpdump and read the file with `perfd analyze`",
		Err:  errors.New("packets can be tapped on Linux only, not on " + runtime.GOOS),
	}
}

// Run fails.
func (*Live) Run(context.Context, *Engine) error { return errNoTap() }

// SetPorts fails.
func (*Live) SetPorts(_, _ []uint16) error { return errNoTap() }

// Stats returns zeros.
func (*Live) Stats() LiveStats { return LiveStats{} }

// Close does nothing.
func (*Live) Close() error { return nil }
