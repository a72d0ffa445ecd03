package capture

import (
	"encoding/binary"
	"math"
)

const (
	maxPieces  = 8 // chunks kept of an unclaimed connection
	firstTries = 8 // chunks offered whatever their place; later ones only after a change of direction
)

// pending is what is kept of a connection until a protocol claims it.
type pending struct {
	pieces []piece
	data   [2][]byte // by side: the bytes of pieces, joined
	side   uint8     // of the last chunk
	late   bool      // bytes before data were lost or given up
	tries  int
}

type piece struct {
	side uint8
	n    int
	at   int64
}

// emit gives the next bytes of a direction, with what was lost before them, to whoever takes them.
func (e *Engine) emit(c *conn, side uint8, data []byte, at int64) {
	switch c.state {
	case claimed:
		h := &c.half[side]
		when := e.at.UTC()
		if h.lastTime = max(h.lastTime, at); h.lastTime != e.atNano {
			when = unixNano(h.lastTime)
		}
		e.stats.Delivered += int64(len(data))
		lost := h.lost
		h.lost = 0
		c.stream.Chunk(Chunk{Dir: c.dir(side), Time: when, Data: data, Lost: lost})
	case unclaimed:
		e.offer(c, side, data, at)
	default:
		e.stats.Unclaimed += int64(len(data))
	}
}

// offer asks the protocols whether they claim a connection of which data are the next bytes. A start may come
// in pieces, so data is offered together with what was kept of its direction, and then by itself.
func (e *Engine) offer(c *conn, side uint8, data []byte, at int64) {
	h, p := &c.half[side], c.pending
	fresh := p == nil
	if fresh {
		p = &e.blank
		*p = pending{side: side}
	}
	turned := p.side != side
	p.side = side
	if h.lost > 0 || turned && c.joined {
		p.late = p.late || h.lost > 0
		h.lost = 0
		e.giveUp(p)
	}
	if len(data) > 0 && (turned || p.tries < firstTries) {
		p.tries++
		if e.tryClaim(c, p, side, data, at) {
			return
		}
		if p.tries == 1 && e.encrypted(c, side, data) {
			e.stats.Unclaimed += int64(len(data))
			e.ignore(c)
			return
		}
	}
	e.keep(p, side, data, at)
	if fresh {
		kept := *p
		c.pending = &kept
	}
	if p.tries >= e.cfg.ClaimTries {
		e.ignore(c)
	}
}

// tryClaim offers data and, if a protocol claims it, starts the stream with all that belongs to it.
func (e *Engine) tryClaim(c *conn, p *pending, side uint8, data []byte, at int64) bool {
	kept := p.data[side]
	whole := data
	if len(kept) > 0 {
		room := max(e.cfg.ClaimBytes-len(kept), 0)
		whole = append(kept[:len(kept):len(kept)], data[:min(len(data), room)]...)
	}
	if e.claim(c, side, whole, p.late) {
		e.unkeep(c)
		var pos [2]int
		for _, q := range p.pieces {
			e.emit(c, q.side, p.data[q.side][pos[q.side]:][:q.n], q.at)
			pos[q.side] += q.n
		}
		e.begin(c, side, data, at)
		return true
	}
	if len(kept) > 0 && e.claim(c, side, data, true) {
		e.giveUp(p)
		e.unkeep(c)
		e.begin(c, side, data, at)
		return true
	}
	return false
}

// begin gives the first chunk to a claimed connection, and the ends that came before it.
func (e *Engine) begin(c *conn, side uint8, data []byte, at int64) {
	e.emit(c, side, data, at)
	for i := range c.half {
		if c.half[i].ended {
			c.stream.Fin(c.dir(uint8(i)), unixNano(c.seen+e.skipped))
		}
	}
}

// claim asks each protocol that may take c. late tells that the stream does not start with the connection.
func (e *Engine) claim(c *conn, side uint8, data []byte, late bool) bool {
	conn := c.describe()
	conn.Joined = conn.Joined || late
	for i, p := range e.protos {
		if !e.mayTake(c, i) {
			continue
		}
		verdict := p.Claims(conn, data)
		if verdict == Reject {
			continue
		}
		client := side
		if verdict == FromServer {
			client = 1 - side
		}
		if c.oriented && c.client != client || !e.allows(i, c.flow.port(1-client)) {
			continue
		}
		c.oriented, c.client = true, client
		c.joined = conn.Joined
		c.stream, c.protocol = p.NewStream(c.describe()), uint8(i)
		c.state = claimed
		e.stats.Claimed++
		return true
	}
	return false
}

