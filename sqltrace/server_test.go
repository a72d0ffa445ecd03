package sqltrace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/lab"
)

// relay stands between clients and a server and shows a decoder what passes, as a capture would.
type relay struct {
	t        *testing.T
	server   string
	listener net.Listener
	wg       sync.WaitGroup

	mu      sync.Mutex // guards the decoder
	decoder *Decoder
	last    capture.ConnID
}

func newRelay(t *testing.T, server string, d *Decoder) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{t: t, server: server, listener: l, decoder: d}
	r.wg.Go(r.accept)
	return r
}

func (r *relay) accept() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", r.server)
		if err != nil {
			r.t.Error(err)
			_ = client.Close()
			return
		}
		r.mu.Lock()
		r.last++
		c := capture.Conn{ID: r.last, Client: addrPort(client.RemoteAddr()), Server: addrPort(server.RemoteAddr()), Opened: time.Now()}
		stream := r.decoder.NewStream(c)
		r.mu.Unlock()
		var both sync.WaitGroup
		both.Go(func() { r.pass(stream, capture.ToServer, server, client) })
		both.Go(func() { r.pass(stream, capture.ToClient, client, server) })
		r.wg.Go(func() {
			both.Wait()
			r.mu.Lock()
			stream.Close(time.Now())
			r.mu.Unlock()
		})
	}
}

func addrPort(a net.Addr) netip.AddrPort { return netip.MustParseAddrPort(a.String()) }

