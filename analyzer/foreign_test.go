package analyzer

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

// by has a connection be opened by a client.
func (s *scene) by(conn int, host, user, database, application string) int {
	s.sessions[conn] = &sqltrace.Session{
		Conn: capture.ConnID(conn), Client: netip.AddrPortFrom(netip.MustParseAddr(host), uint16(conn)), User: user, Database: database, Application: application,
	}
	return conn
}

// alone is a server's day: calls that never overlap, each with its leases, and as much time without any.
func (s *scene) alone(n int, application string) {
	s.by(1, "10.0.0.1", "odoo", "prod", application)
	for i := range n {
		at := float64(i * 40)
		c := s.call(at, at+20, "res.partner", fmt.Sprint("name ", i))
		c.Database = "prod"
		s.web(c, 1, at+1, shapePartner, fmt.Sprint("name ", i))
	}
}

// TestStrangers lets somebody who knows of no calls work all the time, each time on a connection of his own, beside a server
// whose calls never overlap.
func TestStrangers(t *testing.T) {
	const calls = 60
	for _, tt := range []struct {
		name                              string
		host, user, database, application string
		like                              func(s *scene, conn int, at float64) // what he does
		most                              int                                  // of his statements that may be given to calls
	}{
		{"another user", "10.0.0.1", "reporting", "prod", "", (*scene).query, 0},
		{"another host", "10.0.0.2", "odoo", "prod", "erp", (*scene).query, 0},
		{"psql as the server's user", "10.0.0.1", "odoo", "prod", "psql", (*scene).query, 0},
		{"another database", "10.0.0.1", "odoo", "shop", "erp", (*scene).query, 0},
		{"another pool", "10.0.0.3", "shop", "prod", "", (*scene).pooled, 0},
		{"another server on the database", "10.0.0.2", "odoo", "prod", "odoo-9", func(s *scene, conn int, at float64) { s.web(nil, conn, at, shapePartner, "x") }, 0},
		{"a person who looks at a server's table", "10.0.0.1", "me", "prod", "psql", func(s *scene, conn int, at float64) {
			if conn == 105 {
				s.statement(nil, conn, at-2, shapeCron)
			}
			s.query(conn, at)
		}, 0},
		{"under the server's own name", "10.0.0.1", "odoo", "prod", "erp", (*scene).query, calls / 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t)
			s.alone(calls, "erp")
			for i := range calls * 2 {
				conn := s.by(100+i, tt.host, tt.user, tt.database, tt.application)
				tt.like(s, conn, float64(i*20)+8.5)
			}
			given, own := 0, 0
			for _, tr := range s.play(Config{}).traces {
				for _, sp := range tr.Spans {
					owner := s.owner[sp.Statement]
					switch {
					case owner == tr.Call:
						own++
					case sp.By.Exact():
						t.Errorf("a stranger's statement on connection %d is %v of call %d", sp.Statement.Session.Conn, sp.By, tr.Call.ID)
					default:
						given++
					}
				}
			}
			if given > tt.most || own < calls*8*99/100 {
				t.Errorf("%d statements of a stranger were given to calls, at most %d may be; calls have %d of their own %d", given, tt.most, own, calls*8)
			}
		})
	}
}

// query is a script's statement outside of any transaction.
func (s *scene) query(conn int, at float64) { s.statement(nil, conn, at, shapeOrder, "x") }

// pooled is one whose pool resets connections as Odoo's does.
func (s *scene) pooled(conn int, at float64) {
	s.query(conn, at)
	s.statement(nil, conn, at+1, shapeDiscard)
}

// pids is a witness that knows processes: of servers' calls, and of connections.
type pids map[netip.Addr]int32

func (p pids) Worker(local, _ netip.AddrPort, _, _ time.Time) (pid, tid int32) {
	return p[local.Addr()], 0
}

var _ Witness = pids{}

// TestStrangersByProcess has the process tell what names do not.
func TestStrangersByProcess(t *testing.T) {
	s := newScene(t)
	s.alone(40, "odoo-7")
	server := netip.MustParseAddrPort("10.0.0.9:8069")
	for i, c := range s.calls {
		if i%2 == 0 { // of the others it is not known
			c.Server = server
		}
	}
	for i := range 80 {
		s.query(s.by(100+i, "10.0.0.2", "odoo", "prod", "odoo-7"), float64(i*20)+8.5)
	}
	w := pids{server.Addr(): 7, netip.MustParseAddr("10.0.0.1"): 7, netip.MustParseAddr("10.0.0.2"): 8}
	for _, tr := range s.play(Config{Witness: w}).traces {
		for _, sp := range tr.Spans {
			if s.owner[sp.Statement] == nil && sp.By.Exact() {
				t.Errorf("a statement of a process that serves nothing is %v of call %d", sp.By, tr.Call.ID)
			}
		}
	}
}

