package analyzer

import (
	"cmp"
	"math"
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
	proven  [2]map[capture.ConnID]struct{} // connections that did what only a server does; the second is forgotten next
	serving map[int32]struct{}             // processes that served calls
	until   int64                          // up to where time was looked at
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

// standing is what was seen of a client.
type standing struct {
	named          bool // as Odoo and trytond name their connections
	leases, proven int  // and of those, on connections that did what only a server does
	work, cron     int  // leases that work, and of those, that schedule
}

// server reports whether a client is an application server. A person who once looks at a server's table is not.
func (s *standing) server() bool {
	const share = 20
	return s.named || s.proven > 0 && s.proven*share >= s.leases
}

// tally compares two explanations of a party's leases: that they are made for calls, and that whoever makes them does not
// know of calls.
type tally struct {
	leases int
	odds   float64 // log odds of the second
}

const (
	strangersMost = 4096 // clients, and processes, that are remembered; all are forgotten beyond
	provenMost    = 16_384
	astray        = 0.02 // share of a server's leases that are strays
	oddsMost      = 12.0 // so that what changes shows soon
	oddsForeign   = 6.0  // from which on a server is another one's
	calm          = 10   // leases from which on a server is known by its lack of strays
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
		if l.proves(info) {
			s.proven[0][l.conn()] = struct{}{}
		}
	}
	for _, l := range closed {
		s.note(l)
	}
	s.stray(e, closed)
	servers, serving := s.servers()
	for _, l := range all {
		s.mark(l, servers, serving)
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
	if s.proven[0] == nil || len(s.proven[0]) > provenMost {
		s.proven = [2]map[capture.ConnID]struct{}{{}, s.proven[0]}
	}
}

// proves reports whether a lease does what only an application server does.
func (l *lease) proves(info func(sqltrace.Fingerprint) shapeInfo) bool {
	switch l.kind {
	case leaseSignaling, leaseCheck:
		return true
	}
	return slices.ContainsFunc(l.statements, func(st *sqltrace.Statement) bool {
		return info(st.Fingerprint).marks&markServer != 0
	})
}

func (s *strangers) isProven(c capture.ConnID) bool {
	if _, ok := s.proven[0][c]; ok {
		return true
	}
	_, ok := s.proven[1][c]
	if ok {
		s.proven[0][c] = struct{}{}
	}
	return ok
}

// note counts a lease for its client.
func (s *strangers) note(l *lease) {
	c := clientOf(l.session)
	seen := s.clients[c]
	if seen == nil {
		seen = &standing{named: c.named()}
		s.clients[c] = seen
	}
	if l.counted {
		return
	}
	seen.leases++
	switch l.kind {
	case leaseCron:
		seen.cron++
		seen.work++
	case leaseWork, leaseBus:
		seen.work++
	}
	if s.isProven(l.conn()) {
		seen.proven++
	}
}

func (s *strangers) party(l *lease) *tally {
	p := party{clientOf(l.session), s.isProven(l.conn())}
	t := s.parties[p]
	if t == nil {
		t = &tally{}
		s.parties[p] = t
	}
	return t
}

// stray adds up what a window's leases tell of their parties.
func (s *strangers) stray(e sight, leases []*lease) {
	give := int64(slack)
	if e.doubted {
		give = loose
	}
	times := make([]stretch, 0, len(e.owners)+len(e.past))
	for _, list := range [][]owner{e.owners, e.past} {
		for i := range list {
			times = append(times, stretch{list[i].head - give, list[i].until + give})
		}
	}
	from, to := int64(math.MaxInt64), s.until
	for _, l := range leases {
		if l.kind == leaseCron {
			times = append(times, stretch{l.start - give, l.end + give})
		}
		from, to = min(from, l.start), max(to, l.end)
	}
	from = max(from, s.until)
	s.until = to
	busy := newBusyTimes(times)
	idle := min(max(1-busy.share(from, to), astray), 1-astray)
	stray, held := math.Log(idle/astray), math.Log((1-idle)/(1-astray))
	for _, l := range leases {
		switch {
		case l.counted || l.mixed:
			continue
		case l.kind != leaseWork && l.kind != leaseSignaling && l.kind != leaseCheck && l.kind != leaseTouch:
			continue
		}
		t := s.party(l)
		t.leases++
		d := stray
		if busy.hold(l.start, l.end) {
			d = held
		}
		t.odds = min(max(t.odds+d, -oddsMost), oddsMost)
	}
	for _, l := range leases {
		l.counted = true
	}
}

// servers counts the clients that are known to be application servers, and reports whether one is that has calls.
func (s *strangers) servers() (known int, serving bool) {
	for c, seen := range s.clients {
		if !seen.server() {
			continue
		}
		known++
		if t := s.parties[party{c, true}]; t != nil && t.leases >= calm && t.odds < 0 {
			serving = true
		}
	}
	return known, serving
}

// mark says of a lease what is known of who made it.
func (s *strangers) mark(l *lease, servers int, serving bool) {
	c := clientOf(l.session)
	seen := s.clients[c]
	if seen == nil {
		seen = &standing{named: c.named()}
	}
	proven := s.isProven(l.conn())
	t := s.parties[party{c, proven}]
	if t == nil {
		t = &tally{}
	}
	l.foreign, l.group, l.doubt = false, "", max(t.odds, 0)
	switch {
	case c.conn != 0: // who it is was not said
	case servers > 0 && !seen.server():
		l.foreign, l.group = true, "client"
	case proven && serving && t.odds >= oddsForeign:
		l.foreign, l.group = true, "client"
	case servers > 1 && seen.cron*10 >= seen.work*3 && seen.cron > 0: // a cron worker has an application_name of its own
		l.foreign, l.group = true, "cron"
	}
	l.certain = (proven || seen.named) && t.odds <= 0 && !l.foreign
	if pid := l.worker.pid; pid != 0 && len(s.serving) > 0 {
		if _, ok := s.serving[pid]; ok {
			l.certain, l.foreign, l.doubt = true, false, 0
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

// stretch is a stretch of time, in Unix nanoseconds.
type stretch struct{ from, to int64 }

// busyTimes are the stretches in which an owner could have had a lease.
type busyTimes struct {
	by     []stretch // by begin
	latest []int64   // the latest end of those so far
}

func newBusyTimes(by []stretch) busyTimes {
	slices.SortFunc(by, func(a, b stretch) int { return cmp.Compare(a.from, b.from) })
	latest := make([]int64, len(by))
	for i, x := range by {
		latest[i] = x.to
		if i > 0 {
			latest[i] = max(latest[i], latest[i-1])
		}
	}
	return busyTimes{by, latest}
}

// hold reports whether one of them holds all from start to end.
func (b busyTimes) hold(start, end int64) bool {
	n, _ := slices.BinarySearchFunc(b.by, start+1, func(x stretch, at int64) int { return cmp.Compare(x.from, at) })
	return n > 0 && b.latest[n-1] >= end
}

// share is the share of the time between two moments that they take.
func (b busyTimes) share(from, to int64) float64 {
	if to <= from {
		return 1
	}
	var taken int64
	at := from
	for _, x := range b.by {
		if x.from >= to {
			break
		}
		if end := min(x.to, to); end > at {
			taken += end - max(x.from, at)
			at = end
		}
	}
	return float64(taken) / float64(to-from)
}
