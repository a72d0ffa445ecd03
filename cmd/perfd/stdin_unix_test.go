//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/perfd/perfd/fixtures"
)

// TestPipe: what a shell's <(command) names is read like a file.
func TestPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "tap.pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	tap := fixtures.Tap(t, sequential)
	wrote := make(chan error, 1)
	go func() { wrote <- os.WriteFile(pipe, tap, 0o600) }()
	code, out, errOut := perfd(t, nil, "analyze", "--format", "json", pipe)
	if err := <-wrote; err != nil {
		t.Error(err)
	}
	if want := mustAnalyze(t, "--format", "json", fixtures.Path(t, sequential)); code != exitOK || out != want {
		t.Errorf("a pipe gives another answer than the file: exit %d, %s", code, errOut)
	}
	if code, _, errOut := perfd(t, nil, "analyze", pipe, fixtures.Path(t, sequential)); code != exitUsage || !strings.Contains(errOut, "the pipe alone") {
		t.Errorf("a pipe beside a file: exit %d, %q", code, errOut)
	}
}
