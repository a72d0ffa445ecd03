package perfd_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/fixtures/truth"
	"github.com/perfd/perfd/lab"
	"github.com/perfd/perfd/process"
)

// liveSetups are the real servers that the tap is tried on.
var liveSetups = []struct {
	name  string
	setup lab.TrytondConfig
	exact float64 // least share of statements, in percent, that must go to the right call where threads are known
}{
	{"one threaded process", lab.TrytondConfig{}, 99.9},
	{"gunicorn with several processes", lab.TrytondConfig{Workers: 3, Threads: 4}, 99.9},
}

// canTap tells whether packets can be tapped here. Where they cannot, it checks that the tap says so and what
// to do.
func canTap(t *testing.T) bool {
	t.Helper()
	refused := capture.LivePermitted()
	if refused == nil {
		return true
	}
	_, err := capture.OpenLive(capture.LiveConfig{Interfaces: []string{"lo"}})
	var told *capture.LiveError
	if !errors.As(err, &told) || told.Hint == "" {
		t.Errorf("tap that is not permitted: %v, want an error with a hint", err)
	}
	t.Logf("not tapped: %v", refused)
	return false
}

// tap sends what happens on loopback through all stages of h until stop is called, which ends h's recording.
func tap(t *testing.T, h *house, c capture.LiveConfig) (stop func()) {
	t.Helper()
	c.Interfaces = []string{"lo"}
	live, err := capture.OpenLive(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- live.Run(ctx, h.engine) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-ended, h.flush()); err != nil {
			t.Error(err)
		}
		if stats := live.Stats(); stats.Packets == 0 || stats.Drops != 0 {
			t.Errorf("tap: %d packets, %d dropped", stats.Packets, stats.Drops)
		}
		if err := live.Close(); err != nil {
			t.Error(err)
		}
	})
}

// liveScore fails the test unless every call was seen as it was, and all statements but a very few.
func liveScore(t *testing.T, want truth.Record, got truth.Answers) truth.Score {
	t.Helper()
	s := truth.Judge(want, got)
	t.Logf("%d calls, %d statements: attributed %.2f %%, method %.2f %%, sure %d of %d",
		s.Calls.Of, s.Found.Of, 100*s.Attributed.Rate(), 100*s.MethodRight.Rate(), s.Sure.Right, s.Sure.Of)
	for what, share := range map[string]truth.Share{
		"calls": s.Calls, "paths": s.Path, "models": s.Model, "methods": s.Method, "statuses": s.Status,
		"errors": s.Failed, "users": s.UID,
	} {
		atLeast(t, what, share, 100)
	}
	if s.Extra != 0 {
		t.Errorf("%d calls that nobody made", s.Extra)
	}
	atLeast(t, "statements", s.Found, 99.9)
	return s
}

// TestLive lets users work with a real trytond and compares what perfd makes of it with what trytond noted: from
// packets alone, with the owners of sockets, and with the threads that used them. All three watch the same work.
func TestLive(t *testing.T) {
	if !canTap(t) {
		return
	}
	var all, threads truth.Share
	for _, c := range liveSetups {
		t.Run(c.name, func(t *testing.T) {
			c.setup.Postgres = lab.TrytonPostgreSQL(t, lab.PostgresConfig{})
			server := lab.RunTrytond(t, c.setup)
			warmUp(t, server)
			ports := capture.LiveConfig{
				RPCPorts: []uint16{server.Addr.Port()}, PGPorts: []uint16{c.setup.Postgres.Addr.Port()},
			}
			watches := []*watching{
				watch(t, "packets alone", ports, nil),
				watch(t, "owners of sockets", ports, &process.Config{Threads: process.ThreadsOff}),
				watch(t, "threads", ports, &process.Config{Threads: process.ThreadsBest}),
			}
			calls, err := lab.Crowd{Host: server.Addr.String(), Bursts: 4}.Work(t.Context())
			for _, w := range watches {
				w.end()
			}
			if err != nil {
				t.Fatal(err)
			}
			want, uses := server.Truth(calls), server.Uses(calls)
			for _, w := range watches {
				t.Run(w.name, func(t *testing.T) {
					s := w.judge(t, want, uses, c.exact)
					switch {
					case w.observer == nil:
						all.Right, all.Of = all.Right+s.Right, all.Of+s.Of
					case w.observer.Stats().Threads.Source != process.ThreadsOff:
						threads.Right, threads.Of = threads.Right+s.Right, threads.Of+s.Of
					}
				})
			}
		})
	}
	atLeast(t, "statements given to the right call from packets alone", all, 97)
	if threads.Of > 0 { // else not permitted here
		atLeast(t, "statements given to the right call by their threads, of both servers", threads, 99.85)
	}
}

