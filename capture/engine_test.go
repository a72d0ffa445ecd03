package capture

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket/layers"
)

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

func TestConversation(t *testing.T) {
	r, st := run(t, Config{}, append(opening(),
		packet{from: client, seq: 101, ack: 501, flags: flagACK, data: []byte("GET /")},
		packet{from: server, seq: 501, ack: 106, flags: flagACK, data: []byte("200 ")},
		packet{from: server, seq: 505, ack: 106, flags: flagACK | flagFIN, data: []byte("OK")},
		packet{from: client, seq: 106, ack: 508, flags: flagACK | flagFIN},
		packet{from: server, seq: 508, ack: 107, flags: flagACK},
	)...)
	wantLog(t, r,
		`1 to server "GET /" lost 0`, `1 to client "200 " lost 0`, `1 to client "OK" lost 0`,
		`1 to client fin`, `1 to server fin`, `1 close`)
	c := r.streams[0].conn
	if c.Joined || c.Client.String() != "10.0.0.1:40000" || c.Server.String() != "10.0.0.2:8069" || !c.Opened.Equal(epoch) {
		t.Errorf("conn = %+v", c)
	}
	if st.Connections != 1 || st.Joined != 0 || st.Claimed != 1 || st.Stray != 0 || st.Segments != 8 {
		t.Errorf("stats = %+v", st)
	}
}

func TestOrder(t *testing.T) {
	a := packet{from: client, seq: 101, ack: 501, flags: flagACK, data: []byte("aaa")}
	b := packet{from: client, seq: 104, ack: 501, flags: flagACK, data: []byte("bbb")}
	c := packet{from: client, seq: 107, ack: 501, flags: flagACK, data: []byte("ccc")}
	late := func(p packet, at time.Duration) packet { p.at = at; return p }
	answer := packet{from: server, seq: 501, ack: 110, flags: flagACK, data: []byte("ok"), at: ms(1)}
	var filler []packet // of another connection, so that the recording goes on
	for i := range 20 {
		filler = append(filler, packet{port: 9, from: client, seq: 1, flags: flagSYN, at: ms(20 + i)})
	}
	tests := []struct {
		name    string
		packets []packet
		want    []string
	}{
		{"reordered", []packet{c, b, a},
			[]string{`1 to server "aaa" lost 0`, `1 to server "bbb" lost 0`, `1 to server "ccc" lost 0`, `1 close`}},
		{"repeated", []packet{a, a, b, a, b, c, c},
			[]string{`1 to server "aaa" lost 0`, `1 to server "bbb" lost 0`, `1 to server "ccc" lost 0`, `1 close`}},
		{"overlap, first copy wins", []packet{a, c, {from: client, seq: 102, flags: flagACK, ack: 501, data: []byte("AABBBCCCd")}},
			[]string{`1 to server "aaa" lost 0`, `1 to server "BBB" lost 0`, `1 to server "ccc" lost 0`, `1 to server "d" lost 0`, `1 close`}},
		{"lost until the hold time ends", []packet{a, c, {from: server, seq: 501, ack: 104, flags: flagACK, at: ms(499)}, {from: server, seq: 501, ack: 104, flags: flagACK, at: ms(500)}, late(b, ms(600))},
			[]string{`1 to server "aaa" lost 0`, `1 to server "ccc" lost 3`, `1 close`}},
		{"answer before the request is recorded", []packet{answer, late(a, ms(2)), late(b, ms(2)), late(c, ms(2))},
			[]string{`1 to server "aaa" lost 0`, `1 to server "bbb" lost 0`, `1 to server "ccc" lost 0`, `1 to client "ok" lost 0`, `1 close`}},
		{"lost as the answer proves", append([]packet{a, answer}, filler...),
			[]string{`1 to server "aaa" lost 0`, `1 to server "" lost 6`, `1 to client "ok" lost 0`, `1 close`}},
		{"lost in the middle as the answer proves", append([]packet{a, c, answer}, filler...),
			[]string{`1 to server "aaa" lost 0`, `1 to server "ccc" lost 3`, `1 to client "ok" lost 0`, `1 close`}},
		{"lost at the end", []packet{a, answer},
			[]string{`1 to server "aaa" lost 0`, `1 to server "" lost 6`, `1 to client "ok" lost 0`, `1 close`}},
		{"keep-alive", []packet{a, {from: client, seq: 103, ack: 501, flags: flagACK}, {from: client, seq: 103, ack: 501, flags: flagACK, data: []byte{0}}, b},
			[]string{`1 to server "aaa" lost 0`, `1 to server "bbb" lost 0`, `1 close`}},
		{"cut by the snap length", []packet{{from: client, seq: 101, ack: 501, flags: flagACK, data: []byte("aaaXX"), cut: 2}, {from: client, seq: 106, ack: 501, flags: flagACK, data: []byte("b")}},
			[]string{`1 to server "aaa" lost 0`, `1 to server "" lost 2`, `1 to server "b" lost 0`, `1 close`}},
		{"end before the last bytes", []packet{{from: client, seq: 107, ack: 501, flags: flagACK | flagFIN, data: []byte("ccc")}, b, a},
			[]string{`1 to server "aaa" lost 0`, `1 to server "bbb" lost 0`, `1 to server "ccc" lost 0`, `1 to server fin`, `1 close`}},
		{"last bytes lost before the end", append([]packet{a, {from: client, seq: 110, ack: 501, flags: flagACK | flagFIN}}, filler...),
			[]string{`1 to server "aaa" lost 0`, `1 to server "" lost 6`, `1 to server fin`, `1 close`}},
		{"end not recorded", append([]packet{a, {from: server, seq: 501, ack: 105, flags: flagACK | flagFIN}}, filler...),
			[]string{`1 to server "aaa" lost 0`, `1 to client fin`, `1 close`}},
		{"reset", []packet{a, {from: server, seq: 501, flags: flagRST}, b},
			[]string{`1 to server "aaa" lost 0`, `1 close`}},
		{"reset before the last bytes", []packet{a, {from: client, seq: 107, flags: flagRST}, b},
			[]string{`1 to server "aaa" lost 0`, `1 to server "bbb" lost 0`, `1 close`}},
		{"data after the end", []packet{a, {from: client, seq: 104, ack: 501, flags: flagACK | flagFIN}, c},
			[]string{`1 to server "aaa" lost 0`, `1 to server fin`, `1 close`, `2 to server "ccc" lost 0`, `2 close`}},
		{"damaged number", []packet{a, {from: client, seq: 104 + 1<<22, ack: 501, flags: flagACK, data: []byte("???")}, late(b, ms(700)), late(c, ms(701))},
			[]string{`1 to server "aaa" lost 0`, `1 to server "bbb" lost 0`, `1 to server "ccc" lost 0`, `1 close`}},
		{"number damaged beyond the connection", []packet{a, {from: client, seq: 1 << 30, ack: 501, flags: flagACK, data: []byte("???")}, b},
			[]string{`1 to server "aaa" lost 0`, `1 to server "bbb" lost 0`, `1 close`}},
		{"damaged acknowledgement", []packet{{from: server, seq: 501, ack: 101 + 1<<22, flags: flagACK}, late(a, ms(700)), late(b, ms(701))},
			[]string{`1 to server "aaa" lost 0`, `1 to server "bbb" lost 0`, `1 close`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, _ := run(t, Config{}, append(opening(), tt.packets...)...)
			wantLog(t, r, tt.want...)
		})
	}
}

