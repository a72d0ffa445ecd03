package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/perfd/perfd/config"
	"github.com/perfd/perfd/lab"
)

func TestPostgresAdvice(t *testing.T) {
	good := postgresFacts{version: "15.1", statements: true, monitor: true, settings: map[string]string{
		"track_io_timing": "on", "log_min_duration_statement": "-1", "log_statement": "none", "logging_collector": "on"}}
	with := func(change func(*postgresFacts)) func(context.Context, string) (postgresFacts, error) {
		f := good
		f.settings = map[string]string{}
		for k, v := range good.settings {
			f.settings[k] = v
		}
		change(&f)
		return func(context.Context, string) (postgresFacts, error) { return f, nil }
	}
	dsn := set(func(c *config.Config) { c.Database.DSN = "postgres://x" })
	logged := set(func(c *config.Config) { c.Database.DSN, c.PGLog.Path = "postgres://x", "pg.log" })
	const answers = "ok PostgreSQL 15.1 answers"
	states{
		{"not named", postgresCheck{set(nil), nil}, ""},
		{"well", postgresCheck{dsn, with(func(*postgresFacts) {})}, answers},
		{"refused", postgresCheck{dsn, func(context.Context, string) (postgresFacts, error) { return postgresFacts{}, errors.New("refused") }}, "fail refused"},
		{"poor", postgresCheck{dsn, with(func(f *postgresFacts) {
			f.monitor, f.statements, f.encrypted, f.unix = false, false, 1, 2
			f.settings["track_io_timing"] = "off"
		})}, answers + "\nwarn the role is not a member of pg_monitor: it sees its own sessions alone" +
			"\nwarn track_io_timing is off: time spent on the disk is not told" +
			"\nwarn pg_stat_statements is not installed in this database" +
			"\nwarn 1 client connection is encrypted: a tap cannot read them" +
			"\nwarn 2 client connections come by Unix socket: a tap sees nothing of them"},
		{"no statements logged", postgresCheck{logged, with(func(f *postgresFacts) { f.encrypted, f.unix = 1, 1 })},
			answers + "\nfail the server logs no statements (log_min_duration_statement = -1)"},
		{"slow statements logged", postgresCheck{logged, with(func(f *postgresFacts) {
			f.settings["log_min_duration_statement"], f.settings["logging_collector"] = "250", "off"
		})}, answers + "\nwarn the server logs statements from 250 ms on: shorter ones are not seen" +
			"\nwarn logging_collector is off: the log goes to standard error"},
		{"all logged", postgresCheck{logged, with(func(f *postgresFacts) { f.settings["log_min_duration_statement"] = "0" })}, answers},
	}.run(t)
}

func TestAskPostgres(t *testing.T) {
	server := lab.PostgreSQL(t, lab.PostgresConfig{Settings: map[string]string{"track_io_timing": "on", "log_min_duration_statement": "7"}})
	server.Exec("postgres", "CREATE ROLE asker LOGIN PASSWORD 'canary-4711'")
	server.Exec("postgres", "CREATE ROLE watcher LOGIN PASSWORD 'x' IN ROLE pg_monitor")
	conn, err := pgx.Connect(t.Context(), server.DSN("postgres", "disable"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	dsn := func(role, password string) string {
		return fmt.Sprintf("postgres://%s:%s@%s/postgres", role, password, server.Addr)
	}
	f, err := askPostgres(t.Context(), dsn("watcher", "x"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(f.version, "1") || !f.monitor || f.statements || f.settings["track_io_timing"] != "on" ||
		f.settings["log_min_duration_statement"] != "7" || f.clients != 1 || f.encrypted != 0 || f.unix != 0 {
		t.Errorf("the server says %+v", f)
	}
	if f, err := askPostgres(t.Context(), dsn("asker", "canary-4711")); err != nil || f.monitor {
		t.Errorf("a role without pg_monitor: %+v, %v", f, err)
	}
	for bad, want := range map[string]string{
		dsn("asker", "wrong-canary-4711"):                   `connect to PostgreSQL at 127.0.0.1: password authentication failed for user "asker"`,
		"postgres://asker:canary-4711@127.0.0.1:1/x":        "connect to PostgreSQL at 127.0.0.1: connect: connection refused",
		"postgres://asker:canary-4711@/x?host=/none&port=1": "connect to PostgreSQL at /none: connect: no such file or directory",
		"postgres://asker:canary-4711@:x:y":                 "database.dsn is no connection string that PostgreSQL knows",
		"host=127.0.0.1 password=canary-4711 sslmode=never": "database.dsn is no connection string that PostgreSQL knows",
		dsn("asker", "canary-4711") + "?sslmode=require":    "connect to PostgreSQL at 127.0.0.1: server refused TLS connection",
	} {
		if _, err := askPostgres(t.Context(), bad); err == nil || err.Error() != want {
			t.Errorf("the error of a bad connection string: %v, want %s", err, want)
		}
	}
}
