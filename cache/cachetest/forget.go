package cachetest

import (
	"testing"

	"github.com/perfd/perfd/cache"
)

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
