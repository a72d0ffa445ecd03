package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/perfd/perfd/cache"
	"github.com/perfd/perfd/client"
	"github.com/perfd/perfd/lab"
)

func memory(t testing.TB, c cache.LoaderConfig) *cache.Loader {
	t.Helper()
	m, err := cache.NewMemory(cache.MemoryConfig{})
	if err != nil {
		t.Fatal(err)
	}
	l := cache.NewLoader(m, c)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// cached is a fake server that numbers its answers, and a client with a memory.
func cached(t testing.TB) (*fakeOdoo, *client.Client) {
	f := newFake(t, echo())
	f.Config.Cache = memory(t, cache.LoaderConfig{})
	k, err := client.New(f.Config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() })
	return f, k
}

// asksAgain tells whether a call reaches the server after change.
func asksAgain(t *testing.T, k *client.Client, model string, change func()) bool {
	t.Helper()
	first := must(t, k, model, "read", []any{[]any{1}})
	if again := must(t, k, model, "read", []any{[]any{1}}); again != first {
		t.Fatalf("%s is not cached: %s, %s", model, first, again)
	}
	change()
	return must(t, k, model, "read", []any{[]any{1}}) != first
}

// twice tells whether a question that a server answers otherwise each time gets the same answer twice.
func twice(ask func() string) bool {
	first := ask()
	return ask() == first
}

func TestSafeMethodsAreCached(t *testing.T) {
	f, k := cached(t)
	for _, method := range []string{
		"search", "search_read", "search_count", "read", "read_group", "web_read", "web_search_read", "web_read_group", "name_search",
		"name_get", "fields_get", "default_get", "get_views",
	} {
		if a, b := must(t, k, "res.partner", method, []any{1}), must(t, k, "res.partner", method, []any{1}); a != b {
			t.Errorf("%s was asked twice", method)
		}
		if a, b := must(t, k, "res.partner", method, []any{1}), must(t, k, "res.partner", method, []any{2}); a == b {
			t.Errorf("%s: one answer to two questions", method)
		}
	}
	for _, method := range []string{"onchange", "write", "action_confirm", "has_access", "context_get"} {
		if a, b := must(t, k, "res.partner", method, []any{1}), must(t, k, "res.partner", method, []any{1}); a == b {
			t.Errorf("%s was answered from the cache", method)
		}
	}
	if _, logins, _ := f.count(); logins != 1 {
		t.Errorf("%d log-ins", logins)
	}
}

func TestFalsyAnswersAreHits(t *testing.T) {
	for _, answer := range []any{false, nil, []any{}, 0, "", map[string]any{}} {
		f, k := cached(t)
		f.answer = func(asked) (any, *failure) { return answer, nil }
		a, b := must(t, k, "m", "search", nil), must(t, k, "m", "search", nil)
		if calls, _, _ := f.count(); calls != 1 || a != b {
			t.Errorf("%v: %d calls, %s and %s", answer, calls, a, b)
		}
	}
}

func TestWhatHasNoOrderSharesAnEntry(t *testing.T) {
	_, k := cached(t)
	read := func(ids, fields []any) string { return must(t, k, "m", "read", []any{ids, fields}) }
	if read([]any{1, 2}, []any{"a", "b"}) != read([]any{1, 2}, []any{"b", "a"}) {
		t.Error("fields in another order are another question")
	}
	if read([]any{1, 2}, []any{"a"}) == read([]any{2, 1}, []any{"a"}) {
		t.Error("ids in another order are the same question")
	}
	describe := func(fields, attributes []any) string { return must(t, k, "m", "fields_get", []any{fields, attributes}) }
	if describe([]any{"a", "b"}, []any{"type", "string"}) != describe([]any{"b", "a"}, []any{"string", "type"}) {
		t.Error("fields and attributes in another order are another question")
	}
	if describe([]any{"a"}, []any{"type"}) == describe([]any{"type"}, []any{"a"}) {
		t.Error("fields are attributes")
	}
}

