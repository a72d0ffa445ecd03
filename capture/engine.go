package capture

import (
	"slices"
	"time"

	"github.com/google/gopacket/layers"
)

const (
	maxAhead   = 1 << 28 // sequence distance beyond which a segment belongs to another connection
	maxBack    = 1 << 26
	maxLateSYN = 1 << 20 // distance of the first bytes recorded from a SYN recorded after them

	// A number farther than plausible from where a direction stands may be damaged or forged: it takes a
	// second one close to it to be believed.
	plausible = 64 << 10
	closeBy   = 1 << 20

	sweepInterval = 256        // packets between looks for idle connections
	minWake       = int64(1e6) // shortest time between two looks at waiting connections
	never         = int64(1<<63 - 1)
)

// Engine reassembles TCP connections from packets and gives them to protocols. It is not safe for concurrent use.
type Engine struct {
	cfg     Config
	protos  []Protocol
	limited []bool  // protocols that Config.Ports names
	shed    []bool  // protocols whose bytes are let go
	letGo   []int64 // bytes of Stats.Shed by protocol
	stats   Stats
	general general
	seg     segment

	conns  map[flow]*conn
	recent [256]*conn // connections of late packets, by their ports
	nextID ConnID
	free   []*conn
	lists  [2]list // quiet and active connections, the idlest first

	at             time.Time // of the packet at hand
	atNano         int64
	oldest, newest int64 // times of packets

	clock      int64 // capture time less skipped, never going back, Unix nanoseconds
	skipped    int64 // by which the time was set forward; nobody was idle for so long
	jump       int64 // by which it was, and no packet has shown it yet
	waiting    []*conn
	wakeAt     int64 // earliest time a waiting connection may be due
	wakePacket int64 // earliest packet count, likewise

	heldBytes int
	buffers   buffers
	scratch   []*conn
	blank     pending
}

// NewEngine returns an engine that offers connections to the protocols in the order given.
func NewEngine(cfg Config, protocols ...Protocol) *Engine {
	e := &Engine{
		cfg:        cfg.withDefaults(),
		protos:     protocols,
		limited:    make([]bool, len(protocols)),
		shed:       make([]bool, len(protocols)),
		letGo:      make([]int64, len(protocols)),
		conns:      make(map[flow]*conn),
		clock:      -never,
		wakeAt:     never,
		wakePacket: never,
	}
	e.nameLimited()
	return e
}

// nameLimited notes which protocols Config.Ports names.
func (e *Engine) nameLimited() {
	clear(e.limited)
	for _, i := range e.cfg.Ports {
		if i >= 0 && i < len(e.limited) {
			e.limited[i] = true
		}
	}
}

// SetPorts assigns the server ports anew, as Config.Ports does. Connections whose port keeps its protocol go on as if
// nothing had happened. Those that a protocol had and may have no longer end, as their packets may no longer come;
// those that nobody was offered and somebody may take now are joined at their next packet.
func (e *Engine) SetPorts(ports map[uint16]int) {
	var ended, unwanted []*conn
	for _, c := range e.conns {
		if c.state == ignored && !e.anyWants(c) {
			unwanted = append(unwanted, c)
		}
	}
	e.cfg.Ports = ports
	e.nameLimited()
	for _, c := range e.conns {
		if c.state == claimed && !e.allows(int(c.protocol), c.flow.port(1-c.client)) {
			ended = append(ended, c)
		}
	}
	for _, c := range unwanted {
		if e.anyWants(c) {
			ended = append(ended, c)
		}
	}
	slices.SortFunc(ended, func(a, b *conn) int { return int(a.id) - int(b.id) })
	for _, c := range ended {
		e.close(c)
		e.forget(c)
	}
}

// Packet takes one packet as recorded: data holds the captured bytes from the link layer on, origLen is the
// length on the wire. data is used only during the call. Streams are called before Packet returns.
func (e *Engine) Packet(at time.Time, link layers.LinkType, data []byte, origLen int) {
	st := &e.stats
	now := at.UnixNano()
	e.at, e.atNano = at, now
	if st.Packets == 0 || now < e.oldest {
		st.First, e.oldest = at, now
	}
	if st.Packets == 0 || now > e.newest {
		st.Last, e.newest = at, now
	}
	st.Packets++
	st.Bytes += int64(len(data))
	e.clock = max(e.clock, e.passed(now))
	if e.clock >= e.wakeAt || st.Packets >= e.wakePacket {
		e.wake()
	}
	if st.Packets%sweepInterval == 0 {
		e.expire()
	}
	s := &e.seg
	switch e.decode(link, data, max(origLen, len(data)), s) {
	case isTCP:
		st.Segments++
		e.segment(s, now)
	case isOther:
		st.NonTCP++
	case isFragment:
		st.Fragments++
	case isMalformed:
		st.Malformed++
	case isUnsupported:
		st.Unsupported++
	}
}

