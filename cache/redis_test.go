package cache_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/perfd/perfd/cache"
	"github.com/perfd/perfd/cache/cachetest"
	"github.com/perfd/perfd/lab"
	"github.com/redis/go-redis/v9"
)

// TestTwoCaches: each sees at once what the other invalidates in Redis, and a tiered one as soon as it is told.
func TestTwoCaches(t *testing.T) {
	t.Parallel()
	addr := lab.Redis(t).String()
	for _, kind := range []string{"redis", "tiered"} {
		t.Run(kind, func(t *testing.T) {
			c := cache.RedisConfig{Addresses: []string{addr}, Namespace: kind}
			var a, b cache.Cache = newRedis(t, c), newRedis(t, c)
			if kind == "tiered" {
				a, b = newTiered(t, c), newTiered(t, c)
			}
			k, other := cachetest.Key(t, "res.partner", 1), cachetest.Key(t, "res.users", 1)
			for name, forget := range map[string]func() error{
				"model":    func() error { return a.Invalidate(t.Context(), k.DB, k.Model) },
				"database": func() error { return a.Invalidate(t.Context(), k.DB) },
				"key":      func() error { return a.Delete(t.Context(), k) },
				"pattern": func() error {
					_, err := a.InvalidateMatching(t.Context(), "*:res.partner:*")
					return err
				},
				"all":     func() error { return a.Clear(t.Context()) },
				"rewrite": func() error { return a.Set(t.Context(), k, []byte("new"), cache.Options{}) },
			} {
				for _, k := range []cache.Key{k, other} {
					if err := b.Set(t.Context(), k, []byte("v"), cache.Options{}); err != nil {
						t.Fatal(err)
					}
					for range 2 { // the second time out of the upper tier
						if e := b.Get(t.Context(), k); e.State != cache.Hit {
							t.Fatalf("%s: b has a %v", name, e.State)
						}
						if e := a.Get(t.Context(), k); e.State != cache.Hit || string(e.Value) != "v" {
							t.Fatalf("%s: a has a %v", name, e.State)
						}
					}
				}
				if err := forget(); err != nil {
					t.Fatal(err)
				}
				gone := func() bool {
					e := b.Get(t.Context(), k)
					return e.State == cache.Miss || string(e.Value) == "new"
				}
				if kind == "redis" && !gone() {
					t.Errorf("%s: b still has it", name)
				}
				within(t, name, gone)
				if e := b.Get(t.Context(), other); (e.State == cache.Hit) != (name != "all" && name != "database") {
					t.Errorf("%s: of what else there is, b has a %v", name, e.State)
				}
			}
		})
	}
}

// TestHitBelowFillsAbove: what another process stored is found in Redis once, and in the memory from then on; each tier
// counts its own.
func TestHitBelowFillsAbove(t *testing.T) {
	c := cache.RedisConfig{Addresses: []string{lab.Redis(t).String()}}
	here, there := newTiered(t, c), newRedis(t, c)
	k := cachetest.Key(t, "res.partner", 1)
	if err := there.Set(t.Context(), k, []byte("v"), cache.Options{}); err != nil {
		t.Fatal(err)
	}
	asked := int64(0)
	above := func() int64 { return here.Stats().Tiers[0].Hits }
	for above() < 2 && asked < 20 { // that it was stored may be heard after the first questions: then it is fetched anew
		asked++
		if e := here.Get(t.Context(), k); e.State != cache.Hit || string(e.Value) != "v" {
			t.Fatalf("got a %v of %q", e.State, e.Value)
		}
	}
	s := here.Stats()
	if up, low := s.Tiers[0], s.Tiers[1]; up.Hits != 2 || up.Misses != low.Hits || up.Items != 1 || low.Hits > 3 || low.Misses != 0 {
		t.Errorf("asked %d times: above %+v, below %+v", asked, up.Counts, low.Counts)
	}
	if s.Hits != asked || s.Misses != 0 {
		t.Errorf("as one %+v", s.Counts)
	}
}

