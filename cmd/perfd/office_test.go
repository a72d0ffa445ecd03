package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/perfd/perfd/lab"
)

// office is an application server that answers fast.
type office struct {
	t    testing.TB
	url  string
	addr string
	port string
}

// officeStatements is how many statements a call of an office with a database runs.
const officeStatements = 3

// newOffice starts an office. Its calls run statements on a connection of their own, if there is a database.
func newOffice(t testing.TB, database *lab.Postgres) *office {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if database != nil {
			if err := officeWork(r.Context(), database.DSN("postgres", "disable")); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":1,"result":%q}`, r.URL.Query().Get("echo"))
	}))
	t.Cleanup(s.Close)
	addr := netip.MustParseAddrPort(s.Listener.Addr().String())
	return &office{t: t, url: s.URL, addr: addr.String(), port: strconv.Itoa(int(addr.Port()))}
}

func officeWork(ctx context.Context, dsn string) error {
	db, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	for i := range officeStatements {
		if _, err := db.Exec(ctx, "SELECT $1::int AS n", i); err != nil {
			return errors.Join(err, db.Close(ctx))
		}
	}
	return db.Close(ctx)
}

// call makes n calls of a method, one after the other.
func (o *office) call(n int, method string) {
	o.t.Helper()
	for range n {
		if status, err := o.ask(method, ""); err != nil || status != http.StatusOK {
			o.t.Fatalf("call %s: status %d, %v", method, status, err)
		}
	}
}

// ask makes a call of a method, whose answer contains some text.
func (o *office) ask(method, echo string) (status int, err error) {
	body := `{"jsonrpc":"2.0","method":"call","id":1,"params":{"model":"res.partner","method":"` + method + `","args":[[1]],"kwargs":{}}}`
	r, err := http.Post(o.url+"/web/dataset/call_kw/res.partner/"+method+"?echo="+echo, "application/json", strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, r.Body)
	return r.StatusCode, errors.Join(err, r.Body.Close())
}

// shown is what the pages of a watch show of a method's calls: those kept whole, those that were counted, and the
// least statements of one.
func (w *watch) shown(method string) (full, counted int, statements int64) {
	w.t.Helper()
	for i, c := range w.rows(method) {
		if c.Detail == "full" {
			full++
		} else {
			counted++
		}
		if i == 0 || c.Statements < statements {
			statements = c.Statements
		}
	}
	return full, counted, statements
}

// statements is the number of statements of all calls of a method.
func (w *watch) statements(method string) (n int64) {
	w.t.Helper()
	for _, c := range w.rows(method) {
		n += c.Statements
	}
	return n
}

// row is what is asked of a row of calls.
type row struct {
	Detail     string
	Statements int64
	Gaps       []string
}

func (w *watch) rows(method string) []row {
	w.t.Helper()
	_, body := w.get("/api/v1/calls?class=all&limit=1000&method=" + method)
	var list struct{ Rows []row }
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		w.t.Fatalf("calls: %v: %.300s", err, body)
	}
	return list.Rows
}

func (w *watch) kept(method string) int {
	w.t.Helper()
	n, _, _ := w.shown(method)
	return n
}

func (w *watch) counted(method string) int {
	w.t.Helper()
	_, n, _ := w.shown(method)
	return n
}

// sees lets users call a method and waits until each call is shown, with its statements.
func (w *watch) sees(o *office, method string, statements int64) {
	w.t.Helper()
	const calls = 10
	o.call(calls, method)
	if soon(func() bool {
		full, _, n := w.shown(method)
		return full == calls && n >= statements
	}) {
		return
	}
	full, counted, n := w.shown(method)
	_, figures := w.get("/metrics")
	w.t.Fatalf("%d calls of %s: %d are seen whole and %d counted, with %d statements\n%s\n%s", calls, method, full, counted, n, w.stderr(), figures)
}
