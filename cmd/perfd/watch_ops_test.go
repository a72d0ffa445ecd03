package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/fixtures"
	"github.com/perfd/perfd/fixtures/play"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
	"github.com/perfd/perfd/store"
)

// TestWatchReload changes the settings of a perfd that watches.
func TestWatchReload(t *testing.T) {
	if !canTap(t) {
		return
	}
	o := newOffice(t, nil)
	file := filepath.Join(t.TempDir(), "perfd.yaml")
	settings := func(more string) {
		write(t, file, []byte("rpc_ports: ["+o.port+"]\npg_ports: [1]\nevidence: {process: off}\n"+more))
	}
	settings("")
	w := startWatch(t, "--config", file)
	o.call(3, "before")
	until(t, "three calls kept whole", func() bool { return w.kept("before") == 3 })
	settings("keep: {slow: 1h}\nlog: {level: debug}\nretention: {age: 50h}\n")
	signal := func() {
		if err := w.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	signal()
	w.await(`settings are reloaded.*keep\.slow`)
	o.call(4, "after")
	until(t, "four calls counted", func() bool { return w.counted("after") == 4 })
	if n := w.kept("after"); n != 0 {
		t.Errorf("%d of the calls after the change are kept whole", n)
	}
	settings("keep: {slow: soon}\n")
	signal()
	w.await(`settings are not reloaded`)
	settings("memory: 512MiB\n")
	signal()
	w.await(`settings are reloaded.*after a restart.*memory`)
	o.call(2, "last")
	until(t, "two calls kept whole", func() bool { return w.kept("last") == 2 })
	w.end()
}

// TestWatchForgets changes how long a perfd that watches keeps calls.
func TestWatchForgets(t *testing.T) {
	if !canTap(t) {
		return
	}
	path := filepath.Join(t.TempDir(), "old.db")
	recording := filepath.Join(t.TempDir(), "old.pcap")
	write(t, recording, setBack(fixtures.Tap(t, sequential), time.Now().Add(-3*time.Hour)))
	mustAnalyze(t, recording, "--store", path)
	o := newOffice(t, nil)
	file := filepath.Join(t.TempDir(), "perfd.yaml")
	write(t, file, []byte("retention: {age: 72h}\n"))
	w := startWatchOf(t, path, "--config", file, "--rpc-port", o.port, "--pg-port", "1", "--evidence-process", "off")
	count := func() int {
		_, body := w.get("/api/v1/calls?class=all&limit=1000")
		return strings.Count(body, `"detail":`)
	}
	o.call(5, "new")
	until(t, "five calls", func() bool { return w.kept("new") == 5 })
	if n := count(); n < 50 {
		t.Errorf("%d calls, want the old ones too", n)
	}
	write(t, file, []byte("retention: {age: 1h}\n"))
	if err := w.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	w.await(`settings are reloaded.*retention\.age`)
	until(t, "old calls forgotten", func() bool { return count() == 5 })
	w.end()
}

// setBack makes a recording begin at another time.
func setBack(pcap []byte, to time.Time) []byte {
	const fileHeader, packetHeader = 24, 16
	pcap = bytes.Clone(pcap)
	first := binary.LittleEndian.Uint32(pcap[fileHeader:])
	for at := fileHeader; at < len(pcap); {
		seconds := pcap[at:]
		binary.LittleEndian.PutUint32(seconds, binary.LittleEndian.Uint32(seconds)-first+uint32(to.Unix()))
		at += packetHeader + int(binary.LittleEndian.Uint32(seconds[8:]))
	}
	return pcap
}

// TestWatchTaken starts perfd where another is.
func TestWatchTaken(t *testing.T) {
	if !canTap(t) {
		return
	}
	w := startWatch(t, "--rpc-port", "1", "--pg-port", "2", "--evidence-process", "off")
	refused := func(want string, args ...string) {
		t.Helper()
		all := append([]string{"watch", "--interface", "lo", "--rpc-port", "1", "--pg-port", "2", "--evidence-process", "off"}, args...)
		p := startPerfd(t, all...)
		<-p.ended
		if code, said := p.cmd.ProcessState.ExitCode(), p.stderr(); code != exitFailure || !strings.Contains(said, want) || strings.Count(said, "\n") != 1 {
			t.Errorf("perfd %s: exit %d, said %q, want %q", strings.Join(args, " "), code, said, want)
		}
	}
	elsewhere := filepath.Join(t.TempDir(), "other.db")
	refused("in use by another", "--listen", "127.0.0.1:0", "--store", w.store)
	refused("the port is in use; choose another with --listen", "--listen", strings.TrimPrefix(w.base, "http://"), "--store", elsewhere)
	refused("no such file or directory", "--listen", "127.0.0.1:0", "--store", filepath.Join(t.TempDir(), "no", "folder", "x.db"))
	w.end()
	if w := startWatchOf(t, w.store, "--rpc-port", "1", "--pg-port", "2", "--evidence-process", "off"); w.cmd.Process != nil {
		w.end()
	}
}

// TestWatchUnprivileged starts perfd without any capability.
func TestWatchUnprivileged(t *testing.T) {
	var nobody *syscall.Credential // who runs the test may have no privileges to begin with
	if os.Getuid() == 0 {
		nobody = &syscall.Credential{Uid: 65534, Gid: 65534, NoSetGroups: true}
	}
	if nobody == nil && capture.LivePermitted() == nil {
		t.Log("the test has the capability and cannot give it up")
		return
	}
	p := startPerfdAs(t, nobody, "watch", "--interface", "lo", "--rpc-port", "1", "--pg-port", "2", "--listen", "off",
		"--store", filepath.Join(t.TempDir(), "x.db"))
	<-p.ended
	said := p.stderr()
	if code := p.cmd.ProcessState.ExitCode(); code != exitFailure || !strings.Contains(said, "perfd: open tap: capability CAP_NET_RAW is missing") ||
		!strings.Contains(said, "setcap cap_net_raw+ep") {
		t.Errorf("exit %d, said %s", code, said)
	}
	if strings.Contains(said, "goroutine") {
		t.Errorf("it crashed: %s", said)
	}
}

// TestWatchPlayed plays recordings onto loopback: the watch stores the calls and statements that analyze does.
func TestWatchPlayed(t *testing.T) {
	if !canTap(t) {
		return
	}
	for _, name := range []string{"odoo18-a", "tryton60-a"} {
		t.Run(name, func(t *testing.T) { playWatched(t, name, func(run func()) { run() }) })
	}
}

// playWatched plays a recording onto loopback, in conditions that around brings about, and holds what a watch stores
// of it against what analyze does.
func playWatched(t *testing.T, name string, around func(run func())) {
	t.Helper()
	fromFile := filepath.Join(t.TempDir(), "file.db")
	mustAnalyze(t, fixtures.Path(t, name), "--store", fromFile)
	rpc, pg := rpclog.New(rpclog.Config{}, nil), sqltrace.New(sqltrace.Config{}, nil)
	script, err := play.Read(bytes.NewReader(fixtures.Tap(t, name)), rpc, pg)
	if err != nil {
		t.Fatal(err)
	}
	player, err := play.Open(script, play.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer player.Close()
	args := []string{"--evidence-process", "off"}
	for _, recorded := range script.Ports() {
		flag := "--pg-port"
		if recorded >= 8000 {
			flag = "--rpc-port"
		}
		args = append(args, flag, strconv.Itoa(int(player.Port(recorded))))
	}
	w := startWatch(t, args...)
	around(func() {
		if err := player.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	w.end()
	want, got := contents(t, fromFile), contents(t, w.store)
	if len(want) < 50 {
		t.Fatalf("%d calls and statements in the file", len(want))
	}
	equalLists(t, want, got)
}

// contents lists what a store has, but for times, addresses and who ran what. Quotes and spaces are left out of texts:
// with much to do, a watch leaves them as they were sent.
func contents(t *testing.T, path string) (all []string) {
	t.Helper()
	ctx := context.Background()
	s, err := store.Open(path, store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	plain := strings.NewReplacer(`"`, "", " ", "")
	statements := func(spans []store.Span) {
		for _, x := range spans {
			all = append(all, fmt.Sprintf("statement %v %.60s rows %d, %d bytes, %s", x.Kind, plain.Replace(x.Shape.Text), x.Rows, x.TextBytes, x.SQLState))
		}
	}
	var ids []rpclog.CallID
	if err := s.Scan(ctx, store.Filter{AllCalls: true}, func(b *store.Brief) { ids = append(ids, b.ID) }); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		d, err := s.Call(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("call %s %s %s %s uid %d login %q status %d error %q, %d and %d bytes",
			d.Verb, d.Path, d.Model, d.Method, d.UID, d.Login, d.Status, d.Error, d.RequestBytes, d.ResponseBytes))
		statements(d.Spans)
	}
	if err := s.BackgroundSpans(ctx, store.BackgroundFilter{}, func(_ *store.Background, spans []store.Span) { statements(spans) }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

// equalLists fails the test unless two sorted lists are equal, and names some of what one lacks.
func equalLists(t *testing.T, want, got []string) {
	t.Helper()
	t.Logf("%d calls and statements, want %d", len(got), len(want))
	count := make(map[string]int)
	for _, s := range want {
		count[s]++
	}
	for _, s := range got {
		count[s]--
	}
	told := 0
	for s, n := range count {
		if n != 0 && told < 10 {
			t.Errorf("%+d of %s", -n, s)
			told++
		}
	}
}
