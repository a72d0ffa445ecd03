package replay_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/perfd/perfd/client"
	"github.com/perfd/perfd/replay"
	"github.com/perfd/perfd/replay/load"
	"github.com/perfd/perfd/replay/safety"
)

// everyTier is calls of each tier, the harmless first.
func everyTier() []load.Call {
	calls := []load.Call{
		call("a", 0, ms, "sale.order", "web_search_read", `[[]]`), call("a", 2*ms, ms, "sale.order", "read", `[[1]]`),
		call("a", 4*ms, ms, "sale.order", "onchange", `[[1],{},[],{}]`), call("a", 6*ms, ms, "sale.order", "default_get", `[["name"]]`),
		call("a", 8*ms, ms, "sale.order", "write", `[[1],{}]`), call("a", 10*ms, ms, "sale.order", "action_whatever", `[[1]]`),
		call("a", 12*ms, ms, "sale.order", "unlink", `[[1]]`), call("a", 14*ms, ms, "sale.order", "action_quotation_send", `[[1]]`),
		call("a", 16*ms, ms, "account.move", "action_post", `[[1]]`), call("a", 18*ms, ms, "ir.cron", "method_direct_trigger", `[[1]]`),
	}
	for i, path := range []string{"/longpolling/poll", "/websocket", "/web/session/logout", "/web/session/destroy", "/web/database/drop", "/web/assets/1/x.js", "/web/static/x.js"} {
		calls = append(calls, load.Call{Session: "a", At: time.Duration(20+i) * ms, Transport: "jsonrpc", Verb: "POST", Path: path, Params: []byte(`{}`), Status: 200})
	}
	calls = append(calls, load.Call{Session: "a", At: 30 * ms, Transport: "jsonrpc", Verb: "POST", Path: "/jsonrpc", Service: "db", Method: "drop", Args: []byte(`["x"]`), Status: 200})
	return calls
}

// TestTiersOnTheWire has a server tell what came: nothing that writes, unless it is allowed, and nothing dangerous that
// is not named.
func TestTiersOnTheWire(t *testing.T) {
	reads := []string{"web_search_read", "read", "onchange", "default_get"}
	for _, tt := range []struct {
		name   string
		policy safety.Policy
		want   []string
		left   map[replay.Left]int64
	}{
		{"by default", safety.Policy{}, reads, map[replay.Left]int64{replay.LeftWrite: 2, replay.LeftDangerous: 4, replay.LeftExcluded: 8}},
		{"writes", safety.Policy{Writes: true}, append(slices.Clone(reads), "write", "action_whatever"), map[replay.Left]int64{replay.LeftDangerous: 4, replay.LeftExcluded: 8}},
		{
			"one danger", safety.Policy{Writes: true, Dangerous: []string{"sale.order.unlink"}}, append(slices.Clone(reads), "write", "action_whatever", "unlink"),
			map[replay.Left]int64{replay.LeftDangerous: 3, replay.LeftExcluded: 8},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := newOdoo(t, nothing)
			rep, _ := run(t, o, replay.Config{Mode: replay.Max, Safety: tt.policy, Confirm: "copy"}, recorded(everyTier()...))
			var got []string
			for _, a := range o.all() {
				got = append(got, a.Method)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if fmt.Sprint(rep.Left) != fmt.Sprint(tt.left) {
				t.Errorf("left %v, want %v", rep.Left, tt.left)
			}
		})
	}
}

