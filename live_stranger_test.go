package perfd_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/fixtures/truth"
	"github.com/perfd/perfd/lab"
)

// script is somebody who connects, asks a little and leaves, again and again, until ctx ends. It returns its ports.
func script(ctx context.Context, t *testing.T, dsn string) map[uint16]bool {
	ports := map[uint16]bool{}
	for ctx.Err() == nil {
		conn, err := pgconn.Connect(ctx, dsn)
		if err != nil {
			if ctx.Err() == nil {
				t.Errorf("script: %v", err)
			}
			return ports
		}
		ports[uint16(conn.Conn().LocalAddr().(*net.TCPAddr).Port)] = true
		for _, sql := range []string{
			"SELECT count(*) FROM party_party", `SELECT "a"."id", "a"."street" FROM "party_address" AS "a" WHERE ("a"."party" = 7)`,
			"SELECT id, name, login FROM res_user WHERE active",
		} {
			if err := conn.Exec(ctx, sql).Close(); err != nil && ctx.Err() == nil {
				t.Errorf("script: %v", err)
			}
		}
		_ = conn.Close(ctx)
	}
	return ports
}

// TestLiveStranger watches a real trytond on whose database a script works all the time, with nothing to go by but packets: what the
// script runs is no call's, and least of all for certain.
func TestLiveStranger(t *testing.T) {
	if !canTap(t) {
		return
	}
	pg := lab.TrytonPostgreSQL(t, lab.PostgresConfig{})
	server := lab.RunTrytond(t, lab.TrytondConfig{Postgres: pg})
	warmUp(t, server)
	w := &watching{}
	h := newHouseWith(analyzer.Config{Live: true}, &w.got)
	end := tap(t, h, capture.LiveConfig{
		RPCPorts: []uint16{server.Addr.Port()}, PGPorts: []uint16{pg.Addr.Port()},
		Between: func(now time.Time) { h.relay.Advance(now) },
	})
	ctx, cancel := context.WithCancel(t.Context())
	var ports map[uint16]bool
	var working sync.WaitGroup
	working.Go(func() { ports = script(ctx, t, pg.DSN(lab.Database, "disable")) })
	calls, err := lab.Crowd{Host: server.Addr.String(), Users: 1, Bursts: 4}.Work(t.Context())
	cancel()
	working.Wait()
	end()
	if err != nil {
		t.Fatal(err)
	}
	want := server.Truth(calls)
	for _, s := range want.Statements {
		delete(ports, s.Port) // used by the server before or after
	}
	var given, all truth.Share
	for _, tr := range w.got.traces {
		for _, s := range tr.Spans {
			stranger := ports[s.Statement.Session.Client.Port()]
			if s.By.Exact() {
				all = plus(all, !stranger)
			}
			if stranger {
				given.Right++
			}
		}
	}
	for _, b := range w.got.backgrounds {
		for _, s := range b.Spans {
			if ports[s.Statement.Session.Client.Port()] {
				given.Of++
			}
		}
	}
	given.Of += given.Right
	t.Logf("%d connections of the script; %d of its %d statements were given to calls; %d of %d certain answers are right",
		len(ports), given.Right, given.Of, all.Right, all.Of)
	if given.Of < 50 || float64(given.Right) > 0.02*float64(given.Of) {
		t.Errorf("%d of the script's %d statements were given to calls", given.Right, given.Of)
	}
	atLeast(t, "answers for certain", all, 99.9)
	atLeast(t, "statements given to the right call", truth.Judge(want, w.got.answers()).Attributed, byPackets)
}
