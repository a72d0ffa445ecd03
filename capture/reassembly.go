package capture

import "slices"

// trackedSegment puts a segment in order. Data that is next in line goes to the stream at once, uncopied.
func (e *Engine) trackedSegment(c *conn, s *segment, now int64) {
	h, o := &c.half[s.side], &c.half[1-s.side]
	if s.flags&flagRST != 0 {
		e.stats.Dropped += int64(len(s.payload))
		e.resetBy(c, h, s)
		return
	}
	if s.wire > 0 && c.list == quiet {
		e.activate(c)
		if c.state == ignored {
			e.ignoredSegment(c, s)
			return
		}
	}
	hasAck := s.flags&flagACK != 0
	if hasAck {
		e.acknowledged(c, o, s)
	}
	if s.wire > 0 {
		e.payload(c, h, o, s, now)
	}
	if s.flags&flagFIN != 0 && !h.fin {
		end := s.seq + s.wire
		if !h.started {
			h.start(end)
		}
		if d := int32(end - h.next); d >= 0 && d < maxAhead {
			h.fin, h.end, h.finAck, h.finLost = true, end, s.ack, false
			if h.missing && int32(h.proven-end) > 0 { // proven by an acknowledgement of the FIN
				h.proven = end
				h.missing = d > 0
			}
			e.prove(c, h, end)
		}
	}
	if h.fin || len(h.held) > 0 || len(o.held) > 0 || o.fin || c.reset {
		e.settle(c)
		e.limit(c, s.side)
	}
}

// acknowledged notes what s says about o, the direction opposite to its own.
func (e *Engine) acknowledged(c *conn, o *half, s *segment) {
	if !o.started {
		// A sender of data has usually read all before it; a bare acknowledgement tells the start only
		// after a handshake, whose answer then is missing in the recording.
		if s.wire > 0 || c.oriented && c.state == unclaimed {
			o.start(s.ack)
			e.join(c, o)
		}
		return
	}
	d := int32(s.ack - o.next)
	switch {
	case d > plausible && !o.holdsUpTo(s.ack) && !o.confirms(s.ack):
	case d > 0:
		e.prove(c, o, s.ack)
	case d < 0 && s.wire > 0 && o.mayStart(s.ack):
		o.start(s.ack)
	}
}

// mayStart tells whether a direction may turn out to begin at a number before the one it seems to.
func (h *half) mayStart(seq uint32) bool {
	return h.joining && h.next-seq < maxLateSYN && (len(h.held) == 0 || h.held[len(h.held)-1].seq-seq < maxAhead)
}

// prove notes that the bytes before end were sent, which makes those not recorded missing.
func (e *Engine) prove(c *conn, h *half, end uint32) {
	if h.fin && int32(end-h.end) > 0 {
		end = h.end // the FIN counts as one
	}
	d := int32(end - h.next)
	if d <= 0 || d >= maxAhead {
		return
	}
	if d == 1 && h.finLost {
		return
	}
	if !h.missing {
		h.missing, h.proven = true, end
		h.provenAt, h.provenPacket = e.clock, e.stats.Packets
	} else if int32(end-h.proven) > 0 {
		h.proven = end
	}
	e.wait(c)
}

// join starts the time in which h's first bytes are held back.
func (e *Engine) join(c *conn, h *half) {
	h.joining, h.joinedAt, h.joinedPacket = true, e.clock, e.stats.Packets
	e.wait(c)
}

