package cache_test

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/perfd/perfd/cache"
	"github.com/perfd/perfd/cache/cachetest"
	"pgregory.net/rapid"
)

var strategies = []cache.Strategy{cache.LFU, cache.LRU, cache.TTL}

// TestMemoryBounds: neither the number nor the bytes are ever exceeded, whatever is set and forgotten.
func TestMemoryBounds(t *testing.T) {
	for _, s := range strategies {
		t.Run(string(s), func(t *testing.T) {
			rapid.Check(t, func(r *rapid.T) {
				maxItems, maxBytes := rapid.IntRange(1, 20).Draw(r, "items"), int64(rapid.IntRange(500, 20_000).Draw(r, "bytes"))
				m := newMemory(t, cache.MemoryConfig{Strategy: s, MaxItems: maxItems, MaxBytes: maxBytes})
				defer m.Close()
				for i := range rapid.IntRange(1, 60).Draw(r, "operations") {
					k := cachetest.Key(t, "m"+strconv.Itoa(i%2), rapid.IntRange(0, 30).Draw(r, "key"))
					switch rapid.IntRange(0, 9).Draw(r, "operation") {
					case 0:
						_ = m.Delete(t.Context(), k)
					case 1:
						_ = m.Invalidate(t.Context(), k.DB, k.Model)
					case 2:
						_ = m.Clear(t.Context())
					case 3:
						m.Get(t.Context(), k)
					default:
						err := m.Set(t.Context(), k, make([]byte, rapid.IntRange(0, 3000).Draw(r, "size")), cache.Options{})
						if err != nil && !errors.Is(err, cache.ErrTooLarge) {
							r.Fatal(err)
						}
					}
					tier := m.Stats().Tiers[0]
					if tier.Items < 0 || tier.Items > int64(maxItems) || tier.Bytes < 0 || tier.Bytes > maxBytes {
						r.Fatalf("%d items and %d bytes, allowed are %d and %d", tier.Items, tier.Bytes, maxItems, maxBytes)
					}
				}
				_ = m.Clear(t.Context())
				if tier := m.Stats().Tiers[0]; tier.Items != 0 || tier.Bytes != 0 {
					r.Fatalf("%d items and %d bytes of nothing", tier.Items, tier.Bytes)
				}
			})
		})
	}
}

// TestMemoryIsFilled: small entries fill it to the last one.
func TestMemoryIsFilled(t *testing.T) {
	for _, s := range strategies {
		m := newMemory(t, cache.MemoryConfig{Strategy: s, MaxItems: 100})
		for i := range 100 {
			if err := m.Set(t.Context(), cachetest.Key(t, "m", i), []byte("v"), cache.Options{}); err != nil {
				t.Fatal(err)
			}
		}
		if tier := m.Stats().Tiers[0]; tier.Items != 100 || tier.Evictions != 0 {
			t.Errorf("%s: %d items, %d evictions", s, tier.Items, tier.Evictions)
		}
		for i := range 50 {
			_ = m.Set(t.Context(), cachetest.Key(t, "m", 1000+i), []byte("v"), cache.Options{})
		}
		if st := m.Stats(); st.Tiers[0].Items != 100 || st.Evictions != 50 || st.Models["m"].Evictions != 50 {
			t.Errorf("%s: %d items, %d evictions", s, st.Tiers[0].Items, st.Evictions)
		}
	}
}

// TestMemoryOrder: lru and ttl give up what a list that is searched from end to end gives up.
func TestMemoryOrder(t *testing.T) {
	type entry struct {
		key      int
		dead     time.Duration
		set, use int
	}
	for _, s := range []cache.Strategy{cache.LRU, cache.TTL} {
		t.Run(string(s), func(t *testing.T) {
			rapid.Check(t, func(r *rapid.T) {
				n := rapid.IntRange(1, 6).Draw(r, "items")
				m := newMemory(t, cache.MemoryConfig{Strategy: s, MaxItems: n})
				defer m.Close()
				model := map[int]entry{}
				for now := range rapid.IntRange(1, 40).Draw(r, "operations") {
					k := rapid.IntRange(0, 9).Draw(r, "key")
					if rapid.Bool().Draw(r, "get") {
						e, want := model[k]
						if got := m.Get(t.Context(), cachetest.Key(t, "m", k)).State == cache.Hit; got != want {
							r.Fatalf("key %d is there: %v, want %v", k, got, want)
						}
						if want {
							e.use = now
							model[k] = e
						}
						continue
					}
					ttl := time.Duration(rapid.IntRange(0, 5).Draw(r, "hours")) * time.Hour
					_ = m.Set(t.Context(), cachetest.Key(t, "m", k), []byte("v"), cache.Options{TTL: cache.For(ttl)})
					delete(model, k)
					if len(model) == n {
						first := slices.MinFunc(slices.Collect(maps.Values(model)), func(a, b entry) int {
							if s == cache.LRU {
								return a.use - b.use
							}
							if a.dead != b.dead {
								return int(a.dead - b.dead)
							}
							return a.set - b.set
						})
						delete(model, first.key)
					}
					if ttl == 0 {
						ttl = 1000 * time.Hour
					}
					model[k] = entry{k, ttl, now, now}
				}
			})
		})
	}
}

