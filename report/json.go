// Package report writes results for people and programs: JSON lines, a text page for terminals, and one
// self-contained HTML page. It decides nothing; it words what analyzer found.
package report

import (
	"fmt"
	"io"
	"math"
	"net/netip"
	"strconv"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/sqltrace"
)

// JSON writes the trace format of docs/trace-format.md: one object a line, calls and background groups as
// they come, the summary last. Lines are appended by hand: encoding by reflection would take longer than
// everything before it.
type JSON struct {
	w     io.Writer
	dict  sqltrace.Dictionary
	buf   []byte
	texts map[sqltrace.Fingerprint][]byte // shapes' fingerprints and texts, as they stand in a statement
	addrs map[netip.AddrPort][]byte       // addresses, quoted
	conn  struct {                        // of the statement before
		session *sqltrace.Session
		backend int32
		text    []byte // as it stands in a statement
	}
}

var _ analyzer.Sink = (*JSON)(nil)

const (
	flushAt   = 256 << 10 // bytes collected before they are written
	textCache = 4096      // quoted texts kept
	addrCache = 4096      // quoted addresses kept
)

// NewJSON returns a writer of JSON lines to w. Shapes are worded from dict.
func NewJSON(w io.Writer, dict sqltrace.Dictionary) *JSON {
	return &JSON{
		w: w, dict: dict, buf: make([]byte, 0, flushAt+64<<10),
		texts: make(map[sqltrace.Fingerprint][]byte), addrs: make(map[netip.AddrPort][]byte),
	}
}

// Trace writes one call.
func (j *JSON) Trace(t *analyzer.Trace) error {
	c := t.Call
	b := append(j.buf, `{"type":"call","start":`...)
	b = appendTime(b, c.Start)
	b = append(b, `,"sent":`...)
	b = appendTime(b, c.Sent)
	b = append(b, `,"first":`...)
	b = appendTime(b, c.First)
	b = append(b, `,"end":`...)
	b = appendTime(b, latest(c.End, c.First, c.Sent, c.Start))
	b = append(b, `,"client":`...)
	b = j.appendAddr(b, c.Client)
	b = append(b, `,"server":`...)
	b = j.appendAddr(b, c.Server)
	b = append(b, `,"transport":"`...)
	b = append(b, c.Transport.String()...)
	b = append(b, `","path":`...)
	b = appendString(b, c.Path)
	b = append(b, `,"service":`...)
	b = appendString(b, c.Service)
	b = append(b, `,"model":`...)
	b = appendString(b, c.Model)
	b = append(b, `,"method":`...)
	b = appendString(b, c.Method)
	b = append(b, `,"ids":`...)
	b = strconv.AppendInt(b, int64(c.IDs), 10)
	b = append(b, `,"db":`...)
	b = appendString(b, c.Database)
	b = append(b, `,"uid":`...)
	b = strconv.AppendInt(b, c.UID, 10)
	b = append(b, `,"login":`...)
	b = appendString(b, c.Login)
	b = append(b, `,"session":"`...)
	if c.Session != 0 {
		b = appendHex(b, uint64(c.Session))
	}
	b = append(b, `","status":`...)
	b = strconv.AppendInt(b, int64(c.Status), 10)
	b = append(b, `,"error":`...)
	b = appendString(b, c.Error)
	b = append(b, `,"request_bytes":`...)
	b = strconv.AppendInt(b, c.RequestBytes, 10)
	b = append(b, `,"response_bytes":`...)
	b = strconv.AppendInt(b, c.ResponseBytes, 10)
	if h := t.Front; h != nil {
		b = append(b, `,"front":{"client":`...)
		b = j.appendAddr(b, h.Client)
		b = append(b, `,"server":`...)
		b = j.appendAddr(b, h.Server)
		b = append(b, `,"start":`...)
		b = appendTime(b, h.Start)
		b = append(b, `,"end":`...)
		b = appendTime(b, h.End)
		b = append(b, '}')
	}
	if c.Gaps != 0 {
		b = append(b, `,"gaps":`...)
		b = appendNames(b, uint8(c.Gaps), callGaps[:])
	}
	b = append(b, `,"time":`...)
	b = appendBreakdown(b, t.Time)
	b = j.appendSpans(b, t.Spans)
	b = append(b, `,"findings":[`...)
	for i := range t.Findings {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendFinding(b, &t.Findings[i])
	}
	return j.line(append(b, ']'))
}

// Background writes statements that no call owns.
func (j *JSON) Background(g *analyzer.Background) error {
	b := append(j.buf, `{"type":"background","start":`...)
	b = appendTime(b, g.Start)
	b = append(b, `,"end":`...)
	b = appendTime(b, g.End)
	b = append(b, `,"client":`...)
	b = j.appendAddr(b, g.Session.Client)
	b = append(b, `,"database":`...)
	b = appendString(b, g.Session.Database)
	b = append(b, `,"application":`...)
	b = appendString(b, g.Session.Application)
	b = append(b, `,"group":`...)
	b = appendString(b, g.Group)
	return j.line(j.appendSpans(b, g.Spans))
}

