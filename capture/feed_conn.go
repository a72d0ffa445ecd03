package capture

import "time"

// FeedConn is one relayed connection. Its methods never block and keep nothing of what they are given; each
// direction is written by one goroutine. A nil FeedConn takes everything and keeps nothing.
type FeedConn struct {
	feed     *Feed
	conn     Conn
	protocol int

	// Guarded by feed.mu.
	lost   [2]int64 // bytes dropped and not yet told
	fin    [2]bool
	closed bool

	// Run's goroutine alone.
	stream Stream
	given  bool // a stream was made
}

// Conn returns the connection as its stream knows it, with the ID it was given.
func (c *FeedConn) Conn() Conn {
	if c == nil {
		return Conn{}
	}
	return c.conn
}

// Write takes the next bytes of a direction. To be understood, a request must be written before it is relayed.
func (c *FeedConn) Write(dir Dir, at time.Time, data []byte) {
	if c == nil || len(data) == 0 {
		return
	}
	f := c.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.silent(dir) {
		return
	}
	f.stats.Bytes += int64(len(data))
	if c.shed() {
		f.letGo[c.protocol] += int64(len(data))
		c.drop(dir, int64(len(data)))
		return
	}
	for len(data) > 0 {
		block := f.room(len(data))
		if block == nil {
			c.drop(dir, int64(len(data)))
			return
		}
		c.tell(1-dir&1, at)
		used := len(*block)
		n := min(len(data), cap(*block)-used)
		*block = append(*block, data[:n]...)
		f.push(event{conn: c, kind: feedChunk, dir: dir, lost: c.lost[dir&1], data: (*block)[used : used+n : used+n]}, at, n)
		f.stats.Chunks++
		c.lost[dir&1] = 0
		data = data[n:]
	}
}

// Skip says that n bytes passed whose content no decoder reads, such as those of a download. The stream is
// given zeros in their place.
func (c *FeedConn) Skip(dir Dir, at time.Time, n int64) {
	if c == nil || n <= 0 {
		return
	}
	f := c.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.silent(dir) {
		return
	}
	f.stats.Bytes += n
	shed := c.shed()
	if shed || f.queued+feedReserve > f.cfg.QueueBytes {
		if shed {
			f.letGo[c.protocol] += n
		}
		c.drop(dir, n)
		return
	}
	c.tell(0, at)
	c.tell(1, at)
	f.push(event{conn: c, kind: feedSkip, dir: dir, lost: n}, at, 0)
}

// Fin says that a direction ended in order.
func (c *FeedConn) Fin(dir Dir, at time.Time) {
	if c == nil {
		return
	}
	f := c.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.silent(dir) {
		return
	}
	c.fin[dir&1] = true
	c.tell(0, at)
	c.tell(1, at)
	f.push(event{conn: c, kind: feedFin, dir: dir}, at, 0)
}

// Close ends the connection. It may be called again.
func (c *FeedConn) Close(at time.Time) {
	if c == nil {
		return
	}
	f := c.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.closed || f.stopped {
		return
	}
	c.tell(0, at)
	c.tell(1, at)
	c.closed = true
	f.push(event{conn: c, kind: feedClose}, at, 0)
}

// silent tells whether nothing more of a direction is taken.
func (c *FeedConn) silent(dir Dir) bool { return c.closed || c.feed.stopped || c.fin[dir&1] }

// shed tells whether bytes of the connection's protocol are let go.
func (c *FeedConn) shed() bool {
	return c.protocol >= 0 && c.protocol < len(c.feed.shed) && c.feed.shed[c.protocol]
}

// drop counts bytes that found no room.
func (c *FeedConn) drop(dir Dir, n int64) {
	if c.lost[dir&1] == 0 {
		c.feed.stats.Gaps++
	}
	c.lost[dir&1] += n
	c.feed.stats.Dropped += n
}

// tell reports what was dropped of a direction before anything that came after it is delivered. It is called
// only where there was room since, or at an end: such reports never fill the queue.
func (c *FeedConn) tell(dir Dir, at time.Time) {
	if n := c.lost[dir]; n > 0 {
		c.lost[dir] = 0
		c.feed.push(event{conn: c, kind: feedChunk, dir: dir, lost: n}, at, 0)
	}
}

// room returns a block with room for some of n more bytes, nil if the queue is full.
func (f *Feed) room(n int) *[]byte {
	if f.queued+min(n, feedBlock)+feedReserve > f.cfg.QueueBytes {
		return nil
	}
	b := &f.filling
	if last := len(b.blocks) - 1; last >= 0 && len(b.blocks[last]) < cap(b.blocks[last]) {
		return &b.blocks[last]
	}
	var block []byte
	if last := len(f.free) - 1; last >= 0 {
		block, f.free = f.free[last], f.free[:last]
	} else {
		block = make([]byte, 0, feedBlock)
	}
	b.blocks = append(b.blocks, block)
	return &b.blocks[len(b.blocks)-1]
}

// push queues an event of n bytes and wakes Run where it sleeps. Times do not go back, so that what was
// written later is not dated earlier, unless the clock was set.
func (f *Feed) push(e event, at time.Time, n int) {
	e.at = at.UnixNano()
	if back := f.clock - e.at; back > 0 && back < int64(feedStep) {
		e.at = f.clock
	}
	f.clock = e.at
	if f.stats.First.IsZero() {
		f.stats.First = unixNano(e.at)
	}
	f.stats.Last = unixNano(e.at)
	b := &f.filling
	b.events = append(b.events, e)
	b.size += n + feedOverhead
	f.queued += n + feedOverhead
	quarter := !f.kicked && b.size > f.cfg.QueueBytes/4
	f.kicked = f.kicked || quarter
	if len(b.events) == 1 || quarter {
		select {
		case f.wake <- struct{}{}:
		default:
		}
	}
}
