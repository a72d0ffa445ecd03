package cache_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perfd/perfd/cache"
	"github.com/perfd/perfd/cache/cachetest"
	"github.com/perfd/perfd/lab"
	"github.com/sony/gobreaker/v2"
)

func newLoader(t testing.TB, c cache.LoaderConfig) *cache.Loader {
	t.Helper()
	l := cache.NewLoader(newMemory(t, cache.MemoryConfig{Strategy: cache.LRU}), c)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// answer is a source that counts how often it is asked.
type answer struct {
	value string
	err   error
	asked atomic.Int64
}

func (a *answer) load(context.Context) ([]byte, error) {
	a.asked.Add(1)
	return []byte(a.value), a.err
}

func load(t testing.TB, l *cache.Loader, k cache.Key, o cache.LoadOptions, s cache.Source, want string) {
	t.Helper()
	if b, err := l.Load(t.Context(), k, o, s); err != nil || string(b) != want {
		t.Fatalf("got %q, %v; want %q", b, err, want)
	}
}

// TestOneLoadForAll: a thousand who miss one key at the same time make one load, whatever the back end.
func TestOneLoadForAll(t *testing.T) {
	addr := lab.Redis(t).String()
	c := cache.RedisConfig{Addresses: []string{addr}, Timeout: 10 * time.Second}
	for name, back := range map[string]cache.Cache{
		"memory": newMemory(t, cache.MemoryConfig{}), "redis": newRedis(t, c), "tiered": newTiered(t, cache.RedisConfig{Addresses: c.Addresses, Namespace: "tiered", Timeout: c.Timeout}),
	} {
		t.Run(name, func(t *testing.T) {
			l := cache.NewLoader(back, cache.LoaderConfig{})
			k := cachetest.Key(t, "res.partner", 1)
			var all, ready sync.WaitGroup
			var loads atomic.Int64
			begin := make(chan struct{})
			ready.Add(1000)
			for range 1000 {
				all.Go(func() {
					ready.Done()
					<-begin
					b, err := l.Load(t.Context(), k, cache.LoadOptions{}, func(context.Context) ([]byte, error) {
						loads.Add(1)
						return []byte("v"), nil
					})
					if err != nil || string(b) != "v" {
						t.Errorf("got %q, %v", b, err)
					}
				})
			}
			ready.Wait()
			close(begin)
			all.Wait()
			if n := loads.Load(); n != 1 {
				t.Errorf("%d loads", n)
			}
			s := l.Stats()
			if s.Loads.Loads != 1 || s.Loads.Latency.Count != 1 || s.Hits+s.Loads.Coalesced < 999 {
				t.Errorf("%+v, %d hits", s.Loads, s.Hits)
			}
		})
	}
}

// TestCancelledCaller: one who gives up goes alone; when all have given up, the load is called off.
func TestCancelledCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoader(t, cache.LoaderConfig{})
		k := cachetest.Key(t, "res.partner", 1)
		release, ended := make(chan struct{}), make(chan error, 1)
		source := func(ctx context.Context) ([]byte, error) {
			select {
			case <-release:
				return []byte("v"), nil
			case <-ctx.Done():
				ended <- ctx.Err()
				return nil, ctx.Err()
			}
		}
		ask := func(ctx context.Context) chan error {
			done := make(chan error, 1)
			go func() {
				_, err := l.Load(ctx, k, cache.LoadOptions{}, source)
				done <- err
			}()
			synctest.Wait()
			return done
		}
		first, giveUp := context.WithCancel(t.Context())
		a, b := ask(first), ask(t.Context())
		giveUp()
		if err := <-a; !errors.Is(err, context.Canceled) {
			t.Errorf("who gave up got %v", err)
		}
		close(release)
		if err := <-b; err != nil {
			t.Errorf("who waited got %v", err)
		}
		if err := l.Delete(t.Context(), k); err != nil {
			t.Fatal(err)
		}
		release = make(chan struct{})
		ctx, all := context.WithCancel(t.Context())
		a, b = ask(ctx), ask(ctx)
		all()
		if err := errors.Join(<-a, <-b); !errors.Is(err, context.Canceled) {
			t.Errorf("who gave up got %v", err)
		}
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the load ended with %v", err)
		}
		close(release)
		load(t, l, k, cache.LoadOptions{}, (&answer{value: "w"}).load, "w")
	})
}

