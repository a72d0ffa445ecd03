package capture

import (
	"testing"
	"time"
)

func TestAdvanceLetsHoldsFallDue(t *testing.T) {
	r := &recorder{t: t}
	e := NewEngine(Config{}, r)
	feed(e, opening()...)
	feed(e,
		packet{from: client, seq: 101, ack: 501, flags: flagACK, data: []byte("one ")},
		packet{from: client, seq: 109, ack: 501, flags: flagACK, data: []byte("three")})
	e.Advance(epoch.Add(499 * time.Millisecond))
	wantLog(t, r, `1 to server "one " lost 0`)
	e.Advance(epoch.Add(500 * time.Millisecond))
	e.Advance(epoch) // the past
	wantLog(t, r, `1 to server "one " lost 0`, `1 to server "three" lost 4`)
}

func TestAdvanceExpiresIdleConnections(t *testing.T) {
	r := &recorder{t: t}
	e := NewEngine(Config{IdleTimeout: time.Hour}, r)
	feed(e, opening()...)
	feed(e, packet{from: client, seq: 101, ack: 501, flags: flagACK, data: []byte("one")})
	feed(e, packet{from: client, seq: 7, flags: flagSYN, port: 40001})
	e.Advance(epoch.Add(time.Hour))
	if s := e.Stats(); s.Expired != 0 || s.QuietEnded != 1 {
		t.Errorf("after an hour: %d expired, %d quiet ended", s.Expired, s.QuietEnded)
	}
	e.Advance(epoch.Add(time.Hour + 1))
	if s := e.Stats(); s.Expired != 1 || !r.streams[0].closed {
		t.Errorf("after more than an hour: %d expired, closed %v", s.Expired, r.streams[0].closed)
	}
}

// The clock of a live source runs before there is any packet.
func TestAdvanceBeforeTheFirstPacket(t *testing.T) {
	r := &recorder{t: t}
	e := NewEngine(Config{}, r)
	e.Advance(epoch.Add(time.Second))
	feed(e, opening()...)
	feed(e, packet{from: client, seq: 101, ack: 501, flags: flagACK, data: []byte("one")})
	e.Flush()
	checkLaws(t, e.Stats())
	wantLog(t, r, `1 to server "one" lost 0`, "1 close")
}
