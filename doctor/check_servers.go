package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/perfd/perfd/config"
)

// serverCheck tells which application servers are observed.
type serverCheck struct {
	settings  *config.Config
	host      hostFunc
	listening func() (map[uint16]bool, error)
}

func (serverCheck) name() string { return "servers" }

func (c serverCheck) run(ctx context.Context) []Finding {
	h, asked, _ := c.host(ctx) // evidence tells of an error
	var out []Finding
	served := make(map[uint16]bool)
	for _, s := range h.Servers {
		for _, a := range s.Listen {
			served[a.Port()] = true
		}
		if len(s.Listen) == 0 {
			out = append(out, ok(fmt.Sprintf("%s (pid %d) listens on no port", s.Name, s.PID))...)
			continue
		}
		out = append(out, ok(fmt.Sprintf("%s (pid %d) listens on %s", s.Name, s.PID, addresses(s.Listen)))...)
		if len(c.settings.RPCPorts) > 0 && !slices.ContainsFunc(s.Listen, func(a netip.AddrPort) bool { return slices.Contains(c.settings.RPCPorts, a.Port()) }) {
			out = append(out, warn(fmt.Sprintf("none of the ports of %s (pid %d) is in rpc_ports", s.Name, s.PID),
				"Add "+ports(s.Listen)+" to rpc_ports, or leave rpc_ports empty.")...)
		}
	}
	if h.Denied > 0 {
		out = append(out, warn(plural(h.Denied, "process of a server", "processes of servers")+" may not be looked at",
			"Run perfd as their user, or give it CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH.")...)
	}
	open, err := c.listening()
	for _, p := range c.settings.RPCPorts {
		if err == nil && !open[p] && !served[p] {
			out = append(out, warn(fmt.Sprintf("nothing listens on port %d, which rpc_ports names", p),
				"Start the server, correct rpc_ports, or tap the host or network namespace in which it runs.")...)
		}
	}
	if asked && len(h.Servers) == 0 && len(c.settings.RPCPorts) == 0 {
		out = append(out, warn("no Odoo or Tryton is found on this host",
			"Name its ports in rpc_ports; in a pod, share the process namespace (shareProcessNamespace: true).")...)
	}
	return out
}

func addresses(list []netip.AddrPort) string {
	var out []string
	for _, a := range list {
		out = append(out, a.String())
	}
	return strings.Join(out, ", ")
}

func ports(list []netip.AddrPort) string {
	var out []string
	for _, a := range list {
		if p := strconv.Itoa(int(a.Port())); !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return strings.Join(out, ", ")
}

func plural(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}
