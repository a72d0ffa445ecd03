package capture

import (
	"time"
)

// state of a connection towards the protocols.
type state uint8

const (
	unclaimed state = iota
	claimed
	ignored
	closed // kept for a while to recognise late copies of its packets
)

// Lists of connections in Engine.lists.
const (
	quiet  = 0 // no payload yet, or closed
	active = 1
)

// conn is one connection. It is kept small: a flood of half-open ones must cost little.
type conn struct {
	id       ConnID
	flow     flow
	opened   int64 // Unix nanoseconds
	seen     int64 // last packet
	state    state
	list     uint8
	protocol uint8 // that claimed it, by its place in NewEngine
	first    uint8 // side that sent the first packet
	client   uint8 // side, where oriented
	oriented bool  // by handshake or verdict
	joined   bool
	reset    bool   // RST seen: close once nothing before it is missing
	last     uint8  // side that sent the last payload, where ignored
	turns    uint16 // changes of side since it is ignored
	half     [2]half
	stream   Stream
	pending  *pending

	prev, next *conn // in its list
	waitIndex  int   // place in Engine.waiting, counted from 1
}

// half is one direction of a connection.
type half struct {
	next    uint32 // sequence number of the next byte wanted
	isn     uint32 // of the SYN, or what it must have been
	end     uint32 // number after the last byte, where fin or reset
	finAck  uint32 // what the FIN acknowledged
	proven  uint32 // bytes before this number were sent: the peer acknowledged them
	syn     bool   // SYN seen
	started bool   // next is valid
	joining bool   // the first bytes are held back: next may still move down
	moved   bool   // bytes were passed
	fin     bool   // end is valid
	ended   bool   // all bytes up to end were passed
	missing bool   // proven is valid and beyond next
	reset   bool   // the sender ended the connection by RST
	doubt   uint32 // an implausible number seen before
	finLost bool   // what was acknowledged beyond next seems to be a FIN that was not recorded

	joinedAt     int64 // engine's clock
	joinedPacket int64
	gapSince     int64 // engine's clock when the first held segment began to wait
	provenAt     int64 // engine's clock when missing began
	provenPacket int64
	lastTime     int64 // of the last chunk
	lost         int64 // bytes lost and not yet reported
	heldBytes    int
	held         []held
}

// held is a run of bytes that waits for those before it. Runs of one direction are sorted and do not overlap.
type held struct {
	seq, wire uint32
	ack       uint32
	hasAck    bool
	at        int64 // packet's time
	arrived   int64 // engine's clock
	data      []byte
}

// handshake takes the SYN of one direction. It tells whether c counted as joined until now, because the SYN
// was recorded after the first bytes.
func (c *conn) handshake(s *segment) (late bool) {
	h, o := &c.half[s.side], &c.half[1-s.side]
	if c.state == closed || h.syn && h.isn == s.seq {
		return false
	}
	h.syn = true
	h.restart(s.seq + 1)
	if !c.oriented {
		c.oriented = true
		c.client = s.side
		if s.flags&flagACK != 0 {
			c.client = 1 - s.side
		}
	}
	if s.flags&flagACK != 0 && !o.syn {
		o.syn = true
		o.restart(s.ack)
	}
	if !c.joined || h.moved || o.moved {
		return false
	}
	c.joined = false
	return true
}

// start sets the number of a direction's first byte.
func (h *half) start(seq uint32) {
	h.started, h.next, h.isn = true, seq, seq-1
}

// confirms tells whether an implausible number is close to the one before, and remembers it.
func (h *half) confirms(seq uint32) bool {
	before := h.doubt
	h.doubt = seq
	return seq != before && seq-before < closeBy
}

// restart sets the number of a direction's first byte as the handshake says it, unless bytes were passed
// or are held that contradict.
func (h *half) restart(seq uint32) {
	if h.moved || len(h.held) > 0 && h.held[0].seq-seq > maxAhead {
		return
	}
	h.joining = false
	h.start(seq)
	h.missing = h.missing && h.proven-seq-1 < maxAhead
}

// holds tells whether segments of c wait, or bytes are known to be missing.
func (c *conn) holds() bool {
	for i := range c.half {
		h := &c.half[i]
		if len(h.held) > 0 || h.missing || h.joining {
			return true
		}
	}
	return false
}

// describe returns c as protocols see it. Before a verdict a connection without handshake counts the sender
// of its first packet as the client.
func (c *conn) describe() Conn {
	client := c.client
	if !c.oriented {
		client = c.first
	}
	return Conn{
		ID:     c.id,
		Client: c.flow.side(client),
		Server: c.flow.side(1 - client),
		Opened: unixNano(c.opened),
		Joined: c.joined,
	}
}

func (c *conn) dir(side uint8) Dir {
	if side == c.client {
		return ToServer
	}
	return ToClient
}

func unixNano(n int64) time.Time {
	return time.Unix(0, n).UTC()
}

// list is a doubly linked list of connections, the longest untouched first.
type list struct {
	head, tail *conn
	n          int
}

func (l *list) push(c *conn) {
	c.prev, c.next = l.tail, nil
	if l.tail != nil {
		l.tail.next = c
	} else {
		l.head = c
	}
	l.tail = c
	l.n++
}

func (l *list) remove(c *conn) {
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		l.head = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	} else {
		l.tail = c.prev
	}
	c.prev, c.next = nil, nil
	l.n--
}

func (l *list) touch(c *conn) {
	if l.tail != c {
		l.remove(c)
		l.push(c)
	}
}
