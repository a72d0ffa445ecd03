package capture

import (
	"testing"
	"time"

	"github.com/google/gopacket/layers"
)

// FuzzEngine feeds any sequence of segments of two connections. Each step is eight bytes: sender, connection
// and cut; flags; sequence number; acknowledgement; length; time. The recorder checks what streams may see,
// the laws of Stats what became of each byte.
func FuzzEngine(f *testing.F) {
	step := func(from, flags byte, seq, ack uint16, n, wait byte) []byte {
		return []byte{from, flags, byte(seq >> 8), byte(seq), byte(ack >> 8), byte(ack), n, wait}
	}
	seed := func(steps ...[]byte) {
		var b []byte
		for _, s := range steps {
			b = append(b, s...)
		}
		f.Add(b, uint8(0))
		f.Add(b, uint8(1))
	}
	seed(step(0, flagSYN, 100, 0, 0, 1), step(1, flagSYN|flagACK, 500, 101, 0, 1), step(0, flagACK, 101, 501, 5, 1),
		step(1, flagACK, 503, 106, 5, 1), step(1, flagACK, 501, 106, 9, 1), step(0, flagACK|flagFIN, 106, 510, 0, 9), step(1, flagRST, 510, 107, 0, 1))
	seed(step(1, flagACK, 500, 300, 9, 1), step(0, flagACK, 310, 520, 9, 200), step(0, flagACK, 300, 520, 5, 255), step(2, flagACK, 1, 1, 1, 1))
	f.Fuzz(play)
}

// play runs the steps through an engine, with narrow limits if bit 0 of mode is set and with a choosy
// protocol if bit 1 is.
func play(t *testing.T, b []byte, mode uint8) {
	cfg := Config{}
	if mode&1 != 0 {
		cfg = Config{MaxHeld: 600, MaxHeldSegments: 3, MaxHeldTotal: 2000, MaxConns: 1, MaxQuiet: 1,
			ClaimTries: 3, ClaimBytes: 20, OrderPackets: 2, IdleTimeout: time.Second}
	}
	r := &recorder{t: t}
	if mode&2 != 0 {
		r.claims = byPrefix("89ab", "0123")
	}
	e := NewEngine(cfg, r)
	at := epoch
	for ; len(b) >= 8 && e.stats.Packets < 2000; b = b[8:] {
		p := packet{
			from:  b[0] & 1,
			port:  40000 + uint16(b[0]>>1&1),
			flags: b[1],
			seq:   uint32(b[2])<<8 | uint32(b[3]),
			ack:   uint32(b[4])<<8 | uint32(b[5]),
			data:  text(int(b[6]) % 64),
		}
		if b[0]&0x10 != 0 { // around the wrap
			p.seq -= 200
		}
		if b[0]&0x20 != 0 { // far away
			p.seq <<= 16
		}
		if b[0]&0x40 != 0 {
			p.ack <<= 16
		}
		p.cut = len(p.data) * int(b[0]>>7)
		at = at.Add(time.Duration(int(b[7])-8) * time.Millisecond)
		frame, size := p.frame()
		e.Packet(at, layers.LinkTypeEthernet, frame, size)
		if cfg.MaxHeldTotal > 0 && e.heldBytes > cfg.MaxHeldTotal+100 {
			t.Fatalf("%d bytes held", e.heldBytes)
		}
	}
	e.Flush()
	checkLaws(t, e.Stats())
	if len(e.waiting) > 0 || e.lists[quiet].n+e.lists[active].n+len(e.conns) > 0 {
		t.Fatalf("left after Flush: %d waiting, %d connections", len(e.waiting), len(e.conns))
	}
	for _, s := range r.streams {
		if !s.closed {
			t.Fatal("stream left open")
		}
	}
}
