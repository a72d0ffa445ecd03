// Package storetest holds the conformance suite of package store: what any Writer and Reader have to do, shown
// on synthetic recordings, which other tests can use too.
package storetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

// SampleConfig shapes a synthetic recording. The zero value works.
type SampleConfig struct {
	Seed    uint64
	Calls   int           // Defaults to 200.
	Users   int           // Defaults to 4.
	Methods int           // Defaults to 12, at most 48.
	Length  time.Duration // Defaults to 60 s.
	Start   time.Time     // Defaults to 2026-01-05 09:00 UTC.
}

// Sample is a synthetic recording, in order of start.
type Sample struct {
	Traces     []*analyzer.Trace
	Background []*analyzer.Background
	Dictionary Dictionary
	Summary    analyzer.Summary
}

// Dictionary is a fixed set of shapes.
type Dictionary map[sqltrace.Fingerprint]sqltrace.Shape

var _ sqltrace.Dictionary = Dictionary(nil)

// Shape returns what is known of f.
func (d Dictionary) Shape(f sqltrace.Fingerprint) sqltrace.Shape {
	if s, ok := d[f]; ok {
		return s
	}
	return sqltrace.Shape{Fingerprint: f}
}

// WriteTo passes the sample to a sink in order of start, calls and background interleaved.
func (s *Sample) WriteTo(sink analyzer.Sink) error {
	next := 0
	for _, t := range s.Traces {
		for next < len(s.Background) && s.Background[next].Start.Before(t.Call.Start) {
			if err := sink.Background(s.Background[next]); err != nil {
				return err
			}
			next++
		}
		if err := sink.Trace(t); err != nil {
			return err
		}
	}
	for _, b := range s.Background[next:] {
		if err := sink.Background(b); err != nil {
			return err
		}
	}
	return nil
}

var (
	models = []string{"sale.order", "res.partner", "product.product", "account.move", "stock.picking", "crm.lead", "mail.message", "purchase.order"}
	verbs  = []string{"web_search_read", "web_read", "onchange", "action_confirm", "name_search", "web_save"}
	server = netip.MustParseAddrPort("127.0.0.1:8069")
	pg     = netip.MustParseAddrPort("127.0.0.1:5432")
)

// Fingerprints of the transaction control statements of a sample.
const (
	beginShape  sqltrace.Fingerprint = 0xb000000000000001
	commitShape sqltrace.Fingerprint = 0xb000000000000002
	cronShape   sqltrace.Fingerprint = 0xb000000000000003
)

func table(model string) string { return strings.ReplaceAll(model, ".", "_") }

func selectShape(model, variant int) sqltrace.Fingerprint {
	return sqltrace.Fingerprint(0xa5e1ec7000000000 | uint64(model)<<8 | uint64(variant))
}

func updateShape(model int) sqltrace.Fingerprint {
	return sqltrace.Fingerprint(0x0bda7e0000000000 | uint64(model))
}

func dictionary() Dictionary {
	d := Dictionary{}
	add := func(f sqltrace.Fingerprint, k sqltrace.Kind, text, written string, tables ...string) {
		d[f] = sqltrace.Shape{Fingerprint: f, Kind: k, Text: text, Tables: tables, Written: written}
	}
	add(beginShape, sqltrace.Begin, "BEGIN ISOLATION LEVEL REPEATABLE READ", "")
	add(commitShape, sqltrace.Commit, "COMMIT", "")
	add(cronShape, sqltrace.Query, "SELECT * FROM ir_cron WHERE active = ? AND nextcall <= ( now() AT TIME ZONE ? ) ORDER BY priority", "", "ir_cron")
	for m, model := range models {
		t := table(model)
		add(updateShape(m), sqltrace.Query, "UPDATE "+t+" SET state = ?, write_date = ?, write_uid = ? WHERE id IN ( ? )", t, t)
		for v, text := range []string{
			"SELECT " + t + ".id FROM " + t + " WHERE ( " + t + ".active = ? ) ORDER BY " + t + ".id DESC LIMIT ?",
			"SELECT " + t + ".id, " + t + ".name, " + t + ".state, " + t + ".create_date, " + t + ".write_date FROM " + t + " WHERE ( " + t + ".id IN ( ? ) )",
			"SELECT COUNT ( * ) FROM " + t + " LEFT JOIN res_users ON ( " + t + ".user_id = res_users.id ) WHERE ( res_users.company_id IN ( ? ) )",
			"SELECT r.res_id, r.name FROM ir_attachment r WHERE ( r.res_model = ? ) AND ( r.res_id = ? )",
		} {
			tables := [][]string{{t}, {t}, {t, "res_users"}, {"ir_attachment"}}[v]
			add(selectShape(m, v), sqltrace.Query, text, "", tables...)
		}
	}
	return d
}

