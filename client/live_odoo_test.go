//go:build odoo

package client_test

// The contract against a real Odoo, which the environment names:
//
//	ODOO_URL=http://admin:admin@127.0.0.1:8069/?db=odoo go test -tags odoo -run Odoo ./client
//
// or with ODOO_DATABASE, ODOO_LOGIN and ODOO_PASSWORD beside ODOO_URL. The user has to be an administrator. The database gets a few partners, tags, an API key and a user, which are deleted again where
// Odoo permits that.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/perfd/perfd/cache"
	"github.com/perfd/perfd/client"
)

// odooConfig is the server's, for a transport; the second value is its major version.
func odooConfig(t *testing.T, transport client.Transport) client.Config {
	t.Helper()
	c, _, err := client.FromEnv()
	if err != nil {
		t.Fatal(err)
	}
	c.Transport, c.Retry, c.Timeout = transport, client.RetryNone, time.Minute
	return c
}

// odooTransports are those that the server has: /json/2 came with 19.
func odooTransports(t *testing.T) map[client.Transport]client.Config {
	t.Helper()
	all := map[client.Transport]client.Config{}
	for _, x := range []client.Transport{client.TransportWeb, client.TransportJSONRPC, client.TransportXMLRPC} {
		all[x] = odooConfig(t, x)
	}
	v, err := open(t, all[client.TransportWeb]).Version(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if v.Major >= 19 {
		c := odooConfig(t, client.TransportJSON2)
		c.Password = client.Secret(odooKey(t, open(t, all[client.TransportWeb])))
		all[client.TransportJSON2] = c
	}
	return all
}

// odooKey makes an API key for the user, as the preferences dialog does.
func odooKey(t *testing.T, k *client.Client) string {
	t.Helper()
	saved, err := k.Call(t.Context(), "res.users.apikeys.description", "web_save",
		[]any{[]any{}, map[string]any{"name": "perfd test", "duration": "1"}}, map[string]any{"specification": map[string]any{}})
	var dialog []struct{ ID int64 }
	if err != nil || json.Unmarshal(saved, &dialog) != nil || len(dialog) != 1 {
		t.Fatalf("%v: %s", err, saved)
	}
	raw := must(t, k, "res.users.apikeys.description", "make_key", []any{[]any{dialog[0].ID}})
	var action struct {
		Model   string         `json:"res_model"`
		ID      int64          `json:"res_id"`
		Context map[string]any `json:"context"`
	}
	if err := json.Unmarshal([]byte(raw), &action); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	if action.Model == "res.users.identitycheck" { // the password again
		password := string(odooConfig(t, client.TransportWeb).Password)
		if _, err := k.Call(t.Context(), action.Model, "write", []any{[]any{action.ID}, map[string]any{"password": password}}, nil); err != nil {
			t.Fatal(err)
		}
		raw = must(t, k, action.Model, "run_check", []any{[]any{action.ID}}, client.InContext(map[string]any{"password": password}))
		if err := json.Unmarshal([]byte(raw), &action); err != nil {
			t.Fatalf("%v: %s", err, raw)
		}
	}
	key, _ := action.Context["default_key"].(string)
	if len(key) < 20 {
		t.Fatalf("no key in %s", raw)
	}
	return key
}

func TestOdooLoginContextAndLogout(t *testing.T) {
	for name, c := range odooTransports(t) {
		k := open(t, c)
		u, err := k.Login(t.Context())
		if err != nil || u.UID < 1 || u.Context["lang"] == nil || u.Company < 1 || len(u.Companies) < 1 || u.Companies[0] != u.Company {
			t.Errorf("%s: %+v, %v", name, u, err)
			continue
		}
		if err := k.Logout(t.Context()); err != nil {
			t.Errorf("%s: log out: %v", name, err)
		}
		must(t, k, "res.partner", "search_count", []any{[]any{}})
		if v, err := k.Version(t.Context()); err != nil || v.Major < 14 {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
		if list, err := k.Databases(t.Context()); err != nil && !errors.Is(err, client.KindAccessDenied) || err == nil && len(list) == 0 {
			t.Errorf("%s: databases %v, %v", name, list, err)
		}
		if name == client.TransportJSON2 {
			continue
		}
		c.Password = "not-the-password"
		if _, err := open(t, c).Login(t.Context()); !errors.Is(err, client.KindAccessDenied) {
			t.Errorf("%s: a wrong password: %v", name, err)
		}
		c.Password, c.Database = odooConfig(t, name).Password, "no-such-database"
		if _, err := open(t, c).Login(t.Context()); !errors.Is(err, client.KindNotFound) {
			t.Errorf("%s: a database that does not exist: %v", name, err)
		}
	}
}

func TestOdooAPIKey(t *testing.T) {
	key := odooKey(t, open(t, odooConfig(t, client.TransportWeb)))
	for _, x := range []client.Transport{client.TransportJSONRPC, client.TransportXMLRPC} {
		c := odooConfig(t, x)
		c.Password = client.Secret(key)
		if got := must(t, open(t, c), "res.partner", "search_count", []any{[]any{}}); got == "0" {
			t.Errorf("%s: no partners", x)
		}
	}
}

// TestOdooRecords makes, reads, changes, searches and deletes records.
func TestOdooRecords(t *testing.T) {
	for name, c := range odooTransports(t) {
		k := open(t, c)
		label := fmt.Sprintf("perfd äöü <&> %s %d", name, time.Now().UnixNano())
		var made []int64
		raw := must(t, k, "res.partner", "create", []any{[]any{map[string]any{"name": label, "comment": false}}})
		if err := json.Unmarshal([]byte(raw), &made); err != nil || len(made) != 1 {
			t.Fatalf("%s: created %s, %v", name, raw, err)
		}
		one := []any{made[0]}
		var rows []struct {
			Name    string
			City    any
			Country json.RawMessage `json:"country_id"`
		}
		read := func() {
			t.Helper()
			rows = nil
			raw, err := k.Call(t.Context(), "res.partner", "read", []any{one}, map[string]any{"fields": []string{"name", "city", "country_id"}})
			if err != nil || json.Unmarshal(raw, &rows) != nil || len(rows) != 1 {
				t.Fatalf("%s: read %s, %v", name, raw, err)
			}
		}
		if read(); rows[0].Name != label || rows[0].City != false {
			t.Errorf("%s: %+v", name, rows)
		}
		if got := must(t, k, "res.partner", "write", []any{one, map[string]any{"city": "Köln"}}); got != "true" {
			t.Errorf("%s: write: %s", name, got)
		}
		if read(); rows[0].City != "Köln" {
			t.Errorf("%s: %+v", name, rows)
		}
		raw2, err := k.Call(t.Context(), "res.partner", "search_read", nil, map[string]any{
			"domain": []any{[]any{"name", "=", label}}, "fields": []string{"city"}, "limit": 5,
		})
		if err != nil || json.Unmarshal(raw2, &rows) != nil || len(rows) != 1 || rows[0].City != "Köln" {
			t.Errorf("%s: %s, %v", name, raw2, err)
		}
		if got := must(t, k, "res.partner", "search_count", []any{[]any{[]any{"name", "=", label}}}); got != "1" {
			t.Errorf("%s: count %s", name, got)
		}
		must(t, k, "res.partner", "unlink", []any{one})
		_, err = k.Call(t.Context(), "res.partner", "write", []any{one, map[string]any{"city": "x"}}, nil)
		want := client.KindMissing
		if name == client.TransportXMLRPC {
			want = client.KindUser // whose faults do not tell these apart
		}
		if !errors.Is(err, want) {
			t.Errorf("%s: write of a deleted record: %#v", name, err)
		}
	}
}

func TestOdooErrors(t *testing.T) {
	for name, c := range odooTransports(t) {
		k := open(t, c)
		xml := name == client.TransportXMLRPC
		tag := must(t, k, "res.partner.category", "create", []any{[]any{map[string]any{"name": "perfd test"}}})
		var made []int64
		if err := json.Unmarshal([]byte(tag), &made); err != nil {
			t.Fatal(err)
		}
		for _, x := range []struct {
			what, model, method string
			args                []any
			want                client.Kind
			xml                 client.Kind
		}{
			{"a tag without a name", "res.partner.category", "create", []any{[]any{map[string]any{"name": false}}}, client.KindValidation, client.KindUser},
			{"no such model", "no.such.model", "search", []any{[]any{}}, client.KindNotFound, client.KindUser},
			{"no such method", "res.partner", "no_such_method", []any{[]any{}}, client.KindNotFound, client.KindNotFound},
			{"a private method", "res.partner", "_compute_display_name", []any{[]any{}}, client.KindAccess, client.KindAccess},
			{"no such field", "res.partner", "search", []any{[]any{[]any{"no_such_field", "=", 1}}}, client.KindServer, client.KindServer},
		} {
			want := x.want
			if xml {
				want = x.xml
			}
			var e *client.Error
			_, err := k.Call(t.Context(), x.model, x.method, x.args, nil)
			if !errors.As(err, &e) || e.Message == "" || !e.Sent || e.Kind != want && !(x.want == client.KindNotFound && e.Kind == client.KindUser) {
				t.Errorf("%s: %s: %v (%#v), want %v", name, x.what, err, e, want)
				continue
			}
			if e.Kind == client.KindServer && !strings.Contains(e.Debug, "Traceback") {
				t.Errorf("%s: %s: no debug text: %q", name, x.what, e.Debug)
			}
		}
		must(t, k, "res.partner.category", "unlink", []any{made})
	}
}

// TestOdooAccess makes a user without rights and sees what is refused, and that nothing cached for the administrator
// reaches that user.
func TestOdooAccess(t *testing.T) {
	mem, err := cache.NewMemory(cache.MemoryConfig{})
	if err != nil {
		t.Fatal(err)
	}
	shared := cache.NewLoader(mem, cache.LoaderConfig{})
	defer shared.Close()
	c := odooConfig(t, client.TransportWeb)
	c.Cache = shared
	admin := open(t, c)
	login := fmt.Sprintf("perfd-%d", time.Now().UnixNano())
	raw := must(t, admin, "res.users", "create", []any{[]any{map[string]any{"name": login, "login": login, "password": "a-Pass-word-2026"}}})
	var made []int64
	if err := json.Unmarshal([]byte(raw), &made); err != nil {
		t.Fatal(err)
	}
	defer must(t, admin, "res.users", "write", []any{made, map[string]any{"active": false}})
	c.Login, c.Password = login, "a-Pass-word-2026"
	user := open(t, c)
	domain := []any{[]any{[]any{"id", ">", 0}}}
	must(t, admin, "ir.cron", "search_count", domain)
	must(t, admin, "ir.cron", "search_count", domain)
	if _, err := user.Call(t.Context(), "ir.cron", "search_count", domain, nil); !errors.Is(err, client.KindAccess) {
		t.Errorf("%v", err)
	}
	if s := mem.Stats(); s.Models["ir.cron"].Hits != 1 || s.Models["ir.cron"].Misses != 2 {
		t.Errorf("%+v", s.Models)
	}
}

// TestOdooCache: an answer comes from the cache until a write of anybody who shares it.
func TestOdooCache(t *testing.T) {
	for name, c := range odooTransports(t) {
		mem, err := cache.NewMemory(cache.MemoryConfig{})
		if err != nil {
			t.Fatal(err)
		}
		l := cache.NewLoader(mem, cache.LoaderConfig{})
		requests := 0
		c.Cache = l
		c.Hooks = []client.Hook{{After: counting(&requests)}}
		k := open(t, c)
		var made []int64
		if err := json.Unmarshal([]byte(must(t, k, "res.partner.category", "create", []any{[]any{map[string]any{"name": "perfd one"}}})), &made); err != nil {
			t.Fatal(err)
		}
		read := func() string {
			raw, err := k.Call(t.Context(), "res.partner.category", "read", []any{made}, map[string]any{"fields": []string{"name", "active"}})
			if err != nil {
				t.Fatal(err)
			}
			return string(raw)
		}
		first := read()
		before := requests
		if again := read(); again != first || requests != before {
			t.Errorf("%s: %s, then %s, %d requests", name, first, again, requests-before)
		}
		must(t, k, "res.partner.category", "write", []any{made, map[string]any{"name": "perfd two"}})
		if now := read(); !strings.Contains(now, "perfd two") || requests != before+2 {
			t.Errorf("%s: %s, %d requests", name, now, requests-before)
		}
		must(t, k, "res.partner.category", "unlink", []any{made})
		_ = l.Close()
	}
}

// counting counts the requests that ended.
func counting(n *int) func(context.Context, *client.Request, *client.Response) {
	return func(context.Context, *client.Request, *client.Response) { *n++ }
}

// TestOdooSessionExpiry: a session that the server has forgotten is renewed, and the call is made.
func TestOdooSessionExpiry(t *testing.T) {
	logins := 0
	c := odooConfig(t, client.TransportWeb)
	expire := false
	c.Hooks = []client.Hook{{Before: func(ctx context.Context, r *client.Request) context.Context {
		if r.Method == "login" {
			logins++
		}
		return ctx
	}}}
	jarless := httpTransport(func(h http.Header) {
		if expire {
			expire = false
			h.Set("Cookie", "session_id="+strings.Repeat("x", 84))
		}
	})
	c.HTTP = jarless
	k := open(t, c)
	must(t, k, "res.partner", "search_count", []any{[]any{}})
	expire = true
	must(t, k, "res.partner", "search_count", []any{[]any{}})
	if logins != 2 {
		t.Errorf("%d log-ins", logins)
	}
}
