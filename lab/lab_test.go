package lab_test

import (
	"bufio"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/perfd/perfd/lab"
)

// TestTruth holds what trytond notes of itself and PostgreSQL's log of the same time together.
func TestTruth(t *testing.T) {
	pg := lab.TrytonPostgreSQL(t, lab.PostgresConfig{Log: "jsonlog", Settings: map[string]string{"log_min_duration_statement": "0"}})
	server := lab.RunTrytond(t, lab.TrytondConfig{Postgres: pg})
	before := len(pg.Logged())
	calls, err := lab.Crowd{Host: server.Addr.String(), Users: 3, Bursts: 2}.Work(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	server.Stop()
	pg.Stop()
	want := server.Truth(calls)
	if len(want.Calls) != len(calls) {
		t.Errorf("%d calls noted of %d", len(want.Calls), len(calls))
	}
	statuses := map[int]int{}
	failed := 0
	for i, c := range want.Calls {
		statuses[c.Status]++
		if c.Failed {
			failed++
		}
		if c.Port == 0 || c.End <= c.Start || c.Path != "/"+lab.Database+"/" || c.Method == "" {
			t.Errorf("call %d: %+v", i, c)
		}
	}
	if statuses[200] == 0 || statuses[401] != 1 || statuses[403] == 0 || failed == 0 {
		t.Errorf("statuses %v, %d errors; want some of each and one wrong password", statuses, failed)
	}
	type key struct {
		port  uint16
		bytes int64
	}
	count := map[key]int{}
	for _, s := range want.Statements {
		count[key{s.Port, s.Bytes}]++
	}
	noted := len(want.Statements)
	for _, l := range pg.Logged()[before:] {
		verb, _, _ := strings.Cut(l.Text, " ")
		switch {
		case l.User != "tryton", verb == "BEGIN", verb == "COMMIT", verb == "ROLLBACK", strings.HasPrefix(l.Text, "SET default_transaction_"):
			continue // the driver's own
		}
		k := key{l.Port, int64(len(l.Text))}
		count[k]--
		if count[k] < 0 {
			t.Errorf("in PostgreSQL's log alone: port %d: %s", l.Port, l.Text)
		}
		noted--
	}
	if noted != 0 || len(want.Statements) < 5*len(calls) {
		t.Errorf("%d statements noted, %d more than in PostgreSQL's log", len(want.Statements), noted)
	}
	uses := server.Uses(calls)
	if len(uses) != len(want.Calls)+len(want.Statements) {
		t.Errorf("%d uses, want one for each of %d calls and %d statements", len(uses), len(want.Calls), len(want.Statements))
	}
	for _, u := range uses {
		if u.PID != int32(server.PID()) || u.TID == 0 || !u.From.Before(u.To) || !u.Local.IsValid() || !u.Remote.IsValid() {
			t.Fatalf("use %+v of process %d", u, server.PID())
		}
	}
}

// TestUnixSocket lets trytond reach PostgreSQL through its Unix socket, where connections have no ports.
func TestUnixSocket(t *testing.T) {
	pg := lab.TrytonPostgreSQL(t, lab.PostgresConfig{})
	server := lab.RunTrytond(t, lab.TrytondConfig{
		Postgres: pg, Workers: 1, Route: lab.Route{Host: pg.Socket, Port: pg.Addr.Port()},
	})
	calls, err := lab.Crowd{Host: server.Addr.String(), Users: 1, Bursts: 1}.Work(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range server.Truth(calls).Statements {
		if s.Port != 0 {
			t.Fatalf("port %d on a Unix socket", s.Port)
		}
	}
	for _, s := range server.TruthByBackend(calls).Statements {
		if s.Port == 0 {
			t.Fatalf("statement %+v: no backend", s)
		}
	}
}

func TestPostgreSQL(t *testing.T) {
	for _, form := range []string{"stderr", "csvlog", "jsonlog"} {
		t.Run(form, func(t *testing.T) {
			pg := lab.PostgreSQL(t, lab.PostgresConfig{
				Log: form, TLS: true, LinePrefix: "%m [%p] here: ", Settings: map[string]string{"log_statement": "all"},
			})
			pem, err := os.ReadFile(pg.CA)
			if err != nil {
				t.Fatal(err)
			}
			if !x509.NewCertPool().AppendCertsFromPEM(pem) {
				t.Errorf("%s holds no certificate", pg.CA)
			}
			for _, dsn := range []string{
				pg.DSN("postgres", "disable"), pg.DSN("postgres", "verify-full") + "&sslrootcert=" + pg.CA, pg.SocketDSN("postgres"),
			} {
				if got := ask(t, dsn); got != "pong" {
					t.Errorf("%s: answer %q", dsn, got)
				}
			}
			if _, err := os.Stat(pg.SocketPath()); err != nil {
				t.Error(err)
			}
			pid := pg.PID()
			pg.Stop()
			text, err := os.ReadFile(pg.Log)
			if err != nil || !strings.Contains(string(text), "select 'pong'") {
				t.Errorf("log: %v\n%s", err, text)
			}
			pg.Start()
			if got := ask(t, pg.DSN("postgres", "require")); got != "pong" || pg.PID() == pid {
				t.Errorf("after the restart: answer %q of process %d, before %d", got, pg.PID(), pid)
			}
		})
	}
}

func ask(t *testing.T, dsn string) (answer string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(t.Context()) }()
	if err := c.QueryRow(t.Context(), "select 'pong'").Scan(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestRedis(t *testing.T) {
	c, err := net.DialTimeout("tcp", lab.Redis(t).String(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "PING\r\n")
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || line != "+PONG\r\n" {
		t.Errorf("answer %q, %v", line, err)
	}
}