// TestLoadDuringInvalidation: what began before an invalidation is neither stored nor shared after it, be it a load on a
// miss or a refresh.
func TestLoadDuringInvalidation(t *testing.T) {
	for name, forget := range map[string]func(*cache.Loader, cache.Key) error{
		"model":    func(l *cache.Loader, k cache.Key) error { return l.Invalidate(t.Context(), k.DB, k.Model) },
		"database": func(l *cache.Loader, k cache.Key) error { return l.Invalidate(t.Context(), k.DB) },
		"back end": func(l *cache.Loader, k cache.Key) error { return l.Cache().Invalidate(t.Context(), k.DB, k.Model) },
		"key":      func(l *cache.Loader, k cache.Key) error { return l.Delete(t.Context(), k) },
		"pattern": func(l *cache.Loader, _ cache.Key) error {
			_, err := l.InvalidateMatching(t.Context(), "*:res.partner:*")
			return err
		},
		"write": func(l *cache.Loader, k cache.Key) error {
			return l.Store(t.Context(), k, []byte("new"), cache.LoadOptions{})
		},
	} {
		for how, o := range map[string]cache.LoadOptions{"miss": {}, "refresh": {Refresh: true}} {
			t.Run(name+"/"+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := newLoader(t, cache.LoaderConfig{})
					k := cachetest.Key(t, "res.partner", 1)
					release := make(chan struct{})
					done := make(chan []byte)
					go func() {
						b, _ := l.Load(t.Context(), k, o, func(context.Context) ([]byte, error) {
							<-release
							return []byte("old"), nil
						})
						done <- b
					}()
					synctest.Wait()
					if err := forget(l, k); err != nil {
						t.Fatal(err)
					}
					fresh := &answer{value: "new"}
					load(t, l, k, cache.LoadOptions{}, fresh.load, "new") // does not wait for the other
					close(release)
					if b := <-done; string(b) != "old" {
						t.Errorf("who asked before got %q", b)
					}
					load(t, l, k, cache.LoadOptions{}, fresh.load, "new")
				})
			})
		}
	}
}

func TestStaleWhileRevalidate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoader(t, cache.LoaderConfig{TTL: cache.For(time.Minute), StaleWhileRevalidate: time.Hour})
		k := cachetest.Key(t, "res.partner", 1)
		load(t, l, k, cache.LoadOptions{}, (&answer{value: "1"}).load, "1")
		time.Sleep(2 * time.Minute) // of the bubble's clock
		slow := make(chan struct{})
		second := &answer{value: "2"}
		source := func(ctx context.Context) ([]byte, error) {
			<-slow
			return second.load(ctx)
		}
		for range 10 { // all at once, and without waiting
			load(t, l, k, cache.LoadOptions{}, source, "1")
		}
		synctest.Wait()
		close(slow)
		synctest.Wait()
		load(t, l, k, cache.LoadOptions{}, source, "2")
		if n := second.asked.Load(); n != 1 {
			t.Errorf("%d loads behind", n)
		}
		if s := l.Stats().Loads; s.StaleServes != 10 || s.Refreshes != 1 {
			t.Errorf("%+v", s)
		}
		time.Sleep(2 * time.Hour)
		load(t, l, k, cache.LoadOptions{}, (&answer{value: "3"}).load, "3")
		time.Sleep(2 * time.Minute) // and what was invalidated is not served stale
		if err := l.Invalidate(t.Context(), k.DB, k.Model); err != nil {
			t.Fatal(err)
		}
		load(t, l, k, cache.LoadOptions{}, (&answer{value: "4"}).load, "4")
	})
}

func TestStaleIfUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoader(t, cache.LoaderConfig{TTL: cache.For(time.Minute), StaleIfUnavailable: time.Hour})
		k := cachetest.Key(t, "res.partner", 1)
		load(t, l, k, cache.LoadOptions{}, (&answer{value: "1"}).load, "1")
		time.Sleep(2 * time.Minute)
		open := fmt.Errorf("call: %w", gobreaker.ErrOpenState)
		load(t, l, k, cache.LoadOptions{}, (&answer{err: open}).load, "1")
		other := errors.New("you may not")
		if _, err := l.Load(t.Context(), k, cache.LoadOptions{}, (&answer{err: other}).load); !errors.Is(err, other) {
			t.Errorf("an answer of the server became %v", err)
		}
		invalidating := func(ctx context.Context) ([]byte, error) {
			_ = l.Cache().Invalidate(ctx, k.DB, k.Model)
			return nil, open
		}
		if _, err := l.Load(t.Context(), k, cache.LoadOptions{}, invalidating); !errors.Is(err, open) {
			t.Errorf("what was invalidated meanwhile is served: %v", err)
		}
		load(t, l, k, cache.LoadOptions{}, (&answer{value: "2"}).load, "2")
		time.Sleep(2 * time.Hour)
		if _, err := l.Load(t.Context(), k, cache.LoadOptions{}, (&answer{err: open}).load); !errors.Is(err, open) {
			t.Errorf("too old, and served: %v", err)
		}
	})
}

func TestLoadOptions(t *testing.T) {
	l := newLoader(t, cache.LoaderConfig{
		Never: []string{"res.users", "ir.*"},
		Keep:  func(_ cache.Key, v []byte) bool { return len(v) < 100 },
	})
	k := cachetest.Key(t, "res.partner", 1)
	a := &answer{value: "v"}
	expect := func(what string, asked int64) {
		t.Helper()
		if n := a.asked.Swap(0); n != asked {
			t.Errorf("%s: asked %d times, want %d", what, n, asked)
		}
	}
	twice := func(k cache.Key, o cache.LoadOptions) {
		t.Helper()
		load(t, l, k, o, a.load, a.value)
		load(t, l, k, o, a.load, a.value)
	}
	twice(k, cache.LoadOptions{NoCache: true})
	expect("no cache", 2)
	twice(k, cache.LoadOptions{TTL: cache.For(-1)})
	expect("negative TTL", 2)
	twice(k, cache.LoadOptions{Keep: func(v []byte) bool { return string(v) != "v" }})
	expect("a predicate that refuses", 2)
	twice(cachetest.Key(t, "ir.model"), cache.LoadOptions{})
	expect("a model that is never cached", 2)
	twice(k, cache.LoadOptions{})
	expect("cached", 1)
	twice(k, cache.LoadOptions{Refresh: true})
	expect("refresh", 2)
	a.value = "other"
	load(t, l, k, cache.LoadOptions{Refresh: true}, a.load, "other")
	load(t, l, k, cache.LoadOptions{}, a.load, "other")
	expect("what a refresh brought", 1)
	twice(k.Named("mine"), cache.LoadOptions{})
	expect("own key", 1)
	a.value = strings.Repeat("x", 100)
	twice(cachetest.Key(t, "res.partner", 2), cache.LoadOptions{})
	expect("too large for the predicate", 2)
	if n := l.Stats().Loads.Refused; n != 4 {
		t.Errorf("%d refused", n)
	}
	if err := l.Store(t.Context(), k, []byte(a.value), cache.LoadOptions{}); err != nil {
		t.Fatal(err)
	}
	if e := l.Cache().Get(t.Context(), k); e.State != cache.Miss {
		t.Errorf("a value that may not be stored left the old one: %q", e.Value)
	}
}

