package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket/layers"
)

const (
	client uint8 = 0
	server uint8 = 1
)

// packet is one TCP segment of a test conversation between a client and a server.
type packet struct {
	at    time.Duration // since epoch
	from  uint8
	seq   uint32
	ack   uint32
	flags uint8
	data  []byte
	cut   int    // payload bytes that the snap length leaves out
	port  uint16 // client's; 40000 if 0
}

var epoch = time.Unix(1_700_000_000, 0).UTC()

// frame returns p as an Ethernet frame and its length on the wire.
func (p packet) frame() ([]byte, int) {
	b := make([]byte, 54, 54+len(p.data))
	binary.BigEndian.PutUint16(b[12:], 0x0800)
	ip := b[14:]
	ip[0], ip[8], ip[9] = 0x45, 64, 6
	if total := 40 + len(p.data); total < 1<<16 {
		binary.BigEndian.PutUint16(ip[2:], uint16(total))
	}
	cli, srv := ip[12:16], ip[16:20]
	sport, dport := ip[20:22], ip[22:24]
	if p.from == server {
		cli, srv, sport, dport = srv, cli, dport, sport
	}
	copy(cli, []byte{10, 0, 0, 1})
	copy(srv, []byte{10, 0, 0, 2})
	if p.port == 0 {
		p.port = 40000
	}
	binary.BigEndian.PutUint16(sport, p.port)
	binary.BigEndian.PutUint16(dport, 8069)
	tcp := ip[20:]
	binary.BigEndian.PutUint32(tcp[4:], p.seq)
	binary.BigEndian.PutUint32(tcp[8:], p.ack)
	tcp[12], tcp[13] = 5<<4, p.flags
	b = append(b, p.data...)
	return b[:len(b)-p.cut], len(b)
}

func feed(e *Engine, packets ...packet) {
	for _, p := range packets {
		b, size := p.frame()
		e.Packet(epoch.Add(p.at), layers.LinkTypeEthernet, b, size)
	}
}

// recorder is a protocol that claims every connection and notes what its streams get.
type recorder struct {
	t       testing.TB
	claims  func(Conn, []byte) Verdict
	watch   func(Chunk)
	streams []*recorded
	log     []string
}

type recorded struct {
	r      *recorder
	conn   Conn
	data   [2][]byte // lost bytes stand as zeros
	lost   [2]int64
	gaps   [2][]gap
	fin    [2]bool
	last   [2]time.Time
	closed bool
	chunks int
}

// gap is a run of lost bytes at an offset of a direction.
type gap struct{ at, n int64 }

var (
	_ Protocol = (*recorder)(nil)
	_ Stream   = (*recorded)(nil)
)

func (r *recorder) Claims(c Conn, b []byte) Verdict {
	if r.claims != nil {
		return r.claims(c, b)
	}
	if c.Server.Port() == 8069 {
		return FromClient
	}
	return FromServer
}

func (r *recorder) NewStream(c Conn) Stream {
	s := &recorded{r: r, conn: c}
	r.streams = append(r.streams, s)
	return s
}

func (s *recorded) note(format string, args ...any) {
	s.r.log = append(s.r.log, fmt.Sprintf("%d ", s.conn.ID)+fmt.Sprintf(format, args...))
}

func (s *recorded) Chunk(c Chunk) {
	s.r.t.Helper()
	if s.closed || s.fin[c.Dir] {
		s.r.t.Errorf("chunk %s after its end", c.Dir)
	}
	if len(c.Data) == 0 && c.Lost == 0 {
		s.r.t.Errorf("empty chunk %s", c.Dir)
	}
	if c.Lost < 0 || c.Time.Before(s.last[c.Dir]) {
		s.r.t.Errorf("chunk %s: lost %d, time %v after %v", c.Dir, c.Lost, c.Time, s.last[c.Dir])
	}
	s.last[c.Dir] = c.Time
	if s.r.watch != nil {
		s.r.watch(c)
	}
	if c.Lost > 0 {
		s.gaps[c.Dir] = append(s.gaps[c.Dir], gap{int64(len(s.data[c.Dir])), c.Lost})
		if c.Lost < 1<<12 {
			s.data[c.Dir] = append(s.data[c.Dir], make([]byte, c.Lost)...)
		}
	}
	s.lost[c.Dir] += c.Lost
	s.data[c.Dir] = append(s.data[c.Dir], c.Data...)
	s.chunks++
	s.note("%s %q lost %d", c.Dir, clip(c.Data), c.Lost)
}

func (s *recorded) Fin(d Dir, _ time.Time) {
	s.r.t.Helper()
	if s.fin[d] || s.closed {
		s.r.t.Errorf("second end %s", d)
	}
	s.fin[d] = true
	s.note("%s fin", d)
}

func (s *recorded) Close(time.Time) {
	s.r.t.Helper()
	if s.closed {
		s.r.t.Error("closed twice")
	}
	s.closed = true
	s.note("close")
}

func clip(b []byte) []byte { return b[:min(len(b), 24)] }

// checkLaws checks the sums that Stats promises after Flush.
func checkLaws(t interface {
	Helper()
	Errorf(string, ...any)
}, s Stats) {
	t.Helper()
	if got := s.Delivered + s.Unclaimed + s.Duplicate + s.Dropped; got != s.Payload {
		t.Errorf("delivered+unclaimed+duplicate+dropped = %d, payload %d: %+v", got, s.Payload, s)
	}
	if got := s.Delivered + s.Unclaimed + s.Lost; got != s.Space {
		t.Errorf("delivered+unclaimed+lost = %d, space %d: %+v", got, s.Space, s)
	}
	if s.Held != 0 {
		t.Errorf("%d bytes held after Flush", s.Held)
	}
}

// run feeds packets, flushes and returns what a claiming protocol got.
func run(t *testing.T, cfg Config, packets ...packet) (*recorder, Stats) {
	t.Helper()
	r := &recorder{t: t}
	e := NewEngine(cfg, r)
	feed(e, packets...)
	e.Flush()
	checkLaws(t, e.Stats())
	for _, s := range r.streams {
		if !s.closed {
			t.Error("stream left open")
		}
	}
	return r, e.Stats()
}

func wantLog(t *testing.T, r *recorder, want ...string) {
	t.Helper()
	if got := strings.Join(r.log, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// opening is the handshake of a connection with initial sequence numbers 100 and 500.
func opening() []packet {
	return []packet{
		{from: client, seq: 100, flags: flagSYN},
		{from: server, seq: 500, ack: 101, flags: flagSYN | flagACK},
		{from: client, seq: 101, ack: 501, flags: flagACK},
	}
}

func text(n int) []byte {
	return bytes.Repeat([]byte("0123456789abcdefghijklmnopqrstuvwxyz"), n/36+1)[:n]
}
