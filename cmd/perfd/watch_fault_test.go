package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/perfd/perfd/lab"
	"github.com/perfd/perfd/store"
)

// well fails the test unless a watch is alive, within its memory, and leaves nothing out.
func (w *watch) well() {
	w.t.Helper()
	if status, body := w.get("/readyz"); status != http.StatusOK {
		w.t.Errorf("/readyz: status %d, %s", status, body)
	}
	if used, bound := w.metric("memory_used_bytes"), w.metric("memory_bound_bytes"); used == 0 || used >= bound {
		w.t.Errorf("%v bytes of %v are in use", used, bound)
	}
	if level := w.metric("shed_level"); level != 0 {
		w.t.Errorf("level %v is left out", level)
	}
}

// packets is how many passed the tap's filter, those dropped included.
func (w *watch) packets() float64 {
	return w.metric("tap_packets_total") + w.metric("tap_dropped_packets_total")
}

// condition is what the pages tell of a watch.
type condition struct {
	Taps []tapped
	Shed struct {
		Level  int
		Detail string
		Bytes  float64
	}
	Store struct {
		Error string
		Lost  int64
	}
	Notices []notice
}

type tapped struct {
	Name, State, Detail string
	Drops               int64
}

type notice struct{ Severity, Title string }

func (w *watch) condition() condition {
	w.t.Helper()
	_, body := w.get("/api/v1/state")
	var told struct{ State condition }
	if err := json.Unmarshal([]byte(body), &told); err != nil {
		w.t.Fatalf("state: %v: %.300s", err, body)
	}
	return told.State
}

// source is the state, in a word, and the details of one of what a watch taps.
func (w *watch) source(name string) (state, detail string) {
	w.t.Helper()
	for _, tap := range w.condition().Taps {
		if tap.Name == name {
			return tap.State, tap.Detail
		}
	}
	return "", ""
}

// TestWatchFaults has one perfd watch while things go wrong, one after the other.
func TestWatchFaults(t *testing.T) {
	if !canTap(t) {
		return
	}
	pg := lab.PostgreSQL(t, lab.PostgresConfig{})
	o := newOffice(t, pg)
	w := startWatch(t, "--rpc-port", o.port, "--pg-port", strconv.Itoa(int(pg.Addr.Port())))
	w.sees(o, "begin", officeStatements)
	w.well()
	for _, f := range []struct {
		name string
		do   func(t *testing.T)
	}{
		{"garbage", func(t *testing.T) {
			for _, addr := range []string{o.addr, pg.Addr.String()} {
				sendGarbage(t, addr)
			}
			// What is no HTTP and no PostgreSQL is told apart, and does no harm.
			until(t, "it is counted", func() bool {
				return w.metric(`connections_total{protocol="other"}`) > 0 && w.metric(`encrypted_connections_total{protocol="http"}`) > 0
			})
		}},
		{"PostgreSQL restarted", func(t *testing.T) {
			stop, calls := make(chan struct{}), make(chan int)
			go func() {
				n := 0
				for ; ; n++ {
					select {
					case <-stop:
						calls <- n
						return
					default:
						_, _ = o.ask("meanwhile", "") // PostgreSQL may refuse it
					}
				}
			}()
			pg.Stop()
			pg.Start()
			close(stop)
			n := <-calls
			if n == 0 {
				t.Error("no calls were made meanwhile")
			}
			// Those that PostgreSQL refused are shown as what they were.
			until(t, "the calls of that time are told", func() bool {
				_, text := w.get("/metrics")
				return len(w.rows("meanwhile")) == min(n, 1000) && strings.Contains(text, `perfd_calls_total{method="meanwhile",model="res.partner",outcome="error"`)
			})
		}},
		{"many connections", func(t *testing.T) {
			const conns, processes = 100_000, 500 // each is a process at PostgreSQL
			threads, packets := w.metric("go_goroutines"), w.packets()
			dropConnections(t, conns, o.addr)
			dropConnections(t, processes, pg.Addr.String())
			until(t, "their packets are told", func() bool { return w.packets() >= packets+3*conns })
			if n := w.metric("go_goroutines"); n > threads+10 {
				t.Errorf("%v goroutines, %v before", n, threads)
			}
			t.Logf("%v of %v packets were dropped, %.0f MiB in use", w.metric("tap_dropped_packets_total"), w.packets(), w.metric("memory_used_bytes")/(1<<20))
		}},
		{"a client that reads nothing", func(t *testing.T) {
			// Pages that nobody reads must not hold anybody up.
			c, err := net.Dial("tcp", strings.TrimPrefix(w.base, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			fmt.Fprintf(c, "GET /api/v1/live HTTP/1.1\r\nHost: %s\r\n\r\n", strings.TrimPrefix(w.base, "http://"))
			fmt.Fprintf(c, "GET /metrics HTTP/1.1\r\nHost: ")
		}},
	} {
		if !t.Run(f.name, func(t *testing.T) {
			f.do(t)
			w.sees(o, "after-"+strings.ReplaceAll(f.name, " ", "-"), officeStatements)
			w.well()
		}) {
			break
		}
	}
	w.end()
	if said := w.stderr(); strings.Contains(said, "panic") || strings.Contains(said, "goroutine ") {
		t.Errorf("perfd said: %s", said)
	}
}

// sendGarbage sends what no client sends.
func sendGarbage(t *testing.T, addr string) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 1<<16)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	hello := "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
	for i := range 20 {
		for _, text := range []string{
			string(noise[i*1000 : i*1000+1+rng.IntN(8000)]), hello + string(noise[:500]), "",
			"POST /web/dataset/call_kw HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999\r\n\r\n{\"jsonrpc\"",
			"POST /jsonrpc HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", "GET / HTTP/1.1\r\nX: " + string(noise[:20000]),
			"\x7f\xff\xff\xff\x00\x03\x00\x00user\x00", "\x00\x00\x00\x08\x04\xd2\x16\x2f", "\x00\x00\x00\x00", "Q\xff\xff\xff\xffSELECT 1",
			"POST /xmlrpc/2/object HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: 30\r\n\r\n<methodCall><methodName><<<<<<",
		} {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Write([]byte(text))
			if err := errors.Join(err, c.Close()); err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
				t.Fatal(err)
			}
		}
	}
}

