package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/perfd/perfd/fixtures"
)

// The first interrupt ends a recording that comes from standard input; the report follows.
func TestInterruptStdin(t *testing.T) {
	pcap := fixtures.Tap(t, sequential)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	defer w.Close()
	go func() {
		_, _ = w.Write(pcap[:len(pcap)/2+7])
		cancel() // and the pipe stays open
	}()
	var out, errOut bytes.Buffer
	if code := run(ctx, []string{"analyze", "-"}, r, &out, &errOut); code != exitOK || !strings.Contains(out.String(), "METHODS") {
		t.Errorf("exit %d, %s\n%s", code, errOut.String(), out.String())
	}
}

// What the writer still sends when both are interrupted is read.
func TestInterruptStdinReadsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r, w := io.Pipe()
		go func() {
			_, _ = w.Write([]byte("begun "))
			cancel()
			_, _ = w.Write([]byte("and ended"))
			_ = w.Close()
		}()
		var cut atomic.Bool
		if all, err := io.ReadAll(newCancelReader(ctx, r, &cut)); err != nil || string(all) != "begun and ended" || cut.Load() {
			t.Errorf("read %q, %v, cut %v", all, err, cut.Load())
		}
		ctx, cancel = context.WithCancel(t.Context())
		r, w = io.Pipe()
		go func() {
			_, _ = w.Write([]byte("begun "))
			cancel()
		}()
		if all, err := io.ReadAll(newCancelReader(ctx, r, &cut)); err != nil || string(all) != "begun " || !cut.Load() {
			t.Errorf("read %q, %v, cut %v", all, err, cut.Load())
		}
		_ = w.Close()
	})
}

func TestStdinRefused(t *testing.T) {
	for _, tt := range []struct {
		in, want string
		code     int
	}{
		{storeMagic + strings.Repeat("\x00", 100), "name it as a file", exitUsage},
		{"", "standard input is empty", exitFailure},
		{"hello", "give a pcap", exitFailure},
	} {
		if code, _, errOut := perfd(t, strings.NewReader(tt.in), "analyze", "-"); code != tt.code || !strings.Contains(errOut, tt.want) {
			t.Errorf("%.20q: exit %d, %q; want exit %d and %q", tt.in, code, errOut, tt.code, tt.want)
		}
	}
}

func TestStdin(t *testing.T) {
	tap := fixtures.Tap(t, sequential)
	code, out, errOut := perfd(t, bytes.NewReader(tap), "analyze", "--format", "json", "-")
	if want := mustAnalyze(t, "--format", "json", fixtures.Path(t, sequential)); code != exitOK || out != want {
		t.Errorf("standard input gives another answer than the file: exit %d, %s", code, errOut)
	}
}
