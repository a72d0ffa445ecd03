package sqltrace

import "time"

// opKind is what the client asked for.
type opKind uint8

const (
	opQuery opKind = iota // answered up to ReadyForQuery
	opExecute
	opCall  // a function call; answered up to ReadyForQuery
	opGhost // an answer whose question was not seen; up to ReadyForQuery
	opSync
)

// op is one thing the client asked for and the server has yet to answer.
type op struct {
	kind    opKind
	st      *Statement // nil for opSync
	at      time.Time
	formats formats // of the result's columns
	seen    int64   // rows
	content bool    // something of a result was seen
}

// formats tells the columns of a result that are in binary format.
type formats struct {
	mask   uint64 // by column
	beyond bool   // of the 65th and later columns, some
}

func (f formats) binary(column int) bool {
	if column >= 64 {
		return f.beyond
	}
	return f.mask>>column&1 != 0
}

var allBinary = formats{mask: ^uint64(0), beyond: true}

// full reports whether no further op may wait.
func (s *stream) full() bool { return len(s.queue)-s.head >= s.d.config.Pending }

// push adds an op to the queue.
func (s *stream) push(o op) *op {
	if s.head > 32 && s.head > len(s.queue)/2 {
		n := copy(s.queue, s.queue[s.head:])
		clear(s.queue[n:])
		s.queue, s.head = s.queue[:n], 0
	}
	s.queue = append(s.queue, o)
	if len(s.queue)-s.head == 1 {
		s.front()
	}
	return &s.queue[len(s.queue)-1]
}

// pop removes the first op.
func (s *stream) pop() {
	s.queue[s.head].st = nil
	if s.head++; s.head == len(s.queue) {
		s.queue, s.head = s.queue[:0], 0
		if cap(s.queue) > maxDone {
			s.queue = nil
		}
	}
	s.front()
}

// front makes ready for the result of another op.
func (s *stream) front() {
	s.values, s.budget, s.rows = s.values[:0], s.d.config.Values, s.d.config.ValueRows
	if s.session != nil {
		s.session.Waiting = time.Time{}
		if o := s.first(); o != nil {
			s.session.Waiting = o.at
		}
	}
}

func (s *stream) first() *op {
	if s.head == len(s.queue) {
		return nil
	}
	return &s.queue[s.head]
}

// current returns the op whose result the server is sending. A Sync cannot be that: its ReadyForQuery was
// missed. Without any op the answer is a ghost's.
func (s *stream) current() *op {
	for {
		switch o := s.first(); {
		case o == nil:
			s.open()
			st := s.d.statement()
			st.Session, st.Start, st.Gaps = s.session, s.at, GapText
			return s.push(op{kind: opGhost, st: st, at: s.at})
		case o.kind != opSync:
			return o
		}
		s.pop()
	}
}

// hashing reports whether values of the current result are still wanted.
func (s *stream) hashing() bool { return s.budget > 0 && s.rows > 0 }

// complete ends the first op's statement at the current message.
func (s *stream) complete() *Statement {
	st := s.first().st
	st.Values = s.d.hashes.Keep(s.values)
	s.pop()
	st.End = s.now
	// Packets may be recorded with times that run backwards.
	if st.End.Before(st.Start) {
		st.End = st.Start
	}
	if st.First.IsZero() || st.First.After(st.End) {
		st.First = st.End
	}
	if st.First.Before(st.Start) {
		st.First = st.Start
	}
	return st
}

// settle ends the first op and delivers its statement, or keeps it until the transaction status is known.
func (s *stream) settle(kind opKind) {
	st := s.complete()
	if kind != opExecute {
		s.d.deliver(st)
		return
	}
	if s.done = append(s.done, st); len(s.done) > maxDone {
		s.release(0)
	}
}

// maxDone bounds the statements of a pipeline that wait for its transaction status.
const maxDone = 256

