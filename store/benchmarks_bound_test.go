package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheOldestBenchmarksGo(t *testing.T) {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if err := prepareBenchmarks(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	for range maxBenchmarks + 5 {
		if _, err := keepBenchmark(t.Context(), db, &Benchmark{Document: json.RawMessage("{}")}); err != nil {
			t.Fatal(err)
		}
	}
	var n, first int
	if err := db.QueryRow("SELECT count(*), min(id) FROM benchmarks").Scan(&n, &first); err != nil || n != maxBenchmarks || first != 6 {
		t.Errorf("%d kept from %d on, %v", n, first, err)
	}
}

// TestKeeper: that a store can be written shows when it is opened, and one that was made for a benchmark that did not come goes.
func TestKeeper(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "runs.perfd"), filepath.Join(dir, "other")
	if err := os.WriteFile(other, []byte("no store"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, hint := range map[string]string{filepath.Join(dir, "none", "x"): "make the folder", other: "name a perfd store", dir: ""} {
		k, err := OpenKeeper(t.Context(), name)
		var e *Error
		if k != nil || !errors.As(err, &e) || !strings.Contains(e.Hint, hint) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, kept := range []bool{false, true, false} {
		_, before := os.Stat(path)
		k, err := OpenKeeper(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Keep(t.Context(), Benchmark{Document: json.RawMessage("{")}); err == nil {
			t.Error("what is no JSON is kept")
		}
		if kept {
			if _, err := k.Keep(t.Context(), Benchmark{Document: json.RawMessage("{}")}); err != nil {
				t.Error(err)
			}
		}
		if err := errors.Join(k.Close(), k.Close()); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(path); (err == nil) != (kept || before == nil) {
			t.Errorf("kept %v: %v", kept, err)
		}
	}
	if list, _ := filepath.Glob(path + "?*"); len(list) > 0 {
		t.Errorf("left behind: %q", list)
	}
	full, err := Open(path, Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	if list, err := full.Benchmarks(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("%d kept, %v", len(list), err)
	}
}
