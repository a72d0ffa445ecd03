package sqltrace

import (
	"encoding/binary"
	"math"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/perfd/perfd/evidence"
)

// answer takes a server's whole message. The body is nil where it is of no interest or lost.
func (s *stream) answer(t byte, body []byte, size int) {
	o := s.first()
	if o != nil && o.st != nil {
		o.st.Out += int64(size)
	}
	switch t {
	case 'C':
		s.commandComplete(body)
	case 'Z':
		s.ready(body)
	case 'T':
		if n := len(body); o != nil && (o.kind == opQuery || o.kind == opGhost) && n > 2 && body[n-1] != 0 {
			o.formats = allBinary // a simple query's columns are all of one format
		}
	case 'E':
		s.errorResponse(body)
	case 'I', 's':
		o := s.current()
		s.began(o)
		if t == 's' {
			o.st.Rows = o.seen
		}
		if o.kind == opExecute {
			s.settle(opExecute)
		}
	case 'V', 'H':
		s.began(s.current())
	case 'G':
		s.copyIn()
	case 'W':
		s.replicate()
	case 'd':
		if !s.copyBoth {
			s.began(s.current())
		}
	case 'S':
		s.parameter(body)
	case 'K':
		s.backendKey(body)
	}
}

// began notes the first sign of a result.
func (s *stream) began(o *op) {
	if o.st.First.IsZero() {
		o.st.First = s.at
		if o.kind == opGhost {
			o.st.Start, o.at = s.at, s.at
		}
	}
	o.content = true
}

// dataRow takes a row, of which body may be nil.
func (s *stream) dataRow(body []byte, size int) {
	o := s.first()
	if o == nil || o.kind == opSync {
		o = s.current()
	}
	if o.st.First.IsZero() {
		s.began(o)
	}
	o.seen++
	o.content = true
	o.st.Out += int64(size)
	if s.budget > 0 && s.rows > 0 && len(body) >= 2 {
		s.rows--
		s.hashRow(body, o.formats)
	}
}

// hashRow hashes the columns of a row that are in text format, within the budget.
func (s *stream) hashRow(body []byte, f formats) {
	columns := int(binary.BigEndian.Uint16(body))
	body = body[2:]
	text := f == formats{} // all of them
	for i := range columns {
		if len(body) < 4 {
			return
		}
		n := int(int32(binary.BigEndian.Uint32(body)))
		body = body[4:]
		if n < 0 {
			continue
		}
		if n > len(body) {
			return
		}
		if n > 1 && (text || !f.binary(i)) {
			if h := evidence.Value(body[:n]); h != 0 {
				s.values = append(s.values, h)
				if s.budget--; s.budget == 0 {
					return
				}
			}
		}
		body = body[n:]
	}
}

// commandComplete takes a command tag.
func (s *stream) commandComplete(tag []byte) {
	if s.copyBoth {
		return
	}
	o := s.current()
	s.began(o)
	if n, ok := tagRows(tag); ok {
		o.st.Rows = max(o.st.Rows, 0) + n
	}
	if o.kind == opExecute {
		s.settle(opExecute)
	}
}

// tagRows returns the number of rows that ends a command tag, as in "SELECT 5" and "INSERT 0 1".
func tagRows(tag []byte) (int64, bool) {
	if n := len(tag); n > 0 && tag[n-1] == 0 {
		tag = tag[:n-1]
	}
	i := len(tag)
	for i > 0 && classes[tag[i-1]] == clDigit {
		i--
	}
	if i == len(tag) || i == 0 || tag[i-1] != ' ' {
		return 0, false
	}
	n := int64(0)
	for _, c := range tag[i:] {
		if n > math.MaxInt64/20 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// errorResponse takes an error: its SQLSTATE; the message itself is data and is dropped.
func (s *stream) errorResponse(body []byte) {
	var m pgproto3.ErrorResponse
	_ = m.Decode(body) // what was read before a cut is enough
	code := ""
	if validState(m.Code) {
		code = s.d.names.Intern([]byte(m.Code))
	}
	o := s.first()
	if o == nil && !s.served {
		return // authentication failed, or the like
	}
	if o == nil {
		o = s.current()
	}
	switch o.kind {
	case opSync:
		s.aborted, s.failure = true, code
	case opExecute:
		s.aborted, s.failure = true, code
		for o := s.first(); o != nil && o.kind == opExecute; o = s.first() {
			o.st.SQLState = code
			s.settle(opExecute)
		}
	default:
		if o.st.SQLState == "" {
			o.st.SQLState = code
		}
		if o.st.First.IsZero() {
			o.st.First = s.at
		}
	}
}

func validState(code string) bool {
	if len(code) != 5 {
		return false
	}
	for i := range len(code) {
		if c := code[i]; (c < '0' || c > '9') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

// ready takes a ReadyForQuery message, which ends a simple query or a pipeline.
func (s *stream) ready(body []byte) {
	tx := byte(0)
	if len(body) == 1 && (body[0] == 'I' || body[0] == 'T' || body[0] == 'E') {
		tx = body[0]
	}
	s.served, s.copyBoth, s.aborted = true, false, false
	for {
		o := s.first()
		if o == nil {
			s.release(tx)
			return
		}
		if o.kind == opGhost {
			s.overrun()
		}
		switch o.kind {
		case opSync:
			s.pop()
			s.release(tx)
			return
		case opExecute: // its command tag was lost
			o.st.Gaps |= GapResult
			s.settle(opExecute)
			continue
		case opGhost:
			if !o.content && o.st.SQLState == "" {
				s.pop()
				return
			}
			o.st.Tx = tx
			s.haunt(s.complete())
			return
		}
		s.release(0)
		o.st.Tx = tx
		s.settle(o.kind)
		return
	}
}

// copyIn notes that the server awaits COPY data. It ignores a Sync that came with the Execute.
func (s *stream) copyIn() {
	o := s.current()
	o.content = true
	if o.kind != opExecute {
		return
	}
	rest := s.queue[s.head+1:]
	for len(rest) > 0 && rest[0].kind == opSync {
		copy(rest, rest[1:])
		rest = rest[:len(rest)-1]
		s.queue = s.queue[:len(s.queue)-1]
	}
}

// replicate notes that a replication stream begins, which goes on for as long as the connection. The
// statement that asked for it ends here.
func (s *stream) replicate() {
	o := s.current()
	s.began(o)
	s.copyBoth = true
	s.settle(o.kind)
}