func TestCallOptions(t *testing.T) {
	f := newFake(t, echo())
	f.Config.Cache, f.Config.Caches = memory(t, cache.LoaderConfig{}), map[string]*cache.Loader{"other": memory(t, cache.LoaderConfig{})}
	k := open(t, f.Config)
	get := func(opts ...client.CallOption) string { return must(t, k, "m", "search", []any{1}, opts...) }
	first := get()
	if get(client.NoCache()) == first || get() != first {
		t.Error("NoCache looked, or kept")
	}
	renewed := get(client.Refresh())
	if renewed == first || get() != renewed {
		t.Error("Refresh did not ask, or not keep")
	}
	if other := get(client.InCache("other")); other == renewed || get(client.InCache("other")) != other {
		t.Error("InCache used the default cache, or none")
	}
	if _, err := k.Call(t.Context(), "m", "search", nil, nil, client.InCache("none")); !errors.Is(err, client.KindArgument) {
		t.Errorf("%v", err)
	}
	named := must(t, k, "m", "search", []any{5}, client.CacheKey("mine"))
	if must(t, k, "m", "search", []any{6}, client.CacheKey("mine")) != named || must(t, k, "m", "search", []any{5}) == named {
		t.Error("CacheKey is not the key")
	}
	if asksAgain(t, k, "m", func() { must(t, k, "other", "write", []any{[]any{1}, map[string]any{}}) }) {
		t.Error("a write to another model makes this one forget")
	}
	var model string
	no := client.CacheIf(func(m string, result json.RawMessage) bool { model = m; return len(result) > 100 })
	if twice(func() string { return must(t, k, "m", "search", []any{7}, no) }) || model != "m" {
		t.Error("CacheIf kept what it should not")
	}
	if must(t, k, "m", "search", []any{8}, client.CacheFor(-1)) == must(t, k, "m", "search", []any{8}) {
		t.Error("a negative time to live is stored")
	}
	report := func(opts ...client.CallOption) string {
		return must(t, k, "m", "my_report", nil, append(opts, client.ReadOnly())...)
	}
	if twice(func() string { return report() }) || !twice(func() string { return report(client.CacheFor(time.Minute)) }) {
		t.Error("ReadOnly is cached unasked, or not if asked")
	}
}

// TestTimesToLive: unset is the default of 300 s, 0 is for ever.
func TestTimesToLive(t *testing.T) {
	for _, x := range []struct {
		opts  []client.CallOption
		after time.Duration
		again bool
	}{
		{nil, 299 * time.Second, false},
		{nil, 301 * time.Second, true},
		{[]client.CallOption{client.CacheFor(time.Minute)}, 61 * time.Second, true},
		{[]client.CallOption{client.CacheFor(0)}, 1000 * time.Hour, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			l := memory(t, cache.LoaderConfig{})
			k := open(t, client.Config{
				Servers: []string{"one"}, Transport: client.TransportTryton, Database: "db", Login: "me", Password: "p", BareLogin: true, Cache: l,
				HTTP: tripper(func(*http.Request) (*http.Response, error) {
					n++
					body := `{"id":1,"result":[1,"key"]}`
					return &http.Response{StatusCode: http.StatusOK, Body: readCloser(body), Header: http.Header{}, ContentLength: int64(len(body))}, nil
				}),
			})
			must(t, k, "m", "search", nil, x.opts...)
			before := n
			time.Sleep(x.after) // of the bubble's clock
			must(t, k, "m", "search", nil, x.opts...)
			if (n > before) != x.again {
				t.Errorf("after %v: asked again %t", x.after, n > before)
			}
			_ = l.Close()
		})
	}
}

