package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/config"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// set is the default settings with changes.
func set(change func(*config.Config)) *config.Config {
	c := config.Default()
	if change != nil {
		change(&c)
	}
	return &c
}

func known(h Host) hostFunc {
	return once(func(context.Context) (Host, error) { return h, nil })
}

func port(list ...uint16) func() (map[uint16]bool, error) {
	return func() (map[uint16]bool, error) {
		m := make(map[uint16]bool)
		for _, p := range list {
			m[p] = true
		}
		return m, nil
	}
}

var (
	odoo = Server{Name: "Odoo", PID: 41, Listen: []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:8069")},
		Links: []Link{{"tcp", "127.0.0.1:5432", 5}}}
	blind     = Server{Name: "Odoo", PID: 42, Links: []Link{{"unix", "/run/postgresql/.s.PGSQL.5432", 3}}}
	postgres  = Database{Command: "/usr/lib/postgresql/15/bin/postgres", PID: 7, Sockets: []string{"/run/postgresql/.s.PGSQL.5432"}}
	pgbouncer = Database{Command: "/usr/sbin/pgbouncer", PID: 8, Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:6432")}}
	hidden    = Database{Command: "pgbouncer", PID: 9}

	rpcPort  = func(c *config.Config) { c.RPCPorts = []uint16{8069} }
	pgPort   = func(c *config.Config) { c.PGPorts = []uint16{5432} }
	followed = func(c *config.Config) { c.PGLog.Path = "/var/log/pg.log" }
)

type states []struct {
	name  string
	check check
	want  string // state and a part of the text, one line each
}

func (list states) run(t *testing.T) {
	t.Helper()
	for _, tt := range list {
		t.Run(tt.name, func(t *testing.T) {
			found := tt.check.run(t.Context())
			var lines []string
			for _, f := range found {
				lines = append(lines, string(f.State)+" "+f.Found)
				if (f.State == OK) != (f.Fix == "") {
					t.Errorf("%+v: what is not well needs a fix, and only that", f)
				}
				if f.Fix != "" && !strings.ContainsAny(f.Fix[len(f.Fix)-1:], ".)]") {
					t.Errorf("the fix is no sentence: %q", f.Fix)
				}
			}
			if got := strings.Join(lines, "\n"); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func caps(n ...int) func() (capabilities, error) {
	var c capabilities
	for _, i := range n {
		c |= 1 << i
	}
	return func() (capabilities, error) { return c, nil }
}

func TestPermissions(t *testing.T) {
	denied := &capture.LiveError{Op: "open tap", Hint: "setcap it.", Err: errors.New("capability CAP_NET_RAW is missing")}
	off := set(func(c *config.Config) { c.Evidence = config.Evidence{Process: config.Off, Threads: config.Off} })
	on := set(func(c *config.Config) { c.Evidence = config.Evidence{Process: config.On, Threads: config.On} })
	lack := Host{Sockets: Lack{Reason: "no netlink", Fix: "Allow it."}, Threads: Lack{Reason: "no eBPF"}}
	failing := once(func(context.Context) (Host, error) { return Host{}, errors.New("no proc") })
	states{
		{"tap", tapCheck{func() error { return nil }}, "ok packets may be tapped"},
		{"no tap", tapCheck{func() error { return denied }}, "fail open tap: capability CAP_NET_RAW is missing"},
		{"tap without hint", tapCheck{func() error { return errors.New("broken") }}, "fail broken"},
		{"all", capabilityCheck{set(nil), caps(2, 13, 19, 38, 39)}, "ok has CAP_NET_RAW, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, CAP_BPF, CAP_PERFMON"},
		{"enough", capabilityCheck{off, caps(13)}, "ok has CAP_NET_RAW"},
		{"no folders", capabilityCheck{set(nil), caps(13, 19, 38, 39)}, "warn lacks CAP_DAC_READ_SEARCH (to enter /proc/PID/fd of them)"},
		{"tap alone", capabilityCheck{set(nil), caps(2, 13, 19)}, "warn lacks CAP_BPF (for thread evidence), CAP_PERFMON (for thread evidence)"},
		{"none", capabilityCheck{off, caps()}, "fail lacks CAP_NET_RAW (to tap packets)"},
		{"no status", capabilityCheck{off, func() (capabilities, error) { return 0, errors.New("no file") }}, "warn capabilities cannot be read: no file"},
		{"no Linux", capabilityCheck{off, func() (capabilities, error) { return 0, errors.ErrUnsupported }}, ""},
		{"evidence", evidenceCheck{set(nil), known(Host{})}, "ok process evidence is available\nok thread evidence is available"},
		{"evidence off", evidenceCheck{off, known(lack)}, "ok process evidence is switched off\nok thread evidence is switched off"},
		{"evidence lacks", evidenceCheck{set(nil), known(lack)}, "warn process evidence is not available: no netlink; which process made a statement is inferred\n" +
			"warn thread evidence is not available: no eBPF; which thread made a statement is inferred"},
		{"evidence must", evidenceCheck{on, known(lack)}, "fail process evidence is not available: no netlink; which process made a statement is inferred\n" +
			"fail thread evidence is not available: no eBPF; which thread made a statement is inferred"},
		{"not asked", evidenceCheck{set(nil), once(nil)}, ""},
		{"no proc", evidenceCheck{set(nil), failing}, "warn processes cannot be observed: no proc"},
	}.run(t)
}

func TestInterfaces(t *testing.T) {
	have := func(list ...netInterface) func() ([]netInterface, error) {
		return func() ([]netInterface, error) { return list, nil }
	}
	lo, eth, down := netInterface{"lo", true, true}, netInterface{"eth0", true, false}, netInterface{"eth1", false, false}
	named := func(n ...string) *config.Config { return set(func(c *config.Config) { c.Interfaces = n }) }
	states{
		{"all", interfaceCheck{set(nil), have(lo, eth, down)}, "ok tapping lo, eth0"},
		{"any", interfaceCheck{named("any"), have(lo, eth)}, "ok tapping lo, eth0"},
		{"named", interfaceCheck{named("lo"), have(lo, eth)}, "ok tapping lo"},
		{"no loopback", interfaceCheck{named("eth0"), have(lo, eth)}, "warn loopback is not tapped: connections within this host are not seen\nok tapping eth0"},
		{"down", interfaceCheck{named("lo", "eth1"), have(lo, down)}, "warn eth1 is down\nok tapping lo"},
		{"unknown", interfaceCheck{named("eth9"), have(lo)}, "fail there is no interface eth9\nfail no interface to tap is up"},
		{"error", interfaceCheck{set(nil), func() ([]netInterface, error) { return nil, errors.New("denied") }}, "fail interfaces cannot be listed: denied"},
	}.run(t)
	if all, err := listInterfaces(); err != nil || len(all) == 0 {
		t.Errorf("this host has interfaces: %v, %v", all, err)
	}
}

func TestServersAndDatabases(t *testing.T) {
	h := known(Host{Servers: []Server{odoo}})
	if f := (serverCheck{set(func(c *config.Config) { c.RPCPorts = []uint16{80} }), h, port(80)}).run(t.Context()); !strings.HasPrefix(f[1].Fix, "Add 8069 to rpc_ports") {
		t.Errorf("the fix is %q", f[1].Fix)
	}
	states{
		{"found", serverCheck{set(nil), h, port(8069)}, "ok Odoo (pid 41) listens on 0.0.0.0:8069"},
		{"other port", serverCheck{set(func(c *config.Config) { c.RPCPorts = []uint16{80} }), h, port(80)},
			"ok Odoo (pid 41) listens on 0.0.0.0:8069\nwarn none of the ports of Odoo (pid 41) is in rpc_ports"},
		{"nothing listens", serverCheck{set(rpcPort), known(Host{}), port(80)}, "warn nothing listens on port 8069, which rpc_ports names"},
		{"no listener", serverCheck{set(nil), known(Host{Servers: []Server{blind}}), port()}, "ok Odoo (pid 42) listens on no port"},
		{"none", serverCheck{set(nil), known(Host{Denied: 1}), port()}, "warn 1 process of a server may not be looked at\nwarn no Odoo or Tryton is found on this host"},
		{"not asked", serverCheck{set(nil), once(nil), port()}, ""},
		{"tcp", databaseCheck{set(pgPort), h, port(5432)}, "ok Odoo (pid 41) reaches PostgreSQL by 127.0.0.1:5432, 5 connections"},
		{"blind", databaseCheck{set(nil), known(Host{Servers: []Server{blind}}), port()},
			"fail Odoo (pid 42) reaches PostgreSQL by the Unix socket /run/postgresql/.s.PGSQL.5432, where a tap sees nothing"},
		{"log", databaseCheck{set(followed), known(Host{Servers: []Server{blind}, Databases: []Database{postgres}}), port()},
			"ok Odoo (pid 42) reaches PostgreSQL by the Unix socket /run/postgresql/.s.PGSQL.5432; statements come from the log"},
		{"unix alone", databaseCheck{set(nil), known(Host{Databases: []Database{postgres}}), port()},
			"warn /usr/lib/postgresql/15/bin/postgres (pid 7) listens on Unix sockets alone"},
		{"other pg port", databaseCheck{set(func(c *config.Config) { c.PGPorts = []uint16{5433} }), h, port(5432, 5433)},
			"warn Odoo (pid 41) reaches PostgreSQL by 127.0.0.1:5432, whose port is not in pg_ports"},
		{"elsewhere", databaseCheck{set(pgPort), known(Host{}), port()}, "warn nothing on this host listens on port 5432, which pg_ports names"},
		{"pooler", poolerCheck{set(nil), known(Host{Databases: []Database{pgbouncer, postgres}})}, "ok pgbouncer (pid 8) listens on 127.0.0.1:6432, where it is tapped"},
		{"behind pooler", poolerCheck{set(pgPort), known(Host{Databases: []Database{pgbouncer}})},
			"warn pgbouncer (pid 8) listens on 127.0.0.1:6432, which is not in pg_ports: behind it, statements of many callers share connections"},
		{"hidden pooler", poolerCheck{set(nil), known(Host{Databases: []Database{hidden}})}, "fail pgbouncer (pid 9) is reached by a Unix socket, where a tap sees nothing"},
	}.run(t)
}

func TestTraffic(t *testing.T) {
	seen := func(x Traffic) func(context.Context) (Traffic, error) {
		x.For = 2 * time.Second
		return func(context.Context) (Traffic, error) { return x, nil }
	}
	states{
		{"both", trafficCheck{&config.Config{}, seen(Traffic{Packets: 9, HTTP: 1, Calls: 2, SQL: 1, Statements: 1})}, "ok 1 HTTP connection, 2 calls\nok 1 PostgreSQL connection, 1 statement"},
		{"none", trafficCheck{&config.Config{}, seen(Traffic{})}, "warn no packet within 2s"},
		{"TLS", trafficCheck{&config.Config{}, seen(Traffic{Packets: 9, EncryptedHTTP: 2, SQL: 1, EncryptedSQL: 1})},
			"fail RPC traffic is encrypted: 2 TLS connections\nfail PostgreSQL traffic is encrypted: 1 TLS or GSS connection"},
		{"some TLS", trafficCheck{&config.Config{}, seen(Traffic{Packets: 9, HTTP: 1, SQL: 3, EncryptedSQL: 1})},
			"ok 1 HTTP connection, 0 calls\nwarn PostgreSQL traffic is encrypted: 1 TLS or GSS connection"},
		{"quiet", trafficCheck{&config.Config{}, seen(Traffic{Packets: 9, Drops: 3})},
			"warn no HTTP connection was seen\nwarn no PostgreSQL connection was seen\nwarn 3 packets were dropped, 9 seen"},
		{"denied", trafficCheck{&config.Config{}, func(context.Context) (Traffic, error) { return Traffic{}, errors.New("denied") }}, "fail packets cannot be tapped: denied"},
		{"a log", trafficCheck{&config.Config{PGLog: config.PGLog{Path: "pg.log"}}, seen(Traffic{Packets: 9, HTTP: 1, Calls: 2})},
			"ok 1 HTTP connection, 2 calls\nok statements come from PostgreSQL's log"},
		{"a log of a server that speaks TLS", trafficCheck{&config.Config{PGLog: config.PGLog{Path: "pg.log"}}, seen(Traffic{Packets: 9, HTTP: 1, SQL: 1, EncryptedSQL: 1})},
			"ok 1 HTTP connection, 0 calls\nok statements come from PostgreSQL's log"},
		{"not wanted", trafficCheck{}, ""},
	}.run(t)
}

func TestMachine(t *testing.T) {
	clocked := func(s clockState, err error) clockCheck {
		return clockCheck{func() (clockState, error) { return s, err }}
	}
	memory := func(n int64, err error) memoryCheck {
		return memoryCheck{set(nil), func() (int64, string, error) { return n, "of memory available", err }}
	}
	listen := func(err error) listenCheck {
		return listenCheck{set(nil), func(context.Context, string) error { return err }}
	}
	logs := func(change func(*config.Config), err error) logCheck {
		return logCheck{set(change), func(string) error { return err }}
	}
	states{
		{"clock", clocked(clockState{true, 3 * time.Millisecond}, nil), "ok synchronized, right within 3ms"},
		{"clock alone", clocked(clockState{false, 16 * time.Second}, nil), "warn the clock is not synchronized"},
		{"clock off", clocked(clockState{true, time.Second}, nil), "warn the clock may be wrong by 1s"},
		{"clock hidden", clocked(clockState{}, errors.New("denied")), "warn the clock cannot be asked: denied"},
		{"clock elsewhere", clocked(clockState{}, errors.ErrUnsupported), ""},
		{"memory", memory(1<<30, nil), "ok 1GiB of memory available, perfd may use 256MiB"},
		{"little memory", memory(100<<20, nil), "warn 100MiB of memory available, perfd may use 256MiB"},
		{"memory hidden", memory(0, errors.New("denied")), "warn the memory of this host cannot be asked: denied"},
		{"free port", listen(nil), "ok 127.0.0.1:7070 is free"},
		{"port in use", listen(syscall.EADDRINUSE), "warn 127.0.0.1:7070 (listen) is in use"},
		{"no address", listen(errors.New("cannot assign")), "fail 127.0.0.1:7070 (listen): cannot assign"},
		{"no pages", listenCheck{set(func(c *config.Config) { c.Listen = "off" }), nil}, ""},
		{"no log", logs(nil, nil), ""},
		{"log", logs(followed, nil), "ok /var/log/pg.log can be read"},
		{"log denied", logs(followed, fs.ErrPermission), "fail /var/log/pg.log (pg_log.path) cannot be read: permission denied"},
	}.run(t)
}

func TestStoreAndDisk(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "x.db")
	if err := os.WriteFile(file, make([]byte, 100), 0o600); err != nil {
		t.Fatal(err)
	}
	at := func(path string) *config.Config { return set(func(c *config.Config) { c.Store = path }) }
	opens := func(err error) func(string) error { return func(string) error { return err } }
	room := func(n int64, err error) func(string) (int64, error) {
		return func(string) (int64, error) { return n, err }
	}
	unbounded := at(file)
	unbounded.Retention.Size = 0
	states{
		{"new", storeCheck{at(dir + "/new.db"), opens(nil), os.Stat}, "ok " + dir + "/new.db will be made"},
		{"without a folder", storeCheck{at("new.db"), opens(nil), os.Stat}, "ok " + full("new.db") + " will be made"},
		{"opens", storeCheck{at(file), opens(nil), os.Stat}, "ok " + file + " opens"},
		{"does not open", storeCheck{at(file), opens(errors.New("damaged")), os.Stat}, "fail " + file + " cannot be opened: damaged"},
		{"folder", storeCheck{at(dir), opens(nil), os.Stat}, "fail " + dir + " is a folder"},
		{"no folder", storeCheck{at(dir + "/no/x.db"), opens(nil), os.Stat}, "fail the folder of " + dir + "/no/x.db: no such file or directory"},
		{"denied", storeCheck{at(file), opens(nil), func(string) (fs.FileInfo, error) { return nil, fs.ErrPermission }}, "fail " + file + ": permission denied"},
		{"room", diskCheck{at(file), room(3<<30, nil), os.Stat}, "ok 3GiB free, the store may grow to 2GiB"},
		{"little room", diskCheck{at(file), room(1<<30, nil), os.Stat}, "warn 1GiB free, less than the store may grow to (2GiB)"},
		{"no room", diskCheck{at(file), room(1<<20, nil), os.Stat}, "fail 1MiB free for the store"},
		{"no bound", diskCheck{unbounded, room(1<<30, nil), os.Stat}, "warn 1GiB free, and the store may grow without bound"},
		{"hidden", diskCheck{at(file), room(0, errors.New("denied")), os.Stat}, "warn the room on the disk of " + dir + " cannot be asked: denied"},
	}.run(t)
	if err := openStore(file); err == nil {
		t.Error("a file of zeros is no store")
	}
}

func TestSettingsAndVersion(t *testing.T) {
	_, problems := config.Load(config.Input{Env: []string{"PERFD_MEMORY=1", "PERFD_STOER=x"}})
	states{
		{"version", versionCheck{"1.2.3"}, "ok perfd 1.2.3"},
		{"no version", versionCheck{}, ""},
		{"right", settingsCheck{nil, set(nil)}, "ok the settings can be used"},
		{"wrong", settingsCheck{problems, set(nil)}, "warn PERFD_STOER: is no setting; did you mean PERFD_STORE?\nfail PERFD_MEMORY: memory must be at least 64MiB, not 1"},
	}.run(t)
}

func TestReportIsAsBefore(t *testing.T) {
	r := Report{[]Finding{
		{"version", OK, "perfd 1.2.3", ""},
		{"packet tap", Fail, "open tap: capability CAP_NET_RAW is missing", "Run setcap cap_net_raw+ep /usr/bin/perfd."},
		{"clock", Warn, "the clock is not synchronized", "Run chrony."},
	}}
	var text, object strings.Builder
	if err := errors.Join(r.WriteText(&text), r.WriteJSON(&object)); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{"report.txt": text.String(), "report.json": object.String()} {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil { //nolint:gosec // a file of the repository
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s differs; if rightly, run with -update. Got:\n%s", path, got)
		}
	}
	if r.Healthy() || r.Count(Warn) != 1 {
		t.Error("one finding failed and one is a warning")
	}
	empty := Report{}
	object.Reset()
	if err := empty.WriteJSON(&object); err != nil || !strings.Contains(object.String(), `"findings": []`) || !empty.Healthy() {
		t.Errorf("an empty report: %v, %s", err, object.String())
	}
}

// The whole examination on this machine, whatever it is: every finding is complete and the report is valid.
func TestExamineThisMachine(t *testing.T) {
	c := set(func(c *config.Config) { c.Store, c.Listen = filepath.Join(t.TempDir(), "x.db"), "127.0.0.1:0" })
	r := Examine(t.Context(), Config{Settings: c, Version: "test"})
	seen := map[string]bool{}
	for _, f := range r.Findings {
		seen[f.Check] = true
		if f.Check == "" || f.Found == "" || (f.State == OK) != (f.Fix == "") {
			t.Errorf("incomplete: %+v", f)
		}
	}
	for _, want := range []string{"version", "settings", "packet tap", "interfaces", "store", "listen"} {
		if !seen[want] {
			t.Errorf("nothing is said of %s", want)
		}
	}
	var b strings.Builder
	if err := r.WriteJSON(&b); err != nil || !json.Valid([]byte(b.String())) {
		t.Errorf("%v: %s", err, b.String())
	}
	if r := Examine(t.Context(), Config{}); len(r.Findings) == 0 {
		t.Error("the zero Config examines nothing")
	}
}
