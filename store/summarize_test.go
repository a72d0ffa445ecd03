package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
	"github.com/perfd/perfd/store"
	"github.com/perfd/perfd/store/storetest"
)

func open(t *testing.T, sample *storetest.Sample) store.Reader {
	t.Helper()
	w, err := store.Create(store.Memory, sample.Dictionary, store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := sample.WriteTo(w); err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(store.Source{}, sample.Summary); err != nil {
		t.Fatal(err)
	}
	r, err := w.Reader()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// TestSummarize holds the parts of an overview against each other and against the sample.
func TestSummarize(t *testing.T) {
	sample := storetest.Generate(storetest.SampleConfig{Seed: 5, Calls: 500})
	r := open(t, sample)
	o, err := store.Summarize(t.Context(), r, store.Filter{}, 100, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var calls, statements, attributed, background, control int64
	var waited, sql time.Duration
	count := func(s *sqltrace.Statement) {
		sql += s.End.Sub(s.Start)
		if s.Kind != sqltrace.Query && s.Kind != sqltrace.Copy && s.Kind != sqltrace.Other {
			control++
		}
	}
	for _, tr := range sample.Traces {
		attributed += int64(len(tr.Spans))
		for _, s := range tr.Spans {
			count(s.Statement)
		}
		if tr.Call.Class == rpclog.Ordinary {
			calls++
			statements += int64(len(tr.Spans))
			waited += tr.Call.End.Sub(tr.Call.Start)
		}
	}
	for _, b := range sample.Background {
		background += int64(len(b.Spans))
		for _, s := range b.Spans {
			count(s.Statement)
		}
	}
	if o.All.Calls != calls || o.All.Statements != statements || o.All.Total != waited || o.SQL != sql {
		t.Errorf("overview of %d calls, %d statements, %v, %v; want %d, %d, %v, %v", o.All.Calls, o.All.Statements, o.All.Total, o.SQL, calls, statements, waited, sql)
	}
	if o.Attributed != attributed || o.Statements != attributed+background || background == 0 {
		t.Errorf("%d of %d statements in calls; want %d and %d in the background", o.Attributed, o.Statements, attributed, background)
	}
	queries := 0
	for _, s := range o.Shapes {
		if !s.Kind.Controls() {
			queries++
		}
	}
	if want := float64(control) / float64(o.Statements); o.Control != want || control == 0 {
		t.Errorf("%g of the statements control transactions, want %g", o.Control, want)
	}
	if want := (store.Rows{Methods: len(o.Methods), Models: len(o.Models), Users: len(o.Users), Shapes: len(o.Shapes), Queries: queries, Findings: len(o.Findings)}); o.Rows != want {
		t.Errorf("lists of %+v rows, want %+v", o.Rows, want)
	}
	one, err := store.Summarize(t.Context(), r, store.Filter{Users: []string{o.Users[0].Name}}, 100, 1)
	if err != nil {
		t.Fatal(err)
	}
	if one.Statements != o.Users[0].Statements || one.Attributed != one.Statements || one.Rows.Users != 1 || one.Rows.Methods < len(one.Methods) {
		t.Errorf("of one user %d of %d statements in calls, lists of %+v; want %d statements", one.Attributed, one.Statements, one.Rows, o.Users[0].Statements)
	}
	var inStrip, inHeat, byMethod, byUser int64
	for i := range o.Strip.Calls {
		inStrip += o.Strip.Calls[i]
	}
	for _, row := range o.Heatmap.Counts {
		for _, n := range row {
			inHeat += n
		}
	}
	for _, g := range o.Methods {
		byMethod += g.Calls
		if tm := g.Time; tm.Wait+tm.Application+tm.SQL+tm.Lock+tm.Retry+tm.Transfer+tm.Unknown != g.Total {
			t.Errorf("the parts of %s do not add up", g.Name)
		}
	}
	for _, g := range o.Users {
		byUser += g.Calls
	}
	if inStrip != calls || inHeat != calls || byMethod != calls || byUser != calls {
		t.Errorf("%d calls: %d in the strip, %d in the heatmap, %d by method, %d by user", calls, inStrip, inHeat, byMethod, byUser)
	}
	if len(o.Heatmap.Bounds) != len(o.Heatmap.Counts)+1 {
		t.Errorf("%d bounds of %d rows", len(o.Heatmap.Bounds), len(o.Heatmap.Counts))
	}
}

// TestFindings holds the groups of findings against those of the summary, which the report shows.
func TestFindings(t *testing.T) {
	sample := storetest.Generate(storetest.SampleConfig{Seed: 9, Calls: 600})
	// The sample's rules look at one table of a method: a finding on every other statement adds kinds.
	for _, tr := range sample.Traces[:100] {
		for i := range tr.Spans {
			tr.Findings = append(tr.Findings, analyzer.Finding{Rule: "slow-statement", Title: fmt.Sprintf("statement %d", i), Cost: time.Duration(i+1) * time.Millisecond, Spans: []int{i}})
		}
	}
	summarizer := analyzer.NewSummarizer(analyzer.SummaryConfig{}, sample.Dictionary)
	for _, tr := range sample.Traces {
		if err := summarizer.Trace(tr); err != nil {
			t.Fatal(err)
		}
	}
	want := summarizer.Summary(analyzer.Recording{}).Findings
	r := open(t, sample)
	got, err := store.Findings(t.Context(), r, store.Filter{AllCalls: true}, 5)
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		rule, method string
		findings     int64
		cost         time.Duration
	}
	count := map[row]int{}
	kinds := map[[2]string]int{}
	for _, f := range want {
		count[row{f.Rule, f.Method, f.Calls, f.Cost}]++
		kinds[[2]string{f.Rule, f.Method}]++
	}
	for _, f := range got {
		count[row{f.Rule, f.Name, f.Findings, f.Cost}]--
	}
	for k, n := range count {
		if n != 0 {
			t.Errorf("%+v: %d more in the summary than in the store", k, n)
		}
	}
	if len(kinds) == len(want) {
		t.Error("no method has findings of one rule on two kinds of statement")
	}
	rec, err := r.Recording(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ordinary, err := store.Findings(t.Context(), r, store.Filter{}, 5)
	if err != nil {
		t.Fatal(err)
	}
	if rec.Counts.Findings != int64(len(ordinary)) {
		t.Errorf("the recording counts %d groups of findings, the list has %d", rec.Counts.Findings, len(ordinary))
	}
}

func TestShape(t *testing.T) {
	sample := storetest.Generate(storetest.SampleConfig{Seed: 6, Calls: 300})
	r := open(t, sample)
	shapes, err := store.Shapes(t.Context(), r, store.Filter{}, store.ShapeFilter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range shapes {
		d, err := store.Shape(t.Context(), r, store.Filter{}, want.Fingerprint)
		if err != nil {
			t.Fatal(err)
		}
		if d.Statements != want.Statements || d.Total != want.Total || d.P95 != want.P95 || d.Calls != want.Calls || d.InCalls != want.InCalls || d.Background != want.Background {
			t.Errorf("shape %x: %+v in the list, %+v alone", uint64(want.Fingerprint), want, d.ShapeGroup)
		}
		var n, byMethod, byUser int64
		for _, c := range d.Counts {
			n += c
		}
		for i := range d.Callers {
			byMethod += d.Callers[i].Statements
		}
		for i := range d.Users {
			byUser += d.Users[i].Statements
		}
		if n != d.Statements || byMethod != d.InCalls || byUser != d.InCalls {
			t.Errorf("shape %x: %d statements, %d in buckets, %d in calls, %d by method, %d by user", uint64(want.Fingerprint), d.Statements, n, d.InCalls, byMethod, byUser)
		}
	}
	if _, err := store.Shape(t.Context(), r, store.Filter{}, 12345); err == nil {
		t.Error("an unknown shape is found")
	}
}

// TestDraw compares the bars of a timeline with the bins that replace them.
func TestDraw(t *testing.T) {
	r := open(t, storetest.Generate(storetest.SampleConfig{Seed: 8, Calls: 400}))
	bars, err := store.Draw(t.Context(), r, store.Filter{}, 100000, 200)
	if err != nil {
		t.Fatal(err)
	}
	bins, err := store.Draw(t.Context(), r, store.Filter{}, 100, 200)
	if err != nil {
		t.Fatal(err)
	}
	if len(bars.Bars) != int(bars.Total) || len(bars.Bins) != 0 || len(bins.Bars) != 0 || len(bins.Bins) == 0 || bins.BinWidth == 0 {
		t.Fatalf("%d bars and %d bins of %d calls, then %d and %d", len(bars.Bars), len(bars.Bins), bars.Total, len(bins.Bars), len(bins.Bins))
	}
	var one, other [2]time.Duration
	var n int64
	for _, b := range bars.Bars {
		one[0] += b.Duration
		one[1] += b.Time.Wait
	}
	for _, b := range bins.Bins {
		other[0] += b.Busy
		other[1] += b.Time.Wait
		n += b.Calls
	}
	if one != other || n != bars.Total {
		t.Errorf("bars sum to %v, bins to %v; %d of %d calls", one, other, n, bars.Total)
	}
}
