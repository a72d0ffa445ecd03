package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/perfd/perfd/config"
)

// capabilities is a set as the kernel numbers them (capabilities(7)).
type capabilities uint64

// The capabilities that perfd can use.
const (
	capReadSearch = 2
	capNetRaw     = 13
	capSysPtrace  = 19
	capPerfmon    = 38
	capBPF        = 39
)

func (c capabilities) has(n int) bool { return c>>n&1 == 1 }

// capabilityCheck tells which capabilities perfd has, and what is lost without the others.
type capabilityCheck struct {
	settings *config.Config
	own      func() (capabilities, error)
}

func (capabilityCheck) name() string { return "capabilities" }

func (c capabilityCheck) run(context.Context) []Finding {
	have, err := c.own()
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return nil // no Linux: the packet tap says so
	case err != nil:
		return warn("capabilities cannot be read: "+err.Error(), "Mount /proc.")
	}
	var has, lacks []string
	lost := func(n int, name, what string) {
		if have.has(n) {
			has = append(has, name)
		} else {
			lacks = append(lacks, fmt.Sprintf("%s (%s)", name, what))
		}
	}
	lost(capNetRaw, "CAP_NET_RAW", "to tap packets")
	if c.settings.Evidence.Process != config.Off {
		lost(capSysPtrace, "CAP_SYS_PTRACE", "to see the sockets of other users' processes")
		lost(capReadSearch, "CAP_DAC_READ_SEARCH", "to enter /proc/PID/fd of them")
	}
	if c.settings.Evidence.Threads != config.Off {
		lost(capBPF, "CAP_BPF", "for thread evidence")
		lost(capPerfmon, "CAP_PERFMON", "for thread evidence")
	}
	if len(lacks) == 0 {
		return ok("has " + strings.Join(has, ", "))
	}
	found := "lacks " + strings.Join(lacks, ", ")
	fix := "Add them to AmbientCapabilities= in the systemd unit, or to the container's capabilities; " +
		"or set evidence.process and evidence.threads to off."
	if !have.has(capNetRaw) {
		return fail(found, fix)
	}
	return warn(found, fix)
}

// parseCapabilities reads the effective set from /proc/self/status.
func parseCapabilities(status string) (capabilities, error) {
	for line := range strings.Lines(status) {
		if hex, found := strings.CutPrefix(line, "CapEff:"); found {
			var c capabilities
			if _, err := fmt.Sscanf(strings.TrimSpace(hex), "%x", &c); err != nil {
				return 0, fmt.Errorf("parse CapEff: %w", err)
			}
			return c, nil
		}
	}
	return 0, errors.New("no line CapEff")
}