// TestTwoProcesses: another program that shares the Redis forgets, and this one sees it.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	c := cache.RedisConfig{Addresses: []string{lab.Redis(t).String()}}
	cmd := exec.Command(os.Args[0], "-test.run", "^TestOtherProcess$")
	cmd.Env = append(os.Environ(), otherProcess+"="+c.Addresses[0])
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	other := func(order string) string {
		t.Helper()
		if _, err := io.WriteString(in, order+"\n"); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() {
			if answer, ok := strings.CutPrefix(lines.Text(), "> "); ok {
				return answer
			}
		}
		t.Fatalf("the other process ended: %v", lines.Err())
		return ""
	}
	here := newTiered(t, c)
	k := cachetest.Key(t, "res.partner", 1)
	for i := range 20 {
		v := fmt.Sprint(i)
		if err := here.Set(t.Context(), k, []byte(v), cache.Options{}); err != nil {
			t.Fatal(err)
		}
		here.Get(t.Context(), k)
		within(t, "the other process sees the new value", func() bool { return other("get") == "hit "+v })
		if i%2 == 0 {
			other("invalidate")
			within(t, "this process forgets", func() bool { return here.Get(t.Context(), k).State == cache.Miss })
		} else {
			if err := here.Invalidate(t.Context(), k.DB, k.Model); err != nil {
				t.Fatal(err)
			}
			within(t, "the other process forgets", func() bool { return other("get") == "miss " })
		}
	}
}

const otherProcess = "PERFD_TEST_OTHER_PROCESS"

// TestOtherProcess is the other process of TestTwoProcesses, and nothing without it.
func TestOtherProcess(t *testing.T) {
	addr := os.Getenv(otherProcess)
	if addr == "" {
		return
	}
	c := newTiered(t, cache.RedisConfig{Addresses: []string{addr}})
	k := cachetest.Key(t, "res.partner", 1)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		switch lines.Text() {
		case "get":
			e := c.Get(t.Context(), k)
			fmt.Printf("> %s %s\n", e.State, e.Value)
		case "invalidate":
			fmt.Printf("> %v\n", c.Invalidate(t.Context(), k.DB, k.Model))
		}
	}
}

// TestTieredWithoutNews: as long as a tiered cache cannot hear of others, it does not answer from above.
func TestTieredWithoutNews(t *testing.T) {
	t.Parallel()
	addr := lab.Redis(t).String()
	w := newWeakLink(t, addr)
	here := newTiered(t, cache.RedisConfig{Addresses: []string{w.addr}, Heartbeat: 30 * time.Millisecond, Timeout: 200 * time.Millisecond, Open: 10 * time.Millisecond})
	there := newRedis(t, cache.RedisConfig{Addresses: []string{addr}})
	k := cachetest.Key(t, "res.partner", 1)
	if err := here.Set(t.Context(), k, []byte("v"), cache.Options{TTL: cache.For(0)}); err != nil {
		t.Fatal(err)
	}
	here.Get(t.Context(), k)
	above := func() bool { return !here.Stats().Tiers[0].Bypassed }
	if !above() || here.Stats().Tiers[0].Items != 1 {
		t.Fatalf("%+v", here.Stats().Tiers[0])
	}
	w.deaf.Store(true) // the connection stays, nothing comes
	within(t, "notice", func() bool { return !above() })
	if err := there.Invalidate(t.Context(), k.DB, k.Model); err != nil {
		t.Fatal(err)
	}
	if e := here.Get(t.Context(), k); e.State != cache.Miss {
		t.Errorf("what it could not hear of is a %v", e.State)
	}
	w.deaf.Store(false)
	w.cut()
	within(t, "hear again", above)
	if e := here.Get(t.Context(), k); e.State == cache.Hit {
		t.Error("what was invalidated meanwhile is a hit")
	}
}