// pass copies one direction, in pieces of odd sizes.
func (r *relay) pass(s capture.Stream, dir capture.Dir, to, from net.Conn) {
	buf := make([]byte, 1459)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			r.mu.Lock()
			s.Chunk(capture.Chunk{Dir: dir, Time: time.Now(), Data: buf[:n]})
			r.mu.Unlock()
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

// stop waits for all connections to end.
func (r *relay) stop() {
	_ = r.listener.Close()
	r.wg.Wait()
}

// deed is a statement as the test expects it.
type deed struct {
	Kind     Kind
	Text     string
	Rows     int64
	State    string
	Tx       string
	Extended bool
}

// A real server and a real client in all their ways of running statements; what they did is known.
func TestRealServer(t *testing.T) {
	server := lab.PostgreSQL(t, lab.PostgresConfig{})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := &collector{}
	d := New(Config{}, c)
	r := newRelay(t, server.Addr.String(), d)
	config, err := pgx.ParseConfig(server.DSN("postgres", "prefer"))
	if err != nil {
		t.Fatal(err)
	}
	config.Port = addrPort(r.listener.Addr()).Port()
	for _, f := range config.Fallbacks { // without TLS
		f.Port = config.Port
	}
	config.RuntimeParams["application_name"] = "relay"
	db, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	backend := db.PgConn().PID()
	var want []deed
	did := func(kind Kind, extended bool, rows int64, state, tx, text string) {
		want = append(want, deed{kind, text, rows, state, tx, extended})
	}
	exec := func(text string, args ...any) error {
		_, err := db.Exec(ctx, text, args...)
		return err
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	// Simple protocol.
	simple := pgx.QueryExecModeSimpleProtocol
	check(exec("CREATE TABLE item (id int PRIMARY KEY, name text)", simple))
	did(Query, false, -1, "", "I", "CREATE TABLE item(id int PRIMARY KEY, name text)")
	check(exec("INSERT INTO item VALUES (1, 'one'), (2, 'it''s two')", simple))
	did(Query, false, 2, "", "I", "INSERT INTO item VALUES (?)")
	check(exec("BEGIN; UPDATE item SET name = name; COMMIT", simple))
	did(Query, false, 2, "", "I", "BEGIN; UPDATE item SET name = name; COMMIT")
	var pgErr *pgconn.PgError
	if err := exec("SELECT 1/0", simple); !errors.As(err, &pgErr) {
		t.Fatalf("division by zero: %v", err)
	}
	did(Query, false, -1, "22012", "I", "SELECT ? / ?")

	// Extended protocol with prepared statements, in a transaction that fails.
	tx, err := db.Begin(ctx)
	check(err)
	did(Begin, false, -1, "", "T", "BEGIN")
	for _, id := range []int{1, 2, 3} {
		rows, err := tx.Query(ctx, "SELECT name FROM item WHERE id = $1", id)
		check(err)
		rows.Close()
		check(rows.Err())
	}
	for _, rows := range []int64{1, 1, 0} {
		did(Query, true, rows, "", "T", "SELECT name FROM item WHERE id = ?")
	}
	if _, err := tx.Exec(ctx, "INSERT INTO item VALUES ($1, $2)", 1, "again"); !errors.As(err, &pgErr) {
		t.Fatalf("duplicate key: %v", err)
	}
	did(Query, true, -1, "23505", "E", "INSERT INTO item VALUES (?)")
	check(tx.Rollback(ctx))
	did(Rollback, false, -1, "", "I", "ROLLBACK")

	// A batch: one Sync for several statements.
	batch := &pgx.Batch{}
	batch.Queue("SELECT name FROM item WHERE id = $1", 1)
	batch.Queue("SELECT name FROM item WHERE id = $1", 2)
	check(db.SendBatch(ctx, batch).Close())
	did(Query, true, 1, "", "", "SELECT name FROM item WHERE id = ?")
	did(Query, true, 1, "", "I", "SELECT name FROM item WHERE id = ?")

	// A pipeline with a Sync in its middle, and an error before the second.
	pipe := db.PgConn().StartPipeline(ctx)
	pipe.SendQueryParams("SELECT $1::int", [][]byte{[]byte("10")}, nil, nil, nil)
	check(pipe.Sync())
	pipe.SendQueryParams("SELECT 1/$1::int", [][]byte{[]byte("0")}, nil, nil, nil)
	pipe.SendQueryParams("SELECT 30", nil, nil, nil, nil)
	check(pipe.Sync())
	if err := pipe.Close(); !errors.As(err, &pgErr) {
		t.Fatalf("pipeline: %v", err)
	}
	did(Query, true, 1, "", "I", "SELECT ?")
	did(Query, true, -1, "22012", "", "SELECT ? / ?")
	did(Query, true, -1, "22012", "I", "SELECT ?")

	// COPY both ways, with more bytes than a piece of the relay.
	var lines strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&lines, "%d\tname %d\n", 100+i, i)
	}
	_, err = db.PgConn().CopyFrom(ctx, strings.NewReader(lines.String()), "COPY item FROM STDIN")
	check(err)
	did(Copy, false, 2000, "", "I", "COPY item FROM STDIN")
	_, err = db.PgConn().CopyTo(ctx, io.Discard, "COPY item TO STDOUT")
	check(err)
	did(Copy, false, 2002, "", "I", "COPY item TO STDOUT")
	if _, err := db.PgConn().CopyFrom(ctx, strings.NewReader("x\ty\n"), "COPY item FROM STDIN"); !errors.As(err, &pgErr) {
		t.Fatalf("bad COPY: %v", err)
	}
	did(Copy, false, -1, "22P02", "I", "COPY item FROM STDIN")

	// A text longer than any piece, and a result of many rows.
	check(exec("SELECT '"+strings.Repeat("long ", 20_000)+"'", simple))
	did(Query, false, 1, "", "I", "SELECT ?")
	check(exec("SELECT * FROM item", simple))
	did(Query, false, 2002, "", "I", "SELECT * FROM item")

	// A cursor, whose name is folded, read in parts.
	check(exec("BEGIN", simple))
	did(Begin, false, -1, "", "T", "BEGIN")
	check(exec("DECLARE c1 CURSOR FOR SELECT id FROM item", simple))
	did(Query, false, -1, "", "T", "DECLARE ? CURSOR FOR SELECT id FROM item")
	check(exec("FETCH 50 FROM c1", simple))
	did(Query, false, 50, "", "T", "FETCH ? FROM ?")
	check(exec("COMMIT", simple))
	did(Commit, false, -1, "", "I", "COMMIT")

	// Notices, settings, the reset of a pool.
	check(exec("DO $$ BEGIN RAISE NOTICE 'canary'; END $$", simple))
	did(Query, false, -1, "", "I", "DO ?")
	check(exec("SET application_name = 'renamed'", simple))
	did(Other, false, -1, "", "I", "SET application_name = ?")
	check(exec("DISCARD ALL", simple))
	did(Reset, false, -1, "", "I", "DISCARD ALL")
	check(exec("", simple))
	did(Other, false, -1, "", "I", "")

	// A statement that another connection cancels.
	canceled := make(chan error, 1)
	go func() { canceled <- exec("SELECT pg_sleep(60)", simple) }()
	other, err := pgx.ConnectConfig(ctx, config)
	check(err)
	for active := false; !active; {
		check(other.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1 AND state = 'active' AND query LIKE 'SELECT pg_sleep%')", backend).Scan(&active))
	}
	check(db.PgConn().CancelRequest(ctx))
	if err := <-canceled; !errors.As(err, &pgErr) {
		t.Fatalf("cancel: %v", err)
	}
	did(Query, false, -1, "57014", "I", "SELECT pg_sleep(?)")
	check(other.Close(ctx))
	check(db.Close(ctx))
	r.stop()

	var session *Session
	for _, s := range c.opened {
		if s.Backend == int32(backend) {
			session = s
		}
	}
	if session == nil {
		t.Fatalf("no session of backend %d", backend)
	}
	if session.User != lab.Superuser || session.Database != "postgres" || session.Application != "relay" || session.Joined || session.Encrypted {
		t.Errorf("session %+v", *session)
	}
	var got []deed
	for _, st := range c.statements {
		if st.Session != session {
			continue
		}
		tx := ""
		if st.Tx != 0 {
			tx = string(rune(st.Tx))
		}
		got = append(got, deed{st.Kind, d.Dictionary().Shape(st.Fingerprint).Text, st.Rows, st.SQLState, tx, st.Extended})
		if st.Gaps != 0 || st.First.Before(st.Start) || st.End.Before(st.First) {
			t.Errorf("statement %+v", *st)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("statements (-did +seen):\n%s", diff)
	}
	if s := d.Stats(); s.Cancels != 1 || s.Resyncs != 0 || s.Unanswered != 0 || s.Unknown != 0 || len(c.closed) != len(c.opened) {
		t.Errorf("stats %+v, %d opened, %d closed", s, len(c.opened), len(c.closed))
	}
}
