package analyzer

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/sqltrace"
)

// strangers tells the connections of the application server from those of others: a script, a person with psql, another
// application, another server on the same database.
//
// A client is told by its startup message. One that never does what only an application server does is foreign, as soon
// as another one does. A client's connections that did, and those that did not, are two parties, and each is watched for
// strays: leases that no call, frame or scheduled action could own, as the work of somebody who does not know of the
// calls is wherever the server has nothing to do.
type strangers struct {
	clients map[client]*standing
	parties map[party]*tally
	proofs  [2]map[capture.ConnID]proof // of connections; the second are forgotten next
	strong  bool                        // some client showed a strong one
	serving map[int32]struct{}          // processes that served calls
	until   int64                       // up to where time was looked at
}

// client is who opened a connection, by what its startup message says. One that was open before says nothing, and is known
// by itself.
type client struct {
	host              netip.Addr
	user, application string
	conn              capture.ConnID
}

type party struct {
	client
	proven bool
}

// proof is what a connection did that only an application server does.
type proof uint8

const (
	weak   proof = 1 + iota // what other pools, or people who look at a server's tables, do as well
	strong                  // the routine of a server
)

// standing is what was seen of a client.
type standing struct {
	named        bool // as Odoo and trytond name their connections
	leases       int
	proven       [strong + 1]int // leases on connections with that proof
	work, cron   int             // leases that work, and of those, that schedule
	checks, late int             // connections that begin with Tryton's session check, and that do what a server does later only
	server       bool
}

// judge settles whether a client is an application server. A person who once looks at a server's table is not.
func (s *standing) judge(proven proof) {
	const share = 20
	n := s.proven[strong]
	if proven == weak {
		n += s.proven[weak]
	}
	s.server = s.named || n > 0 && n*share >= s.leases
}

// mixed reports whether somebody else seems to use a server's name and user: its connections begin with a session check, as Tryton
// makes first for each call but the login, and many that are no server's have none.
func (s *standing) mixed() bool {
	const share = 20
	return s.server && s.checks >= calm && s.late <= s.checks && s.proven[0] >= calm && s.proven[0]*share >= s.leases
}

const (
	strangersMost = 4096 // clients, and processes, that are remembered; all are forgotten beyond
	proofsMost    = 16_384
	oddsForeign   = 6.0 // from which on a server is another one's
	calm          = 10  // leases, or connections, from which on habits are known
)

func clientOf(s *sqltrace.Session) client {
	if s.User == "" && s.Application == "" {
		return client{conn: s.Conn}
	}
	return client{host: s.Client.Addr(), user: s.User, application: s.Application}
}

// named reports whether a client has a name that servers give themselves. ODOO_PGAPPNAME and TRYTOND_APPNAME change it.
func (c client) named() bool {
	if pid, ok := strings.CutPrefix(c.application, "odoo-"); ok {
		_, err := strconv.ParseUint(pid, 10, 32)
		return err == nil
	}
	return strings.HasPrefix(c.application, "trytond")
}

// sight is what a window begins with.
type sight struct {
	owners, past []owner
	leases       []lease
	under        []*lease
	doubted      bool
}

// judge says of the leases of a window what is known of their clients: who is foreign, who is in doubt, and of whose
// statements it may be said that a call has them for certain.
func (s *strangers) judge(e sight, info func(sqltrace.Fingerprint) shapeInfo) {
	s.bound()
	for i := range e.owners {
		if pid := e.owners[i].worker.pid; pid != 0 {
			s.serving[pid] = struct{}{}
		}
	}
	closed := make([]*lease, 0, len(e.leases))
	for i := range e.leases {
		closed = append(closed, &e.leases[i])
	}
	all := slices.Concat(closed, e.under)
	for _, l := range all {
		s.prove(l, l.proof(info))
	}
	for _, l := range closed {
		s.note(l)
	}
	for _, seen := range s.clients {
		seen.judge(s.enough())
	}
	s.stray(e, closed)
	f := s.fleet()
	for _, l := range all {
		s.mark(l, f)
	}
}

// bound forgets what would otherwise grow for ever.
func (s *strangers) bound() {
	if s.clients == nil || len(s.clients) > strangersMost || len(s.parties) > 2*strangersMost {
		s.clients, s.parties = map[client]*standing{}, map[party]*tally{}
	}
	if s.serving == nil || len(s.serving) > strangersMost {
		s.serving = map[int32]struct{}{}
	}
	if s.proofs[0] == nil || len(s.proofs[0]) > proofsMost {
		s.proofs = [2]map[capture.ConnID]proof{{}, s.proofs[0]}
	}
}

// proof is what a lease does that only an application server does; 0 if nothing.
func (l *lease) proof(info func(sqltrace.Fingerprint) shapeInfo) proof {
	if l.kind == leaseSignaling || l.kind == leaseCheck {
		return strong
	}
	if slices.ContainsFunc(l.statements, func(st *sqltrace.Statement) bool { return info(st.Fingerprint).marks&markServer != 0 }) {
		return weak
	}
	return 0
}

