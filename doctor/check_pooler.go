package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/perfd/perfd/config"
)

// poolers hand one PostgreSQL connection to several clients: behind them nothing tells whose statement it is.
var poolers = []string{"pgbouncer", "odyssey", "pgcat", "pgpool", "supavisor", "pgdog"}

// poolerCheck finds a pooler between the application and PostgreSQL.
type poolerCheck struct {
	settings *config.Config
	host     hostFunc
}

func (poolerCheck) name() string { return "pooler" }

func (c poolerCheck) run(ctx context.Context) []Finding {
	h, _, _ := c.host(ctx) // evidence tells of an error
	var out []Finding
	for _, d := range h.Databases {
		name := path.Base(strings.Fields(d.Command + " ?")[0])
		if !slices.ContainsFunc(poolers, func(p string) bool { return strings.HasPrefix(name, p) }) {
			continue
		}
		who := fmt.Sprintf("%s (pid %d) listens on %s", name, d.PID, addresses(d.Listen))
		switch {
		case len(d.Listen) == 0:
			out = append(out, fail(fmt.Sprintf("%s (pid %d) is reached by a Unix socket, where a tap sees nothing", name, d.PID),
				"Let it listen on 127.0.0.1 and set db_host and db_port in odoo.conf to it.")...)
		case len(c.settings.PGPorts) > 0 && !slices.ContainsFunc(d.Listen, func(a netip.AddrPort) bool { return slices.Contains(c.settings.PGPorts, a.Port()) }):
			out = append(out, warn(who+", which is not in pg_ports: behind it, statements of many callers share connections",
				fmt.Sprintf("Set pg_ports to %d alone, where the application reaches it.", d.Listen[0].Port()))...)
		default:
			out = append(out, ok(who+", where it is tapped")...)
		}
	}
	return out
}