func (e *Engine) payload(c *conn, h, o *half, s *segment, now int64) {
	seq, wire, data := s.seq, s.wire, s.payload
	if !h.started {
		h.start(seq)
		e.join(c, h)
	}
	d := int32(seq - h.next)
	if d < 0 && h.mayStart(seq) {
		h.start(seq)
		d = 0
	}
	if d >= maxAhead || d <= -maxBack {
		e.stats.Dropped += int64(len(data))
		return
	}
	if d < 0 {
		cut := uint32(-d)
		if cut >= wire {
			e.stats.Duplicates++
			e.stats.Duplicate += int64(len(data))
			return
		}
		known := min(int(cut), len(data))
		e.stats.Duplicate += int64(known)
		seq, wire, data = h.next, wire-cut, data[known:]
	}
	if h.ended {
		e.stats.Dropped += int64(len(data))
		return
	}
	hasAck := s.flags&flagACK != 0
	if d <= 0 && len(h.held) == 0 && !h.joining && (!hasAck || !o.blocks(s.ack)) {
		e.pass(c, s.side, data, wire, now)
		h.progressed(e)
		return
	}
	if !h.joining {
		e.stats.OutOfOrder++
	}
	if len(h.held) == 0 {
		h.gapSince = e.clock
	}
	e.hold(h, held{seq: seq, wire: wire, ack: s.ack, hasAck: hasAck, at: now, arrived: e.clock, data: data})
	e.wait(c)
}

// blocks tells whether data that acknowledges o's bytes up to ack has to wait for some of these.
func (h *half) blocks(ack uint32) bool {
	if !h.started {
		return false
	}
	if h.fin && int32(ack-h.end) > 0 {
		ack = h.end
	}
	d := int32(ack - h.next)
	return d > 0 && d < maxAhead && (d > 1 || !h.finLost)
}

// progressed restarts the wait for missing bytes after recorded ones arrived: the recording of this
// direction may just lag behind the other's.
func (h *half) progressed(e *Engine) {
	if h.missing {
		h.provenAt, h.provenPacket = e.clock, e.stats.Packets
	}
}

// pass delivers the next wire bytes of a direction, of which data was recorded.
func (e *Engine) pass(c *conn, side uint8, data []byte, wire uint32, at int64) {
	h := &c.half[side]
	h.advance(wire)
	e.stats.Space += int64(wire)
	if len(data) > 0 {
		e.emit(c, side, data, at)
	}
	if cut := int64(wire) - int64(len(data)); cut > 0 {
		e.stats.Lost += cut
		e.stats.Gaps++
		h.lost += cut
		e.emit(c, side, nil, at)
	}
}

func (h *half) advance(n uint32) {
	h.next += n
	h.moved, h.finLost = true, false
	if h.missing && int32(h.proven-h.next) <= 0 {
		h.missing = false
	}
}

// skip declares the bytes up to number to lost.
func (e *Engine) skip(c *conn, side uint8, to uint32) {
	h := &c.half[side]
	n := to - h.next
	e.stats.Lost += int64(n)
	e.stats.Space += int64(n)
	e.stats.Gaps++
	h.lost += int64(n)
	at := h.provenAt
	h.advance(n)
	if len(h.held) == 0 || h.held[0].seq != to || h.held[0].hasAck && c.half[1-side].blocks(h.held[0].ack) {
		e.emit(c, side, nil, at)
	}
}

// skipGap declares the missing bytes before what is held or proven lost and tells whether there were any.
func (e *Engine) skipGap(c *conn, side uint8) bool {
	h := &c.half[side]
	to := h.next
	if h.missing {
		to = h.proven
	}
	if len(h.held) > 0 && (!h.missing || int32(h.held[0].seq-to) < 0) {
		to = h.held[0].seq
	}
	switch {
	case to == h.next:
		return false
	case to == h.next+1 && len(h.held) == 0 && !h.fin:
		h.missing, h.finLost = false, true // more likely a FIN than a byte
	default:
		e.skip(c, side, to)
	}
	return true
}

