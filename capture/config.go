package capture

import "time"

// Config bounds an Engine. The zero value works.
type Config struct {
	// Ports assigns server ports to protocols, by index in NewEngine's list. A protocol named here is offered
	// connections to its ports only, and a port named here is offered to its protocol only. An index outside
	// the list keeps the port's connections from every protocol.
	// Defaults to none: every connection is offered to every protocol in turn.
	Ports map[uint16]int

	// MaxConns bounds the connections that carried payload; beyond it the idlest is closed.
	// Defaults to 16,384.
	MaxConns int
	// MaxQuiet bounds the connections that carried no payload yet, or are closed and remembered only to
	// recognise late copies of their packets; beyond it the idlest is forgotten. Defaults to 8,192.
	MaxQuiet int
	// IdleTimeout closes a connection that was silent for so long, in capture time.
	// Defaults to 3 hours, more than the usual keep-alive interval of 2 hours.
	IdleTimeout time.Duration
	// QuietTimeout forgets a connection without payload, or a closed one. Defaults to 60 seconds.
	QuietTimeout time.Duration

	// HoldTime bounds how long out-of-order data waits for the bytes before it, in capture time.
	// Defaults to 500 ms.
	HoldTime time.Duration
	// AckHold is how long bytes may be missing after the peer acknowledged them, which proves that they
	// were sent and will not be sent again. Defaults to 2 ms.
	AckHold time.Duration
	// JoinHold is how long the first bytes of a connection without recorded handshake are kept back, so that
	// a start recorded out of order loses nothing. Defaults to 2 ms.
	JoinHold time.Duration
	// OrderPackets is how far packets may be recorded out of order: AckHold and JoinHold do not end before so
	// many packets of any connection followed, unless HoldTime has passed. Defaults to 16.
	OrderPackets int
	// MaxHeld bounds the bytes held out of order in one direction of a connection. Defaults to 4 MiB.
	MaxHeld int
	// MaxHeldSegments bounds their number of segments. Defaults to 1,024.
	MaxHeldSegments int
	// MaxHeldTotal bounds the bytes held by all connections, out of order or waiting for a protocol's claim.
	// Defaults to 32 MiB.
	MaxHeldTotal int

	// ClaimTries bounds how many chunks of a connection are offered to the protocols before it is ignored.
	// Defaults to 32.
	ClaimTries int
	// ClaimBytes bounds the bytes of an unclaimed connection that are kept for the stream of a later claim.
	// Defaults to 16 KiB.
	ClaimBytes int
}

func (c Config) withDefaults() Config {
	def := func(v *int, to int) {
		if *v <= 0 {
			*v = to
		}
	}
	span := func(v *time.Duration, to time.Duration) {
		if *v <= 0 {
			*v = to
		}
	}
	def(&c.MaxConns, 16384)
	def(&c.MaxQuiet, 8192)
	span(&c.IdleTimeout, 3*time.Hour)
	span(&c.QuietTimeout, time.Minute)
	span(&c.HoldTime, 500*time.Millisecond)
	span(&c.AckHold, 2*time.Millisecond)
	span(&c.JoinHold, 2*time.Millisecond)
	def(&c.OrderPackets, 16)
	def(&c.MaxHeld, 4<<20)
	def(&c.MaxHeldSegments, 1024)
	def(&c.MaxHeldTotal, 32<<20)
	def(&c.ClaimTries, 32)
	def(&c.ClaimBytes, 16<<10)
	return c
}
