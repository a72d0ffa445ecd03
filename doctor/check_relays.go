package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Relay is one way through perfd proxy.
type Relay struct {
	Protocol         string // HTTP or PostgreSQL
	Listen, Upstream string
	Down             string        // why the upstream cannot be reached; empty if it can
	For              time.Duration // that it has been open
	Connections      int64         // of clients
}

// relayCheck tells whether what should pass perfd proxy does.
type relayCheck struct {
	relays func() []Relay
	host   hostFunc
}

func (relayCheck) name() string { return "relays" }

const (
	relayPatience = time.Minute // until a client is missed
	relayedSQL    = "PostgreSQL"
)

func (c relayCheck) run(ctx context.Context) []Finding {
	if c.relays == nil {
		return nil
	}
	var out []Finding
	var doors []uint16 // to PostgreSQL
	front := ""
	for _, r := range c.relays() {
		what, meant := "HTTP", "Point the clients, or the proxy in front, at it."
		if r.Protocol == relayedSQL {
			what, meant = relayedSQL, "Set db_host and db_port in odoo.conf (uri in trytond.conf) to it."
			front = r.Listen
			if a, err := netip.ParseAddrPort(r.Listen); err == nil {
				doors = append(doors, a.Port())
			}
		}
		switch {
		case r.Down != "":
			out = append(out, fail(fmt.Sprintf("%s behind %s cannot be reached: %s", what, r.Listen, r.Down),
				fmt.Sprintf("Start what should listen on %s, or correct the relay's address.", r.Upstream))...)
		case r.Connections == 0 && r.For >= relayPatience:
			out = append(out, warn(fmt.Sprintf("nobody has connected to %s on %s yet", what, r.Listen), meant)...)
		default:
			out = append(out, ok(fmt.Sprintf("%s passes from %s to %s, %s", what, r.Listen, r.Upstream, plural(int(r.Connections), "connection", "connections")))...)
		}
	}
	if front == "" {
		return out
	}
	h, _, _ := c.host(ctx) // evidence tells of an error
	for _, s := range h.Servers {
		for _, l := range s.Links {
			past := l.Network == "tcp" && !slices.Contains(doors, linkPort(l)) || l.Network == "unix" && len(doors) > 0
			if past && l.Connections > 0 {
				out = append(out, warn(fmt.Sprintf("%s (pid %d) reaches PostgreSQL by %s, past perfd", s.Name, s.PID, l.Address),
					fmt.Sprintf("Set db_host and db_port in odoo.conf (uri in trytond.conf) to %s.", front))...)
			}
		}
	}
	return out
}
