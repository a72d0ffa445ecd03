// Package cachetest holds implementations of cache.Cache to their contract: one suite that all back ends pass, those
// of this module and those of others.
//
//	func TestMine(t *testing.T) {
//		cachetest.Run(t, func(t testing.TB) cache.Cache { return mine.New() })
//	}
package cachetest

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/perfd/perfd/cache"
)

// Run runs the suite. open makes an empty cache that ends with the test and takes 1000 entries of a hundred bytes and
// one of 64 KiB. One that needs time until it works with full effect is returned after that.
func Run(t *testing.T, open func(t testing.TB) cache.Cache) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(*testing.T, cache.Cache)
	}{
		{"SetAndGet", setAndGet},
		{"FalsyValues", falsyValues},
		{"LargeValue", largeValue},
		{"Overwrite", overwrite},
		{"OverwriteEvictsNobody", overwriteEvictsNobody},
		{"Expiry", expiry},
		{"NeverExpires", neverExpires},
		{"NegativeTTL", negativeTTL},
		{"Stale", stale},
		{"Delete", remove},
		{"Apart", apart},
		{"InvalidateModel", invalidateModel},
		{"InvalidateDatabase", invalidateDatabase},
		{"InvalidateMatching", invalidateMatching},
		{"Clear", clear},
		{"OldGeneration", oldGeneration},
		{"CurrentGeneration", currentGeneration},
		{"StrangeNames", strangeNames},
		{"Statistics", statistics},
		{"CancelledContext", cancelledContext},
		{"Concurrent", concurrent},
		{"Closed", closed},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

const db = "db1"

// Key makes a key of the model for tests.
func Key(t testing.TB, model string, args ...any) cache.Key {
	t.Helper()
	return key(t, db, model, args...)
}

func key(t testing.TB, db, model string, args ...any) cache.Key {
	t.Helper()
	scope, err := cache.NewScope(2, map[string]any{"lang": "en_US"})
	if err != nil {
		t.Fatal(err)
	}
	k, err := cache.NewKey(db, model, "read", scope, args)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func set(t testing.TB, c cache.Cache, k cache.Key, value string, o cache.Options) {
	t.Helper()
	if err := c.Set(t.Context(), k, []byte(value), o); err != nil {
		t.Fatalf("set: %v", err)
	}
}

func hit(t testing.TB, c cache.Cache, k cache.Key, want string) {
	t.Helper()
	if e := c.Get(t.Context(), k); e.State != cache.Hit || string(e.Value) != want {
		t.Fatalf("got %v %.80q, want a hit of %.80q", e.State, e.Value, want)
	}
}

func miss(t testing.TB, c cache.Cache, k cache.Key) cache.Entry {
	t.Helper()
	e := c.Get(t.Context(), k)
	if e.State != cache.Miss {
		t.Fatalf("got %v %q, want a miss", e.State, e.Value)
	}
	return e
}

// until waits for something that time brings about.
func until(t testing.TB, what string, reached func() bool) {
	t.Helper()
	limit := time.After(10 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !reached() {
		select {
		case <-limit:
			t.Fatalf("%s: not within 10 s", what)
		case <-tick.C:
		}
	}
}

func statistics(t *testing.T, c cache.Cache) {
	k := Key(t, "res.partner", 1)
	miss(t, c, k)
	set(t, c, k, "v", cache.Options{})
	hit(t, c, k, "v")
	hit(t, c, k, "v")
	hit(t, c, k, "v")
	miss(t, c, Key(t, "res.users", 1))
	s := c.Stats()
	if s.Hits != 3 || s.Misses != 2 || s.Sets != 1 || s.HitRate() != 0.6 {
		t.Errorf("got %+v, rate %v", s.Counts, s.HitRate())
	}
	if p := s.Models["res.partner"]; p.Hits != 3 || p.Misses != 1 || p.Sets != 1 {
		t.Errorf("res.partner: %+v", p)
	}
	if u := s.Models["res.users"]; u.Hits != 0 || u.Misses != 1 {
		t.Errorf("res.users: %+v", u)
	}
	if len(s.Tiers) == 0 || s.Tiers[0].Name == "" {
		t.Errorf("tiers: %+v", s.Tiers)
	}
	if _, err := json.Marshal(s); err != nil {
		t.Error(err)
	}
}

// cancelledContext: a caller who does not wait is not served, and no harm is done.
func cancelledContext(t *testing.T, c cache.Cache) {
	k := Key(t, "res.partner", 1)
	set(t, c, k, "v", cache.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 { // more than what opens a circuit
		c.Get(ctx, k)
	}
	hit(t, c, k, "v")
	_ = c.Invalidate(ctx, db, "res.partner") // what was written is written
	miss(t, c, k)
}

func concurrent(t *testing.T, c cache.Cache) {
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 150 {
				k := Key(t, "model"+strconv.Itoa(i%3), i%20)
				want := fmt.Sprint(k)
				switch (i + g) % 5 {
				case 0:
					_ = c.Set(t.Context(), k, []byte(want), cache.Options{})
				case 1:
					_ = c.Delete(t.Context(), k)
				case 2:
					_ = c.Invalidate(t.Context(), db, k.Model)
				default:
					e := c.Get(t.Context(), k)
					if e.State == cache.Hit && string(e.Value) != want {
						t.Errorf("got %q, want %q", e.Value, want)
					}
					if e.State == cache.Miss {
						_ = c.Set(t.Context(), k, []byte(want), cache.Options{Generation: e.Generation})
					}
				}
			}
		})
	}
	all.Wait()
}

func closed(t *testing.T, c cache.Cache) {
	k := Key(t, "res.partner", 1)
	set(t, c, k, "v", cache.Options{})
	for range 2 {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_ = c.Set(t.Context(), k, []byte("v"), cache.Options{})
	miss(t, c, k)
	_ = c.Invalidate(t.Context(), db)
	_ = c.Delete(t.Context(), k)
	c.Stats()
}
