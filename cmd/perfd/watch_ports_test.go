package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/perfd/perfd/lab"
)

func TestChoosePorts(t *testing.T) {
	usual := []uint16{8069, 8072}
	many := make([]uint16, maxPorts)
	for i := range many {
		many[i] = uint16(1000 + i)
	}
	for _, tt := range []struct {
		what               string
		set, found, before []uint16
		known              bool
		want               []uint16
		sure               bool
	}{
		{"nothing is there", nil, nil, nil, false, usual, false},
		{"nothing is there yet", nil, nil, usual, false, usual, false},
		{"set", []uint16{1}, []uint16{2}, []uint16{3}, true, []uint16{1}, true},
		{"found, twice", nil, []uint16{9, 8, 9}, usual, false, []uint16{8, 9}, true},
		{"gone for a while", nil, nil, []uint16{8, 9}, true, []uint16{8, 9}, true},
		{"another comes", nil, []uint16{7}, []uint16{8, 9}, true, []uint16{7, 8, 9}, true},
		{"one of two is gone", nil, []uint16{9}, []uint16{8, 9}, true, []uint16{8, 9}, true},
		{"too many have come and gone", nil, []uint16{7}, many, true, []uint16{7}, true},
		{"as many as may be, all gone", nil, nil, many, true, many, true},
	} {
		got, sure := choose(tt.set, tt.found, tt.before, tt.known, usual)
		if !slices.Equal(got, tt.want) || sure != tt.sure {
			t.Errorf("%s: %v, %v, want %v, %v", tt.what, got, sure, tt.want, tt.sure)
		}
	}
}

// TestWatchOtherPorts has a call run while other ports are found: it is seen whole, with all its statements.
func TestWatchOtherPorts(t *testing.T) {
	if !canTap(t) {
		return
	}
	pg := lab.PostgreSQL(t, lab.PostgresConfig{})
	begun, goOn := make(chan struct{}), make(chan struct{})
	work := func(ctx context.Context, spanning bool) error {
		db, err := pgx.Connect(ctx, pg.DSN("postgres", "disable"))
		if err != nil {
			return err
		}
		tx, err := db.Begin(ctx)
		if err != nil {
			return errors.Join(err, db.Close(ctx))
		}
		_, err = tx.Exec(ctx, "SELECT $1::int AS before", 1)
		if spanning {
			close(begun)
			select {
			case <-goOn:
			case <-ctx.Done():
			}
		}
		_, err2 := tx.Exec(ctx, "SELECT $1::int AS after", 2)
		return errors.Join(err, err2, tx.Commit(ctx), db.Close(ctx))
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if err := work(r.Context(), strings.HasSuffix(r.URL.Path, "/spanning")); err != nil {
			t.Errorf("work: %v", err)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":true}`)
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	o := &office{t: t, url: server.URL}
	pretendOdoo(t, server.Listener)
	w := startWatch(t, "--pg-port", strconv.Itoa(int(pg.Addr.Port())))
	until(t, "the server is found", func() bool {
		o.call(1, "early")
		return w.kept("early") > 0
	})
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		if status, err := o.ask("spanning", ""); err != nil || status != http.StatusOK {
			t.Errorf("status %d, %v", status, err)
		}
	}()
	<-begun
	another, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer another.Close()
	pretendOdoo(t, another)
	w.await(fmt.Sprintf(`other ports are tapped.*rpc="?\[[^]]*\b%d\b`, another.Addr().(*net.TCPAddr).Port))
	close(goOn)
	<-answered
	if !soon(func() bool { return w.kept("spanning") == 1 }) {
		t.Errorf("the call is not seen: %s", w.stderr())
	}
	if n := w.statements("spanning"); n != 4 {
		_, background := w.get("/api/v1/background")
		t.Errorf("%d statements of the call, want begin, two and commit; background: %s", n, background)
	}
	if n := w.metric("gaps_total"); n != 0 {
		t.Errorf("%v gaps", n)
	}
	w.end()
}

// pretendOdoo starts a process that looks like an Odoo and has a listening socket.
func pretendOdoo(t *testing.T, ln net.Listener) {
	t.Helper()
	socket, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	path, err := exec.LookPath("cat")
	if err != nil {
		t.Fatal(err)
	}
	odoo := &exec.Cmd{Path: path, Args: []string{"odoo: WorkerHTTP"}, ExtraFiles: []*os.File{socket}}
	stdin, err := odoo.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(odoo.Start(), socket.Close()); err != nil {
		t.Fatal(err)
	}
	raw, err := ln.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = syscall.SetNonblock(int(fd), true) }); err != nil || failed != nil { // exec undid it
		t.Fatal(err, failed)
	}
	t.Cleanup(func() { _ = errors.Join(stdin.Close(), odoo.Wait()) }) // it has nothing to say
}

// The memory in use is measured, and garbage does not make anything be left out.
func TestMemoryOfGarbage(t *testing.T) {
	const bound = 1 << 30
	m := newMemory(bound)
	t.Cleanup(func() { debug.SetMemoryLimit(math.MaxInt64) })
	before, _ := m.measure()
	garbage := make([][]byte, 64)
	for i := range garbage {
		garbage[i] = bytes.Repeat([]byte{1}, 1<<20)
	}
	kept, share := m.measure()
	if kept < before+32<<20 {
		t.Errorf("%d MiB are in use, %d before 64 more were taken", kept>>20, before>>20)
	}
	runtime.KeepAlive(garbage)
	if share <= 0 || share >= 1 {
		t.Errorf("share %v", share)
	}
	runtime.GC()
	if _, after := m.measure(); after >= share+0.02 {
		t.Errorf("share %v with garbage alone, %v before", after, share)
	}
}