// TestTheCapturedDatabaseIsRefused tries targets that are the captured database, that are not, and that do not tell.
func TestTheCapturedDatabaseIsRefused(t *testing.T) {
	const one, two = "0a1b2c3d-1111-2222-3333-444455556666", "0a1b2c3d-1111-2222-3333-444455557777"
	row := func(key, value string) any { return map[string]any{"key": key, "value": value} }
	for _, tt := range []struct {
		name    string
		params  []any
		client  string
		header  load.Header
		writes  bool
		confirm string
		refused string
	}{
		{"same, reads", []any{row("database.uuid", "u1")}, "", load.Header{DatabaseUUID: "u1"}, false, "", "is the captured database"},
		{"same, writes", []any{row("database.uuid", "u1")}, "", load.Header{DatabaseUUID: "u1"}, true, "", "is the captured database"},
		{"same, neutralized", []any{row("database.uuid", "u1"), row("database.is_neutralized", "True")}, "", load.Header{DatabaseUUID: "u1"}, true, "", ""},
		{"same, confirmed", []any{row("database.uuid", "u1")}, "", load.Header{DatabaseUUID: "u1"}, true, "copy", ""},
		{"another", []any{row("database.uuid", "u2")}, "", load.Header{DatabaseUUID: "u1"}, true, "", ""},
		{"not told, reads", nil, "", load.Header{DatabaseUUID: "u1"}, false, "", ""},
		{"not told, writes", nil, "", load.Header{DatabaseUUID: "u1"}, true, "", "nothing tells that the target is another"},
		{"not known, writes", []any{row("database.uuid", "u2")}, "", load.Header{}, true, "", "nothing tells"},
		{"not known, confirmed wrongly", nil, "", load.Header{}, true, "other", "confirmed to be"},
		{"same by the account, reads", nil, one, load.Header{DatabaseUUID: strings.ToUpper(one)}, false, "", "is the captured database"},
		{"another by the account, writes", nil, two, load.Header{DatabaseUUID: one}, true, "", ""},
		{"no uuid in the account, writes", nil, "somebody", load.Header{DatabaseUUID: one}, true, "", "nothing tells"},
		{"not asked for the account", nil, two, load.Header{}, true, "", "nothing tells"},
		{"same server and name", nil, "", load.Header{Server: "HERE", Database: "copy"}, false, "", "is the captured database"},
		{"same server, no name known", nil, "", load.Header{Server: "HERE"}, false, "", "is the captured database"},
		{"same server, another name", nil, "", load.Header{Server: "HERE", Database: "other"}, false, "", ""},
		{"same server, a session's name", nil, "", load.Header{Server: "HERE", Database: "session"}, false, "", "is the captured database"},
		{"same server, a session's name, another identifier", []any{row("database.uuid", "u2")}, "", load.Header{DatabaseUUID: "u1", Server: "HERE", Database: "session"}, true, "", "is the captured database"},
		{"same server and name, another identifier", []any{row("database.uuid", "u2")}, "", load.Header{DatabaseUUID: "u1", Server: "HERE", Database: "copy"}, true, "", ""},
		{"another server, no name known", nil, "", load.Header{Server: "192.0.2.7:8069"}, false, "", ""},
		{"same machine by another address", nil, "", load.Header{Server: "0.0.0.0", Database: "copy"}, false, "", "is the captured database"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := newOdoo(t, nothing)
			o.params, o.client = tt.params, tt.client
			src := recorded(call("a", 0, ms, "m", "read", "[[1]]"), call("a", 2*ms, ms, "m", "write", "[[1],{}]"))
			tt.header.Product, tt.header.Arguments = "odoo", true
			src.header = tt.header
			here := strings.TrimPrefix(o.URL, "http://")
			switch tt.header.Server {
			case "HERE":
				src.header.Server = here
			case "0.0.0.0":
				src.header.Server = "0.0.0.0" + here[strings.LastIndexByte(here, ':'):]
			}
			if tt.header.Database == "session" {
				src.header.Database = "other"
				src.sessions = map[string]load.Session{"a": {ID: "a", Login: "anna", Transport: "jsonrpc", Database: "copy"}}
			}
			r, err := replay.New(replay.Config{
				Target: o.URL, Database: "copy", Password: client.Secret("x"), Mode: replay.Max, Confirm: tt.confirm, Safety: safety.Policy{Writes: tt.writes},
			})
			if err != nil {
				t.Fatal(err)
			}
			_, err = r.Run(t.Context(), src)
			var refused *replay.Refusal
			switch {
			case tt.refused == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.refused != "" && (!errors.As(err, &refused) || !strings.Contains(refused.Message, tt.refused) || refused.Hint == ""):
				t.Errorf("%v, want a refusal with a hint that says %q", err, tt.refused)
			case tt.refused != "" && len(o.all()) > 0:
				t.Errorf("refused, and sent %v", o.all())
			}
		})
	}
}

