package perfd_test

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/follow"
	"github.com/perfd/perfd/lab"
	"github.com/perfd/perfd/process"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace/pglog"
)

// TestLivePostgresLog lets users work with a real trytond whose connections to PostgreSQL are encrypted: calls
// come from the tap, statements from the server's log, while both are made.
func TestLivePostgresLog(t *testing.T) {
	if !canTap(t) {
		return
	}
	const prefix = "%m [%p] %q%u@%d %r "
	pg := lab.TrytonPostgreSQL(t, lab.PostgresConfig{
		TLS: true, LinePrefix: prefix, Settings: map[string]string{"log_min_duration_statement": "0"},
	})
	server := lab.RunTrytond(t, lab.TrytondConfig{
		Postgres: pg, Workers: 2, Route: lab.Route{Host: "127.0.0.1", Port: pg.Addr.Port(), SSLMode: "require"},
	})
	warmUp(t, server)
	alone := watchLog(t, server, pg, prefix, nil)
	threads := watchLog(t, server, pg, prefix, &process.Config{Threads: process.ThreadsBest})
	calls, err := lab.Crowd{Host: server.Addr.String(), Bursts: 4}.Work(t.Context())
	server.Stop()
	pg.Stop()
	info, err2 := os.Stat(pg.Log)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	alone.end(info.Size())
	threads.end(info.Size())
	noLoss(t, alone.got.traces)
	noLoss(t, threads.got.traces)
	want := server.Truth(calls)
	atLeast(t, "statements given to the right call", liveScore(t, want, alone.got.answers()).Attributed, byLog)
	if s := liveScore(t, want, threads.got.answers()); threads.observer.Stats().Threads.Source != process.ThreadsOff {
		atLeast(t, "statements given to the right call by their threads", s.Attributed, byLogAndThreads)
	}
}

// noLoss holds that a log lacks nothing: no call is marked as one whose statements may be others.
func noLoss(t *testing.T, traces []*analyzer.Trace) {
	t.Helper()
	for _, tr := range traces {
		if tr.Call.Gaps&rpclog.GapStatements != 0 {
			t.Errorf("%s.%s at %v is marked", tr.Call.Model, tr.Call.Method, tr.Call.Start)
		}
	}
}

// byLog is the least share of statements, in percent, that must go to the right call where a log tells of them. Its
// clock has milliseconds, it says nothing of the values in rows, and its lines come later than the packets.
// byLogAndThreads is the same where the threads that used the connections are known.
const (
	byLog           = 90
	byLogAndThreads = 99.9
)

// logWatching is a tap that sees calls, and a log that tells of statements.
type logWatching struct {
	got      collector
	observer *process.Observer // nil if there is none
	end      func(logged int64)
}

// watchLog watches until end is called with the length of the log.
func watchLog(t *testing.T, server *lab.Trytond, pg *lab.Postgres, prefix string, c *process.Config) *logWatching {
	t.Helper()
	w := &logWatching{}
	var h *house
	endObserver := func() {}
	if c == nil {
		h = newHouseWith(analyzer.Config{Live: true, Late: true}, &w.got)
	} else {
		w.observer, endObserver = observe(t, *c, pg.Addr.Port())
		h = newHouseWith(analyzer.Config{Live: true, Late: true, Witness: w.observer}, &w.got)
		h.engine = capture.NewEngine(capture.Config{}, seen{h.calls, w.observer}, seen{h.sql, w.observer})
	}
	log, err := pglog.New(pglog.Config{Server: func(netip.AddrPort) netip.AddrPort { return pg.Addr }, Prefix: prefix}, h.sql, &h.relay)
	if err != nil {
		t.Fatal(err)
	}
	in := &inbox{decoder: log, moved: make(chan struct{}, 1)}
	ctx, stop := context.WithCancel(t.Context())
	following := make(chan error, 1)
	often := follow.Config{Path: pg.Log, FromStart: true, Poll: 50 * time.Millisecond, Caught: in.caught}
	go func() { following <- follow.New(often).Run(ctx, in) }()
	end := tap(t, h, capture.LiveConfig{
		RPCPorts: []uint16{server.Addr.Port()}, PGPorts: []uint16{pg.Addr.Port()},
		Between: func(now time.Time) {
			if up := in.drain(now); up.Before(now) {
				now = up
			}
			h.relay.Advance(now)
		},
	})
	w.end = func(logged int64) {
		in.await(logged)
		end()
		stop()
		if err := <-following; err != nil {
			t.Error(err)
		}
		endObserver()
	}
	return w
}

// inbox keeps lines of a log until the goroutine that decodes packets takes them.
type inbox struct {
	decoder *pglog.Decoder // of that goroutine
	moved   chan struct{}  // told of each drain

	mu    sync.Mutex
	lines bytes.Buffer
	idle  bool
	taken int64
	up    time.Time
}

// Lines implements follow.Handler.
func (in *inbox) Lines(block []byte) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.lines.Write(block)
}

// Idle implements follow.Handler.
func (in *inbox) Idle() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.idle = true
}

func (in *inbox) caught(up time.Time) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.up = up
}

// drain returns up to when all lines are taken.
func (in *inbox) drain(now time.Time) time.Time {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.decoder.Lines(in.lines.Bytes())
	in.taken += int64(in.lines.Len())
	in.lines.Reset()
	if in.idle {
		in.decoder.Idle(now)
		in.idle = false
	}
	select {
	case in.moved <- struct{}{}:
	default:
	}
	return in.up
}

// await waits until n bytes were taken.
func (in *inbox) await(n int64) {
	for {
		in.mu.Lock()
		done := in.taken >= n
		in.mu.Unlock()
		if done {
			return
		}
		<-in.moved
	}
}
