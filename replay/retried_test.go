package replay_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/perfd/perfd/cache"
	"github.com/perfd/perfd/replay"
)

// TestRetried has calls that were tried more than once say so, in each of the ways, and no other.
func TestRetried(t *testing.T) {
	o := newOdoo(t, func(a asked) any {
		switch a.Method {
		case "search":
			return fault{200, "psycopg2.errors.SerializationFailure"}
		case "name_get":
			return fault{200, "odoo.exceptions.UserError"}
		}
		return []any{}
	})
	var broken atomic.Int64
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/search_count") && broken.Add(1) == 1 {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_ = conn.Close() // as a server does that closes an idle connection just then
			return
		}
		o.serve(w, r)
	}))
	t.Cleanup(front.Close)
	o.Server = front
	tape := recorded(
		call("a", 0*ms, ms, "m", "read", `[[1]]`),
		call("a", 2*ms, ms, "m", "search_count", `[[]]`),
		call("a", 4*ms, ms, "m", "search", `[[]]`),
		call("a", 6*ms, ms, "m", "name_get", `[[1]]`),
		call("a", 8*ms, ms, "m", "search_read", `[[]]`),
	)
	rep, results := run(t, o, replay.Config{Mode: replay.Max}, tape)
	want := map[string]bool{"m.read": false, "m.search_count": true, "m.search": true, "m.name_get": false, "m.search_read": false}
	for _, r := range results {
		if r.Retried != want[r.Name] || r.Name == "m.search_count" && r.Error != "" {
			t.Errorf("%s: retried %v, error %q", r.Name, r.Retried, r.Error)
		}
	}
	if len(results) != len(want) || rep.Retried != 2 || broken.Load() != 2 {
		t.Errorf("%d results, %d retried, asked %d times", len(results), rep.Retried, broken.Load())
	}
}

// TestRetriedBehindACache: the caching client logs in again by itself, which shows too.
func TestRetriedBehindACache(t *testing.T) {
	o := newOdoo(t, nothing)
	o.answer = func(a asked) any {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.expire[a.Session] = o.logins.Load() == 1
		return []any{}
	}
	memory, err := cache.NewMemory(cache.MemoryConfig{MaxItems: 100, MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	loader := cache.NewLoader(memory, cache.LoaderConfig{})
	t.Cleanup(func() { _ = loader.Close() })
	_, results := run(t, o, replay.Config{Mode: replay.Max, Cache: loader},
		recorded(call("a", 0, ms, "m", "read", "[[1]]"), call("a", 2*ms, ms, "m", "read", "[[2]]"), call("a", 4*ms, ms, "m", "read", "[[2]]")))
	for i, want := range []bool{false, true, false} {
		if results[i].Retried != want || results[i].Error != "" {
			t.Errorf("call %d: retried %v, error %q", i+1, results[i].Retried, results[i].Error)
		}
	}
}

// TestOverlapIsKeptBehindACache: the caching client sends together what was sent together.
func TestOverlapIsKeptBehindACache(t *testing.T) {
	together := make(chan struct{})
	var here atomic.Int32
	o := newOdoo(t, func(asked) any {
		if here.Add(1) == 3 {
			close(together)
		}
		<-together // all three are here, or nobody ever goes on
		return []any{}
	})
	memory, err := cache.NewMemory(cache.MemoryConfig{MaxItems: 100, MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	loader := cache.NewLoader(memory, cache.LoaderConfig{})
	t.Cleanup(func() { _ = loader.Close() })
	rep, _ := run(t, o, replay.Config{Mode: replay.Max, Cache: loader}, recorded(
		call("a", 0, 10*ms, "m", "read", "[[1]]"), call("a", 1*ms, 10*ms, "m", "read", "[[2]]"), call("a", 2*ms, 10*ms, "m", "read", "[[3]]")))
	if rep.Sent != 3 || rep.Errors > 0 {
		t.Errorf("%d sent, %d errors", rep.Sent, rep.Errors)
	}
}
