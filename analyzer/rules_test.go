package analyzer

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

// run returns the findings of one rule.
func run(t *testing.T, name string, tr *Trace) []Finding {
	t.Helper()
	for _, r := range DefaultRules(testShapes, RuleConfig{}) {
		if r.Name() == name {
			return r.Check(tr)
		}
	}
	t.Fatalf("no rule %q", name)
	return nil
}

// loop is n statements of a shape, each of length ms, one after the other from 2 ms on.
func loop(f sqltrace.Fingerprint, n int, length float64) []Span {
	var spans []Span
	for i := range n {
		from := 2 + float64(i)*(length+1)
		spans = append(spans, stmt(f, from, from+length))
	}
	return spans
}

// twin makes the spans' texts equal.
func twin(spans ...Span) []Span {
	for _, s := range spans {
		s.Statement.TextHash = uint64(s.Statement.Fingerprint)
	}
	return spans
}

func TestRules(t *testing.T) {
	with := func(tr *Trace, change func(*Trace)) *Trace { change(tr); return tr }
	overlapping := loop(selectPartner, 10, 10)
	for _, s := range overlapping {
		s.Statement.Start, s.Statement.End = at(2), at(12)
	}
	big := func(f sqltrace.Fingerprint, rows, out int64) Span {
		s := stmt(f, 2, 20)
		s.Statement.Rows, s.Statement.Out = rows, out
		return s
	}
	tests := []struct {
		rule, name string
		trace      *Trace
		title      string // empty: nothing is found
		cost       time.Duration
	}{
		{"n-plus-one", "41 in a row", trace(610, loop(selectPartner, 41, 10)...),
			"41 × SELECT res_partner took 410 ms of 610 ms", ms(400)},
		{"n-plus-one", "nine", trace(610, loop(selectPartner, 9, 10)...), "", 0},
		{"n-plus-one", "ten short ones in a long call", trace(1000, loop(selectPartner, 10, 5)...), "", 0},
		{"n-plus-one", "ten short ones that are a fifth of the call", trace(70, loop(selectPartner, 10, 2)...),
			"10 × SELECT res_partner took 20.0 ms of 70.0 ms", ms(18)},
		{"n-plus-one", "at once, not in a row", trace(610, overlapping...), "", 0},
		{"n-plus-one", "inserts", trace(610, loop(insertLine, 20, 10)...), "", 0},
		{"n-plus-one", "no table", trace(610, loop(nextval, 20, 10)...), "", 0},
		{"n-plus-one", "the same text is a duplicate", trace(610, twin(loop(selectPartner, 20, 10)...)...), "", 0},

		{"duplicate-query", "three", trace(100, twin(loop(selectPartner, 3, 5)...)...),
			"the same SELECT res_partner ran 3 times; the 2 needless ones took 10.0 ms", ms(10)},
		{"duplicate-query", "two", trace(100, twin(loop(selectPartner, 2, 5)...)...), "", 0},
		{"duplicate-query", "other literals", trace(100, loop(selectPartner, 3, 5)...), "", 0},
		{"duplicate-query", "a write between", trace(100, slices.Insert(twin(loop(selectPartner, 3, 5)...), 1, stmt(updateQuant, 7, 8))...), "", 0},
		{"duplicate-query", "a commit between", trace(100, slices.Insert(twin(loop(selectPartner, 3, 5)...), 1, control(sqltrace.Commit, 7, 8))...), "", 0},
		{"duplicate-query", "a savepoint between", trace(100, slices.Insert(twin(loop(selectPartner, 3, 5)...), 1, control(sqltrace.Savepoint, 7, 8))...),
			"the same SELECT res_partner ran 3 times; the 2 needless ones took 10.0 ms", ms(10)},
		{"duplicate-query", "three transactions", trace(100, slices.Concat(inLease(0, twin(stmt(selectPartner, 2, 3))...),
			inLease(1, twin(stmt(selectPartner, 4, 5))...), inLease(2, twin(stmt(selectPartner, 6, 7))...))...), "", 0},
		{"duplicate-query", "locking reads", trace(100, twin(loop(selectForUpdate, 3, 5)...)...), "", 0},

		{"slow-statement", "600 ms", trace(1000, stmt(selectOrder, 2, 602)), "SELECT sale_order took 600 ms", ms(500)},
		{"slow-statement", "a function", trace(1000, stmt(nextval, 2, 602)), "SELECT nextval took 600 ms", ms(500)},
		{"slow-statement", "499 ms", trace(1000, stmt(selectOrder, 2, 501)), "", 0},
		{"slow-statement", "two of one shape", trace(3000, stmt(selectOrder, 2, 602), stmt(selectOrder, 700, 1700)),
			"2 × SELECT sale_order took 1.60 s, the longest 1.00 s", ms(1400)},
		{"slow-statement", "waited for a lock", with(trace(1000, stmt(updateQuant, 2, 602)), func(t *Trace) { t.Time.Lock = ms(600) }), "", 0},

		{"large-result", "10,001 rows", trace(100, big(selectOrder, 10001, 900)),
			"SELECT sale_order returned 10,001 rows, 900 B, in 18.0 ms", ms(18)},
		{"large-result", "10,000 rows", trace(100, big(selectOrder, 10000, 900)), "", 0},
		{"large-result", "6 MB", trace(100, big(selectOrder, 5, 6_000_000)),
			"SELECT sale_order returned 5 rows, 6.00 MB, in 18.0 ms", ms(18)},
		{"large-result", "many rows written", trace(100, big(updateQuant, 20000, 900)), "", 0},
		{"large-result", "response", with(trace(100), func(t *Trace) { t.Call.ResponseBytes = 7_250_000 }),
			"the response has 7.25 MB; sending it took 1.00 ms", ms(1)},
		{"large-result", "response of 5 MB", with(trace(100), func(t *Trace) { t.Call.ResponseBytes = 5_000_000 }), "", 0},

		{"call-error", "named", with(trace(100), func(t *Trace) { t.Call.Error = "odoo.exceptions.UserError" }),
			"sale.order.action_confirm failed with odoo.exceptions.UserError after 100 ms", ms(100)},
		{"call-error", "by status", with(trace(100), func(t *Trace) { t.Call.Status = 500 }),
			"sale.order.action_confirm failed with HTTP 500 after 100 ms", ms(100)},
		{"call-error", "redirect", with(trace(100), func(t *Trace) { t.Call.Status = 303 }), "", 0},
		{"call-error", "missing asset", with(trace(100), func(t *Trace) { t.Call.Status, t.Call.Class = 404, rpclog.Asset }), "", 0},

		{"serialization-retry", "once", with(trace(1000, control(sqltrace.Begin, 2, 3), stmt(selectPartner, 3, 90),
			failed(stmt(updateQuant, 90, 102), "40001"), control(sqltrace.Rollback, 102, 103)), func(t *Trace) { t.Time.Retry = ms(500) }),
			"UPDATE stock_quant collided with another transaction once: 100 ms of work lost and 500 ms asleep before the next try", ms(600)},
		{"serialization-retry", "a unique violation", trace(1000, failed(stmt(insertLine, 90, 102), "23505")), "", 0},

		{"lock-wait", "400 ms", with(trace(1000, stmt(selectPartner, 2, 3), stmt(updateQuant, 3, 403)), func(t *Trace) { t.Time.Lock = ms(400) }),
			"UPDATE stock_quant waited for a lock: 400 ms of 1.00 s", ms(400)},
		{"worker-wait", "400 ms", with(trace(1000, stmt(selectPartner, 402, 403)), func(t *Trace) { t.Time.Wait = ms(400) }),
			"waited 400 ms of 1.00 s before its first statement", ms(400)},
		{"worker-wait", "prefork", with(trace(1000, stmt(selectPartner, 402, 403)), func(t *Trace) { t.Time.Wait, t.Serving = ms(400), ServingWorkers }),
			"waited 400 ms of 1.00 s for a free worker", ms(400)},
		{"worker-wait", "threads", with(trace(1000, stmt(selectPartner, 402, 403)), func(t *Trace) { t.Time.Wait, t.Serving = ms(400), ServingThreads }),
			"took 400 ms of 1.00 s to come to its first statement, in a server of threads", ms(400)},
		{"worker-wait", "190 ms", with(trace(1000, stmt(selectPartner, 192, 193)), func(t *Trace) { t.Time.Wait = ms(190) }), "", 0},
		{"lock-wait", "90 ms", with(trace(1000, stmt(updateQuant, 3, 93)), func(t *Trace) { t.Time.Lock = ms(90) }), "", 0},

		{"idle-in-transaction", "1.5 s", trace(3000, stmt(selectPartner, 2, 3), stmt(updateQuant, 1503, 1504)),
			"a transaction stood open for 1.50 s without a statement", 0},
		{"idle-in-transaction", "1.5 s with locks", trace(3000, stmt(updateQuant, 2, 3), stmt(selectPartner, 1503, 1504)),
			"a transaction stood open for 1.50 s without a statement", ms(1500)},
		{"idle-in-transaction", "1.5 s after an earlier transaction's write", trace(3000, stmt(updateQuant, 2, 3), control(sqltrace.Commit, 3, 4),
			control(sqltrace.Begin, 4, 5), stmt(selectPartner, 5, 6), stmt(selectPartner, 1506, 1507)),
			"a transaction stood open for 1.50 s without a statement", 0},
		{"idle-in-transaction", "0.9 s", trace(3000, stmt(selectPartner, 2, 3), stmt(updateQuant, 903, 904)), "", 0},
		{"idle-in-transaction", "a password is checked", trace(3000, stmt(readHash, 2, 3), stmt(readUser, 1503, 1504)), "", 0},
		{"idle-in-transaction", "a password is checked for the first time", trace(3000, stmt(readHash, 2, 3), stmt(readParameter, 4, 5), stmt(readUser, 1503, 1504)), "", 0},
		{"idle-in-transaction", "a parameter is read", trace(3000, stmt(readUser, 2, 3), stmt(readParameter, 4, 5), stmt(readUser, 1505, 1506)),
			"a transaction stood open for 1.50 s without a statement", 0},
		{"idle-in-transaction", "a password is stored", trace(3000, stmt(readUser, 2, 3), stmt(storeHash, 1503, 1504)), "", 0},
		{"idle-in-transaction", "after a password was stored", trace(3000, stmt(storeHash, 2, 3), stmt(readUser, 1503, 1504)),
			"a transaction stood open for 1.50 s without a statement", ms(1500)},
		{"idle-in-transaction", "a user is read", trace(3000, stmt(readUser, 2, 3), stmt(readHash, 1503, 1504)),
			"a transaction stood open for 1.50 s without a statement", 0},
		{"idle-in-transaction", "after a commit", trace(3000, control(sqltrace.Commit, 2, 3), stmt(updateQuant, 1503, 1504)), "", 0},
		{"idle-in-transaction", "between leases", trace(3000, slices.Concat(inLease(0, stmt(selectPartner, 2, 3)),
			inLease(1, stmt(updateQuant, 1503, 1504)))...), "", 0},
	}
	covered := map[string][2]bool{}
	for _, tt := range tests {
		t.Run(tt.rule+"/"+tt.name, func(t *testing.T) {
			got := run(t, tt.rule, tt.trace)
			if tt.title == "" {
				if len(got) != 0 {
					t.Errorf("found %q, want nothing", got[0].Title)
				}
				return
			}
			if len(got) != 1 {
				t.Fatalf("got %d findings, want 1", len(got))
			}
			f := got[0]
			if f.Title != tt.title || f.Cost != tt.cost || f.Rule != tt.rule {
				t.Errorf("got  %s %q %v\nwant %s %q %v", f.Rule, f.Title, f.Cost, tt.rule, tt.title, tt.cost)
			}
			if f.Fix == "" || !strings.HasSuffix(f.Fix, ".") || f.Spans == nil {
				t.Errorf("fix %q, spans %v: want a sentence and a slice", f.Fix, f.Spans)
			}
		})
		c := covered[tt.rule]
		if tt.title == "" {
			c[1] = true
		} else {
			c[0] = true
		}
		covered[tt.rule] = c
	}
	for _, r := range DefaultRules(testShapes, RuleConfig{}) {
		if covered[r.Name()] != [2]bool{true, true} {
			t.Errorf("rule %s lacks a positive or a near-miss case", r.Name())
		}
	}
}

