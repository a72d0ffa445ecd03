package process

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/perfd/perfd/lab"
)

// noted is what trytond noted of a request.
type noted struct {
	PID      int32  `json:"pid"`
	TID      int32  `json:"tid"`
	RPC      int64  `json:"rpc_id"`
	HTTPPort uint16 `json:"http_port"`
	Events   []struct {
		Port     uint16  `json:"port"`
		Start    float64 `json:"t"`
		Duration float64 `json:"d"`
	} `json:"ev"`
}

func moment(seconds float64) time.Time { return time.UnixMicro(int64(seconds * 1e6)) }

// usesOf turns trytond's notes into uses of its ends: those of HTTP connections and those of PostgreSQL ones.
func usesOf(t *testing.T, s *lab.Trytond, database netip.AddrPort, calls []lab.Call) (requests, queries []use) {
	t.Helper()
	made := map[int64]lab.Call{}
	for _, c := range calls {
		made[c.ID] = c
	}
	for text := range bytes.Lines(s.TruthLines(calls)) {
		var n noted
		if err := json.Unmarshal(text, &n); err != nil {
			t.Fatal(err)
		}
		if c, ok := made[n.RPC]; ok && n.HTTPPort != 0 {
			requests = append(requests, use{s.Addr, netip.AddrPortFrom(s.Addr.Addr(), n.HTTPPort), c.Start, c.End, n.PID, n.TID})
		}
		for _, e := range n.Events {
			own := netip.AddrPortFrom(database.Addr(), e.Port)
			queries = append(queries, use{own, database, moment(e.Start), moment(e.Start + e.Duration), n.PID, n.TID})
		}
	}
	return requests, queries
}

// hinted has clients tell Observers of their connections, as a tap does, and hints them at those to PostgreSQL.
func hinted(observers []*Observer) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			for _, o := range observers {
				o.Seen(addrOf(c.LocalAddr()), addrOf(c.RemoteAddr()), time.Now())
			}
		}
		return c, err
	}
}

// TestTrytond names the thread of each request and of each statement of a real server, from each source at once.
func TestTrytond(t *testing.T) {
	for name, form := range map[string]struct {
		config  lab.TrytondConfig
		workers int
	}{
		"threaded": {lab.TrytondConfig{}, 0},
		"gunicorn": {lab.TrytondConfig{Workers: 2}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			c := form.config
			c.Postgres = lab.TrytonPostgreSQL(t, lab.PostgresConfig{})
			var observers []*Observer
			for _, source := range append(sources(t), ThreadsOff) {
				observers = append(observers, observe(t, Config{Threads: source, Rescan: 100 * time.Millisecond, DatabasePorts: []uint16{c.Postgres.Addr.Port()}}))
			}
			s := lab.RunTrytond(t, c)
			for _, o := range observers {
				eventually(t, "server found", func() bool {
					f := serverAt(o, s.Addr.String())
					return f != nil && f.Kind == Tryton && f.Count(Worker)+f.Count(HTTP) == form.workers
				})
			}
			calls, err := lab.Crowd{Host: s.Addr.String(), Dial: hinted(observers)}.Work(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			requests, queries := usesOf(t, s, c.Postgres.Addr, calls)
			if len(requests) < 50 || len(queries) < 500 {
				t.Fatalf("%d requests and %d statements noted", len(requests), len(queries))
			}
			end := time.Now()
			for _, o := range observers {
				source := o.Stats().Threads.Source
				if source == ThreadsOff {
					for i := range requests {
						requests[i].tid = 0
					}
					if got := score(t, o, "processes of requests", requests); got < 0.9 {
						t.Errorf("%.3f %% of requests right, want 90", 100*got)
					}
					continue
				}
				eventually(t, "all taken in", func() bool { return o.Stats().Threads.Horizon.After(end) })
				if got := score(t, o, source.String()+": requests", requests); got < 0.999 {
					t.Errorf("%.3f %% of requests right, want 99.9", 100*got)
				}
				if got := score(t, o, source.String()+": statements", queries); got < 0.999 {
					t.Errorf("%.3f %% of statements right, want 99.9", 100*got)
				}
			}
		})
	}
}

// TestDatabasesOfServers finds how a server reaches PostgreSQL.
func TestDatabasesOfServers(t *testing.T) {
	pg := lab.PostgreSQL(t, lab.PostgresConfig{})
	for _, want := range []Link{{"tcp", pg.Addr.String(), 2}, {"unix", pg.SocketPath(), 2}} {
		t.Run(want.Network, func(t *testing.T) {
			t.Setenv("PERFD_TEST_HOLD", want.Network+" "+want.Address)
			a := startApp(t, "serve", "", 1, 0, "python3", "odoo-bin")
			o := observe(t, Config{Threads: ThreadsOff, Rescan: 10 * time.Millisecond})
			eventually(t, "link found", func() bool {
				f := serverAt(o, a.addr)
				return f != nil && len(f.Databases) == 1 && f.Databases[0] == want
			})
			i := slices.IndexFunc(o.Databases(), func(d Database) bool { return d.Pid == int32(pg.PID()) })
			if i < 0 {
				t.Fatalf("databases: %+v, want that of process %d", o.Databases(), pg.PID())
			}
			if d := o.Databases()[i]; d.Command != "postgres" || len(d.Listen) != 1 || d.Listen[0] != pg.Addr || len(d.Sockets) != 1 || d.Sockets[0] != pg.SocketPath() {
				t.Errorf("database: %+v", d)
			}
		})
	}
}
