package rpclog

import (
	"strings"
	"time"
)

// identity remembers which user a session belongs to, by what the traffic showed, and the logins of users.
//
// What an authentication or a session's own description answered is certain and holds from then on. The
// uid in a request's context is the client's word; it counts by majority while nothing certain is known.
type identity struct {
	max        int
	young, old map[SessionKey]*session // two generations: what is not used is forgotten
	logins     map[account]string
}

// account is a user of a database.
type account struct {
	database string
	uid      int64
}

// session is what is known of one session.
type session struct {
	certain []binding // in order of time
	votes   [4]vote
}

// binding says who a session belonged to from a time on.
type binding struct {
	since    time.Time
	fresh    bool // the session began here: nothing before was this user's
	uid      int64
	login    string
	database string
}

type vote struct {
	uid int64
	n   int
}

const maxBindings = 8

func newIdentity(max int) identity {
	return identity{max: max, young: map[SessionKey]*session{}, logins: map[account]string{}}
}

// session returns what is known of key; nil if nothing is and make is false.
func (u *identity) session(key SessionKey, make bool) *session {
	if key == 0 {
		return nil
	}
	if s := u.young[key]; s != nil {
		return s
	}
	s := u.old[key]
	if s == nil {
		if !make {
			return nil
		}
		s = new(session)
	}
	if len(u.young) >= u.max/2 {
		u.old, u.young = u.young, map[SessionKey]*session{}
	}
	u.young[key] = s
	return s
}

// learn takes what a finished exchange showed of its user.
func (u *identity) learn(x *exchange) {
	c := x.call
	if c.UID > 0 && c.Login != "" && (x.answered == somebody || c.Transport == Tryton) {
		if len(u.logins) >= u.max {
			clear(u.logins)
		}
		u.logins[account{c.Database, c.UID}] = c.Login
	}
	when := c.End
	if when.IsZero() {
		when = c.Start
	}
	switch {
	case x.answered == somebody && c.UID > 0 && (c.Transport == Tryton || c.Service == ""):
		key, begun := x.cookie, c.route() == authenticateRoute
		if x.fresh != 0 && x.fresh != x.cookie {
			key, begun = x.fresh, true
		}
		u.session(key, true).bind(binding{when, begun, c.UID, c.Login, c.Database})
	case x.answered == nobody && c.route() == sessionInfoRoute && c.Error == "":
		u.session(x.cookie, true).bind(binding{since: when})
	case c.Transport == Tryton && x.cookie != 0 && c.UID > 0 && c.Status == 200:
		u.session(x.cookie, true).bind(binding{c.Start, false, c.UID, c.Login, c.Database})
	case x.hint > 0 && x.cookie != 0 && c.Error == "" && c.Status == 200:
		u.session(x.cookie, true).vote(x.hint)
	}
}

// bind notes a certain user.
func (s *session) bind(b binding) {
	if s == nil {
		return
	}
	if n := len(s.certain); n > 0 {
		last := &s.certain[n-1]
		if last.uid == b.uid {
			if last.login == "" {
				last.login = b.login
			}
			if last.database == "" {
				last.database = b.database
			}
			return
		}
		if n >= maxBindings {
			copy(s.certain, s.certain[1:])
			s.certain = s.certain[:n-1]
		}
	}
	s.certain = append(s.certain, b)
}

// vote counts a client's word.
func (s *session) vote(uid int64) {
	if s == nil {
		return
	}
	least := 0
	for i := range s.votes {
		if s.votes[i].uid == uid {
			s.votes[i].n++
			return
		}
		if s.votes[i].n < s.votes[least].n {
			least = i
		}
	}
	s.votes[least] = vote{uid, s.votes[least].n + 1} // as in space-saving sketches: no late majority is lost
}

// at returns the certain user at a time, or nil. A session is taken to have belonged to its first known
// user before, unless it is known to have begun with the log-in.
func (s *session) at(when time.Time) *binding {
	var found *binding
	for i := range s.certain {
		b := &s.certain[i]
		if b.since.After(when) {
			if i == 0 && !b.fresh {
				found = b
			}
			break
		}
		found = b
	}
	return found
}

// Identify fills in the user, login and database of a call as far as its session tells now. What the call
// itself showed stays. It may be called again when more was seen.
func (d *Decoder) Identify(c *Call) {
	if s := d.users.session(c.Session, false); s != nil && c.UID == 0 && !refused(c) {
		when := c.Start
		if b := s.at(when); b != nil {
			c.UID = b.uid
			if c.Login == "" {
				c.Login = b.login
			}
			if c.Database == "" {
				c.Database = b.database
			}
		} else {
			best := 0
			for _, v := range s.votes {
				if v.n > best {
					best, c.UID = v.n, v.uid
				}
			}
		}
	}
	if c.UID > 0 && c.Login == "" {
		c.Login = d.users.logins[account{c.Database, c.UID}]
	}
}

// refused says that the server did not accept the session a call came with.
func refused(c *Call) bool {
	return c.Status == 401 || strings.HasSuffix(c.Error, "SessionExpiredException")
}

// login returns a found login name.
func (d *Decoder) login(f *field) string { return d.names.of(f.bytes()) }
