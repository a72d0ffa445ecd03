package odoolog_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/odoolog"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

var epoch = clock(10, 0, 0, 0)

func after(ms int) time.Time { return epoch.Add(time.Duration(ms) * time.Millisecond) }

// seen gives a call that answered then, with so many statements that count and two that do not.
func seen(t *testing.T, a *odoolog.Agreement, ms, n int, change ...func(*rpclog.Call)) {
	t.Helper()
	c := &rpclog.Call{Path: "/web/caf%C3%A9", Status: 200, First: after(ms)}
	for _, f := range change {
		f(c)
	}
	tr := &analyzer.Trace{Call: c, Spans: []analyzer.Span{{Statement: &sqltrace.Statement{Kind: sqltrace.Begin}}, {Statement: &sqltrace.Statement{SQLState: "40001"}}}}
	for range n {
		tr.Spans = append(tr.Spans, analyzer.Span{Statement: &sqltrace.Statement{}})
	}
	if err := a.Trace(tr); err != nil {
		t.Fatal(err)
	}
}

// told gives a line.
func told(a *odoolog.Agreement, ms, n int, change ...func(*odoolog.Request)) {
	r := &odoolog.Request{At: after(ms), Path: "/web/café", Status: 200, Logger: "werkzeug", Counted: true, Queries: n}
	for _, f := range change {
		f(r)
	}
	a.Request(r)
}

func figures(t *testing.T, a *odoolog.Agreement, want odoolog.Figures) {
	t.Helper()
	a.Flush()
	got := a.Figures()
	got.Recent, got.RecentN = 0, 0
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("figures (-want +got):\n%s", diff)
	}
}

func TestAgreementTellsDifferences(t *testing.T) {
	a := odoolog.NewAgreement(odoolog.AgreementConfig{})
	for i, n := range [][2]int{{5, 5}, {7, 5}, {1, 4}, {0, 0}} {
		seen(t, a, 1000*i+3, n[0])
		told(a, 1000*i, n[1])
	}
	if f := a.Figures(); f.Compared != 0 {
		t.Errorf("compared at once: %+v", f)
	}
	figures(t, a, odoolog.Figures{Compared: 4, Equal: 2, More: 1, Fewer: 1, Off: 5, Ours: 13, Odoos: 14, Matched: 4})
	if f := a.Figures(); f.Recent != 0.5 || f.RecentN != 4 {
		t.Errorf("recent %v of %d", f.Recent, f.RecentN)
	}
	if share, ok := a.Figures().Share(); share != 0.5 || !ok {
		t.Errorf("share %v %v", share, ok)
	}
	if _, ok := (odoolog.Figures{}).Share(); ok {
		t.Error("a share of nothing")
	}
}

func TestAgreementComparesOnlyWhatIsWhole(t *testing.T) {
	a := odoolog.NewAgreement(odoolog.AgreementConfig{})
	seen(t, a, 0, 3, func(c *rpclog.Call) { c.Gaps = rpclog.GapStatements })
	told(a, 0, 9)
	seen(t, a, 5000, 3)
	told(a, 5000, 0, func(r *odoolog.Request) { r.Counted = false })
	seen(t, a, 6000, 3, func(c *rpclog.Call) { c.Class = rpclog.Handshake })
	told(a, 6000, 2, func(r *odoolog.Request) { r.Status = 101 })
	told(a, 6000, 2, func(r *odoolog.Request) { r.Path = "/longpolling/poll" })
	told(a, 6000, 0, func(r *odoolog.Request) { r.Method = "party.party.read" })
	seen(t, a, 7000, 3)
	told(a, 7000, 3, func(r *odoolog.Request) { r.Status = 404 })
	figures(t, a, odoolog.Figures{Matched: 2, Damaged: 1, OnlySeen: 1, OnlyLogged: 1})
}

// Answers to one path at nearly one time may be logged in any order; their numbers still have to agree.
func TestAgreementAtOnce(t *testing.T) {
	a := odoolog.NewAgreement(odoolog.AgreementConfig{})
	for i, n := range []int{5, 6, 7} {
		seen(t, a, i, n)
	}
	for i, n := range []int{7, 5, 9} {
		told(a, i, n)
	}
	figures(t, a, odoolog.Figures{Compared: 3, Equal: 2, Fewer: 1, Off: 3, Ours: 18, Odoos: 21, Matched: 3})
}

