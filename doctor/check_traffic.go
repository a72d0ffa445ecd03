package doctor

import (
	"context"
	"errors"
	"fmt"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/config"
)

// trafficCheck looks at packets for a moment.
type trafficCheck struct {
	settings *config.Config
	tap      func(context.Context) (Traffic, error)
}

func (trafficCheck) name() string { return "traffic" }

func (c trafficCheck) run(ctx context.Context) []Finding {
	if c.tap == nil {
		return nil
	}
	t, err := c.tap(ctx)
	if err != nil {
		fix := "See the packet tap above."
		var live *capture.LiveError
		if errors.As(err, &live) && live.Hint != "" {
			fix = live.Hint
		}
		return fail("packets cannot be tapped: "+err.Error(), fix)
	}
	if t.Packets == 0 {
		return warn(fmt.Sprintf("no packet within %s", t.For),
			"Use the application meanwhile; if there is still none, check interfaces, rpc_ports and pg_ports.")
	}
	var out []Finding
	switch {
	case t.HTTP == 0 && t.EncryptedHTTP > 0:
		out = append(out, fail("RPC traffic is encrypted: "+connections(t.EncryptedHTTP, "TLS"),
			"Name the port behind the proxy that ends TLS in rpc_ports (Odoo's own, 8069), or put perfd proxy there.")...)
	case t.HTTP == 0:
		out = append(out, warn("no HTTP connection was seen", "Use the application meanwhile; then check rpc_ports.")...)
	default:
		out = append(out, ok(fmt.Sprintf("%s, %s", connections(t.HTTP, "HTTP"), plural(int(t.Calls), "call", "calls")))...)
	}
	switch {
	case c.settings.PGLog.Path != "":
		out = append(out, ok("statements come from PostgreSQL's log")...)
	case t.EncryptedSQL > 0:
		state := warn
		if t.SQL <= t.EncryptedSQL {
			state = fail
		}
		out = append(out, state("PostgreSQL traffic is encrypted: "+connections(t.EncryptedSQL, "TLS or GSS"),
			"Set db_sslmode = disable where client and server share a host, or put perfd proxy in between, or follow the log (pg_log.path).")...)
	case t.SQL == 0:
		out = append(out, warn("no PostgreSQL connection was seen", "If a Unix socket is used, "+lower(blindFix))...)
	default:
		out = append(out, ok(fmt.Sprintf("%s, %s", connections(t.SQL, "PostgreSQL"), plural(int(t.Statements), "statement", "statements")))...)
	}
	if t.Drops > 0 {
		out = append(out, warn(fmt.Sprintf("%d packets were dropped, %d seen", t.Drops, t.Packets), "Give perfd more CPU, or name the ports so that the kernel filters.")...)
	}
	return out
}

func connections(n int64, kind string) string {
	return plural(int(n), kind+" connection", kind+" connections")
}

func lower(s string) string { return string(s[0]|0x20) + s[1:] }
