package analyzer

import (
	"time"

	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

// epoch is the start of hand-made recordings.
var epoch = time.Unix(1795325459, 0).UTC()

func ms(n float64) time.Duration { return time.Duration(n * float64(time.Millisecond)) }

// at is the instant n milliseconds into a hand-made recording.
func at(n float64) time.Time { return epoch.Add(ms(n)) }

// shapes is a Dictionary made by hand.
type shapes map[sqltrace.Fingerprint]sqltrace.Shape

func (d shapes) Shape(f sqltrace.Fingerprint) sqltrace.Shape {
	sh := d[f]
	sh.Fingerprint = f
	return sh
}

// Fingerprints of testShapes.
const (
	selectPartner = sqltrace.Fingerprint(iota + 1)
	selectOrder
	updateQuant
	selectForUpdate
	nextval
	insertLine
	readHash
	storeHash
	readUser
	readParameter
)

var testShapes = shapes{
	selectPartner:   {Text: `SELECT id, name FROM res_partner WHERE id IN ( ? )`, Tables: []string{"res_partner"}},
	selectOrder:     {Text: `SELECT id FROM sale_order WHERE state = ?`, Tables: []string{"sale_order"}},
	updateQuant:     {Text: `UPDATE stock_quant SET quantity = ? WHERE id = ?`, Tables: []string{"stock_quant"}, Written: "stock_quant"},
	selectForUpdate: {Text: `SELECT id FROM ir_sequence WHERE id = ? FOR UPDATE NOWAIT`, Tables: []string{"ir_sequence"}},
	nextval:         {Text: `SELECT nextval ( ? )`},
	insertLine:      {Text: `INSERT INTO sale_order_line ( id ) VALUES ( ? )`, Tables: []string{"sale_order_line"}, Written: "sale_order_line"},
	readHash:        {Text: `SELECT COALESCE ( password , ? ) FROM res_users WHERE id = ?`, Tables: []string{"res_users"}},
	storeHash:       {Text: `UPDATE res_users SET password = ? WHERE id = ?`, Tables: []string{"res_users"}, Written: "res_users"},
	readParameter:   {Text: `SELECT value FROM ir_config_parameter WHERE key = ?`, Tables: []string{"ir_config_parameter"}},
	readUser:        {Text: `SELECT login FROM res_users WHERE id = ?`, Tables: []string{"res_users"}},
}

// callOf is an ordinary call over [0, end) ms whose request takes 1 ms and whose response 1 ms.
func callOf(end float64) *rpclog.Call {
	return &rpclog.Call{
		ID: 1, Start: at(0), Head: at(1), Sent: at(1), First: at(end - 1), End: at(end), Transport: rpclog.JSONRPC,
		Path: "/web/dataset/call_kw", Model: "sale.order", Method: "action_confirm", Status: 200, UID: 7, Login: "bruno", Session: 42,
	}
}

// stmt is a query of a shape over [from, to) ms within an open transaction; its text is unlike any other's.
func stmt(f sqltrace.Fingerprint, from, to float64) Span {
	s := &sqltrace.Statement{
		Session: &sqltrace.Session{}, Start: at(from), First: at(to), End: at(to), Fingerprint: f,
		TextHash: uint64(f)<<32 + uint64(from*1000) + 1, TextBytes: 40, Rows: 1, Out: 100, Tx: 'T',
	}
	return Span{Statement: s, By: Exclusive, Probability: 1}
}

// control is a statement of transaction control.
func control(k sqltrace.Kind, from, to float64) Span {
	s := stmt(0, from, to)
	s.Statement.Kind = k
	switch k {
	case sqltrace.Commit, sqltrace.Rollback, sqltrace.Reset:
		s.Statement.Tx = 'I'
	}
	return s
}

// failed gives a statement an SQLSTATE.
func failed(s Span, state string) Span {
	s.Statement.SQLState, s.Statement.Tx = state, 'E'
	return s
}

// inLease moves spans to a lease.
func inLease(n int, spans ...Span) []Span {
	for i := range spans {
		spans[i].Lease = n
	}
	return spans
}

func trace(end float64, spans ...Span) *Trace {
	if spans == nil {
		spans = []Span{}
	}
	return &Trace{Call: callOf(end), Spans: spans, Findings: []Finding{}}
}