// One missing call or line does not make the others be compared with their neighbours.
func TestAgreementWithHoles(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	a := odoolog.NewAgreement(odoolog.AgreementConfig{Wait: 10 * time.Second})
	var want odoolog.Figures
	for i := range 5000 {
		at, n := 200*i+rng.IntN(100), rng.IntN(50)
		call, line := rng.IntN(50) != 0, rng.IntN(50) != 0
		if call {
			seen(t, a, at+rng.IntN(3), n)
		}
		if line {
			told(a, at, n)
		}
		switch {
		case call && line:
			want.Compared++
		case call:
			want.OnlySeen++
		case line:
			want.OnlyLogged++
		}
	}
	a.Flush()
	got := a.Figures()
	if off := want.Compared - got.Equal; off < 0 || off > 10 || got.Compared-got.Equal > want.OnlySeen || got.OnlySeen-got.OnlyLogged != want.OnlySeen-want.OnlyLogged {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestAgreementIsBounded(t *testing.T) {
	a := odoolog.NewAgreement(odoolog.AgreementConfig{Pending: 10, Recent: 3})
	for i := range 15 {
		told(a, i, 1)
	}
	if f := a.Figures(); f.Dropped != 5 {
		t.Errorf("%d dropped", f.Dropped)
	}
	a.Advance(after(200_000)) // nothing else came
	if f := a.Figures(); f.OnlyLogged != 10 {
		t.Errorf("%+v", f)
	}
	for i := range 10 {
		seen(t, a, 200_000+1000*i, i)
		told(a, 200_000+1000*i, 5)
		if i == 4 {
			a.Flush() // room again
		}
	}
	a.Flush()
	if f := a.Figures(); f.Compared != 10 || f.Equal != 1 || f.Recent != 0 || f.RecentN != 3 || f.Dropped != 5 {
		t.Errorf("%+v", f)
	}
}

func TestCounted(t *testing.T) {
	for kind, want := range map[sqltrace.Kind]bool{
		sqltrace.Query: true, sqltrace.Savepoint: true, sqltrace.Other: true,
		sqltrace.Begin: false, sqltrace.Commit: false, sqltrace.Rollback: false, sqltrace.Reset: false, sqltrace.Copy: false,
	} {
		if got := odoolog.Counted(&sqltrace.Statement{Kind: kind}); got != want {
			t.Errorf("%s: %v", kind, got)
		}
		if odoolog.Counted(&sqltrace.Statement{Kind: kind, SQLState: "23505"}) {
			t.Errorf("a failed %s counts", kind)
		}
	}
}

func FuzzLines(f *testing.F) {
	for _, l := range []string{
		`2026-11-22 10:00:00,123 4711 INFO db werkzeug: 127.0.0.1 - - [22/Nov/2026 10:00:00] "POST /web HTTP/1.1" 200 - 41 0.012 0.034`,
		"2026-11-22 05:52:37,031 12090 INFO odoo16 odoo.addons.base.models.ir_cron: Starting job `Lab: count partners`. ",
		"2026-11-22 05:43:01,739 7239 INFO odoo18 odoo.addons.base.models.ir_cron: Job 'x' (32) processed 5 records, 7 records remaining ",
		"2026-11-22 05:43:01,739 7239 INFO odoo17 odoo.addons.base.models.ir_cron: Job done: `x` (1.948s). ",
		"77 1401 [2026-11-22 10:00:00,123] INFO trytond.ir.cron <Cron 3@tryton ir.trigger|trigger_time> started",
		`7 1 [2026-11-22 10:00:00,123] INFO trytond.protocols.dispatcher a.b(*()) from u@h/db/ in 37 ms`,
		"\x1b[1;32m\x1b[1;49mINFO\x1b[0m",
	} {
		f.Add([]byte(l))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		c := &collector{}
		d := odoolog.New(odoolog.Config{}, c)
		d.Lines(line)
		if s := d.Stats(); s.Requests != int64(len(c.requests)) || s.Jobs != int64(len(c.jobs)) {
			t.Errorf("%+v", s)
		}
		for _, r := range c.requests {
			if r.At.IsZero() || strings.ContainsRune(r.Path, '?') || r.SQLTime < 0 || r.RestTime < 0 || r.Queries < 0 {
				t.Errorf("%+v", *r)
			}
		}
	})
}

func BenchmarkLines(b *testing.B) {
	log, err := os.ReadFile("testdata/odoo18-a.log")
	if err != nil {
		b.Fatal(err)
	}
	d := odoolog.New(odoolog.Config{}, &discard{})
	b.SetBytes(int64(len(log)))
	b.ReportAllocs()
	for b.Loop() {
		d.Lines(log)
	}
}

type discard struct{}

func (*discard) Request(*odoolog.Request) {}
func (*discard) Job(*odoolog.Job)         {}
func (*discard) Worker(*odoolog.Worker)   {}

func ExampleAgreement() {
	a := odoolog.NewAgreement(odoolog.AgreementConfig{})
	odoolog.New(odoolog.Config{}, a).Lines([]byte(
		`2026-11-22 10:00:00,000 4711 INFO db werkzeug: 127.0.0.1 - - [22/Nov/2026 10:00:00] "POST /web/session/check HTTP/1.1" 200 - 1 0.012 0.034` + "\n"))
	_ = a.Trace(&analyzer.Trace{
		Call:  &rpclog.Call{Path: "/web/session/check", Status: 200, First: epoch},
		Spans: []analyzer.Span{{Statement: &sqltrace.Statement{Kind: sqltrace.Query}}},
	})
	a.Flush()
	f := a.Figures()
	fmt.Printf("we attributed %d, Odoo says %d\n", f.Ours, f.Odoos)
	// Output: we attributed 1, Odoo says 1
}
