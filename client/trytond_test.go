package client_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/perfd/perfd/cache"
	"github.com/perfd/perfd/client"
	"github.com/perfd/perfd/lab"
)

const trytonPassword = "lab-administrator" // of package lab's prepared database

// TestCoreOnTrytond logs in to a real trytond, makes and changes records, provokes errors, loses its session, and
// reads through a real Redis that another client shares.
func TestCoreOnTrytond(t *testing.T) {
	pg := lab.TrytonPostgreSQL(t, lab.PostgresConfig{})
	s := lab.RunTrytond(t, lab.TrytondConfig{Postgres: pg, Workers: 2})
	redis := lab.Redis(t).String()
	config := func() client.Config {
		r, err := cache.NewRedis(cache.RedisConfig{Addresses: []string{redis}})
		if err != nil {
			t.Fatal(err)
		}
		l := cache.NewLoader(r, cache.LoaderConfig{})
		t.Cleanup(func() { _ = l.Close() })
		return client.Config{
			Transport: client.TransportTryton, Servers: []string{s.Addr.String()}, Database: lab.Database, Login: "admin",
			Password: trytonPassword, Cache: l,
		}
	}
	k := open(t, config())
	u, err := k.Login(t.Context())
	if err != nil || u.UID != 1 || u.Context["language"] != "en" {
		t.Fatalf("%+v, %v", u, err)
	}
	if v, err := k.Version(t.Context()); err != nil || v.Major < 6 {
		t.Errorf("%+v, %v", v, err)
	}
	if list, err := k.Databases(t.Context()); err != nil || len(list) != 1 || list[0] != lab.Database {
		t.Errorf("%v, %v", list, err)
	}
	wrong := config()
	wrong.Password = "not-the-password"
	if _, err := open(t, wrong).Login(t.Context()); !errors.Is(err, client.KindAccessDenied) {
		t.Errorf("%v", err)
	}

	t.Run("values", func(t *testing.T) { valuesOnTrytond(t, k) })
	t.Run("errors", func(t *testing.T) { errorsOnTrytond(t, k) })
	t.Run("redis", func(t *testing.T) { redisOnTrytond(t, k, open(t, config())) })
	t.Run("session", func(t *testing.T) {
		other := open(t, config())
		must(t, other, "party.party", "search_count", []any{[]any{}}, client.NoCache())
		if err := other.Logout(t.Context()); err != nil {
			t.Fatal(err)
		}
		must(t, other, "party.party", "search_count", []any{[]any{}}, client.NoCache())
		forget := config()
		stale := false
		forget.HTTP = httpTransport(func(h http.Header) {
			if stale && h.Get("Authorization") != "" { // as if the server had forgotten it
				stale = false
				h.Set("Authorization", "Session YWRtaW46MTowMDAw")
			}
		})
		third := open(t, forget)
		must(t, third, "party.party", "search_count", []any{[]any{}}, client.NoCache())
		stale = true
		must(t, third, "party.party", "write", []any{[]any{1}, map[string]any{"name": "After the session"}})
		if stale {
			t.Error("nothing was forgotten")
		}
	})
}

// valuesOnTrytond sends each kind of value there and back.
func valuesOnTrytond(t *testing.T, k *client.Client) {
	sent := map[string]any{
		"name": "perfd.txt", "type": "data", "data": []byte("some bytes \x00\xff"), "resource": "party.party,1",
	}
	raw := must(t, k, "ir.attachment", "create", []any{[]any{sent}})
	var made []int64
	if err := json.Unmarshal([]byte(raw), &made); err != nil || len(made) != 1 {
		t.Fatalf("%s, %v", raw, err)
	}
	read, err := k.Call(t.Context(), "ir.attachment", "read", []any{made}, map[string]any{"fields": []string{"name", "data", "create_date"}})
	if err != nil {
		t.Fatal(err)
	}
	v, err := client.DecodeValue(read)
	if err != nil {
		t.Fatal(err)
	}
	row := v.([]any)[0].(map[string]any)
	created, _ := row["create_date"].(time.Time)
	data, _ := row["data"].([]byte)
	if string(data) != "some bytes \x00\xff" || time.Since(created).Abs() > 24*time.Hour {
		t.Errorf("%#v", row)
	}
	if got := must(t, k, "ir.attachment", "search_count", []any{[]any{[]any{"create_date", "<=", created}, []any{"id", "=", made[0]}}}); got != "1" {
		t.Errorf("%s records at %v", got, created)
	}
	must(t, k, "ir.attachment", "delete", []any{made})
}

func errorsOnTrytond(t *testing.T, k *client.Client) {
	for _, x := range []struct {
		model, method string
		args          []any
		kind          client.Kind
	}{
		{"party.party", "read", []any{[]any{99_999_999}, []any{"name"}}, client.KindUser},
		{"no.such.model", "search", []any{[]any{}}, client.KindNotFound},
		{"party.party", "no_such_method", nil, client.KindAccess},
		{"party.party", "search", []any{[]any{[]any{"no_such_field", "=", 1}}}, client.KindServer},
	} {
		var e *client.Error
		_, err := k.Call(t.Context(), x.model, x.method, x.args, nil)
		if !errors.As(err, &e) || e.Kind != x.kind || e.Message == "" {
			t.Errorf("%s.%s: %#v", x.model, x.method, err)
		}
	}
	_, err := k.Call(t.Context(), "party.party", "search", nil, map[string]any{"no_such_argument": 1})
	if !errors.Is(err, client.KindArgument) {
		t.Errorf("%v", err)
	}
}

func redisOnTrytond(t *testing.T, a, b *client.Client) {
	must(t, a, "party.party", "write", []any{[]any{2}, map[string]any{"name": "Before"}})
	read := func(k *client.Client) string {
		return must(t, k, "party.party", "read", []any{[]any{2}, []any{"name"}})
	}
	requests := requestsOf(a)
	if first := read(a); !strings.Contains(first, "Before") || read(b) != first {
		t.Errorf("%s, %s", first, read(b))
	}
	if n := requestsOf(a) - requests; n > 1 {
		t.Errorf("%d lookups missed", n)
	}
	must(t, b, "party.party", "write", []any{[]any{2}, map[string]any{"name": "After"}})
	if got := read(a); !strings.Contains(got, "After") {
		t.Errorf("read %s after the other client's write", got)
	}
}

// requestsOf is how many reads of parties the cache of a client did not know.
func requestsOf(k *client.Client) int64 { return k.CacheStats().Models["party.party"].Misses }
