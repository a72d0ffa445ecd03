package main

import (
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/perfd/perfd/lab"
)

// socketDir is a folder for sockets that others may enter. Their paths must be short.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "perfd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestProxyLive lets users work through `perfd proxy` with a real trytond, and trytond with PostgreSQL, over every
// kind of connection, and compares what the store holds with what trytond noted.
func TestProxyLive(t *testing.T) {
	for _, c := range []struct {
		name       string
		setup      lab.TrytondConfig
		unix, tls  bool
		exact, few float64 // least share of statements, in percent, that go to the right call with threads known, and without
	}{
		{"one threaded process, TLS to PostgreSQL", lab.TrytondConfig{}, false, true, 95, 95},                     // 98.7 to 100
		{"gunicorn with several processes, TCP", lab.TrytondConfig{Workers: 3, Threads: 4}, false, false, 95, 95}, // 97.7 to 100
		{"gunicorn with several processes, Unix sockets of PostgreSQL", lab.TrytondConfig{Workers: 3, Threads: 4}, true, false, 99.9, 90},
	} {
		t.Run(c.name, func(t *testing.T) {
			pg := lab.TrytonPostgreSQL(t, lab.PostgresConfig{TLS: c.tls})
			c.setup.Postgres, c.setup.Port = pg, lab.FreePort(t)
			upstream := netip.AddrPortFrom(pg.Addr.Addr(), c.setup.Port).String()
			path := filepath.Join(t.TempDir(), "proxied.db")
			args := []string{"proxy", "--store", path, "--listen", "127.0.0.1:0"}
			sockets := socketDir(t)
			switch {
			case c.unix:
				args = append(args, "--http", "127.0.0.1:0="+upstream, "--pg", sockets+"/="+pg.SocketPath())
			case c.tls:
				args = append(args, "--http", "127.0.0.1:0="+upstream, "--pg", "127.0.0.1:0="+pg.Addr.String(), "--pg-sslmode", "verify-full", "--pg-sslrootcert", pg.CA)
			default:
				args = append(args, "--http", "127.0.0.1:0="+upstream, "--pg", "127.0.0.1:0="+pg.Addr.String(), "--pg-sslmode", "disable")
			}
			p := &watch{perfdProcess: startPerfd(t, args...), store: path}
			p.base = p.await(`perfd is serving on (http://\S+)`)[1]
			until(t, "perfd says what it does", func() bool { return strings.Contains(p.stderr(), "perfd keeps calls") })
			said := func(pattern string) string { return regexp.MustCompile(pattern).FindStringSubmatch(p.stderr())[1] }
			crowd := lab.Crowd{Host: said(`relays HTTP from (\S+) to`), Bursts: 3}
			front := said(`relays PostgreSQL from (\S+) to`)
			if c.unix {
				c.setup.Route = lab.Route{Host: sockets, Port: 5432}
			} else {
				a := netip.MustParseAddrPort(front)
				c.setup.Route = lab.Route{Host: a.Addr().String(), Port: a.Port()}
			}
			percent := c.few
			if said(`perfd attributes statements (.*)`) == "by processes and threads" {
				percent = c.exact
			}
			server := lab.RunTrytond(t, c.setup)
			if percent == c.exact { // the server was started after perfd, which looks around once a second
				until(t, "the server's threads are watched", func() bool {
					if conn, err := net.Dial("tcp", upstream); err == nil {
						_, _ = conn.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
						_, _ = io.Copy(io.Discard, conn)
						_ = conn.Close()
					}
					return p.metric("thread_events_total") > 0
				})
			}
			calls, err := crowd.Work(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			until(t, "calls are shown while perfd runs", func() bool {
				_, body := p.get("/api/v1/calls?class=all&sort=start&order=desc&limit=1")
				return strings.Contains(body, `"method":"logout"`)
			})
			if status, body := p.get("/readyz"); status != 200 {
				t.Errorf("readyz: %d %s", status, body)
			}
			if n := p.metric("tap_packets_total"); n < float64(len(calls)) {
				t.Errorf("%.0f pieces were seen of %d calls", n, len(calls))
			}
			server.Stop()
			if code := p.stop(syscall.SIGTERM); code != exitOK {
				t.Errorf("perfd proxy: exit %d, said %s", code, p.stderr())
			}
			checkAnswers(t, server.TruthByBackend(calls), storedAnswers(t, path, byBackend), percent)
			if code, out, errOut := perfd(t, nil, "analyze", path); code != exitOK || !strings.Contains(out, "calls") {
				t.Errorf("perfd analyze: exit %d, %s %s", code, out, errOut)
			}
		})
	}
}
