package storetest

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/store"
)

// testTrends compares the trends with sums over the sample, by time and by method.
func testTrends(t *testing.T, s Store) {
	sample := Generate(SampleConfig{Seed: 5, Calls: 600, Length: 7 * time.Hour, Start: time.Date(2026, 1, 5, 9, 20, 0, 0, time.UTC)})
	r := s.filled(t, sample)
	for _, c := range []struct {
		filter store.TrendFilter
		match  func(*rpclog.Call) bool
	}{
		{store.TrendFilter{}, func(*rpclog.Call) bool { return true }},
		{store.TrendFilter{Methods: []string{"sale.order.web_search_read"}}, func(c *rpclog.Call) bool { return analyzer.MethodOf(c) == "sale.order.web_search_read" }},
		{store.TrendFilter{Methods: []string{"web_read"}}, func(c *rpclog.Call) bool { return c.Method == "web_read" }},
		{store.TrendFilter{Models: []string{"res.partner", "sale.order"}}, func(c *rpclog.Call) bool { return c.Model == "res.partner" || c.Model == "sale.order" }},
		{store.TrendFilter{Models: []string{"nothing"}}, func(*rpclog.Call) bool { return false }},
		{store.TrendFilter{From: sample.Summary.From.Add(2 * time.Hour), To: sample.Summary.From.Add(4 * time.Hour)}, func(c *rpclog.Call) bool {
			hour := c.Start.Truncate(time.Hour)
			return !hour.Before(sample.Summary.From.Add(2*time.Hour).Truncate(time.Hour)) && hour.Before(sample.Summary.From.Add(4*time.Hour))
		}},
	} {
		for _, step := range []time.Duration{0, time.Hour, 150 * time.Minute, 24 * time.Hour} {
			rounded := max((step + time.Hour - 1).Truncate(time.Hour), time.Hour)
			got, err := store.Trends(t.Context(), r, c.filter, step)
			must(t, err)
			compareTrends(t, got, sample, func(call *rpclog.Call) (string, bool) {
				return call.Start.Truncate(rounded).String(), c.match(call)
			}, func(i int) string { return got[i].Start.String() })
		}
		methods, err := store.TrendMethods(t.Context(), r, c.filter)
		must(t, err)
		sums := make([]store.Trend, len(methods))
		for i := range methods {
			sums[i] = methods[i].Trend
		}
		compareTrends(t, sums, sample, func(call *rpclog.Call) (string, bool) { return analyzer.MethodOf(call), c.match(call) }, func(i int) string { return methods[i].Name })
	}
}

// compareTrends groups the sample's ordinary calls by key and expects a trend for each group.
func compareTrends(t *testing.T, got []store.Trend, sample *Sample, key func(*rpclog.Call) (string, bool), name func(i int) string) {
	t.Helper()
	groups := map[string][]*analyzer.Trace{}
	for _, tr := range sample.Traces {
		if k, ok := key(tr.Call); ok && tr.Call.Class == rpclog.Ordinary {
			groups[k] = append(groups[k], tr)
		}
	}
	equal(t, "number of trends", len(got), len(groups))
	for i := range got {
		g := &got[i]
		var want store.Trend
		durations := []time.Duration{}
		for _, tr := range groups[name(i)] {
			want.Calls++
			want.Statements += int64(len(tr.Spans))
			if tr.Call.Error != "" || tr.Call.Status >= 400 {
				want.Errors++
			}
			want.Time.Add(tr.Time)
			durations = append(durations, tr.Call.End.Sub(tr.Call.Start))
		}
		slices.Sort(durations)
		if len(durations) == 0 {
			t.Errorf("a trend of %s, which has no calls", name(i))
			continue
		}
		equal(t, "sums of "+name(i), []any{g.Calls, g.Statements, g.Errors, g.Time, g.Max}, []any{want.Calls, want.Statements, want.Errors, want.Time, durations[len(durations)-1]})
		for _, q := range []struct {
			share float64
			got   time.Duration
		}{{.5, g.P50}, {.95, g.P95}, {.99, g.P99}} {
			exact := durations[max(int(math.Ceil(q.share*float64(len(durations))))-1, 0)]
			if off := math.Abs(float64(q.got-exact)) / float64(exact); off > 0.021 {
				t.Errorf("p%g of %s is %v, want %v", q.share*100, name(i), q.got, exact)
			}
		}
	}
}
