package capture

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// byPrefix claims bytes that start with a word of the client's or of the server's.
func byPrefix(client, server string) func(Conn, []byte) Verdict {
	return func(_ Conn, b []byte) Verdict {
		switch {
		case bytes.HasPrefix(b, []byte(client)):
			return FromClient
		case bytes.HasPrefix(b, []byte(server)):
			return FromServer
		}
		return Reject
	}
}

func data(from uint8, seq, ack uint32, s string) packet {
	return packet{from: from, seq: seq, ack: ack, flags: flagACK, data: []byte(s)}
}

func TestClaims(t *testing.T) {
	tests := []struct {
		name    string
		packets []packet
		want    []string
		joined  bool
	}{
		{"at once", append(opening(), data(client, 101, 501, "ASK one")),
			[]string{`1 to server "ASK one" lost 0`, `1 close`}, false},
		{"start in pieces", append(opening(), data(client, 101, 501, "A"), data(client, 102, 501, "SK one")),
			[]string{`1 to server "A" lost 0`, `1 to server "SK one" lost 0`, `1 close`}, false},
		{"start in pieces, answered between", append(opening(), data(client, 101, 501, "A"), data(server, 501, 102, "?"), data(client, 102, 502, "SK one")),
			[]string{`1 to server "A" lost 0`, `1 to client "?" lost 0`, `1 to server "SK one" lost 0`, `1 close`}, false},
		{"preamble before the start", append(opening(), data(client, 101, 501, "PROXY x\n"), data(client, 109, 501, "ASK")),
			[]string{`1 to server "ASK" lost 0`, `1 close`}, true},
		{"by the server's first bytes", append(opening(), data(server, 501, 101, "TELL")),
			[]string{`1 to client "TELL" lost 0`, `1 close`}, false},
		{"first bytes lost", append(opening(), data(client, 111, 501, "ASK")),
			[]string{`1 to server "ASK" lost 0`, `1 close`}, true},
		{"joined, after much of a body", append(bodyOf(20), data(client, 300, 900+20*1000, "ASK")),
			[]string{`1 to server "ASK" lost 0`, `1 close`}, true},
		{"joined, oriented by the verdict", []packet{data(server, 900, 300, "TELL"), data(client, 300, 904, "ASK")},
			[]string{`1 to client "TELL" lost 0`, `1 to server "ASK" lost 0`, `1 close`}, true},
		{"against the handshake", append(opening(), data(server, 501, 101, "ASK")), nil, false},
		{"never", append(opening(), data(client, 101, 501, "what"), data(server, 501, 105, "ever")), nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &recorder{t: t, claims: byPrefix("ASK", "TELL")}
			e := NewEngine(Config{}, r)
			feed(e, tt.packets...)
			e.Flush()
			checkLaws(t, e.Stats())
			wantLog(t, r, tt.want...)
			st := e.Stats()
			if len(tt.want) == 0 {
				if st.Ignored != 1 || st.Claimed != 0 || st.Unclaimed != st.Payload {
					t.Errorf("stats %+v", st)
				}
				return
			}
			if c := r.streams[0].conn; c.Joined != tt.joined || c.Client.String() != "10.0.0.1:40000" {
				t.Errorf("conn %+v", c)
			}
		})
	}
}

// bodyOf is n packets of 1,000 bytes from the server, seen mid-stream.
func bodyOf(n int) []packet {
	var all []packet
	for i := range n {
		all = append(all, data(server, 900+uint32(i)*1000, 300, strings.Repeat("body", 250)))
	}
	return all
}

func TestClaimTriesAreBounded(t *testing.T) {
	var asked int
	r := &recorder{t: t, claims: func(Conn, []byte) Verdict { asked++; return Reject }}
	e := NewEngine(Config{ClaimTries: 20, ClaimBytes: 64}, r)
	feed(e, opening()...)
	seq := [2]uint32{101, 501}
	for i := range 1000 {
		from := uint8(i % 2)
		feed(e, data(from, seq[from], seq[1-from], "0123456789"))
		seq[from] += 10
		if held := e.Stats().Held; held > 400 {
			t.Fatalf("%d bytes kept", held)
		}
	}
	e.Flush()
	st := e.Stats()
	checkLaws(t, st)
	if asked > 2*20+10 || st.Ignored != 1 || st.Unclaimed != 10_000 {
		t.Errorf("asked %d times, %+v", asked, st)
	}
}

// TestRecognisedLate has a connection of which nothing makes sense for long, and then does.
func TestRecognisedLate(t *testing.T) {
	r := &recorder{t: t, claims: byPrefix("ASK", "TELL")}
	e := NewEngine(Config{ClaimTries: 4}, r)
	feed(e, opening()...)
	seq := [2]uint32{101, 501}
	say := func(from uint8, words string) {
		feed(e, data(from, seq[from], seq[1-from], words))
		seq[from] += uint32(len(words))
	}
	for i := range 40 {
		say(uint8(i%2), "nonsense")
	}
	if st := e.Stats(); st.Ignored != 1 {
		t.Fatalf("stats %+v, want a connection that is ignored", st)
	}
	for range 40 {
		say(server, "TELL")
		say(client, "ASK")
	}
	e.Flush()
	st := e.Stats()
	checkLaws(t, st)
	if st.Recognised != 1 || st.Connections != 1 || st.Joined != 1 || st.Ignored != 0 || st.Claimed != 1 || st.Reused != 0 || len(r.log) < 10 || r.log[0] != `2 to server "ASK" lost 0` && r.log[0] != `2 to client "TELL" lost 0` {
		t.Errorf("stats %+v, log %q", st, r.log)
	}
	if c := r.streams[0].conn; !c.Joined || c.Client.String() != "10.0.0.1:40000" {
		t.Errorf("conn %+v", c)
	}
}