// byPackets is the least share of statements, in percent, that must go to the right call of any one server without
// the help of process evidence. On average it is above 98, but one time is not like another.
const byPackets = 95

// watching is a tap with all that comes after it, and perhaps an observer of processes.
type watching struct {
	name     string
	got      collector
	observer *process.Observer // nil if there is none
	end      func()
}

// watch begins to watch and does so until end is called.
func watch(t *testing.T, name string, ports capture.LiveConfig, c *process.Config) *watching {
	t.Helper()
	w := &watching{name: name}
	if c == nil {
		w.end = tap(t, newHouse(&w.got), ports)
		return w
	}
	observer, endObserver := observe(t, *c, ports.PGPorts...)
	w.observer = observer
	h := newHouseWith(analyzer.Config{Witness: observer}, &w.got)
	h.engine = capture.NewEngine(capture.Config{}, seen{h.calls, observer}, seen{h.sql, observer})
	stop := tap(t, h, ports)
	w.end = func() {
		stop()
		endObserver()
	}
	return w
}

// observe watches processes until end is called.
func observe(t *testing.T, c process.Config, databases ...uint16) (o *process.Observer, end func()) {
	t.Helper()
	c.DatabasePorts = databases
	o, err := process.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- o.Run(ctx) }()
	return o, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// ownersKnown is the share of uses of connections, in percent, whose process must be known without threads: who
// owns a connection of a few milliseconds may be gone before it is asked for, more often on a busy machine.
const ownersKnown = 80

// judge returns how many statements went to the right call.
func (w *watching) judge(t *testing.T, want truth.Record, uses []lab.Use, exact float64) truth.Share {
	score := liveScore(t, want, w.got.answers())
	atLeast(t, "statements given to the right call", score.Attributed, byPackets)
	if w.observer == nil {
		return score.Attributed
	}
	var processes, threads truth.Share
	for _, u := range uses {
		pid, tid := w.observer.Worker(u.Local, u.Remote, u.From, u.To)
		processes = plus(processes, pid == u.PID)
		threads = plus(threads, pid == u.PID && tid == u.TID)
	}
	stats := w.observer.Stats()
	t.Logf("of %d uses process %.3f %%, thread %.3f %%; %+v", processes.Of, 100*processes.Rate(), 100*threads.Rate(), stats)
	if stats.Sockets != nil {
		t.Errorf("owners of sockets: %v", stats.Sockets)
	}
	atLeast(t, "processes", processes, ownersKnown)
	if stats.Threads.Source != process.ThreadsOff { // else not wanted, or not permitted here
		atLeast(t, "threads", threads, 99.5) // 100 where the machine is not busy
		atLeast(t, "statements given to the right call by their threads", score.Attributed, exact)
	}
	return score.Attributed
}

// warmUp lets a server that has just started fill its caches. What it runs for that is not known yet from other
// calls, and nothing but that tells overlapping calls of several processes apart.
func warmUp(t *testing.T, server *lab.Trytond) {
	t.Helper()
	if _, err := (lab.Crowd{Host: server.Addr.String(), Bursts: 1, Seed: 1}).Work(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func plus(s truth.Share, right bool) truth.Share {
	s.Of++
	if right {
		s.Right++
	}
	return s
}

// seen tells an observer of the connections that a protocol claims.
type seen struct {
	capture.Protocol
	observer *process.Observer
}

func (s seen) NewStream(c capture.Conn) capture.Stream {
	s.observer.Seen(c.Client, c.Server, c.Opened)
	return s.Protocol.NewStream(c)
}
