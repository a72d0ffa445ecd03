package sqltrace

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/perfd/perfd/capture"
)

func TestLossWithinARow(t *testing.T) {
	w := new(wire).startup().client(query("SELECT 10"))
	var b []byte
	b = must(row(strings.Repeat("x", 3000)).Encode(b))
	b = must(tag("SELECT 1").Encode(b))
	b = must(ready('I').Encode(b))
	w.raw(capture.ToClient, string(b[:1000])).raw(capture.ToClient, string(b[2000:])).lose(1000)
	w.client(query("COMMIT")).server(tag("COMMIT"), ready('I'))
	got, d := play(t, Config{}, false, w.chunks, nil)
	if s := got.statements; len(s) != 2 || s[0].Rows != 1 || s[0].Gaps != GapResult || s[0].Tx != 'I' || s[1].Gaps != 0 {
		t.Errorf("statements\n%s", summary(got, d))
	}
	if st := d.Stats(); st.LostBytes != 1000 || st.Resyncs != 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestLossWithinAText(t *testing.T) {
	w := new(wire).startup()
	b := must(query("SELECT '" + strings.Repeat("x", 3000) + "'").Encode(nil))
	w.raw(capture.ToServer, string(b[:1000])).raw(capture.ToServer, string(b[2000:])).lose(1000)
	w.server(row("10"), tag("SELECT 1"), ready('I'))
	w.client(query("COMMIT")).server(tag("COMMIT"), ready('I'))
	got, d := play(t, Config{}, false, w.chunks, nil)
	s := got.statements
	if len(s) != 2 || s[0].Gaps != GapText || s[0].Fingerprint != 0 || s[0].TextBytes != 3009 || s[0].Rows != 1 || s[1].Kind != Commit {
		t.Errorf("statements\n%s", summary(got, d))
	}
}

// session is a lock-step conversation of simple queries, of which lossy drops the chunks given, as a
// capture that missed packets does.
func lossy(drop ...int) *wire {
	w := new(wire).startup()
	for i := range 6 {
		w.client(query("SELECT "+strings.Repeat("1", i+1))).
			server(columns(0, "a"), row("10"), tag("SELECT 1"), ready('I'))
	}
	missing := map[capture.Dir]int64{}
	kept := &wire{}
	for i, c := range w.chunks {
		dropped := false
		for _, d := range drop {
			dropped = dropped || i == d
		}
		if dropped {
			missing[c.Dir] += int64(len(c.Data))
			continue
		}
		c.Lost, missing[c.Dir] = missing[c.Dir], 0
		kept.chunks = append(kept.chunks, c)
	}
	return kept
}

// Each chunk of the conversation lost by itself, and each pair: every question that was seen comes out with
// its own text and time, no answer goes to another question, and what suffered is marked.
func TestLossOfPackets(t *testing.T) {
	check := func(drop ...int) {
		t.Helper()
		w := lossy(drop...)
		got, d := play(t, Config{}, false, w.chunks, nil)
		byStart := map[int64]*Statement{}
		for _, st := range got.statements {
			byStart[st.Start.Sub(epoch).Milliseconds()] = st
		}
		for i := range 6 {
			asked, answered := 4+2*i, 5+2*i
			seen, heard, before := true, true, true
			for _, n := range drop {
				seen, heard, before = seen && n != asked, heard && n != answered, before && n != asked-1
			}
			st := byStart[int64(asked)]
			switch {
			case !seen:
				if st != nil {
					t.Errorf("drop %v: a statement begins at a question that was lost\n%s", drop, summary(got, d))
				}
				// With the answer before lost too, this one may pass for the marked one's before.
				if st := byStart[int64(answered)]; heard && before && (st == nil || st.Gaps&GapText == 0) {
					t.Errorf("drop %v: the answer at %d is missing\n%s", drop, answered, summary(got, d))
				}
			case st == nil:
				t.Errorf("drop %v: no statement begins at %d\n%s", drop, asked, summary(got, d))
			case st.TextBytes != int64(8+i):
				t.Errorf("drop %v: the statement at %d has %d bytes\n%s", drop, asked, st.TextBytes, summary(got, d))
			case heard && (st.Rows != 1 || st.Tx != 'I' || st.End != ms(answered)):
				t.Errorf("drop %v: the answer at %d is not that of the statement before\n%s", drop, answered, summary(got, d))
			case !heard && st.Gaps&(GapResult|GapUnanswered) == 0:
				t.Errorf("drop %v: the statement at %d lost its answer unmarked\n%s", drop, asked, summary(got, d))
			}
		}
	}
	for a := 4; a < 16; a++ {
		check(a)
		for b := a + 1; b < 16; b++ {
			check(a, b)
		}
	}
}

// The answer to the request for encryption is lost: what follows tells that it was no.
func TestLossOfTheAnswerToSSLRequest(t *testing.T) {
	for _, data := range []string{"", "S\x00\x00\x00\x06a\x00b\x00"} {
		w := new(wire).client(&pgproto3.SSLRequest{})
		rest := new(wire).startup()
		w.raw(capture.ToClient, data).lose(1)
		for _, c := range rest.chunks {
			w.add(c.Dir, c.Data)
		}
		w.client(query("SELECT 10")).server(row("10"), tag("SELECT 1"), ready('I'))
		got, d := play(t, Config{}, false, w.chunks, nil)
		if len(got.statements) != 1 || got.statements[0].Rows != 1 || got.opened[0].Encrypted || got.opened[0].User != "odoo" {
			t.Errorf("statements\n%s", summary(got, d))
		}
	}
}

func TestHostileLengths(t *testing.T) {
	huge := []string{header('Q', 1<<32-1), header('D', 1<<32-1), header('Q', 1<<31), header('d', 1<<30+1), header('Z', 6), header('Q', 3), "\x00\x00\x00\x00\x00"}
	for _, h := range huge {
		for _, dir := range []capture.Dir{capture.ToServer, capture.ToClient} {
			w := new(wire).startup().client(query("SELECT 10")).server(row("10"), tag("SELECT 1"), ready('I')).raw(dir, h+strings.Repeat("\x00", 100))
			w.client(query("COMMIT")).server(tag("COMMIT"), ready('I'))
			got, d := play(t, Config{}, false, w.chunks, func(int) int { return 64 })
			n := len(got.statements)
			if n == 0 || got.statements[n-1].Kind != Commit || got.statements[n-1].Tx != 'I' {
				t.Errorf("after %q %s:\n%s", h, dir, summary(got, d))
			}
			if d.Stats().Resyncs == 0 {
				t.Errorf("%q %s passed for a message", h, dir)
			}
		}
	}
	// A long message that is allowed is held only up to the bounds.
	c := &collector{}
	d := New(Config{MaxText: 1 << 16, Buffered: 1 << 18}, c)
	piece := []byte(strings.Repeat("a", 1<<12))
	for range 64 {
		s := d.NewStream(conn(true))
		s.Chunk(capture.Chunk{Data: []byte(header('Q', 1<<20) + "SELECT " + string(piece))})
		for range 64 {
			s.Chunk(capture.Chunk{Data: piece})
		}
	}
	if d.buffered > 1<<19 {
		t.Errorf("%d bytes held", d.buffered)
	}
}

func TestClaims(t *testing.T) {
	encode := func(w *wire) []byte { return w.chunks[len(w.chunks)-1].Data }
	d := New(Config{}, &collector{})
	for _, c := range []struct {
		name string
		data []byte
		want capture.Verdict
	}{
		{"startup", new(wire).startup().chunks[0].Data, capture.FromClient},
		{"SSLRequest", encode(new(wire).client(&pgproto3.SSLRequest{})), capture.FromClient},
		{"CancelRequest", encode(new(wire).client(&pgproto3.CancelRequest{SecretKey: []byte{1, 2, 3, 4}})), capture.FromClient},
		{"Query", encode(new(wire).client(query("SELECT 1"))), capture.FromClient},
		{"beginning of a Query", encode(new(wire).client(query("SELECT '" + strings.Repeat("x", 99) + "'")))[:64], capture.FromClient},
		{"extended", encode(new(wire).client(parse("", "SELECT 1"), bind("", "", "a"), &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Sync{})), capture.FromClient},
		{"Execute", encode(new(wire).client(bind("", "s"), &pgproto3.Execute{}, &pgproto3.Sync{})), capture.FromClient},
		{"result", encode(new(wire).server(columns(0, "a"), row("1"), tag("SELECT 1"), ready('I'))), capture.FromServer},
		{"tag", encode(new(wire).server(tag("COMMIT"), ready('I'))), capture.FromServer},
		{"SELECT's tag", encode(new(wire).server(tag("SELECT 5"))), capture.FromServer},
		{"error", encode(new(wire).server(pgError("40001"), ready('E'))), capture.FromServer},
		{"greeting", encode(new(wire).startup()), capture.FromServer},
		{"beginning of a result", encode(new(wire).server(columns(0, "a"), row("1"), row("2"), row(strings.Repeat("x", 99))))[:80], capture.FromServer},
		{"nothing", nil, capture.Reject},
		{"zeros", make([]byte, 64), capture.Reject},
		{"HTTP POST", []byte("POST /web/dataset/call_kw HTTP/1.1\r\nHost: a\r\n\r\n"), capture.Reject},
		{"HTTP GET", []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), capture.Reject},
		{"HTTP PUT", []byte("PUT / HTTP/1.1\r\nHost: a\r\n\r\n"), capture.Reject},
		{"HTTP DELETE", []byte("DELETE / HTTP/1.1\r\n\r\n"), capture.Reject},
		{"HTTP answer", []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), capture.Reject},
		{"TLS hello", []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), capture.Reject},
		{"SSH", []byte("SSH-2.0-OpenSSH_9.2p1\r\n"), capture.Reject},
		{"Redis", []byte("*1\r\n$4\r\nPING\r\n"), capture.Reject},
		{"the middle of a text", []byte(`me" FROM "res_partner" WHERE id = 1` + "\x00"), capture.Reject},
	} {
		if got := d.Claims(conn(true), c.data); got != c.want {
			t.Errorf("%s: verdict %d, want %d", c.name, got, c.want)
		}
	}
}

