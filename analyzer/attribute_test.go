package analyzer

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/evidence"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

// scene is a made-up recording, told in milliseconds.
type scene struct {
	t        *testing.T
	sessions map[int]*sqltrace.Session
	calls    []*rpclog.Call
	events   []*sqltrace.Statement
	dict     shapes
	owner    map[*sqltrace.Statement]*rpclog.Call
}

const (
	shapeDiscard sqltrace.Fingerprint = 1 + iota
	shapeBegin
	shapeCommit
	shapeRollback
	shapeSignaling
	shapePartner
	shapeOrder
	shapeCron
)

func newScene(t *testing.T) *scene {
	return &scene{
		t: t, sessions: map[int]*sqltrace.Session{}, owner: map[*sqltrace.Statement]*rpclog.Call{},
		dict: shapes{
			shapeDiscard:   {Kind: sqltrace.Reset, Text: "DISCARD ALL"},
			shapeBegin:     {Kind: sqltrace.Begin, Text: "BEGIN"},
			shapeCommit:    {Kind: sqltrace.Commit, Text: "COMMIT"},
			shapeRollback:  {Kind: sqltrace.Rollback, Text: "ROLLBACK"},
			shapeSignaling: {Text: "SELECT last_value FROM base_registry_signaling", Tables: []string{"base_registry_signaling"}},
			shapePartner:   {Text: "SELECT name FROM res_partner WHERE id = ?", Tables: []string{"res_partner"}},
			shapeOrder:     {Text: "SELECT name FROM sale_order WHERE id = ?", Tables: []string{"sale_order"}},
			shapeCron:      {Text: "SELECT * FROM ir_cron", Tables: []string{"ir_cron"}},
		},
	}
}

// call adds a call that is on the wire from start to end and names the given values.
func (s *scene) call(start, end float64, model string, values ...string) *rpclog.Call {
	c := &rpclog.Call{
		ID: rpclog.CallID(len(s.calls) + 1), Conn: capture.ConnID(1000 + len(s.calls)), Session: 1, Transport: rpclog.JSONRPC,
		Path: "/web/dataset/call_kw/" + model + "/read", Model: model, Method: "read", Status: 200,
		Start: at(start), Head: at(start), Sent: at(start), First: at(end), End: at(end + 0.1),
		Request: evidence.NewSet(64), Response: evidence.NewSet(64),
	}
	for _, v := range values {
		c.Request.Add(evidence.Value([]byte(v)))
		c.Response.Add(evidence.Value([]byte(v)))
	}
	s.calls = append(s.calls, c)
	return c
}

// statement adds a statement of one millisecond on a connection.
func (s *scene) statement(owner *rpclog.Call, conn int, when float64, shape sqltrace.Fingerprint, values ...string) {
	session := s.sessions[conn]
	if session == nil {
		session = &sqltrace.Session{Conn: capture.ConnID(conn), Joined: true, Database: "prod", Application: "odoo-7"}
		s.sessions[conn] = session
	}
	st := &sqltrace.Statement{
		ID: sqltrace.StatementID(len(s.events) + 1), Session: session, Kind: s.dict[shape].Kind, Fingerprint: shape,
		Start: at(when), First: at(when + 0.5), End: at(when + 0.8), Tx: 'T',
	}
	switch st.Kind {
	case sqltrace.Commit, sqltrace.Rollback, sqltrace.Reset:
		st.Tx = 'I'
	}
	for _, v := range values {
		st.Literals = append(st.Literals, evidence.Value([]byte(v)))
		st.Values = append(st.Values, evidence.Value([]byte(v)))
	}
	s.events = append(s.events, st)
	s.owner[st] = owner
}