// TestRecogniseIsBounded goes on with nonsense: it is asked about ever less often.
func TestRecogniseIsBounded(t *testing.T) {
	asked := 0
	e := NewEngine(Config{ClaimTries: 4}, &recorder{t: t, claims: func(Conn, []byte) Verdict { asked++; return Reject }})
	feed(e, opening()...)
	seq := [2]uint32{101, 501}
	for i := range 20_000 {
		from := uint8(i % 2)
		feed(e, data(from, seq[from], seq[1-from], "0123456789"))
		seq[from] += 10
	}
	e.Flush()
	st := e.Stats()
	checkLaws(t, st)
	if asked > 30 || st.Ignored != 1 || st.Connections != 1 {
		t.Errorf("asked %d times, %+v", asked, st)
	}
}

func TestPorts(t *testing.T) {
	first, second := &recorder{t: t, claims: byPrefix("ASK", "TELL")}, &recorder{t: t, claims: byPrefix("ASK", "TELL")}
	ask := append(opening(), data(client, 101, 501, "ASK"))
	mid := []packet{data(server, 501, 101, "TELL")}
	tests := []struct {
		name          string
		ports         map[uint16]int
		packets       []packet
		first, second int
	}{
		{"none", nil, ask, 1, 0},
		{"of the second", map[uint16]int{8069: 1}, ask, 0, 1},
		{"of the second, mid-stream", map[uint16]int{8069: 1}, mid, 0, 1},
		{"the client's does not count", map[uint16]int{40000: 1}, ask, 1, 0},
		{"nor mid-stream", map[uint16]int{40000: 0}, mid, 0, 1},
		{"another of the first", map[uint16]int{80: 0}, ask, 0, 1},
		{"another of both", map[uint16]int{80: 0, 81: 1}, ask, 0, 0},
		{"of neither", map[uint16]int{8069: 7}, ask, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			first.streams, second.streams = nil, nil
			e := NewEngine(Config{Ports: tt.ports}, first, second)
			feed(e, tt.packets...)
			e.Flush()
			checkLaws(t, e.Stats())
			if len(first.streams) != tt.first || len(second.streams) != tt.second {
				t.Errorf("%d and %d streams, want %d and %d", len(first.streams), len(second.streams), tt.first, tt.second)
			}
		})
	}
}

// Ports are assigned anew in the middle of conversations.
func TestSetPorts(t *testing.T) {
	open := append(opening(), data(client, 101, 501, "ASK"))
	more := []packet{data(server, 501, 104, "TELL"), data(client, 104, 505, "ASK again")}
	tests := []struct {
		name          string
		before, after map[uint16]int
		first, second []string
	}{
		{"another port comes", map[uint16]int{8069: 0}, map[uint16]int{8069: 0, 9: 1}, []string{"ASKASK again TELL"}, nil},
		{"another port goes", map[uint16]int{8069: 0, 9: 1}, map[uint16]int{8069: 0}, []string{"ASKASK again TELL"}, nil},
		{"any port", map[uint16]int{8069: 0}, nil, []string{"ASKASK again TELL"}, nil},
		{"the port comes", map[uint16]int{9: 0, 10: 1}, map[uint16]int{8069: 0, 10: 1}, []string{"ASK again TELL"}, nil},
		{"the port goes", map[uint16]int{8069: 0, 9: 1}, map[uint16]int{9: 0, 10: 1}, []string{"ASK "}, nil},
		{"the port is the other's", map[uint16]int{8069: 0, 9: 1}, map[uint16]int{8069: 1}, []string{"ASK "}, []string{"ASK again TELL"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			first, second := &recorder{t: t, claims: byPrefix("ASK", "TELL")}, &recorder{t: t, claims: byPrefix("ASK", "TELL")}
			e := NewEngine(Config{Ports: tt.before}, first, second)
			feed(e, open...)
			e.SetPorts(tt.after)
			feed(e, more...)
			e.Flush()
			checkLaws(t, e.Stats())
			for i, want := range [][]string{tt.first, tt.second} {
				var got []string
				for _, s := range []*recorder{first, second}[i].streams {
					got = append(got, string(s.data[ToServer])+" "+string(s.data[ToClient]))
					if !s.closed || s.lost != [2]int64{} {
						t.Errorf("protocol %d: closed %v, lost %d", i, s.closed, s.lost)
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("protocol %d got %q, want %q", i, got, want)
				}
			}
		})
	}
}

func TestEncrypted(t *testing.T) {
	hello := string([]byte{22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3})
	record := string([]byte{23, 3, 3, 0, 50, 1, 2, 3})
	for name, packets := range map[string][]packet{
		"hello":      append(opening(), data(client, 101, 501, hello)),
		"mid-stream": {data(client, 101, 501, record)},
	} {
		t.Run(name, func(t *testing.T) {
			r := &recorder{t: t, claims: byPrefix("ASK", "TELL")}
			e := NewEngine(Config{}, r)
			feed(e, packets...)
			feed(e, data(server, 501, 101, "ASK")) // not looked at any more
			e.Flush()
			checkLaws(t, e.Stats())
			if st := e.Stats(); len(st.Encrypted) != 1 || st.Encrypted[8069] != 1 || len(r.streams) != 0 {
				t.Errorf("%+v, %d streams", st, len(r.streams))
			}
		})
	}
}