// maker builds one sample.
type maker struct {
	rng      *rand.Rand
	cfg      SampleConfig
	sessions []*sqltrace.Session
	next     sqltrace.StatementID
}

// Generate makes a synthetic recording: several users at work, bursts that wait for workers, N+1 runs,
// slow statements, a lock wait, errors, gaps, a reverse proxy and cron. Equal configurations give equal samples.
func Generate(cfg SampleConfig) *Sample {
	if cfg.Calls == 0 {
		cfg.Calls = 200
	}
	if cfg.Users == 0 {
		cfg.Users = 4
	}
	if cfg.Methods == 0 {
		cfg.Methods = 12
	}
	if cfg.Length == 0 {
		cfg.Length = time.Minute
	}
	if cfg.Start.IsZero() {
		cfg.Start = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	}
	m := &maker{rng: rand.New(rand.NewPCG(cfg.Seed, 1)), cfg: cfg}
	for i := range 6 {
		m.sessions = append(m.sessions, &sqltrace.Session{Conn: capture.ConnID(1000 + i), Client: netip.AddrPortFrom(pg.Addr(), uint16(55000+i)), Server: pg,
			Backend: int32(2100 + i), Database: "odoo18", User: "odoo", Application: fmt.Sprintf("odoo-%d", 700+i)})
	}
	s := &Sample{Dictionary: dictionary()}
	starts := make([]time.Duration, cfg.Calls)
	for i := range starts {
		at := m.rng.Float64()
		if m.rng.IntN(3) == 0 { // bursts at a third and two thirds
			at = (float64(1+m.rng.IntN(2)) + m.rng.Float64()*0.08) / 3
		}
		starts[i] = time.Duration(at * float64(cfg.Length)).Truncate(time.Microsecond)
	}
	slices.Sort(starts)
	for i, at := range starts {
		s.Traces = append(s.Traces, m.trace(i, cfg.Start.Add(at)))
	}
	for i := range max(cfg.Calls/20, 2) {
		s.Background = append(s.Background, m.background(i, cfg.Start.Add(time.Duration(i)*cfg.Length/time.Duration(max(cfg.Calls/20, 2)))))
	}
	s.Summary = s.summarize(cfg)
	return s
}

