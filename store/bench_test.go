package store_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/store"
	"github.com/perfd/perfd/store/storetest"
)

// BenchmarkWrite stores 2,000 calls; the metric is the time for one call with its statements.
func BenchmarkWrite(b *testing.B) {
	s := storetest.Generate(storetest.SampleConfig{Calls: 2000})
	b.ReportAllocs()
	for b.Loop() {
		w, err := store.Create(filepath.Join(b.TempDir(), "a.perfd"), s.Dictionary, store.Config{Replace: true})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.WriteTo(w); err != nil {
			b.Fatal(err)
		}
		if err := w.Finish(store.Source{}, s.Summary); err != nil {
			b.Fatal(err)
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2000, "ns/call")
}

// BenchmarkAppend writes to a live store on disk, with a flush every 2,000 calls, as a busy server makes them: three
// statements each. The metrics are calls and statements a second.
func BenchmarkAppend(b *testing.B) {
	for _, bench := range []struct {
		name       string
		statements int
		limit      int64
		write      func(*store.Recorder, *analyzer.Trace) error
	}{
		{"3-statements", 3, -1, (*store.Recorder).Trace},
		{"10-statements", 10, -1, (*store.Recorder).Trace},
		{"at-the-limit", 3, 16 << 20, (*store.Recorder).Trace},
		{"counted", 3, -1, (*store.Recorder).Count},
		{"tally", 3, -1, func(w *store.Recorder, t *analyzer.Trace) error { w.Tally(t); return nil }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			s := storetest.Generate(storetest.SampleConfig{Calls: 2000, Users: 50, Methods: 48})
			for _, t := range s.Traces {
				t.Spans, t.Findings = t.Spans[:min(len(t.Spans), bench.statements)], t.Findings[:0]
			}
			w := appendTo(b, filepath.Join(b.TempDir(), "a.perfd"), s, store.Config{MaxBytes: bench.limit, MaxAge: -1})
			now := s.Summary.From
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if err := bench.write(w, s.Traces[n%len(s.Traces)]); err != nil {
					b.Fatal(err)
				}
				if n++; n%400 == 0 { // five times a flush, as Tick is called
					now = now.Add(100 * time.Millisecond)
					if err := w.Tick(now); err != nil {
						b.Fatal(err)
					}
				}
			}
			per := float64(n) / b.Elapsed().Seconds()
			b.ReportMetric(per, "calls/s")
			b.ReportMetric(per*float64(bench.statements), "statements/s")
			b.ReportMetric(float64(w.Stats().Slowest.Milliseconds()), "ms-slowest-prune")
		})
	}
}

func reader(b *testing.B, calls int) store.Reader {
	b.Helper()
	s := storetest.Generate(storetest.SampleConfig{Calls: calls, Users: 20, Methods: 40})
	w, err := store.Create(store.Memory, s.Dictionary, store.Config{})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.WriteTo(w); err != nil {
		b.Fatal(err)
	}
	if err := w.Finish(store.Source{}, s.Summary); err != nil {
		b.Fatal(err)
	}
	r, err := w.Reader()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := r.Close(); err != nil {
			b.Error(err)
		}
		if err := w.Close(); err != nil {
			b.Error(err)
		}
	})
	return r
}

// BenchmarkRead answers the questions of the pages over 20,000 calls.
func BenchmarkRead(b *testing.B) {
	r := reader(b, 20000)
	ctx := b.Context()
	for _, bench := range []struct {
		name string
		run  func() error
	}{
		{"calls-by-start", func() error { _, _, err := r.Calls(ctx, store.Filter{}, store.Page{Limit: 100}); return err }},
		{"calls-by-wait", func() error {
			_, _, err := r.Calls(ctx, store.Filter{}, store.Page{Sort: "wait", Desc: true, Limit: 100})
			return err
		}},
		{"calls-of-user", func() error {
			_, _, err := r.Calls(ctx, store.Filter{Users: []string{"user03"}}, store.Page{Sort: "duration", Desc: true, Limit: 100})
			return err
		}},
		{"scan", func() error { return r.Scan(ctx, store.Filter{}, func(*store.Brief) {}) }},
		{"spans", func() error { return r.Spans(ctx, store.Filter{}, func(*store.Brief, []store.Span) {}) }},
		{"overview", func() error { _, err := store.Summarize(ctx, r, store.Filter{}, 120, 8); return err }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := bench.run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
