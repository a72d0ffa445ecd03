package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/perfd/perfd/replay"
	"github.com/perfd/perfd/replay/bench"
	"github.com/perfd/perfd/replay/compare"
	"github.com/perfd/perfd/replay/compare/answer"
	"github.com/perfd/perfd/replay/load"
	"github.com/perfd/perfd/replay/whatif"
	"github.com/perfd/perfd/sqltrace/statements"
)

var methodNames = []string{
	"res.partner.web_search_read", "sale.order.action_confirm", "sale.order.line.read", "stock.picking.button_validate",
	"account.move.web_read_group", "product.product.name_search", "a.model.with.a.very.long.name.indeed.that.nobody.can.read.web_save",
}

// compared makes a comparison of a server whose methods are change times as slow in B.
func compared(calls int, change func(method int) float64) *compare.Comparison {
	s := compare.New(compare.Config{})
	pass := func(arm compare.Arm, round int) {
		p := s.Begin(arm, round)
		for i := range calls {
			m := i % len(methodNames)
			x := compare.Sample{
				Seq: int64(i), Session: fmt.Sprintf("s%d", i%13), Method: methodNames[m], At: float64(i) / 50,
				Seconds: 0.004 * float64(m+1) * math.Exp(math.Mod(float64(i)*0.618, 1)*1.5) * (1 + 0.004*float64((i*31+round*17+int(arm)*7)%9)),
			}
			if arm == compare.B {
				x.Seconds *= change(m)
			}
			if i%1400 == 5 { // a method that is seldom called, and fails in B every fifth time
				x.Method, x.Error = "res.users.seldom", arm == compare.B && i == 5
			}
			p.Add(x)
		}
		p.End()
	}
	pass(compare.Again, 1)
	for r := 1; r <= 6; r++ {
		first, second := compare.A, compare.B
		if r%2 == 0 {
			first, second = second, first
		}
		pass(first, r)
		pass(second, r)
	}
	return s.Result()
}

// once is made once: it takes time.
var once = sync.OnceValue(func() *compare.Comparison {
	return compared(7000, func(m int) float64 { return 1 - 0.04*float64(m) })
})

const evil = "<script>alert(1)</script>\x1b[2J"

// full is a report with everything in it, and names that mean harm.
func full() *Report {
	copied := *once()
	c := &copied
	c.Methods = slices.Clone(c.Methods)
	c.Overall.A.Retried, c.Overall.A.P99Once = 40, 0.03
	c.Methods[3].Method = evil + "." + evil
	threshold, err := compare.ParseThreshold("p95(res.partner.*) > +5%")
	if err != nil {
		panic(err)
	}
	broken, err := compare.ParseThreshold("p50(all) > 1ms")
	if err != nil {
		panic(err)
	}
	w := whatif.New(load.Header{Product: "odoo"}, whatif.Config{})
	for i := range 400 {
		w.Add(&load.Call{
			Seq: int64(i), Session: "s1", At: time.Duration(i) * 50 * time.Millisecond, Duration: 90 * time.Millisecond,
			Model: "res.partner", Method: "read", Args: fmt.Appendf(nil, `[[%d],["name"]]`, i%40), ResponseBytes: 900,
		}, load.Session{Login: "user1"})
	}
	return &Report{
		Version: "1.2", A: "http://a:8069 " + evil, B: "http://b:8069", Mode: "timeline", Made: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC),
		Load: Load{Name: "day.load", Header: load.Header{Product: "odoo", Lacks: []string{"12 calls without an answer " + evil}}}, Comparison: c,
		Passes: []bench.Pass{{Arm: compare.A, Round: 1, Report: replay.Report{
			Sent: 7000, Late: replay.Durations{P99: 300 * time.Microsecond}, CPU: 0.2,
			Left: map[replay.Left]int64{replay.LeftWrite: 120, replay.LeftQueue: 3}, Notes: []string{"a note " + evil},
		}}},
		Answers: &answer.Result{Compared: 7000, Equal: 6000, Alike: 6990, Places: []answer.Place{
			{Method: evil, Difference: answer.Difference{Path: "$." + evil, Kind: answer.Value}, Calls: 10, Of: 1000},
			{Method: "m", Difference: answer.Difference{Path: "$.noise", Kind: answer.Value}, Calls: 10, Of: 1000, Cancelled: true},
		}},
		Statements: []statements.Change{{Text: "SELECT " + evil, A: statements.PerPass{Calls: 10, Seconds: 1.5}, B: statements.PerPass{Calls: 10, Seconds: 0.1}}},
		Thresholds: []compare.Outcome{threshold.Check(c), broken.Check(c)},
		WhatIf:     w.Answer(), Doubts: []string{"A doubt " + evil},
	}
}