func (m *maker) trace(i int, start time.Time) *analyzer.Trace {
	r := m.rng
	method := int(math.Pow(r.Float64(), 2) * float64(m.cfg.Methods))
	user := int(math.Pow(r.Float64(), 1.5) * float64(m.cfg.Users))
	model := method % len(models)
	name := verbs[method/len(models)%len(verbs)]
	c := &rpclog.Call{ID: rpclog.CallID(i + 1), Conn: capture.ConnID(user + 1),
		Client: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(20 + user)}), uint16(38000+r.IntN(6))), Server: server, Start: start,
		Transport: rpclog.JSONRPC, Verb: "POST", Path: "/web/dataset/call_kw/" + models[model] + "/" + name, Model: models[model], Method: name,
		Database: "odoo18", Status: 200, IDs: r.IntN(4), UID: int64(user + 6), Login: fmt.Sprintf("user%02d", user+1),
		Session: rpclog.SessionKey(0x9f0c2a55d1e80000 + uint64(user)), RequestBytes: int64(400 + r.IntN(800)), ResponseBytes: int64(900 + r.IntN(60000))}
	switch r.IntN(25) {
	case 0:
		*c = rpclog.Call{ID: c.ID, Conn: c.Conn, Client: c.Client, Server: c.Server, Start: start, Verb: "GET", Path: "/web/static/src/app.js",
			Class: rpclog.Asset, Status: 200, RequestBytes: 300, ResponseBytes: 9000}
	case 1:
		c.Error = "odoo.exceptions.UserError"
	case 2:
		c.Transport, c.Path, c.Service, c.Model, c.Method, c.Session, c.Login = rpclog.XMLRPC, "/xmlrpc/2/common", "common", "", "version", 0, ""
	case 3:
		c.Gaps = rpclog.GapResponse
	}
	t := &analyzer.Trace{Call: c, Spans: []analyzer.Span{}, Findings: []analyzer.Finding{}}
	micros := func(lo, hi int) time.Duration { return time.Duration(lo+r.IntN(hi-lo)) * time.Microsecond }
	c.Head = start
	c.Sent = start.Add(micros(0, 300))
	at := c.Sent
	if burst := r.IntN(4) == 0; burst {
		t.Time.Wait = micros(1000, 900000)
		at = at.Add(t.Time.Wait)
	}
	if c.Class == rpclog.Ordinary && c.Service == "" {
		at = m.statements(t, model, at)
	}
	app := micros(300, 12000)
	t.Time.Application += app
	c.First = at.Add(app)
	c.End = c.First.Add(micros(10, 1500))
	t.Time.Transfer = c.Sent.Sub(start) + c.End.Sub(c.First)
	if c.Gaps != 0 {
		t.Time.Unknown, t.Time.Application = t.Time.Application, 0
	}
	if r.IntN(6) == 0 {
		t.Front = &analyzer.Hop{Client: netip.MustParseAddrPort("192.0.2.7:40100"), Server: netip.MustParseAddrPort("192.0.2.1:443"),
			Start: start.Add(-micros(50, 500)), End: c.End.Add(micros(50, 500))}
	}
	if c.Error != "" {
		t.Findings = append(t.Findings, analyzer.Finding{Rule: "call-error", Title: c.Error + " in " + c.Method, Fix: "Read the server's log at that time.", Spans: []int{}})
	}
	return t
}

