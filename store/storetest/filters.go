package storetest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
	"github.com/perfd/perfd/store"
)

// testFilters compares each filter's answer with a plain reading of the sample.
func testFilters(t *testing.T, r store.Reader, sample *Sample) {
	begin := sample.Traces[0].Call.Start
	from, to := begin.Add(10*time.Second), begin.Add(30*time.Second)
	ordinary := func(tr *analyzer.Trace) bool { return tr.Call.Class == rpclog.Ordinary }
	both := func(f func(*analyzer.Trace) bool) func(*analyzer.Trace) bool {
		return func(tr *analyzer.Trace) bool { return ordinary(tr) && f(tr) }
	}
	length := func(tr *analyzer.Trace) time.Duration { return tr.Call.End.Sub(tr.Call.Start) }
	failed := func(tr *analyzer.Trace) bool { return tr.Call.Error != "" || tr.Call.Status >= 400 }
	for _, c := range []struct {
		name   string
		filter store.Filter
		want   func(*analyzer.Trace) bool
	}{
		{"none", store.Filter{}, ordinary},
		{"all classes", store.Filter{AllCalls: true}, func(*analyzer.Trace) bool { return true }},
		{"assets", store.Filter{Classes: []rpclog.Class{rpclog.Asset}}, func(tr *analyzer.Trace) bool { return tr.Call.Class == rpclog.Asset }},
		{"time", store.Filter{From: from, To: to}, both(func(tr *analyzer.Trace) bool { return !tr.Call.Start.Before(from) && tr.Call.Start.Before(to) })},
		{"overlap", store.Filter{From: from, To: to, Overlap: true}, both(func(tr *analyzer.Trace) bool { return !tr.Call.End.Before(from) && tr.Call.Start.Before(to) })},
		{"login", store.Filter{Users: []string{"user02"}}, both(func(tr *analyzer.Trace) bool { return tr.Call.Login == "user02" })},
		{"uid", store.Filter{Users: []string{"7"}}, both(func(tr *analyzer.Trace) bool { return tr.Call.UID == 7 })},
		{"uid in words", store.Filter{Users: []string{"uid 8"}}, both(func(tr *analyzer.Trace) bool { return tr.Call.UID == 8 })},
		{"two users", store.Filter{Users: []string{"user01", "user02"}}, both(func(tr *analyzer.Trace) bool { return tr.Call.Login == "user01" || tr.Call.Login == "user02" })},
		{"name", store.Filter{Methods: []string{"sale.order.web_read"}}, both(func(tr *analyzer.Trace) bool { return analyzer.MethodOf(tr.Call) == "sale.order.web_read" })},
		{"bare method", store.Filter{Methods: []string{"web_read"}}, both(func(tr *analyzer.Trace) bool { return tr.Call.Method == "web_read" })},
		{"model", store.Filter{Models: []string{"res.partner"}}, both(func(tr *analyzer.Trace) bool { return tr.Call.Model == "res.partner" })},
		{"session", store.Filter{Sessions: []rpclog.SessionKey{0x9f0c2a55d1e80001}}, both(func(tr *analyzer.Trace) bool { return tr.Call.Session == 0x9f0c2a55d1e80001 })},
		{"no session", store.Filter{Sessions: []rpclog.SessionKey{0}}, both(func(tr *analyzer.Trace) bool { return tr.Call.Session == 0 })},
		{"shape", store.Filter{Shapes: []sqltrace.Fingerprint{updateShape(1)}}, both(func(tr *analyzer.Trace) bool { return runs(tr, updateShape(1)) })},
		{"rule", store.Filter{Rules: []string{"n-plus-one"}}, both(func(tr *analyzer.Trace) bool { return found(tr, "n-plus-one") })},
		{"any rule", store.Filter{Rules: []string{store.Any}}, both(func(tr *analyzer.Trace) bool { return len(tr.Findings) > 0 })},
		{"unknown rule", store.Filter{Rules: []string{"nothing"}}, func(*analyzer.Trace) bool { return false }},
		{"error", store.Filter{Errors: []string{"odoo.exceptions.UserError"}}, both(func(tr *analyzer.Trace) bool { return tr.Call.Error == "odoo.exceptions.UserError" })},
		{"any error", store.Filter{Errors: []string{store.Any}}, both(failed)},
		{"no error", store.Filter{Errors: []string{store.None}}, both(func(tr *analyzer.Trace) bool { return !failed(tr) })},
		{"duration", store.Filter{Min: 20 * time.Millisecond, Max: 100 * time.Millisecond}, both(func(tr *analyzer.Trace) bool {
			return length(tr) >= 20*time.Millisecond && length(tr) < 100*time.Millisecond
		})},
		{"text", store.Filter{Text: "Sale  READ"}, both(func(tr *analyzer.Trace) bool {
			return strings.Contains(tr.Call.Path, "sale") && strings.Contains(tr.Call.Path, "read")
		})},
		{"text with wildcards", store.Filter{Text: "web%read"}, func(*analyzer.Trace) bool { return false }},
		{"text of an error", store.Filter{Text: "usererror"}, both(failed)},
		{"everything", store.Filter{From: from, Users: []string{"user01"}, Models: []string{"sale.order"}, Errors: []string{store.None}, Min: time.Millisecond},
			both(func(tr *analyzer.Trace) bool {
				return !tr.Call.Start.Before(from) && tr.Call.Login == "user01" && tr.Call.Model == "sale.order" && !failed(tr) && length(tr) >= time.Millisecond
			})},
	} {
		t.Run(c.name, func(t *testing.T) { testFilter(t, r, sample, c.filter, c.want) })
	}
}

func testFilter(t *testing.T, r store.Reader, sample *Sample, f store.Filter, match func(*analyzer.Trace) bool) {
	want, spans, findings := []rpclog.CallID{}, 0, 0
	for _, tr := range sample.Traces {
		if match(tr) {
			want = append(want, tr.Call.ID)
			spans += len(tr.Spans)
			findings += len(tr.Findings)
		}
	}
	scanned := []rpclog.CallID{}
	must(t, r.Scan(t.Context(), f, func(b *store.Brief) { scanned = append(scanned, b.ID) }))
	equal(t, "scan", scanned, want)
	gotSpans := 0
	must(t, r.Spans(t.Context(), f, func(b *store.Brief, s []store.Span) {
		gotSpans += len(s)
		if !slices.Contains(want, b.ID) {
			t.Errorf("spans of call %d", b.ID)
		}
	}))
	equal(t, "spans", gotSpans, spans)
	gotFindings := 0
	must(t, r.Findings(t.Context(), f, func(*store.Brief, store.Finding) { gotFindings++ }))
	equal(t, "findings", gotFindings, findings)
	calls, total, err := r.Calls(t.Context(), f, store.Page{Limit: 1000})
	must(t, err)
	equal(t, "total", total, int64(len(want)))
	listed := []rpclog.CallID{}
	for _, c := range calls {
		listed = append(listed, c.ID)
	}
	equal(t, "list", listed, want)
}

func runs(tr *analyzer.Trace, f sqltrace.Fingerprint) bool {
	return slices.ContainsFunc(tr.Spans, func(s analyzer.Span) bool { return s.Statement.Fingerprint == f })
}

func found(tr *analyzer.Trace, rule string) bool {
	return slices.ContainsFunc(tr.Findings, func(f analyzer.Finding) bool { return f.Rule == rule })
}
