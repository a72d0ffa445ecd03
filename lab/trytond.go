package lab

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Database is trytond's database.
const Database = "tryton"

// The administrator of the prepared database.
const (
	adminLogin    = "admin"
	adminPassword = "lab-administrator"
)

//go:embed python/perfdlab.py
var notes string

// TrytondConfig says how a trytond is to run. A value with nothing but Postgres set works.
type TrytondConfig struct {
	// Postgres is the server that has trytond's database; see TrytonPostgreSQL.
	Postgres *Postgres
	// Route is the host and port, or the folder and port of a Unix socket, by which trytond reaches
	// PostgreSQL. Defaults to its own address; a proxy's goes here.
	Route Route
	// Port is where it listens. Defaults to a free one.
	Port uint16
	// Workers is the number of gunicorn's processes. Defaults to none: trytond's own threaded server, which
	// closes each connection after one request.
	Workers int
	// Threads is the number of threads of each of gunicorn's processes. Defaults to 4.
	Threads int
	// Settings are further lines of trytond.conf by section. Defaults to none.
	Settings map[string][]string
}

// Route is a way to a PostgreSQL server.
type Route struct {
	Host    string // name, address, or folder of a Unix socket
	Port    uint16
	SSLMode string // as libpq has it; defaults to "disable"
}

func (r Route) uri() string {
	mode := r.SSLMode
	if mode == "" {
		mode = "disable"
	}
	u := url.URL{Scheme: "postgresql", User: url.UserPassword(trytonRole, trytonPassword)}
	query := url.Values{"sslmode": {mode}}
	port := strconv.Itoa(int(r.Port))
	if strings.HasPrefix(r.Host, "/") {
		query.Set("host", r.Host)
		query.Set("port", port)
	} else {
		u.Host = r.Host + ":" + port
	}
	u.Path, u.RawQuery = "/", query.Encode()
	return u.String()
}

// Trytond is a running trytond.
type Trytond struct {
	Addr netip.AddrPort // where it listens
	Log  string         // what it says

	t       testing.TB
	config  TrytondConfig
	dir     string
	file    string // trytond.conf
	account *account
	server  *server
}

// RunTrytond starts a trytond and waits until it answers.
func RunTrytond(t testing.TB, c TrytondConfig) *Trytond {
	t.Helper()
	Alone(t)
	s := newTrytond(t, c)
	s.run()
	return s
}

func trytondAdmin(t testing.TB) string { return program(t, "trytond-admin", "tryton-server") }

func newTrytond(t testing.TB, c TrytondConfig) *Trytond {
	t.Helper()
	a := servant(t, "nobody", "base-passwd")
	s := &Trytond{t: t, config: c, dir: folder(t, a), account: a, Addr: loopback(c.Port)}
	if c.Port == 0 {
		s.Addr = loopback(FreePort(t))
	}
	if s.config.Threads == 0 {
		s.config.Threads = 4
	}
	route := c.Route
	if route.Host == "" {
		route.Host, route.Port = c.Postgres.Addr.Addr().String(), c.Postgres.Addr.Port()
	}
	settings := map[string][]string{
		"web":             {"listen = " + s.Addr.String()},
		"database":        {"uri = " + route.uri(), "path = " + s.dir + "/files"},
		"wsgi middleware": {"witness = perfdlab.Witness"},
		"wsgi witness":    {"args = (" + strconv.Quote(s.dir) + ",)"},
	}
	for section, lines := range c.Settings {
		settings[section] = append(settings[section], lines...)
	}
	var text strings.Builder
	for section, lines := range settings {
		fmt.Fprintf(&text, "[%s]\n%s\n", section, strings.Join(lines, "\n"))
	}
	s.file = filepath.Join(s.dir, "trytond.conf")
	write(t, s.file, a, 0o600, text.String())
	write(t, filepath.Join(s.dir, "perfdlab.py"), a, 0o644, notes)
	write(t, filepath.Join(s.dir, "password"), a, 0o600, adminPassword+"\n")
	return s
}

func (s *Trytond) env() []string {
	return []string{
		"PYTHONPATH=" + s.dir, "PYTHONDONTWRITEBYTECODE=1", "TRYTONPASSFILE=" + filepath.Join(s.dir, "password"),
		"TRYTOND_CONFIG=" + s.file, "TRYTOND_DATABASE_NAMES=" + Database,
	}
}

// admin runs trytond-admin on the database.
func (s *Trytond) admin(args ...string) {
	s.t.Helper()
	do(s.t, s.dir, s.account, s.env(), append([]string{trytondAdmin(s.t), "-c", s.file, "-d", Database}, args...)...)
}

func (s *Trytond) run() {
	s.t.Helper()
	argv := []string{program(s.t, "trytond", "tryton-server"), "-c", s.file, "-d", Database}
	if n := s.config.Workers; n > 0 {
		argv = []string{
			program(s.t, "gunicorn", "gunicorn"), "-b", s.Addr.String(), "-w", strconv.Itoa(n), "-k", "gthread",
			"--threads", strconv.Itoa(s.config.Threads), "--keep-alive", "30", "trytond.application:app",
		}
	}
	ready := func() bool { return accepts("tcp", s.Addr.String()) }
	s.server = start(s.t, "trytond", s.dir, s.account, syscall.SIGTERM, ready, s.env(), argv...)
	s.Log = s.server.log
}

// Stop ends the server.
func (s *Trytond) Stop() { s.server.stop(syscall.SIGTERM) }

// PID is the server's process id: that of gunicorn's master if it has workers.
func (s *Trytond) PID() int { return s.server.cmd.Process.Pid }

// populate makes the users and the parties that they work with.
func (s *Trytond) populate(ctx context.Context) error {
	c := newClient(s.Addr.String(), nil)
	defer c.close()
	if err := c.login(ctx, adminLogin, adminPassword); err != nil {
		return err
	}
	for i := range maxUsers {
		if _, err := c.must(ctx, "model.res.user.create", []any{map[string]any{
			"name": fmt.Sprintf("Person %d", i+1), "login": userLogin(i), "password": userPassword(i),
		}}); err != nil {
			return err
		}
	}
	var parties []any
	for i := range 300 {
		parties = append(parties, party(fmt.Sprintf("Party %03d", i), i%3))
	}
	_, err := c.must(ctx, "model.party.party.create", parties)
	return errors.Join(err, c.logout(ctx))
}

// party is the values of a party with n addresses and a mail address each.
func party(name string, n int) map[string]any {
	var addresses, contacts []any
	for i := range n {
		addresses = append(addresses, map[string]any{"street": fmt.Sprintf("Street %d", i+1), "city": "Town", "postal_code": "12345"})
		contacts = append(contacts, map[string]any{"type": "email", "value": fmt.Sprintf("someone%d@example.com", i+1)})
	}
	v := map[string]any{"name": name}
	if n > 0 {
		v["addresses"] = []any{[]any{"create", addresses}}
		v["contact_mechanisms"] = []any{[]any{"create", contacts}}
	}
	return v
}