// statements adds a lease's statements from the given time and returns when the last one ended.
func (m *maker) statements(t *analyzer.Trace, model int, at time.Time) time.Time {
	r := m.rng
	by, p := analyzer.Exclusive, 1.0
	if r.IntN(3) == 0 {
		by, p = analyzer.Content, float64(9000+r.IntN(1000))/10000
	}
	pool := m.sessions[r.IntN(len(m.sessions)-1)]
	add := func(k sqltrace.Kind, f sqltrace.Fingerprint, hash uint64, d time.Duration, rows int64) {
		m.next++
		s := &sqltrace.Statement{ID: m.next, Session: pool, Start: at, First: at.Add(d * 9 / 10), End: at.Add(d), Kind: k, Fingerprint: f, TextHash: hash,
			TextBytes: int64(20 + r.IntN(600)), Rows: rows, In: int64(30 + r.IntN(700)), Out: 40 + max(rows, 0)*90, Tx: 'T'}
		t.Spans = append(t.Spans, analyzer.Span{Statement: s, By: by, Probability: p})
		t.Time.SQL += d
		gap := time.Duration(20+r.IntN(900)) * time.Microsecond
		t.Time.Application += gap
		at = at.Add(d + gap)
	}
	micros := func(lo, hi int) time.Duration { return time.Duration(lo+r.IntN(hi-lo)) * time.Microsecond }
	add(sqltrace.Begin, beginShape, 1, micros(30, 90), -1)
	for range 2 + r.IntN(9) {
		add(sqltrace.Query, selectShape(model, r.IntN(3)), r.Uint64(), micros(150, 4000), int64(r.IntN(80)))
	}
	switch r.IntN(12) {
	case 0:
		n, first := 12+r.IntN(120), len(t.Spans)
		spans, total := []int{}, time.Duration(0)
		for range n {
			spans = append(spans, len(t.Spans))
			add(sqltrace.Query, selectShape(model, 3), r.Uint64(), micros(200, 1500), 1)
		}
		for _, s := range t.Spans[first:] {
			total += s.Statement.End.Sub(s.Statement.Start)
		}
		t.Findings = append(t.Findings, analyzer.Finding{Rule: "n-plus-one", Title: fmt.Sprintf("%d × SELECT ir_attachment took %.3g s", n, total.Seconds()),
			Fix: "Read the attachments of all records at once.", Cost: total * 9 / 10, Spans: spans})
	case 1:
		d := micros(500000, 2500000)
		t.Findings = append(t.Findings, analyzer.Finding{Rule: "slow-statement", Title: fmt.Sprintf("One SELECT on %s took %.3g s", table(models[model]), d.Seconds()),
			Fix: "Look at its plan.", Cost: d, Spans: []int{len(t.Spans)}})
		add(sqltrace.Query, selectShape(model, 2), r.Uint64(), d, 1)
	case 2:
		for range 3 {
			add(sqltrace.Query, selectShape(model, 1), 77, micros(200, 900), 4)
		}
	case 3:
		d := micros(120000, 800000)
		add(sqltrace.Query, updateShape(model), r.Uint64(), d, 1)
		last := t.Spans[len(t.Spans)-1].Statement
		last.SQLState, last.Tx, last.Gaps = "40001", 'E', sqltrace.GapResult
		t.Time.SQL -= d
		t.Time.Lock += d
	case 4:
		add(sqltrace.Query, updateShape(model), r.Uint64(), micros(200, 900), 1)
	}
	add(sqltrace.Commit, commitShape, 2, micros(50, 3000), -1)
	t.Spans[len(t.Spans)-1].Statement.Tx = 'I'
	return at
}

func (m *maker) background(i int, start time.Time) *analyzer.Background {
	pool := m.sessions[len(m.sessions)-1]
	b := &analyzer.Background{Session: pool, Group: [...]string{"cron", "bus"}[i%2], Start: start, End: start}
	for range 1 + m.rng.IntN(4) {
		m.next++
		d := time.Duration(100+m.rng.IntN(2000)) * time.Microsecond
		s := &sqltrace.Statement{ID: m.next, Session: pool, Start: b.End, First: b.End.Add(d), End: b.End.Add(d), Fingerprint: cronShape, TextHash: 9,
			TextBytes: 120, Rows: 2, In: 130, Out: 300, Tx: 'T'}
		b.Spans = append(b.Spans, analyzer.Span{Statement: s})
		b.End = s.End.Add(time.Millisecond)
	}
	return b
}

func (s *Sample) summarize(cfg SampleConfig) analyzer.Summary {
	sum := analyzer.Summary{From: cfg.Start, To: cfg.Start.Add(cfg.Length), Packets: int64(cfg.Calls) * 40, Bytes: int64(cfg.Calls) * 30000,
		Notices: []analyzer.Notice{{Title: "3 calls were cut off by the end of the recording.", Fix: "Record a little longer."}}}
	for _, t := range s.Traces {
		if t.Call.Class != rpclog.Ordinary {
			continue
		}
		sum.Calls++
		for i := range t.Spans {
			sum.Statements++
			sum.Attributed++
			if t.Spans[i].By.Exact() {
				sum.Exact++
			}
		}
	}
	for _, b := range s.Background {
		sum.Statements += int64(len(b.Spans))
	}
	return sum
}
