package storetest

import (
	"cmp"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
	"github.com/perfd/perfd/store"
)

// Store is one implementation under test. Create starts an empty store; reader opens what was written to it.
type Store struct {
	Create func(t *testing.T, dict sqltrace.Dictionary) (w store.Writer, reader func() (store.Reader, error))
	// Benchmarks starts a store of its own, to which keep adds and out of which reader reads. Nil of a store that no other
	// process can reach.
	Benchmarks func(t *testing.T) (keep func(store.Benchmark) (int64, error), reader func() (Benchmarks, error))
}

// Run checks that a store keeps what it is given and answers by every filter, sort key and page.
func Run(t *testing.T, s Store) {
	sample := Generate(SampleConfig{Seed: 3, Calls: 160, Users: 5, Methods: 20})
	r := s.filled(t, sample)
	t.Run("calls", func(t *testing.T) { testCalls(t, r, sample) })
	t.Run("background", func(t *testing.T) { testBackground(t, r, sample) })
	t.Run("filters", func(t *testing.T) { testFilters(t, r, sample) })
	t.Run("pages", func(t *testing.T) { testPages(t, r) })
	t.Run("recording", func(t *testing.T) { testRecording(t, r, sample) })
	t.Run("trends", func(t *testing.T) { testTrends(t, s) })
	t.Run("missing", func(t *testing.T) { testMissing(t, r) })
	t.Run("empty", func(t *testing.T) { testEmpty(t, s) })
	t.Run("unfinished", func(t *testing.T) { testUnfinished(t, s, sample) })
	if s.Benchmarks != nil {
		t.Run("benchmarks", func(t *testing.T) { testBenchmarks(t, s) })
	}
}

func (s Store) filled(t *testing.T, sample *Sample) store.Reader {
	t.Helper()
	w, reader := s.Create(t, sample.Dictionary)
	must(t, sample.WriteTo(w))
	must(t, w.Finish(store.Source{Version: "test", Files: []string{"a.pcap"}}, sample.Summary))
	r, err := reader()
	must(t, err)
	t.Cleanup(func() {
		must(t, r.Close())
		must(t, w.Close())
	})
	if err := w.Trace(sample.Traces[0]); err == nil {
		t.Error("a finished store took another call")
	}
	return r
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// testCalls compares every call that is read with the one that was written.
func testCalls(t *testing.T, r store.Reader, sample *Sample) {
	for _, tr := range sample.Traces {
		c := tr.Call
		d, err := r.Call(t.Context(), c.ID)
		must(t, err)
		got := []any{d.ID, d.Start.UnixNano(), d.Duration, d.Transport, d.Class, d.Verb, d.Path, d.Service, d.Model, d.Method, d.Name, d.Database,
			d.UID, d.Login, d.Session, d.Client, d.Server, d.Status, d.Error, d.IDs, d.RequestBytes, d.ResponseBytes, d.Gaps, d.Time,
			d.Head, d.Sent, d.First, d.Statements, d.Failed}
		want := []any{c.ID, c.Start.UnixNano(), c.End.Sub(c.Start), c.Transport, c.Class, c.Verb, c.Path, c.Service, c.Model, c.Method, analyzer.MethodOf(c), c.Database,
			c.UID, c.Login, c.Session, c.Client.String(), c.Server.String(), c.Status, c.Error, int64(c.IDs), c.RequestBytes, c.ResponseBytes, c.Gaps, tr.Time,
			c.Head.Sub(c.Start), c.Sent.Sub(c.Start), c.First.Sub(c.Start), int64(len(tr.Spans)), c.Error != "" || c.Status >= 400}
		equal(t, "call", got, want)
		if (d.Front == nil) != (tr.Front == nil) {
			t.Errorf("call %d: front %v, want %v", c.ID, d.Front, tr.Front)
		} else if tr.Front != nil {
			equal(t, "front", *d.Front, store.Front{Client: tr.Front.Client.String(), Server: tr.Front.Server.String(),
				Start: tr.Front.Start.Sub(c.Start), End: tr.Front.End.Sub(c.Start)})
		}
		findings := []store.Finding{}
		for _, f := range tr.Findings {
			findings = append(findings, store.Finding{Rule: f.Rule, Title: f.Title, Fix: f.Fix, Cost: f.Cost, Spans: f.Spans})
		}
		equal(t, "findings", d.Findings, findings)
		sameSpans(t, sample, c.Start, tr.Spans, d.Spans)
		low := 1.0
		for i := range tr.Spans {
			low = min(low, tr.Spans[i].Probability)
			equal(t, "backend", d.Leases[d.Spans[i].Lease].PID, tr.Spans[i].Statement.Session.Backend)
			equal(t, "application", d.Leases[d.Spans[i].Lease].Application, tr.Spans[i].Statement.Session.Application)
		}
		equal(t, "probability", d.Probability, low)
	}
}

func sameSpans(t *testing.T, sample *Sample, start time.Time, want []analyzer.Span, got []store.Span) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d spans, want %d", len(got), len(want))
	}
	texts := map[uint64]int{}
	for i := range want {
		texts[want[i].Statement.TextHash]++
	}
	groups := map[uint64]int{}
	for i := range want {
		w, g := &want[i], &got[i]
		s := w.Statement
		equal(t, "span", []any{g.Start, g.Duration, g.First, g.Lease, g.Kind, g.Shape.Fingerprint, g.Rows, g.TextBytes, g.In, g.Out, g.SQLState, g.Tx, g.Extended, g.Gaps, g.By, g.Probability},
			[]any{s.Start.Sub(start), s.End.Sub(s.Start), s.First.Sub(s.Start), w.Lease, s.Kind, s.Fingerprint, s.Rows, s.TextBytes, s.In, s.Out, s.SQLState, s.Tx, s.Extended, s.Gaps, w.By, w.Probability})
		shape := sample.Dictionary.Shape(s.Fingerprint)
		if g.Shape.Text != shape.Text || g.Shape.Written != shape.Written || g.Shape.Kind != shape.Kind || !slices.Equal(g.Shape.Tables, shape.Tables) {
			t.Errorf("shape %+v, want %+v", g.Shape, shape)
		}
		if texts[s.TextHash] == 1 {
			equal(t, "duplicate", g.Duplicate, 0)
			continue
		}
		if first, ok := groups[s.TextHash]; ok {
			equal(t, "duplicate", g.Duplicate, first)
		} else if groups[s.TextHash] = g.Duplicate; g.Duplicate == 0 {
			t.Errorf("a repeated text is not marked")
		}
	}
}

