package analyzer

import (
	"slices"
	"strings"
	"time"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

// leaseKind is the role a lease plays, as far as its statements tell.
type leaseKind uint8

const (
	leaseWork      leaseKind = iota
	leaseSignaling           // Odoo: reads the signaling sequences, rolls back
	leaseEmpty               // transaction control only
	leaseFilter              // Odoo: database list or dbfilter, on the maintenance database
	leaseCheck               // Tryton: session check before the call
	leaseTouch               // Tryton: session reset after the call
	leaseCron                // reads ir_cron
	leaseBus                 // reads bus_bus
	leaseListen              // LISTEN: held for as long as the server lives
	leaseJob                 // what a scheduled action runs, where it keeps its progress
	leasePresence            // keeps a websocket user\'s presence
)

// symbols are the letters of patterns, by kind.
const symbols = "msedkrcbljp"

// lease is a PostgreSQL connection from its reset (or startup) to the next one. It belongs to one owner.
type lease struct {
	session    *sqltrace.Session
	statements []*sqltrace.Statement
	start, end int64 // Unix nanoseconds
	kind       leaseKind
	mixed      bool         // reads signaling sequences and does other work: a reset between two leases was lost
	foreign    bool         // no call's: of another client, or of a process that serves none
	group      string       // of a foreign lease: client, cron
	doubt      float64      // log odds that whoever made it knows of no calls; 0 where they are against it
	certain    bool         // an application server made it: there is nothing to doubt about that
	apart      bool         // its connection does not do what those of its client usually begin with
	opening    bool         // the first of a connection that was seen to open
	counted    bool         // among what is known of its client
	worker     worker       // that ran it
	under      bool         // not over yet: it helps to tell the others apart
	decided    bool         // delivered by a window before: context for this one
	call       *rpclog.Call // that a decided lease was given to; nil if none
	contested  bool         // left to a call still open, while another one that it could have been of was delivered
	harmed     bool         // bytes of its connection were lost while it lasted
	since      int64        // where statements were lost before it, the end of the lease before; its start otherwise
	sound      int64        // until when nothing of it was lost, of one that is harmed
	again      int64        // from when on nothing of it was lost

	tables   []int32 // of the table index, sorted
	features []int32 // fingerprints of its queries, as profile features, sorted
	tokens   []token // values and literals, as content evidence
}

// leaseBuilder cuts the statements of one connection into leases.
//
// Odoo's pool sends DISCARD ALL when it hands out a connection, so there a lease lasts from reset to reset
// and may hold several transactions. Where no reset was seen (Tryton, other clients), a lease is one
// transaction, or a run of statements outside of any, with the SET … TO DEFAULT that psycopg2 sends for the
// connection's next user in front.
type leaseBuilder struct {
	session *sqltrace.Session
	current *lease
	pooled  bool // DISCARD ALL was seen on this connection
	busy    bool // the current lease holds something other than resets
	inTx    bool
	ended   bool // the current lease's transaction ended
	later   bool // a lease was closed
}

// add appends a statement and returns the lease that it closed, if any.
func (b *leaseBuilder) add(s *sqltrace.Statement, discard bool) (closed *lease) {
	if b.pooled && s.Gaps&sqltrace.GapText != 0 && b.ended {
		discard = true // its text was lost, but only the pool speaks between transactions
	}
	cut := false
	switch {
	case b.current == nil:
	case discard:
		b.pooled = true
		cut = len(b.current.statements) > 0
	case b.pooled:
	case s.Kind == sqltrace.Reset:
		cut = b.busy && !b.inTx
	case s.Kind == sqltrace.Begin:
		cut = b.busy && !b.inTx
	default:
		cut = b.ended
	}
	if discard {
		b.pooled = true
	}
	if cut {
		closed = b.close()
	}
	if b.current == nil {
		b.open(s.Start.UnixNano())
	}
	l := b.current
	l.statements = append(l.statements, s)
	l.extend(s)
	if s.Kind != sqltrace.Reset {
		b.busy = true
	}
	switch s.Kind {
	case sqltrace.Begin:
		b.inTx, b.ended = true, false
	case sqltrace.Commit, sqltrace.Rollback:
		b.inTx, b.ended = false, true
	}
	if s.Tx != 0 {
		b.inTx = s.Tx != 'I'
	}
	return closed
}

// extend moves a lease's end to that of a statement. The end of one whose answer was lost is not known:
// its start has to do.
func (l *lease) extend(s *sqltrace.Statement) {
	end := s.End
	if s.Gaps&(sqltrace.GapResult|sqltrace.GapUnanswered) != 0 || end.Before(s.Start) {
		end = s.Start
	}
	l.end = max(l.end, end.UnixNano())
}

// transactions cuts a lease at each BEGIN that follows the end of a transaction.
func (l *lease) transactions() (parts []*lease) {
	from, ended := 0, false
	for i, s := range l.statements {
		if ended && s.Kind == sqltrace.Begin {
			parts = append(parts, l.part(from, i))
			from = i
		}
		if s.Kind == sqltrace.Commit || s.Kind == sqltrace.Rollback {
			ended = true
		} else if s.Kind != sqltrace.Reset {
			ended = false
		}
	}
	return append(parts, l.part(from, len(l.statements)))
}

// part is a lease of some of l's statements.
func (l *lease) part(from, to int) *lease {
	p := &lease{session: l.session, statements: l.statements[from:to:to], start: l.statements[from].Start.UnixNano()}
	if from == 0 {
		p.start, p.opening = l.start, l.opening
	}
	p.end = p.start
	for _, s := range p.statements {
		p.extend(s)
	}
	return p
}

func (b *leaseBuilder) open(at int64) {
	b.current = &lease{session: b.session, start: at, end: at}
	b.busy, b.ended, b.inTx = false, false, false
}

// close ends the current lease and returns it, or nil if it holds nothing.
func (b *leaseBuilder) close() *lease {
	l := b.current
	b.current = nil
	b.busy, b.ended, b.inTx = false, false, false
	if l == nil || len(l.statements) == 0 {
		return nil
	}
	l.opening, b.later = !b.later && !b.session.Joined, true
	return l
}

// idle reports whether the current lease could end here: no transaction is open.
func (b *leaseBuilder) idle() bool { return b.current == nil || !b.inTx }

// soFar is the current lease as a window sees it that ends before it does.
func (b *leaseBuilder) soFar(now time.Time) *lease {
	const enough = 400 // statements that tell what it is
	l := *b.current
	l.under, l.opening = true, !b.later && !b.session.Joined
	l.statements = slices.Clone(l.statements[:min(len(l.statements), enough)])
	if b.inTx {
		l.end = max(l.end, now.UnixNano())
	}
	return &l
}

// quiet reports whether nothing happened on the connection since a moment.
func (b *leaseBuilder) quiet(since time.Time) bool {
	return b.current == nil || b.current.end < since.UnixNano()
}

// runs reports whether the current lease is a run of statements outside of any transaction that began before a moment:
// nothing ends such a run but a pause.
func (b *leaseBuilder) runs(since time.Time) bool {
	return !b.pooled && !b.inTx && b.current != nil && b.current.start < since.UnixNano()
}

// marker is what one statement shape says about the lease that runs it.
type marker uint16

const (
	markSignaling marker = 1 << iota
	markCron
	markBus
	markListen
	markJob
	markPresence
	markSession // Tryton's ir_session
	markServer  // only an application server sends this
	markDiscard
)

func markersOf(s sqltrace.Shape) (m marker) {
	if s.Kind == sqltrace.Reset {
		if len(s.Text) >= 7 && strings.EqualFold(s.Text[:7], "discard") {
			return markDiscard | markServer
		}
		return 0
	}
	if len(s.Text) >= 6 && strings.EqualFold(s.Text[:6], "listen") {
		return markListen
	}
	signaling := 0
	for _, t := range s.Tables {
		switch {
		case strings.Contains(t, "signaling"):
			signaling++
		case t == "ir_cron" && s.Written == "":
			m |= markCron | markServer
		case t == "bus_presence":
			m |= markPresence | markServer
		case t == "bus_bus" && s.Written == "":
			m |= markBus | markServer
		case t == "ir_cron_progress" && s.Written == t:
			m |= markJob
		case t == "ir_session":
			m |= markSession | markServer
		}
	}
	if signaling > 0 && signaling == len(s.Tables) && s.Written == "" {
		m |= markSignaling | markServer
	}
	return m
}

// cronHead is how many queries into a lease a scheduler has looked at ir_cron.
const cronHead = 3

// classify settles a closed lease's kind.
func (l *lease) classify(markers func(sqltrace.Fingerprint) marker) {
	var all marker
	queries, signaling, sessions := 0, 0, 0
	begun := false
	for _, s := range l.statements {
		switch s.Kind {
		case sqltrace.Query, sqltrace.Copy, sqltrace.Other, sqltrace.Savepoint:
			m := markers(s.Fingerprint)
			queries++
			if queries > cronHead {
				m &^= markCron // business code reads scheduled actions too, but not first thing
			}
			all |= m
			if m&markSignaling != 0 {
				signaling++
			}
			if m&markSession != 0 {
				sessions++
			}
		case sqltrace.Begin:
			begun = true
		}
	}
	l.mixed = signaling > 0 && signaling < queries
	switch {
	case all&markListen != 0:
		l.kind = leaseListen
	case queries > 0 && l.session.Database == "postgres":
		l.kind = leaseFilter
	case queries == 0:
		l.kind = leaseEmpty
	case signaling == queries:
		l.kind = leaseSignaling
	case sessions > 0 && begun && queries == 1:
		l.kind = leaseCheck
	case sessions > 0 && !begun:
		l.kind = leaseTouch
	case all&markCron != 0:
		l.kind = leaseCron
	case all&markJob != 0:
		l.kind = leaseJob
	case all&markPresence != 0:
		l.kind = leasePresence
	case all&markBus != 0:
		l.kind = leaseBus
	}
}

func (l *lease) conn() capture.ConnID { return l.session.Conn }