func TestMemoryConfig(t *testing.T) {
	if _, err := cache.NewMemory(cache.MemoryConfig{Strategy: "fifo"}); err == nil {
		t.Error("an unknown strategy is taken")
	}
	m := newMemory(t, cache.MemoryConfig{MaxEntry: 10, TTL: cache.For(time.Hour)})
	k := cachetest.Key(t, "m", 1)
	_ = m.Set(t.Context(), k, []byte("small"), cache.Options{})
	if e := m.Get(t.Context(), k); e.State != cache.Hit || time.Until(e.Fresh) < 59*time.Minute {
		t.Errorf("%+v", e)
	}
	if err := m.Set(t.Context(), k, bytes.Repeat([]byte("x"), 11), cache.Options{}); !errors.Is(err, cache.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if e := m.Get(t.Context(), k); e.State != cache.Miss || m.Stats().Rejected != 1 {
		t.Errorf("what is too large left the old value: %+v", e)
	}
	if err := m.Set(t.Context(), k, []byte("v"), cache.Options{TTL: cache.For(1<<63 - 1)}); err != nil || m.Get(t.Context(), k).State != cache.Hit {
		t.Error("a time to live beyond the end of time")
	}
}

// TestManyModels: models beyond those that are kept apart are forgotten together, and none is not forgotten.
func TestManyModels(t *testing.T) {
	m := newMemory(t, cache.MemoryConfig{MaxItems: 2 * cache.MaxModels})
	const n = cache.MaxModels + 50
	for i := range n {
		_ = m.Set(t.Context(), cachetest.Key(t, "m"+strconv.Itoa(i)), []byte("v"), cache.Options{})
	}
	there := func(i int) bool { return m.Get(t.Context(), cachetest.Key(t, "m"+strconv.Itoa(i))).State == cache.Hit }
	if !there(5) || !there(n-1) || !there(n-2) {
		t.Fatal("entries are missing")
	}
	_ = m.Invalidate(t.Context(), "db1", "m"+strconv.Itoa(n-1))
	if there(n-1) || there(n-2) || !there(5) {
		t.Error("those beyond are not forgotten together")
	}
	_ = m.Set(t.Context(), cachetest.Key(t, "m"+strconv.Itoa(n-1)), []byte("v"), cache.Options{})
	_ = m.Invalidate(t.Context(), "db1")
	if there(n-1) || there(5) {
		t.Error("a database's models are not forgotten")
	}
	s := m.Stats()
	if len(s.Models) > cache.MaxModels+1 || s.Models[cache.OtherModels].Sets == 0 {
		t.Errorf("statistics of %d models", len(s.Models))
	}
}

// TestLFUKeepsWhatIsAskedForOften: a scan of things that are asked for once does not push it out.
func TestLFUKeepsWhatIsAskedForOften(t *testing.T) {
	m := newMemory(t, cache.MemoryConfig{MaxItems: 100})
	visit := func(i int) bool {
		k := cachetest.Key(t, "m", i)
		if m.Get(t.Context(), k).State == cache.Hit {
			return true
		}
		_ = m.Set(t.Context(), k, []byte("v"), cache.Options{})
		return false
	}
	for range 20 {
		for i := range 50 {
			visit(i)
		}
	}
	for i := range 5000 {
		visit(1000 + i)
	}
	kept := 0
	for i := range 50 {
		if visit(i) {
			kept++
		}
	}
	if kept < 40 {
		t.Errorf("%d of 50 are left", kept)
	}
}

func hot(b *testing.B, c cache.Cache, size int) cache.Key {
	b.Helper()
	value := make([]byte, size)
	for i := range value {
		value[i] = byte('a' + rand.IntN(26))
	}
	value[0], value[size-1] = '"', '"' // JSON, as answers are
	k := cachetest.Key(b, "res.partner", 1)
	if err := c.Set(b.Context(), k, value, cache.Options{TTL: cache.For(time.Hour)}); err != nil {
		b.Fatal(err)
	}
	if e := c.Get(b.Context(), k); e.State != cache.Hit {
		b.Fatalf("a %v", e.State)
	}
	return k
}

func BenchmarkMemoryHit(b *testing.B) {
	for _, s := range strategies {
		b.Run(string(s), func(b *testing.B) {
			m := newMemory(b, cache.MemoryConfig{Strategy: s})
			k := hot(b, m, 1024)
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				if m.Get(ctx, k).State != cache.Hit {
					b.Fatal("a miss")
				}
			}
		})
	}
}

func BenchmarkMemorySet(b *testing.B) {
	for _, s := range strategies {
		b.Run(string(s), func(b *testing.B) {
			m := newMemory(b, cache.MemoryConfig{Strategy: s})
			keys := make([]cache.Key, 4096)
			for i := range keys {
				keys[i] = cachetest.Key(b, "res.partner", i)
			}
			value, ctx, i := make([]byte, 1024), b.Context(), 0
			b.ReportAllocs()
			for b.Loop() {
				i++
				if err := m.Set(ctx, keys[i%len(keys)], value, cache.Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