// release delivers what waited for the transaction status: that of the last statement.
func (s *stream) release(tx byte) {
	for i, st := range s.done {
		if i == len(s.done)-1 {
			st.Tx = tx
		}
		s.d.deliver(st)
		s.done[i] = nil
	}
	s.done = s.done[:0]
}

// drop gives up the first op: no answer to it, or not all of it, was or will be seen.
func (s *stream) drop(at time.Time, gap Gap) {
	o := s.first()
	if o.kind == opSync {
		s.pop()
		return
	}
	kind, content := o.kind, o.content
	if kind == opGhost && !content {
		s.pop()
		return
	}
	o.st.Gaps |= gap
	if content {
		o.st.Gaps |= GapResult
	}
	now := s.now
	s.now = at
	s.release(0)
	s.d.deliver(s.complete())
	s.now = now
}

// abandon gives up everything that waits.
func (s *stream) abandon(at time.Time) {
	for s.first() != nil {
		s.drop(at, GapUnanswered)
	}
	s.release(0)
	for _, st := range s.ghosts {
		s.d.deliver(st)
	}
	s.ghosts = nil
}

// maxGhosts bounds the answers that wait for their question.
const maxGhosts = 16

// haunt keeps a finished ghost until the client's bytes have caught up with it.
func (s *stream) haunt(st *Statement) {
	if len(s.ghosts) == maxGhosts {
		s.d.deliver(s.ghosts[0])
		s.ghosts = append(s.ghosts[:0], s.ghosts[1:]...)
	}
	s.ghosts = append(s.ghosts, st)
}

// lagging is after how many simple queries in a row, each sent while exactly one other had no answer, that one is
// taken to have been answered in bytes that were damaged.
const lagging = 3

// lag notices that answers have fallen one behind, as they do where a message was taken for part of another: a client
// of the simple protocol waits for each answer, and who sends ahead does not do so by exactly one for long.
func (s *stream) lag() {
	if len(s.queue)-s.head >= lagging && s.server.state == inBody && s.first().kind == opQuery {
		s.desync(&s.server) // a message whose damaged length covers the answers
	}
	if len(s.queue)-s.head != 1 || s.first().kind != opQuery {
		s.behind = 0
		return
	}
	if s.behind++; s.behind == lagging {
		s.behind = 0
		s.drop(s.now, GapResult)
		s.lossy = true
	}
}

// ask returns the statement of a request that begins at s.at, and the op that waits for its answer. The op
// is nil when the answer came first, as it does where packets were reordered or the client's held back:
// the statement is then finished but for what the request tells, and the caller delivers it.
func (s *stream) ask(kind opKind) (*Statement, *op) {
	s.open()
	for len(s.ghosts) > 0 {
		st := s.ghosts[0]
		s.ghosts = append(s.ghosts[:0], s.ghosts[1:]...)
		if st.First.Before(s.at) {
			s.d.deliver(st)
			continue
		}
		st.Start, st.Gaps = s.at, st.Gaps&^GapText
		s.answered = st.End
		return st, nil
	}
	if o := s.first(); o != nil && o.kind == opGhost && !o.st.First.Before(s.at) {
		o.kind, o.at = kind, s.at
		o.st.Start, o.st.Gaps = s.at, o.st.Gaps&^GapText
		return o.st, o
	}
	if kind == opQuery {
		s.lag()
	}
	st := s.d.statement()
	st.Session, st.Start = s.session, s.at
	if s.lossy {
		st.Gaps, s.lossy = GapBefore, false
	}
	if !s.answered.IsZero() && !s.at.After(s.answered) {
		// Part of a pipeline whose answers came first and were taken for its first statement's.
		st.First, st.End, st.Gaps = s.answered, s.answered, st.Gaps|GapResult
		return st, nil
	}
	if s.full() { // those that wait already keep their answers
		st.First, st.End, st.Gaps = s.now, s.now, st.Gaps|GapUnanswered
		return st, nil
	}
	return st, s.push(op{kind: kind, st: st, at: s.at})
}
