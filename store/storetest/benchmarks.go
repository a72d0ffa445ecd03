package storetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/perfd/perfd/store"
)

// Benchmarks reads the reports of replays that a store keeps.
type Benchmarks interface {
	Benchmarks(context.Context) ([]store.Benchmark, error)
	Benchmark(ctx context.Context, id int64) (store.Benchmark, error)
	Close() error
}

var _ Benchmarks = (*store.SQLite)(nil)

// testBenchmarks keeps reports, which are made in another order than they are kept in, and reads each back whole.
func testBenchmarks(t *testing.T, s Store) {
	keep, reader := s.Benchmarks(t)
	base := time.Unix(1_700_000_000, 123)
	kept := map[int64]store.Benchmark{}
	for i, day := range []int{2, 0, 3, 1} {
		b := store.Benchmark{
			Made: base.AddDate(0, 0, day), Load: "day's \x00 load", A: "http://a/?x='%_\"", B: "b", Verdict: "faster", Sentence: fmt.Sprintf("run of day %d", day),
			P50: time.Duration(day), P95: time.Hour, Version: i, Document: json.RawMessage(fmt.Sprintf(`{"version":%d,"text":"é\u0000<"}`, i)),
		}
		id, err := keep(b)
		must(t, err)
		if _, ok := kept[id]; ok {
			t.Fatalf("id %d was given twice", id)
		}
		b.ID, b.Version = id, max(i, 1) // what has none is of the first
		kept[id] = b
	}
	r, err := reader()
	must(t, err)
	defer func() { must(t, r.Close()) }()
	list, err := r.Benchmarks(t.Context())
	must(t, err)
	if len(list) != len(kept) {
		t.Fatalf("%d benchmarks, want %d", len(list), len(kept))
	}
	for i, got := range list {
		if i > 0 && got.Made.After(list[i-1].Made) {
			t.Errorf("the one of %s stands after that of %s", got.Made, list[i-1].Made)
		}
		want := kept[got.ID]
		one, err := r.Benchmark(t.Context(), got.ID)
		must(t, err)
		if got.Document != nil || !bytes.Equal(one.Document, want.Document) {
			t.Errorf("benchmark %d: listed with %q, read with %q, want %q", got.ID, got.Document, one.Document, want.Document)
		}
		for _, b := range []store.Benchmark{got, one} {
			if !b.Made.Equal(want.Made) {
				t.Errorf("benchmark %d was made %s, want %s", b.ID, b.Made, want.Made)
			}
			b.Made, b.Document = want.Made, want.Document
			equal(t, "benchmark", b, want)
		}
	}
	if _, err := r.Benchmark(t.Context(), 1<<40); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("one that is not there: %v", err)
	}
	if _, err := keep(store.Benchmark{Document: json.RawMessage("{")}); err == nil {
		t.Error("what is no JSON was kept")
	}
}
