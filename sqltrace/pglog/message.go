package pglog

import (
	"bytes"
	"time"

	"github.com/perfd/perfd/sqltrace"
)

// UnknownState stands for the SQLSTATE of an error of which the log tells none: a log_line_prefix without %e,
// and a message that is not among the usual ones.
const UnknownState = "?????"

// after returns what follows a prefix.
func after(b []byte, prefix string) ([]byte, bool) {
	if len(b) >= len(prefix) && string(b[:len(prefix)]) == prefix {
		return b[len(prefix):], true
	}
	return nil, false
}

// take takes a whole entry.
func (d *Decoder) take(e *entry) {
	d.stats.Entries++
	d.stats.Last = e.at
	if e.resolution > d.stats.Resolution {
		d.stats.Resolution = e.resolution
	}
	switch e.level {
	case levelLog:
		d.logged(e)
	case levelError, levelFatal:
		d.failed(e)
	}
}

// logged takes an entry that tells what was done. What it does not know it leaves out.
func (d *Decoder) logged(e *entry) {
	m := e.message
	if text, ok := after(m, "duration: "); ok {
		d.timed(e, text)
	} else if text, ok := after(m, "statement: "); ok {
		d.began(e, text, false)
	} else if text, ok := after(m, "execute "); ok {
		if _, text, ok := bytes.Cut(text, colon); ok {
			d.began(e, text, true)
		}
	} else if text, ok := after(m, "connection received: "); ok {
		d.received(e, text)
	} else if text, ok := after(m, "connection authorized: "); ok {
		d.authorized(e, text, false)
	} else if text, ok := after(m, "replication connection authorized: "); ok {
		d.authorized(e, text, true)
	} else if _, ok := after(m, "disconnection: session time: "); ok {
		d.disconnected(e)
	} else if text, ok := after(m, `parameter "log_min_duration_statement" changed to "`); ok {
		d.stats.threshold(string(bytes.TrimSuffix(text, []byte(`"`))))
	} else if _, ok := after(m, "database system is ready to accept connections"); ok {
		for pid, s := range d.sessions { // those of a server that ended without a word
			d.close(pid, s, s.last)
		}
	} else {
		d.event(e)
	}
}

var colon = []byte(": ")

// timed takes an entry with a duration, text being what follows the word.
func (d *Decoder) timed(e *entry, text []byte) {
	took, text, ok := millis(text)
	if ok {
		text, ok = after(text, " ms")
	}
	s := d.session(e)
	if !ok || s == nil {
		return
	}
	if len(text) == 0 {
		d.bare(s, e, took)
		return
	}
	text, _ = after(text, "  ")
	if query, ok := after(text, "statement: "); ok {
		d.complete(s, d.statement(s, e, query, nil), e, took)
	} else if rest, ok := after(text, "execute "); ok {
		if _, query, ok := bytes.Cut(rest, colon); ok {
			st := d.statement(s, e, query, d.parameters(e.detail))
			st.Extended = true
			d.complete(s, st, e, took)
		}
	} else if _, ok := after(text, "bind "); ok {
		s.bound, s.binding = d.ended(s, e, 0), took
	} else if rest, ok := after(text, "plan:\n"); ok {
		d.plan(s, e, took, rest)
	} else if _, ok := after(text, "fastpath function call: "); ok {
		st := d.statement(s, e, nil, nil)
		st.Kind = sqltrace.Other
		d.complete(s, st, e, took)
	}
}

// statement makes the statement of a text; nil is an unknown one.
func (d *Decoder) statement(s *session, e *entry, text []byte, parameters [][]byte) *sqltrace.Statement {
	if text != nil && !e.cut {
		return d.sql.NewStatement(s.Session, text, parameters)
	}
	st := d.sql.NewStatement(s.Session, nil, nil)
	st.Kind, st.Fingerprint, st.TextHash, st.Gaps = sqltrace.Query, 0, 0, sqltrace.GapText
	st.TextBytes = int64(len(text))
	return st
}

// began takes a statement that is logged when it starts (log_statement); its duration, if it is logged, has a
// line of its own when it ends.
func (d *Decoder) began(e *entry, text []byte, extended bool) {
	s := d.session(e)
	if s == nil {
		return
	}
	d.settle(s)
	d.abandon(s)
	var parameters [][]byte
	if extended {
		parameters = d.parameters(e.detail)
	}
	st := d.statement(s, e, text, parameters)
	st.Extended = extended
	st.Start = d.ended(s, e, 0)
	s.pending = st
}

