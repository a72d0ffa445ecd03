package proxy

import (
	"net/netip"
	"sync"
	"time"
)

// hands remembers over which connection to the application server the requests of a client's connection went,
// and from when on. It is bounded: the oldest entry makes room.
type hands struct {
	mu   sync.Mutex
	ring []hand
	next int
	last map[[2]netip.AddrPort]int // index of the latest hand of a client's connection, counted from 1
}

// hand is one change: from then on, requests of the connection client→server went over local→remote.
type hand struct {
	conn          [2]netip.AddrPort
	from          int64
	local, remote netip.AddrPort // perfd's end and the server's
	pid           int32
	before        int // index of the hand before of the same connection, counted from 1
	serial        uint64
}

const maxHands = 1 << 15

// note takes a change.
func (h *hands) note(conn [2]netip.AddrPort, at time.Time, local, remote netip.AddrPort, pid int32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last == nil {
		h.last = map[[2]netip.AddrPort]int{}
	}
	index := h.next % maxHands
	if len(h.ring) < maxHands {
		h.ring = append(h.ring, hand{})
	} else if old := h.ring[index].conn; h.last[old] == index+1 {
		delete(h.last, old)
	}
	h.ring[index] = hand{conn: conn, from: at.UnixNano(), local: local, remote: remote, pid: pid, before: h.last[conn], serial: uint64(h.next)}
	h.last[conn] = index + 1
	h.next++
}

// find returns the one hand through which all of a connection's requests went between two moments.
func (h *hands) find(conn [2]netip.AddrPort, from, to time.Time) (hand, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	index := h.last[conn]
	serial := uint64(h.next)
	for range len(h.ring) {
		if index == 0 {
			break
		}
		e := h.ring[index-1]
		if e.conn != conn || e.serial >= serial { // its place was taken since
			break
		}
		if e.from <= to.UnixNano() {
			return e, e.from <= from.UnixNano()
		}
		index, serial = e.before, e.serial
	}
	return hand{}, false
}