// drain delivers what is held and now in order.
func (e *Engine) drain(c *conn, side uint8) bool {
	h, o := &c.half[side], &c.half[1-side]
	if h.joining {
		return false
	}
	n := 0
	for ; n < len(h.held); n++ {
		s := &h.held[n]
		if s.seq != h.next || s.hasAck && o.blocks(s.ack) {
			break
		}
		if s.hasAck && s.at < o.lastTime {
			e.stats.Acausal++
		}
		e.release(h, s.data)
		e.pass(c, side, s.data, s.wire, s.at)
		e.buffers.put(s.data)
		s.data = nil
	}
	if n > 0 {
		h.held = append(h.held[:0], h.held[n:]...)
		if len(h.held) > 0 {
			h.gapSince = h.held[0].arrived
		}
	}
	if h.fin && !h.ended && int32(h.next-h.end) >= 0 && len(h.held) == 0 && !o.blocks(h.finAck) {
		h.ended = true
		if c.state == claimed {
			c.stream.Fin(c.dir(side), unixNano(max(h.lastTime, c.seen)))
		}
		return true
	}
	return n > 0
}

// settle delivers all that can be delivered and closes a connection that has ended.
func (e *Engine) settle(c *conn) {
	for {
		a, b := e.drain(c, 0), e.drain(c, 1)
		if !a && !b {
			break
		}
	}
	if c.half[0].ended && c.half[1].ended || c.reset && !c.holds() {
		e.linger(c)
	}
}

// force removes one obstacle before what a direction holds and tells whether there was one.
func (e *Engine) force(c *conn, side uint8) bool {
	h, o := &c.half[side], &c.half[1-side]
	switch {
	case h.joining:
		h.joining = false
	case len(h.held) > 0 && h.held[0].seq == h.next:
		// Blocked by the other direction.
		if o.joining {
			o.joining = false
		} else if !o.missing || !e.skipGap(c, 1-side) {
			h.held[0].hasAck = false
		}
	case len(h.held) > 0 && h.implausible():
		e.stats.Dropped += int64(len(h.held[0].data))
		e.release(h, h.held[0].data)
		e.buffers.put(h.held[0].data)
		h.held = slices.Delete(h.held, 0, 1)
		if len(h.held) > 0 {
			h.gapSince = h.held[0].arrived
		}
	case !e.skipGap(c, side):
		return false
	}
	return true
}

// implausible tells whether the first held run stands alone and far ahead, with no acknowledgement to show
// that what is before it was ever sent.
func (h *half) implausible() bool {
	first := &h.held[0]
	return first.seq-h.next > plausible && !h.missing &&
		(len(h.held) == 1 || h.held[1].seq-first.seq-first.wire > plausible)
}

// holdsUpTo tells whether data right before an acknowledged number is held.
func (h *half) holdsUpTo(ack uint32) bool {
	for i := len(h.held) - 1; i >= 0; i-- {
		if s := &h.held[i]; ack-s.seq <= s.wire {
			return true
		}
	}
	return false
}

// resetBy ends a connection by RST, after the bytes before it.
func (e *Engine) resetBy(c *conn, h *half, s *segment) {
	if h.moved {
		d := int32(s.seq - h.next)
		if d > maxAhead || d < -maxBack {
			return // not of this connection
		}
		e.prove(c, h, s.seq)
	}
	h.reset = true
	if !c.reset {
		c.reset = true
		e.stats.Resets++
	}
	e.settle(c)
}

// close ends the stream of c after delivering all that is held, missing bytes skipped.
func (e *Engine) close(c *conn) {
	if c.state == closed {
		return
	}
	for side := uint8(0); side < 2; {
		e.drain(c, 0)
		e.drain(c, 1)
		if !e.force(c, side) {
			side++
		}
	}
	e.drain(c, 0)
	e.drain(c, 1)
	switch c.state {
	case claimed:
		c.stream.Close(unixNano(c.seen + e.skipped))
	case unclaimed:
		if c.list == active {
			e.ignore(c)
		}
	}
	c.state = closed
	c.stream = nil
	e.unwait(c)
}

// linger closes c and remembers it for a while.
func (e *Engine) linger(c *conn) {
	e.close(c)
	if c.list == active {
		e.lists[active].remove(c)
		c.list = quiet
		e.lists[quiet].push(c)
		if e.lists[quiet].n > e.cfg.MaxQuiet {
			e.dropQuiet()
		}
	}
}
