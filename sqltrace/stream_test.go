package sqltrace

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgproto3"
	"pgregory.net/rapid"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/evidence"
)

// conversation is a recorded connection and what a decoder is to find in it.
type conversation struct {
	name   string
	joined bool
	wire   *wire
	want   string
	splits bool // cutting its chunks anywhere changes nothing
}

func parse(name, text string) *pgproto3.Parse { return &pgproto3.Parse{Name: name, Query: text} }
func bind(portal, statement string, params ...string) *pgproto3.Bind {
	b := &pgproto3.Bind{DestinationPortal: portal, PreparedStatement: statement}
	for _, p := range params {
		b.Parameters = append(b.Parameters, []byte(p))
	}
	return b
}

func pgError(code string) *pgproto3.ErrorResponse {
	return &pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: code, Message: "secret detail"}
}

func conversations() []conversation {
	return []conversation{
		{"simple query", false, new(wire).startup().
			client(query("SELECT id, name FROM t WHERE id IN (12, 13)")).
			server(columns(0, "id", "name"), row("12", "Agrolait"), row("13", "Deco")).
			server(tag("SELECT 2"), ready('T')),
			"query [4 5 6] rows=2 text=43 in=49 out=117 tx=T literals=2 values=4 SELECT id, name FROM t WHERE id IN (?)\n", true},
		{"several statements in one text", false, new(wire).startup().
			client(query("SELECT 11; UPDATE t SET a = 12")).
			server(columns(0, "a"), row("11"), tag("SELECT 1"), tag("UPDATE 3"), ready('I')),
			"query [4 5 5] rows=4 text=30 in=36 out=74 tx=I literals=2 values=1 SELECT ?; UPDATE t SET a = ?\n", true},
		{"no statement", false, new(wire).startup().
			client(query("")).server(&pgproto3.EmptyQueryResponse{}, ready('I')),
			"other [4 5 5] rows=-1 text=0 in=6 out=11 tx=I literals=0 values=0 \n", true},
		{"transaction", false, new(wire).startup().
			client(query("BEGIN")).server(tag("BEGIN"), ready('T')).
			client(query(`SAVEPOINT "a"`)).server(tag("SAVEPOINT"), ready('T')).
			client(query("ROLLBACK TO SAVEPOINT a")).server(tag("ROLLBACK"), ready('T')).
			client(query("COMMIT")).server(tag("COMMIT"), ready('I')).
			client(query("DISCARD ALL")).server(&pgproto3.ParameterStatus{Name: "application_name", Value: ""}, tag("DISCARD ALL"), ready('I')),
			`begin [4 5 5] rows=-1 text=5 in=11 out=17 tx=T literals=0 values=0 BEGIN
savepoint [6 7 7] rows=-1 text=13 in=19 out=21 tx=T literals=0 values=0 SAVEPOINT ?
savepoint [8 9 9] rows=-1 text=23 in=29 out=20 tx=T literals=0 values=0 ROLLBACK TO SAVEPOINT ?
commit [10 11 11] rows=-1 text=6 in=12 out=18 tx=I literals=0 values=0 COMMIT
reset [12 13 13] rows=-1 text=11 in=17 out=46 tx=I literals=0 values=0 DISCARD ALL
`, true},
		{"error", false, new(wire).startup().
			client(query("SELECT 1/0")).
			server(&pgproto3.NoticeResponse{Severity: "NOTICE", Message: "n"}, pgError("22012"), ready('E')),
			"query [4 5 5] rows=-1 text=10 in=16 out=65 tx=E state=22012 literals=2 values=0 SELECT ? / ?\n", true},
		{"prepared statement used twice", false, new(wire).startup().
			client(parse("s1", "SELECT name FROM t WHERE id = $1"), &pgproto3.Describe{ObjectType: 'S', Name: "s1"}, &pgproto3.Sync{}).
			server(&pgproto3.ParseComplete{}, &pgproto3.ParameterDescription{ParameterOIDs: []uint32{23}}, columns(0, "name"), ready('I')).
			client(bind("", "s1", "42"), &pgproto3.Execute{}, &pgproto3.Sync{}).
			server(&pgproto3.BindComplete{}, row("Agrolait"), tag("SELECT 1"), ready('I')).
			client(bind("", "s1", "43"), &pgproto3.Execute{}, &pgproto3.Sync{}).
			server(&pgproto3.BindComplete{}, tag("SELECT 0"), ready('I')),
			`query [6 7 7] rows=1 text=32 in=36 out=38 tx=I extended literals=1 values=1 SELECT name FROM t WHERE id = ?
query [8 9 9] rows=0 text=32 in=36 out=19 tx=I extended literals=1 values=0 SELECT name FROM t WHERE id = ?
`, true},
		{"pipeline with an error", false, new(wire).startup().
			client(parse("", "SELECT 10"), bind("", ""), &pgproto3.Execute{}, parse("", "SELECT 1/0"), bind("", ""), &pgproto3.Execute{},
				parse("", "SELECT 30"), bind("", ""), &pgproto3.Execute{}, &pgproto3.Sync{}, query("SELECT 40")).
			server(&pgproto3.ParseComplete{}, &pgproto3.BindComplete{}, row("10"), tag("SELECT 1")).
			server(&pgproto3.ParseComplete{}, &pgproto3.BindComplete{}, pgError("22012"), ready('I'), row("40"), tag("SELECT 1"), ready('I')),
			`query [4 5 5] rows=1 text=9 in=41 out=37 extended literals=1 values=1 SELECT ?
query [4 6 6] rows=-1 text=10 in=42 out=52 state=22012 extended literals=2 values=0 SELECT ? / ?
query [4 6 6] rows=-1 text=9 in=46 out=0 tx=I state=22012 extended literals=1 values=0 SELECT ?
query [4 6 6] rows=1 text=9 in=15 out=33 tx=I literals=1 values=1 SELECT ?
`, true},
		{"portal fetched in parts", false, new(wire).startup().
			client(parse("", "SELECT id FROM t"), bind("p", ""), &pgproto3.Execute{Portal: "p", MaxRows: 2}, &pgproto3.Flush{}).
			server(&pgproto3.ParseComplete{}, &pgproto3.BindComplete{}, row("10"), row("20"), &pgproto3.PortalSuspended{}).
			client(&pgproto3.Execute{Portal: "p", MaxRows: 2}, &pgproto3.Sync{}).
			server(row("30"), tag("SELECT 1"), ready('T')),
			`query [4 5 5] rows=2 text=16 in=50 out=41 extended literals=0 values=2 SELECT id FROM t
query [6 7 7] rows=1 text=16 in=21 out=27 tx=T extended literals=0 values=1 SELECT id FROM t
`, true},
		{"unknown statement", false, new(wire).startup().
			client(bind("", "never seen", "42"), &pgproto3.Execute{}, &pgproto3.Sync{}).
			server(&pgproto3.BindComplete{}, row("x1"), tag("SELECT 1"), ready('I')),
			"query [4 5 5] rows=1 text=0 in=44 out=32 tx=I extended gaps=1 literals=0 values=1 \n", true},
		{"binary results and parameters are not hashed", false, new(wire).startup().
			client(parse("", "SELECT a, b FROM t WHERE c = $1 AND d = $2"),
				&pgproto3.Bind{ParameterFormatCodes: []int16{1, 0}, Parameters: [][]byte{{0, 0, 0, 7}, []byte("text")}, ResultFormatCodes: []int16{1, 0}},
				&pgproto3.Execute{}, &pgproto3.Sync{}).
			server(&pgproto3.ParseComplete{}, &pgproto3.BindComplete{}, row("\x00\x00\x00\x07", "seen"), tag("SELECT 1"), ready('I')),
			"query [4 5 5] rows=1 text=42 in=103 out=47 tx=I extended literals=1 values=1 SELECT a, b FROM t WHERE c = ? AND d = ?\n", true},
		{"copy in", false, new(wire).startup().
			client(query("COPY t FROM STDIN")).
			server(&pgproto3.CopyInResponse{ColumnFormatCodes: []uint16{0}}).
			client(&pgproto3.CopyData{Data: []byte("1\n2\n")}, &pgproto3.CopyDone{}).
			server(tag("COPY 2"), ready('I')),
			"copy [4 7 7] rows=2 text=17 in=37 out=28 tx=I literals=0 values=0 COPY t FROM STDIN\n", true},
		{"copy in by the extended protocol", false, new(wire).startup().
			client(parse("", "COPY t FROM STDIN"), bind("", ""), &pgproto3.Execute{}, &pgproto3.Sync{}).
			server(&pgproto3.ParseComplete{}, &pgproto3.BindComplete{}, &pgproto3.CopyInResponse{ColumnFormatCodes: []uint16{0}}).
			client(&pgproto3.CopyData{Data: []byte("1\n")}, &pgproto3.CopyDone{}, &pgproto3.Sync{}).
			server(tag("COPY 1"), ready('I')).
			client(parse("", "SELECT 10"), bind("", ""), &pgproto3.Execute{}, &pgproto3.Sync{}).
			server(&pgproto3.ParseComplete{}, &pgproto3.BindComplete{}, row("10"), tag("SELECT 1"), ready('I')),
			`copy [4 7 7] rows=1 text=17 in=71 out=32 tx=I extended literals=0 values=0 COPY t FROM STDIN
query [8 9 9] rows=1 text=9 in=46 out=37 tx=I extended literals=1 values=1 SELECT ?
`, true},
		{"copy out", false, new(wire).startup().
			client(query("COPY t TO STDOUT")).
			server(&pgproto3.CopyOutResponse{ColumnFormatCodes: []uint16{0}}, &pgproto3.CopyData{Data: []byte("1\n")}).
			server(&pgproto3.CopyDone{}, tag("COPY 1"), ready('I')),
			"copy [4 5 6] rows=1 text=16 in=22 out=40 tx=I literals=0 values=0 COPY t TO STDOUT\n", true},
		{"function call", false, new(wire).startup().
			client(&pgproto3.FunctionCall{Function: 1598}).
			server(&pgproto3.FunctionCallResponse{Result: []byte("x")}, ready('I')),
			"other [4 5 5] rows=-1 text=0 in=15 out=16 tx=I literals=0 values=0 (function call)\n", true},
		{"notification while idle, end without an answer", false, new(wire).startup().
			client(query("LISTEN imbus")).server(tag("LISTEN"), ready('I')).
			server(&pgproto3.NotificationResponse{PID: 1, Channel: "imbus", Payload: "p"}).
			client(query("SELECT pg_sleep(10)")),
			`other [4 5 5] rows=-1 text=12 in=18 out=18 tx=I literals=0 values=0 LISTEN imbus
query [7 1000 1000] rows=-1 text=19 in=25 out=0 gaps=4 literals=1 values=0 SELECT pg_sleep(?)
`, true},
		{"joined before a question", true, new(wire).
			client(query("SELECT id FROM t")).server(columns(0, "id"), row("10"), tag("SELECT 1"), ready('T')),
			"query [0 1 1] rows=1 text=16 in=22 out=61 tx=T literals=0 values=1 SELECT id FROM t\n", false},
		{"joined before an answer", true, new(wire).
			server(columns(0, "id"), row("10"), tag("SELECT 1"), ready('T')).
			client(query("SELECT id FROM t")).server(columns(0, "id"), row("20"), tag("SELECT 1"), ready('T')),
			`query [0 0 0] rows=1 text=0 in=0 out=33 tx=T gaps=1 literals=0 values=1 
query [1 2 2] rows=1 text=16 in=22 out=61 tx=T literals=0 values=1 SELECT id FROM t
`, false},
		{"joined within a text", true, new(wire).
			raw(capture.ToServer, " FROM t WHERE a = 1\x00").server(columns(0, "id"), row("10"), tag("SELECT 1"), ready('T')).
			client(query("COMMIT")).server(tag("COMMIT"), ready('I')),
			`query [1 1 1] rows=1 text=0 in=0 out=33 tx=T gaps=1 literals=0 values=1 
commit [2 3 3] rows=-1 text=6 in=12 out=18 tx=I literals=0 values=0 COMMIT
`, false},
		{"an answer recorded before its question", false, func() *wire {
			w := new(wire).startup().
				client(query("SELECT 10")).server(row("10"), tag("SELECT 1"), ready('I')).
				client(query("SELECT 20")).server(row("20"), row("21"), tag("SELECT 2"), ready('I')).
				client(query("SELECT 30")).server(row("30"), tag("SELECT 1"), ready('I'))
			w.chunks[6], w.chunks[7] = w.chunks[7], w.chunks[6]
			return w
		}(),
			`query [4 5 5] rows=1 text=9 in=15 out=33 tx=I literals=1 values=1 SELECT ?
query [6 7 7] rows=2 text=9 in=15 out=46 tx=I literals=1 values=2 SELECT ?
query [8 9 9] rows=1 text=9 in=15 out=33 tx=I literals=1 values=1 SELECT ?
`, false},
	}
}

