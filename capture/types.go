package capture

import (
	"context"
	"net/netip"
	"time"
)

// Source yields the packets, or the bytes, of one place: a file, an interface, a relay.
type Source interface {
	// Run gives everything to e, from the calling goroutine alone, until the source ends or ctx is done.
	// It does not flush e.
	Run(ctx context.Context, e *Engine) error
}

// ConnID names one TCP connection of a capture. It is never reused, unlike ports.
// IDs count up from 1 in order of each connection's first packet.
type ConnID uint64

// Dir is the direction in which bytes travel on a connection.
type Dir uint8

// Directions of a connection.
const (
	ToServer Dir = iota
	ToClient
)

// String returns "to server" or "to client".
func (d Dir) String() string {
	if d == ToServer {
		return "to server"
	}
	return "to client"
}

// Conn describes one TCP connection.
type Conn struct {
	ID             ConnID
	Client, Server netip.AddrPort
	Opened         time.Time // first packet seen
	Joined         bool      // first seen mid-stream: no SYN was captured, or bytes before those claimed are missing
}

// Chunk is a run of payload bytes of one direction, in order. It comes after the bytes that its sender had
// acknowledged when sending it, or after the report that these were lost. Where bytes are known to be lost
// before any after them were seen, or the snap length cut a packet short, a chunk without Data reports it.
type Chunk struct {
	Dir  Dir
	Time time.Time // capture time of the packet that carried Data; never before that of the chunk before
	Data []byte    // valid only during the call
	Lost int64     // bytes missing just before Data; 0 when none
}

// Verdict is a protocol's answer to the first payload bytes of a connection.
type Verdict uint8

// Verdicts of Protocol.Claims.
const (
	Reject     Verdict = iota // these bytes are not of this protocol
	FromClient                // they are, and the client sent them
	FromServer                // they are, and the server sent them
)

// Protocol turns connections into streams. Implementations need not be safe for concurrent use.
type Protocol interface {
	// Claims judges the first payload bytes seen in one direction of a connection. Where the capture
	// holds the handshake, conn is oriented already and a verdict against that orientation is a rejection.
	Claims(conn Conn, data []byte) Verdict
	// NewStream returns the decoder of a claimed connection, oriented by the verdict.
	NewStream(conn Conn) Stream
}

// Stream decodes one connection. Its methods are called in order from one goroutine and must not block.
type Stream interface {
	// Chunk takes the next bytes of a direction.
	Chunk(Chunk)
	// Fin says that a direction ended in order: no more Chunk for it will come.
	Fin(dir Dir, at time.Time)
	// Close ends the stream: both directions ended, a reset, an eviction or the capture's end.
	// It is called exactly once, last.
	Close(at time.Time)
}
