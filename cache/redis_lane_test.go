package cache_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/perfd/perfd/cache"
	"github.com/perfd/perfd/cache/cachetest"
	"github.com/perfd/perfd/lab"
)

// reads is how many commands of a name a Redis has run.
func reads(t testing.TB, s *lab.RedisServer, name string) int {
	t.Helper()
	m := regexp.MustCompile(`cmdstat_` + name + `:calls=(\d+)`).FindStringSubmatch(command(t, s, "INFO commandstats"))
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestHitReadsOneKey: the counters are read once in a while, the entry alone otherwise; and with each lookup where
// Redis may not, or cannot, be asked to tell of their changes. What others do is seen at once in any case.
func TestHitReadsOneKey(t *testing.T) {
	for _, c := range []struct {
		name  string
		rules string // of access to Redis
		args  []string
		mute  bool // what Redis says unasked does not arrive
		alone bool // the entry is read alone
	}{
		{name: "told", alone: true},
		{name: "not allowed", rules: "-client"},
		{name: "not allowed to make sure", rules: "-persist -expire"},
		{name: "old protocol", args: []string{"--rename-command", "HELLO", ""}},
		{name: "never told", mute: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := lab.StartRedis(t, c.args...)
			addr := s.Addr.String()
			if c.mute {
				addr = muteLink(t, addr)
			}
			if c.rules != "" {
				command(t, s, "ACL SETUSER default "+c.rules)
			}
			here, there := newRedis(t, cache.RedisConfig{Addresses: []string{addr}}), newRedis(t, cache.RedisConfig{Addresses: []string{s.Addr.String()}})
			k := cachetest.Key(t, "res.partner", 1)
			began := time.Now()
			const n = 300
			for i := range 3 {
				v := fmt.Sprint(i)
				if err := there.Set(t.Context(), k, []byte(v), cache.Options{}); err != nil {
					t.Fatal(err)
				}
				before := reads(t, s, "mget")
				for range n {
					if e := here.Get(t.Context(), k); e.State != cache.Hit || string(e.Value) != v {
						t.Fatalf("got a %v of %q", e.State, e.Value)
					}
				}
				counted, most := reads(t, s, "mget")-before, 3+int(time.Since(began)/time.Second)
				if c.alone && counted > most {
					t.Errorf("%d lookups read the counters %d times, not %d", n, counted, most)
				}
				if !c.alone && counted < n {
					t.Errorf("%d lookups read the counters %d times", n, counted)
				}
				if err := there.Invalidate(t.Context(), k.DB, k.Model); err != nil {
					t.Fatal(err)
				}
				if e := here.Get(t.Context(), k); e.State != cache.Miss {
					t.Fatalf("what was invalidated is a %v", e.State)
				}
			}
			if f := here.Stats().Failures; f != 0 {
				t.Errorf("%d failures: %s", f, here.Stats().Tiers[0].LastError)
			}
		})
	}
}

// muteLink is a way to a Redis on which nothing comes back that was not asked for.
func muteLink(t testing.TB, to string) string {
	t.Helper()
	said := regexp.MustCompile(`>2\r\n\$10\r\ninvalidate\r\n(\*1\r\n\$\d+\r\n[^\r]*|_)\r\n`)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s, err := net.Dial("tcp", to)
			if err != nil {
				_ = c.Close()
				continue
			}
			go func() {
				defer s.Close()
				_, _ = io.Copy(s, c)
			}()
			go func() {
				defer c.Close()
				b := make([]byte, 64<<10)
				for {
					n, err := s.Read(b)
					if err != nil {
						return
					}
					if _, err := io.Copy(c, bytes.NewReader(said.ReplaceAll(b[:n], nil))); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// TestNobodyReadsWhatAnotherInvalidated: of two who share a Redis, one writes and invalidates, in all ways, while the
// other reads on many connections, which break now and then. What begins after an invalidation sees it.
func TestNobodyReadsWhatAnotherInvalidated(t *testing.T) {
	t.Parallel()
	s := lab.StartRedis(t)
	w := newWeakLink(t, s.Addr.String())
	writer := cache.NewLoader(newRedis(t, cache.RedisConfig{Addresses: []string{s.Addr.String()}}), cache.LoaderConfig{})
	reader := cache.NewLoader(newRedis(t, cache.RedisConfig{Addresses: []string{w.addr}, Open: time.Millisecond, Failures: 1000, PoolSize: 12}), cache.LoaderConfig{})
	var o office
	var all sync.WaitGroup
	var done atomic.Bool
	for g := range 8 {
		all.Go(func() {
			for i := 0; !done.Load(); i++ {
				o.read(t, reader, (g+i)%3, i%5, callLimit)
			}
		})
	}
	for i := range 600 {
		m := i % 3
		v := o.models[m].Add(1)
		var err error
		switch i % 12 {
		case 5:
			err = writer.Invalidate(t.Context(), "db1")
		case 11:
			err = writer.Cache().Clear(t.Context())
		default:
			err = writer.Invalidate(t.Context(), "db1", "model"+strconv.Itoa(m))
		}
		if err != nil {
			t.Fatal(err)
		}
		o.told[m].Store(v)
		for range 4 {
			o.read(t, reader, m, i%5, callLimit)
		}
		if i%100 == 99 {
			w.cut()
		}
	}
	done.Store(true)
	all.Wait()
	c := reader.Stats().Counts
	if c.Hits < 1000 {
		t.Errorf("%d hits show little", c.Hits)
	}
	t.Logf("%d answers, %d loads; %+v; counters read %d times", o.answers.Load(), o.loads.Load(), c, reads(t, s, "mget"))
}

// TestFlushedCounters: a Redis that is emptied, or that gives its counters up for lack of memory, says so like any change.
func TestFlushedCounters(t *testing.T) {
	s := lab.StartRedis(t)
	r := newRedis(t, cache.RedisConfig{Addresses: []string{s.Addr.String()}})
	l := cache.NewLoader(r, cache.LoaderConfig{})
	k := cachetest.Key(t, "res.partner", 1)
	for i, order := range []string{"FLUSHALL", "FLUSHDB", "DEL perfd:#:db1:res.partner", "DEL perfd:#:db1", "DEL perfd:#", "UNLINK perfd:#:db1:res.partner perfd:#"} {
		a := &answer{value: fmt.Sprint(i)}
		for range 3 {
			load(t, l, k, cache.LoadOptions{TTL: cache.For(0)}, a.load, a.value)
		}
		if n := a.asked.Load(); n != 1 {
			t.Errorf("%d loads before %s", n, order)
		}
		before := r.Generation(t.Context(), k)
		command(t, s, order)
		e := r.Get(context.WithoutCancel(t.Context()), k)
		if e.State != cache.Miss || e.Generation == before || e.Generation == "" {
			t.Errorf("after %s: a %v in generation %q, before it was %q", order, e.State, e.Generation, before)
		}
	}
}
