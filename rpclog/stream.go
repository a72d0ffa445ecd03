package rpclog

import (
	"time"

	"github.com/perfd/perfd/capture"
)

// stream decodes one connection: two halves, and the requests that wait for their response.
type stream struct {
	d         *Decoder
	conn      capture.Conn
	half      [2]half
	queue     []*exchange // requests begun and not yet answered, oldest first
	quiet     time.Time   // latest byte of either direction before the current chunk
	pipelines bool        // the client was seen to send a request before the previous was answered
	seen      bool        // a request was seen
	gone      time.Time   // when bytes to the client were last reported lost
	habit     habit
}

var _ capture.Stream = (*stream)(nil)

// Chunk takes the next bytes of a direction.
func (s *stream) Chunk(c capture.Chunk) {
	h := &s.half[c.Dir&1]
	if c.Lost > 0 {
		h.lose(s, c.Lost)
		if len(c.Data) == 0 && c.Dir == capture.ToClient {
			s.gone = c.Time
		}
	}
	if len(c.Data) > 0 {
		h.feed(s, c.Time, c.Data)
		s.quiet = c.Time
	}
}

// Fin ends a direction in order.
func (s *stream) Fin(dir capture.Dir, at time.Time) {
	h := &s.half[dir&1]
	if dir == capture.ToServer {
		s.stop(h, GapRequest)
		return
	}
	if h.state == bodyClose || h.state == bareBody {
		s.complete(h, h.last)
	}
	gap := GapUnanswered
	if h.state == seeking && h.lossy && h.x == nil { // a response was lost, at least its beginning
		gap, s.quiet = GapResponse, at
	}
	s.stop(h, GapResponse)
	s.unanswered(0, gap)
}

// Close ends the stream.
func (s *stream) Close(time.Time) {
	gap := GapUnanswered
	if h := &s.half[capture.ToClient]; h.state == seeking && h.lossy && h.x == nil && !s.gone.Before(s.quiet) {
		gap, s.quiet = GapResponse, s.gone // a response was lost after the last request
	}
	for i := range s.half {
		s.stop(&s.half[i], GapUnanswered)
	}
	s.unanswered(0, gap)
}

// stop ends a direction that may be within a message.
func (s *stream) stop(h *half, gap Gap) {
	if h.x != nil && h.state == headerLine {
		s.abandon(h)
	}
	if h.x != nil {
		h.body.stop(s.d)
		h.x.gap(gap)
		h.x.whole = false
		s.complete(h, h.last)
	}
	h.state, h.line = tunnel, nil
}

// unanswered ends the waiting calls but the last keep ones.
func (s *stream) unanswered(keep int, gap Gap) {
	for len(s.queue) > keep {
		x := s.queue[0]
		x.gap(gap)
		if gap == GapResponse {
			x.call.End = s.quiet
		}
		s.finish(x)
	}
}

// requestLine begins an exchange; false means that line is no request line.
func (s *stream) requestLine(h *half, line []byte) bool {
	verb, target, ok := splitRequestLine(line)
	if !ok {
		return false
	}
	x := s.d.exchange(&s.conn)
	x.begin(line, verb, target)
	x.call.ID, x.call.Start = h.id, h.began
	h.x = x
	return true
}

// statusLine binds a response to its request; false means that line is no status line.
func (s *stream) statusLine(h *half, line []byte) bool {
	status, ok := splitStatusLine(line)
	if !ok {
		return false
	}
	h.head.status = status
	if status < 200 && status != 101 {
		return true
	}
	s.d.stats.Responses++
	s.bind(h)
	h.x.call.Status = status
	h.x.call.First = h.began
	return true
}

// bind makes a response that begins the answer to the oldest request, or to one that the capture lacks.
func (s *stream) bind(h *half) {
	if ask := &s.half[capture.ToServer]; len(s.queue) == 0 && ask.x != nil && ask.state == headerLine {
		s.abandon(ask) // answered within its header section: the rest was lost, or refused
		ask.search(ask.lossy)
	}
	switch {
	case len(s.queue) == 0:
		s.orphan(h)
	case len(s.queue) > 1 && h.lossy && !s.pipelines:
		// Responses were lost, perhaps whole ones. A client that does not pipeline has sent its latest
		// request only after the others were answered.
		s.unanswered(1, GapResponse)
	case len(s.queue) > 1 && !h.lossy:
		s.pipelines = true
	}
	h.x = s.queue[0]
	if ask := &s.half[capture.ToServer]; ask.x == h.x && ask.state == bareBody {
		s.complete(ask, ask.last) // what was asked says how to read the answer
		ask.search(true)
	}
}

// orphan makes an exchange for a response whose request the capture lacks. Its Start is the latest time
// at which the connection was seen before.
func (s *stream) orphan(h *half) {
	x := s.d.exchange(&s.conn)
	s.d.ids++
	x.call.ID = s.d.ids
	x.call.Start = s.quiet
	if x.call.Start.After(h.began) {
		x.call.Start = h.began
	}
	x.call.Head = x.call.Start
	x.gap(GapRequest)
	if s.conn.Joined && !s.seen {
		x.gap(GapJoined)
	}
	x.whole, x.sent = false, true
	x.env = plain{}
	if s.habit.lend(x) {
		x.env = tryton{}
		x.env.begin(x)
	}
	s.d.stats.Orphans++
	s.announce(x)
}

