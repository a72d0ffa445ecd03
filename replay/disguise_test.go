package replay_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/perfd/perfd/client"
	"github.com/perfd/perfd/replay"
	"github.com/perfd/perfd/replay/load"
)

// TestDisguise has a load call reads what would write on the wire: what goes out is what was judged, or nothing.
func TestDisguise(t *testing.T) {
	evil := func(c load.Call, change func(*load.Call)) load.Call {
		change(&c)
		return c
	}
	read := call("a", 0, ms, "res.partner", "read", `[[1]]`)
	calls := []load.Call{
		evil(read, func(c *load.Call) {
			c.Params = []byte(`{"model":"res.partner","method":"unlink","args":[[1]],"kwargs":{}}`)
		}),
		evil(read, func(c *load.Call) { c.Path = "/web/action/run" }),
		evil(read, func(c *load.Call) { c.Path = "/web/session/destroy" }),
		evil(read, func(c *load.Call) { c.Path = "@evil.example/" }),
		evil(read, func(c *load.Call) { c.Verb = "DELETE" }),
		evil(read, func(c *load.Call) { c.Method = `read","method":"unlink` }),
		evil(read, func(c *load.Call) {
			c.Model, c.Method, c.Params = "", "", []byte(`{"model":"res.partner","method":"unlink"}`)
		}),
		evil(read, func(c *load.Call) {
			c.Transport, c.Path, c.Verb, c.Model, c.Method = "http", "/web/image/../session/logout", "GET", "", ""
		}),
		evil(read, func(c *load.Call) {
			c.Transport, c.Path, c.Verb, c.Model, c.Method = "http", "@evil.example/web/image/1", "GET", "", ""
		}),
		evil(read, func(c *load.Call) {
			c.Path, c.Service, c.Model, c.Method, c.Params = "/web/dataset/call_kw", "common", "", "version", []byte(`{"model":"res.partner","method":"unlink","args":[[1]],"kwargs":{}}`)
		}),
		evil(read, func(c *load.Call) {
			c.Path, c.Service, c.Model, c.Method = "/web/database/drop", "common", "", "version"
		}),
		evil(read, func(c *load.Call) { c.Transport, c.Path, c.Verb = "http", "/my/orders/1/accept", "GET" }),
		evil(read, func(c *load.Call) { c.Transport, c.Path, c.Verb = "http", "/web/session/logout", "GET" }),
		evil(read, func(c *load.Call) { c.Transport = "other" }),
		evil(read, func(c *load.Call) { c.Transport, c.Service = "tryton", "report" }),
	}
	o := newOdoo(t, func(a asked) any {
		if a.Method != "read" || !strings.HasPrefix(a.Path, "/web/dataset/call_kw/") {
			t.Errorf("%s.%s at %s came", a.Model, a.Method, a.Path)
		}
		return nil
	})
	rep, _ := run(t, o, replay.Config{Mode: replay.Max}, recorded(calls...))
	if rep.Sent != 5 || rep.Errors > 0 {
		t.Errorf("%d sent, %d errors: %v, left %v", rep.Sent, rep.Errors, rep.Failures, rep.Unsent)
	}
}

// TestJSON2 sends calls of /json/2 in their form, with the key in the header.
func TestJSON2(t *testing.T) {
	var mu sync.Mutex
	var got []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/json/2/res.users/context_get":
			_, _ = fmt.Fprint(w, `{"uid":2,"lang":"en_US"}`)
			return
		case "/json/2/res.users/read", "/json/2/ir.config_parameter/search_read":
			_, _ = fmt.Fprint(w, `[]`)
			return
		}
		mu.Lock()
		got = append(got, fmt.Sprintf("%s %s %s %s %s", r.Method, r.URL.Path, r.Header.Get("Authorization"), r.Header.Get("X-Odoo-Database"), body))
		mu.Unlock()
		_, _ = fmt.Fprint(w, `[{"id":1}]`)
	}))
	t.Cleanup(s.Close)
	src := recorded(load.Call{
		Session: "a", Transport: "json2", Verb: "POST", Path: "/json/2/res.partner/unlink", Model: "res.partner", Method: "search_read",
		Kwargs: json.RawMessage(`{"domain":[["id","=",1]],"fields":["id"]}`), Status: 200, Digest: load.Digest("", []byte(`[{"id":1}]`)),
	})
	src.sessions = map[string]load.Session{"a": {ID: "a", Login: "anna", Transport: "json2"}}
	r, err := replay.New(replay.Config{Target: s.URL, Database: "copy", Password: client.Secret("key"), Mode: replay.Max})
	if err != nil {
		t.Fatal(err)
	}
	rep, err := r.Run(t.Context(), src)
	want := `POST /json/2/res.partner/search_read bearer key copy {"domain":[["id","=",1]],"fields":["id"]}`
	if err != nil || rep.Matches["same"] != 1 || len(got) != 1 || got[0] != want {
		t.Errorf("%v, %v, got %q, want %q", err, rep.Matches, got, want)
	}
}
