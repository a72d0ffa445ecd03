package capture

import "testing"

const second = int64(1e9)

// clocks is a liveClock with clocks that the test sets.
type clocks struct {
	liveClock
	wallNow, bootNow int64
}

func newClocks() *clocks {
	c := &clocks{wallNow: epoch.UnixNano(), bootNow: 5 * second}
	c.read = func() (int64, int64) { return c.wallNow, c.bootNow }
	c.look(true)
	return c
}

func (c *clocks) pass(d int64) { c.wallNow, c.bootNow = c.wallNow+d, c.bootNow+d }
func (c *clocks) set(d int64)  { c.wallNow += d }

func TestLiveClockFollowsTheSystems(t *testing.T) {
	c := newClocks()
	for range 10 {
		c.pass(second)
		c.look(true)
		if got := c.time(c.wallNow); got != c.wallNow {
			t.Fatalf("%d, want %d", got, c.wallNow)
		}
	}
	c.set(10e6) // slewed
	c.look(true)
	if got := c.now(60e6); got != c.wallNow-10e6 { // of the packet before
		t.Errorf("now %d, want %d", got, c.wallNow-10e6)
	}
	c.pass(second)
	c.look(true)
	if got := c.now(60e6); got != c.wallNow-60e6 {
		t.Errorf("now %d, want 60 ms before %d", got, c.wallNow)
	}
	if c.steps != 0 || c.ahead != 0 || c.misdated != 0 {
		t.Errorf("steps %d, ahead %d, misdated %d", c.steps, c.ahead, c.misdated)
	}
}

func TestLiveClockSetBack(t *testing.T) {
	c := newClocks()
	before := c.time(c.wallNow)
	c.pass(second)
	late := c.wallNow // of a packet before the step, still in the ring
	c.set(-3600 * second)
	c.look(false)
	if got := c.time(late); got != late {
		t.Errorf("packet of before the step at %d, want %d", got, late)
	}
	c.pass(second)
	got := c.time(c.wallNow)
	if got != before+2*second {
		t.Errorf("packet after the step %v after the first, want 2 s", got-before)
	}
	if c.steps != 1 || c.ahead != 3600*second || c.misdated != 0 {
		t.Errorf("steps %d, ahead %d, misdated %d", c.steps, c.ahead, c.misdated)
	}
	c.pass(second)
	c.look(true)
	if got := c.now(0); got != before+3*second {
		t.Errorf("now %v after the first packet, want 3 s", got-before)
	}
	c.set(3600 * second) // and right again
	c.look(false)
	if got := c.time(c.wallNow); got != before+3*second || c.ahead != 0 || c.jumped != 0 {
		t.Errorf("packet %v after the first, want 3 s; ahead %d", got-before, c.ahead)
	}
}

func TestLiveClockSetBackWhileIdle(t *testing.T) {
	c := newClocks()
	before := c.time(c.wallNow)
	c.pass(second)
	c.set(-10 * second)
	c.look(true)
	if got := c.now(0); got != before+second || c.ahead != 10*second {
		t.Errorf("now %v after the packet, want 1 s; ahead %d", got-before, c.ahead)
	}
}

func TestLiveClockSetForward(t *testing.T) {
	c := newClocks()
	c.time(c.wallNow)
	c.set(60 * second)
	c.pass(second)
	c.look(false)
	if c.jumped != 60*second {
		t.Errorf("jumped by %d", c.jumped)
	}
	if got := c.time(c.wallNow); got != c.wallNow || c.ahead != 0 || c.steps != 1 || c.misdated != 0 {
		t.Errorf("got %d, want %d; ahead %d, steps %d, misdated %d", got, c.wallNow, c.ahead, c.steps, c.misdated)
	}
}

// Packets that were stamped by another clock, as forwarded ones may be.
func TestLiveClockMisdatedPackets(t *testing.T) {
	c := newClocks()
	first := c.time(c.wallNow)
	c.pass(second / 2)
	c.look(false)
	if got := c.time(1234); got != first {
		t.Errorf("a packet of 1970 at %d, want %d", got, first)
	}
	if got := c.time(c.wallNow + 1000*second); got != c.wallNow {
		t.Errorf("a packet of the future at %d, want %d", got, c.wallNow)
	}
	if got := c.time(c.wallNow - 20e6); got != c.wallNow-20e6 {
		t.Errorf("a packet out of order at %d, want its own %d", got, c.wallNow-20e6)
	}
	if c.misdated != 2 || c.steps != 0 {
		t.Errorf("misdated %d, steps %d", c.misdated, c.steps)
	}
}
