package rpclog

import (
	"bytes"
	"time"

	"github.com/perfd/perfd/capture"
)

// state is what the next byte of a direction belongs to.
type state uint8

const (
	startLine  state = iota // before or within a request or status line
	headerLine              // within the header section
	bodyLength              // half.left bytes of body remain
	bodyClose               // body until the connection closes
	chunkSize               // within a chunk-size line
	chunkData               // half.left bytes of a chunk remain
	chunkEnd                // the line end after a chunk
	trailer                 // within the trailer section
	seeking                 // lost: passing over bytes until a start line
	bareBody                // body without header section, until it is closed or the next message begins
	frames                  // websocket
	tunnel                  // CONNECT or an unknown upgrade: opaque
)

// half is one direction of a connection: RFC 9112 as a state machine resumable at every byte.
type half struct {
	dir   capture.Dir
	state state
	found bool   // the start line being read ended a search: it may yet turn out to be none
	lossy bool   // that search was caused by lost bytes
	line  []byte // the part of an unfinished line seen so far
	left  int64

	id     CallID    // number of the request being read
	began  time.Time // first byte of the message
	last   time.Time // latest byte of the direction
	bytes  int64     // of the message so far
	inHead int       // bytes of the header section so far
	lines  int       // lines of the trailer section so far

	untouched bool  // no byte of the body was seen yet
	beheaded  int64 // bytes of the header section of x that were lost, when nothing of its body was seen yet

	head head
	x    *exchange // the exchange the message belongs to; nil if none
	body body
	ws   frame
}

// maxTrailer bounds the lines of a trailer section and maxSizeLine a chunk-size line with its extensions.
const (
	maxTrailer  = 256
	maxSizeLine = 4096
)

func (h *half) feed(s *stream, at time.Time, b []byte) {
	h.last = at
	h.untouched = h.untouched && len(b) == 0
	first := true // b begins with the first byte of a packet
	for len(b) > 0 {
		var n int
		switch h.state {
		case startLine:
			n = h.readStart(s, at, b)
		case headerLine:
			n = h.readHeader(s, at, b)
		case bodyLength, chunkData:
			n = int(min(int64(len(b)), h.left))
			h.left -= int64(n)
			h.bytes += int64(n)
			h.content(b[:n])
			if h.left == 0 {
				if h.state == chunkData {
					h.state = chunkEnd
				} else {
					s.complete(h, at)
				}
			}
		case bodyClose:
			n = len(b)
			h.bytes += int64(n)
			h.content(b)
		case chunkSize, chunkEnd, trailer:
			n = h.readFraming(s, at, b)
		case seeking:
			n = h.seek(s, at, b, first)
		case bareBody:
			n = h.readBare(s, at, b, first)
		case frames:
			n = h.ws.feed(s, h.dir, at, b)
		case tunnel:
			n = len(b)
		}
		b = b[n:]
		first = false
	}
}

// content passes body bytes, freed of transfer coding, to their reader.
func (h *half) content(b []byte) {
	if h.dir == capture.ToServer && h.x != nil && h.x.whole && !h.x.ended {
		_, _ = h.x.digest.Write(b)
	}
	h.body.write(b)
}

// cut returns the next line without its end. Where b ends first, the line is kept for later and ok is
// false; n is what was taken of b.
func (h *half) cut(b []byte, limit int) (line []byte, n int, ok bool) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		if room := limit - len(h.line); len(b) > room {
			h.line = append(h.line, b[:max(room, 0)]...)
		} else {
			h.line = append(h.line, b...)
		}
		return nil, len(b), false
	}
	line, n = b[:i], i+1
	if len(h.line) > 0 {
		line = append(h.line, line...)
		h.line = line[:0]
	}
	if k := len(line); k > 0 && line[k-1] == '\r' {
		line = line[:k-1]
	}
	return line, n, true
}

func (h *half) readStart(s *stream, at time.Time, b []byte) int {
	if h.inHead == 0 {
		if b[0] == '\r' || b[0] == '\n' { // RFC 9112, section 2.2
			return 1
		}
		h.began, h.bytes = at, 0
		h.head.reset()
		if h.dir == capture.ToServer {
			s.d.ids++
			h.id = s.d.ids
		}
	}
	line, n, ok := h.cut(b, s.d.cfg.HeaderBytes)
	h.inHead += n
	h.bytes += int64(n)
	if h.inHead > s.d.cfg.HeaderBytes {
		h.malformed(s)
		return n
	}
	if !ok {
		return n
	}
	good := false
	if h.dir == capture.ToServer {
		good = s.requestLine(h, line)
	} else {
		good = s.statusLine(h, line)
	}
	if !good {
		h.malformed(s)
		return n
	}
	if h.found {
		s.d.stats.Resyncs++
	}
	h.state = headerLine
	return n
}