// Finish writes the summary and everything still held back.
func (j *JSON) Finish(s analyzer.Summary) error {
	b := append(j.buf, `{"type":"summary"`...)
	for _, f := range [...]struct {
		key string
		n   int64
	}{
		{"calls", s.Calls}, {"errors", s.Errors}, {"statements", s.Statements}, {"attributed", s.Attributed}, {"exact", s.Exact},
		{"packets", s.Packets}, {"bytes", s.Bytes}, {"gaps", s.Gaps}, {"lost_bytes", s.LostBytes},
	} {
		b = append(append(append(b, `,"`...), f.key...), `":`...)
		b = strconv.AppendInt(b, f.n, 10)
	}
	b = append(b, `,"start":`...)
	b = appendTime(b, s.From)
	b = append(b, `,"seconds":`...)
	b = appendSeconds(b, s.To.Sub(s.From))
	b = append(b, `,"waited":`...)
	b = appendSeconds(b, s.Waited)
	b = append(b, `,"time":`...)
	b = appendBreakdown(b, s.Total)
	b = append(b, `,"notices":[`...)
	for i, n := range s.Notices {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"title":`...)
		b = appendString(b, n.Title)
		b = append(b, `,"fix":`...)
		b = appendString(b, n.Fix)
		b = append(b, '}')
	}
	if err := j.line(append(b, ']')); err != nil {
		return err
	}
	return j.Flush()
}

// Flush writes what is held back.
func (j *JSON) Flush() error {
	_, err := j.w.Write(j.buf)
	j.buf = j.buf[:0]
	if err != nil {
		return fmt.Errorf("write trace: %w", err)
	}
	return nil
}

// line ends the object in b and takes b over as the buffer.
func (j *JSON) line(b []byte) error {
	j.buf = append(b, '}', '\n')
	if len(j.buf) < flushAt {
		return nil
	}
	return j.Flush()
}

func (j *JSON) appendSpans(b []byte, spans []analyzer.Span) []byte {
	b = append(b, `,"statements":[`...)
	for i := range spans {
		if i > 0 {
			b = append(b, ',')
		}
		b = j.appendSpan(b, &spans[i])
	}
	return append(b, ']')
}

func (j *JSON) appendSpan(b []byte, sp *analyzer.Span) []byte {
	s := sp.Statement
	b = append(b, `{"start":`...)
	b = appendTime(b, s.Start)
	b = append(b, `,"duration":`...)
	b = appendSeconds(b, s.End.Sub(s.Start))
	b = j.appendConn(b, s.Session)
	b = append(b, `,"kind":"`...)
	b = append(b, s.Kind.String()...)
	b = j.appendShape(b, s.Fingerprint)
	b = append(b, `,"bytes":`...)
	b = strconv.AppendInt(b, s.TextBytes, 10)
	b = append(b, `,"rows":`...)
	b = strconv.AppendInt(b, s.Rows, 10)
	b = append(b, `,"sqlstate":`...)
	b = appendString(b, s.SQLState)
	b = append(b, `,"lease":`...)
	b = strconv.AppendInt(b, int64(sp.Lease), 10)
	if s.Gaps != 0 {
		b = append(b, `,"gaps":`...)
		b = appendNames(b, uint8(s.Gaps), statementGaps[:])
	}
	b = append(b, `,"by":"`...)
	b = append(b, sp.By.String()...)
	b = append(b, `","probability":`...)
	if sp.Probability == 1 {
		return append(b, '1', '}')
	}
	p := int64(math.Round(min(max(sp.Probability, 0), 1) * 1e4))
	b = appendTail(strconv.AppendInt(b, p/1e4, 10), p%1e4, 4)
	return append(b, '}')
}

// appendConn appends what a statement says of its connection. Most have that of the one before.
func (j *JSON) appendConn(b []byte, s *sqltrace.Session) []byte {
	if c := &j.conn; c.session != s || c.backend != s.Backend {
		text := append(c.text[:0], `,"client":`...)
		text = j.appendAddr(text, s.Client)
		text = append(text, `,"backend":`...)
		text = strconv.AppendInt(text, int64(s.Backend), 10)
		c.session, c.backend, c.text = s, s.Backend, text
	}
	return append(b, j.conn.text...)
}

// appendShape ends a statement's kind and appends its fingerprint and text.
func (j *JSON) appendShape(b []byte, f sqltrace.Fingerprint) []byte {
	if text, ok := j.texts[f]; ok {
		return append(b, text...)
	}
	from := len(b)
	b = append(b, `","fingerprint":"`...)
	if f != 0 {
		b = appendHex(b, uint64(f))
	}
	b = append(b, `","text":`...)
	b = appendString(b, j.dict.Shape(f).Text)
	if len(j.texts) < textCache {
		j.texts[f] = append([]byte(nil), b[from:]...)
	}
	return b
}

func (j *JSON) appendAddr(b []byte, a netip.AddrPort) []byte {
	if text, ok := j.addrs[a]; ok {
		return append(b, text...)
	}
	from := len(b)
	b = append(b, '"')
	if a.IsValid() {
		b = a.AppendTo(b)
	}
	b = append(b, '"')
	if len(j.addrs) >= addrCache {
		clear(j.addrs)
	}
	j.addrs[a] = append([]byte(nil), b[from:]...)
	return b
}