// dropConnections opens n connections and drops them before a word is said.
func dropConnections(t *testing.T, n int, addr string) {
	t.Helper()
	var made atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				i := made.Add(1)
				if i > int64(n) {
					return
				}
				c, err := net.Dial("tcp", addr)
				if err != nil {
					continue // the server may have too many for the moment
				}
				if tcp, ok := c.(*net.TCPConn); ok {
					_ = tcp.SetLinger(0) // no TIME_WAIT: ports are few
				}
				_ = c.Close()
			}
		})
	}
	wg.Wait()
}

// TestWatchStalled stops a perfd under load for longer than its ring holds. It says what it missed, and is itself
// again after that.
func TestWatchStalled(t *testing.T) {
	if !canTap(t) {
		return
	}
	o := newOffice(t, nil)
	w := startWatch(t, "--rpc-port", o.port, "--pg-port", "1", "--evidence-process", "off")
	w.sees(o, "begin", 0)
	signal := func(s os.Signal) {
		if err := w.cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	signal(syscall.SIGSTOP)
	large := strings.Repeat("x", 30<<10)
	for range 1000 { // 30 MB, twice
		if _, err := o.ask("stalled", large); err != nil {
			t.Fatal(err)
		}
	}
	<-time.After(3 * time.Second) // how long the decoders stand still is the fault itself
	signal(syscall.SIGCONT)
	w.await(`packets were dropped`)
	if n := w.metric("tap_dropped_packets_total"); n == 0 {
		t.Error("no dropped packets are told of")
	}
	until(t, "calls are kept whole again", func() bool { // those made while something is left out never are
		o.call(1, "again")
		return w.kept("again") > 0 && w.metric("shed_level") == 0
	})
	until(t, "the pages tell of dropped packets, and of what connections lack", func() bool {
		c := w.condition()
		return slices.ContainsFunc(c.Taps, func(tap tapped) bool { return tap.Name == "ring" && tap.Drops > 0 }) &&
			slices.ContainsFunc(c.Notices, func(n notice) bool { return strings.HasPrefix(n.Title, "Connections lack bytes") })
	})
	w.sees(o, "after", 0)
	w.well()
	w.end()
}

// TestWatchShedsAndCounts gives perfd less of a processor than it needs: what it leaves out it counts, everywhere.
func TestWatchShedsAndCounts(t *testing.T) {
	if !canTap(t) {
		return
	}
	pg := lab.PostgreSQL(t, lab.PostgresConfig{})
	o := newOffice(t, pg)
	w := startWatch(t, "--rpc-port", o.port, "--pg-port", strconv.Itoa(int(pg.Addr.Port())), "--cpu", "0.0001")
	until(t, "single calls are left out, and counted", func() bool {
		o.call(3, "hurried")
		return w.metric("shed_level") == 3 && w.metric(`shed_bytes_total{protocol="postgresql"}`) > 0 &&
			w.metric(`shed_total{kind="call"}`) > 0
	})
	w.await(`"left out"=statements.*"bytes not decoded"=`)
	w.await(`"left out"="single calls".*"bytes not decoded"=`)
	bytes := w.metric(`shed_bytes_total{protocol="postgresql"}`)
	if n := w.metric(`shed_bytes_total{protocol="http"}`); n != 0 {
		t.Errorf("%v bytes of HTTP are left out too", n)
	}
	if shown := w.condition().Shed; shown.Level != 3 || shown.Detail != "single calls" || shown.Bytes < bytes {
		t.Errorf("the pages show %+v of %v bytes", shown, bytes)
	}
	w.end()
}

// TestWatchKilled kills a perfd amid traffic, again and again: the store opens clean, and what ended a second before
// the kill stands in it.
func TestWatchKilled(t *testing.T) {
	if !canTap(t) {
		return
	}
	o := newOffice(t, nil)
	path := filepath.Join(t.TempDir(), "killed.db")
	safe := 0 // calls that must be in the store
	for round := range 3 {
		w := startWatchOf(t, path, "--rpc-port", o.port, "--pg-port", "1", "--evidence-process", "off")
		var ends []time.Time
		pace := time.NewTicker(2 * time.Millisecond)
		for began := time.Now(); time.Since(began) < 1500*time.Millisecond; <-pace.C {
			if _, err := o.ask(fmt.Sprintf("round%d", round), ""); err != nil {
				t.Fatal(err)
			}
			ends = append(ends, time.Now())
		}
		if code := w.stop(syscall.SIGKILL); code != -1 {
			t.Fatalf("exit %d", code)
		}
		killed := time.Now()
		for _, end := range ends {
			if killed.Sub(end) > time.Second {
				safe++
			}
		}
		s, err := store.Open(path, store.Config{})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		have := 0
		if err := errors.Join(s.Scan(t.Context(), store.Filter{AllCalls: true}, func(*store.Brief) { have++ }), s.Close()); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		t.Logf("round %d: %d calls made, %d in the store, at least %d expected", round, len(ends), have, safe)
		if have < safe {
			t.Errorf("round %d: %d calls in the store, want %d", round, have, safe)
		}
		safe = have
	}
	if code, out, errOut := perfd(t, nil, "analyze", path); code != exitPartial || !strings.Contains(out, "round2") ||
		!strings.Contains(errOut, "the perfd that wrote the store was killed") || strings.Contains(out, " 1 packet") {
		t.Errorf("perfd analyze of what a killed perfd left: exit %d, %s %.300s", code, errOut, out)
	}
	w := startWatchOf(t, path, "--rpc-port", o.port, "--pg-port", "1", "--evidence-process", "off")
	w.sees(o, "last", 0)
	if code, out, errOut := perfd(t, nil, "analyze", path); code != exitOK || errOut != "" || !strings.Contains(out, "The recording goes on") ||
		!strings.Contains(out, "round2") || strings.Contains(out, "ends early") || strings.Contains(out, " 1 packet") {
		t.Errorf("perfd analyze while perfd watches: exit %d, %s %.600s", code, errOut, out)
	}
	w.end()
	if out := mustAnalyze(t, path); !strings.Contains(out, "round2") || strings.Contains(out, "goes on") {
		t.Errorf("perfd analyze: %.300s", out)
	}
}

// TestWatchLogRotated has statements come from a log that its server rotates, and that its user alone may read.
func TestWatchLogRotated(t *testing.T) {
	if !canTap(t) {
		return
	}
	pg := lab.PostgreSQL(t, lab.PostgresConfig{Log: "jsonlog", Settings: map[string]string{
		"log_min_duration_statement": "0", "log_file_mode": "0600",
	}})
	o := newOffice(t, pg)
	absent := filepath.Join(t.TempDir(), "odoo.log")
	w := startWatch(t, "--rpc-port", o.port, "--pg-log", pg.Log, "--odoo-log", absent)
	w.await(`log cannot be read.*odoo\.log.*no such file yet`)
	until(t, "the log is followed", func() bool {
		o.call(1, "first")
		return w.statements("first") > 0
	})
	// A log tells later than packets do, on a busy machine sometimes too late.
	const calls, most = 10, 10 * officeStatements * 9 / 10
	sees := func(method string) {
		t.Helper()
		o.call(calls, method)
		if !soon(func() bool { return w.statements(method) >= most }) {
			t.Fatalf("%d calls of %s have %d statements, want %d: %s", calls, method, w.statements(method), calls*officeStatements, w.stderr())
		}
	}
	sees("before")
	if state, detail := w.source(pg.Log); state != "up" || !strings.HasSuffix(detail, " lines") {
		t.Errorf("the pages say of the log: %s, %s", state, detail)
	}
	if state, detail := w.source(absent); state != "blind" || detail != "no such file yet" {
		t.Errorf("the pages say of a log that is not there: %s, %s", state, detail)
	}
	if n := w.metric(`log_up{log="postgresql"}`) - w.metric(`log_up{log="odoo"}`); n != 1 {
		t.Error("the figures do not tell which log is read")
	}
	write(t, absent, []byte("now it is there\n"))
	w.await(`log is read again.*odoo\.log`)
	if err := os.Rename(pg.Log, pg.Log+".1"); err != nil {
		t.Fatal(err)
	}
	o.call(1, "between")
	pg.Exec("postgres", "select pg_rotate_logfile()")
	until(t, "a new log", func() bool {
		_, err := os.Stat(pg.Log)
		return err == nil
	})
	sees("after")
	w.well()
	if n := w.metric(`log_rotations_total{log="postgresql"}`); n != 1 {
		t.Errorf("%v rotations are told", n)
	}
	until(t, "the pages tell of it", func() bool {
		state, detail := w.source(pg.Log)
		return state == "up" && strings.HasSuffix(detail, ", rotated 1 time")
	})
	if w.metric(`log_up{log="odoo"}`) != 1 {
		t.Error("a log that came later is not read")
	}
	w.end()
}