func (h *half) readHeader(s *stream, at time.Time, b []byte) int {
	took := 0
	for h.state == headerLine && took < len(b) {
		line, n, ok := h.cut(b[took:], s.d.cfg.HeaderBytes)
		took += n
		h.inHead += n
		h.bytes += int64(n)
		switch {
		case h.inHead > s.d.cfg.HeaderBytes:
			h.malformed(s)
		case !ok:
		case len(line) > 0:
			h.head.field(s.d, h, line)
		case h.head.bad:
			h.malformed(s)
		default:
			h.ready()
			s.headed(h, at)
		}
	}
	return took
}

func (h *half) readFraming(s *stream, at time.Time, b []byte) int {
	line, n, ok := h.cut(b, maxSizeLine)
	h.bytes += int64(n)
	if !ok {
		if len(h.line) >= maxSizeLine {
			h.malformed(s)
		}
		return n
	}
	switch h.state {
	case chunkSize:
		size, good := hex(line)
		switch {
		case !good:
			h.malformed(s)
		case size > 0:
			h.left, h.state = size, chunkData
		default:
			h.lines, h.state = 0, trailer
		}
	case chunkEnd:
		if len(line) > 0 {
			h.malformed(s)
			break
		}
		h.state = chunkSize
	case trailer:
		if h.lines++; h.lines > maxTrailer {
			h.malformed(s)
		} else if len(line) == 0 {
			s.complete(h, at)
		}
	}
	return n
}

// frameBody sets the state in which the body is read; no body completes the message.
func (h *half) frameBody(s *stream, at time.Time, untilClose bool) {
	h.untouched = true
	switch {
	case h.head.chunked:
		h.state = chunkSize
	case h.head.length > 0:
		h.left, h.state = h.head.length, bodyLength
	case h.head.length < 0 && untilClose:
		h.state = bodyClose
	default:
		s.complete(h, at)
	}
}

// ready makes the direction expect a start line.
func (h *half) ready() {
	h.state, h.found, h.lossy, h.beheaded = startLine, false, false, 0
	h.inHead = 0
	h.drop()
}

// drop forgets an unfinished line and gives a large buffer back.
func (h *half) drop() {
	if cap(h.line) > 4096 {
		h.line = nil
	}
	h.line = h.line[:0]
}

// malformed gives the message up and looks for the next one.
func (h *half) malformed(s *stream) {
	if !h.found {
		s.d.stats.Malformed++
	}
	s.abandon(h)
	h.search(h.lossy)
}

func (h *half) search(lossy bool) {
	h.ready()
	h.state, h.lossy = seeking, lossy
}

// lose takes note of n bytes that the capture lacks before the next ones.
func (h *half) lose(s *stream, n int64) {
	s.d.stats.LostBytes += n
	switch h.state {
	case tunnel:
		return
	case seeking:
		h.lossy = true
		if h.x == nil {
			h.bytes += n
		}
		return
	case frames:
		h.ws.lose(n)
		return
	case bodyClose, bareBody:
		h.bytes += n
		s.damage(h)
		return
	case bodyLength:
		s.damage(h)
		if n <= h.left {
			h.left -= n
			h.bytes += n
			if h.left == 0 {
				s.complete(h, h.last)
			}
			return
		}
		h.bytes += h.left
		s.complete(h, h.last)
		h.bytes = n - h.left
	case chunkData:
		if n < h.left {
			s.damage(h)
			h.left -= n
			h.bytes += n
			return
		}
		s.abandon(h)
	case headerLine:
		s.abandon(h)
		h.search(true)
		h.beheaded = n
		return
	case startLine:
		h.bytes = n
	case chunkSize, chunkEnd, trailer:
		s.abandon(h)
	}
	h.search(true)
}

// seek passes over bytes until something like a start line, which stands at the start of a packet or of
// a line, or a packet that begins like a body.
func (h *half) seek(s *stream, at time.Time, b []byte, first bool) int {
	i := 0
	if !first {
		i = nextLine(b, 0)
	} else if h.bare(s, at, b) {
		return 0
	}
	for i < len(b) && !h.likeStart(b[i:]) {
		i = nextLine(b, i)
	}
	if h.x != nil {
		h.bytes += int64(i)
	} else if i > 0 {
		h.bytes = 0
	}
	if i < len(b) {
		lossy := h.lossy
		s.drained(h)
		h.ready()
		h.found, h.lossy = true, lossy
	}
	return i
}

func nextLine(b []byte, i int) int {
	if k := bytes.IndexByte(b[i:], '\n'); k >= 0 {
		return i + k + 1
	}
	return len(b)
}
