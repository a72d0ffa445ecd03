package activity_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/perfd/perfd/lab"
	"github.com/perfd/perfd/sqltrace/activity"
)

func TestAsk(t *testing.T) {
	pg := lab.PostgreSQL(t, lab.PostgresConfig{})
	cfg, err := pgx.ParseConfig(pg.DSN("postgres", "disable"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.RuntimeParams["application_name"] = "odoo-4711"
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	known, err := activity.Ask(t.Context(), pg.DSN("postgres", "disable"))
	if err != nil {
		t.Fatal(err)
	}
	client := netip.MustParseAddrPort(conn.PgConn().Conn().LocalAddr().String())
	k, ok := known[netip.AddrPortFrom(client.Addr().Unmap(), client.Port())]
	if !ok || k.Application != "odoo-4711" || k.Database != "postgres" || k.User != cfg.User || uint32(k.Backend) != conn.PgConn().PID() {
		t.Errorf("%s is %+v (%v) among %d", client, k, ok, len(known))
	}
}

func TestAskTellsNoSecret(t *testing.T) {
	const secret = "canary"
	for _, dsn := range []string{
		"postgres://odoo:" + secret + "@127.0.0.1:1/db", "host=127.0.0.1 port=1 password=" + secret, "postgres://odoo:" + secret + "@[", "password=" + secret + " port=x",
	} {
		if _, err := activity.Ask(t.Context(), dsn); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%v, want an error without the password", err)
		}
	}
}