func TestLoadFails(t *testing.T) {
	l := newLoader(t, cache.LoaderConfig{})
	k := cachetest.Key(t, "res.partner", 1)
	failing := &answer{err: errors.New("no")}
	for range 2 {
		if _, err := l.Load(t.Context(), k, cache.LoadOptions{}, failing.load); !errors.Is(err, failing.err) {
			t.Errorf("got %v", err)
		}
	}
	if failing.asked.Load() != 2 {
		t.Error("an error was cached")
	}
	_, err := l.Load(t.Context(), k, cache.LoadOptions{}, func(context.Context) ([]byte, error) { panic("oh") })
	if err == nil || !strings.Contains(err.Error(), "oh") {
		t.Errorf("a panic became %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Load(ctx, k, cache.LoadOptions{}, failing.load); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	load(t, l, k, cache.LoadOptions{}, (&answer{value: "v"}).load, "v")
}

func TestWarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoader(t, cache.LoaderConfig{})
		var list []cache.Warmup
		var a answer
		bad := errors.New("no")
		for i := range 20 {
			w := cache.Warmup{Key: cachetest.Key(t, "res.partner", i), Load: a.load}
			if i == 7 {
				w.Load = (&answer{err: bad}).load
			}
			list = append(list, w)
		}
		n, err := l.Warm(t.Context(), 4, list...)
		if n != 19 || !errors.Is(err, bad) || a.asked.Load() != 19 {
			t.Errorf("%d are warm after %d loads, %v", n, a.asked.Load(), err)
		}
		if n, err = l.Warm(t.Context(), 0, list[:5]...); n != 5 || err != nil || a.asked.Load() != 19 {
			t.Errorf("what was there: %d, %d loads, %v", n, a.asked.Load(), err)
		}
		country := cachetest.Key(t, "res.country", 1)
		related := func([]byte) []cache.Warmup { return []cache.Warmup{{Key: country, Load: a.load}} }
		load(t, l, cachetest.Key(t, "res.partner", 99), cache.LoadOptions{Related: related}, a.load, "")
		synctest.Wait()
		if e := l.Cache().Get(t.Context(), country); e.State != cache.Hit {
			t.Errorf("a related record is a %v", e.State)
		}
	})
}

func TestInvalidateAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoader(t, cache.LoaderConfig{TTL: cache.For(0)})
		k, other := cachetest.Key(t, "res.partner", 1), cachetest.Key(t, "res.users", 1)
		a := &answer{value: "v"}
		fill := func() int64 {
			load(t, l, k, cache.LoadOptions{}, a.load, "v")
			load(t, l, other, cache.LoadOptions{}, (&answer{value: "w"}).load, "w")
			return a.asked.Load()
		}
		fill()
		l.InvalidateAfter(time.Hour, false, k.DB, k.Model)
		time.Sleep(59 * time.Minute)
		if n := fill(); n != 1 {
			t.Errorf("too early: %d", n)
		}
		time.Sleep(2 * time.Minute)
		if n := fill(); n != 2 {
			t.Errorf("not in time: %d", n)
		}
		time.Sleep(2 * time.Hour)
		if n := fill(); n != 2 {
			t.Errorf("once more than asked for: %d", n)
		}
		stop := l.InvalidateAfter(time.Hour, true, k.DB)
		for i := range int64(3) {
			time.Sleep(time.Hour + time.Second)
			if n := fill(); n != 3+i {
				t.Errorf("round %d: %d", i, n)
			}
		}
		stop()
		time.Sleep(3 * time.Hour)
		if n := fill(); n != 5 {
			t.Errorf("after stop: %d", n)
		}
	})
}

func TestAlert(t *testing.T) {
	var alerts []cache.Health
	l := newLoader(t, cache.LoaderConfig{
		AlertBelow: 0.5, AlertAfter: 20, OnAlert: func(h cache.Health) { alerts = append(alerts, h) },
	})
	for i := range 40 {
		load(t, l, cachetest.Key(t, "res.partner", i), cache.LoadOptions{}, (&answer{value: "v"}).load, "v")
	}
	if len(alerts) != 1 || alerts[0].OK || l.Health().OK {
		t.Fatalf("alerts after misses: %+v", alerts)
	}
	for range 3000 {
		load(t, l, cachetest.Key(t, "res.partner", 1), cache.LoadOptions{}, (&answer{value: "v"}).load, "v")
	}
	if len(alerts) != 2 || !alerts[1].OK || !l.Health().OK {
		t.Fatalf("alerts after hits: %+v", alerts)
	}
	if r := l.Stats().Loads.RecentHitRate; r < 0.9 {
		t.Errorf("recent hit rate %v", r)
	}
}

func TestClosedLoader(t *testing.T) {
	l := newLoader(t, cache.LoaderConfig{})
	l.InvalidateAfter(time.Hour, true, "db1")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l.InvalidateAfter(time.Hour, true, "db1")()
	load(t, l, cachetest.Key(t, "res.partner", 1), cache.LoadOptions{}, (&answer{value: "v"}).load, "v")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