// prove notes what a lease shows of its connection.
func (s *strangers) prove(l *lease, p proof) {
	before := s.proofOf(l.conn())
	if p > before {
		s.proofs[0][l.conn()] = p
	}
	s.strong = s.strong || p == strong
	if p != strong || before == strong || l.session.Joined {
		return
	}
	if seen := s.of(l); l.opening {
		seen.checks++
	} else {
		seen.late++
	}
}

func (s *strangers) proofOf(c capture.ConnID) proof {
	if p, ok := s.proofs[0][c]; ok {
		return p
	}
	p, ok := s.proofs[1][c]
	if ok {
		s.proofs[0][c] = p
	}
	return p
}

// enough is the proof that makes a server of a client: where none has a strong one, a weak one has to do.
func (s *strangers) enough() proof {
	if s.strong {
		return strong
	}
	return weak
}

// proven reports whether a lease's connection did what its client must have done to be a server.
func (s *strangers) proven(l *lease, c client, seen *standing) bool {
	enough := s.enough()
	if c.conn != 0 || seen.named {
		enough = weak
	}
	return s.proofOf(l.conn()) >= enough
}

func (s *strangers) of(l *lease) *standing {
	c := clientOf(l.session)
	seen := s.clients[c]
	if seen == nil {
		seen = &standing{named: c.named()}
		s.clients[c] = seen
	}
	return seen
}

// note counts a lease for its client.
func (s *strangers) note(l *lease) {
	if l.counted {
		return
	}
	seen := s.of(l)
	seen.leases++
	seen.proven[s.proofOf(l.conn())]++
	switch l.kind {
	case leaseCron:
		seen.cron++
		seen.work++
	case leaseWork, leaseBus:
		seen.work++
	}
}

func (s *strangers) tally(l *lease) *tally {
	c := clientOf(l.session)
	p := party{c, s.proven(l, c, s.of(l))}
	t := s.parties[p]
	if t == nil {
		t = &tally{}
		s.parties[p] = t
	}
	return t
}

// fleet is what is known of all application servers together.
type fleet struct {
	servers int
	serving bool                // one of them is known to serve the calls
	users   map[string]struct{} // of those that were named
}

func (s *strangers) fleet() fleet {
	f := fleet{users: map[string]struct{}{}}
	for c, seen := range s.clients {
		if !seen.server {
			continue
		}
		f.servers++
		if c.conn == 0 {
			f.users[c.user] = struct{}{}
		}
		if t := s.parties[party{c, true}]; t != nil && t.leases >= calm && t.odds < 0 {
			f.serving = true
		}
	}
	return f
}

// stranger reports whether a client that has shown nothing of an application server is none. One that may have begun just now is
// given some time where it has a server's user, or where that is not known.
func (f fleet) stranger(c client, seen *standing) bool {
	if seen.server || f.servers == 0 {
		return false
	}
	_, same := f.users[c.user]
	return c.application != "" || len(f.users) > 0 && !same || seen.leases >= calm
}

// mark says of a lease what is known of who made it.
func (s *strangers) mark(l *lease, f fleet) {
	c, seen, t := clientOf(l.session), s.of(l), s.tally(l)
	proven := s.proven(l, c, seen)
	l.foreign, l.group, l.doubt = false, "", 0
	if l.forCalls() {
		l.doubt = max(t.odds, 0)
	}
	switch {
	case c.conn != 0: // who it is was not said
	case f.stranger(c, seen), proven && f.serving && t.odds >= oddsForeign:
		l.foreign, l.group = true, "client"
	case f.servers > 1 && seen.cron*10 >= seen.work*3 && seen.cron > 0: // a cron worker has an application_name of its own
		l.foreign, l.group = true, "cron"
	}
	l.certain = (proven || seen.named) && t.odds <= 0 && !l.foreign
	l.apart = !proven && !l.session.Joined && !l.session.Logged && seen.mixed()
	if pid := l.worker.pid; pid != 0 && len(s.serving) > 0 {
		if _, ok := s.serving[pid]; ok {
			l.certain, l.foreign, l.apart, l.doubt = true, false, false, 0
		} else {
			l.certain, l.doubt = false, oddsMost
		}
	}
}

// elsewhere reports whether a lease is on another database than a call's. The maintenance database is everybody's.
func (l *lease) elsewhere(o *owner) bool {
	name := l.session.Database
	return o.call != nil && o.call.Database != "" && name != "" && name != "postgres" && name != o.call.Database
}

// unlikely is what it costs in log likelihood that a call owns what hardly is its server's.
func (l *lease) unlikely(o *owner) (cost float64) {
	if l.elsewhere(o) {
		cost += 30
	}
	if l.apart {
		switch o.route {
		case routeTryton:
			cost += 20
		case routeTrytonLogin: // without a check before it
			cost += 26
		}
	}
	return cost
}