// TestSentinel: when the master dies, the cache goes on with the replica that the sentinels choose, and serves nothing
// that the replica may have missed the end of.
func TestSentinel(t *testing.T) {
	t.Parallel()
	master := lab.StartRedis(t)
	replica := lab.StartRedis(t, "--replicaof", master.Addr.Addr().String()+" "+fmt.Sprint(master.Addr.Port()))
	within(t, "replicate", func() bool { return strings.Contains(command(t, replica, "INFO replication"), "master_link_status:up") })
	sentinel := lab.RedisSentinel(t, "mymaster", master)
	r := newRedis(t, cache.RedisConfig{Addresses: []string{sentinel.String()}, Master: "mymaster", Open: 50 * time.Millisecond})
	k := cachetest.Key(t, "res.partner", 1)
	if err := r.Set(t.Context(), k, []byte("v"), cache.Options{TTL: cache.For(0)}); err != nil {
		t.Fatal(err)
	}
	if e := r.Get(t.Context(), k); e.State != cache.Hit {
		t.Fatalf("got a %v", e.State)
	}
	within(t, "the replica has it", func() bool { return strings.HasPrefix(command(t, replica, "DBSIZE"), ":5") })
	master.Kill(t)
	within(t, "go on with the replica", func() bool {
		e := r.Get(t.Context(), k)
		if e.State == cache.Hit {
			t.Fatal("the replica is trusted")
		}
		return e.Generation != "" && e.Generation[0] != '!' && r.Set(t.Context(), k, []byte("w"), cache.Options{Generation: e.Generation}) == nil
	})
	if e := r.Get(t.Context(), k); e.State != cache.Hit || string(e.Value) != "w" {
		t.Errorf("got a %v of %q", e.State, e.Value)
	}
}

