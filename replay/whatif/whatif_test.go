package whatif

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/perfd/perfd/replay/load"
)

// traffic makes a load by hand: times are milliseconds.
type traffic struct {
	study *Study
	seq   int64
}

func (x *traffic) call(user string, at, took int, method, args string, change ...func(*load.Call)) {
	x.seq++
	c := load.Call{
		Seq: x.seq, Session: "s-" + user, At: time.Duration(at) * time.Millisecond, Duration: time.Duration(took) * time.Millisecond,
		Transport: "jsonrpc", Model: "res.partner", Method: method, Status: 200, ResponseBytes: 1000,
	}
	if args != "" {
		c.Args = json.RawMessage(args)
	}
	for _, f := range change {
		f(&c)
	}
	x.study.Add(&c, load.Session{ID: c.Session, Login: user, Database: "db"})
}

func digest(d string) func(*load.Call) { return func(c *load.Call) { c.Digest = d } }
func model(m string) func(*load.Call)  { return func(c *load.Call) { c.Model = m } }

func study(c Config) *traffic { return &traffic{study: New(load.Header{Product: "odoo"}, c)} }

var oneTTL = Config{TTLs: []time.Duration{5 * time.Minute}, Sizes: []int64{1 << 30}}

func TestCache(t *testing.T) {
	const read, other = `[[1],["name"]]`, `[[2],["name"]]`
	for _, c := range []struct {
		name                string
		play                func(*traffic)
		hits, shared, stale int64
	}{
		{"the same twice", func(x *traffic) { x.call("a", 0, 10, "read", read); x.call("a", 1000, 10, "read", read) }, 1, 0, 0},
		{"members in another order", func(x *traffic) {
			x.call("a", 0, 10, "search_read", `[{"x":1,"y":2}]`)
			x.call("a", 1000, 10, "search_read", `[{"y":2, "x":1}]`)
		}, 1, 0, 0},
		{"another record", func(x *traffic) { x.call("a", 0, 10, "read", read); x.call("a", 1000, 10, "read", other) }, 0, 0, 0},
		{"another user", func(x *traffic) { x.call("a", 0, 10, "read", read); x.call("b", 1000, 10, "read", read) }, 0, 0, 0},
		{"another context", func(x *traffic) {
			x.call("a", 0, 10, "read", read, func(c *load.Call) { c.Kwargs = json.RawMessage(`{"context":{"lang":"en_US"}}`) })
			x.call("a", 1000, 10, "read", read, func(c *load.Call) { c.Kwargs = json.RawMessage(`{"context":{"lang":"de_DE"}}`) })
		}, 0, 0, 0},
		{"while it is under way", func(x *traffic) { x.call("a", 0, 100, "read", read); x.call("a", 50, 100, "read", read) }, 0, 1, 0},
		{"after its time", func(x *traffic) { x.call("a", 0, 10, "read", read); x.call("a", 10+300_000, 10, "read", read) }, 0, 0, 0},
		{"just before", func(x *traffic) { x.call("a", 0, 10, "read", read); x.call("a", 9+300_000, 10, "read", read) }, 1, 0, 0},
		{"after a write", func(x *traffic) {
			x.call("a", 0, 10, "read", read)
			x.call("b", 100, 10, "write", `[[2],{"name":"x"}]`)
			x.call("a", 1000, 10, "read", read)
			x.call("a", 2000, 10, "read", read)
		}, 1, 0, 0},
		{"loaded while a write was under way", func(x *traffic) {
			x.call("b", 0, 100, "write", `[[1],{"name":"x"}]`)
			x.call("a", 50, 10, "read", read)
			x.call("a", 1000, 10, "read", read)
		}, 0, 0, 0},
		{"after a write of another model", func(x *traffic) {
			x.call("a", 0, 10, "read", read)
			x.call("b", 100, 10, "write", `[[2],{"name":"x"}]`, model("stock.move"))
			x.call("a", 1000, 10, "read", read)
		}, 1, 0, 0},
		{"after a button", func(x *traffic) {
			x.call("a", 0, 10, "read", read)
			x.call("b", 100, 10, "action_confirm", `[[2]]`, model("sale.order"))
			x.call("a", 1000, 10, "read", read)
		}, 0, 0, 0},
		{"changed behind the cache", func(x *traffic) {
			x.call("a", 0, 10, "read", read, digest("1"))
			x.call("a", 1000, 10, "read", read, digest("2"))
		}, 1, 0, 1},
		{"after a form", func(x *traffic) {
			x.call("a", 0, 10, "read", read)
			x.call("b", 100, 10, "", "", func(c *load.Call) { c.Transport, c.Verb, c.Path, c.Model = "http", "POST", "/my/account", "" })
			x.call("a", 1000, 10, "read", read)
		}, 0, 0, 0},
		{"after a route that writes", func(x *traffic) {
			x.call("a", 0, 10, "read", read)
			x.call("b", 100, 10, "", "", func(c *load.Call) {
				c.Path, c.Model, c.Params = "/web/dataset/resequence", "", json.RawMessage(`{"model":"res.partner"}`)
			})
			x.call("a", 1000, 10, "read", read)
		}, 0, 0, 0},
		{"after a page", func(x *traffic) {
			x.call("a", 0, 10, "read", read)
			x.call("b", 100, 10, "", "", func(c *load.Call) { c.Transport, c.Verb, c.Path, c.Model = "http", "GET", "/web/image/1", "" })
			x.call("a", 1000, 10, "read", read)
		}, 1, 0, 0},
		{"no read", func(x *traffic) { x.call("a", 0, 10, "onchange", read); x.call("a", 1000, 10, "onchange", read) }, 0, 0, 0},
		{"arguments not kept", func(x *traffic) { x.call("a", 0, 10, "read", ""); x.call("a", 1000, 10, "read", "") }, 0, 0, 0},
		{"an unknown call between", func(x *traffic) {
			x.call("a", 0, 10, "read", read)
			x.call("b", 100, 10, "write", "")
			x.call("a", 1000, 10, "read", read)
		}, 0, 0, 0},
		{"an error", func(x *traffic) {
			x.call("a", 0, 10, "read", read, func(c *load.Call) { c.Error = "odoo.exceptions.AccessError" })
			x.call("a", 1000, 10, "read", read)
		}, 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := study(oneTTL)
			c.play(x)
			a := x.study.Answer()
			for _, got := range []Cache{a.Cache.TTLs[0], a.Cache.Sizes[0]} {
				if got.Hits != c.hits || got.Shared != c.shared || got.Stale != c.stale {
					t.Errorf("%d hits, %d shared, %d stale; want %d, %d, %d", got.Hits, got.Shared, got.Stale, c.hits, c.shared, c.stale)
				}
			}
		})
	}
}

