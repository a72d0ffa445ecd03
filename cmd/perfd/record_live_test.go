package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/lab"
)

// TestRecordLive records users who work with a real trytond: every call of theirs is in the load, with its arguments and its
// statements, and Ctrl-C leaves a file that is whole.
func TestRecordLive(t *testing.T) {
	if capture.LivePermitted() != nil {
		code, _, errOut := perfd(t, nil, "record", filepath.Join(t.TempDir(), "x.load"), "--interface", "lo")
		if code != exitFailure || !strings.Contains(errOut, "open tap") {
			t.Errorf("tap that is not permitted: exit %d, %s", code, errOut)
		}
		return
	}
	lab.Alone(t)
	pg := lab.TrytonPostgreSQL(t, lab.PostgresConfig{})
	server := lab.RunTrytond(t, lab.TrytondConfig{Postgres: pg})
	dir := t.TempDir()
	out := filepath.Join(dir, "live.load")
	p := startPerfd(t, append([]string{"record", out, "--interface", "lo", "--keep-args", "*:*"}, portFlags(server, pg)...)...)
	p.await(`perfd records until it is interrupted`)
	made, err := lab.Crowd{Host: server.Addr.String(), Bursts: 2}.Work(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if code := p.stop(syscall.SIGINT); code != exitOK {
		t.Fatalf("exit %d, %s", code, p.stderr())
	}
	h, calls, sessions := readLoad(t, out)
	if h.Product != "tryton" || h.Database != lab.Database || h.Server != server.Addr.String() || !h.Arguments || h.Sources[0] != "live" {
		t.Errorf("%+v", h)
	}
	statements, with, minted := 0, 0, 0
	users := map[string]bool{}
	for _, s := range sessions {
		if s.Login != "" { // a log-in that was refused is nobody's
			users[s.Login] = true
		}
	}
	for _, c := range calls {
		statements += c.Statements
		if c.Args != nil {
			with++
		}
		minted += len(c.Minted)
	}
	if len(calls) != len(made) || with < len(calls)*8/10 || statements < len(calls)*5 || len(users) != 6 || minted == 0 {
		t.Errorf("%d calls of %d, %d with arguments, %d statements, users %v, %d that made something", len(calls), len(made), with, statements, users, minted)
	}
	if info, err := os.Stat(out); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v: others may read it", info.Mode(), err)
	}
	short := startPerfd(t, append([]string{"record", filepath.Join(dir, "short.load"), "--interface", "lo", "--for", "300ms"}, portFlags(server, pg)...)...)
	short.await(`no call was seen; check --interface`)
	<-short.ended
	if code := short.cmd.ProcessState.ExitCode(); code != exitFailure {
		t.Errorf("exit %d, %s", code, short.stderr())
	}
	if _, err := os.Stat(filepath.Join(dir, "short.load")); err == nil {
		t.Error("a recording of nothing makes a file")
	}
}