// TestBothDirectionsWait: losses on both sides that wait for each other end while the recording goes on.
func TestBothDirectionsWait(t *testing.T) {
	packets := append(opening(),
		data(client, 101, 501, "aaa"), // 104 to 107 are lost
		data(server, 501, 107, "ok"),
		data(client, 107, 503, "ccc"), // 503 to 505 are lost
		data(client, 110, 505, "ddd"),
		data(server, 505, 113, "OK"))
	packets = append(packets, packet{port: 9, from: client, seq: 1, flags: flagSYN})
	for i := range 50 {
		packets = append(packets, packet{port: 9, from: client, seq: uint32(2 + i), flags: flagACK, data: []byte("."), at: ms(3 * i)})
	}
	r, _ := run(t, Config{}, packets...)
	var got []string
	for i, line := range r.log {
		if strings.HasPrefix(line, "1 ") && i < len(r.log)-10 {
			got = append(got, line)
		}
	}
	r.log = got
	wantLog(t, r, `1 to server "aaa" lost 0`, `1 to server "" lost 3`, `1 to client "ok" lost 0`,
		`1 to server "ccc" lost 0`, `1 to client "" lost 2`, `1 to server "ddd" lost 0`, `1 to client "OK" lost 0`)
}

func TestGiantSegment(t *testing.T) {
	body := text(300_000) // more than IPv4's total length can say
	r, _ := run(t, Config{}, append(opening(), packet{from: client, seq: 101, ack: 501, flags: flagACK, data: body})...)
	if !bytes.Equal(r.streams[0].data[ToServer], body) {
		t.Errorf("got %d bytes, want %d", len(r.streams[0].data[ToServer]), len(body))
	}
}

