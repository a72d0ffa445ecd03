package web_test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/perfd/perfd/store"
	"github.com/perfd/perfd/web"
)

func TestBenchmarks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runs.perfd")
	keep := func(sentence string) {
		if _, err := store.KeepBenchmark(t.Context(), path, store.Benchmark{
			Made: time.Unix(1_700_000_000, 0), Load: "day.load", A: "http://a", B: "http://b", Verdict: "faster", Sentence: sentence,
			P50: 18 * time.Millisecond, P95: 120 * time.Millisecond, Document: json.RawMessage(`{"version":1,"sentence":"<script>"}`),
		}); err != nil {
			t.Fatal(err)
		}
	}
	keep("the first")
	r, err := store.Open(path, store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s, err := web.New(web.Config{}, r)
	if err != nil {
		t.Fatal(err)
	}
	list := func() (total int, first string) {
		t.Helper()
		var got struct {
			Total int
			Rows  []struct {
				Sentence string
				P50      float64
				Made     float64
			}
		}
		w := get(s, "/api/v1/benchmarks")
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK || len(got.Rows) == 0 || got.Rows[0].P50 != 0.018 || got.Rows[0].Made != 1_700_000_000 {
			t.Fatalf("%d %s %v", w.Code, w.Body, err)
		}
		return got.Total, got.Rows[0].Sentence
	}
	if n, first := list(); n != 1 || first != "the first" {
		t.Errorf("%d, %q", n, first)
	}
	keep("the second") // by another process, for all that the pages know
	if n, first := list(); n != 2 || first != "the second" {
		t.Errorf("%d, %q", n, first)
	}
	var one struct {
		Benchmark struct{ Load, Verdict string }
		Report    struct{ Version int }
	}
	if w := get(s, "/api/v1/benchmarks/1"); w.Code != http.StatusOK || json.Unmarshal(w.Body.Bytes(), &one) != nil || one.Benchmark.Load != "day.load" || one.Report.Version != 1 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for target, want := range map[string]int{"benchmarks/9": http.StatusNotFound, "benchmarks/x": http.StatusNotFound, "benchmarks?nonsense=1": http.StatusBadRequest} {
		if w := get(s, "/api/v1/"+target); w.Code != want {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
	if w := get(server(t, web.Config{}, 3), "/api/v1/benchmarks"); w.Code != http.StatusOK || w.Body.String() != "{\"rows\":[],\"total\":0}\n" {
		t.Errorf("a store without: %d %s", w.Code, w.Body)
	}
}