// TestTheCapturedDatabaseIsRefusedLate has the first user come after more visitors than are looked at beforehand, and a
// session of the target's name after those of another.
func TestTheCapturedDatabaseIsRefusedLate(t *testing.T) {
	visits := func(session load.Session) *tape {
		var calls []load.Call
		for i := range 1200 {
			calls = append(calls, load.Call{Session: "v", At: time.Duration(i) * time.Microsecond, Transport: "http", Verb: "GET", Path: "/web/image/1", Status: 200})
		}
		src := recorded(append(calls, call(session.ID, time.Second, ms, "m", "read", "[[1]]"))...)
		src.sessions = map[string]load.Session{"v": {ID: "v", Transport: "http", Anonymous: true}, session.ID: session}
		return src
	}
	for _, tt := range []struct {
		name   string
		src    *tape
		header load.Header
	}{
		{"by its identifier", visits(load.Session{ID: "a", Login: "anna", Transport: "jsonrpc"}), load.Header{DatabaseUUID: "u1"}},
		{"by its name", visits(load.Session{ID: "a", Login: "anna", Transport: "jsonrpc", Database: "copy"}), load.Header{Database: "other", Server: "HERE"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := newOdoo(t, nothing)
			if tt.header.DatabaseUUID != "" {
				o.params = []any{map[string]any{"key": "database.uuid", "value": "u1"}}
			}
			tt.src.header = tt.header
			tt.src.header.Product, tt.src.header.Arguments = "odoo", true
			if tt.header.Server != "" {
				tt.src.header.Server = strings.TrimPrefix(o.URL, "http://")
			}
			r, err := replay.New(replay.Config{Target: o.URL, Database: "copy", Password: client.Secret("x"), Mode: replay.Max})
			if err != nil {
				t.Fatal(err)
			}
			var refused *replay.Refusal
			if _, err := r.Run(t.Context(), tt.src); !errors.As(err, &refused) || !strings.Contains(refused.Message, "is the captured database") {
				t.Errorf("%v", err)
			}
			for _, a := range o.all() {
				if a.Session != "" && a.Method == "read" {
					t.Errorf("%v was sent", a)
				}
			}
		})
	}
}

// TestStoppedWhileALateLogInHangs: whoever ends a run need not wait for a server that does not answer.
func TestStoppedWhileALateLogInHangs(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	hang := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/web/session/authenticate" {
			cancel()
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		}
	}))
	defer s.Close()
	defer close(hang)
	var calls []load.Call
	for range 1200 {
		calls = append(calls, load.Call{Session: "v", Transport: "http", Verb: "GET", Path: "/web/image/1", Status: 200})
	}
	src := recorded(append(calls, call("a", time.Second, ms, "m", "read", "[[1]]"))...)
	src.sessions = map[string]load.Session{"v": {ID: "v", Transport: "http", Anonymous: true}}
	src.header.DatabaseUUID = "u1"
	r, err := replay.New(replay.Config{Target: s.URL, Database: "copy", Password: client.Secret("x"), Mode: replay.Max, Timeout: 10 * time.Minute, Grace: 50 * ms})
	if err != nil {
		t.Fatal(err)
	}
	rep, err := r.Run(ctx, src) // the test's own time-out tells if it does not end
	if err != nil || !rep.Stopped {
		t.Errorf("%v, stopped %v", err, rep.Stopped)
	}
}