func TestSequenceWraps(t *testing.T) {
	const isn = 0xfffffff0
	packets := []packet{{from: client, seq: isn, flags: flagSYN}, {from: server, seq: 0xffffffff, ack: isn + 1, flags: flagSYN | flagACK}}
	var want []byte
	for i := range 10 {
		b := []byte(fmt.Sprintf("%05d", i))
		want = append(want, b...)
		packets = append(packets, packet{from: client, seq: isn + 1 + uint32(5*i), ack: 0, flags: flagACK, data: b})
	}
	packets[3], packets[6] = packets[6], packets[3]
	r, st := run(t, Config{}, packets...)
	if !bytes.Equal(r.streams[0].data[ToServer], want) || st.Lost != 0 {
		t.Errorf("got %q, lost %d", r.streams[0].data[ToServer], st.Lost)
	}
}

func TestPortReuse(t *testing.T) {
	second := []packet{
		{from: client, seq: 90100, flags: flagSYN},
		{from: server, seq: 90500, ack: 90101, flags: flagSYN | flagACK},
		{from: client, seq: 90101, ack: 90501, flags: flagACK, data: []byte("new")},
	}
	packets := append(opening(), packet{from: client, seq: 101, ack: 501, flags: flagACK, data: []byte("old")})
	r, st := run(t, Config{}, append(packets, second...)...)
	wantLog(t, r, `1 to server "old" lost 0`, `1 close`, `2 to server "new" lost 0`, `2 close`)
	if st.Reused != 1 || st.Connections != 2 {
		t.Errorf("stats = %+v", st)
	}
	// The SYN was not recorded, but its answer was.
	r, _ = run(t, Config{}, append(packets, second[1:]...)...)
	wantLog(t, r, `1 to server "old" lost 0`, `1 close`, `2 to server "new" lost 0`, `2 close`)
	// Neither was: only the distance tells, and one segment could be damaged.
	far := packet{from: client, seq: 1 << 30, ack: 1 << 29, flags: flagACK, data: []byte("damaged")}
	near := packet{from: client, seq: 1<<30 + 7, ack: 1 << 29, flags: flagACK, data: []byte("new")}
	r, st = run(t, Config{}, append(packets, far, near)...)
	wantLog(t, r, `1 to server "old" lost 0`, `1 close`, `2 to server "new" lost 0`, `2 close`)
	if st.Joined != 1 {
		t.Errorf("joined = %d", st.Joined)
	}
}

func TestLatePacketsOpenNothing(t *testing.T) {
	end := []packet{
		{from: client, seq: 101, ack: 501, flags: flagACK | flagFIN, data: []byte("bye")},
		{from: server, seq: 501, ack: 105, flags: flagACK | flagFIN},
		{from: client, seq: 105, ack: 502, flags: flagACK},
	}
	var doubled []packet
	for _, p := range append(opening(), end...) {
		doubled = append(doubled, p, p)
	}
	r, st := run(t, Config{}, append(doubled, end...)...)
	wantLog(t, r, `1 to server "bye" lost 0`, `1 to server fin`, `1 to client fin`, `1 close`)
	if st.Connections != 1 {
		t.Errorf("connections = %d", st.Connections)
	}
}

func TestJoined(t *testing.T) {
	tests := []struct {
		name    string
		packets []packet
		want    []string
		joined  bool
	}{
		{"in order", []packet{
			{from: server, seq: 700, ack: 300, flags: flagACK, data: []byte("tail")},
			{from: client, seq: 300, ack: 704, flags: flagACK, data: []byte("GET")},
		}, []string{`1 to client "tail" lost 0`, `1 to server "GET" lost 0`, `1 close`}, true},
		{"start out of order", []packet{
			{from: client, seq: 303, ack: 704, flags: flagACK, data: []byte("def")},
			{from: client, seq: 300, ack: 704, flags: flagACK, data: []byte("abc")},
		}, []string{`1 to server "abc" lost 0`, `1 to server "def" lost 0`, `1 close`}, true},
		{"first answer lost", []packet{
			{from: client, seq: 300, ack: 704, flags: flagACK, data: []byte("GET")},
			{from: server, seq: 714, ack: 303, flags: flagACK, data: []byte("rest"), at: ms(40)},
		}, []string{`1 to server "GET" lost 0`, `1 to client "rest" lost 10`, `1 close`}, true},
		{"handshake after the data", []packet{
			{from: client, seq: 101, ack: 501, flags: flagACK, data: []byte("GET")},
			{from: client, seq: 100, flags: flagSYN},
			{from: server, seq: 500, ack: 101, flags: flagSYN | flagACK},
			{from: client, seq: 104, ack: 501, flags: flagACK, data: []byte(" /"), at: ms(1)},
		}, []string{`1 to server "GET" lost 0`, `1 to server " /" lost 0`, `1 close`}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, _ := run(t, Config{}, tt.packets...)
			wantLog(t, r, tt.want...)
			if got := r.streams[0].conn.Joined; got != tt.joined {
				t.Errorf("joined = %v", got)
			}
		})
	}
}