// Advance tells that capture time moved on to now without a packet: every packet before now was given. What is
// held falls due and idle connections expire as they would at the next packet. A time in the past changes nothing.
func (e *Engine) Advance(now time.Time) {
	n := e.passed(now.UnixNano())
	if n <= e.clock {
		return
	}
	e.clock = n
	if e.clock >= e.wakeAt {
		e.wake()
	}
	e.expire()
}

// Step tells that the clock that packets are stamped by was set forward, which one of the next packets or Advance will
// show: connections were not idle for so long, and what is held did not wait for so long.
func (e *Engine) Step(by time.Duration) { e.jump += int64(by) }

// passed is the engine's clock at a time of packets.
func (e *Engine) passed(now int64) int64 {
	if e.jump > 0 && e.clock != -never && now-e.skipped-e.clock >= e.jump/2 {
		e.skipped += e.jump
		e.jump = 0
	}
	return now - e.skipped
}

// Shed lets go of the bytes of one protocol's connections, by its place in NewEngine, until told otherwise: they
// count as lost, so that its streams mark what they lack and begin anew afterwards. It is for whoever cannot keep
// up with a live tap.
func (e *Engine) Shed(protocol int, on bool) { e.shed[protocol] = on }

// ShedBytes is how much was let go of one protocol's connections so far: its part of Stats.Shed.
func (e *Engine) ShedBytes(protocol int) int64 { return e.letGo[protocol] }

// Flush ends the recording: what is held is delivered, missing bytes before it count as lost, and every
// connection is closed, in order of ConnID. The engine may be used again.
func (e *Engine) Flush() {
	all := make([]*conn, 0, len(e.conns))
	for _, c := range e.conns {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *conn) int { return int(a.id) - int(b.id) })
	for _, c := range all {
		e.close(c)
		e.forget(c)
	}
	e.buffers = buffers{}
}

// segment finds or opens the segment's connection and gives the segment to it.
func (e *Engine) segment(s *segment, now int64) {
	st := &e.stats
	st.Payload += int64(len(s.payload))
	if int(s.wire) > len(s.payload) {
		st.Truncated++
	}
	slot := s.flow.slot()
	c := e.recent[slot]
	if c == nil || c.flow != s.flow {
		c = e.conns[s.flow]
	}
	late := c != nil && c.state == ignored && e.recognised(c, s)
	if c != nil && (late || e.isReuse(c, s)) {
		if late {
			e.reconsider(c)
		} else {
			st.Reused++
		}
		e.close(c)
		e.forget(c)
		c = nil
	}
	if c == nil {
		if s.flags&flagSYN == 0 && s.wire == 0 || s.flags&flagRST != 0 {
			st.Stray++
			st.Dropped += int64(len(s.payload))
			return
		}
		c = e.open(s, now)
	}
	e.recent[slot] = c
	c.seen = e.clock
	e.lists[c.list].touch(c)
	if s.flags&flagSYN != 0 {
		if c.handshake(s) {
			st.Joined--
		}
		s.seq++
	}
	switch {
	case c.state == closed:
		if h := &c.half[s.side]; int32(s.seq+s.wire-h.next) <= 0 {
			st.Duplicate += int64(len(s.payload))
		} else {
			st.Dropped += int64(len(s.payload))
		}
	case c.state == ignored && !c.holds():
		e.ignoredSegment(c, s)
	default:
		if c.state == claimed && e.shed[c.protocol] {
			st.Shed += int64(len(s.payload))
			e.letGo[c.protocol] += int64(len(s.payload))
			st.Payload -= int64(len(s.payload))
			s.payload = nil
		}
		e.trackedSegment(c, s, now)
	}
}