func testBackground(t *testing.T, r store.Reader, sample *Sample) {
	groups, total, err := r.Background(t.Context(), store.BackgroundFilter{}, store.Page{})
	must(t, err)
	equal(t, "groups", total, int64(len(sample.Background)))
	for i, b := range sample.Background {
		g := groups[i]
		equal(t, "group", []any{g.Start.UnixNano(), g.Duration, g.Kind, g.Backend.Application, g.Statements},
			[]any{b.Start.UnixNano(), b.End.Sub(b.Start), b.Group, b.Session.Application, int64(len(b.Spans))})
	}
	i := 0
	must(t, r.BackgroundSpans(t.Context(), store.BackgroundFilter{}, func(g *store.Background, spans []store.Span) {
		sameSpans(t, sample, sample.Background[i].Start, sample.Background[i].Spans, spans)
		i++
	}))
	cron := 0
	for _, b := range sample.Background {
		if b.Group == "cron" && !b.Start.Before(groups[2].Start) {
			cron++
		}
	}
	_, total, err = r.Background(t.Context(), store.BackgroundFilter{Groups: []string{"cron"}, From: groups[2].Start}, store.Page{Sort: "sql", Desc: true, Limit: 1})
	must(t, err)
	equal(t, "cron groups", total, int64(cron))
}

// testPages reads the list by every key, page by page, and expects each call once, in order, with neighbours that agree.
func testPages(t *testing.T, r store.Reader) {
	for _, key := range []string{"", "start", "duration", "name", "method", "model", "path", "user", "session", "status", "error", "statements", "findings",
		"probability", "request_bytes", "response_bytes", "wait", "application", "sql", "lock", "retry", "transfer", "unknown"} {
		for _, desc := range []bool{false, true} {
			var all []store.Call
			for {
				page, total, err := r.Calls(t.Context(), store.Filter{}, store.Page{Sort: key, Desc: desc, Offset: len(all), Limit: 70})
				must(t, err)
				if all = append(all, page...); len(page) == 0 {
					equal(t, "total by "+key, int64(len(all)), total)
					break
				}
			}
			checkOrder(t, key, desc, all)
			at := []int{len(all) / 2}
			if key == "" || key == "user" {
				at = append(at, 0, len(all)-1)
			}
			for _, i := range at {
				prev, next, err := r.Neighbours(t.Context(), all[i].ID, store.Filter{}, store.Page{Sort: key, Desc: desc})
				must(t, err)
				var want [2]rpclog.CallID
				if i > 0 {
					want[0] = all[i-1].ID
				}
				if i < len(all)-1 {
					want[1] = all[i+1].ID
				}
				equal(t, "neighbours by "+key, [2]rpclog.CallID{prev, next}, want)
			}
		}
	}
	last, err := r.LastCall(t.Context())
	must(t, err)
	all, _, err := r.Calls(t.Context(), store.Filter{AllCalls: true}, store.Page{Limit: 1e6})
	must(t, err)
	for _, at := range []rpclog.CallID{last, last - 1, last / 2} {
		_, older, err := r.Calls(t.Context(), store.Filter{AllCalls: true, Until: at}, store.Page{Limit: 1})
		must(t, err)
		newer, n, err := r.Calls(t.Context(), store.Filter{AllCalls: true, After: at}, store.Page{Limit: 1e6})
		must(t, err)
		want := []rpclog.CallID{}
		for _, c := range all {
			if c.ID > at {
				want = append(want, c.ID)
			}
		}
		got := []rpclog.CallID{}
		for _, c := range newer {
			got = append(got, c.ID)
		}
		equal(t, "calls after one", got, want)
		equal(t, "calls up to one and after it", older+n, int64(len(all)))
		scanned := int64(0)
		must(t, r.Scan(t.Context(), store.Filter{AllCalls: true, Until: at}, func(*store.Brief) { scanned++ }))
		equal(t, "calls scanned up to one", scanned, older)
	}
	if _, _, err := r.Calls(t.Context(), store.Filter{}, store.Page{Sort: "id; DROP TABLE calls", Limit: 1}); err == nil {
		t.Error("an unknown sort key is taken")
	}
}

