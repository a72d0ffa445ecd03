package cache_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/perfd/perfd/cache"
	"github.com/perfd/perfd/cache/cachetest"
	"github.com/perfd/perfd/lab"
)

func TestMain(m *testing.M) {
	cache.QuietRedis()
	os.Exit(m.Run())
}

// office is a server with models whose answer is how often they were written, and which knows what an answer must be.
type office struct {
	models  [3]atomic.Int64 // as written
	told    [3]atomic.Int64 // as invalidated
	answers atomic.Int64
	loads   atomic.Int64
}

func (o *office) load(m int) cache.Source {
	return func(context.Context) ([]byte, error) {
		o.loads.Add(1)
		return strconv.AppendInt(nil, o.models[m].Load(), 10), nil
	}
}

// write changes a model and says so. What begins after that must see it.
func (o *office) write(ctx context.Context, l *cache.Loader, m int) {
	v := o.models[m].Add(1)
	_ = l.Invalidate(ctx, "db1", "model"+strconv.Itoa(m)) // an error says that Redis does not know yet
	for {
		old := o.told[m].Load()
		if old >= v || o.told[m].CompareAndSwap(old, v) {
			return
		}
	}
}

// read checks one answer, and how long it took.
func (o *office) read(t testing.TB, l *cache.Loader, m, i int, limit time.Duration) {
	k := cachetest.Key(t, "model"+strconv.Itoa(m), i)
	least := o.told[m].Load()
	began := time.Now()
	b, err := l.Load(t.Context(), k, cache.LoadOptions{}, o.load(m))
	if err != nil {
		t.Errorf("lost a call: %v", err)
		return
	}
	if took := time.Since(began); took > limit {
		t.Errorf("a call took %v, more than %v", took, limit)
	}
	o.answers.Add(1)
	if v, err := strconv.ParseInt(string(b), 10, 64); err != nil || v < least {
		t.Errorf("wrong answer: %q of model %d after write %d", b, m, least)
	}
}

// work reads and writes from several goroutines for a while.
func (o *office) work(t testing.TB, l *cache.Loader, rounds int, limit time.Duration) {
	t.Helper()
	var all sync.WaitGroup
	for g := range 6 {
		all.Go(func() {
			for i := range rounds {
				if g == 0 && i%4 == 0 {
					o.write(t.Context(), l, i%3)
				}
				o.read(t, l, (g+i)%3, i%7, limit)
			}
		})
	}
	all.Wait()
}

const (
	opTimeout = 60 * time.Millisecond
	// A load is two lookups, a store and what takes that back, each within the time-out; the rest is for a busy machine.
	callLimit = 4*opTimeout + 250*time.Millisecond
)

// TestRedisFaults: whatever happens to Redis, no answer is wrong, no call is lost and none takes long; and afterwards
// the cache caches again.
func TestRedisFaults(t *testing.T) {
	type scene struct {
		redis *lab.RedisServer
		link  *weakLink
	}
	for _, f := range []struct {
		name         string
		during, then func(*testing.T, scene)
	}{
		{
			"killed",
			func(t *testing.T, s scene) { s.redis.Kill(t) },
			func(t *testing.T, s scene) { s.redis.Start(t) },
		},
		{
			"restarted",
			func(t *testing.T, s scene) {
				s.redis.Kill(t)
				s.redis.Start(t)
			},
			func(*testing.T, scene) {},
		},
		{
			"hanging",
			func(t *testing.T, s scene) { s.redis.Pause(t) },
			func(t *testing.T, s scene) { s.redis.Resume(t) },
		},
		{
			"slow",
			func(_ *testing.T, s scene) { s.link.delay.Store(int64(3 * opTimeout)) },
			func(_ *testing.T, s scene) { s.link.delay.Store(0) },
		},
		{
			"slow but in time",
			func(_ *testing.T, s scene) { s.link.delay.Store(int64(opTimeout / 8)) },
			func(_ *testing.T, s scene) { s.link.delay.Store(0) },
		},
		{
			"deaf",
			func(_ *testing.T, s scene) { s.link.deaf.Store(true) },
			func(_ *testing.T, s scene) {
				s.link.deaf.Store(false)
				s.link.cut()
			},
		},
		{
			"cut",
			func(_ *testing.T, s scene) { s.link.cut() },
			func(*testing.T, scene) {},
		},
		{
			"refusing",
			func(_ *testing.T, s scene) {
				s.link.refuse.Store(true)
				s.link.cut()
			},
			func(_ *testing.T, s scene) { s.link.refuse.Store(false) },
		},
		{
			"full",
			func(t *testing.T, s scene) { command(t, s.redis, "CONFIG SET maxmemory 1") },
			func(t *testing.T, s scene) { command(t, s.redis, "CONFIG SET maxmemory 0") },
		},
		{
			"emptied",
			func(t *testing.T, s scene) { command(t, s.redis, "FLUSHALL") },
			func(*testing.T, scene) {},
		},
		{
			"password changed",
			func(t *testing.T, s scene) {
				command(t, s.redis, "CONFIG SET requirepass other")
				s.link.cut()
			},
			func(t *testing.T, s scene) { command(t, s.redis, "AUTH other", "CONFIG SET requirepass ''") },
		},
	} {
		for _, kind := range []string{"redis", "tiered"} {
			t.Run(f.name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				s := scene{redis: lab.StartRedis(t)}
				s.link = newWeakLink(t, s.redis.Addr.String())
				r := newRedis(t, cache.RedisConfig{
					Addresses: []string{s.link.addr}, Timeout: opTimeout, Open: 100 * time.Millisecond, Heartbeat: 50 * time.Millisecond,
				})
				var c cache.Cache = r
				if kind == "tiered" {
					c = cache.NewTiered(newMemory(t, cache.MemoryConfig{}), r, cache.TieredConfig{})
				}
				l := cache.NewLoader(c, cache.LoaderConfig{})
				t.Cleanup(func() { _ = l.Close() })
				var o office
				o.work(t, l, 40, callLimit)
				f.during(t, s)
				o.work(t, l, 80, callLimit)
				for m := range o.models {
					o.write(t.Context(), l, m)
				}
				f.then(t, s)
				o.work(t, l, 80, callLimit)
				key := 1000
				within(t, "cache again", func() bool {
					key++
					o.read(t, l, 0, key, callLimit)
					before := o.loads.Load()
					o.read(t, l, 0, key, callLimit)
					st := r.Stats().Tiers[0]
					return o.loads.Load() == before && st.Circuit == "closed" && st.Pending == 0
				})
				t.Logf("%d answers, %d loads; %+v", o.answers.Load(), o.loads.Load(), l.Stats().Counts)
			})
		}
	}
}

