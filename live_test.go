package perfd_test

import (
	"context"
	"errors"
	"testing"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/fixtures/truth"
	"github.com/perfd/perfd/lab"
	"github.com/perfd/perfd/process"
)

// liveSetups are the real servers that the tap is tried on.
var liveSetups = []struct {
	name  string
	setup lab.TrytondConfig
}{
	{"one threaded process", lab.TrytondConfig{}},
	{"gunicorn with several processes", lab.TrytondConfig{Workers: 3, Threads: 4}},
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

// tap sends what happens on loopback, on these ports and while work runs, through all stages of h.
func tap(t *testing.T, h *house, rpc, sql uint16, work func(context.Context) error) capture.LiveStats {
	t.Helper()
	live, err := capture.OpenLive(capture.LiveConfig{
		Interfaces: []string{"lo"}, RPCPorts: []uint16{rpc}, PGPorts: []uint16{sql},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- live.Run(ctx, h.engine) }()
	worked := work(t.Context())
	stop()
	if err := errors.Join(worked, <-ended, h.flush()); err != nil {
		t.Fatal(err)
	}
	stats := live.Stats()
	if err := live.Close(); err != nil {
		t.Error(err)
	}
	return stats
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

// TestLive lets users work with a real trytond and compares what the tap on loopback made of it, alone and with
// what the processes of this host tell, with what trytond noted.
func TestLive(t *testing.T) {
	if !canTap(t) {
		return
	}
	for _, c := range liveSetups {
		t.Run(c.name, func(t *testing.T) {
			c.setup.Postgres = lab.TrytonPostgreSQL(t, lab.PostgresConfig{})
			site := &site{server: lab.RunTrytond(t, c.setup), database: c.setup.Postgres.Addr.Port()}
			warmUp(t, site.server)
			t.Run("packets alone", site.packetsAlone)
			t.Run("with processes", func(t *testing.T) { site.withProcesses(t, process.ThreadsOff) })
			t.Run("with threads", func(t *testing.T) { site.withProcesses(t, process.ThreadsBest) })
		})
	}
}

// warmUp lets a server that has just started fill its caches. What it runs for that is not known yet from other
// calls, and nothing but that tells overlapping calls of several processes apart.
func warmUp(t *testing.T, server *lab.Trytond) {
	t.Helper()
	if _, err := (lab.Crowd{Host: server.Addr.String(), Bursts: 1, Seed: 1}).Work(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// site is a trytond at work.
type site struct {
	server   *lab.Trytond
	database uint16
}

// work lets users work while h is given what they cause.
func (s *site) work(t *testing.T, h *house) []lab.Call {
	t.Helper()
	var calls []lab.Call
	stats := tap(t, h, s.server.Addr.Port(), s.database, func(ctx context.Context) (err error) {
		calls, err = lab.Crowd{Host: s.server.Addr.String(), Bursts: 4}.Work(ctx)
		return err
	})
	if stats.Packets == 0 || stats.Drops != 0 {
		t.Errorf("tap: %d packets, %d dropped", stats.Packets, stats.Drops)
	}
	return calls
}

func (s *site) packetsAlone(t *testing.T) {
	var got collector
	calls := s.work(t, newHouse(&got))
	score := liveScore(t, s.server.Truth(calls), got.answers())
	atLeast(t, "statements given to the right call", score.Attributed, 97)
}

// Without threads, the owner of a connection that lasts a few milliseconds may be gone before it is looked for.
const ownersSeen = 97

func (s *site) withProcesses(t *testing.T, source process.ThreadSource) {
	observer, err := process.New(process.Config{DatabasePorts: []uint16{s.database}, Threads: source})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- observer.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	var got collector
	h := newHouse(&got)
	h.engine = capture.NewEngine(capture.Config{}, seen{h.calls, observer}, seen{h.sql, observer})
	calls := s.work(t, h)
	stats := observer.Stats()
	if stats.Sockets != nil {
		t.Fatalf("owners of sockets: %v", stats.Sockets)
	}
	var processes, threads truth.Share
	for _, u := range s.server.Uses(calls) {
		pid, tid := observer.Worker(u.Local, u.Remote, u.From, u.To)
		processes = plus(processes, pid == u.PID)
		threads = plus(threads, pid == u.PID && tid == u.TID)
	}
	t.Logf("of %d uses process %.3f %%, thread %.3f %%; %+v", processes.Of, 100*processes.Rate(), 100*threads.Rate(), stats)
	atLeast(t, "processes", processes, ownersSeen)
	if stats.Threads.Source != process.ThreadsOff { // else not wanted, or not permitted here
		atLeast(t, "threads", threads, 99.9)
	}
	liveScore(t, s.server.Truth(calls), got.answers())
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