func TestCacheByTTLAndSize(t *testing.T) {
	// Ten records in turn, one a second, ten times: each is asked for every 10 s. An answer takes 1,200 bytes.
	x := study(Config{TTLs: []time.Duration{5 * time.Second, 15 * time.Second, time.Hour}, TTL: time.Hour, Sizes: []int64{9 * 1200, 10 * 1200}})
	for i := range 100 {
		x.call("a", i*1000, 100, "read", fmt.Sprintf(`[[%d]]`, i%10))
	}
	a := x.study.Answer().Cache
	if a.Cacheable != 100 || a.TTLs[0].Hits != 0 || a.TTLs[2].Hits != 90 {
		t.Errorf("by TTL: %+v", a.TTLs)
	}
	// Of 15 s, an answer serves its next use after 10 s and not that after 20: every other one.
	if a.TTLs[1].Hits != 50 || a.TTLs[1].Ratio != 0.5 || a.TTLs[1].Saved != 5*time.Second {
		t.Errorf("15 s: %+v", a.TTLs[1])
	}
	// The least recently used of nine is always the next one.
	if a.Sizes[0].Hits != 0 || a.Sizes[0].Evicted != 91 || a.Sizes[1].Hits != 90 || a.Sizes[1].Evicted != 0 {
		t.Errorf("by size: %+v", a.Sizes)
	}
	if len(a.Methods) != 1 || a.Methods[0] != (CachedMethod{Method: "res.partner.read", Reads: 100, Hits: 90, Saved: 9 * time.Second}) {
		t.Errorf("methods: %+v", a.Methods)
	}
}

