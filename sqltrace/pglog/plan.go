package pglog

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"github.com/perfd/perfd/sqltrace"
)

// Plan is a plan that auto_explain logged, without the conditions in it: those hold values.
type Plan struct {
	At          time.Time // when its execution ended
	Duration    time.Duration
	Fingerprint sqltrace.Fingerprint // of the query it is of: the statement's own or, if nested, that of a function's
	Nested      bool                 // of a statement within a function or trigger
	Cut         bool                 // longer than Config.MaxEntry, or of more nodes than are kept
	Nodes       []Node               // depth first; empty if it is in a form that is not read (XML, YAML)
}

// Node is a step of a plan. Times are those of auto_explain.log_analyze, 0 without it.
type Node struct {
	Depth                  int
	Type                   string // as Index Scan
	Relation, Index, Alias string
	Startup, Cost          float64
	Rows, Width            float64 // expected, of one loop
	ActualRows, Loops      float64
	Time                   time.Duration // of one loop
	Removed                float64       // rows that its conditions removed, of one loop
	Disk                   int64         // bytes that a sort or hash wrote to disk
}

// PlanSink is a Sink that takes plans.
type PlanSink interface {
	// Plan delivers a plan after the statement that it is of. Several may be of one statement.
	Plan(*sqltrace.Statement, *Plan)
}

// maxNodes bounds the nodes of a plan that are kept, maxDepth how deep they may stand.
const (
	maxNodes = 512
	maxDepth = 64
)

// held is a plan that waits for the line of its statement.
type held struct {
	Plan
	unlogged   *sqltrace.Statement // that it becomes, should none come
	resolution time.Duration
}

// of reports whether a plan is of a statement: it ended while that ran, and has its text or is nested. Where
// every statement is logged it need not have its text: that of EXECUTE's plan is the PREPARE's.
func (h *held) of(st *sqltrace.Statement, all bool) bool {
	return (all || h.Nested || h.Fingerprint == st.Fingerprint && st.Fingerprint != 0) && h.At.Add(h.resolution).After(st.Start)
}

// all reports whether every statement seems to be logged: log_min_duration_statement is in milliseconds.
func (d *Decoder) all() bool { return d.stats.Timed > 0 && d.stats.Shortest < time.Millisecond }