// web adds the two leases of a web call: signaling and work, from a given time on.
func (s *scene) web(owner *rpclog.Call, conn int, at float64, shape sqltrace.Fingerprint, values ...string) {
	s.statement(owner, conn, at, shapeDiscard)
	s.statement(owner, conn, at+1, shapeBegin)
	s.statement(owner, conn, at+2, shapeSignaling)
	s.statement(owner, conn, at+3, shapeRollback)
	s.work(owner, conn, at+4.2, shape, values...)
}

func (s *scene) work(owner *rpclog.Call, conn int, at float64, shape sqltrace.Fingerprint, values ...string) {
	s.statement(owner, conn, at, shapeDiscard)
	s.statement(owner, conn, at+1, shapeBegin)
	s.statement(owner, conn, at+2, shape, values...)
	s.statement(owner, conn, at+3, shapeCommit)
}

// gathered is a Sink that keeps everything.
type gathered struct {
	traces      []*Trace
	backgrounds []*Background
}

func (g *gathered) Trace(t *Trace) error { g.traces = append(g.traces, t); return nil }
func (g *gathered) Background(b *Background) error {
	g.backgrounds = append(g.backgrounds, b)
	return nil
}

// play feeds the scene to an analyzer in order of time and returns what it delivers.
func (s *scene) play(cfg Config) *gathered {
	s.t.Helper()
	out := &gathered{}
	a := New(cfg, s.dict, nil, out)
	for _, session := range s.sessions {
		if !session.Opened.IsZero() {
			a.Opened(session)
		}
	}
	type event struct {
		at time.Time
		do func()
	}
	var events []event
	for _, c := range s.calls {
		events = append(events, event{c.Head, func() { a.Begin(c) }}, event{c.End, func() { a.End(c) }})
	}
	for _, st := range s.events {
		events = append(events, event{st.End, func() { a.Statement(st) }})
	}
	for range events { // insertion order breaks ties, so a stable selection will do
		first := -1
		for i, e := range events {
			if e.do != nil && (first < 0 || e.at.Before(events[first].at)) {
				first = i
			}
		}
		events[first].do()
		events[first].do = nil
	}
	if err := a.Flush(); err != nil {
		s.t.Fatal(err)
	}
	return out
}

// check compares every statement's owner with the scene's.
func (s *scene) check(out *gathered) {
	s.t.Helper()
	seen := map[*sqltrace.Statement]bool{}
	tell := func(st *sqltrace.Statement, got *rpclog.Call) {
		if seen[st] {
			s.t.Errorf("statement %d is delivered twice", st.ID)
		}
		seen[st] = true
		if want := s.owner[st]; got != want {
			s.t.Errorf("statement %d at %v went to %s, want %s", st.ID, st.Start.Sub(epoch), nameOf(got), nameOf(want))
		}
	}
	for _, t := range out.traces {
		for _, sp := range t.Spans {
			tell(sp.Statement, t.Call)
			if sp.By == None || sp.Probability <= 0 || sp.Probability > 1 {
				s.t.Errorf("statement %d: evidence %v, probability %v", sp.Statement.ID, sp.By, sp.Probability)
			}
		}
	}
	for _, b := range out.backgrounds {
		for _, sp := range b.Spans {
			tell(sp.Statement, nil)
		}
	}
	if len(seen) != len(s.events) {
		s.t.Errorf("%d of %d statements delivered", len(seen), len(s.events))
	}
}

func nameOf(c *rpclog.Call) string {
	if c == nil {
		return "background"
	}
	return fmt.Sprintf("call %d", c.ID)
}

func TestAttributeAlone(t *testing.T) {
	s := newScene(t)
	c := s.call(0, 30, "res.partner", "Azure Interior")
	s.web(c, 1, 5, shapePartner, "Azure Interior")
	out := s.play(Config{})
	s.check(out)
	if by := out.traces[0].Spans[0].By; by != Exclusive {
		t.Errorf("the only call there is owns its statements by %v, want exclusive", by)
	}
}