// A capture may show any part of a message last. However a run of messages ends, even right after a type and
// length, the verdict is of the right direction or none.
func TestClaimsOfRunsCutAnywhere(t *testing.T) {
	d := New(Config{}, &collector{})
	for _, c := range conversations() {
		for _, ch := range c.wire.chunks {
			wrong := capture.FromClient
			if ch.Dir == capture.ToServer {
				wrong = capture.FromServer
			}
			for n := range len(ch.Data) + 1 {
				if data := ch.Data[:n:n]; d.Claims(conn(true), data) == wrong {
					t.Errorf("%s: %q %s passes for the other direction", c.name, data, ch.Dir)
				}
			}
		}
	}
}

func FuzzStream(f *testing.F) {
	for _, c := range conversations() {
		var script []byte
		for _, ch := range c.wire.chunks {
			for data := ch.Data; len(data) > 0; {
				n := min(len(data), 127)
				script = append(append(script, byte(ch.Dir)<<7|byte(n), 0), data[:n]...)
				data = data[n:]
			}
		}
		f.Add(c.joined, script)
	}
	f.Fuzz(func(t *testing.T, joined bool, script []byte) {
		c := &collector{}
		d := New(Config{MaxText: 512, Buffered: 2048, Pending: 8, Prepared: 4, Values: 16, Literals: 16, Shapes: 32, DisplayText: 128}, c)
		d.Claims(conn(joined), script)
		s := d.NewStream(conn(joined))
		now := 0
		for len(script) >= 2 {
			n := min(int(script[0]&0x7f), len(script)-2)
			s.Chunk(capture.Chunk{Dir: capture.Dir(script[0] >> 7), Time: ms(now), Lost: int64(script[1]), Data: script[2 : 2+n]})
			script = script[2+n:]
			now++
		}
		s.Fin(capture.ToClient, ms(now))
		s.Close(ms(now))
		if d.buffered != 0 {
			t.Fatalf("%d bytes still held", d.buffered)
		}
		if len(c.opened) != len(c.closed) {
			t.Fatalf("opened %d, closed %d", len(c.opened), len(c.closed))
		}
		ids := map[StatementID]bool{}
		for _, st := range c.statements {
			switch {
			case st.Session == nil || len(c.opened) != 1 || st.Session != c.opened[0]:
				t.Fatalf("statement %+v without its session", st)
			case ids[st.ID]:
				t.Fatalf("statement %d twice", st.ID)
			case st.Start.IsZero() || st.First.Before(st.Start) || st.End.Before(st.First):
				t.Fatalf("times out of order: %v %v %v", st.Start, st.First, st.End)
			case len(st.Values) > 16 || len(st.Literals) > 16:
				t.Fatalf("budgets exceeded: %d values, %d literals", len(st.Values), len(st.Literals))
			case st.Fingerprint == 0 && st.Gaps&GapText == 0:
				t.Fatalf("a text is unknown without a gap: %+v", st)
			}
			ids[st.ID] = true
			if shape := d.Dictionary().Shape(st.Fingerprint); st.Fingerprint != 0 && shape.Fingerprint != st.Fingerprint {
				t.Fatalf("no shape of %x", st.Fingerprint)
			}
		}
	})
}

// TestDamagedLength sends a query whose length is damaged to one that could be. That the server answers and
// waits tells that it is over.
func TestDamagedLength(t *testing.T) {
	w := new(wire).startup().client(query("SELECT 10")).server(row("10"), tag("SELECT 1"), ready('I'))
	w.raw(capture.ToServer, header('Q', 1<<26)+"SELECT 11\x00").server(row("11"), tag("SELECT 1"), ready('I'))
	w.client(query("SELECT 12")).server(row("12"), tag("SELECT 1"), ready('I')).client(query("COMMIT")).server(tag("COMMIT"), ready('I'))
	got, d := play(t, Config{}, false, w.chunks, func(int) int { return 1 << 20 })
	if n := len(got.statements); n != 4 || got.statements[1].Gaps&GapText == 0 || got.statements[2].Gaps != GapBefore || got.statements[3].Kind != Commit {
		t.Errorf("statements:\n%s", summary(got, d))
	}
}