func text(t *testing.T, r *Report, c TextConfig) string {
	t.Helper()
	var out bytes.Buffer
	if err := Text(&out, r, c); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestTextFitsAndHasWhatMatters(t *testing.T) {
	got := text(t, full(), TextConfig{})
	lines := strings.Split(got, "\n")
	for _, line := range lines {
		if n := len([]rune(line)); n > columns {
			t.Errorf("%d columns: %s", n, line)
		}
		if strings.Contains(line, "\x1b") {
			t.Errorf("a control character: %q", line)
		}
	}
	screen := strings.Join(lines[:min(len(lines), 40)], "\n")
	for _, want := range []string{"B is faster", "WHAT COULD MAKE THIS WRONG", "A doubt", "A p50", "all calls", "BROKEN", "not compared: errors differ", "dropped"} {
		if !strings.Contains(screen, want) {
			t.Errorf("not on the first screen: %q", want)
		}
	}
	for _, want := range []string{"Tried more than once: 40 calls of A (p99", "ANSWERS", "WHY", "HOW IT WAS SENT", "WHAT IF", "geometric mean"} {
		if !strings.Contains(got, want) {
			t.Errorf("nowhere: %q", want)
		}
	}
	if strings.Contains(got, "$.noise") {
		t.Error("noise is shown")
	}
	if testing.Verbose() {
		t.Log("\n" + got)
	}
	if colored := text(t, full(), TextConfig{Color: true}); !strings.Contains(colored, "\x1b[38;5;37m") || strings.Contains(colored, "\x1b[2J") {
		t.Error("colours are missing, or those of the load are not")
	}
}

func TestHeadline(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Report)
		word   string
		want   string
	}{
		{"faster", func(*Report) {}, "faster", "B is faster: the typical call takes"},
		{"invalid", func(r *Report) { r.Passes[0].Report.Invalid = "perfd sent calls late by 3 ms" }, "invalid", "No verdict: perfd sent calls late by 3 ms. Run perfd on another machine"},
		{"one arm", func(r *Report) { r.B = "" }, "", "7,000 calls answered; nothing recorded to compare with; p50"},
		{"not compared", func(r *Report) {
			r.Comparison.Overall.Verdict, r.Comparison.Overall.Reason = compare.NotCompared, "errors differ"
		}, "not compared", "A and B are not compared: errors differ."},
		{"the tail alone", func(r *Report) {
			o := &r.Comparison.Overall
			o.Verdict, o.Tail, o.P95.Verdict, o.P99.Verdict, o.P99.Delta = compare.Unchanged, compare.Slower, compare.Unchanged, compare.Slower, 0.4
		}, "slower", "The typical call shows no change, but the slowest do: p99 40 % more"},
		{"nothing", func(r *Report) {
			o := &r.Comparison.Overall
			o.Verdict, o.Tail, o.Typical.Delta, o.Typical.Low, o.Typical.High = compare.Unchanged, compare.Unchanged, 0.004, -0.012, 0.02
		}, "~", "a.model.with.a.very.…me.indeed.that.nobody.can.read.web_save is faster: its typical call takes 24 % less. Over all calls, no change shown: the typical call differs by +0.4 % (−1.2 % to +2.0 %)"},
		{"few rounds", func(r *Report) {
			o := &r.Comparison.Overall
			o.Verdict, o.Tail, o.Typical.Delta, o.Reason = compare.Unchanged, compare.Unchanged, 0.03, "2 of 4 rounds"
		}, "~", "No verdict after 2 of 4 rounds that it takes at least: so far the typical call differs by +3.0 %. Give --rounds 5, or more. B answers 10 of 7,000 calls otherwise than A."},
		{"ended before a round was whole", func(r *Report) {
			r.Comparison.Rounds, r.Stopped, r.Passes[0].Report.Matches = 0, true, map[string]int64{"same": 6990, "different": 10}
		}, "", "6,990 of 7,000 calls answered as recorded; p50"},
		{"nothing at all", func(r *Report) { *r = Report{} }, "", "No call was sent."},
	} {
		r := full()
		c.change(r)
		word, sentence := r.Headline()
		if word != c.word || !strings.HasPrefix(sentence, c.want) {
			t.Errorf("%s: %q %q, want %q %q", c.name, word, sentence, c.word, c.want)
		}
		text(t, r, TextConfig{Top: 2})
	}
}

func TestJSON(t *testing.T) {
	var out bytes.Buffer
	if err := JSON(&out, full()); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Version    int
		Verdict    string
		Doubts     []string
		Comparison struct {
			Overall struct {
				Typical struct{ Delta, P float64 }
				Verdict string
			}
			Methods []struct{ Method string }
		}
		Passes []struct {
			Arm  string
			Late struct{ P99 int64 }
		}
		Thresholds []struct{ State string }
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Version != FormatVersion || got.Verdict != "faster" || got.Comparison.Overall.Verdict != "faster" || got.Comparison.Overall.Typical.Delta > -0.1 ||
		len(got.Comparison.Methods) != 8 || got.Passes[0].Late.P99 != 300_000 || got.Thresholds[1].State != "broken" || len(got.Doubts) == 0 {
		t.Errorf("%+v", got)
	}
	if bytes.Contains(out.Bytes(), []byte("<script")) {
		t.Error("a tag of the load stands in the JSON as it was")
	}
	if err := JSON(&out, &Report{}); err != nil {
		t.Errorf("an empty report: %v", err)
	}
}
