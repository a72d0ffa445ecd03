package pglog_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/follow"
	"github.com/perfd/perfd/lab"
	"github.com/perfd/perfd/sqltrace"
	"github.com/perfd/perfd/sqltrace/pglog"
)

// seen is what a decoder found of each server process, and who waits for one's end.
type seen struct {
	mu         sync.Mutex
	sessions   map[int32]*sqltrace.Session
	statements map[int32][]*sqltrace.Statement
	plans      map[*sqltrace.Statement][]*pglog.Plan
	events     []*pglog.Event
	ended      map[int32]bool
	more       *sync.Cond
	decoder    *sqltrace.Decoder
}

func newSeen() *seen {
	s := &seen{sessions: map[int32]*sqltrace.Session{}, statements: map[int32][]*sqltrace.Statement{}, plans: map[*sqltrace.Statement][]*pglog.Plan{}, ended: map[int32]bool{}}
	s.more = sync.NewCond(&s.mu)
	s.decoder = sqltrace.New(sqltrace.Config{}, s)
	return s
}

func (s *seen) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	s.more.Broadcast()
}

func (s *seen) Opened(*sqltrace.Session) {}

func (s *seen) Statement(st *sqltrace.Statement) {
	s.change(func() { s.statements[st.Session.Backend] = append(s.statements[st.Session.Backend], st) })
}

func (s *seen) Closed(x *sqltrace.Session, _ time.Time) {
	s.change(func() { s.sessions[x.Backend], s.ended[x.Backend] = x, true })
}

func (s *seen) Plan(st *sqltrace.Statement, p *pglog.Plan) {
	s.change(func() { s.plans[st] = append(s.plans[st], p) })
}

func (s *seen) Event(e *pglog.Event) { s.change(func() { s.events = append(s.events, e) }) }

// wait waits until ok says so, and fails when the test's time is over.
func (s *seen) wait(ctx context.Context, t *testing.T, what string, ok func() bool) {
	t.Helper()
	stop := context.AfterFunc(ctx, func() { s.change(func() {}) })
	defer stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for !ok() {
		if ctx.Err() != nil {
			t.Fatalf("%s did not come", what)
		}
		s.more.Wait()
	}
}

// reader gives a follower's lines to a decoder.
type reader struct{ *pglog.Decoder }

func (r reader) Idle() { r.Decoder.Idle(time.Now()) }

// wire relays connections to the server and shows a decoder what passes, as a tap would.
type wire struct {
	*seen
	server   string
	listener net.Listener
	wg       sync.WaitGroup
	mu       sync.Mutex // guards the decoder
	last     capture.ConnID
}

func newWire(t *testing.T, server string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{seen: newSeen(), server: server, listener: l}
	w.wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			w.wg.Go(func() { w.relay(client) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		w.wg.Wait()
	})
	return w
}

func (w *wire) relay(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", w.server)
	if err != nil {
		return // the client's error tells
	}
	defer server.Close()
	w.mu.Lock()
	w.last++
	// The server sees the relay's address as its client's.
	stream := w.decoder.NewStream(capture.Conn{ID: w.last, Client: netip.MustParseAddrPort(server.LocalAddr().String()), Opened: time.Now()})
	w.mu.Unlock()
	pass := func(dir capture.Dir, to, from net.Conn) {
		buf := make([]byte, 4096)
		for {
			n, err := from.Read(buf)
			if n > 0 {
				w.mu.Lock()
				stream.Chunk(capture.Chunk{Dir: dir, Time: time.Now(), Data: buf[:n]})
				w.mu.Unlock()
				if _, err := to.Write(buf[:n]); err != nil {
					return
				}
			}
			if err != nil {
				_ = to.(*net.TCPConn).CloseWrite()
				return
			}
		}
	}
	var both sync.WaitGroup
	both.Go(func() { pass(capture.ToServer, server, client) })
	both.Go(func() { pass(capture.ToClient, client, server) })
	both.Wait()
	w.mu.Lock()
	stream.Close(time.Now())
	w.mu.Unlock()
}

// bench is a real server that logs in all forms, a follower of each, and a relay that knows the truth.
type bench struct {
	ctx  context.Context
	pg   *lab.Postgres
	wire *wire
	logs map[string]*seen
}