func TestAttributeByContent(t *testing.T) {
	s := newScene(t)
	for i := range 12 { // pairs of calls at once, whose leases come in the order in which they did not ask
		at := float64(100 * i)
		one, two := fmt.Sprintf("Customer %d", i), fmt.Sprintf("Supplier %d", i)
		a, b := s.call(at, at+40, "res.partner", one), s.call(at+1, at+41, "res.partner", two)
		s.web(b, 1, at+5, shapePartner, two)
		s.web(a, 2, at+6, shapePartner, one)
	}
	out := s.play(Config{})
	right, all := 0, 0
	for _, tr := range out.traces {
		for _, sp := range tr.Spans {
			if sp.Statement.Fingerprint == shapePartner {
				all++
				if s.owner[sp.Statement] == tr.Call {
					right++
				}
			}
		}
	}
	if all != 24 || right != 24 {
		t.Errorf("%d of %d queries went to the call that names their values, want all of 24", right, all)
	}
}

func TestAttributeByTable(t *testing.T) {
	s := newScene(t)
	for i := range 8 {
		at := float64(100 * i)
		a, b := s.call(at, at+40, "res.partner"), s.call(at+1, at+41, "sale.order")
		s.web(b, 1, at+5, shapeOrder)
		s.web(a, 2, at+6.5, shapePartner)
	}
	for _, tr := range s.play(Config{}).traces {
		for _, sp := range tr.Spans {
			if f := sp.Statement.Fingerprint; f == shapeOrder && tr.Call.Model != "sale.order" || f == shapePartner && tr.Call.Model != "res.partner" {
				t.Errorf("statement %d on %s went to a call of %s", sp.Statement.ID, s.dict[f].Tables[0], tr.Call.Model)
			}
		}
	}
}

func TestAttributeLostReset(t *testing.T) {
	s := newScene(t)
	a, b := s.call(0, 30, "res.partner"), s.call(100, 130, "sale.order")
	s.web(a, 1, 5, shapePartner)
	// The reset in front of the second call's first lease was lost with its answer.
	s.statement(b, 1, 106, shapeBegin)
	s.statement(b, 1, 107, shapeSignaling)
	s.statement(b, 1, 108, shapeRollback)
	s.work(b, 1, 110, shapeOrder)
	s.check(s.play(Config{}))
}

func TestAttributeBackground(t *testing.T) {
	s := newScene(t)
	c := s.call(0, 30, "res.partner", "Azure Interior")
	s.web(c, 1, 5, shapePartner, "Azure Interior")
	s.work(nil, 2, 200, shapePartner, "Deco Addict") // no call is open
	psql := &sqltrace.Session{Conn: 3, Application: "psql", Database: "prod", Joined: true}
	s.sessions[3] = psql
	s.statement(nil, 3, 10, shapePartner, "Azure Interior") // another client, in the middle of the call
	out := s.play(Config{})
	s.check(out)
	groups := map[string]int{}
	for _, b := range out.backgrounds {
		groups[b.Group]++
	}
	if groups["client"] != 1 || groups["unattributed"] != 1 {
		t.Errorf("groups of background: %v", groups)
	}
}

// TestAttributeEverythingOnce holds the law that windows must keep however they are cut: each call and each
// statement is delivered once, in order of start.
func TestAttributeEverythingOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newScene(t)
		n := rapid.IntRange(1, 30).Draw(rt, "calls")
		at := 0.0
		for i := range n {
			at += rapid.Float64Range(0, 60).Draw(rt, "pause")
			length := rapid.Float64Range(12, 200).Draw(rt, "length")
			c := s.call(at, at+length, "res.partner", fmt.Sprint("value ", i))
			s.web(c, 1+i%5, at+1, shapePartner, fmt.Sprint("value ", i))
		}
		out := s.play(Config{Leases: rapid.IntRange(1, 40).Draw(rt, "leases"), LeaseStatements: rapid.IntRange(2, 20).Draw(rt, "statements")})
		if len(out.traces) != n {
			rt.Fatalf("%d calls delivered, want %d", len(out.traces), n)
		}
		statements := 0
		for i, tr := range out.traces {
			statements += len(tr.Spans)
			if i > 0 && tr.Call.Start.Before(out.traces[i-1].Call.Start) {
				rt.Fatalf("call %d is delivered after one that began later", tr.Call.ID)
			}
		}
		for _, b := range out.backgrounds {
			statements += len(b.Spans)
		}
		if statements != len(s.events) {
			rt.Fatalf("%d statements delivered, want %d", statements, len(s.events))
		}
	})
}