func (s *stream) announce(x *exchange) {
	if len(s.queue) >= s.d.cfg.Pipelined {
		s.d.stats.GivenUp++
		s.unanswered(s.d.cfg.Pipelined-1, GapResponse)
	}
	s.queue = append(s.queue, x)
	s.d.sink.Begin(x.call)
}

// headed continues after a header section.
func (s *stream) headed(h *half, at time.Time) {
	if h.dir == capture.ToServer {
		s.requestHeaded(h, at)
	} else {
		s.responseHeaded(h, at)
	}
}

func (s *stream) requestHeaded(h *half, at time.Time) {
	x := h.x
	s.settleAnswer()
	s.seen = true
	s.d.stats.Requests++
	x.call.Head = at
	x.headed(&h.head)
	s.habit.note(x)
	s.announce(x)
	h.body.open(s.d, x, &h.head, x.env.request(x, &h.head), &x.call.Request)
	h.frameBody(s, at, false)
}

// settleAnswer ends a response whose end was lost: the next request shows that it is over.
func (s *stream) settleAnswer() {
	if answer := &s.half[capture.ToClient]; (answer.state == seeking || answer.state == bareBody) && answer.x != nil {
		lossy := answer.lossy
		s.drained(answer)
		answer.search(lossy)
	}
}

func (s *stream) responseHeaded(h *half, at time.Time) {
	x := h.x
	if x == nil { // 1xx: the response proper is still to come
		lossy := h.lossy
		h.ready()
		h.lossy = lossy
		return
	}
	status := h.head.status
	x.fresh = h.head.session
	x.call.Response.Add(h.head.token)
	switch {
	case status == 101:
		s.upgraded(x, h, at)
		return
	case x.connect && status/100 == 2:
		s.complete(h, at)
		s.become(tunnel)
		return
	}
	if ask := &s.half[capture.ToServer]; x.expects && status >= 300 && ask.x == x && ask.untouched {
		s.complete(ask, ask.last) // the client was told not to send the body
	}
	if x.head || status == 204 || status == 304 {
		s.complete(h, at)
		return
	}
	h.openAnswer(s.d, x.env.response(x, &h.head))
	h.frameBody(s, at, true)
}

// upgraded ends the handshake of a 101 response; what follows is no HTTP.
func (s *stream) upgraded(x *exchange, h *half, at time.Time) {
	next := tunnel
	if x.websocket {
		next = frames
		x.call.Class = Handshake
	}
	s.complete(h, at)
	s.become(next)
}

// become leaves HTTP in both directions.
func (s *stream) become(next state) {
	s.unanswered(0, GapUnanswered)
	for i := range s.half {
		h := &s.half[i]
		if h.x != nil {
			s.abandon(h)
			s.drained(h)
		}
		h.ready()
		h.line = nil
		h.state = next
	}
}

// complete ends a message.
func (s *stream) complete(h *half, at time.Time) {
	x := h.x
	h.x = nil
	h.ready()
	count := h.body.count
	h.body.close(s.d)
	if x == nil {
		return
	}
	if h.dir == capture.ToServer {
		if x.ended {
			s.d.release(x)
			return
		}
		x.requestDone(at, h.bytes)
		return
	}
	h.sound(s.d, x, count)
	x.call.End = at
	x.call.ResponseBytes = h.bytes
	x.env.answered(x)
	s.finish(x)
}

// finish delivers a call, whose response need not have ended.
func (s *stream) finish(x *exchange) {
	for i, q := range s.queue {
		if q == x {
			n := copy(s.queue[i:], s.queue[i+1:])
			s.queue[i+n] = nil
			s.queue = s.queue[:i+n]
			break
		}
	}
	ask := &s.half[capture.ToServer]
	asking := ask.x == x
	if asking { // answered before it was sent in full, or, which shows only later, its end was lost
		ask.body.close(s.d)
		x.gap(GapRequest)
		x.whole = false
		x.requestDone(ask.last, ask.bytes)
	}
	if answer := &s.half[capture.ToClient]; answer.x == x {
		answer.x = nil
		answer.body.close(s.d)
	}
	x.settle()
	s.d.stats.Calls++
	x.ended = true
	call := x.call
	x.call = nil
	s.d.sink.End(call)
	if !asking {
		s.d.release(x)
	}
}

// damage marks the message being read: bytes of its body are missing.
func (s *stream) damage(h *half) {
	if h.x == nil || h.x.ended {
		h.body.stop(s.d)
		return
	}
	if h.dir == capture.ToServer {
		h.body.stop(s.d)
		h.x.gap(GapRequest)
		h.x.whole = false
	} else {
		h.body.tear(s.d)
		h.x.gap(GapResponse)
	}
}

// abandon marks the message being read, whose end can no longer be known: it lasts until the next one.
func (s *stream) abandon(h *half) {
	if h.x == nil {
		return
	}
	s.damage(h)
	if h.dir == capture.ToServer && h.state == headerLine {
		s.seen = true
		h.x.call.Head = h.last
		h.x.headed(&h.head)
		s.announce(h.x)
	}
}

// drained ends the message that was abandoned before.
func (s *stream) drained(h *half) {
	if h.x != nil {
		s.complete(h, h.last)
	}
}
