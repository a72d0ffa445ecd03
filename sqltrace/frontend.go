package sqltrace

import (
	"bytes"
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// request takes a client's whole message. The body of a message that is not looked at may be nil.
func (s *stream) request(t byte, body []byte, size int) {
	switch t {
	case 'Q':
		s.query(s.plan(bytes.TrimSuffix(body, zero)), size)
	case 'P':
		s.sent += int64(size)
		s.parse(body)
	case 'B':
		s.sent += int64(size)
		s.bind(body)
	case 'E':
		s.execute(body, size)
	case 'S':
		s.sync(size)
	case 'F':
		s.call(size)
	case 'D', 'C', 'H':
		s.sent += int64(size)
		if t == 'C' && len(body) > 1 {
			s.forget(body)
		}
	case 'd', 'c', 'f':
		if n := len(s.queue); n > s.head && s.queue[n-1].st != nil {
			s.queue[n-1].st.In += int64(size)
		}
	}
}

// requestCut takes a client's message that packets cut.
func (s *stream) requestCut(h *half) {
	body := h.buf
	switch {
	case !h.keep:
		s.request(h.typ, nil, h.size)
	case !h.cut && !h.damage:
		s.request(h.typ, body, h.size)
	default:
		s.requestPart(h, body)
	}
}

// requestPart takes a message of which part is lost or beyond the bounds.
func (s *stream) requestPart(h *half, body []byte) {
	if len(body) < s.d.config.MaxText {
		h.damage = true // the buffers of all connections were full
	}
	text, _ := textPart(h.typ, body)
	switch h.typ {
	case 'Q':
		var p plan
		if !h.damage {
			p = *s.plan(text)
			p.textHash = h.digest.Sum64()
		}
		p.textBytes = max(int64(h.size)-6, 0)
		s.query(&p, h.size)
	case 'P':
		s.sent += int64(h.size)
		name, _, ok := bytes.Cut(body, zero)
		if !ok || h.damage {
			s.prepared.put(nameKey(name), plan{}, s.d.config.Prepared)
			break
		}
		p := *s.plan(text)
		p.textHash, p.textBytes = h.digest.Sum64(), int64(len(text))+h.rest
		s.prepared.put(nameKey(name), p, s.d.config.Prepared)
	case 'B':
		s.sent += int64(h.size)
		portal, rest, _ := bytes.Cut(body, zero)
		name, _, ok := bytes.Cut(rest, zero)
		var p plan
		if ok && !h.damage {
			p, _ = s.prepared.get(nameKey(name))
			p.textHash = mix(p.textHash, h.digest.Sum64())
		}
		p.formats = allBinary
		s.portals.put(nameKey(portal), p, s.d.config.Prepared)
	case 'E':
		s.portals.remove(nameKey(nil))
		s.execute(zero, h.size)
	default:
		s.sent += int64(h.size)
	}
}

// textPart returns the part of a message that TextHash is computed from, and whether it ends in body.
func textPart(t byte, body []byte) ([]byte, bool) {
	switch t {
	case 'P':
		_, rest, _ := bytes.Cut(body, zero)
		text, _, ended := bytes.Cut(rest, zero)
		return text, ended
	case 'B':
		_, rest, _ := bytes.Cut(body, zero)
		_, params, _ := bytes.Cut(rest, zero)
		return params, false
	}
	return body, false
}

// beyond takes a part of a body that is no longer put together.
func (s *stream) beyond(h *half, part []byte) {
	switch h.typ {
	case 'Q':
		if h.need == 0 && len(part) > 0 {
			part = part[:len(part)-1] // the NUL
		}
	case 'P':
		if _, ended := textPart('P', h.buf); ended || h.nul {
			return
		}
		if n := bytes.IndexByte(part, 0); n >= 0 {
			part, h.nul = part[:n], true
		}
	}
	h.rest += int64(len(part))
	_, _ = h.digest.Write(part) // never fails
}

// query takes a simple query.
func (s *stream) query(p *plan, size int) {
	st, o := s.ask(opQuery)
	p.fill(st)
	st.In = int64(size)
	s.sent = 0
	if o == nil {
		s.d.deliver(st)
	}
}

// call takes a FunctionCall message.
func (s *stream) call(size int) {
	st, o := s.ask(opCall)
	st.Kind, st.Fingerprint = Other, functionCall
	st.In = int64(size)
	if o == nil {
		s.d.deliver(st)
	}
}

// execute takes an Execute message.
func (s *stream) execute(body []byte, size int) {
	name, _, _ := bytes.Cut(body, zero)
	p, _ := s.portals.get(nameKey(name))
	if s.aborted && !s.syncing() {
		s.open()
		st := s.d.statement()
		st.Session, st.Start, st.First, st.End = s.session, s.at, s.at, s.at
		st.SQLState, st.Extended, st.In = s.failure, true, s.sent+int64(size)
		p.fill(st)
		s.sent = 0
		s.done = append(s.done, st)
		if len(s.done) > maxDone {
			s.release(0)
		}
		return
	}
	st, o := s.ask(opExecute)
	p.fill(st)
	st.Extended = true
	st.In = s.sent + int64(size)
	s.sent = 0
	if o == nil {
		s.d.deliver(st)
		return
	}
	o.formats = p.formats
}

// syncing reports whether a Sync waits for its answer.
func (s *stream) syncing() bool {
	for _, o := range s.queue[s.head:] {
		if o.kind == opSync {
			return true
		}
	}
	return false
}

// sync takes a Sync message.
func (s *stream) sync(size int) {
	s.open()
	if n := len(s.queue); n > s.head && s.queue[n-1].kind == opExecute {
		s.queue[n-1].st.In += int64(size)
	}
	s.sent = 0
	if !s.answered.IsZero() && !s.at.After(s.answered) {
		return
	}
	if o := s.first(); o != nil && o.kind == opGhost && !o.at.Before(s.at) {
		return // the ghost's ReadyForQuery is this one's
	}
	if s.full() {
		return
	}
	s.push(op{kind: opSync, at: s.at})
}

// forget takes a Close message.
func (s *stream) forget(body []byte) {
	key := nameKey(bytes.TrimSuffix(body[1:], zero))
	if body[0] == 'S' {
		s.prepared.remove(key)
	} else {
		s.portals.remove(key)
	}
}

// parse takes a Parse message: a name, a text, and the types of parameters.
func (s *stream) parse(body []byte) {
	name, rest, ok := bytes.Cut(body, zero)
	text, _, whole := bytes.Cut(rest, zero)
	if !ok || !whole {
		s.prepared.put(nameKey(name), plan{}, s.d.config.Prepared)
		return
	}
	s.prepared.put(nameKey(name), *s.plan(text), s.d.config.Prepared)
}

// plan reads a text.
func (s *stream) plan(text []byte) *plan { return s.d.plan(text, s.escapes) }

// bind takes a Bind message: it makes a portal of a prepared statement and parameters.
func (s *stream) bind(body []byte) {
	b, ok := readBind(body)
	var p plan
	if ok {
		p, ok = s.prepared.get(nameKey(b.statement))
	}
	if !ok {
		p = plan{}
	}
	p.formats = b.results
	if b.count > 0 && p.known {
		p.textHash = mix(p.textHash, xxhash.Sum64(b.tail))
		sc := &s.d.scanner
		sc.literals = append(sc.literals[:0], p.literals...)
		sc.budget = s.d.config.Literals - len(sc.literals)
		b.texts(sc.literal)
		p.literals = s.d.hashes.Keep(sc.literals)
	}
	s.portals.put(nameKey(b.portal), p, s.d.config.Prepared)
}

// binding is a decoded Bind message.
type binding struct {
	portal, statement []byte
	tail              []byte // the message after the names
	count             int    // of parameters
	kinds             []byte // format codes of the parameters: none, one for all, or one each
	params            []byte
	results           formats
}

// readBind decodes a Bind message and reports whether it is well formed.
func readBind(body []byte) (b binding, ok bool) {
	var rest []byte
	if b.portal, rest, ok = bytes.Cut(body, zero); !ok {
		return b, false
	}
	if b.statement, rest, ok = bytes.Cut(rest, zero); !ok {
		return b, false
	}
	b.tail = rest
	if b.kinds, rest, ok = codes(rest); !ok || len(rest) < 2 {
		return b, false
	}
	b.count = int(binary.BigEndian.Uint16(rest))
	b.params = rest[2:]
	rest = b.params
	for range b.count {
		if len(rest) < 4 {
			return b, false
		}
		n := int(int32(binary.BigEndian.Uint32(rest)))
		if n < -1 || n > len(rest)-4 {
			return b, false
		}
		rest = rest[4+max(n, 0):]
	}
	results, rest, ok := codes(rest)
	if !ok || len(rest) != 0 {
		return b, false
	}
	b.results = resultFormats(results)
	return b, true
}

// codes cuts a counted list of 16-bit codes from the front of b.
func codes(b []byte) (list, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := 2 * int(binary.BigEndian.Uint16(b))
	if len(b) < 2+n {
		return nil, nil, false
	}
	return b[2 : 2+n], b[2+n:], true
}

func resultFormats(list []byte) (f formats) {
	if len(list) == 2 && list[1] != 0 {
		return allBinary
	}
	for i := 1; i < len(list); i += 2 {
		if list[i] == 0 {
			continue
		}
		if column := i / 2; column < 64 {
			f.mask |= 1 << column
		} else {
			f.beyond = true
		}
	}
	return f
}

// texts calls take with each parameter that is in text format.
func (b *binding) texts(take func([]byte)) {
	rest := b.params
	for i := range b.count {
		n := int(int32(binary.BigEndian.Uint32(rest)))
		value := rest[4 : 4+max(n, 0)]
		rest = rest[4+len(value):]
		code := byte(0)
		switch {
		case len(b.kinds) == 2:
			code = b.kinds[1]
		case 2*i+1 < len(b.kinds):
			code = b.kinds[2*i+1]
		}
		if code == 0 && n >= 0 {
			take(value)
		}
	}
}
