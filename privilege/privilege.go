// Package privilege gives up what the process may do and does not need: opening a tap takes a capability, reading
// hostile bytes for weeks after that takes none.
package privilege

import (
	"errors"
	"strconv"
)

// Capability is one of Linux's capabilities (capabilities(7)).
type Capability uint8

// Capabilities that perfd has a use for.
const (
	DACOverride   Capability = 1  // to reach the Unix sockets of others
	DACReadSearch Capability = 2  // to read the logs of others, whenever they begin a new file, and to enter /proc/PID/fd
	SetPCap       Capability = 8  // to shrink the bounding set
	NetRaw        Capability = 13 // to open packet sockets
	SysPtrace     Capability = 19 // to see which files the processes of others have open
	Perfmon       Capability = 38 // to attach programs to tracepoints
	BPF           Capability = 39 // to load them
)

// String returns the name as in capabilities(7), for those perfd has a use for.
func (c Capability) String() string {
	switch c {
	case DACOverride:
		return "CAP_DAC_OVERRIDE"
	case DACReadSearch:
		return "CAP_DAC_READ_SEARCH"
	case SetPCap:
		return "CAP_SETPCAP"
	case NetRaw:
		return "CAP_NET_RAW"
	case SysPtrace:
		return "CAP_SYS_PTRACE"
	case Perfmon:
		return "CAP_PERFMON"
	case BPF:
		return "CAP_BPF"
	}
	return "capability " + strconv.Itoa(int(c))
}

// ErrCgo is wrapped by Drop's error in a binary that runs C code: its threads are not Go's to change. Nothing
// was dropped then.
var ErrCgo = errors.New("the binary was built with cgo")