// within waits for something that time brings about.
func within(t testing.TB, what string, reached func() bool) {
	t.Helper()
	limit := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !reached() {
		select {
		case <-limit:
			t.Fatalf("%s: not within 20 s", what)
		case <-tick.C:
		}
	}
}

func TestWrongPassword(t *testing.T) {
	s := lab.StartRedis(t, "--requirepass", "sesame")
	for name, password := range map[string]string{"wrong": "guess", "none": ""} {
		t.Run(name, func(t *testing.T) {
			r := newRedis(t, cache.RedisConfig{Addresses: []string{s.Addr.String()}, Password: password, Timeout: opTimeout})
			err := r.Check(t.Context())
			if err == nil {
				t.Fatal("it is let in")
			}
			t.Log(err)
			l := cache.NewLoader(r, cache.LoaderConfig{})
			var o office
			o.work(t, l, 40, callLimit)
			st := r.Stats().Tiers[0]
			if st.Circuit != "open" || st.LastError == "" {
				t.Errorf("circuit %s, last error %q", st.Circuit, st.LastError)
			}
			if h := l.Health(); h.OK || len(h.Problems) == 0 {
				t.Errorf("healthy: %+v", h)
			}
			if st.Fallback == nil || st.Fallback.Hits == 0 {
				t.Error("no memory stood in")
			}
			if err := r.Set(t.Context(), cachetest.Key(t, "a"), []byte("v"), cache.Options{}); !errors.Is(err, cache.ErrUnavailable) {
				t.Errorf("set: %v", err)
			}
		})
	}
}

// TestHalfOpen: of many who find the circuit half open, as few as configured ask Redis.
func TestHalfOpen(t *testing.T) {
	t.Parallel()
	w := newWeakLink(t, lab.Redis(t).String())
	r := newRedis(t, cache.RedisConfig{
		Addresses: []string{w.addr}, Timeout: 200 * time.Millisecond, Attempts: 1, Failures: 2, Open: time.Second, Probes: 2,
	})
	k := cachetest.Key(t, "res.partner", 1)
	w.deaf.Store(true)
	for r.Stats().Tiers[0].Circuit == "closed" {
		r.Get(t.Context(), k)
	}
	before := w.accepted.Load()
	r.Get(t.Context(), k)
	if n := w.accepted.Load() - before; n != 0 {
		t.Errorf("an open circuit let %d through", n)
	}
	within(t, "half-open", func() bool { return r.Stats().Tiers[0].Circuit == "half-open" })
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { r.Get(t.Context(), k) })
	}
	all.Wait()
	if n := w.accepted.Load() - before; n < 1 || n > 2 {
		t.Errorf("%d of 50 asked, want at most 2", n)
	}
	if c := r.Stats().Tiers[0].Circuit; c != "open" {
		t.Errorf("the circuit is %s after probes that failed", c)
	}
	w.deaf.Store(false)
	within(t, "close", func() bool {
		r.Get(t.Context(), k)
		return r.Stats().Tiers[0].Circuit == "closed"
	})
}

