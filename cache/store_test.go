package cache_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/perfd/perfd/cache"
	"github.com/perfd/perfd/cache/cachetest"
)

// slowSet is a memory whose Set of one value goes on when it is told to.
type slowSet struct {
	cache.Cache
	value   string
	release chan struct{}
}

func (s *slowSet) Set(ctx context.Context, key cache.Key, value []byte, o cache.Options) error {
	if string(value) == s.value {
		<-s.release
	}
	return s.Cache.Set(ctx, key, value, o)
}

// forgets are the ways of a loader to take away what is cached of a key, or to replace it.
var forgets = map[string]func(context.Context, *cache.Loader, cache.Key) error{
	"delete": func(ctx context.Context, l *cache.Loader, k cache.Key) error { return l.Delete(ctx, k) },
	"pattern": func(ctx context.Context, l *cache.Loader, _ cache.Key) error {
		_, err := l.InvalidateMatching(ctx, "*:res.partner:*")
		return err
	},
	"model": func(ctx context.Context, l *cache.Loader, k cache.Key) error { return l.Invalidate(ctx, k.DB, k.Model) },
	"write": func(ctx context.Context, l *cache.Loader, k cache.Key) error {
		return l.Store(ctx, k, []byte("new"), cache.LoadOptions{})
	},
}

func notOld(t testing.TB, l *cache.Loader, k cache.Key) {
	t.Helper()
	if e := l.Cache().Get(t.Context(), k); e.State != cache.Miss && string(e.Value) == "old" {
		t.Errorf("the outdated value is a %v", e.State)
	}
}

// TestForgottenWhileDeciding: a value that is forgotten while a predicate decides about it is not stored.
func TestForgottenWhileDeciding(t *testing.T) {
	for name, forget := range forgets {
		for how, o := range map[string]cache.LoadOptions{"miss": {}, "refresh": {Refresh: true}} {
			t.Run(name+"/"+how, func(t *testing.T) {
				l := newLoader(t, cache.LoaderConfig{})
				k := cachetest.Key(t, "res.partner", 1)
				o.Keep = func([]byte) bool {
					if err := forget(t.Context(), l, k); err != nil {
						t.Error(err)
					}
					return true
				}
				load(t, l, k, o, (&answer{value: "old"}).load, "old")
				notOld(t, l, k)
				if e := l.Cache().Get(t.Context(), k); name == "write" && string(e.Value) != "new" {
					t.Errorf("what was written through is a %v", e.State)
				}
			})
		}
	}
}

// TestForgottenWhileStoring: a value that is forgotten while the back end stores it is not there afterwards, and never
// once the forgetting has returned; nor if who forgot it did not wait for that.
func TestForgottenWhileStoring(t *testing.T) {
	for name, forget := range forgets {
		for how, waits := range map[string]bool{"waits": true, "gives up": false} {
			t.Run(name+"/"+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					slow := &slowSet{newMemory(t, cache.MemoryConfig{}), "old", make(chan struct{})}
					l := cache.NewLoader(slow, cache.LoaderConfig{})
					defer l.Close()
					k := cachetest.Key(t, "res.partner", 1)
					loaded, forgotten := make(chan struct{}), make(chan struct{})
					go func() {
						defer close(loaded)
						load(t, l, k, cache.LoadOptions{}, (&answer{value: "old"}).load, "old")
					}()
					synctest.Wait()
					ctx, giveUp := context.WithCancel(t.Context())
					defer giveUp()
					go func() {
						defer close(forgotten)
						_ = forget(ctx, l, k) // an error is that of giving up
						if waits {
							notOld(t, l, k)
						}
					}()
					synctest.Wait()
					if !waits {
						giveUp()
						<-forgotten
					}
					close(slow.release)
					<-loaded
					<-forgotten
					notOld(t, l, k)
					load(t, l, k, cache.LoadOptions{}, (&answer{value: "new"}).load, "new")
				})
			})
		}
	}
}
