package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/perfd/perfd/replay"
	"github.com/perfd/perfd/replay/bench"
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
		r.Label = fmt.Sprintf("try %d", day)
		r.Passes = []bench.Pass{{Round: 1, Report: replay.Report{Sent: 1600}}}
		k, err := store.OpenKeeper(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(keepReplay(t.Context(), k, r), k.Close()); err != nil {
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
	var report struct{ Verdict, Sentence, Label string }
	if err != nil || json.Unmarshal(one.Document, &report) != nil || report.Verdict != "slower" || report.Label != "try 2" || last.Sentence != "try 2: "+report.Sentence {
		t.Errorf("%+v, %v", report, err)
	}
	if out, errOut, code := commandLine(t, "trend", path); code != exitOK || !strings.Contains(out, "3 runs, from 2026-03-01") || !strings.Contains(out, "try 1 runs.perfd:2 ") {
		t.Errorf("%d %s %s", code, out, errOut)
	}
}

// TestWhatCannotBeWrittenIsToldFirst: no call is sent if its report could not be kept, and a store that was made for it goes
// again; nor does a report take the place of what is read.
func TestWhatCannotBeWrittenIsToldFirst(t *testing.T) {
	file, dir := record(t, "odoo18-a", "--keep-args", "*:*"), t.TempDir()
	t.Setenv("ODOO_PASSWORD", "x")
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(s.Close)
	other, none := filepath.Join(dir, "other"), filepath.Join(dir, "none", "x")
	write(t, other, []byte("something else"))
	for _, tt := range []struct {
		flag, file, want string
		code             int
	}{
		{"--store", none, "make the folder", exitFailure},
		{"--store", other, "not a perfd store; name a perfd store, or a file that is not there yet", exitFailure},
		{"--json", none, "no such file or directory; check the folder", exitFailure},
		{"--html", dir, "is a folder", exitFailure},
		{"--store", file, "--store would overwrite the input", exitUsage},
		{"--json", file, "--json would overwrite the input", exitUsage},
		{"--database-url", "postgres://127.0.0.1:1/x", "check --database-url", exitFailure},
	} {
		kept := filepath.Join(dir, "kept.perfd")
		args := []string{"replay", file, "--target", s.URL, "--mode", "max", tt.flag, tt.file}
		if tt.flag != "--store" {
			args = append(args, "--store", kept)
		}
		if _, errOut := execute(t, tt.code, args...); !strings.Contains(errOut, tt.want) || strings.Contains(errOut, "analyze") {
			t.Errorf("%s %s: %s", tt.flag, tt.file, errOut)
		}
		if left, _ := filepath.Glob(kept + "*"); len(left) > 0 {
			t.Errorf("%s %s leaves %q", tt.flag, tt.file, left)
		}
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("%d requests were made", n)
	}
}

// TestReplayOfACutLoad sends what is whole of a load, and says that the rest is missing.
func TestReplayOfACutLoad(t *testing.T) {
	url, file := miniOdoo(t), record(t, "odoo18-a", "--keep-args", "*:*")
	t.Setenv("ODOO_PASSWORD", "right")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	full := replayJSON(t, exitOK, file, "--target", url, "--mode", "max").Passes[0].Sent
	write(t, file, whole[:len(whole)*2/3])
	r := replayJSON(t, exitPartial, file, "--target", url, "--mode", "max")
	if sent := r.Passes[0].Sent; sent < 1 || sent >= full || !strings.Contains(strings.Join(r.Doubts, " "), "is cut off: what came after its first ") {
		t.Errorf("%d of %d sent, %q", sent, full, r.Doubts)
	}
	write(t, file, whole)
	if r := replayJSON(t, exitOK, file, "--target", url, "--mode", "max", "--rounds", "3"); len(r.Passes) != 3 || r.Passes[2].Sent != full {
		t.Errorf("of 3 rounds of one arm %d", len(r.Passes))
	}
	for flag, hint := range map[string]string{"--methods": "no call was sent; check --sessions and --methods", "--sessions": "no call was sent; check --sessions"} {
		if _, errOut := execute(t, exitFailure, "replay", file, "--target", url, "--mode", "max", flag, "nobody.*"); !strings.Contains(errOut, hint) {
			t.Errorf("%s: %s", flag, errOut)
		}
	}
}

// TestNoPassword: who has given none is told the ways to.
func TestNoPassword(t *testing.T) {
	t.Setenv("ODOO_PASSWORD", "")
	_, errOut := execute(t, exitFailure, "replay", record(t, "odoo18-a", "--keep-args", "*:*"), "--target", miniOdoo(t), "--mode", "max")
	for _, way := range []string{"no password for user1", "ODOO_PASSWORD", "--password-file", "--users"} {
		if !strings.Contains(errOut, way) {
			t.Errorf("%q is not in %s", way, errOut)
		}
	}
}
