package perfd_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/fixtures/truth"
	"github.com/perfd/perfd/lab"
	"github.com/perfd/perfd/proxy"
)

// TestLiveProxy lets users work with a real trytond through perfd's proxies, and trytond with PostgreSQL, and
// compares what they saw with what trytond noted.
func TestLiveProxy(t *testing.T) {
	var all truth.Share
	add := func(s truth.Share) { all.Right, all.Of = all.Right+s.Right, all.Of+s.Of }
	t.Run("TCP", func(t *testing.T) {
		pg := lab.TrytonPostgreSQL(t, lab.PostgresConfig{})
		to := proxy.Address{Network: "tcp", Host: pg.Addr.String()}
		add(proxied(t, pg, proxy.PostgreSQLConfig{Upstream: to}, anyPort, lab.Route{Host: "127.0.0.1"}))
	})
	t.Run("TLS", func(t *testing.T) {
		pg := lab.TrytonPostgreSQL(t, lab.PostgresConfig{TLS: true})
		// The proxy shows the server's own certificate, so that passwords can be bound to it as without a proxy.
		own, err := tls.LoadX509KeyPair(pg.CA, pg.Key)
		if err != nil {
			t.Fatal(err)
		}
		to := proxy.Address{Network: "tcp", Host: pg.Addr.String()}
		add(proxied(t, pg, proxy.PostgreSQLConfig{
			Upstream: to, TLS: proxy.ServerTLS{Mode: "verify-full", RootCert: pg.CA}, Certificate: &own, RequireTLS: true,
		}, anyPort, lab.Route{Host: "127.0.0.1", SSLMode: "require"}))
	})
	t.Run("Unix socket", func(t *testing.T) {
		pg := lab.TrytonPostgreSQL(t, lab.PostgresConfig{})
		to := proxy.Address{Network: "unix", Host: pg.SocketPath()}
		folder := lab.Folder(t)
		from, err := proxy.ParseAddress(folder)
		if err != nil {
			t.Fatal(err)
		}
		add(proxied(t, pg, proxy.PostgreSQLConfig{Upstream: to}, from, lab.Route{Host: folder, Port: 5432}))
	})
	atLeast(t, "statements given to the right call in all forms", all, 97)
}

var anyPort = proxy.Address{Network: "tcp", Host: "127.0.0.1:0"}

// Places of the decoders in a feed.
const (
	feedRPC = iota
	feedSQL
)

// proxied starts a proxy in front of pg that listens on from, a trytond that reaches it by route, and a proxy in
// front of that, and returns how many statements went to the right call. Route's port, if 0, is the first proxy's.
func proxied(t *testing.T, pg *lab.Postgres, c proxy.PostgreSQLConfig, from proxy.Address, route lab.Route) truth.Share {
	t.Helper()
	var got collector
	h := newHouse(&got)
	feed := capture.NewFeed(capture.FeedConfig{}, []capture.Protocol{feedRPC: h.calls, feedSQL: h.sql}...)
	feeding, fed := context.WithCancel(context.Background())
	feedEnded := make(chan error, 1)
	go func() { feedEnded <- feed.Run(feeding) }()

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	run := func(s interface {
		Run(ctx context.Context, ln net.Listener) error
	}, ln net.Listener) {
		go func() { ended <- s.Run(ctx, ln) }()
	}
	c.Protocol = feedSQL
	sql, err := proxy.NewPostgreSQL(c, feed)
	if err != nil {
		t.Fatal(err)
	}
	sqlDoor := listen(t, from)
	run(sql, sqlDoor)
	if route.Port == 0 {
		route.Port = netip.MustParseAddrPort(sqlDoor.Addr().String()).Port()
	}
	server := lab.RunTrytond(t, lab.TrytondConfig{Postgres: pg, Route: route, Workers: 2})
	warmUp(t, server)
	rpcDoor := listen(t, anyPort)
	run(proxy.NewHTTP(proxy.HTTPConfig{
		Upstream: proxy.Address{Network: "tcp", Host: server.Addr.String()}, Protocol: feedRPC,
	}, feed), rpcDoor)

	calls, err := lab.Crowd{Host: rpcDoor.Addr().String(), Bursts: 3}.Work(t.Context())
	server.Stop()
	stop()
	err = errors.Join(err, <-ended, <-ended)
	fed()
	if err := errors.Join(err, <-feedEnded, h.relay.Flush()); err != nil {
		t.Fatal(err)
	}
	if s := feed.Stats(); s.Dropped != 0 || s.Refused != 0 {
		t.Errorf("feed: %+v", s)
	}
	score := liveScore(t, server.TruthByBackend(calls), got.byBackend())
	atLeast(t, "statements given to the right call", score.Attributed, byPackets)
	return score.Attributed
}

func listen(t *testing.T, a proxy.Address) net.Listener {
	t.Helper()
	ln, err := proxy.Listen(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// byBackend is the answers with lab.BackendPort in place of the ports of PostgreSQL's clients.
func (c *collector) byBackend() truth.Answers {
	a := c.answers()
	i := 0
	for _, t := range c.traces {
		for _, s := range t.Spans {
			a.Statements[i].Port = lab.BackendPort(s.Statement.Session.Backend)
			i++
		}
	}
	for _, b := range c.backgrounds {
		for _, s := range b.Spans {
			a.Statements[i].Port = lab.BackendPort(s.Statement.Session.Backend)
			i++
		}
	}
	return a
}