// keep stores data for a later claim as far as the limits allow.
func (e *Engine) keep(p *pending, side uint8, data []byte, at int64) {
	if len(data) == 0 {
		return
	}
	if len(p.data[side])+len(data) > e.cfg.ClaimBytes || len(p.pieces) == maxPieces {
		e.giveUp(p)
	}
	if len(data) > e.cfg.ClaimBytes || e.heldBytes+len(data) > e.cfg.MaxHeldTotal {
		p.late = true
		e.stats.Unclaimed += int64(len(data))
		return
	}
	before := cap(p.data[side])
	p.data[side] = append(p.data[side], data...)
	e.heldBytes += cap(p.data[side]) - before
	p.pieces = append(p.pieces, piece{side, len(data), at})
}

// giveUp drops what is kept: no stream will start there.
func (e *Engine) giveUp(p *pending) {
	for i := range p.data {
		e.stats.Unclaimed += int64(len(p.data[i]))
		p.late = p.late || len(p.data[i]) > 0
		p.data[i] = p.data[i][:0]
	}
	p.pieces = p.pieces[:0]
}

// unkeep takes what c keeps out of the counts and away from c.
func (e *Engine) unkeep(c *conn) {
	if c.pending != nil {
		e.heldBytes -= cap(c.pending.data[0]) + cap(c.pending.data[1])
		c.pending = nil
	}
}

// ignore gives up offering c.
func (e *Engine) ignore(c *conn) {
	e.stats.Ignored++
	c.state = ignored
	if c.pending != nil {
		e.giveUp(c.pending)
		e.unkeep(c)
	}
}

// recognised tells whether a segment shows that a connection that all protocols rejected is of one of them after all, as where
// its first bytes were lost for long, or came in an order that made no sense. It asks where the direction changes, because there messages
// begin, and less and less often.
func (e *Engine) recognised(c *conn, s *segment) bool {
	if len(s.payload) == 0 || c.turns > 0 && c.last == s.side {
		return false
	}
	c.last = s.side
	if c.turns < math.MaxUint16 {
		c.turns++
	}
	if c.turns&(c.turns-1) != 0 {
		return false
	}
	conn := c.describe()
	conn.Joined = true
	for i, p := range e.protos {
		if !e.mayTake(c, i) {
			continue
		}
		server := s.side
		switch p.Claims(conn, s.payload) {
		case Reject:
			continue
		case FromClient:
			server = 1 - s.side
		}
		if (!c.oriented || c.client == 1-server) && e.allows(i, c.flow.port(server)) {
			return true
		}
	}
	return false
}

// reconsider counts a connection as if it had not been seen, which is going to be joined at its next segment.
func (e *Engine) reconsider(c *conn) {
	e.stats.Recognised++
	e.stats.Ignored--
	e.stats.Connections--
	if c.joined {
		e.stats.Joined--
	}
}

// allows tells whether Config.Ports lets protocol i serve a port.
func (e *Engine) allows(i int, port uint16) bool {
	if len(e.cfg.Ports) == 0 {
		return true
	}
	if owner, named := e.cfg.Ports[port]; named {
		return owner == i
	}
	return !e.limited[i]
}

func (e *Engine) mayTake(c *conn, i int) bool {
	if c.oriented {
		return e.allows(i, c.flow.port(1-c.client))
	}
	return e.allows(i, c.flow.port(0)) || e.allows(i, c.flow.port(1))
}

func (e *Engine) anyWants(c *conn) bool {
	for i := range e.protos {
		if e.mayTake(c, i) {
			return true
		}
	}
	return false
}

// encrypted recognises a TLS ClientHello and, mid-stream, an application data record (RFC 8446 §5.1), and
// counts the connection.
func (e *Engine) encrypted(c *conn, side uint8, data []byte) bool {
	if len(data) < 6 || data[1] != 3 || data[2] > 4 {
		return false
	}
	n := binary.BigEndian.Uint16(data[3:])
	server := 1 - side
	switch {
	case data[0] == 22 && data[5] == 1:
	case data[0] == 23 && c.joined && n > 0 && n <= 16640:
		if c.flow.port(side) < c.flow.port(server) {
			server = side // by custom
		}
	default:
		return false
	}
	if c.oriented {
		server = 1 - c.client
	}
	e.countEncrypted(c.flow.port(server))
	return true
}
