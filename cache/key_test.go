package cache_test

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/perfd/perfd/cache"
	"pgregory.net/rapid"
)

func mustKey(t testing.TB, args any) cache.Key {
	t.Helper()
	k, err := cache.NewKey("db1", "res.partner", "search_read", "u2", args)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// anything draws what JSON can say.
func anything(depth int) *rapid.Generator[any] {
	scalar := rapid.OneOf(
		rapid.Just[any](nil), rapid.Just[any](true), rapid.Just[any](false),
		rapid.Map(rapid.Int64Range(-1<<53, 1<<53), func(n int64) any { return n }),
		rapid.Map(rapid.Float64Range(-1e6, 1e6), func(f float64) any { return f }),
		rapid.Map(rapid.String(), func(s string) any { return strings.ToValidUTF8(s, "?") }),
		rapid.Map(rapid.SampledFrom([]string{"", "1", "true", "null", `"`, `\`, "a,b", "[]"}), func(s string) any { return s }),
	)
	if depth == 0 {
		return scalar
	}
	return rapid.OneOf(scalar,
		rapid.Map(rapid.SliceOfN(anything(depth-1), 0, 4), func(v []any) any { return v }),
		rapid.Map(rapid.MapOfN(rapid.SampledFrom([]string{"", "a", "b", "lang", `"`, ":"}), anything(depth-1), 0, 4), func(m map[string]any) any { return m }),
	)
}

// same tells whether two values are one in JSON, as encoding/json has it.
func same(t testing.TB, a, b any) bool {
	t.Helper()
	x, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(x) == string(y)
}

// TestKeyLaw: two calls share a key if and only if their arguments are the same JSON.
func TestKeyLaw(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		a, b := anything(3).Draw(r, "a"), anything(3).Draw(r, "b")
		if rapid.Bool().Draw(r, "equal") { // by another way
			text, err := json.Marshal(a)
			if err != nil {
				r.Fatal(err)
			}
			if b = json.RawMessage(" " + string(text) + "\n"); rapid.Bool().Draw(r, "decoded") {
				if err := json.Unmarshal(text, &b); err != nil {
					r.Fatal(err)
				}
			}
		}
		if share, want := mustKey(t, a) == mustKey(t, b), same(t, a, canonicalised(t, b)); share != want {
			r.Fatalf("%#v and %#v: share a key %v, are the same %v", a, b, share, want)
		}
	})
}

// canonicalised has a raw text's spaces taken out.
func canonicalised(t testing.TB, v any) any {
	t.Helper()
	if raw, ok := v.(json.RawMessage); ok {
		var out any
		if err := json.Unmarshal(raw, &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	return v
}

func TestKeyOrder(t *testing.T) {
	if mustKey(t, []any{1, 2}) == mustKey(t, []any{2, 1}) {
		t.Error("the order of ids does not count")
	}
	if mustKey(t, []any{1, 2}) != mustKey(t, []int64{1, 2}) || mustKey(t, []any{1.0, json.Number("2")}) != mustKey(t, []int{1, 2}) {
		t.Error("the types of lists and numbers count")
	}
	fields := cache.Unordered{"name", "id"}
	if mustKey(t, map[string]any{"fields": fields}) != mustKey(t, map[string]any{"fields": cache.Unordered{"id", "name"}}) {
		t.Error("the order of fields counts")
	}
	if fields[0] != "name" {
		t.Error("the caller's list was sorted")
	}
	type call struct {
		B string `json:"b"`
		A int    `json:"a"`
	}
	if mustKey(t, call{"x", 1}) != mustKey(t, map[string]any{"a": 1, "b": "x"}) {
		t.Error("a struct has another key than its JSON")
	}
}

func TestKeyRefusals(t *testing.T) {
	deep := any(nil)
	for range 200 {
		deep = []any{deep}
	}
	for name, args := range map[string]any{
		"not a number": math.NaN(), "infinite": math.Inf(1), "not UTF-8": "a\xffb", "not UTF-8 in a map": map[string]any{"\xff": 1},
		"too deep": deep, "a function": func() {}, "raw and broken": json.RawMessage(`{"a":`), "two values": json.RawMessage(`1 2`),
		"no number": json.Number(`1,"x":2`), "empty number": json.Number(""), "number in quotes": json.Number(`"1"`),
	} {
		if _, err := cache.NewKey("db", "m", "read", "", args); err == nil {
			t.Errorf("%s: has a key", name)
		}
	}
	for _, missing := range [][3]string{{"", "m", "o"}, {"d", "", "o"}, {"d", "m", ""}} {
		if _, err := cache.NewKey(missing[0], missing[1], missing[2], "", nil); err == nil {
			t.Errorf("%q has a key", missing)
		}
	}
	if _, err := cache.NewScope(1, map[string]any{"x": math.NaN()}); err == nil {
		t.Error("a context that is no JSON has a scope")
	}
}

// context draws contexts as clients send them.
func contexts() *rapid.Generator[map[string]any] {
	ids := rapid.SliceOfNDistinct(rapid.Int64Range(1, 4), 0, 4, rapid.ID)
	return rapid.Custom(func(r *rapid.T) map[string]any {
		c := map[string]any{}
		put := func(key string, draw func() any) {
			if rapid.Bool().Draw(r, "has "+key) {
				c[key] = draw()
			}
		}
		put("lang", func() any { return rapid.SampledFrom([]string{"en_US", "fr_FR"}).Draw(r, "lang") })
		put("tz", func() any { return rapid.SampledFrom([]any{"UTC", false, "Europe/Paris"}).Draw(r, "tz") })
		put("active_test", func() any { return rapid.Bool().Draw(r, "active_test") })
		put("bin_size", func() any { return rapid.Bool().Draw(r, "bin_size") })
		put("allowed_company_ids", func() any { return ids.Draw(r, "companies") })
		put("default_type", func() any { return anything(1).Draw(r, "default") })
		put("uid", func() any { return rapid.Int64Range(1, 3).Draw(r, "context uid") })
		return c
	})
}

// meaning is what a context says, in which the companies after the first are a set.
func meaning(t testing.TB, uid int64, c map[string]any) string {
	t.Helper()
	c = maps.Clone(c)
	if ids, ok := c["allowed_company_ids"].([]int64); ok && len(ids) > 1 {
		ids = slices.Clone(ids)
		slices.Sort(ids[1:])
		c["allowed_company_ids"] = ids
	}
	b, err := json.Marshal([]any{uid, c})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestScopesNeverShare: who differs in user or context in anything that has a meaning shares no entry, in any back end;
// who does not, shares.
func TestScopesNeverShare(t *testing.T) {
	m := newMemory(t, cache.MemoryConfig{})
	rapid.Check(t, func(r *rapid.T) {
		uid1, uid2 := rapid.Int64Range(1, 3).Draw(r, "uid"), rapid.Int64Range(1, 3).Draw(r, "other uid")
		c1, c2 := contexts().Draw(r, "context"), contexts().Draw(r, "other context")
		if rapid.Bool().Draw(r, "alike") { // nearly, or in another order
			c2, uid2 = maps.Clone(c1), uid1
			if ids, ok := c1["allowed_company_ids"].([]int64); ok {
				c2["allowed_company_ids"] = rapid.Permutation(ids).Draw(r, "order")
			}
			if len(c2) > 0 && rapid.Bool().Draw(r, "less") {
				delete(c2, rapid.SampledFrom(slices.Sorted(maps.Keys(c2))).Draw(r, "without"))
			}
		}
		s1, err1 := cache.NewScope(uid1, c1)
		s2, err2 := cache.NewScope(uid2, c2)
		if err1 != nil || err2 != nil {
			r.Fatal(err1, err2)
		}
		k1, _ := cache.NewKey("db1", "res.partner", "read", s1, []any{1})
		k2, _ := cache.NewKey("db1", "res.partner", "read", s2, []any{1})
		_ = m.Clear(t.Context())
		if err := m.Set(t.Context(), k1, []byte("mine"), cache.Options{}); err != nil {
			r.Fatal(err)
		}
		shared := m.Get(t.Context(), k2).State == cache.Hit
		alike := meaning(t, uid1, c1) == meaning(t, uid2, c2)
		if shared != alike || (k1.String() == k2.String()) != alike {
			r.Fatalf("shared %v, text shared %v, the same %v:\n%d %v\n%d %v", shared, k1.String() == k2.String(), alike, uid1, c1, uid2, c2)
		}
	})
}

func TestScopeForms(t *testing.T) {
	scope := func(c map[string]any) cache.Scope {
		s, err := cache.NewScope(7, c)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	want := scope(map[string]any{"allowed_company_ids": []int64{3, 1, 2}})
	for _, ids := range []any{[]int{3, 2, 1}, []any{3, 1, 2}, []any{3.0, int64(2), 1}} {
		if s := scope(map[string]any{"allowed_company_ids": ids}); s != want {
			t.Errorf("%#v: %s, want %s", ids, s, want)
		}
	}
	// The first is the company that the user works in.
	if scope(map[string]any{"allowed_company_ids": []any{1, 3, 2}}) == want {
		t.Error("users of different companies share a scope")
	}
	if scope(nil) != scope(map[string]any{}) || !strings.HasPrefix(string(want), "u7.") {
		t.Errorf("got %s", want)
	}
	for _, odd := range []any{[]any{"1", 2, 3}, []any{1.5, 2, 3}, "x", nil} {
		scope(map[string]any{"allowed_company_ids": odd})
	}
}

func BenchmarkNewKey(b *testing.B) {
	args := map[string]any{
		"domain": []any{[]any{"is_company", "=", true}, []any{"country_id", "in", []int64{1, 2, 3}}},
		"fields": cache.Unordered{"name", "email", "phone", "country_id"}, "limit": 80, "offset": 0, "order": "name",
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := cache.NewKey("5ab2c1de-db", "res.partner", "search_read", "u2.x", args); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNewScope(b *testing.B) {
	c := map[string]any{"lang": "en_US", "tz": "Europe/Paris", "uid": 2, "allowed_company_ids": []int64{1, 3, 2}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := cache.NewScope(2, c); err != nil {
			b.Fatal(err)
		}
	}
}
