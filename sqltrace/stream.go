package sqltrace

import (
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/evidence"
)

// state is what a direction of a connection expects next.
type state uint8

const (
	atMessage state = iota // a message's type and length
	inBody                 // the rest of a message's body
	atStartup              // a client's startup packet, which has no type
	searching              // a message boundary, after a loss or when joined mid-stream
	muted                  // nothing: the rest is encrypted or of no interest
)

// half frames the messages of one direction.
type half struct {
	state  state
	typ    byte
	keep   bool // the body is put together in buf
	cut    bool // part of the body is missing from buf
	damage bool // part of the body was lost
	nul    bool // the text in the part beyond buf has ended
	header [8]byte
	have   int       // bytes of header
	need   int       // bytes of the body still to come
	size   int       // of the whole message
	rest   int64     // bytes of text beyond buf
	at     time.Time // of the packet with the message's first byte
	buf    []byte
	digest *xxhash.Digest // of buf and what followed it, while cut
}

// stream decodes one connection.
type stream struct {
	behind  int // simple queries in a row that were sent with one unanswered
	d       *Decoder
	session *Session
	opened  bool // the sink knows the session
	escapes bool // standard_conforming_strings is off
	closed  bool

	client, server half
	at, now        time.Time // of the current message's first and last byte

	replies int // one-byte answers due to requests for encryption; negative if they came first

	queue   []op // what the server has yet to answer
	head    int  // index of the first one
	sent    int64
	aborted bool   // the server skips to the next Sync
	failure string // SQLSTATE that aborted it

	done     []*Statement // finished, waiting for the transaction status
	ghosts   []*Statement // answers whose question was not seen
	answered time.Time    // end of the last ghost that found its question

	values []evidence.Hash // of the first statement in the queue
	budget int
	rows   int // of them looked at

	prepared, portals cache

	lossy    bool      // messages may have been lost since the last request
	served   bool      // a ReadyForQuery was seen, or the connection was joined after it
	copyBoth bool      // a replication stream runs
	lastByte time.Time // of the server
}

var _ capture.Stream = (*stream)(nil)

func newStream(d *Decoder, conn capture.Conn) *stream {
	s := &stream{
		d: d,
		session: &Session{Conn: conn.ID, Client: conn.Client, Server: conn.Server, Opened: conn.Opened,
			Joined: conn.Joined},
	}
	s.client.state = atStartup
	if conn.Joined {
		s.client.state, s.server.state = searching, searching
		s.served = true
	}
	return s
}

// Chunk takes the next bytes of a direction.
func (s *stream) Chunk(c capture.Chunk) {
	s.at, s.now = c.Time, c.Time
	if c.Dir == capture.ToServer {
		if c.Lost > 0 {
			s.lostRequest(c.Lost)
		}
		s.fromClient(c.Data)
		return
	}
	if c.Lost > 0 {
		s.lostAnswer(c.Lost)
	}
	s.fromServer(c.Data)
	s.lastByte = c.Time
}

// Fin notes that a direction ended. After the server's end nothing is answered any more.
func (s *stream) Fin(dir capture.Dir, at time.Time) {
	if dir == capture.ToClient {
		s.abandon(at)
	}
}

// Close ends the connection.
func (s *stream) Close(at time.Time) {
	if s.closed {
		return
	}
	s.closed = true
	s.abandon(at)
	s.free(&s.client)
	s.free(&s.server)
	if s.opened {
		s.d.sink.Closed(s.session, at)
	}
}

// open announces the session before anything else is said of it.
func (s *stream) open() {
	if !s.opened {
		s.opened = true
		s.introduce()
		s.d.sink.Opened(s.session)
	}
}

// introduce fills in what somebody knows of a connection whose startup was not seen.
func (s *stream) introduce() {
	if n := s.session; n.Joined && s.d.config.Known != nil {
		if k, ok := s.d.config.Known(n.Client); ok {
			n.Backend, n.Database, n.User, n.Application = k.Backend, k.Database, k.User, k.Application
		}
	}
}

// fromClient decodes a client's bytes.
func (s *stream) fromClient(data []byte) {
	h := &s.client
	for len(data) > 0 {
		switch h.state {
		case atMessage:
			for h.have == 0 && len(data) >= 5 && h.state == atMessage {
				size := frame(data, &clientLimits)
				if size == 0 || size > len(data) {
					break
				}
				s.request(data[0], data[5:size], size)
				data = data[size:]
			}
			if len(data) > 0 && h.state == atMessage {
				data = s.begin(h, data, &clientLimits)
			}
		case inBody:
			if data = s.body(h, data); h.need == 0 {
				s.finish(h, s.requestCut)
			}
		case atStartup:
			data = s.startup(h, data)
		case searching:
			if data = findRequest(data); data == nil {
				return
			}
			h.state, h.have = atMessage, 0
			s.open()
		case muted:
			return
		}
	}
}

