package capture

import (
	"math/bits"
	"slices"
	"time"
)

const heldOverhead = 64 // bytes counted for a held run besides its data

// hold keeps a copy of the parts of s that no held run has yet: the first copy wins.
func (e *Engine) hold(h *half, s held) {
	end := s.seq + s.wire
	i := len(h.held)
	for i > 0 && int32(h.held[i-1].seq+h.held[i-1].wire-s.seq) > 0 {
		i--
	}
	for s.seq != end {
		stop := end
		if i < len(h.held) {
			if n := int32(h.held[i].seq - s.seq); n <= 0 {
				past := h.held[i].seq + h.held[i].wire
				if int32(past-end) > 0 {
					past = end
				}
				cut := min(int(past-s.seq), len(s.data))
				e.stats.Duplicate += int64(cut)
				s.seq, s.data = past, s.data[cut:]
				i++
				continue
			}
			if int32(h.held[i].seq-stop) < 0 {
				stop = h.held[i].seq
			}
		}
		part := s
		part.wire = stop - s.seq
		cut := min(int(part.wire), len(s.data))
		part.data = append(e.buffers.get(cut), s.data[:cut]...)
		h.heldBytes += cap(part.data) + heldOverhead
		e.heldBytes += cap(part.data) + heldOverhead
		h.held = slices.Insert(h.held, i, part)
		s.seq, s.data = stop, s.data[cut:]
		i++
	}
}

// release takes a held run out of the counts.
func (e *Engine) release(h *half, data []byte) {
	h.heldBytes -= cap(data) + heldOverhead
	e.heldBytes -= cap(data) + heldOverhead
}

// limit gives up waiting where a direction holds too much.
func (e *Engine) limit(c *conn, side uint8) {
	h := &c.half[side]
	for h.heldBytes > e.cfg.MaxHeld || len(h.held) > e.cfg.MaxHeldSegments ||
		e.heldBytes > e.cfg.MaxHeldTotal && len(h.held) > 0 {
		e.force(c, side)
		e.settle(c)
	}
}

// wait puts c among the connections that something may fall due for.
func (e *Engine) wait(c *conn) {
	if c.waitIndex == 0 {
		e.waiting = append(e.waiting, c)
		c.waitIndex = len(e.waiting)
	}
	at, packet := c.deadline(e)
	e.wakeAt = min(e.wakeAt, at)
	e.wakePacket = min(e.wakePacket, packet)
}

func (e *Engine) unwait(c *conn) {
	if c.waitIndex == 0 {
		return
	}
	last := len(e.waiting) - 1
	moved := e.waiting[last]
	e.waiting[c.waitIndex-1] = moved
	moved.waitIndex = c.waitIndex
	e.waiting[last] = nil
	e.waiting = e.waiting[:last]
	c.waitIndex = 0
}

// wake looks at all waiting connections and does what is due.
func (e *Engine) wake() {
	e.wakeAt, e.wakePacket = never, never
	e.scratch = append(e.scratch[:0], e.waiting...)
	for _, c := range e.scratch {
		for c.waitIndex != 0 && e.due(c) {
			e.settle(c)
		}
	}
	at, packet := never, never
	for i := len(e.waiting) - 1; i >= 0; i-- {
		c := e.waiting[i]
		t, p := c.deadline(e)
		if t == never && p == never {
			e.unwait(c)
			continue
		}
		at, packet = min(at, t), min(packet, p)
	}
	if len(e.waiting) > 64 { // a storm must not make every packet look at all of them
		at = max(at, e.clock+minWake)
		if packet != never {
			packet = max(packet, e.stats.Packets+int64(len(e.waiting))/8)
		}
	}
	e.wakeAt, e.wakePacket = at, packet
}

// due does one thing that fell due for c and tells whether there was one.
func (e *Engine) due(c *conn) bool {
	for side := range uint8(2) {
		h := &c.half[side]
		if h.joining {
			if e.waited(h.joinedAt, h.joinedPacket, e.cfg.JoinHold) {
				h.joining = false
				return true
			}
			continue
		}
		if h.lacks() && e.waited(h.provenAt, h.provenPacket, e.cfg.AckHold) ||
			len(h.held) > 0 && e.clock >= h.gapSince+int64(e.cfg.HoldTime) {
			return e.force(c, side)
		}
	}
	return false
}

// lacks tells whether bytes proven to have been sent are neither passed nor held.
func (h *half) lacks() bool {
	return h.missing && (len(h.held) == 0 || h.held[0].seq != h.next)
}

// waited tells whether a wait since a time and a packet count has been long enough: both the time soon and
// the packets that a disordered recording may need, or HoldTime whatever the packets.
func (e *Engine) waited(since, packet int64, soon time.Duration) bool {
	d := time.Duration(e.clock - since)
	return d >= e.cfg.HoldTime || d >= soon && e.stats.Packets-packet >= int64(e.cfg.OrderPackets)
}

// deadline returns the time and the packet count at which something may fall due for c.
func (c *conn) deadline(e *Engine) (at, packet int64) {
	at, packet = never, never
	wait := func(since, from int64, soon time.Duration) {
		if due := since + int64(soon); e.clock < due {
			at = min(at, due)
			return
		}
		at = min(at, since+int64(e.cfg.HoldTime))
		packet = min(packet, from+int64(e.cfg.OrderPackets))
	}
	for i := range c.half {
		h := &c.half[i]
		if h.joining {
			wait(h.joinedAt, h.joinedPacket, e.cfg.JoinHold)
		}
		if h.lacks() {
			wait(h.provenAt, h.provenPacket, e.cfg.AckHold)
		}
		if len(h.held) > 0 {
			at = min(at, h.gapSince+int64(e.cfg.HoldTime))
		}
	}
	return at, packet
}

// buffers keeps byte slices for reuse, by powers of two.
type buffers struct {
	free [bufferClasses][][]byte
	kept int
}

const (
	minBuffer     = 256
	bufferClasses = 11 // up to 256 KiB
	maxKept       = 4 << 20
)

// get returns an empty slice with room for n bytes.
func (b *buffers) get(n int) []byte {
	class := bits.Len(uint(max(n, 1)-1) / minBuffer)
	if class >= bufferClasses {
		return make([]byte, 0, n)
	}
	if l := len(b.free[class]); l > 0 {
		s := b.free[class][l-1]
		b.free[class] = b.free[class][:l-1]
		b.kept -= cap(s)
		return s
	}
	return make([]byte, 0, minBuffer<<class)
}

// put takes back a slice of get.
func (b *buffers) put(s []byte) {
	class := bits.Len(uint(max(cap(s), 1)-1) / minBuffer)
	if class < bufferClasses && cap(s) == minBuffer<<class && b.kept+cap(s) <= maxKept {
		b.free[class] = append(b.free[class], s[:0])
		b.kept += cap(s)
	}
}
