package client_test

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/perfd/perfd/client"
)

func TestValidateSaysEverythingAtOnce(t *testing.T) {
	err := client.Config{
		Transport: "smoke", Servers: []string{"ftp://x", "a", "http://a:8069"}, Rate: math.NaN(), MaxConnections: -1, Balance: "dice",
		Retry: client.Retry{Attempts: -1}, BreakerPause: -time.Second,
	}.Validate()
	for _, want := range []string{
		`transport "smoke"`, `scheme "ftp"`, "twice", "no database", "no login", "no password", "Rate is negative", "MaxConnections is negative",
		`balance "dice"`, "retry {", "BreakerPause is negative",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %s is missing", err, want)
		}
	}
	good := client.Config{Servers: []string{"odoo"}, Database: "db", Login: "me", Password: "p"}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	if err := (client.Config{Transport: client.TransportJSON2, Servers: []string{"odoo"}, Password: "key"}).Validate(); err != nil {
		t.Error(err)
	}
	if _, err := client.New(client.Config{}); err == nil {
		t.Error("made a client of nothing")
	}
}

func TestFromEnvironment(t *testing.T) {
	read := func(vars map[string]string) (client.Config, client.CacheEnv, error) {
		return client.FromVariables(func(name string) string { return vars[name] })
	}
	c, e, err := read(map[string]string{
		"ODOO_URL": "https://me:s%40fe@odoo.example.com/erp?db=prod, 10.0.0.2", "REDIS_URL": "redis://r", "CACHE_TTL": "60", "MAX_CONNECTIONS": "7",
	})
	if err != nil || !reflect.DeepEqual(c.Servers, []string{"https://odoo.example.com/erp", "10.0.0.2"}) || c.Login != "me" || c.Password != "s@fe" ||
		c.Database != "prod" || c.MaxConnections != 7 || e.Redis != "redis://r" || e.TTL == nil || *e.TTL != time.Minute {
		t.Errorf("%+v %+v %v", c, e, err)
	}
	if _, e, err := read(map[string]string{"ODOO_URL": "odoo"}); err != nil || e.TTL != nil {
		t.Errorf("%+v, %v", e, err)
	}
	for _, urls := range []string{
		"http://me:s@one/?db=prod,http://two", "http://one,http://me:s@two/?db=prod", "http://me:s@one/?db=prod,http://me@two/?db=prod",
	} {
		c, _, err := read(map[string]string{"ODOO_URL": urls})
		if err != nil || len(c.Servers) != 2 || c.Login != "me" || c.Password != "s" || c.Database != "prod" {
			t.Errorf("%s: %+v, %v", urls, c, err)
		}
	}
	for text, want := range map[string]time.Duration{"0": 0, "-1": -time.Second, "5m": 5 * time.Minute} {
		if _, e, err := read(map[string]string{"ODOO_URL": "odoo", "CACHE_TTL": text}); err != nil || e.TTL == nil || *e.TTL != want {
			t.Errorf("CACHE_TTL %s: %v, %v", text, e.TTL, err)
		}
	}
	for _, vars := range []map[string]string{
		{}, {"ODOO_URL": "ftp://x"}, {"ODOO_URL": "odoo", "CACHE_TTL": "soon"}, {"ODOO_URL": "odoo", "MAX_CONNECTIONS": "0"},
		{"ODOO_URL": "http://me:canary@ho st"}, {"ODOO_URL": "http://me:canary@one/,http://you:canary@two/"},
		{"ODOO_URL": "http://me:canary@one/,http://me:canary2@two/"}, {"ODOO_URL": "http://one/?db=a,http://two/?db=b"},
	} {
		if _, _, err := read(vars); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%v: %v", vars, err)
		}
	}
}

func TestKindsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for k := client.KindServer; k <= client.KindArgument; k++ {
		if s := k.String(); s == "" || seen[s] || strings.HasPrefix(s, "Kind(") {
			t.Errorf("kind %d is %q", k, s)
		} else {
			seen[s] = true
		}
	}
	if client.KindServer.String() != "server error" || client.KindArgument.String() != "argument error" || client.Kind(200).String() != "Kind(200)" {
		t.Error("names and kinds are not of one order")
	}
	if _, ok := client.KindOf(errors.New("other")); ok {
		t.Error("a kind of an error that has none")
	}
}

func TestValuesGoThereAndBack(t *testing.T) {
	for in, want := range map[string]any{
		`{"__class__":"date","year":2031,"month":1,"day":2}`:                                                    client.Date{Year: 2031, Month: 1, Day: 2},
		`{"__class__":"datetime","year":2031,"month":1,"day":2,"hour":3,"minute":4,"second":5,"microsecond":6}`: time.Date(2031, 1, 2, 3, 4, 5, 6000, time.UTC),
		`{"__class__":"time","hour":3,"minute":4,"second":5,"microsecond":6}`:                                   client.Clock{Hour: 3, Minute: 4, Second: 5, Microsecond: 6},
		`{"__class__":"timedelta","seconds":1.5}`:                                                               1500 * time.Millisecond,
		`{"__class__":"Decimal","decimal":"24.0000"}`:                                                           client.Decimal("24.0000"),
		`{"__class__":"bytes","base64":"YWJj\nZGVm"}`:                                                           []byte("abcdef"),
		`[{"__class__":"Decimal","decimal":"1"}]`:                                                               []any{client.Decimal("1")},
		`{"__class__":"unknown"}`:                                                                               map[string]any{"__class__": "unknown"},
		`{"__class__":"date","year":"x"}`:                                                                       map[string]any{"__class__": "date", "year": "x"},
		`null`:                                                                                                  nil,
	} {
		got, err := client.DecodeValue([]byte(in))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %#v, %v; want %#v", in, got, err, want)
		}
	}
}

func FuzzDecodeValue(f *testing.F) {
	f.Add([]byte(`{"__class__":"datetime","year":2031,"month":13,"day":99}`))
	f.Add([]byte(`[{"__class__":"timedelta","seconds":1e300}]`))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = client.DecodeValue(b) })
}

// TestOdooGetsItsFormOfValues: what has a type in Go is what Odoo has for it.
func TestOdooGetsItsFormOfValues(t *testing.T) {
	f := newFake(t, echo())
	k := open(t, f.Config)
	at := time.Date(2026, 11, 22, 12, 30, 1, 0, time.FixedZone("", 3600))
	args := []any{[]any{1}, map[string]any{
		"at": at, "day": client.DateOf(at), "data": []byte("abc"), "price": client.Decimal("1.50"), "hours": 90 * time.Minute, "ids": []int64{1, 2}, "when": []time.Time{at},
	}}
	must(t, k, "m", "write", args)
	want := map[string]any{
		"at": "2026-11-22 11:30:01", "day": "2026-11-22", "data": "YWJj", "price": 1.5, "hours": 1.5, "ids": []any{1.0, 2.0}, "when": []any{"2026-11-22 11:30:01"},
	}
	if got := f.last().Args[1]; !reflect.DeepEqual(got, want) {
		t.Errorf("%#v", got)
	}
	if args[1].(map[string]any)["at"] != at {
		t.Error("the caller's values were changed")
	}
	if _, err := k.Call(t.Context(), "m", "write", []any{make(chan int)}, nil); !errors.Is(err, client.KindArgument) {
		t.Errorf("%v", err)
	}
	if _, err := k.Call(t.Context(), "m", "write", []any{client.Decimal("x")}, nil); !errors.Is(err, client.KindArgument) {
		t.Errorf("%v", err)
	}
}