// bare takes a duration without a text: that of the statement that began, or of one that was too short for
// log_min_duration_statement, or of a Parse or Bind.
func (d *Decoder) bare(s *session, e *entry, took time.Duration) {
	st := s.pending
	if st == nil {
		d.stats.Nameless++
		return
	}
	s.pending = nil
	d.complete(s, st, e, took)
}

// abandon delivers a statement that began and of whose end nothing was logged.
func (d *Decoder) abandon(s *session) {
	if st := s.pending; st != nil {
		s.pending = nil
		st.First, st.End = st.Start, st.Start
		st.Gaps |= sqltrace.GapUnanswered | sqltrace.GapResult
		d.stats.Untimed++
		d.deliver(s, st)
	}
}

// ended returns when what an entry tells of ended. The log's clock is coarse: the entry was written at some
// time within its unit, in the middle of it if nothing tells better, and what took so long began after the
// statement before had ended.
func (d *Decoder) ended(s *session, e *entry, took time.Duration) time.Time {
	end := e.at.Add(e.resolution / 2)
	if t := s.end.Add(took); t.After(end) {
		end = t
	}
	if last := e.at.Add(e.resolution - time.Microsecond); end.After(last) {
		end = last
	}
	return end
}

// complete delivers a statement that ended at an entry and took so long. The Bind that came with its Execute
// is part of it, as on the wire, where both are sent at once.
func (d *Decoder) complete(s *session, st *sqltrace.Statement, e *entry, took time.Duration) {
	d.abandon(s)
	d.stats.timed(took)
	end := d.ended(s, e, took)
	if st.Extended && s.binding > 0 {
		if gap := end.Add(-took).Sub(s.bound); gap.Abs() <= 2*time.Millisecond {
			took += s.binding
		}
	}
	s.binding = 0
	st.Start, st.First, st.End = end.Add(-took), end, end
	if n, ok := transaction(e.vxid); ok && !st.Extended {
		st.Tx = 'I'
		if n > 0 {
			st.Tx = 'T'
		}
	}
	d.transactions(e, st.Kind == sqltrace.Query)
	d.deliver(s, st)
}

// failed takes an error. Of the statement that met it the log has the text but not the duration.
func (d *Decoder) failed(e *entry) {
	d.stats.Errors++
	if e.hasUser && len(e.user) == 0 {
		return
	}
	s := d.sessions[e.pid]
	if s == nil && len(e.query) == 0 || s != nil && s.other(e) && len(e.query) == 0 {
		return // of a connection that did not come about
	}
	if s = d.session(e); s == nil {
		return
	}
	st := s.pending
	switch {
	case st != nil:
		s.pending = nil
		st.End = d.ended(s, e, 0)
		if st.End.Before(st.Start) {
			st.End = st.Start
		}
	case len(e.query) > 0:
		st = d.statement(s, e, e.query, nil)
		st.End = d.ended(s, e, 0)
		st.Start = st.End
		st.Gaps |= sqltrace.GapResult
	}
	if st != nil {
		st.First = st.End
		st.SQLState = d.names.Intern(e.state)
		if !validState(e.state) || st.SQLState == "00000" {
			st.SQLState = stateOf(e.message)
		}
		d.transactions(e, false)
		d.deliver(s, st)
	}
	if e.level == levelFatal {
		d.close(e.pid, s, e.at)
	}
}

// deliver gives a statement to the sink, after the plans that wait and with those that are its own.
func (d *Decoder) deliver(s *session, st *sqltrace.Statement) {
	if len(s.plans) == 0 {
		d.emit(s, st, nil)
		return
	}
	first := len(s.plans)
	for all := d.all(); first > 0 && s.plans[first-1].of(st, all); {
		first--
	}
	own := append([]held(nil), s.plans[first:]...)
	s.plans = s.plans[:first]
	d.settle(s)
	d.emit(s, st, own)
}

func (d *Decoder) emit(s *session, st *sqltrace.Statement, plans []held) {
	d.announce(s)
	d.stats.Statements++
	switch st.Kind {
	case sqltrace.Begin, sqltrace.Commit, sqltrace.Rollback:
		d.stats.Boundaries++
	}
	if st.SQLState != "" {
		d.stats.Failed++
	}
	if st.End.After(s.end) {
		s.end = st.End
	}
	s.recent, s.explained = st, len(plans) > 0
	d.sink.Statement(st)
	for i := range plans {
		d.emitPlan(st, &plans[i].Plan)
	}
}
