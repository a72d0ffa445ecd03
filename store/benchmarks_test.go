package store_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/perfd/perfd/store"
	"github.com/perfd/perfd/store/storetest"
)

func benchmark(i int) store.Benchmark {
	return store.Benchmark{
		Made: time.Unix(1_700_000_000+int64(i), 5), Load: "day.load", A: "http://a", B: "http://b", Verdict: "faster", Sentence: fmt.Sprintf("run %d", i),
		P50: 18 * time.Millisecond, P95: 120 * time.Millisecond, Document: json.RawMessage(fmt.Sprintf(`{"version":1,"run":%d}`, i)),
	}
}

func TestBenchmarksAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runs.perfd")
	for i := range 3 {
		id, err := store.KeepBenchmark(t.Context(), path, benchmark(i))
		if err != nil || id != int64(i+1) {
			t.Fatalf("id %d, %v", id, err)
		}
	}
	r, err := store.Open(path, store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	list, err := r.Benchmarks(t.Context())
	if err != nil || len(list) != 3 {
		t.Fatalf("%d, %v", len(list), err)
	}
	want := benchmark(2)
	if got := list[0]; got.ID != 3 || got.Sentence != want.Sentence || !got.Made.Equal(want.Made) || got.P95 != want.P95 || got.Document != nil {
		t.Errorf("%+v", got)
	}
	if got, err := r.Benchmark(t.Context(), 2); err != nil || !bytes.Equal(got.Document, benchmark(1).Document) || got.B != "http://b" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := r.Benchmark(t.Context(), 99); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("one that is not there: %v", err)
	}
	rec, err := r.Recording(t.Context())
	if err != nil || !rec.Complete || rec.Counts.Calls != 0 {
		t.Errorf("a store of benchmarks alone: %+v, %v", rec, err)
	}
	if _, err := store.KeepBenchmark(t.Context(), path, store.Benchmark{Document: json.RawMessage("{")}); err == nil {
		t.Error("what is no JSON was kept")
	}
}

// TestBenchmarksBesideCalls: a store that is being written and read takes a benchmark, and keeps its calls.
func TestBenchmarksBesideCalls(t *testing.T) {
	path := filepath.Join(t.TempDir(), "live.perfd")
	sample := storetest.Generate(storetest.SampleConfig{Seed: 1, Calls: 20, Users: 2, Methods: 3})
	w, err := store.Append(path, sample.Dictionary, store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := sample.WriteTo(w); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	r, err := store.Open(path, store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if list, err := r.Benchmarks(t.Context()); err != nil || list == nil || len(list) > 0 {
		t.Errorf("before the first: %v, %v", list, err)
	}
	if _, err := store.KeepBenchmark(t.Context(), path, benchmark(1)); err != nil {
		t.Fatal(err)
	}
	if err := w.Trace(sample.Traces[0]); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	list, err := r.Benchmarks(t.Context())
	if err != nil || len(list) != 1 {
		t.Errorf("%d, %v", len(list), err)
	}
	if rec, err := r.Recording(t.Context()); err != nil || rec.Counts.Calls != 21 {
		t.Errorf("%+v, %v", rec.Counts, err)
	}
}

func TestNoStoreTakesNoBenchmark(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	var e *store.Error
	if _, err := store.KeepBenchmark(t.Context(), path, benchmark(1)); !errors.As(err, &e) || e.Hint == "" {
		t.Errorf("%v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "something else" {
		t.Errorf("the file was changed: %q, %v", b, err)
	}
}

// TestBenchmarksWithoutVersion: a table of before versions were noted is read, and gets the column with the next report.
func TestBenchmarksWithoutVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runs.perfd")
	if _, err := store.KeepBenchmark(t.Context(), path, benchmark(1)); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "ALTER TABLE benchmarks DROP COLUMN version"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := store.Open(path, store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if list, err := r.Benchmarks(t.Context()); err != nil || len(list) != 1 || list[0].Version != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	next := benchmark(2)
	next.Version = 2
	if _, err := store.KeepBenchmark(t.Context(), path, next); err != nil {
		t.Fatal(err)
	}
	list, err := r.Benchmarks(t.Context())
	if err != nil || len(list) != 2 || list[0].Version != 2 || list[1].Version != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	if one, err := r.Benchmark(t.Context(), 1); err != nil || one.Version != 1 {
		t.Errorf("%+v, %v", one, err)
	}
}