func newBench(t *testing.T) *bench {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	b := &bench{ctx: ctx, logs: map[string]*seen{}}
	b.pg = lab.PostgreSQL(t, lab.PostgresConfig{Log: "csvlog", LinePrefix: "%m [%p] %q%r %u@%d ", Settings: map[string]string{
		"log_destination": "stderr,csvlog,jsonlog", "log_connections": "on", "log_disconnections": "on",
		"log_lock_waits": "on", "deadlock_timeout": "10ms", "log_temp_files": "0", "work_mem": "64kB",
	}})
	b.wire = newWire(t, b.pg.Addr.String())
	var wg sync.WaitGroup
	running, stop := context.WithCancel(t.Context())
	t.Cleanup(func() {
		stop()
		wg.Wait()
	})
	for _, name := range []string{"server.log", "server.csv", "server.json"} {
		s := newSeen()
		d, err := pglog.New(pglog.Config{}, s.decoder, s)
		if err != nil {
			t.Fatal(err)
		}
		b.logs[name] = s
		f := follow.New(follow.Config{Path: filepath.Join(filepath.Dir(b.pg.Log), name), FromStart: true, Poll: 10 * time.Millisecond})
		wg.Go(func() {
			if err := f.Run(running, reader{d}); err != nil {
				t.Error(err)
			}
			// Before the first connection the prefix is not known for sure.
			if s := d.Stats(); s.Unread != 0 || s.Resolution != time.Millisecond {
				t.Errorf("%s: %+v", name, s)
			}
		})
	}
	return b
}