// fromServer decodes a server's bytes.
func (s *stream) fromServer(data []byte) {
	h := &s.server
	if len(data) > 0 && s.replies > 0 || !s.opened && len(data) == 1 && h.state == atMessage && h.have == 0 && !s.session.Joined {
		data = s.reply(data)
	}
	for len(data) > 0 {
		switch h.state {
		case atMessage:
			for h.have == 0 && len(data) >= 5 && h.state == atMessage {
				size := frame(data, &serverLimits)
				if size == 0 || size > len(data) {
					break
				}
				if data[0] == 'D' {
					s.dataRow(data[5:size], size)
				} else {
					s.answer(data[0], data[5:size], size)
				}
				data = data[size:]
			}
			if len(data) > 0 && h.state == atMessage {
				data = s.begin(h, data, &serverLimits)
			}
		case inBody:
			if data = s.body(h, data); h.need == 0 {
				s.finish(h, s.answerCut)
			}
		case searching:
			if data = findAnswer(data); data == nil {
				return
			}
			h.state, h.have = atMessage, 0
			s.open()
			s.catchUp()
		default:
			return
		}
	}
}

// begin takes the header of a message that data does not hold whole.
func (s *stream) begin(h *half, data []byte, limits *[256]uint32) []byte {
	if h.have == 0 {
		h.at = s.now
	}
	n := copy(h.header[h.have:5], data)
	h.have += n
	data = data[n:]
	if h.have < 5 {
		return data
	}
	h.have = 0
	h.size = frame(h.header[:5], limits)
	if h.size == 0 {
		s.desync(h)
		return data
	}
	h.typ, h.need, h.state = h.header[0], h.size-5, inBody
	h.cut, h.damage, h.nul, h.rest = false, false, false, 0
	h.keep = s.wants(h)
	if h.need == 0 {
		h.state = atMessage
		s.at = h.at
		if h == &s.client {
			s.request(h.typ, nil, h.size)
		} else {
			s.answer(h.typ, nil, h.size)
		}
		s.at = s.now
	}
	return data
}

// maxRow is the longest row that is put together for the hashes of its values when packets cut it.
const maxRow = 4 << 10

// wants reports whether a message's body is worth putting together.
func (s *stream) wants(h *half) bool {
	if h == &s.client {
		switch h.typ {
		case 'Q', 'P', 'B', 'E', 'D', 'C':
			return true
		}
		return false
	}
	switch h.typ {
	case 'D':
		return h.size <= maxRow && s.hashing()
	case 'C', 'Z', 'E', 'S', 'K', 'T':
		return true
	}
	return false
}

// body takes more of a message's body and returns what follows it.
func (s *stream) body(h *half, data []byte) []byte {
	n := min(len(data), h.need)
	part := data[:n]
	h.need -= n
	if h.keep {
		s.store(h, part)
	}
	return data[n:]
}

// store puts part of a body into the buffer, or what is beyond the bounds into the digest.
func (s *stream) store(h *half, part []byte) {
	limit := s.d.config.MaxText
	if h == &s.server {
		limit = min(limit, 64<<10)
	}
	if !h.cut {
		if room := min(limit-len(h.buf), s.d.config.Buffered-s.d.buffered); len(part) > room {
			h.cut = true
			s.grow(h, part[:max(room, 0)])
			part = part[max(room, 0):]
		} else {
			s.grow(h, part)
			return
		}
		if h == &s.client {
			if h.digest == nil {
				h.digest = xxhash.New()
			}
			h.digest.Reset()
			text, _ := textPart(h.typ, h.buf)
			_, _ = h.digest.Write(text) // never fails
		}
	}
	if h == &s.client {
		s.beyond(h, part)
	}
}

func (s *stream) grow(h *half, part []byte) {
	before := cap(h.buf)
	h.buf = append(h.buf, part...)
	s.d.buffered += cap(h.buf) - before
}

// roomy is the buffer a direction may keep between messages.
const roomy = 16 << 10

// finish ends a message whose body came in parts.
func (s *stream) finish(h *half, take func(*half)) {
	h.state = atMessage
	s.at = h.at
	take(h)
	s.at = s.now
	if cap(h.buf) > roomy {
		s.free(h)
	}
	h.buf = h.buf[:0]
}

func (s *stream) free(h *half) {
	s.d.buffered -= cap(h.buf)
	h.buf = nil
}

// answerCut takes a server's message that packets cut.
func (s *stream) answerCut(h *half) {
	body := h.buf
	if h.damage || !h.keep {
		body = nil
	}
	if h.typ == 'D' {
		s.dataRow(body, h.size)
		return
	}
	s.answer(h.typ, body, h.size)
}