func TestInvalidation(t *testing.T) {
	f := newFake(t, echo())
	f.Config.Cache = memory(t, cache.LoaderConfig{})
	f.Config.Related = map[string][]string{"product.template": {"my.catalog"}}
	k := open(t, f.Config)
	plain := []any{[]any{1}, map[string]any{"name": "x", "tags": []any{1, 2}}}
	write := func(model, method string, args []any, opts ...client.CallOption) func() {
		return func() { must(t, k, model, method, args, opts...) }
	}
	for _, x := range []struct {
		what, model string
		change      func()
		again       bool
	}{
		{"its own write", "res.partner", write("res.partner", "write", plain), true},
		{"its own create", "res.partner", write("res.partner", "create", []any{map[string]any{"name": "x"}}), true},
		{"its own unlink", "res.partner", write("res.partner", "unlink", []any{[]any{1}}), true},
		{"another model's write", "res.partner", write("sale.order", "write", plain), false},
		{"a parent of the written model", "product.template", write("product.product", "write", plain), true},
		{"a child of the written model", "product.product", write("product.template", "write", plain), true},
		{"what is configured as related", "my.catalog", write("product.template", "write", plain), true},
		{"related to a parent", "my.catalog", write("product.product", "write", plain), true},
		{"a button", "res.partner", write("sale.order", "action_confirm", []any{[]any{1}}), true},
		{"an unknown method", "res.partner", write("sale.order", "something", nil), true},
		{"commands to other records", "sale.order.line", write("sale.order", "write", []any{[]any{1}, map[string]any{"order_line": []any{[]any{0, 0, map[string]any{}}}}}), true},
		{"rights", "res.partner", write("res.groups", "write", plain), true},
		{"a safe method", "res.partner", write("res.partner", "search_count", []any{[]any{}}), false},
		{"an unknown one that is read-only", "res.partner", write("sale.order", "report", nil, client.ReadOnly()), false},
		{"what the caller names", "my.own", write("sale.order", "button", nil, client.Touches("my.own")), true},
		{"what the caller does not name", "my.other", write("sale.order", "button", nil, client.Touches("my.own")), false},
		{"nothing, says the caller", "my.own", write("sale.order", "button", nil, client.Touches()), false},
		{"Invalidate", "my.own", func() { _ = k.Invalidate(t.Context(), "my.own") }, true},
		{"Invalidate of all", "my.own", func() { _ = k.Invalidate(t.Context()) }, true},
	} {
		if got := asksAgain(t, k, x.model, x.change); got != x.again {
			t.Errorf("%s: asked again %t, want %t", x.what, got, x.again)
		}
	}
}

// TestAnUncertainWriteLeavesNothingCached: a write that was cut off may happen later.
func TestAnUncertainWriteLeavesNothingCached(t *testing.T) {
	f, k := cached(t)
	must(t, k, "m", "read", nil)
	f.set(func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusGatewayTimeout)
		return true
	})
	_, err := k.Call(t.Context(), "m", "write", []any{[]any{1}, map[string]any{}}, nil)
	if !errors.Is(err, client.KindUnavailable) {
		t.Fatal(err)
	}
	f.set(nil)
	if twice(func() string { return must(t, k, "m", "read", nil) }) {
		t.Error("cached while the write may still happen")
	}
	if !twice(func() string { return must(t, k, "o", "read", nil) }) {
		t.Error("another model is not cached")
	}
}

func TestNeverCached(t *testing.T) {
	f := newFake(t, nil)
	n := 0
	f.answer = func(a asked) (any, *failure) {
		n++
		return []any{map[string]any{"id": n, strings.TrimPrefix(a.Model, "shows."): "x"}}, nil
	}
	f.Config.Cache, f.Config.NeverModels, f.Config.NeverFields = memory(t, cache.LoaderConfig{}), []string{"my.secret"}, []string{"iban"}
	k := open(t, f.Config)
	for _, x := range [][2]any{
		{"res.users.apikeys", nil}, {"my.secret", nil}, {"ir.config_parameter", nil},
		{"m", []any{[]any{1}, []any{"name", "password"}}}, {"m", []any{[]any{1}, []string{"iban"}}},
		{"m", []any{[]any{[]any{"user_id.totp_secret", "=", "x"}}}}, {"m", []any{map[string]any{"iban": 1}}},
		{"shows.iban", nil}, {"shows.password", nil},
	} {
		args, _ := x[1].([]any)
		if twice(func() string { return must(t, k, x[0].(string), "read", args) }) {
			t.Errorf("%v is cached", x)
		}
	}
	if !twice(func() string { return must(t, k, "shows.word", "read", nil) }) {
		t.Error("an answer without secrets is not cached")
	}
}

