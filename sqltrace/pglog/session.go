package pglog

import (
	"bytes"
	"net/netip"
	"time"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/sqltrace"
)

// connBase is where the connection ids of sessions begin that a log tells of, far from those of a capture.
const connBase = 1 << 62

// planWait is how long a plan waits for the line of its statement, which comes after what a commit takes.
const planWait = 2 * time.Second

// session is one server process that serves a client.
type session struct {
	*sqltrace.Session
	id     string // as the log has it, if it does
	opened bool   // the sink knows it
	last   time.Time
	end    time.Time // of its last statement

	pending *sqltrace.Statement // began; its duration has a line of its own
	bound   time.Time           // when the last Bind ended
	binding time.Duration       // how long it took
	plans   []held

	recent    *sqltrace.Statement // the last one delivered
	explained bool                // with a plan
}

// unknownName is what the server writes before it knows.
const unknownName = "[unknown]"

func known(b []byte) bool { return len(b) > 0 && string(b) != unknownName }

// session returns the session that an entry is of, nil if it is of a process that serves no client.
func (d *Decoder) session(e *entry) *session {
	if e.hasUser && len(e.user) == 0 {
		return nil
	}
	s := d.sessions[e.pid]
	if s != nil && s.other(e) {
		d.close(e.pid, s, s.last)
		s = nil
	}
	if s == nil {
		s = d.newSession(e)
		s.Joined = true
	}
	s.last = e.at
	if s.User == "" && known(e.user) {
		s.User = d.names.Intern(e.user)
	}
	if s.Database == "" && known(e.db) {
		s.Database = d.names.Intern(e.db)
	}
	if known(e.app) && string(e.app) != s.Application {
		s.Application = d.names.Intern(e.app)
	}
	if !s.Client.IsValid() && len(e.client) > 0 {
		d.connect(s, clientAddr(e.client))
	}
	return s
}

// other reports whether e is of another session than s: the system gave its process id again.
func (s *session) other(e *entry) bool {
	if len(e.id) > 0 && s.id != "" {
		return string(e.id) != s.id
	}
	if a := clientAddr(e.client); a.IsValid() && s.Client.IsValid() && a != s.Client {
		return true
	}
	return known(e.user) && s.User != "" && string(e.user) != s.User || known(e.db) && s.Database != "" && string(e.db) != s.Database
}

func (d *Decoder) newSession(e *entry) *session {
	if len(d.sessions) >= d.cfg.Sessions {
		d.forget()
	}
	d.lastConn++
	s := &session{id: string(e.id), last: e.at, Session: &sqltrace.Session{
		Conn: capture.ConnID(connBase + d.lastConn), Opened: e.at, Backend: e.pid, Logged: true,
	}}
	d.connect(s, clientAddr(e.client))
	d.sessions[e.pid] = s
	return s
}

// connect notes the ends of a session's connection, if the client's is known.
func (d *Decoder) connect(s *session, client netip.AddrPort) {
	if !client.IsValid() {
		return
	}
	s.Client = client
	if d.cfg.Server != nil {
		s.Server = d.cfg.Server(client)
	}
}

// forget closes the sessions that were quiet longest, an eighth of them, so that it is rarely called.
func (d *Decoder) forget() {
	var oldest, newest time.Time
	for _, s := range d.sessions {
		if oldest.IsZero() || s.last.Before(oldest) {
			oldest = s.last
		}
		if s.last.After(newest) {
			newest = s.last
		}
	}
	limit := oldest.Add(newest.Sub(oldest) / 8)
	for pid, s := range d.sessions {
		if !s.last.After(limit) {
			d.close(pid, s, s.last)
		}
	}
}

// open announces the session before anything else is said of it.
func (d *Decoder) announce(s *session) {
	if !s.opened {
		s.opened = true
		d.stats.Sessions++
		d.sink.Opened(s.Session)
	}
}

func (d *Decoder) close(pid int32, s *session, at time.Time) {
	d.settle(s)
	d.abandon(s)
	delete(d.sessions, pid)
	if s.opened {
		d.sink.Closed(s.Session, at)
	}
}

// received takes the line of a new connection, at which its user is not known yet.
func (d *Decoder) received(e *entry, text []byte) {
	if s := d.sessions[e.pid]; s != nil {
		d.close(e.pid, s, s.last)
	}
	s := d.newSession(e)
	host, port, _ := bytes.Cut(bytes.TrimPrefix(text, []byte("host=")), []byte(" port="))
	d.connect(s, addrPort(host, port))
}

// authorized takes the line that ends a connection's start.
func (d *Decoder) authorized(e *entry, text []byte, replication bool) {
	s := d.session(e)
	if s == nil {
		return
	}
	for _, end := range []string{" SSL enabled (", " GSS (", " SSL ("} {
		if n := bytes.LastIndex(text, []byte(end)); n >= 0 {
			text = text[:n]
		}
	}
	text, app, _ := bytes.Cut(text, []byte(" application_name="))
	text, db, _ := bytes.Cut(text, []byte(" database="))
	user := bytes.TrimPrefix(text, []byte("user="))
	s.User, s.Database = d.names.Intern(user), d.names.Intern(db)
	if len(app) > 0 {
		s.Application = d.names.Intern(app)
	}
	s.Replication = replication
	d.announce(s)
}

// disconnected takes the line of a connection's end.
func (d *Decoder) disconnected(e *entry) {
	if s := d.sessions[e.pid]; s != nil && !s.other(e) {
		d.close(e.pid, s, e.at)
	}
}