func TestSlowStatementFix(t *testing.T) {
	r := slowStatement{}
	for text, want := range map[string]string{
		"SELECT pg_sleep ( ? )":                 "Take the sleep out",
		"SELECT pg_advisory_xact_lock ( ? )":    "pg_locks",
		"SELECT compute ( ? )":                  "what compute does",
		"SELECT ?":                              "It reads no table that an index could help: look at what it waits for",
		"":                                      "Find its text",
		"SELECT a FROM res_partner WHERE b = ?": "an index on res_partner",
	} {
		sh := sqltrace.Shape{Text: text}
		if strings.Contains(text, "res_partner") {
			sh.Tables = []string{"res_partner"}
		}
		if got := r.fix(sh); !strings.Contains(got, want) || sh.Tables == nil && strings.Contains(got, "index on") {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	if got := r.fix(sqltrace.Shape{Kind: sqltrace.Commit, Text: "COMMIT"}); !strings.Contains(got, "pg_wal") {
		t.Errorf("commit: got %q", got)
	}
}

func TestFigure(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 340 * time.Microsecond: "340 µs", 18 * time.Millisecond: "18.0 ms", 1240 * time.Millisecond: "1.24 s",
		999_600 * time.Nanosecond: "1.00 ms", 500 * time.Nanosecond: "0.500 µs", 12 * time.Minute: "12.0 min", 599 * time.Second: "599 s",
		11 * time.Hour: "11.0 h", -18 * time.Millisecond: "-18.0 ms", math.MinInt64: "-2562048 h",
	} {
		if got := Figure(d); got != want {
			t.Errorf("Figure(%d) = %q, want %q", d, got, want)
		}
	}
}

func TestShareFigure(t *testing.T) {
	for x, want := range map[float64]string{4.0 / 34157: "<0.1 %", 0.001: "0.1 %", 0.5: "50.0 %", 0.9999: ">99.9 %", 1: "100.0 %"} {
		if got := shareFigure(x); got != want {
			t.Errorf("%v: got %q, want %q", x, got, want)
		}
	}
}

func TestMethodOf(t *testing.T) {
	for want, c := range map[string]rpclog.Call{
		"res.partner.read":         {Path: "/web/dataset/call_kw", Model: "res.partner", Method: "read"},
		"common.login":             {Path: "/jsonrpc", Service: "common", Method: "login"},
		"/web/image/#/avatar_128":  {Path: "/web/image/12/avatar_128"},
		"/web/session/get_info":    {Path: "/web/session/get_info"},
		"/report/pdf/sale.order/#": {Path: "/report/pdf/sale.order/12,13"},
	} {
		if got := MethodOf(&c); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Damaged recordings hold any times and sizes: rules stay quiet or find something, and a cost is never negative.
func TestRulesOnDamagedTraces(t *testing.T) {
	rules := DefaultRules(testShapes, RuleConfig{})
	sum := NewSummarizer(SummaryConfig{}, testShapes)
	split := NewSplitter(TimeConfig{}, testShapes)
	rapid.Check(t, func(t *rapid.T) {
		instant := rapid.Custom(func(t *rapid.T) time.Time {
			if rapid.IntRange(0, 9).Draw(t, "zero") == 0 {
				return time.Time{}
			}
			return time.Unix(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "seconds"), 0)
		})
		c := &rpclog.Call{
			ID: 1, Start: instant.Draw(t, "start"), Sent: instant.Draw(t, "sent"), First: instant.Draw(t, "first"), End: instant.Draw(t, "end"),
			Status: rapid.IntRange(0, 999).Draw(t, "status"), ResponseBytes: rapid.Int64().Draw(t, "bytes"),
		}
		tr := &Trace{Call: c}
		for range rapid.IntRange(0, 20).Draw(t, "spans") {
			sp := stmt(sqltrace.Fingerprint(rapid.IntRange(0, 7).Draw(t, "shape")), 0, 1)
			s := sp.Statement
			s.Start, s.End = instant.Draw(t, "from"), instant.Draw(t, "to")
			s.Kind = sqltrace.Kind(rapid.IntRange(0, 7).Draw(t, "kind"))
			s.SQLState = rapid.SampledFrom([]string{"", "40001", "55P03"}).Draw(t, "state")
			s.TextHash, s.Rows, s.Out = rapid.Uint64Range(0, 2).Draw(t, "text"), rapid.Int64().Draw(t, "rows"), rapid.Int64().Draw(t, "out")
			sp.Lease = rapid.IntRange(0, 3).Draw(t, "lease")
			split.Observe(s)
			tr.Spans = append(tr.Spans, sp)
		}
		tr.Time = split.Split(tr)
		for _, r := range rules {
			found := r.Check(tr)
			for _, f := range found {
				if f.Cost < 0 || f.Spans == nil || f.Title == "" || f.Fix == "" {
					t.Fatalf("finding %+v", f)
				}
			}
			tr.Findings = append(tr.Findings, found...)
		}
		if err := sum.Trace(tr); err != nil {
			t.Fatal(err)
		}
		if got := sum.Summary(Recording{}); got.Waited < 0 || got.Total.Sum() < 0 {
			t.Fatalf("waited %v in %+v", got.Waited, got.Total)
		}
	})
}

func TestRepeatsIsWhatCountingFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOfN(rapid.Uint64Range(0, 40), 0, 300).Draw(t, "keys")
		least := rapid.IntRange(1, 12).Draw(t, "least")
		most, seen := 0, map[uint64]int{}
		for _, k := range keys {
			if k != 0 {
				seen[k]++
				most = max(most, seen[k])
			}
		}
		got := repeats(make([]Span, len(keys)), least, func(i int) uint64 { return keys[i] })
		if want := most >= least; got != want && (want || len(keys) <= 256) {
			t.Fatalf("repeats = %v, but the commonest of %d keys stands %d times", got, len(keys), most)
		}
	})
}
