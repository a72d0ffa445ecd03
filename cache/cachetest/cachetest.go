// Package cachetest holds implementations of cache.Cache to their contract: one suite that all back ends pass, those
// of this module and those of others.
//
//	func TestMine(t *testing.T) {
//		cachetest.Run(t, func(t testing.TB) cache.Cache { return mine.New() })
//	}
package cachetest

import (
	"bytes"
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

func setAndGet(t *testing.T, c cache.Cache) {
	k := Key(t, "res.partner", 1)
	if e := miss(t, c, k); e.Generation == "" {
		t.Error("a miss without a generation")
	}
	before := time.Now().Add(-time.Second)
	set(t, c, k, `{"id":1}`, cache.Options{})
	e := c.Get(t.Context(), k)
	if e.State != cache.Hit || string(e.Value) != `{"id":1}` {
		t.Fatalf("got %v %q", e.State, e.Value)
	}
	if e.Stored.Before(before) || e.Stored.After(time.Now().Add(time.Second)) {
		t.Errorf("stored at %v, set at %v", e.Stored, before)
	}
	if !e.Fresh.After(time.Now()) {
		t.Errorf("fresh until %v", e.Fresh)
	}
	hit(t, c, k, `{"id":1}`)
}

func falsyValues(t *testing.T, c cache.Cache) {
	for i, v := range []string{"false", "null", "[]", "{}", `""`, "0", "", " [1 ] \n", "\x00\xff", `{"a":"<&>"}`, `"é"`} {
		k := Key(t, "res.partner", "falsy", i)
		set(t, c, k, v, cache.Options{})
		hit(t, c, k, v)
		hit(t, c, k, v)
	}
}

func largeValue(t *testing.T, c cache.Cache) {
	v := string(bytes.Repeat([]byte("abcdefgh"), 8<<10))
	k := Key(t, "ir.attachment", 1)
	set(t, c, k, v, cache.Options{})
	hit(t, c, k, v)
	hit(t, c, k, v)
}

func overwrite(t *testing.T, c cache.Cache) {
	k := Key(t, "res.partner", 1)
	for i := range 5 {
		v := strconv.Itoa(i)
		set(t, c, k, v, cache.Options{})
		hit(t, c, k, v)
		hit(t, c, k, v)
	}
}

// overwriteEvictsNobody: a full cache whose keys are set again still has all of them.
func overwriteEvictsNobody(t *testing.T, c cache.Cache) {
	const n = 500
	for i := range n {
		set(t, c, Key(t, "res.partner", i), "first", cache.Options{})
	}
	for i := range n {
		set(t, c, Key(t, "res.partner", i), "other", cache.Options{})
	}
	for i := range n {
		hit(t, c, Key(t, "res.partner", i), "other")
	}
	if e := c.Stats().Evictions; e != 0 {
		t.Errorf("%d evictions", e)
	}
}

func expiry(t *testing.T, c cache.Cache) {
	k, stays := Key(t, "res.partner", 1), Key(t, "res.partner", 2)
	set(t, c, stays, "v", cache.Options{TTL: cache.For(time.Hour)})
	set(t, c, k, "v", cache.Options{TTL: cache.For(80 * time.Millisecond)})
	until(t, "expire", func() bool { return c.Get(t.Context(), k).State == cache.Miss })
	hit(t, c, stays, "v")
	set(t, c, k, "again", cache.Options{})
	hit(t, c, k, "again")
}

// neverExpires: zero is forever, and not the default.
func neverExpires(t *testing.T, c cache.Cache) {
	k := Key(t, "res.partner", 1)
	set(t, c, k, "v", cache.Options{TTL: cache.For(0)})
	hit(t, c, k, "v")
	hit(t, c, k, "v")
	if e := c.Get(t.Context(), k); !e.Fresh.IsZero() && e.Fresh.Before(time.Now().Add(time.Second)) {
		t.Errorf("fresh until %v", e.Fresh)
	}
}

func negativeTTL(t *testing.T, c cache.Cache) {
	k := Key(t, "res.partner", 1)
	set(t, c, k, "v", cache.Options{TTL: cache.For(-1)})
	miss(t, c, k)
	set(t, c, k, "old", cache.Options{})
	hit(t, c, k, "old")
	set(t, c, k, "new", cache.Options{TTL: cache.For(-1)}) // the old one is not right any more
	miss(t, c, k)
}

func stale(t *testing.T, c cache.Cache) {
	k := Key(t, "res.partner", 1)
	set(t, c, k, "v", cache.Options{TTL: cache.For(60 * time.Millisecond), Stale: time.Hour})
	hit(t, c, k, "v")
	var e cache.Entry
	until(t, "become stale", func() bool {
		e = c.Get(t.Context(), k)
		return e.State != cache.Hit
	})
	if e.State != cache.Stale || string(e.Value) != "v" || e.Generation == "" || e.Fresh.After(time.Now()) {
		t.Fatalf("got %+v", e)
	}
	set(t, c, k, "renewed", cache.Options{Generation: e.Generation})
	hit(t, c, k, "renewed")
	if c.Stats().Stale == 0 {
		t.Error("stale lookups are not counted")
	}
}

func remove(t *testing.T, c cache.Cache) {
	a, b, other := Key(t, "res.partner", 1), Key(t, "res.partner", 2), Key(t, "res.users", 1)
	for _, k := range []cache.Key{a, b, other} {
		set(t, c, k, "v", cache.Options{})
		hit(t, c, k, "v")
	}
	if err := c.Delete(t.Context(), a, other); err != nil {
		t.Fatal(err)
	}
	miss(t, c, a)
	miss(t, c, other)
	hit(t, c, b, "v")
	if err := c.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// apart: each part of a key counts.
func apart(t *testing.T, c cache.Cache) {
	k := Key(t, "res.partner", 1)
	set(t, c, k, "v", cache.Options{})
	for name, change := range map[string]func(*cache.Key){
		"database": func(k *cache.Key) { k.DB = "db2" }, "model": func(k *cache.Key) { k.Model = "res.users" },
		"operation": func(k *cache.Key) { k.Op = "search" }, "scope": func(k *cache.Key) { k.Scope = "u3.x" },
		"arguments": func(k *cache.Key) { k.Hash[15]++ }, "name": func(k *cache.Key) { *k = k.Named("mine") },
	} {
		o := k
		change(&o)
		if e := c.Get(t.Context(), o); e.State != cache.Miss {
			t.Errorf("another %s shares the entry", name)
		}
	}
	hit(t, c, k, "v")
}

func fill(t testing.TB, c cache.Cache) (partner, user, elsewhere cache.Key) {
	t.Helper()
	partner, user, elsewhere = Key(t, "res.partner", 1), Key(t, "res.users", 1), key(t, "db2", "res.partner", 1)
	for _, k := range []cache.Key{partner, user, elsewhere} {
		set(t, c, k, "v", cache.Options{TTL: cache.For(0)})
		hit(t, c, k, "v")
		hit(t, c, k, "v")
	}
	return partner, user, elsewhere
}

func invalidateModel(t *testing.T, c cache.Cache) {
	partner, user, elsewhere := fill(t, c)
	for range 3 {
		if err := c.Invalidate(t.Context(), db, "res.partner", "res.country"); err != nil {
			t.Fatal(err)
		}
		miss(t, c, partner)
		hit(t, c, user, "v")
		hit(t, c, elsewhere, "v")
		set(t, c, partner, "v", cache.Options{})
		hit(t, c, partner, "v")
	}
}

func invalidateDatabase(t *testing.T, c cache.Cache) {
	partner, user, elsewhere := fill(t, c)
	if err := c.Invalidate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	miss(t, c, partner)
	miss(t, c, user)
	hit(t, c, elsewhere, "v")
}

func invalidateMatching(t *testing.T, c cache.Cache) {
	partner, user, elsewhere := fill(t, c)
	n, err := c.InvalidateMatching(t.Context(), "db1:res.p?rtner:*")
	if err != nil || n != 1 {
		t.Fatalf("got %d, %v", n, err)
	}
	miss(t, c, partner)
	hit(t, c, user, "v")
	hit(t, c, elsewhere, "v")
	if n, err = c.InvalidateMatching(t.Context(), "*:[a-z]*:read:u2.*"); err != nil || n != 2 {
		t.Fatalf("got %d, %v", n, err)
	}
	miss(t, c, user)
	miss(t, c, elsewhere)
	if n, err = c.InvalidateMatching(t.Context(), elsewhere.String()); err != nil || n != 0 {
		t.Fatalf("got %d, %v", n, err)
	}
}

func clear(t *testing.T, c cache.Cache) {
	partner, user, elsewhere := fill(t, c)
	if err := c.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, k := range []cache.Key{partner, user, elsewhere} {
		miss(t, c, k)
		set(t, c, k, "v", cache.Options{})
		hit(t, c, k, "v")
	}
}

// oldGeneration: what was found out before an invalidation is not stored after it.
func oldGeneration(t *testing.T, c cache.Cache) {
	k := Key(t, "res.partner", 1)
	for name, forget := range map[string]func() error{
		"model":    func() error { return c.Invalidate(t.Context(), db, "res.partner") },
		"database": func() error { return c.Invalidate(t.Context(), db) },
		"all":      func() error { return c.Clear(t.Context()) },
	} {
		e := miss(t, c, k)
		if g := c.Generation(t.Context(), k); g != e.Generation {
			t.Fatalf("generation %q, on a miss %q", g, e.Generation)
		}
		if err := forget(); err != nil {
			t.Fatal(err)
		}
		if err := c.Set(t.Context(), k, []byte("old"), cache.Options{Generation: e.Generation}); err != nil {
			t.Fatal(err)
		}
		if e := c.Get(t.Context(), k); e.State != cache.Miss {
			t.Errorf("%s: what was loaded before is a %v", name, e.State)
		}
	}
}

func currentGeneration(t *testing.T, c cache.Cache) {
	k := Key(t, "res.partner", 1)
	e := miss(t, c, k)
	set(t, c, k, "v", cache.Options{Generation: e.Generation})
	hit(t, c, k, "v")
	if err := c.Invalidate(t.Context(), db, "res.partner"); err != nil {
		t.Fatal(err)
	}
	if g := c.Generation(t.Context(), k); g == e.Generation {
		t.Errorf("generation %q again", g)
	}
}

// strangeNames: parts of keys may hold what separates parts, and patterns.
func strangeNames(t *testing.T, c cache.Cache) {
	names := []string{"a:b", "a", "b", "*", "?", "[a]", "a b", "é", "#", "a\nb", `\`, "%3A", "{x}"}
	for _, a := range names {
		for _, b := range names {
			set(t, c, key(t, a, b), a+"/"+b, cache.Options{})
		}
	}
	for _, a := range names {
		for _, b := range names {
			hit(t, c, key(t, a, b), a+"/"+b)
		}
	}
	if err := c.Invalidate(t.Context(), "*", "*"); err != nil {
		t.Fatal(err)
	}
	miss(t, c, key(t, "*", "*"))
	hit(t, c, key(t, "a", "*"), "a/*")
	n, err := c.InvalidateMatching(t.Context(), key(t, "[a]", "?").String())
	if err != nil || n != 1 {
		t.Fatalf("got %d, %v", n, err)
	}
	hit(t, c, key(t, "a", "b"), "a/b")
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