func TestStream(t *testing.T) {
	for _, c := range conversations() {
		t.Run(c.name, func(t *testing.T) {
			got, d := play(t, Config{}, c.joined, c.wire.chunks, nil)
			if diff := cmp.Diff(c.want, summary(got, d)); diff != "" {
				t.Errorf("statements (-want +got):\n%s", diff)
			}
			if len(got.opened) != 1 || len(got.closed) != 1 {
				t.Errorf("opened %d times, closed %d times", len(got.opened), len(got.closed))
			}
		})
	}
}

// Where packets cut the messages changes nothing but the time at which an end was seen, and here both
// halves of a chunk have one time.
func TestStreamCutAnywhere(t *testing.T) {
	for _, c := range conversations() {
		if !c.splits {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			for size := 1; size < 40; size++ {
				got, d := play(t, Config{}, c.joined, c.wire.chunks, func(int) int { return size })
				if diff := cmp.Diff(c.want, summary(got, d)); diff != "" {
					t.Fatalf("cut every %d bytes (-want +got):\n%s", size, diff)
				}
			}
			rapid.Check(t, func(rt *rapid.T) {
				got, d := play(t, Config{}, c.joined, c.wire.chunks, func(n int) int { return rapid.IntRange(1, n).Draw(rt, "cut") })
				if diff := cmp.Diff(c.want, summary(got, d)); diff != "" {
					rt.Fatalf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestSession(t *testing.T) {
	w := new(wire).startup().
		client(query("SET application_name = 'other'")).
		server(&pgproto3.ParameterStatus{Name: "application_name", Value: "other"}, tag("SET"), ready('I'))
	got, _ := play(t, Config{}, false, w.chunks, nil)
	want := Session{Conn: 1, Client: conn(false).Client, Server: conn(false).Server, Opened: epoch,
		Backend: 4711, Database: "shop", User: "odoo", Application: "other"}
	if *got.opened[0] != want {
		t.Errorf("session %+v, want %+v", *got.opened[0], want)
	}
	if got.statements[0].Session != got.opened[0] {
		t.Error("the statement has another session")
	}
}

func TestStartup(t *testing.T) {
	start := func(version uint32, params map[string]string) *pgproto3.StartupMessage {
		return &pgproto3.StartupMessage{ProtocolVersion: version, Parameters: params}
	}
	t.Run("encryption refused, then protocol 3.2", func(t *testing.T) {
		w := new(wire).client(&pgproto3.GSSEncRequest{}).raw(capture.ToClient, "N").client(&pgproto3.SSLRequest{}).raw(capture.ToClient, "N").
			client(start(pgproto3.ProtocolVersion32, map[string]string{"user": "bob", "replication": "database"})).
			server(&pgproto3.AuthenticationOk{}, ready('I')).
			client(query("START_REPLICATION SLOT s LOGICAL 0/0")).
			server(&pgproto3.CopyBothResponse{}, &pgproto3.CopyData{Data: []byte("w...")}).
			client(&pgproto3.CopyData{Data: []byte("r...")}).
			client(&pgproto3.CopyDone{}).server(&pgproto3.CopyDone{}, tag("COPY 0"), ready('I')).
			client(query("SELECT 10")).server(row("10"), tag("SELECT 1"), ready('I'))
		got, d := play(t, Config{}, false, w.chunks, func(int) int { return 3 })
		s := got.opened[0]
		if s.User != "bob" || s.Database != "bob" || !s.Replication || s.Encrypted || s.Joined {
			t.Errorf("session %+v", *s)
		}
		if len(got.statements) != 2 || got.statements[0].Kind != Other || got.statements[1].Rows != 1 {
			t.Errorf("statements\n%s", summary(got, d))
		}
	})
	t.Run("TLS", func(t *testing.T) {
		w := new(wire).client(&pgproto3.SSLRequest{}).raw(capture.ToClient, "S").
			raw(capture.ToServer, "\x16\x03\x01Q\x00\x00\x00\x10SELECT secret").raw(capture.ToClient, "\x16\x03\x01Z\x00\x00\x00\x05I")
		got, d := play(t, Config{}, false, w.chunks, nil)
		if len(got.statements) != 0 || len(got.opened) != 1 || !got.opened[0].Encrypted || d.Stats().Encrypted != 1 {
			t.Errorf("opened %+v, stats %+v", got.opened, d.Stats())
		}
	})
	t.Run("cancel", func(t *testing.T) {
		w := new(wire).client(&pgproto3.CancelRequest{ProcessID: 4711, SecretKey: []byte{1, 2, 3, 4}})
		got, d := play(t, Config{}, false, w.chunks, nil)
		if len(got.opened) != 0 || d.Stats().Cancels != 1 {
			t.Errorf("opened %+v, stats %+v", got.opened, d.Stats())
		}
	})
	t.Run("refused", func(t *testing.T) {
		w := new(wire).client(start(pgproto3.ProtocolVersion30, map[string]string{"user": "bob"})).server(pgError("28P01"))
		got, _ := play(t, Config{}, false, w.chunks, nil)
		if len(got.opened) != 1 || len(got.statements) != 0 {
			t.Errorf("%d sessions, %d statements", len(got.opened), len(got.statements))
		}
	})
}

func TestLongMessages(t *testing.T) {
	text := "SELECT '" + strings.Repeat("x", 5000) + "', 77"
	body := "INSERT INTO t VALUES ($1)"
	w := new(wire).startup().
		client(query(text)).server(row("10"), tag("SELECT 1"), ready('I')).
		client(parse("", text), bind("", ""), &pgproto3.Execute{}, &pgproto3.Sync{}).
		server(&pgproto3.ParseComplete{}, &pgproto3.BindComplete{}, row("10"), tag("SELECT 1"), ready('I')).
		client(parse("", body), bind("", "", strings.Repeat("y", 9000)), &pgproto3.Execute{}, &pgproto3.Sync{}).
		server(&pgproto3.ParseComplete{}, &pgproto3.BindComplete{}, tag("INSERT 0 1"), ready('I'))
	whole, _ := play(t, Config{}, false, w.chunks, nil)
	for _, config := range []Config{{}, {MaxText: 256}} {
		cut, d := play(t, config, false, w.chunks, func(int) int { return 100 })
		if len(cut.statements) != 3 {
			t.Fatalf("statements\n%s", summary(cut, d))
		}
		for i, st := range cut.statements {
			same := whole.statements[i]
			if st.TextHash != same.TextHash || st.TextBytes != same.TextBytes || st.Rows != same.Rows || st.Gaps != 0 {
				t.Errorf("MaxText %d, statement %d: %+v, want %+v", config.MaxText, i, st, same)
			}
		}
	}
	_, d := play(t, Config{Buffered: 64}, false, w.chunks, func(int) int { return 100 })
	if d.Stats().Unknown != 3 {
		t.Errorf("without room for the texts %d are unknown, want 3", d.Stats().Unknown)
	}
}

func TestBudgets(t *testing.T) {
	w := new(wire).startup().client(query("SELECT a FROM t"))
	var rows []pgproto3.BackendMessage
	for range 50 {
		rows = append(rows, row("10", "abc", "def", "ghi"))
	}
	w.server(append(rows, tag("SELECT 50"), ready('I'))...)
	got, _ := play(t, Config{Values: 10}, false, w.chunks, nil)
	if n := len(got.statements[0].Values); n != 10 || got.statements[0].Rows != 50 {
		t.Errorf("%d values of %d rows, want 10 of 50", n, got.statements[0].Rows)
	}
	got, _ = play(t, Config{Values: 1000, ValueRows: 3}, false, w.chunks, nil)
	if n := len(got.statements[0].Values); n != 12 {
		t.Errorf("%d values, want 12 of 3 rows", n)
	}
	if want := evidence.Value([]byte("abc")); got.statements[0].Values[1] != want {
		t.Errorf("second value %v, want %v", got.statements[0].Values[1], want)
	}
}

func TestPendingStatementsAreBounded(t *testing.T) {
	w := new(wire).startup().client(parse("", "SELECT 10"), bind("", ""),
		&pgproto3.Execute{}, &pgproto3.Execute{}, &pgproto3.Execute{}, &pgproto3.Execute{}, &pgproto3.Sync{}).
		server(tag("SELECT 1"), tag("SELECT 2"), tag("SELECT 3"), tag("SELECT 4"), ready('I')).
		client(query("COMMIT")).server(tag("COMMIT"), ready('I'))
	got, d := play(t, Config{Pending: 2}, false, w.chunks, nil)
	rows := map[int64]Gap{}
	for _, st := range got.statements {
		if st.Kind == Query {
			rows[st.Rows] |= st.Gaps
		}
	}
	last := got.statements[len(got.statements)-1]
	if rows[1] != 0 || rows[2] != 0 || rows[-1] != GapUnanswered || last.Kind != Commit || last.Tx != 'I' || last.Gaps != 0 {
		t.Errorf("statements\n%s", summary(got, d))
	}
}

func TestPreparedStatementsAreBounded(t *testing.T) {
	w := new(wire).startup()
	for _, name := range []string{"a", "b", "c"} {
		w.client(parse(name, "SELECT '"+name+"'"), &pgproto3.Sync{}).server(&pgproto3.ParseComplete{}, ready('I'))
		w.client(bind("", "a"), &pgproto3.Sync{}).server(&pgproto3.BindComplete{}, ready('I')) // keeps a in use
	}
	for _, name := range []string{"a", "b", "c"} {
		w.client(bind("", name), &pgproto3.Execute{}, &pgproto3.Sync{}).server(&pgproto3.BindComplete{}, tag("SELECT 0"), ready('I'))
	}
	got, d := play(t, Config{Prepared: 2}, false, w.chunks, nil)
	if d.Stats().Unknown != 1 || got.statements[1].Gaps != GapText || got.statements[0].Gaps != 0 {
		t.Errorf("statements\n%s", summary(got, d))
	}
}
