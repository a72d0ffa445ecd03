//go:build odoo

package main

// Recording and replaying a real Odoo, which the environment names as for the client's suite:
//
//	ODOO_URL=http://admin:admin@127.0.0.1:8069/?db=odoo go test -tags odoo -run Odoo ./client ./cmd/perfd
//
// What writes is replayed to a copy of the database, which Odoo makes and drops, if it does so for the master password in
// ODOO_MASTER_PASSWORD (default: admin).

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/perfd/perfd/client"
)

// odooWork does what several people do, each in a session of its own; reads alone, or writes too.
func odooWork(t *testing.T, c client.Config, writes bool) {
	t.Helper()
	var people sync.WaitGroup
	for i, transport := range []client.Transport{client.TransportWeb, client.TransportWeb, client.TransportJSONRPC, client.TransportXMLRPC} {
		own := c
		own.Transport = transport
		people.Go(func() {
			k, err := client.New(own)
			if err != nil {
				t.Error(err)
				return
			}
			defer k.Close()
			call := func(model, method string, args []any, kwargs map[string]any) (answer json.RawMessage) {
				answer, err := k.Call(t.Context(), model, method, args, kwargs)
				if err != nil {
					t.Errorf("%s of %s over %s: %v", method, model, transport, err)
				}
				return answer
			}
			if _, err := k.Login(t.Context()); err != nil {
				t.Errorf("log in over %s: %v", transport, err)
				return
			}
			for n := range 8 {
				var ids []int64
				found := call("res.country", "search", []any{[]any{[]any{"code", "like", string(rune('A' + n + i))}}}, map[string]any{"limit": 5, "order": "code"})
				_ = json.Unmarshal(found, &ids)
				call("res.country", "read", []any{ids, []any{"name", "code"}}, nil)
				call("res.partner", "search_read", []any{[]any{[]any{"country_id", "in", ids}}, []any{"name", "city"}}, map[string]any{"limit": 20, "order": "id"})
				call("res.partner", "search_count", []any{[]any{[]any{"active", "=", true}, []any{"id", "<", 100}}}, nil)
				call("res.partner", "fields_get", []any{[]any{"name", "parent_id"}}, map[string]any{"attributes": []any{"type", "relation"}})
				if !writes {
					continue
				}
				var id int64
				made := call("res.partner", "create", []any{map[string]any{"name": fmt.Sprintf("perfd replay %d-%d", i, n), "city": "Town"}}, nil)
				if json.Unmarshal(made, &id) != nil {
					t.Errorf("create over %s: %s", transport, made)
					return
				}
				call("res.partner", "write", []any{[]any{id}, map[string]any{"city": "Village"}}, nil)
				call("res.partner", "read", []any{[]any{id}, []any{"name", "city", "country_id"}}, nil)
				call("res.partner", "unlink", []any{[]any{id}}, nil)
			}
		})
	}
	people.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// odooDatabase asks Odoo's service of databases, which none of the client's users need.
func odooDatabase(ctx context.Context, server, method string, args ...any) error {
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "method": "call", "params": map[string]any{"service": "db", "method": method, "args": args}})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, server+"/jsonrpc", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var answer struct {
		Error *struct{ Data struct{ Message string } }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Error != nil {
		return fmt.Errorf("%s: %s", method, answer.Error.Data.Message)
	}
	return nil
}

// TestReplayOfARunningOdoo records people at work with a real Odoo and replays what they did to it: at least 99 % of the
// answers are as recorded. The captured database is refused; what writes is replayed to a copy, where what is created gets other ids.
func TestReplayOfARunningOdoo(t *testing.T) {
	c, _, err := client.FromEnv()
	if err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(c.Servers[0])
	if err != nil || at.Scheme != "http" {
		t.Fatalf("ODOO_URL has to be of http, to be recorded: %v", err)
	}
	server := "http://" + at.Host
	dir := t.TempDir()
	users := filepath.Join(dir, "users.yaml")
	write(t, users, fmt.Appendf(nil, "'*': {login: %q, password: %q}\n", c.Login, string(c.Password)))
	recorded := func(writes bool) string {
		w := newTapline(t, net.JoinHostPort(at.Hostname(), cmp.Or(at.Port(), "80")))
		through := c
		through.Servers, through.Retry, through.Timeout = []string{"http://" + w.listener.Addr().String()}, client.RetryNone, time.Minute
		odooWork(t, through, writes)
		file := filepath.Join(dir, fmt.Sprintf("writes-%v.load", writes))
		execute(t, exitOK, "record", file, "--from", w.recording(t), "--rpc-port", "8069", "--keep-args", "*:*", "--keep-logins", "--keep-answers")
		return file
	}
	flags := func(file, database string) []string {
		return []string{file, "--target", server, "--database", database, "--users", users, "--mode", "think", "--speed", "5"}
	}

	reads := recorded(false)
	if _, errOut := execute(t, exitFailure, append([]string{"replay"}, flags(reads, c.Database)...)...); !strings.Contains(errOut, "captured database") {
		t.Errorf("the captured database is not refused: %s", errOut)
	}
	r := replayJSON(t, exitOK, append(flags(reads, c.Database), "--target-is", c.Database)...) // which reads alone, and nothing else uses
	p := r.Passes[0]
	t.Logf("reads: %d sent; %v; %v; left %v; %q", p.Sent, p.Matches, p.Differing, p.Left, r.Doubts)
	if p.Sent < 4*8*5 || asRecorded(p.Matches) < 0.99 {
		t.Errorf("%d sent, %.3f as recorded", p.Sent, asRecorded(p.Matches))
	}

	writes := recorded(true)
	replica := c.Database + "_perfd_replay"
	master := cmp.Or(os.Getenv("ODOO_MASTER_PASSWORD"), "admin")
	if err := odooDatabase(t.Context(), server, "duplicate_database", master, c.Database, replica); err != nil {
		t.Logf("writes are not replayed, for Odoo makes no copy of the database: %v", err)
		return
	}
	defer func() {
		if err := odooDatabase(context.WithoutCancel(t.Context()), server, "drop", master, replica); err != nil {
			t.Errorf("the copy %s stays: %v", replica, err)
		}
	}()
	served := c
	served.Database, served.Retry = replica, client.RetryNone
	k, err := client.New(served)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if _, err := k.Login(t.Context()); err != nil {
		t.Logf("writes are not replayed, for Odoo does not serve the copy (see its dbfilter): %v", err)
		return
	}
	r = replayJSON(t, exitOK, append(flags(writes, replica), "--target-is", replica, "--allow-writes", "--allow-dangerous", "res.partner.unlink")...)
	p = r.Passes[0]
	t.Logf("writes: %d sent; %v; %v; left %v; %d ids mapped; %q", p.Sent, p.Matches, p.Differing, p.Left, p.Mapped, r.Doubts)
	if p.Sent < 4*8*9 || asRecorded(p.Matches) < 0.99 || p.Mapped != 4*8 {
		t.Errorf("%d sent, %.3f as recorded, %d ids mapped", p.Sent, asRecorded(p.Matches), p.Mapped)
	}
}
