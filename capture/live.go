package capture

import (
	"fmt"
	"slices"
	"time"
)

// LiveConfig says what a Live taps. The zero value works.
type LiveConfig struct {
	// Interfaces names the network interfaces to tap. Each must exist when the tap is opened; later it may go
	// down, be renamed or removed, and is tapped again once an interface of that name is up.
	// Defaults to none, which like "any" means all that are up, also those that come later.
	Interfaces []string
	// RPCPorts and PGPorts are the TCP ports let through by the kernel's filter, in either direction; the two
	// are one set to the tap. Defaults to none: all of TCP.
	RPCPorts, PGPorts []uint16
	// SnapLen bounds the captured bytes of one packet. Defaults to 192 KiB, three times the largest segment
	// that offload makes unless told to make larger ones.
	SnapLen int
	// RingBytes is the memory shared with the kernel, and the only buffer between it and the decoders: at
	// 50 MB/s the default holds 0.6 s. Defaults to 32 MiB.
	RingBytes int
	// BlockBytes is the unit in which the ring is handed over; a packet cannot be larger. Large blocks wake the
	// reader seldom, many keep a stall from freezing the ring: each block that Retire hands over counts, however
	// empty, so that under light traffic the reader may stall for as many times Retire as there are blocks,
	// 1.6 s by default. Defaults to 1 MiB.
	BlockBytes int
	// Retire bounds how long a packet waits for its block to fill; it may take twice as long. Each end of a wait
	// wakes the reader, which costs as much as some hundred packets. Defaults to 50 ms.
	Retire time.Duration
	// Promiscuous also takes packets that are addressed to other hosts. Defaults to false.
	Promiscuous bool
	// Between is called on the engine's goroutine after each block of the ring and at least every 100 ms. All
	// packets recorded before now were given to the engine, which was told so; now never goes back.
	// Defaults to nothing.
	Between func(now time.Time)
}

const (
	tick           = 100 * time.Millisecond // longest time between two calls of Between
	retireSlack    = 10 * time.Millisecond  // for a timer of the kernel that comes late
	blockOverhead  = 256                    // bytes of a block that no packet can have
	smallestBlock  = 64 << 10
	maxFilterPorts = 512 // with maxFilterLinks, what a filter of 4,096 instructions can hold
	maxFilterLinks = 256
)

func (c LiveConfig) withDefaults() LiveConfig {
	def := func(v *int, to int) {
		if *v <= 0 {
			*v = to
		}
	}
	def(&c.RingBytes, 32<<20)
	def(&c.BlockBytes, 1<<20)
	c.BlockBytes = max(c.BlockBytes, smallestBlock) &^ (smallestBlock - 1)
	c.RingBytes = max(c.RingBytes, 2*c.BlockBytes)
	def(&c.SnapLen, 192<<10)
	c.SnapLen = min(c.SnapLen, c.BlockBytes-blockOverhead)
	if c.Retire <= 0 {
		c.Retire = 50 * time.Millisecond
	}
	c.Retire = max(c.Retire, time.Millisecond)
	if slices.Contains(c.Interfaces, "any") {
		c.Interfaces = nil
	}
	c.Interfaces = slices.Compact(slices.Sorted(slices.Values(c.Interfaces)))
	return c
}

// ports returns the ports of the filter, each once.
func (c LiveConfig) ports() []uint16 {
	var all []uint16
	seen := make(map[uint16]bool)
	for _, list := range [][]uint16{c.RPCPorts, c.PGPorts} {
		for _, p := range list {
			if !seen[p] {
				seen[p] = true
				all = append(all, p)
			}
		}
	}
	return all
}

func (c LiveConfig) checkPorts() error {
	if n := len(c.ports()); n > maxFilterPorts {
		return fmt.Errorf("%d ports, more than %d", n, maxFilterPorts)
	}
	return nil
}

// LiveStats counts what a Live saw before the engine did.
type LiveStats struct {
	Packets int64 // given to the engine
	Bytes   int64 // captured bytes of these
	Drops   int64 // packets that passed the filter and found the ring full
	Freezes int64 // times the ring was full
	Errors  int64 // errors that the socket reported and that passed

	// Steps counts how often the system's clock was set. ClockAhead is how far capture time is ahead of it,
	// because the clock was set back: see Live.
	Steps      int64
	ClockAhead time.Duration
	Misdated   int64 // packets whose time was impossible and was replaced

	// Interfaces lists those tapped, and those named that are missing, in order of name.
	Interfaces []LiveInterface
}

// LinkState says whether an interface can bring packets.
type LinkState string

// States of an interface.
const (
	LinkUp   LinkState = "up"
	LinkDown LinkState = "down"
	LinkGone LinkState = "gone" // there is no interface of that name
)

// LiveInterface is one interface of a tap. The ring is one for all, so drops are not known for each.
type LiveInterface struct {
	Name    string
	Index   int // 0 when gone
	State   LinkState
	Downs   int64 // times it went down or away
	Packets int64 // since the interface of this index is tapped
}

// LiveError says why packets cannot be tapped.
type LiveError struct {
	Op   string // what was tried, as "open tap"
	Hint string // what a person can do; empty if nothing
	Err  error
}

func (e *LiveError) Error() string { return e.Op + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *LiveError) Unwrap() error { return e.Err }
