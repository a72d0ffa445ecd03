package rpclog

import (
	"encoding/binary"
	"time"

	"github.com/perfd/perfd/capture"
)

// frame reads the websocket frames of one direction: RFC 6455, section 5.2. Payload is passed over by
// length.
type frame struct {
	header [14]byte
	have   int
	left   uint64 // payload bytes to come
	began  time.Time
	lost   bool // boundaries are unknown: the next packet that begins like a frame is taken for one
	failed bool // the bytes are no frames
}

// feed takes bytes of direction dir and returns how many, which is always all of them.
func (f *frame) feed(s *stream, dir capture.Dir, at time.Time, b []byte) int {
	taken := len(b)
	if f.lost {
		if !likeFrame(b, dir) {
			return taken
		}
		f.lost = false
		s.d.stats.Resyncs++
	}
	for len(b) > 0 && !f.failed {
		if f.left > 0 {
			n := min(f.left, uint64(len(b)))
			f.left -= n
			b = b[n:]
			continue
		}
		if f.have == 0 {
			f.began = at
		}
		f.header[f.have] = b[0]
		f.have++
		b = b[1:]
		if f.have < 2 || f.have < headerLength(f.header[1]) {
			continue
		}
		f.left = payloadLength(&f.header)
		if !likeFrame(f.header[:2], dir) || f.left > 1<<62 {
			f.failed = true
			s.d.stats.Malformed++
			break
		}
		s.d.stats.Messages++
		s.d.sink.Message(Message{
			Conn: s.conn.ID, Client: s.conn.Client, Server: s.conn.Server, Dir: dir, Time: f.began,
			Opcode: f.header[0] & 0x0f, Bytes: int64(f.have) + int64(f.left),
		})
		f.have = 0
	}
	return taken
}

// lose skips n bytes that the capture lacks.
func (f *frame) lose(n int64) {
	if f.have == 0 && uint64(n) <= f.left {
		f.left -= uint64(n)
		return
	}
	f.have, f.left, f.lost = 0, 0, true
}

// headerLength is the length of a frame's header, by its second byte.
func headerLength(second byte) int {
	n := 2
	switch second & 0x7f {
	case 126:
		n = 4
	case 127:
		n = 10
	}
	if second&0x80 != 0 {
		n += 4
	}
	return n
}

func payloadLength(header *[14]byte) uint64 {
	switch n := header[1] & 0x7f; n {
	case 126:
		return uint64(binary.BigEndian.Uint16(header[2:]))
	case 127:
		return binary.BigEndian.Uint64(header[2:])
	default:
		return uint64(n)
	}
}

// likeFrame says whether b may be the start of a frame: a defined opcode, the second and third reserved
// bits clear, and masked as the direction demands.
func likeFrame(b []byte, dir capture.Dir) bool {
	if len(b) < 2 {
		return false
	}
	opcode := b[0] & 0x0f
	return b[0]&0x30 == 0 && (opcode <= 2 || opcode >= 8 && opcode <= 10) && (b[1]&0x80 != 0) == (dir == capture.ToServer)
}
