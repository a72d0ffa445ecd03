package store

import (
	"database/sql"
	"encoding/json"
	"testing"
)

func TestTheOldestBenchmarksGo(t *testing.T) {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
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