// TestALoadWithoutArgumentsIsRefused, and so is one with secrets taken out: those calls are left out.
func TestWhatCannotBeSent(t *testing.T) {
	src := recorded(call("a", 0, ms, "m", "read", "[[1]]"))
	src.header.Arguments = false
	r, err := replay.New(replay.Config{Target: "http://127.0.0.1:1", Database: "x"})
	if err != nil {
		t.Fatal(err)
	}
	var refused *replay.Refusal
	if _, err := r.Run(t.Context(), src); !errors.As(err, &refused) || !strings.Contains(refused.Hint, "--keep-args") {
		t.Errorf("%v", err)
	}
	o := newOdoo(t, nothing)
	bare := call("a", 4*ms, ms, "m", "read", "")
	bare.Args, bare.Kwargs, bare.Lacks = nil, nil, "arguments"
	rep, _ := run(t, o, replay.Config{Mode: replay.Max, Safety: safety.Policy{Writes: true}, Confirm: "copy"},
		recorded(call("a", 0, ms, "res.users", "write", `[[1],{"password":"(secret)"}]`), bare, call("a", 9*ms, ms, "m", "read", "[[1]]")))
	if rep.Sent != 1 || rep.Left[replay.LeftArguments] != 2 {
		t.Errorf("%+v", rep)
	}
}

// TestMadeRecords replays calls that make records, which get other ids at the target, on two sessions: what names them
// gets those, waits for them, and is left out if they were not made.
func TestMadeRecords(t *testing.T) {
	create := call("a", 0, 50*ms, "sale.order", "create", `[{"name":"x"}]`)
	create.Minted = []load.Minted{{Model: "sale.order", IDs: []int64{7}}}
	create.Digest = load.Digest("", []byte("7"))
	failing := call("a", 400*ms, 10*ms, "sale.order", "copy", `[[7]]`)
	failing.Minted = []load.Minted{{Model: "sale.order", IDs: []int64{8}}}
	calls := []load.Call{
		create,
		call("b", 60*ms, 10*ms, "sale.order", "read", `[[7],["name"]]`), // another session
		call("a", 70*ms, 10*ms, "sale.order", "write", `[[7],{"partner_id":7,"count":7,"line_ids":[[0,"virtual_7",{"order_id":7}]]}]`),
		call("b", 90*ms, 10*ms, "sale.order", "search", `[[["id","=",7],["count","=",7]]]`),
		failing,
		call("b", 500*ms, 10*ms, "sale.order", "read", `[[8]]`),
		call("b", 510*ms, 10*ms, "sale.order", "read", `[[9]]`),
	}
	o := newOdoo(t, func(a asked) any {
		switch a.Method {
		case "fields_get":
			if a.Model == "sale.order" {
				return map[string]any{
					"partner_id": map[string]any{"type": "many2one", "relation": "res.partner"}, "count": map[string]any{"type": "integer"},
					"line_ids": map[string]any{"type": "one2many", "relation": "sale.line"},
				}
			}
			return map[string]any{"order_id": map[string]any{"type": "many2one", "relation": "sale.order"}}
		case "create":
			<-time.After(300 * ms) // so late that the others are due before
			return 4711
		case "copy":
			return fault{200, "odoo.exceptions.UserError"}
		}
		return true
	})
	rep, results := run(t, o, replay.Config{Safety: safety.Policy{Writes: true}, Confirm: "copy"}, recorded(calls...))
	var got []string
	for _, a := range o.all() {
		if a.Method != "fields_get" {
			got = append(got, a.Method+" "+strings.ReplaceAll(fmt.Sprint(a.Args...), " ", ""))
		}
	}
	slices.Sort(got)
	want := []string{
		"copy [4711]", "create map[name:x]", "read [4711][name]", "read [9]", "search [[id=4711][count=7]]",
		"write [4711]map[count:7line_ids:[[0virtual_7map[order_id:4711]]]partner_id:7]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if rep.Left[replay.LeftDependency] != 1 || rep.Mapped != 1 || rep.Shared != 1 {
		t.Errorf("%d left, %d mapped, %d shared", rep.Left[replay.LeftDependency], rep.Mapped, rep.Shared)
	}
	for _, r := range results {
		switch {
		case r.Seq == 1 && r.Match != replay.Same:
			t.Errorf("the answer of create is %s, %s", r.Match, r.Answer)
		case r.Seq == 2 && (r.Wait < 150*ms || r.Latency > r.Wait):
			t.Errorf("the read waited %s, and took %s", r.Wait, r.Latency)
		}
	}
}