// plan takes the plan of a statement. It comes before the statement's own line or, by the extended protocol,
// which keeps the portal until the next message, after it.
func (d *Decoder) plan(s *session, e *entry, took time.Duration, text []byte) {
	d.stats.Plans++
	if len(s.plans) >= d.cfg.Plans {
		d.settle(s)
	}
	h := held{resolution: e.resolution, Plan: Plan{At: e.at, Duration: took, Nested: len(e.context) > 0, Cut: e.cut}}
	var query []byte
	if trimmed := bytes.TrimLeft(text, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '{' {
		query = h.readJSON(trimmed)
	} else {
		query = h.readText(text)
	}
	st := d.statement(s, e, query, nil)
	h.Fingerprint = st.Fingerprint
	if last := s.recent; !h.Nested && last != nil && last.Extended && !s.explained && last.Fingerprint == h.Fingerprint {
		s.explained = true
		d.emitPlan(last, &h.Plan)
		return
	}
	if !h.Nested {
		st.End = d.ended(s, e, took)
		st.Start, st.First = st.End.Add(-took), st.End
		h.unlogged = st
	}
	s.plans = append(s.plans, h)
}

// settle makes statements of the plans that wait: their own lines come no more. A nested plan belongs to the
// next that is not.
func (d *Decoder) settle(s *session) {
	plans := s.plans
	s.plans = nil
	for first, i := 0, 0; i < len(plans); i++ {
		if st := plans[i].unlogged; st != nil {
			d.stats.Planned++
			d.emit(s, st, plans[first:i+1])
			first = i + 1
		}
	}
}

func (d *Decoder) emitPlan(st *sqltrace.Statement, p *Plan) {
	if d.plans != nil {
		d.plans.Plan(st, p)
	}
}

// readText reads a plan in text form and returns the query it is of.
func (p *Plan) readText(text []byte) []byte {
	query, ok := after(text, "Query Text: ")
	if !ok {
		return nil
	}
	end := bytes.Index(query, []byte("  (cost="))
	if end < 0 {
		return query
	}
	start := bytes.LastIndexByte(query[:end], '\n')
	if start < 0 {
		return query
	}
	rest := query[start+1:]
	query = query[:start]
	if n := bytes.LastIndex(query, []byte("\nQuery Parameters: ")); n >= 0 {
		query = query[:n]
	}
	for len(rest) > 0 {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		p.textLine(line)
	}
	return query
}

// textLine reads a line of a plan. Of lines that are no node, only those with numbers are of interest.
func (p *Plan) textLine(line []byte) {
	indent := 0
	for indent < len(line) && line[indent] == ' ' {
		indent++
	}
	body := line[indent:]
	if title, costs, ok := bytes.Cut(body, []byte("  (cost=")); ok {
		depth := 0
		if arrow, ok := after(title, "->  "); ok {
			title, depth = arrow, (indent+4)/6
		}
		if len(p.Nodes) >= maxNodes || depth > maxDepth {
			p.Cut = true
			return
		}
		n := Node{Depth: depth}
		n.title(title)
		n.numbers(costs)
		p.Nodes = append(p.Nodes, n)
		return
	}
	if len(p.Nodes) == 0 {
		return
	}
	n := &p.Nodes[len(p.Nodes)-1]
	if text, ok := after(body, "Rows Removed by "); ok {
		if _, count, ok := bytes.Cut(text, colon); ok {
			n.Removed += float(count)
		}
	}
	if _, text, ok := bytes.Cut(body, []byte("Disk: ")); ok && (bytes.HasPrefix(body, []byte("Sort Method")) || bytes.HasPrefix(body, []byte("Batches"))) {
		n.Disk += int64(float(text)) << 10
	}
}

// title reads, say: Index Scan using item_pkey on public.item i. What follows a name is dropped with it if it
// is not as expected.
func (n *Node) title(b []byte) {
	kind, on, named := bytes.Cut(b, []byte(" on "))
	if named {
		relation, alias, _ := bytes.Cut(on, []byte(" "))
		if string(kind) == "Bitmap Index Scan" {
			n.Index = name(relation)
		} else {
			n.Relation, n.Alias = name(relation), name(alias)
		}
	}
	kind, index, ok := bytes.Cut(kind, []byte(" using "))
	if ok {
		n.Index = name(index)
	}
	n.Type = name(kind)
}

// name keeps a name if it is one: of the bytes that names and types of nodes have.
func name(b []byte) string {
	if len(b) > 128 {
		return ""
	}
	for _, c := range b {
		if !digit(c) && (c|0x20 < 'a' || c|0x20 > 'z') && c < 0x80 && bytes.IndexByte([]byte(` _."$*-`), c) < 0 {
			return ""
		}
	}
	return string(b)
}

// numbers reads: 0.28..8.30 rows=1 width=68) (actual time=0.008..0.009 rows=1 loops=1).
func (n *Node) numbers(b []byte) {
	estimate, actual, analyzed := bytes.Cut(b, []byte(") (actual "))
	startup, cost, _ := bytes.Cut(estimate, []byte(".."))
	n.Startup, n.Cost = float(startup), float(cost)
	n.Rows, n.Width = floatAfter(estimate, "rows="), floatAfter(estimate, "width=")
	if !analyzed {
		return
	}
	if _, text, ok := bytes.Cut(actual, []byte("..")); ok {
		n.Time = spent(float(text))
	}
	n.ActualRows, n.Loops = floatAfter(actual, "rows="), floatAfter(actual, "loops=")
}

// spent is a time in milliseconds.
func spent(ms float64) time.Duration {
	if ms < 0 || ms > 1e12 {
		return 0
	}
	return time.Duration(ms * 1e6)
}

// float reads the number at the front of b, 0 if there is none.
func float(b []byte) float64 {
	n := 0
	for n < len(b) && n < 32 && (digit(b[n]) || b[n] == '.' && !bytes.HasPrefix(b[n:], []byte(".."))) {
		n++
	}
	f, err := strconv.ParseFloat(string(b[:n]), 64)
	if err != nil {
		return 0
	}
	return f
}

func floatAfter(b []byte, word string) float64 {
	_, text, ok := bytes.Cut(b, []byte(word))
	if !ok {
		return 0
	}
	return float(text)
}

// planJSON is what is read of a plan in JSON form.
type planJSON struct {
	Query string   `json:"Query Text"`
	Plan  nodeJSON `json:"Plan"`
}

type nodeJSON struct {
	Type     string     `json:"Node Type"`
	Relation string     `json:"Relation Name"`
	Index    string     `json:"Index Name"`
	Alias    string     `json:"Alias"`
	Startup  float64    `json:"Startup Cost"`
	Cost     float64    `json:"Total Cost"`
	Rows     float64    `json:"Plan Rows"`
	Width    float64    `json:"Plan Width"`
	Time     float64    `json:"Actual Total Time"`
	Actual   float64    `json:"Actual Rows"`
	Loops    float64    `json:"Actual Loops"`
	Filter   float64    `json:"Rows Removed by Filter"`
	Join     float64    `json:"Rows Removed by Join Filter"`
	Recheck  float64    `json:"Rows Removed by Index Recheck"`
	Space    float64    `json:"Sort Space Used"`
	Where    string     `json:"Sort Space Type"`
	Plans    []nodeJSON `json:"Plans"`
}

// readJSON reads a plan in JSON form and returns the query it is of.
func (p *Plan) readJSON(text []byte) []byte {
	var v planJSON
	if err := json.Unmarshal(text, &v); err != nil {
		p.Cut = true
		return nil
	}
	p.node(&v.Plan, 0)
	if v.Query == "" {
		return nil
	}
	return []byte(v.Query)
}

func (p *Plan) node(v *nodeJSON, depth int) {
	if v.Type == "" {
		return
	}
	if len(p.Nodes) >= maxNodes || depth > maxDepth {
		p.Cut = true
		return
	}
	n := Node{
		Depth: depth, Type: name([]byte(v.Type)), Relation: name([]byte(v.Relation)), Index: name([]byte(v.Index)), Alias: name([]byte(v.Alias)),
		Startup: v.Startup, Cost: v.Cost, Rows: v.Rows, Width: v.Width, ActualRows: v.Actual, Loops: v.Loops,
		Time: spent(v.Time), Removed: v.Filter + v.Join + v.Recheck,
	}
	if v.Where == "Disk" && v.Space >= 0 && v.Space < 1e12 {
		n.Disk = int64(v.Space) << 10
	}
	p.Nodes = append(p.Nodes, n)
	for i := range v.Plans {
		p.node(&v.Plans[i], depth+1)
	}
}