// TestScopesNeverShareAnEntry draws users and contexts, and lets a server answer who asked: whoever asks is told of
// themselves, first and out of the cache.
func TestScopesNeverShareAnEntry(t *testing.T) {
	l := memory(t, cache.LoaderConfig{})
	users := map[int]*client.Client{}
	for uid := 2; uid < 6; uid++ {
		f := newFake(t, func(a asked) (any, *failure) { return map[string]any{"uid": uid, "context": a.Kwargs["context"]}, nil })
		f.session = map[string]any{"uid": uid, "user_context": map[string]any{"lang": "en_US", "uid": uid}}
		f.Config.Cache, f.Config.DatabaseID = l, "the same"
		users[uid] = open(t, f.Config)
	}
	contexts := rapid.MapOfN(
		rapid.SampledFrom([]string{"lang", "tz", "allowed_company_ids", "active_test", "bin_size", "my_own", "uid", "ua1"}),
		rapid.SampledFrom([]any{true, false, nil, 1, 11, "1", "true", "", "en_US", "fr_FR", []any{1}, []any{1, 2}, []any{2, 1}, []any{}, []any{11}}), 0, 4)
	rapid.Check(t, func(r *rapid.T) {
		uid, in := rapid.IntRange(2, 5).Draw(r, "uid"), contexts.Draw(r, "context")
		want := map[string]any{"lang": "en_US", "uid": uid, "allowed_company_ids": []any{3, 1, 2}}
		for key, v := range in {
			if want[key] = v; v == nil {
				delete(want, key)
			}
		}
		for range 2 {
			raw, err := users[uid].Call(t.Context(), "m", "search", []any{1}, nil, client.InContext(in))
			if err != nil {
				r.Fatal(err)
			}
			text, _ := json.Marshal(map[string]any{"uid": uid, "context": want})
			if !equalJSON(t, raw, text) {
				r.Fatalf("user %d in %v was told %s, want %s", uid, in, raw, text)
			}
		}
	})
	if s := l.Cache().Stats(); s.Hits == 0 {
		t.Errorf("nothing came from the cache: %+v", s.Counts)
	}
}

func TestAThousandMissesMakeOneCall(t *testing.T) {
	f, k := cached(t)
	release := make(chan struct{})
	f.answer = func(asked) (any, *failure) { <-release; return 7, nil }
	if _, err := k.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	const n = 1000
	var started, ended sync.WaitGroup
	answers := make([]string, n)
	started.Add(n)
	for i := range n {
		ended.Go(func() {
			started.Done()
			raw, err := k.Call(context.Background(), "m", "search", []any{1}, nil)
			answers[i] = fmt.Sprint(string(raw), err)
		})
	}
	started.Wait()
	close(release)
	ended.Wait()
	if calls, _, _ := f.count(); calls != 1 || len(slices.Compact(answers)) != 1 || answers[0] != "7<nil>" {
		t.Errorf("%d calls, answers %q", calls, slices.Compact(answers))
	}
}

// TestStaleAnswersWhileTheCircuitIsOpen: what is too old is better than nothing, if the loader is told so.
func TestStaleAnswersWhileTheCircuitIsOpen(t *testing.T) {
	f := newFake(t, echo())
	f.Config.Cache = memory(t, cache.LoaderConfig{StaleIfUnavailable: time.Hour})
	f.Config.BreakerFailures, f.Config.Retry = 1, client.RetryNone
	k := open(t, f.Config)
	old := must(t, k, "m", "search", nil, client.CacheFor(time.Nanosecond))
	f.set(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusBadGateway); return true })
	if _, err := k.Call(t.Context(), "m", "fields_get", nil, nil); !errors.Is(err, client.KindUnavailable) {
		t.Fatal(err)
	}
	if got := must(t, k, "m", "search", nil); got != old {
		t.Errorf("%s, want %s", got, old)
	}
	if _, err := k.Call(t.Context(), "m", "write", nil, nil); !errors.Is(err, client.KindCircuitOpen) {
		t.Errorf("%v", err)
	}
}

// TestTwoClientsOverOneRedis: what one writes the other does not read from the cache any more.
func TestTwoClientsOverOneRedis(t *testing.T) {
	addr := lab.Redis(t).String()
	f := newFake(t, echo())
	var clients []*client.Client
	for range 2 {
		r, err := cache.NewRedis(cache.RedisConfig{Addresses: []string{addr}})
		if err != nil {
			t.Fatal(err)
		}
		l := cache.NewLoader(r, cache.LoaderConfig{})
		t.Cleanup(func() { _ = l.Close() })
		f.Config.Cache = l
		clients = append(clients, open(t, f.Config)) // each makes the other's session expire, which is no matter
	}
	a, b := clients[0], clients[1]
	first := must(t, a, "m", "search", nil)
	if got := must(t, b, "m", "search", nil); got != first {
		t.Errorf("the second asked the server: %s, %s", first, got)
	}
	must(t, b, "m", "write", []any{[]any{1}, map[string]any{}})
	if got := must(t, a, "m", "search", nil); got == first {
		t.Error("the first read what the second had changed")
	}
}