// isReuse tells whether s starts, or belongs to, a later connection on the addresses and ports of c.
func (e *Engine) isReuse(c *conn, s *segment) bool {
	h, o := &c.half[s.side], &c.half[1-s.side]
	if s.flags&flagRST != 0 {
		return false
	}
	if s.flags&flagSYN != 0 {
		switch {
		case h.started && h.isn == s.seq:
			return false
		case h.syn:
			// A server may answer a repeated SYN with another number (SYN cookies).
			return s.flags&flagACK == 0 || !o.syn || o.isn+1 != s.ack || h.moved
		case s.flags&flagACK != 0 && o.syn:
			return o.isn+1 != s.ack
		case c.state == closed || h.moved:
			return true
		case s.flags&flagACK == 0 && c.oriented && s.side != c.client:
			return true // the server opens a connection
		}
		// The handshake may be recorded after the first bytes: it belongs to c where those follow it.
		d := h.next - s.seq - 1
		return h.started && d != 0 && (!h.joining || d > maxLateSYN)
	}
	if s.wire == 0 || !h.started || c.state == ignored {
		return false
	}
	d := int32(s.seq - h.next)
	if d > maxAhead || d < -maxBack {
		return h.confirms(s.seq)
	}
	return d >= 0 && (h.ended || h.reset && c.state == closed) // its sender had ended it
}

// ignoredSegment keeps count of a connection nobody wants, without reassembling it.
func (e *Engine) ignoredSegment(c *conn, s *segment) {
	e.stats.Unclaimed += int64(len(s.payload))
	e.stats.Space += int64(len(s.payload))
	h := &c.half[s.side]
	h.moved = true
	h.ended = h.ended || s.flags&flagFIN != 0
	if s.flags&flagRST != 0 {
		e.stats.Resets++
		e.linger(c)
	} else if h.ended && c.half[1-s.side].ended {
		e.linger(c)
	}
}

// open makes a connection of its first segment.
func (e *Engine) open(s *segment, now int64) *conn {
	var c *conn
	if n := len(e.free); n > 0 {
		c, e.free = e.free[n-1], e.free[:n-1]
	} else {
		slab := make([]conn, 32)
		for i := range slab[1:] {
			e.free = append(e.free, &slab[i+1])
		}
		c = &slab[0]
	}
	e.nextID++
	*c = conn{id: e.nextID, flow: s.flow, opened: now, first: s.side, half: c.half, list: quiet}
	for i := range c.half {
		kept := c.half[i].held[:0]
		if cap(kept) > 64 {
			kept = nil
		}
		c.half[i] = half{held: kept}
	}
	e.stats.Connections++
	c.joined = s.flags&flagSYN == 0
	if c.joined {
		e.stats.Joined++
	}
	e.conns[s.flow] = c
	e.lists[quiet].push(c)
	if e.lists[quiet].n > e.cfg.MaxQuiet {
		e.dropQuiet()
	}
	return c
}

// dropQuiet forgets the idlest connection without payload.
func (e *Engine) dropQuiet() {
	old := e.lists[quiet].head
	if old.state != closed {
		e.stats.QuietEnded++
	}
	e.close(old)
	e.forget(old)
}

// activate moves c to the connections with payload and makes room among them.
func (e *Engine) activate(c *conn) {
	e.lists[quiet].remove(c)
	c.list = active
	e.lists[active].push(c)
	if e.lists[active].n > e.cfg.MaxConns {
		e.stats.Evicted++
		old := e.lists[active].head
		e.close(old)
		e.forget(old)
	}
	if !e.anyWants(c) {
		e.ignore(c)
	}
}

// expire closes connections that were silent too long.
func (e *Engine) expire() {
	for i, timeout := range [2]time.Duration{e.cfg.QuietTimeout, e.cfg.IdleTimeout} {
		for c := e.lists[i].head; c != nil && c.seen+int64(timeout) < e.clock; c = e.lists[i].head {
			if i == active {
				e.stats.Expired++
			} else if c.state != closed {
				e.stats.QuietEnded++
			}
			e.close(c)
			e.forget(c)
		}
	}
}

// forget removes a closed connection.
func (e *Engine) forget(c *conn) {
	e.unwait(c)
	e.lists[c.list].remove(c)
	delete(e.conns, c.flow)
	if slot := c.flow.slot(); e.recent[slot] == c {
		e.recent[slot] = nil
	}
	e.free = append(e.free, c)
}