// TestMissedInvalidation: an invalidation that Redis could not be told of reaches it before anything else is read from
// it, and then others.
func TestMissedInvalidation(t *testing.T) {
	addr := lab.Redis(t).String()
	w := newWeakLink(t, addr)
	a := newRedis(t, cache.RedisConfig{Addresses: []string{w.addr}, Timeout: opTimeout, Open: 50 * time.Millisecond})
	b := newRedis(t, cache.RedisConfig{Addresses: []string{addr}})
	keys := map[string]cache.Key{}
	for _, m := range []string{"model", "set", "delete", "stays"} {
		keys[m] = cachetest.Key(t, m, 1)
		if err := b.Set(t.Context(), keys[m], []byte("old"), cache.Options{TTL: cache.For(0)}); err != nil {
			t.Fatal(err)
		}
		if e := a.Get(t.Context(), keys[m]); e.State != cache.Hit {
			t.Fatalf("a has a %v", e.State)
		}
	}
	w.deaf.Store(true)
	for what, err := range map[string]error{
		"invalidate": a.Invalidate(t.Context(), "db1", "model"),
		"set":        a.Set(t.Context(), keys["set"], []byte("new"), cache.Options{}),
		"delete":     a.Delete(t.Context(), keys["delete"]),
	} {
		if !errors.Is(err, cache.ErrUnavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if e := a.Get(t.Context(), keys["set"]); e.State != cache.Hit || string(e.Value) != "new" {
		t.Errorf("a reads %v %q after it wrote through", e.State, e.Value)
	}
	if n := a.Stats().Tiers[0].Pending; n != 3 {
		t.Errorf("%d pending", n)
	}
	w.deaf.Store(false)
	w.cut()
	within(t, "catch up", func() bool {
		for _, m := range []string{"model", "set", "delete"} {
			if e := a.Get(t.Context(), keys[m]); e.State == cache.Hit && string(e.Value) == "old" {
				t.Fatalf("%s: a reads what it knows to be old", m)
			}
		}
		return a.Stats().Tiers[0].Pending == 0
	})
	for _, m := range []string{"model", "set", "delete"} {
		if e := b.Get(t.Context(), keys[m]); e.State != cache.Miss {
			t.Errorf("%s: b reads %q", m, e.Value)
		}
	}
	if e := b.Get(t.Context(), keys["stays"]); e.State != cache.Hit {
		t.Errorf("what nobody invalidated is a %v", e.State)
	}
}

// TestOldSnapshot: a Redis that comes back with an old state on its disk serves nothing of it.
func TestOldSnapshot(t *testing.T) {
	s := lab.StartRedis(t)
	r := newRedis(t, cache.RedisConfig{Addresses: []string{s.Addr.String()}, Open: 20 * time.Millisecond})
	k := cachetest.Key(t, "res.partner", 1)
	if err := r.Set(t.Context(), k, []byte("old"), cache.Options{TTL: cache.For(0)}); err != nil {
		t.Fatal(err)
	}
	command(t, s, "SAVE")
	if err := r.Invalidate(t.Context(), "db1", "res.partner"); err != nil {
		t.Fatal(err)
	}
	s.Kill(t)
	s.Start(t)
	if n := command(t, s, "DBSIZE"); n == ":0\r\n" {
		t.Fatal("the snapshot was not loaded: this test shows nothing")
	}
	within(t, "come back", func() bool {
		e := r.Get(t.Context(), k)
		if e.State == cache.Hit {
			t.Fatalf("got %q, which was invalidated", e.Value)
		}
		return e.Generation != "" && e.Generation[0] != '!'
	})
}

// TestLostCounters: counters that Redis evicted do not begin where they had been.
func TestLostCounters(t *testing.T) {
	s := lab.StartRedis(t)
	r := newRedis(t, cache.RedisConfig{Addresses: []string{s.Addr.String()}})
	k := cachetest.Key(t, "res.partner", 1)
	for i := range 5 {
		if err := r.Set(t.Context(), k, fmt.Append(nil, i), cache.Options{TTL: cache.For(0)}); err != nil {
			t.Fatal(err)
		}
		if e := r.Get(t.Context(), k); e.State != cache.Hit {
			t.Fatalf("got %v", e.State)
		}
		command(t, s, "DEL perfd:#:db1:res.partner")
		if e := r.Get(t.Context(), k); e.State != cache.Miss {
			t.Fatalf("got %v %q of a generation that is lost", e.State, e.Value)
		}
	}
}
