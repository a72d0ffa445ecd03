package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/perfd/perfd/replay/compare"
	"github.com/perfd/perfd/replay/report"
	"github.com/perfd/perfd/store"
)

func TestReportsAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runs.perfd")
	for day := range 3 {
		s := compare.New(compare.Config{})
		for round := 1; round <= 4; round++ {
			arms := []compare.Arm{compare.A, compare.B}
			if round%2 == 0 {
				arms[0], arms[1] = arms[1], arms[0]
			}
			for _, arm := range arms {
				p := s.Begin(arm, round)
				for i := range 200 {
					slower := 1 + 0.2*float64(arm)*float64(day) + 0.001*float64((i+round)%3)
					p.Add(compare.Sample{Seq: int64(i), Method: "res.partner.read", Session: "s", Seconds: 0.01 * slower})
				}
			}
		}
		r := &report.Report{A: "http://a", B: "http://b", Made: time.Date(2026, 3, 1+day, 0, 0, 0, 0, time.UTC), Load: report.Load{Name: "day.load"}, Comparison: s.Result()}
		if err := keepReplay(t.Context(), path, r); err != nil {
			t.Fatal(err)
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
	last, first := list[0], list[2]
	if last.Version != report.FormatVersion || last.Verdict != "slower" || first.Verdict != "~" || last.Load != "day.load" || last.P50 < 13*time.Millisecond || last.P50 > 15*time.Millisecond || first.P95 <= 0 {
		t.Errorf("%+v\n%+v", last, first)
	}
	one, err := r.Benchmark(t.Context(), last.ID)
	var report struct{ Verdict, Sentence string }
	if err != nil || json.Unmarshal(one.Document, &report) != nil || report.Verdict != "slower" || report.Sentence != last.Sentence {
		t.Errorf("%+v, %v", report, err)
	}
	if out, errOut, code := commandLine(t, "trend", path); code != exitOK || !strings.Contains(out, "3 runs, from 2026-03-01") {
		t.Errorf("%d %s %s", code, out, errOut)
	}
}