func TestReads(t *testing.T) {
	x := study(Config{})
	for i := range 5 { // a run of five
		x.call("a", i*100, 10+i, "read", fmt.Sprintf(`[[%d],["name"]]`, i))
	}
	x.call("a", 550, 10, "read", `[[4],["name"]]`)   // the same record again
	x.call("a", 560, 10, "read", `[[9],["email"]]`)  // other fields
	x.call("a", 570, 10, "read", `[[7,8],["name"]]`) // two records
	x.call("b", 580, 10, "read", `[[5],["name"]]`)   // another session
	x.call("a", 5000, 10, "read", `[[1],["name"]]`)  // after a pause: two more, which are no run
	x.call("a", 5100, 10, "read", `[[2],["name"]]`)  //
	for i := range 4 {                               // interrupted by a write
		x.call("c", i*100, 10, "read", fmt.Sprintf(`[[%d],["name"]]`, i)) //
		if i == 1 {
			x.call("c", 150, 10, "write", `[[1],{}]`)
		}
	}
	a := x.study.Answer().Reads
	want := ReadsMethod{Method: "res.partner.read", Runs: 1, Calls: 5, Longest: 5, Saved: 46 * time.Millisecond}
	if a.Runs != 1 || a.Calls != 5 || a.Spared != 4 || a.Saved != want.Saved || len(a.Methods) != 1 || a.Methods[0] != want {
		t.Errorf("%+v", a)
	}
}

func TestWorkers(t *testing.T) {
	x := study(Config{})
	// Three calls of 100 ms at once, every second, ten times; and one that waits for news and keeps no worker busy.
	x.call("a", 0, 20_000, "poll", "", func(c *load.Call) { c.Path = "/longpolling/poll" })
	for i := range 10 {
		for range 3 {
			x.call("a", i*1000, 100, "read", `[[1]]`)
		}
	}
	a := x.study.Answer()
	if len(a.Workers) != 3 {
		t.Fatalf("%d rows, want up to the three with which nobody waits: %+v", len(a.Workers), a.Workers)
	}
	one, two, three := a.Workers[0], a.Workers[1], a.Workers[2]
	if one.WaitMax != 200*time.Millisecond || one.Total != 3*time.Second || one.Waiting < 0.66 || one.Waiting > 0.67 {
		t.Errorf("one worker: %+v", one)
	}
	if two.WaitMax != 100*time.Millisecond || two.Total != time.Second {
		t.Errorf("two workers: %+v", two)
	}
	if three.WaitMax != 0 || three.Waiting != 0 || math.Abs(three.Busy-0.05) > 1e-9 {
		t.Errorf("three workers: %+v", three)
	}
	if one.WaitP50 < 99*time.Millisecond || one.WaitP50 > 101*time.Millisecond {
		t.Errorf("median wait for one worker: %v", one.WaitP50)
	}
}

func TestMoreWorkersNeverWaitLonger(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := study(Config{MaxWorkers: 6})
		at := 0
		for range rapid.IntRange(0, 60).Draw(t, "calls") {
			at += rapid.IntRange(0, 50).Draw(t, "gap")
			method := rapid.SampledFrom([]string{"read", "write", "search", "button"}).Draw(t, "method")
			x.call(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "user"), at, rapid.IntRange(0, 200).Draw(t, "took"), method,
				rapid.SampledFrom([]string{"", `[[1]]`, `[[2]]`, `[1]`, `{`, `[`}).Draw(t, "args"))
		}
		a := x.study.Answer()
		for i, w := range a.Workers {
			if w.Busy < 0 || w.Busy > 1 || i > 0 && w.Total > a.Workers[i-1].Total {
				t.Fatalf("%+v", a.Workers)
			}
		}
		for i, c := range a.Cache.TTLs {
			if c.Hits+c.Shared > a.Cache.Cacheable || c.Stale > c.Hits || i > 0 && c.Hits+c.Shared < a.Cache.TTLs[i-1].Hits {
				t.Fatalf("%+v", a.Cache)
			}
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	s := New(load.Header{Product: "odoo"}, Config{})
	calls := make([]load.Call, 1000)
	for i := range calls {
		calls[i] = load.Call{
			Session: fmt.Sprint(i % 20), Model: "res.partner", Method: "read", Duration: 10 * time.Millisecond, ResponseBytes: 500,
			Args: json.RawMessage(fmt.Sprintf(`[[%d],["name","email","phone"]]`, i%300)), Kwargs: json.RawMessage(`{"context":{"lang":"en_US","tz":"UTC","uid":2}}`),
		}
	}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		c := calls[i%1000]
		c.At = time.Duration(i) * time.Millisecond
		s.Add(&c, load.Session{Login: c.Session})
		i++
	}
}
