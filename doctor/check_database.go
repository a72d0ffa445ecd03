package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/perfd/perfd/config"
)

const blindFix = "Set db_host = 127.0.0.1 in odoo.conf (uri in trytond.conf), or put perfd proxy in between, or follow the server's log (pg_log.path)."

// databaseCheck tells whether statements can be seen on their way.
type databaseCheck struct {
	settings  *config.Config
	host      hostFunc
	listening func() (map[uint16]bool, error)
}

func (databaseCheck) name() string { return "database" }

func (c databaseCheck) run(ctx context.Context) []Finding {
	h, _, _ := c.host(ctx) // evidence tells of an error
	var out []Finding
	tapped := 0
	for _, s := range h.Servers {
		for _, l := range s.Links {
			who := fmt.Sprintf("%s (pid %d) reaches PostgreSQL by", s.Name, s.PID)
			switch port := linkPort(l); {
			case l.Network == "unix" && c.settings.PGLog.Path != "":
				out = append(out, ok(fmt.Sprintf("%s the Unix socket %s; statements come from the log", who, l.Address))...)
			case l.Network == "unix":
				out = append(out, fail(fmt.Sprintf("%s the Unix socket %s, where a tap sees nothing", who, l.Address), blindFix)...)
			case len(c.settings.PGPorts) > 0 && !slices.Contains(c.settings.PGPorts, port):
				out = append(out, warn(fmt.Sprintf("%s %s, whose port is not in pg_ports", who, l.Address),
					fmt.Sprintf("Add %d to pg_ports, or leave pg_ports empty.", port))...)
			default:
				tapped++
				out = append(out, ok(fmt.Sprintf("%s %s, %s", who, l.Address, plural(l.Connections, "connection", "connections")))...)
			}
		}
	}
	for _, d := range h.Databases {
		if len(d.Listen) == 0 && len(d.Sockets) > 0 && tapped == 0 {
			state := warn
			if c.settings.PGLog.Path != "" {
				continue
			}
			out = append(out, state(fmt.Sprintf("%s (pid %d) listens on Unix sockets alone", d.Command, d.PID),
				"Set listen_addresses = 'localhost' in postgresql.conf and db_host = 127.0.0.1 in odoo.conf.")...)
		}
	}
	if ports, err := c.listening(); err == nil && tapped == 0 {
		for _, p := range c.settings.PGPorts {
			if !ports[p] {
				out = append(out, warn(fmt.Sprintf("nothing on this host listens on port %d, which pg_ports names", p),
					"That is right if PostgreSQL runs elsewhere; then tap the interface that leads there.")...)
			}
		}
	}
	return out
}

func linkPort(l Link) uint16 {
	a, err := netip.ParseAddrPort(l.Address)
	if err != nil {
		return 0
	}
	return a.Port()
}