func checkOrder(t *testing.T, key string, desc bool, all []store.Call) {
	t.Helper()
	compare := map[string]func(a, b *store.Call) int{
		"duration": func(a, b *store.Call) int { return cmp.Compare(a.Duration, b.Duration) },
		"name":     func(a, b *store.Call) int { return cmp.Compare(a.Name, b.Name) },
		"user":     func(a, b *store.Call) int { return cmp.Compare(a.User, b.User) },
		"session":  func(a, b *store.Call) int { return cmp.Compare(a.Session, b.Session) },
		"wait":     func(a, b *store.Call) int { return cmp.Compare(a.Time.Wait, b.Time.Wait) },
		"start":    func(a, b *store.Call) int { return a.Start.Compare(b.Start) },
		"":         func(a, b *store.Call) int { return a.Start.Compare(b.Start) },
	}[key]
	seen := map[rpclog.CallID]bool{}
	for i := range all {
		if seen[all[i].ID] {
			t.Fatalf("by %q call %d comes twice", key, all[i].ID)
		}
		seen[all[i].ID] = true
		if compare == nil || i == 0 {
			continue
		}
		if c := compare(&all[i-1], &all[i]); c > 0 && !desc || c < 0 && desc {
			t.Fatalf("by %q (descending: %v) call %d stands before %d", key, desc, all[i-1].ID, all[i].ID)
		}
	}
}

func testRecording(t *testing.T, r store.Reader, sample *Sample) {
	rec, err := r.Recording(t.Context())
	must(t, err)
	c := rec.Counts
	ordinary, statements := 0, 0
	for _, tr := range sample.Traces {
		if tr.Call.Class == rpclog.Ordinary {
			ordinary++
		}
		statements += len(tr.Spans)
	}
	equal(t, "complete", rec.Complete, true)
	equal(t, "files", rec.Files, []string{"a.pcap"})
	equal(t, "counts", []int64{c.Calls, c.Ordinary, c.Attributed, c.Background, c.Exact},
		[]int64{int64(len(sample.Traces)), int64(ordinary), int64(statements), int64(len(sample.Background)), sample.Summary.Exact})
	equal(t, "notices", rec.Summary.Notices, sample.Summary.Notices)
	equal(t, "rules", c.Rules, []string{"call-error", "n-plus-one", "slow-statement"})
}

func testMissing(t *testing.T, r store.Reader) {
	if _, err := r.Call(t.Context(), 999999); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a missing call gives %v", err)
	}
	prev, next, err := r.Neighbours(t.Context(), 999999, store.Filter{}, store.Page{})
	if prev != 0 || next != 0 || err != nil {
		t.Errorf("a missing call has neighbours %d, %d, %v", prev, next, err)
	}
}

// testEmpty reads a recording in which nothing happened.
func testEmpty(t *testing.T, s Store) {
	r := s.filled(t, &Sample{Traces: []*analyzer.Trace{{Call: &rpclog.Call{ID: 1}}}, Dictionary: Dictionary{}})
	if _, err := r.Call(t.Context(), 1); err != nil {
		t.Error(err)
	}
	o, err := store.Summarize(t.Context(), r, store.Filter{From: time.Unix(1e9, 0)}, 100, 5)
	must(t, err)
	equal(t, "calls", o.All.Calls, int64(0))
}

// testUnfinished reads what a writer left that never finished.
func testUnfinished(t *testing.T, s Store, sample *Sample) {
	w, reader := s.Create(t, sample.Dictionary)
	for _, tr := range sample.Traces {
		must(t, w.Trace(tr))
	}
	r, err := reader()
	must(t, err)
	must(t, w.Close())
	rec, err := r.Recording(t.Context())
	must(t, err)
	equal(t, "complete", rec.Complete, false)
	equal(t, "calls", rec.Counts.Calls, int64(len(sample.Traces)))
	n := 0
	must(t, r.Scan(t.Context(), store.Filter{AllCalls: true}, func(b *store.Brief) {
		equal(t, "name", b.Name, analyzer.MethodOf(sample.Traces[n].Call))
		n++
	}))
	equal(t, "scanned", n, len(sample.Traces))
	must(t, r.Close())
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s is\n%+v, want\n%+v", what, got, want)
	}
}