// TestSweep: entries that never expire and that nobody finds any more are removed, and no others.
func TestSweep(t *testing.T) {
	s := lab.StartRedis(t)
	r := newRedis(t, cache.RedisConfig{Addresses: []string{s.Addr.String()}})
	for i := range 10 {
		for _, m := range []string{"res.partner", "res.users"} {
			if err := r.Set(t.Context(), cachetest.Key(t, m, i), []byte("v"), cache.Options{TTL: cache.For(0)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := r.Invalidate(t.Context(), "db1", "res.partner"); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Sweep(t.Context()); n != 10 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
	if e := r.Get(t.Context(), cachetest.Key(t, "res.users", 3)); e.State != cache.Hit {
		t.Errorf("what is current is a %v", e.State)
	}
}

// TestNoKeys: keys are never listed by KEYS, and what is not encrypted is not there in the clear by accident.
func TestNoKeys(t *testing.T) {
	s := lab.StartRedis(t, "--rename-command", "KEYS", "", "--rename-command", "FLUSHDB", "", "--rename-command", "FLUSHALL", "")
	r := newRedis(t, cache.RedisConfig{Addresses: []string{s.Addr.String()}, EncryptionKeys: [][]byte{[]byte("0123456789abcdef")}})
	k := cachetest.Key(t, "res.partner", "very private question")
	if err := r.Set(t.Context(), k, []byte(`"very private answer"`), cache.Options{}); err != nil {
		t.Fatal(err)
	}
	if n, err := r.InvalidateMatching(t.Context(), "nothing*"); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	c := redis.NewClient(&redis.Options{Addr: s.Addr.String()})
	defer c.Close()
	names, _, err := c.Scan(t.Context(), 0, "*", 100).Result()
	if err != nil || len(names) != 5 {
		t.Fatalf("%q, %v", names, err)
	}
	for _, name := range names {
		v, err := c.Get(t.Context(), name).Result()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(name+v, "private") {
			t.Errorf("%s: %q can be read", name, v)
		}
	}
	if n, err := r.InvalidateMatching(t.Context(), "*"); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if err := r.Clear(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestParseRedisURL(t *testing.T) {
	for url, want := range map[string]string{
		"redis://":                              "redis at 127.0.0.1:6379",
		"redis://cache":                         "redis at cache:6379",
		"redis://:pw@cache:1234/2":              "redis at cache:1234",
		"rediss://[::1]":                        "redis at [::1]:6379",
		"unix:///run/redis.sock?db=1":           "redis at /run/redis.sock",
		"redis+sentinel://:pw@a:1,b/mymaster/3": "redis+sentinel (mymaster) at a:1, b:26379",
		"rediss+cluster://u:pw@a,b:7000,c":      "redis+cluster at a:6379, b:7000, c:6379",
		"http://a":                              "",
		"redis://a/x":                           "",
		"redis://a/1/2":                         "",
		"redis+sentinel://a":                    "",
		"redis+cluster://a/3":                   "",
		"redis://a,b":                           "",
		"unix://":                               "",
		"redis://u:secret%zz@a":                 "",
		"redis+other://a":                       "",
		"redis+sentinel://user:secret@a:1/m/not-a-number":    "",
		"redis://user:secret@host:port:with:colons/secret\n": "",
	} {
		c, err := cache.ParseRedisURL(url)
		switch {
		case want == "" && err == nil:
			t.Errorf("%s is taken: %v", url, c)
		case want == "" && strings.Contains(err.Error(), "secret"):
			t.Errorf("%s: the error shows the password: %v", url, err)
		case want != "" && (err != nil || c.String() != want):
			t.Errorf("%s: %v, %v; want %s", url, c, err, want)
		}
	}
	c, err := cache.ParseRedisURL("rediss://user:p%40ss@cache/7")
	if err != nil || c.Username != "user" || c.Password != "p@ss" || c.DB != 7 || c.TLS == nil || c.TLS.MinVersion < tls.VersionTLS12 {
		t.Errorf("%+v, %v", c.DB, err)
	}
	for _, c := range []cache.RedisConfig{
		{Addresses: []string{"a", "b"}}, {Cluster: true, Master: "m"}, {Cluster: true, DB: 1}, {DB: -1},
		{Serializer: "xml"}, {EncryptionKeys: [][]byte{{1}}}, {Fallback: cache.MemoryConfig{Strategy: "x"}},
	} {
		if _, err := cache.NewRedis(c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}

func TestEncryptionKeysFromEnv(t *testing.T) {
	const name = "PERFD_TEST_CACHE_KEYS"
	for value, want := range map[string]int{
		"": 0, "MDEyMzQ1Njc4OWFiY2RlZg==": 1, "30313233343536373839616263646566, MDEyMzQ1Njc4OWFiY2RlZg==": 2, "secret": -1, "c2VjcmV0": -1,
	} {
		t.Setenv(name, value)
		keys, err := cache.EncryptionKeysFromEnv(name)
		if (err == nil) != (want >= 0) || (err == nil && len(keys) != want) {
			t.Errorf("%q: %d keys, %v", value, len(keys), err)
		}
		if err != nil && strings.Contains(err.Error(), value) {
			t.Errorf("the error shows the key: %v", err)
		}
	}
}

// TestNobodyThere: without a Redis all works, out of the memory that stands in, and Check says what is wrong.
func TestNobodyThere(t *testing.T) {
	addr := fmt.Sprintf("127.0.0.1:%d", lab.FreePort(t))
	r := newRedis(t, cache.RedisConfig{Addresses: []string{addr}})
	if err := r.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "nobody listens there") {
		t.Errorf("check: %v", err)
	}
	l := cache.NewLoader(r, cache.LoaderConfig{})
	a := &answer{value: "v"}
	for range 50 {
		load(t, l, cachetest.Key(t, "m", 1), cache.LoadOptions{}, a.load, "v")
	}
	if n := a.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	if err := l.Invalidate(t.Context(), "db1", "m"); !errors.Is(err, cache.ErrUnavailable) {
		t.Errorf("invalidate: %v", err)
	}
	load(t, l, cachetest.Key(t, "m", 1), cache.LoadOptions{}, a.load, "v")
	if n := a.asked.Load(); n != 2 {
		t.Errorf("asked %d times after an invalidation", n)
	}
	without := newRedis(t, cache.RedisConfig{Addresses: []string{addr}, FallbackTTL: -1})
	l = cache.NewLoader(without, cache.LoaderConfig{})
	for range 10 {
		load(t, l, cachetest.Key(t, "m", 1), cache.LoadOptions{}, a.load, "v")
	}
	if n := a.asked.Load(); n != 12 {
		t.Errorf("without a memory to stand in: asked %d times", n-2)
	}
}

// TestAttempts: an operation is tried three times, with pauses between, and not more often.
func TestAttempts(t *testing.T) {
	addr := lab.Redis(t).String()
	k := cachetest.Key(t, "res.partner", 1)
	for refusals, want := range map[int64]error{2: nil, 3: cache.ErrUnavailable} {
		w := newWeakLink(t, addr) // of its own: what failed is tried again behind
		r := newRedis(t, cache.RedisConfig{Addresses: []string{w.addr}, Timeout: 5 * time.Second, Backoff: 150 * time.Millisecond})
		w.refusals.Store(refusals)
		before, began := w.accepted.Load(), time.Now()
		err := r.Invalidate(t.Context(), k.DB, k.Model)
		took, tried := time.Since(began), w.accepted.Load()-before
		if !errors.Is(err, want) || tried != 3 {
			t.Errorf("%d connections refused: %d tried, %v", refusals, tried, err)
		}
		if took < 300*time.Millisecond { // each pause is as long as Backoff, at least
			t.Errorf("three attempts within %v", took)
		}
		if want == nil && r.Stats().Failures != 0 {
			t.Errorf("%d failures", r.Stats().Failures)
		}
	}
}

// TestTimeout: an operation ends at the time-out, be it in a pause between attempts, and nothing is tried afterwards.
func TestTimeout(t *testing.T) {
	const timeout = time.Second
	addr := lab.Redis(t).String()
	k := cachetest.Key(t, "res.partner", 1)
	for name, run := range map[string]func(context.Context, *cache.Redis){
		"get":        func(ctx context.Context, r *cache.Redis) { r.Get(ctx, k) },
		"generation": func(ctx context.Context, r *cache.Redis) { r.Generation(ctx, k) },
		"set":        func(ctx context.Context, r *cache.Redis) { _ = r.Set(ctx, k, nil, cache.Options{}) },
		"delete":     func(ctx context.Context, r *cache.Redis) { _ = r.Delete(ctx, k) },
		"invalidate": func(ctx context.Context, r *cache.Redis) { _ = r.Invalidate(ctx, k.DB, k.Model) },
	} {
		for how, fault := range map[string]func(*weakLink){
			"hanging": func(w *weakLink) { w.deaf.Store(true) },
			"refusing": func(w *weakLink) {
				w.refuse.Store(true)
				w.cut()
			},
		} {
			t.Run(name+"/"+how, func(t *testing.T) {
				t.Parallel()
				w := newWeakLink(t, addr)
				// The pauses are a quarter of the time-out, more than which there never is.
				r := newRedis(t, cache.RedisConfig{Addresses: []string{w.addr}, Timeout: timeout, Backoff: timeout, Attempts: 8})
				run(t.Context(), r)
				fault(w)
				before, began := w.accepted.Load(), time.Now()
				run(t.Context(), r)
				if took := time.Since(began); took > timeout+timeout*2/5 {
					t.Errorf("took %v", took)
				}
				if n := w.accepted.Load() - before; how == "hanging" && n != 0 {
					t.Errorf("%d attempts after the time-out", n)
				}
				if n := r.Stats().Failures; n != 1 {
					t.Errorf("%d failures", n)
				}
			})
		}
	}
}

// TestSamples: one name has one kind, one help and one set of labels, and no series comes twice.
func TestSamples(t *testing.T) {
	c := newTiered(t, cache.RedisConfig{Addresses: []string{lab.Redis(t).String()}})
	l := cache.NewLoader(c, cache.LoaderConfig{})
	for i := range 3 {
		load(t, l, cachetest.Key(t, "m", i%2), cache.LoadOptions{}, (&answer{value: "v"}).load, "v")
	}
	shapes, series := map[string]string{}, map[string]bool{}
	for s := range l.Stats().Samples() {
		shape := fmt.Sprint(s.Kind, s.Help)
		for _, label := range s.Labels {
			shape += label[0]
		}
		if old, ok := shapes[s.Name]; ok && old != shape {
			t.Errorf("%s has two shapes: %s and %s", s.Name, old, shape)
		}
		shapes[s.Name] = shape
		id := fmt.Sprint(s.Name, s.Labels)
		if series[id] {
			t.Errorf("%s comes twice", id)
		}
		series[id] = true
		if (s.Kind == cache.Durations) != (s.Histogram != nil) {
			t.Errorf("%s: %s with histogram %v", s.Name, s.Kind, s.Histogram)
		}
	}
	if len(shapes) < 8 {
		t.Errorf("%d metrics", len(shapes))
	}
	for range l.Stats().Samples() { // may be left early
		break
	}
}
