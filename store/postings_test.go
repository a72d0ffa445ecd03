package store_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
	"github.com/perfd/perfd/store"
	"github.com/perfd/perfd/store/storetest"
)

// TestPostingsFindAll writes calls in any order, with ids far apart and in batches of any size: whoever asks for a
// user's, a session's, a method's or a shape's finds those, each once.
func TestPostingsFindAll(t *testing.T) {
	begin := time.Unix(1_700_000_000, 0).UTC()
	logins := []string{"", "ada", "bob", "eve"}
	rapid.Check(t, func(rt *rapid.T) {
		w, err := store.Create(store.Memory, storetest.Dictionary{}, store.Config{Batch: rapid.IntRange(1, 40).Draw(rt, "batch")})
		check(t, err)
		ids := rapid.SliceOfNDistinct(rapid.Int64Range(1, 40_000), 1, 60, rapid.ID).Draw(rt, "ids")
		calls := make([]*rpclog.Call, 0, len(ids))
		shapes := map[rpclog.CallID]sqltrace.Fingerprint{}
		for _, id := range ids {
			c := &rpclog.Call{ID: rpclog.CallID(id), Start: begin.Add(time.Duration(id)), Status: 200,
				Login: rapid.SampledFrom(logins).Draw(rt, "login"), Session: rpclog.SessionKey(rapid.IntRange(0, 3).Draw(rt, "session")),
				Model: "res.partner", Method: rapid.SampledFrom([]string{"read", "write"}).Draw(rt, "method")}
			shapes[c.ID] = sqltrace.Fingerprint(rapid.IntRange(1, 3).Draw(rt, "shape"))
			span := analyzer.Span{Statement: &sqltrace.Statement{Start: c.Start, Fingerprint: shapes[c.ID]}, Probability: 1}
			check(t, w.Trace(&analyzer.Trace{Call: c, Spans: []analyzer.Span{span, span}}))
			calls = append(calls, c)
		}
		check(t, w.Finish(store.Source{}, analyzer.Summary{}))
		r, err := w.Reader()
		check(t, err)
		for _, login := range logins {
			expectCalls(rt, r, store.Filter{Users: []string{login}}, calls, func(c *rpclog.Call) bool { return c.Login == login })
		}
		expectCalls(rt, r, store.Filter{Users: []string{"ada", "eve"}, Methods: []string{"read"}}, calls,
			func(c *rpclog.Call) bool { return (c.Login == "ada" || c.Login == "eve") && c.Method == "read" })
		expectCalls(rt, r, store.Filter{Sessions: []rpclog.SessionKey{2}, Models: []string{"res.partner"}}, calls, func(c *rpclog.Call) bool { return c.Session == 2 })
		expectCalls(rt, r, store.Filter{Shapes: []sqltrace.Fingerprint{1, 2}, Users: []string{"bob"}}, calls,
			func(c *rpclog.Call) bool { return c.Login == "bob" && shapes[c.ID] != 3 })
		check(t, errors.Join(r.Close(), w.Close()))
	})
}

func expectCalls(t *rapid.T, r store.Reader, f store.Filter, calls []*rpclog.Call, want func(*rpclog.Call) bool) {
	t.Helper()
	var all []rpclog.CallID
	for _, c := range calls {
		if want(c) {
			all = append(all, c.ID)
		}
	}
	slices.Sort(all)
	listed, total, err := r.Calls(t.Context(), f, store.Page{Limit: 1000})
	var got []rpclog.CallID
	for _, c := range listed {
		got = append(got, c.ID)
	}
	if err != nil || int(total) != len(all) || !slices.Equal(got, all) {
		t.Fatalf("%+v finds %d calls, %v, want %v: %v", f, total, got, all, err)
	}
}
