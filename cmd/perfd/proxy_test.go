package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/perfd/perfd/lab"
)

func TestProxyUsage(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"proxy", "proxy needs --http or --pg"},
		{"proxy --http 8070", `--http must be LISTEN=UPSTREAM, not "8070"`},
		{"proxy --pg 8070=x", `"x" is not host:port`},
		{"proxy --pg 5432=5432", "relays to itself"},
		{"proxy --pg 6432=5432 --pg-tls-cert x", "go together"},
		{"proxy --pg 6432=5432 --pg-tls-require", "--pg-tls-require needs --pg-tls-cert"},
		{"proxy --http 8070=8069 --trust home", "--trust must be networks"},
		{"proxy --http 8070=8069 --scheme ftp", "--scheme must be http or https"},
		{"proxy --http 8070=8069 --format yaml", "--format must be"},
		{"proxy now", "takes no arguments"},
		{"proxy --pg 6432=5432 --retention-age 1h", "--retention-age needs --store, --listen or --config"},
		{"proxy --pg 6432=5432 --store x --format json", "--format is of the report at the end"},
		{"proxy --pg 6432=5432 --listen 127.0.0.1:0 -o x", "--output is of the report at the end"},
		{"proxy --pg 6432=5432 --listen 127.0.0.1:0 --pg-log x", "statements come from --pg or from pg_log, not from both"},
		{"proxy --pg 6432=5432 --interface lo", "unknown flag: --interface"},
	} {
		code, out, errOut := perfd(t, nil, strings.Fields(tt.args)...)
		if code != exitUsage || out != "" || !strings.Contains(errOut, tt.want) || strings.Count(errOut, "\n") != 1 {
			t.Errorf("perfd %s: exit %d, stdout %q, stderr %q; want %q", tt.args, code, out, errOut, tt.want)
		}
	}
	for _, tt := range []struct{ args, want string }{
		{"proxy --pg 127.0.0.1:0=5432 --pg-sslmode maybe", "choose one of disable, allow"},
		{"proxy --pg 127.0.0.1:0=5432 --pg-sslmode verify-ca", "name their file, or system"},
		{"proxy --pg 127.0.0.1:0=5432 --pg-tls-cert /none --pg-tls-key /none", "PEM files of one pair"},
		{"proxy --http 192.0.2.1:1=8069", "choose another address"},
	} {
		code, _, errOut := perfd(t, nil, strings.Fields(tt.args)...)
		if code != exitFailure || !strings.Contains(errOut, tt.want) {
			t.Errorf("perfd %s: exit %d, stderr %q; want %q", tt.args, code, errOut, tt.want)
		}
	}
}

// application answers each call by statements on the database it is given, one connection for each call.
func application(t *testing.T, dsn func() string) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		db, err := pgx.Connect(r.Context(), dsn())
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = db.Close(context.WithoutCancel(r.Context())) }()
		for i := range 3 {
			if _, err := db.Exec(r.Context(), "SELECT $1::int", i); err != nil {
				t.Error(err)
			}
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"jsonrpc":"2.0","id":1,"result":true}`)
	}))
	t.Cleanup(s.Close)
	return s
}

// What passes both proxies is reported: each call with its statements.
func TestProxyReports(t *testing.T) {
	postgres := lab.PostgreSQL(t, lab.PostgresConfig{TLS: true})
	var database string
	app := application(t, func() string { // as Odoo names its connections, so that they are no stranger's
		return strings.Replace(postgres.DSN("postgres", "disable"), postgres.Addr.String(), database, 1) + "&application_name=odoo-4711"
	})
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	said, errOut := io.Pipe()
	var out bytes.Buffer
	var wg sync.WaitGroup
	code := -1
	wg.Go(func() {
		code = run(ctx, []string{
			"proxy", "--http", "127.0.0.1:0=" + app.Listener.Addr().String(), "--pg", "127.0.0.1:0=" + postgres.Addr.String(),
			"--pg-sslmode", "verify-full", "--pg-sslrootcert", postgres.CA, "--format", "json", "--evidence-process", "off",
		}, nil, &out, errOut)
		_ = errOut.Close()
	})
	lines := bufio.NewScanner(said)
	address := func(name string) string {
		if !lines.Scan() {
			t.Fatal("the proxy says nothing")
		}
		m := regexp.MustCompile("^perfd relays " + name + " from ([0-9.:]+) to ").FindStringSubmatch(lines.Text())
		if m == nil {
			t.Fatalf("the proxy says %q", lines.Text())
		}
		return m[1]
	}
	front := address("HTTP")
	database = address("PostgreSQL")
	go func() {
		for lines.Scan() {
			if !strings.HasPrefix(lines.Text(), "perfd attributes ") && !strings.HasPrefix(lines.Text(), "perfd reports when ") {
				t.Errorf("the proxy says %q", lines.Text())
			}
		}
	}()
	const calls = 20
	for range calls {
		res, err := http.Post("http://"+front+"/web/dataset/call_kw/res.partner/read", "application/json", strings.NewReader(
			`{"jsonrpc":"2.0","method":"call","id":1,"params":{"model":"res.partner","method":"read","args":[[1]],"kwargs":{}}}`))
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, res.Body)
		if closing := res.Body.Close(); err != nil || closing != nil {
			t.Fatal(err, closing)
		}
	}
	interrupt()
	wg.Wait()
	if code != exitOK {
		t.Fatalf("exit %d", code)
	}
	var seen int
	for line := range bytes.Lines(out.Bytes()) {
		var r struct {
			Type, Model, Method string
			Status              int
			Statements          json.RawMessage
		}
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		if r.Type != "call" {
			continue
		}
		if seen++; r.Model != "res.partner" || r.Method != "read" || r.Status != 200 || bytes.Count(r.Statements, []byte(`"by":"exclusive"`)) != 3 {
			t.Errorf("call %.1000s", line)
		}
	}
	if seen != calls {
		t.Errorf("%d calls reported, want %d", seen, calls)
	}
}