func TestMeet(t *testing.T) {
	busyAt := func(times ...float64) *lease {
		l := &lease{}
		for i := 0; i < len(times); i += 2 {
			l.statements = append(l.statements, &sqltrace.Statement{Start: at(times[i]), End: at(times[i+1])})
		}
		l.start, l.end = l.statements[0].Start.UnixNano(), l.statements[len(l.statements)-1].End.UnixNano()
		return l
	}
	outer := busyAt(0, 10, 30, 40)
	for _, tc := range []struct {
		name  string
		inner *lease
		want  meeting
	}{
		{"in the idle stretch", busyAt(12, 20), meetNested},
		{"while a statement runs", busyAt(5, 20), meetBusy},
		{"beyond the end", busyAt(20, 50), meetCross},
	} {
		if got := meet(outer, tc.inner); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestHashIndex(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		hashes := rapid.SliceOfN(rapid.Uint32Range(1, 5000), 0, 2000).Draw(rt, "hashes")
		x := newHashIndex(len(hashes))
		want := map[evidence.Hash]int32{}
		for _, v := range hashes {
			h := evidence.Hash(v)
			id := x.put(h)
			if known, ok := want[h]; ok && known != id || !ok && int(id) != len(want) {
				rt.Fatalf("hash %d has number %d", h, id)
			}
			want[h] = id
		}
		for v := range uint32(5001) {
			id, ok := want[evidence.Hash(v)]
			if got := x.get(evidence.Hash(v)); v > 0 && (ok && got != id || !ok && got != -1) {
				rt.Fatalf("get(%d) = %d", v, got)
			}
		}
	})
}

// A thread that several calls waited for served the one that it answered next.
func TestWitnessedOfSeveral(t *testing.T) {
	me, other := worker{1, 2}, worker{1, 3}
	owned := func(w worker, until int64) owner { return owner{call: &rpclog.Call{}, worker: w, until: until} }
	for _, tt := range []struct {
		name   string
		owners []owner
		want   int32
	}{
		{"none of the thread", []owner{owned(other, 50), owned(worker{1, 0}, 60)}, -1},
		{"the only one of the thread", []owner{owned(other, 50), owned(me, 90), owned(worker{}, 60)}, 1},
		{"the next answered", []owner{owned(me, math.MaxInt64), owned(me, 90), owned(me, 40), owned(me, 35)}, 3},
		{"not one answered before", []owner{owned(me, 30), owned(me, 90)}, 1},
		{"one answered a moment before, alone", []owner{owned(me, 30), owned(other, 90)}, 0},
		{"it cannot be told", []owner{owned(me, math.MaxInt64), owned(me, math.MaxInt64)}, -1},
		{"two are answered later than one", []owner{owned(me, 90), owned(me, 90), owned(me, 40)}, 2},
	} {
		w := &window{owners: append(tt.owners, owner{}), none: int32(len(tt.owners))}
		u := &unit{worker: me, start: 30, end: 45}
		for i := range w.owners {
			u.cands = append(u.cands, candidate{owner: int32(i)})
		}
		got, ok := w.witnessed(u)
		if !ok {
			if got != w.none {
				t.Errorf("%s: %d without being sure", tt.name, got)
			}
			got = -1
		}
		if got != tt.want {
			t.Errorf("%s: owner %d, want %d", tt.name, got, tt.want)
		}
	}
}
