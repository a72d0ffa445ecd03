package capture

const (
	clockStep     = int64(20e6) // change between the system's clocks that counts as a step
	clockDisorder = int64(50e6) // how far packets of several processors may be out of order
	clockFuture   = int64(1e9)  // how far ahead of the clock a packet's time may be
)

// liveClock makes capture time of the times of packets: the system's clock, except that capture time goes on
// as if nothing had happened when that is set back. Times are Unix nanoseconds.
type liveClock struct {
	read func() (wall, boot int64) // the system's clock, and one that is never set

	offset int64 // of the wall clock against the other, when last read
	known  bool
	ahead  int64 // capture time less the system's clock
	last   int64 // the latest capture time given
	wall   int64 // the system's clock when last read, as the packets now in the ring were stamped by it

	steps, misdated int64
	jumped          int64 // by which capture time was set forward, in all
}

// look reads the clocks and notes whether the system's was set. Packets of before a step back may still wait
// in the ring: settled says that none does.
func (c *liveClock) look(settled bool) {
	wall, boot := c.read()
	offset := wall - boot
	if !c.known {
		c.known, c.offset = true, offset
	}
	switch step := offset - c.offset; {
	case step > clockStep:
		c.steps++
		c.offset = offset
		c.jumped += max(step-c.ahead, 0)
		c.ahead = max(c.ahead-step, 0)
	case step < -clockStep && settled:
		c.steps++
		c.offset = offset
		c.ahead -= step
	case step > -clockStep:
		c.offset = offset // it drifts, and is slewed
	}
	c.wall = boot + c.offset
}

// time returns the capture time of a packet stamped at.
func (c *liveClock) time(at int64) int64 {
	t := at + c.ahead
	if t < c.last-clockDisorder && c.last != 0 {
		c.look(true)
		if t = at + c.ahead; t < c.last-clockDisorder {
			c.misdated++
			t = c.last
		}
	}
	if limit := c.wall + c.ahead + clockFuture; t > limit {
		c.misdated++
		t = max(limit-clockFuture, c.last)
	}
	c.last = max(c.last, t)
	return t
}

// now returns the capture time up to which all packets were seen, if none wait and they take delay at most.
func (c *liveClock) now(delay int64) int64 {
	c.last = max(c.last, c.wall+c.ahead-delay)
	return c.last
}
