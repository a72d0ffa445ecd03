package web

import (
	"fmt"
	"testing"
	"time"
)

// TestGate lets sessions end, and keeps what it holds bounded.
func TestGate(t *testing.T) {
	now := time.Unix(1767603600, 0)
	g := newGate(nil, time.Hour)
	first := g.open(now)
	if !g.holds(first, now.Add(time.Hour-1)) || g.holds(first, now.Add(time.Hour)) || g.holds(first, now) || len(g.sessions) != 0 {
		t.Error("a session does not end in time, for good")
	}
	if g.holds("", now) {
		t.Error("no cookie is a session")
	}
	first = g.open(now)
	for i := range maxSessions {
		g.open(now.Add(time.Duration(i+1) * time.Second))
	}
	if len(g.sessions) != maxSessions || g.holds(first, now) {
		t.Errorf("%d sessions; the oldest one is there", len(g.sessions))
	}

	for i := range attempts + 2 {
		if got := g.attempt("a", now); got != (i < attempts) {
			t.Errorf("attempt %d: %v", i, got)
		}
	}
	if !g.attempt("a", now.Add(everyAttempt)) || g.attempt("a", now.Add(everyAttempt)) || !g.attempt("b", now) {
		t.Error("an attempt does not come back, or comes twice")
	}
	for i := range 3 * maxAddresses {
		g.attempt(fmt.Sprint(i), now)
	}
	if n := len(g.refused); n > maxAddresses+1 {
		t.Errorf("%d addresses are kept", n)
	}
	if g.attempt("new", now) {
		t.Error("from ever new addresses one may guess for ever")
	}
	if !g.attempt("new", now.Add(time.Minute)) || len(g.refused) > 10 {
		t.Errorf("%d addresses are kept after a minute", len(g.refused))
	}
}
