package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/perfd/perfd/fixtures"
	"github.com/perfd/perfd/store"
	"github.com/perfd/perfd/store/storetest"
)

// What is written never takes the place of what is read.
func TestOverwriteRefused(t *testing.T) {
	dir := t.TempDir()
	tap, link := filepath.Join(dir, "rec.pcap"), filepath.Join(dir, "link.pcap")
	pcap := fixtures.Tap(t, sequential)
	write(t, tap, pcap)
	if err := os.Symlink(tap, link); err != nil {
		t.Fatal(err)
	}
	kept, none := filepath.Join(dir, "kept.perfd"), filepath.Join(dir, "none")
	mustAnalyze(t, "--store", kept, tap)
	for _, tt := range []struct {
		want string
		args []string
	}{
		{"--output would overwrite the input", []string{"-o", tap, tap}},
		{"--output would overwrite the input", []string{"-o", link, tap}},
		{"--output would overwrite the input", []string{"-o", tap, none, link}},
		{"--output would overwrite the input", []string{"-o", none, dir + "/x/../none"}},
		{"--output would overwrite the input", []string{"-o", kept, kept}},
		{"--store would overwrite the input", []string{"--store", link, tap}},
		{"--output would overwrite the store", []string{"-o", none, "--store", dir + "/./none", tap}},
		{"--output would overwrite the store", []string{"-o", kept, "--store", kept, tap}},
	} {
		code, _, errOut := perfd(t, nil, append([]string{"analyze"}, tt.args...)...)
		if code != exitUsage || !strings.Contains(errOut, tt.want) {
			t.Errorf("perfd analyze %v: exit %d, %q; want exit %d and %q", tt.args, code, errOut, exitUsage, tt.want)
		}
	}
	if b, err := os.ReadFile(tap); err != nil || !bytes.Equal(b, pcap) {
		t.Errorf("the recording changed: %d bytes, %v", len(b), err)
	}
	mustAnalyze(t, kept)
}

// What a perfd beside a server recorded cannot be made again: no analysis takes its place.
func TestLiveStoreKept(t *testing.T) {
	live := filepath.Join(t.TempDir(), "live.perfd")
	w, err := store.Append(live, storetest.Generate(storetest.SampleConfig{Calls: 1}).Dictionary, store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(live)
	if err != nil {
		t.Fatal(err)
	}
	code, _, errOut := perfd(t, nil, "analyze", "--store", live, fixtures.Path(t, sequential))
	if code != exitFailure || !strings.Contains(errOut, errKept.Error()) {
		t.Errorf("exit %d, %q; want exit %d and %q", code, errOut, exitFailure, errKept)
	}
	if after, err := os.ReadFile(live); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the store changed: %d bytes, %d before, %v", len(after), len(before), err)
	}
}

// What an analysis wrote is old: a watch, which deletes that, is given another file.
func TestAnalysisSpared(t *testing.T) {
	dir := t.TempDir()
	kept, live := filepath.Join(dir, "kept.perfd"), filepath.Join(dir, "live.perfd")
	mustAnalyze(t, "--store", kept, fixtures.Path(t, sequential))
	if err := spareAnalysis(kept, time.Minute); !errors.Is(err, errAnalysis) {
		t.Errorf("a watch may write into an analysis: %v", err)
	}
	if err := errors.Join(spareAnalysis(kept, 0), spareAnalysis(kept, math.MaxInt64)); err != nil {
		t.Errorf("an analysis that stays is refused: %v", err)
	}
	for range 2 { // made, and gone on with
		w, err := store.Append(live, storetest.Generate(storetest.SampleConfig{Calls: 1}).Dictionary, store.Config{})
		if err = errors.Join(err, spareAnalysis(live, 1)); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Close(), spareAnalysis(live, 1), spareAnalysis(filepath.Join(dir, "none"), 1)); err != nil {
			t.Fatal(err)
		}
	}
}

// A run that fails or is interrupted leaves the files that were there as they were, and no others.
func TestFailureLeavesFiles(t *testing.T) {
	dir := t.TempDir()
	old, kept := filepath.Join(dir, "report.txt"), filepath.Join(dir, "kept.perfd")
	write(t, old, []byte("the report of yesterday"))
	tap := fixtures.Path(t, sequential)
	mustAnalyze(t, "--store", kept, tap)
	stored, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(t.TempDir(), "notes.txt")
	write(t, foreign, []byte("not a capture at all, but long enough to have a head\n"))
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		ctx  context.Context
		in   string
		want int
	}{{t.Context(), foreign, exitFailure}, {interrupted, tap, exitInterrupted}} {
		for _, target := range [][2]string{{old, kept}, {filepath.Join(dir, "new.txt"), filepath.Join(dir, "new.perfd")}} {
			var errOut bytes.Buffer
			if code := run(tt.ctx, []string{"analyze", "-o", target[0], "--store", target[1], tt.in}, nil, io.Discard, &errOut); code != tt.want {
				t.Errorf("exit %d, want %d: %s", code, tt.want, errOut.String())
			}
		}
	}
	if b, err := os.ReadFile(old); err != nil || string(b) != "the report of yesterday" {
		t.Errorf("the report is now %q, %v", b, err)
	}
	if b, err := os.ReadFile(kept); err != nil || !bytes.Equal(b, stored) {
		t.Errorf("the store changed: %d bytes, %v", len(b), err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 2 {
		t.Errorf("%v in the folder, %v; want the two files that were there", files, err)
	}
	mustAnalyze(t, "-o", old, "--store", kept, tap)
	if b, err := os.ReadFile(old); err != nil || !bytes.Contains(b, []byte("METHODS")) {
		t.Errorf("the report was not replaced: %q, %v", b, err)
	}
	if info, err := os.Stat(old); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the report's permissions became %v, %v", info.Mode(), err)
	}
}

// A store remembers that its recording ended early.
func TestPartialStore(t *testing.T) {
	dir := t.TempDir()
	cut, kept, text := filepath.Join(dir, "cut.pcap"), filepath.Join(dir, "kept.perfd"), filepath.Join(dir, "cut.txt")
	pcap := fixtures.Tap(t, sequential)
	write(t, cut, pcap[:len(pcap)/2+7])
	if code, _, errOut := perfd(t, nil, "analyze", "--store", kept, "-o", text, cut); code != exitPartial {
		t.Errorf("exit %d, %s", code, errOut)
	}
	if _, err := os.Stat(text); err != nil {
		t.Errorf("a partial report is a report: %v", err)
	}
	code, out, errOut := perfd(t, nil, "analyze", kept)
	if code != exitPartial || !strings.Contains(out, "The recording ends early") || !strings.Contains(errOut, "in the middle of a packet") || strings.Count(errOut, "\n") != 1 {
		t.Errorf("exit %d, stderr %q; want exit %d and one line that says why\n%s", code, errOut, exitPartial, out)
	}
}

func TestDamagedStore(t *testing.T) {
	kept := filepath.Join(t.TempDir(), "kept.perfd")
	mustAnalyze(t, "--store", kept, fixtures.Path(t, sequential))
	if err := os.Truncate(kept, 60_000); err != nil {
		t.Fatal(err)
	}
	if code, _, errOut := perfd(t, nil, "analyze", kept); code != exitFailure || !strings.Contains(errOut, "the store is damaged") {
		t.Errorf("exit %d, %q", code, errOut)
	}
}