// connect opens a connection through the relay whose session has these settings.
func (b *bench) connect(t *testing.T, settings ...string) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig(b.pg.DSN("postgres", "disable"))
	if err != nil {
		t.Fatal(err)
	}
	at := netip.MustParseAddrPort(b.wire.listener.Addr().String())
	config.Port = at.Port()
	config.RuntimeParams["application_name"] = "a shop"
	config.RuntimeParams["options"] = "-c " + strings.Join(settings, " -c ")
	conn, err := pgx.ConnectConfig(b.ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// leave closes a connection and waits until every log told so.
func (b *bench) leave(t *testing.T, conn *pgx.Conn) int32 {
	t.Helper()
	pid := int32(conn.PgConn().PID())
	check(t, conn.Close(b.ctx))
	for name, s := range b.logs {
		s.wait(b.ctx, t, fmt.Sprintf("the end of %d in %s", pid, name), func() bool { return s.ended[pid] })
	}
	b.wire.wait(b.ctx, t, "the connection's end", func() bool { return b.wire.ended[pid] })
	return pid
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// work runs statements in all the ways that clients have. rotate is called in the middle of it.
func (b *bench) work(t *testing.T, db *pgx.Conn, rotate func()) {
	t.Helper()
	simple := pgx.QueryExecModeSimpleProtocol
	exec := func(text string, args ...any) {
		t.Helper()
		_, err := db.Exec(b.ctx, text, args...)
		check(t, err)
	}
	fails := func(state, text string, args ...any) {
		t.Helper()
		_, err := db.Exec(b.ctx, text, args...)
		if e := new(pgconn.PgError); !errors.As(err, &e) || e.Code != state {
			t.Fatalf("%s: %v", text, err)
		}
	}
	exec("CREATE TEMP TABLE item (id int PRIMARY KEY, name text)", simple)
	exec("INSERT INTO item VALUES (1, 'one'), (2, 'it''s \"two\", über')", simple)
	exec("SELECT *\n\tFROM item -- a comment\n\n WHERE name <> 'a\nb\tc\\'\n", simple)
	exec("BEGIN; UPDATE item SET name = name; COMMIT", simple)
	exec("", simple)
	fails("22012", "SELECT 1/0", simple)
	tx, err := db.Begin(b.ctx)
	check(t, err)
	for _, id := range []int{1, 2, 3} {
		_, err := tx.Exec(b.ctx, "SELECT name FROM item WHERE id = $1 AND name <> $2", id, "it's, 'quoted'")
		check(t, err)
	}
	if _, err := tx.Exec(b.ctx, "INSERT INTO item VALUES ($1, $2)", 1, "again"); err == nil {
		t.Fatal("a duplicate key is no error")
	}
	check(t, tx.Rollback(b.ctx))
	rotate()
	exec("SELECT name FROM item WHERE id = $1", pgx.QueryExecModeExec, 2)
	batch := &pgx.Batch{}
	batch.Queue("SELECT name FROM item WHERE id = $1", 1)
	batch.Queue("SELECT name FROM item WHERE id = $1", 2)
	check(t, db.SendBatch(b.ctx, batch).Close())
	_, err = db.PgConn().CopyFrom(b.ctx, strings.NewReader("3\tthree\n"), "COPY item FROM STDIN")
	check(t, err)
	_, err = db.PgConn().CopyTo(b.ctx, io.Discard, "COPY item TO STDOUT")
	check(t, err)
	exec("SELECT '"+strings.Repeat("long ", 20_000)+"'", simple)
	exec("SELECT id FROM item WHERE id IN ("+strings.Repeat("1,", 3000)+"2)", simple)
	exec("SELECT pg_sleep(0.05)", simple)
	exec("SELECT count(*) FROM (SELECT g FROM generate_series(1, 20000) g ORDER BY g % 17) x", simple) // on disk
	exec("DISCARD ALL", simple)
}

// rotate moves the logs away and has the server open new ones.
func (b *bench) rotate(t *testing.T, db *pgx.Conn) {
	t.Helper()
	for name := range b.logs {
		path := filepath.Join(filepath.Dir(b.pg.Log), name)
		check(t, os.Rename(path, path+".1"))
	}
	_, err := db.Exec(b.ctx, "SELECT pg_rotate_logfile()", pgx.QueryExecModeSimpleProtocol)
	check(t, err)
}

// deed is what a statement's two ways must agree on.
type deed struct {
	Text     string
	Kind     sqltrace.Kind
	State    string
	Extended bool
	Bytes    int64
}

func deeds(s *seen, pid int32) (out []deed) {
	for _, st := range s.statements[pid] {
		out = append(out, deed{s.decoder.Dictionary().Shape(st.Fingerprint).Text, st.Kind, st.SQLState, st.Extended && st.SQLState == "", st.TextBytes})
	}
	return out
}

// A real server writes its log in three forms, in several settings, and rotates it: every statement that passed
// on the wire is found once, with the same text, kind, outcome and, so far as the log tells, time.
func TestRealServer(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		name     string
		settings []string
		timed    bool
	}{
		{"durations with texts", []string{"log_min_duration_statement=0"}, true},
		{"durations apart", []string{"log_statement=all", "log_duration=on"}, true},
		{"no durations", []string{"log_statement=all"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			db := b.connect(t, c.settings...)
			b.work(t, db, func() { b.rotate(t, db) })
			pid := b.leave(t, db)
			for name, log := range b.logs {
				if diff := cmp.Diff(deeds(b.wire.seen, pid), deeds(log, pid)); diff != "" {
					t.Errorf("%s (-wire +log):\n%s", name, diff)
					continue
				}
				for i, st := range log.statements[pid] {
					sameMoment(t, name, c.timed, b.wire.statements[pid][i], st)
				}
				s, w := log.sessions[pid], b.wire.sessions[pid]
				if s.User != w.User || s.Database != w.Database || s.Application != "a shop" || s.Client != w.Client || s.Joined {
					t.Errorf("%s: session %+v, on the wire %+v", name, *s, *w)
				}
			}
		})
	}
	t.Run("only the slow ones", func(t *testing.T) {
		db := b.connect(t, "log_min_duration_statement=40", "log_min_error_statement=fatal")
		b.work(t, db, func() {})
		pid := b.leave(t, db)
		for name, log := range b.logs {
			slept := 0
			for _, st := range log.statements[pid] {
				if d := st.End.Sub(st.Start); d < 40*time.Millisecond {
					t.Errorf("%s: a statement of %v", name, d)
				}
				if log.decoder.Dictionary().Shape(st.Fingerprint).Text == "SELECT pg_sleep(?)" {
					slept++
				}
			}
			if slept != 1 {
				t.Errorf("%s: slept %d times", name, slept)
			}
		}
	})
	t.Run("plans alone", func(t *testing.T) { b.plans(t, "log_min_duration_statement=-1") })
	t.Run("plans and statements", func(t *testing.T) { b.plans(t, "log_min_duration_statement=0") })
	t.Run("lock waits", b.lockWaits)
}

// sameMoment checks a statement's times: the server works on it within the time that the wire shows.
func sameMoment(t *testing.T, log string, timed bool, wire, st *sqltrace.Statement) {
	t.Helper()
	const slack = time.Millisecond // of the log's clock
	if st.Start.Before(wire.Start.Add(-slack)) || st.End.After(wire.End.Add(slack)) {
		t.Errorf("%s: from %v to %v, on the wire from %v to %v", log, st.Start, st.End, wire.Start, wire.End)
	}
	known := st.Gaps&sqltrace.GapResult == 0
	if st.SQLState == "" && (known != timed || known && st.End.Equal(st.Start)) {
		t.Errorf("%s: gaps %d, %v", log, st.Gaps, st.End.Sub(st.Start))
	}
	if !wire.Extended && (st.TextHash != wire.TextHash || !cmp.Equal(st.Literals, wire.Literals)) {
		t.Errorf("%s: another text or other literals than on the wire: %+v, %+v", log, *st, *wire)
	}
	if wire.Extended && st.SQLState == "" && len(st.Literals) < len(wire.Literals) {
		t.Errorf("%s: %d parameters, %d on the wire", log, len(st.Literals), len(wire.Literals))
	}
}

// plans runs statements that auto_explain explains, by both protocols, in both forms that are read.
func (b *bench) plans(t *testing.T, setting string) {
	for _, format := range []string{"text", "json"} {
		db := b.connect(t, setting, "session_preload_libraries=auto_explain", "auto_explain.log_min_duration=0",
			"auto_explain.log_analyze=on", "auto_explain.log_format="+format)
		queries := []string{
			"SELECT relname FROM pg_class WHERE relname = 'canary' AND relpages < 17",
			"SELECT count(*) FROM (SELECT g FROM generate_series(1, 20000) g ORDER BY g % 17) x",
		}
		for _, q := range queries {
			_, err := db.Exec(b.ctx, q, pgx.QueryExecModeSimpleProtocol)
			check(t, err)
		}
		_, err := db.Exec(b.ctx, "SELECT relname FROM pg_class WHERE oid = $1", pgx.QueryExecModeExec, 1259)
		check(t, err)
		pid := b.leave(t, db)
		for name, log := range b.logs {
			sts := log.statements[pid]
			if len(sts) != 3 {
				t.Errorf("%s, %s: %+v", name, format, deeds(log, pid))
				continue
			}
			for i, types := range [][]string{{"Index Scan"}, {"Aggregate", "Sort", "Function Scan"}, {"Index Scan"}} {
				plans := log.plans[sts[i]]
				if len(plans) != 1 || plans[0].Fingerprint != sts[i].Fingerprint || plans[0].Cut {
					t.Errorf("%s, %s: statement %d has %d plans", name, format, i, len(plans))
					continue
				}
				var got []string
				for _, n := range plans[0].Nodes {
					got = append(got, n.Type)
				}
				if i == 0 && len(got) == 1 { // the planner's choice
					types = got
				}
				if !cmp.Equal(got, types) || plans[0].Nodes[0].Loops != 1 || plans[0].Nodes[0].Time == 0 {
					t.Errorf("%s, %s: plan %+v", name, format, plans[0].Nodes)
				}
				if text := fmt.Sprintf("%+v", *plans[0]); strings.Contains(text, "canary") {
					t.Errorf("%s, %s: a value comes out: %s", name, format, text)
				}
			}
			if plans := log.plans[sts[1]]; len(plans) == 1 && len(plans[0].Nodes) == 3 && plans[0].Nodes[1].Disk < 64<<10 {
				t.Errorf("%s, %s: the sort wrote %d bytes", name, format, plans[0].Nodes[1].Disk)
			}
		}
	}
}

// lockWaits has a session wait for another one's lock, which is not given back before the log told of it.
func (b *bench) lockWaits(t *testing.T) {
	simple := pgx.QueryExecModeSimpleProtocol
	holder, waiter := b.connect(t, "log_min_duration_statement=0"), b.connect(t, "log_min_duration_statement=0")
	for _, q := range []string{"CREATE TABLE stock (id int, n int)", "INSERT INTO stock VALUES (1, 1)", "BEGIN", "UPDATE stock SET n = 2"} {
		_, err := holder.Exec(b.ctx, q, simple)
		check(t, err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := waiter.Exec(b.ctx, "UPDATE stock SET n = 3", simple)
		done <- err
	}()
	event := func(log *seen, kind pglog.EventKind) *pglog.Event {
		for _, e := range log.events {
			if e.Kind == kind && e.Session.Backend == int32(waiter.PgConn().PID()) {
				return e
			}
		}
		return nil
	}
	for name, log := range b.logs {
		log.wait(b.ctx, t, "the lock wait in "+name, func() bool { return event(log, pglog.LockWait) != nil })
	}
	_, err := holder.Exec(b.ctx, "COMMIT", simple)
	check(t, err)
	check(t, <-done)
	b.leave(t, waiter)
	for name, log := range b.logs {
		wait, got := event(log, pglog.LockWait), event(log, pglog.LockAcquired)
		if got == nil || got.Duration < wait.Duration || wait.Duration < 10*time.Millisecond || wait.Lock != "ShareLock" || wait.Object != "transaction" ||
			!cmp.Equal(wait.Holders, []int32{int32(holder.PgConn().PID())}) || log.decoder.Dictionary().Shape(wait.Fingerprint).Text != "UPDATE stock SET n = ?" {
			t.Errorf("%s: waited %+v, acquired %+v", name, wait, got)
		}
	}
	b.leave(t, holder)
}
