package capture

import "time"

// Stats counts what an Engine saw, stage by stage, so that no loss hides between two stages.
//
// Two laws hold after Flush, in bytes of TCP payload:
//
//	Payload = Delivered + Unclaimed + Duplicate + Dropped
//	Space   = Delivered + Unclaimed + Lost
type Stats struct {
	Packets     int64 // packets given to the engine
	Bytes       int64 // captured bytes of these
	First, Last time.Time

	Segments    int64 // TCP segments decoded
	NonTCP      int64 // packets of other protocols
	Fragments   int64 // IP fragments: dropped, their bytes count as Lost once missed
	Malformed   int64 // packets that could not be decoded
	Unsupported int64 // packets of a link type that cannot be decoded
	Truncated   int64 // segments with payload cut off by the snap length
	Stray       int64 // segments of unknown connections that tell nothing: without payload and SYN

	Connections int64 // connections seen
	Joined      int64 // of these, first seen mid-stream
	Claimed     int64 // of these, taken by a protocol
	Ignored     int64 // of these, offered and taken by none
	Recognised  int64 // of the joined, rejected by all protocols for a while
	Reused      int64 // connections ended by a new one on the same addresses and ports
	Resets      int64 // connections ended by RST
	Evicted     int64 // connections with payload closed for MaxConns
	Expired     int64 // connections with payload closed for IdleTimeout
	QuietEnded  int64 // connections without payload forgotten for MaxQuiet or QuietTimeout

	Payload   int64 // captured payload bytes, without those shed
	Shed      int64 // captured payload bytes let go by Engine.Shed; they are in Lost
	Delivered int64 // bytes given to streams
	Unclaimed int64 // bytes of connections, or of parts of them, that no protocol claimed
	Duplicate int64 // bytes captured again: retransmitted, overlapping, or recorded twice
	Dropped   int64 // bytes after the end of their direction or connection
	Lost      int64 // bytes missing in the recording
	Space     int64 // sequence space passed

	Duplicates int64 // segments that brought nothing new
	OutOfOrder int64 // segments held because bytes before them, or acknowledged by them, were missing
	Acausal    int64 // of these, with a time before that of bytes which they acknowledge: times given after the order was lost
	Gaps       int64 // runs of lost bytes
	Held       int64 // bytes held now

	// Encrypted counts connections that look like TLS, by server port.
	Encrypted map[uint16]int64
}

// Disordered tells whether packets seem to have been given their times after their order was lost, as where several
// files were put together without regard to time: more than one in two hundred is before what it acknowledges.
func (s Stats) Disordered() bool { return s.Acausal > s.Packets/200 }

const maxEncryptedPorts = 1024 // distinct ports counted in Stats.Encrypted

// Stats returns the counts so far. The caller owns the result.
func (e *Engine) Stats() Stats {
	s := e.stats
	s.Encrypted = make(map[uint16]int64, len(e.stats.Encrypted))
	for port, n := range e.stats.Encrypted {
		s.Encrypted[port] = n
	}
	s.Held = int64(e.heldBytes)
	return s
}

func (e *Engine) countEncrypted(port uint16) {
	if e.stats.Encrypted == nil {
		e.stats.Encrypted = make(map[uint16]int64)
	}
	if _, known := e.stats.Encrypted[port]; known || len(e.stats.Encrypted) < maxEncryptedPorts {
		e.stats.Encrypted[port]++
	}
}