// threads is a witness that knows threads by the port of the other end of a call's connection, or of a connection's own end.
type threads map[uint16]int32

func (t threads) Worker(local, remote netip.AddrPort, _, _ time.Time) (pid, tid int32) {
	return 7, max(t[local.Port()], t[remote.Port()])
}

var _ Witness = threads{}

// TestPreparedConnection has one call open a connection that another one, of another thread, is the first to use.
func TestPreparedConnection(t *testing.T) {
	s := newScene(t)
	a, b := s.call(0, 100, "res.partner", "one"), s.call(50, 90, "sale.order", "two")
	a.Client, b.Client = netip.MustParseAddrPort("10.0.0.5:9001"), netip.MustParseAddrPort("10.0.0.5:9002")
	s.web(a, s.by(1, "10.0.0.1", "odoo", "prod", "odoo-7"), 6, shapePartner, "one")
	s.sessions[1].Opened = at(5)
	s.web(b, s.by(2, "10.0.0.1", "odoo", "prod", "odoo-7"), 60, shapeOrder, "two")
	s.sessions[2].Opened = at(5)
	s.check(s.play(Config{Witness: threads{1: 101, 9001: 101, 2: 102, 9002: 102}}))
}

// TestServerBegins holds that a server's first statements are not taken for a stranger's because another one, or connections that
// were open before, showed already that they are a server's.
func TestServerBegins(t *testing.T) {
	s := newScene(t)
	s.alone(20, "")
	for _, conn := range []int{1, 2} {
		s.sessions[conn] = &sqltrace.Session{Conn: capture.ConnID(conn), Joined: conn == 1, User: []string{"", "odoo"}[conn-1], Database: "prod"}
	}
	for _, st := range s.events {
		st.Session = s.sessions[1]
	}
	c := s.call(1000, 1020, "sale.order", "new")
	s.work(c, 2, 1004, shapeOrder, "new")
	for _, tr := range s.play(Config{}).traces {
		if tr.Call == c && len(tr.Spans) != 4 {
			t.Errorf("the call has %d statements, want 4", len(tr.Spans))
		}
	}
}

func TestBusyTimes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const end = 60
		var by []stretch
		var taken [end]bool
		for range rapid.IntRange(0, 6).Draw(t, "stretches") {
			from := rapid.Int64Range(0, end-1).Draw(t, "from")
			to := rapid.Int64Range(from, end-1).Draw(t, "to")
			by = append(by, stretch{from, to})
			for i := from; i < to; i++ {
				taken[i] = true
			}
		}
		from, to := rapid.Int64Range(0, end-1).Draw(t, "a"), rapid.Int64Range(0, end-1).Draw(t, "b")
		from, to = min(from, to), max(from, to)
		held, n := false, 0
		for _, x := range by {
			held = held || x.from <= from && to <= x.to
		}
		for i := from; i < to; i++ {
			if taken[i] {
				n++
			}
		}
		b := newBusyTimes(by)
		if got := b.hold(from, to); got != held {
			t.Fatalf("%v hold %d to %d: %v", by, from, to, got)
		}
		if want := float64(n) / float64(max(to-from, 1)); to > from && b.share(from, to) != want {
			t.Fatalf("%v take %v of %d to %d, want %v", by, b.share(from, to), from, to, want)
		}
	})
}

// TestStrangersBounded opens connections of ever new clients.
func TestStrangersBounded(t *testing.T) {
	s := newSolver(Config{}.withDefaults(), shapes{}, &gathered{})
	const batch = 1024
	for n := range 4 * strangersMost / batch {
		var e sight
		for i := n * batch; i < (n+1)*batch; i++ {
			session := &sqltrace.Session{Conn: capture.ConnID(i + 1), User: fmt.Sprint("user ", i), Database: "prod"}
			e.leases = append(e.leases, lease{session: session, kind: leaseSignaling, start: int64(i), end: int64(i)})
			e.owners = append(e.owners, owner{call: &rpclog.Call{}, worker: worker{pid: int32(i + 1)}})
		}
		s.others.judge(e, s.info)
	}
	o := &s.others
	if n := len(o.clients) + len(o.parties) + len(o.proofs[0]) + len(o.proofs[1]) + len(o.serving); n > 6*strangersMost+2*proofsMost {
		t.Errorf("%d things are remembered of %d clients", n, 4*strangersMost)
	}
}