func TestHalfOpenFloodStaysBounded(t *testing.T) {
	r := &recorder{t: t}
	e := NewEngine(Config{MaxQuiet: 100}, r)
	feed(e, append(opening(), packet{from: client, seq: 101, ack: 501, flags: flagACK, data: []byte("a")})...)
	b, size := packet{from: client, seq: 1, flags: flagSYN}.frame()
	for i := range 20_000 {
		b[26], b[27], b[28] = 11, byte(i>>8), byte(i)
		e.Packet(epoch.Add(time.Duration(i)*time.Microsecond), layers.LinkTypeEthernet, b, size)
	}
	if n := len(e.conns); n > 101 {
		t.Errorf("%d connections kept", n)
	}
	feed(e, packet{at: ms(100), from: client, seq: 102, ack: 501, flags: flagACK, data: []byte("b")})
	e.Flush()
	wantLog(t, r, `1 to server "a" lost 0`, `1 to server "b" lost 0`, `1 close`)
	if st := e.Stats(); st.Connections != 20_001 || st.QuietEnded != 19_900 || st.Evicted != 0 {
		t.Errorf("stats = %+v", st)
	}
}

func TestEvictionAndExpiry(t *testing.T) {
	one := func(port uint16, at time.Duration) packet {
		return packet{from: client, port: port, seq: 1, ack: 1, flags: flagACK, data: []byte("x"), at: at}
	}
	r, st := run(t, Config{MaxConns: 2}, one(1, 0), one(2, ms(1)), one(3, ms(2)))
	if st.Evicted != 1 || len(r.streams) != 3 {
		t.Errorf("evicted %d of %d", st.Evicted, len(r.streams))
	}
	packets := []packet{one(1, 0)}
	for i := range 300 {
		packets = append(packets, one(2, 2*time.Second+ms(i)))
	}
	_, st = run(t, Config{IdleTimeout: time.Second}, packets...)
	if st.Expired != 1 {
		t.Errorf("expired = %d", st.Expired)
	}
}

// only returns the one connection of e.
func only(e *Engine) (c *conn) {
	for _, c = range e.conns {
	}
	return c
}

func TestHoldLimits(t *testing.T) {
	for _, cfg := range []Config{{MaxHeld: 10_000}, {MaxHeldSegments: 5}, {MaxHeldTotal: 10_000}} {
		r := &recorder{t: t}
		e := NewEngine(cfg, r)
		feed(e, opening()...)
		for i := range 100 {
			feed(e, packet{from: client, seq: uint32(111 + 20*i), ack: 501, flags: flagACK, data: text(10)})
			if held := e.Stats().Held; held > 12_000 {
				t.Fatalf("%+v: %d bytes held", cfg, held)
			}
			if n := len(only(e).half[0].held); n > 100 || cfg.MaxHeldSegments > 0 && n > cfg.MaxHeldSegments {
				t.Fatalf("%+v: %d segments held", cfg, n)
			}
		}
		e.Flush()
		st := e.Stats()
		checkLaws(t, st)
		if st.Gaps != 100 || st.Lost != 1000 || st.Delivered != 1000 {
			t.Errorf("%+v: %+v", cfg, st)
		}
	}
}

// The clock is set forward in the middle of a conversation by more than a connection may be idle: it goes on.
func TestClockSetForward(t *testing.T) {
	const by = 24 * time.Hour
	r := &recorder{t: t}
	e := NewEngine(Config{}, r)
	feed(e, append(opening(), data(client, 101, 501, "ask"))...)
	feed(e, data(client, 107, 501, "after a gap")) // "..." comes later
	e.Step(by)
	missing := data(client, 104, 501, "...")
	missing.at = ms(1) // still in the ring when the clock was set
	late := data(server, 501, 118, "answer")
	late.at = by + ms(3)
	feed(e, missing)
	e.Advance(epoch.Add(by + ms(2)))
	feed(e, late)
	if st := e.Stats(); st.Expired != 0 || st.Connections != 1 || st.Lost != 0 {
		t.Errorf("%+v", st)
	}
	e.Advance(epoch.Add(by + 4*time.Hour)) // and that is a long time
	if st := e.Stats(); st.Expired != 1 {
		t.Errorf("%+v", st)
	}
	e.Flush()
	checkLaws(t, e.Stats())
	if s := r.streams[0]; len(r.streams) != 1 || string(s.data[ToServer]) != "ask...after a gap" || string(s.data[ToClient]) != "answer" || s.last[ToClient] != epoch.Add(late.at) {
		t.Errorf("%d streams, %q and %q, the answer at %v", len(r.streams), s.data[ToServer], s.data[ToClient], s.last[ToClient])
	}
}
