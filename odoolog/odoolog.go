// Package odoolog reads what an application server says of its own requests and jobs: Odoo's log, and
// trytond's.
//
// Odoo ends the log line of each request with the number of statements that it ran. That number was counted
// where the statements were made, so it checks what perfd found by another way: Agreement compares the two.
// Messages hold what users typed; of them only numbers and names are read, and most lines not at all.
package odoolog

import (
	"bytes"
	"net/netip"
	"strconv"
	"time"

	"github.com/perfd/perfd/sqltrace"
)

// Config tells how to read a log. Its zero value works.
type Config struct {
	// Location is the time zone of the log. Defaults to UTC, to which both servers set themselves.
	Location *time.Location
}

// Request is one line of the HTTP server.
type Request struct {
	At       time.Time // when the answer began; milliseconds
	PID      int32
	Database string // empty if none was chosen
	Client   netip.Addr
	Verb     string
	Path     string // without query string
	Status   int
	Logger   string // werkzeug; longpolling for the evented server; trytond's dispatcher

	// Counted says that the line ends with Odoo's own figures: how many statements ran without an error,
	// how long cursors took, and the rest of the time since the application was called.
	Counted           bool
	Queries           int
	SQLTime, RestTime time.Duration
	Cursor            string // ro, rw or ro->rw, where a replica is set up

	Took   time.Duration // of the evented server's and the dispatcher's lines
	Method string        // of the dispatcher's lines: model and method
}

// Phase is how far a job is.
type Phase uint8

// Phases of a job.
const (
	Started  Phase = iota
	Done           // it ran once
	Progress       // what it did was counted
	Completed
	Failed
)

var phaseNames = [...]string{"started", "done", "progress", "completed", "failed"}

// String returns a name for people.
func (p Phase) String() string { return phaseNames[p] }

// Job is a line of a scheduled action.
type Job struct {
	At                   time.Time
	PID                  int32
	Database             string
	Name                 string
	ID                   int64 // 0 in Odoo up to 17
	Phase                Phase
	Took                 time.Duration // of Done; 0 if it is not told
	Processed, Remaining int64         // of Progress
}

// Worker is a line of a server process that begins to serve.
type Worker struct {
	At   time.Time
	PID  int32
	Kind string // http, cron, evented; listen for the address a server listens on
	Addr string // of listen
}

// Sink receives what a decoder finds.
type Sink interface {
	Request(*Request)
	Job(*Job)
	Worker(*Worker)
}

// Stats counts what a decoder met.
type Stats struct {
	Lines, Entries           int64 // an entry begins with a time; further lines are of its message
	Requests, Jobs, Counted  int64
	Last                     time.Time
	Unread                   int64 // lines of the HTTP server that do not have the form expected
	OdooEntries, TrytonLines int64
}

// Decoder reads one log. It is not safe for concurrent use.
type Decoder struct {
	sink  Sink
	stats Stats
	loc   *time.Location
	plain []byte // a line without colours
	names sqltrace.Names
	day   [10]byte // the date read last
	date  time.Time
}

// New returns a decoder that gives what it finds to sink.
func New(cfg Config, sink Sink) *Decoder {
	if cfg.Location == nil {
		cfg.Location = time.UTC
	}
	return &Decoder{sink: sink, loc: cfg.Location}
}

// Stats returns what was counted so far.
func (d *Decoder) Stats() Stats { return d.stats }

// Lines takes whole lines of the log, in order, each with its newline.
func (d *Decoder) Lines(block []byte) {
	for len(block) > 0 {
		line := block
		if n := bytes.IndexByte(block, '\n'); n >= 0 {
			line, block = block[:n], block[n+1:]
		} else {
			block = nil
		}
		d.stats.Lines++
		d.line(bytes.TrimRight(line, " \r"))
	}
}

// entry is a line's beginning and its message.
type entry struct {
	at       time.Time
	pid      int32
	level    []byte
	database []byte
	logger   []byte
	message  []byte
}

// maxHead is how far into a line its time may stand: a container's or the system's own log puts something before it.
const maxHead = 120

func (d *Decoder) line(line []byte) {
	if bytes.IndexByte(line, 0x1b) >= 0 {
		line = d.uncolour(line)
	}
	e, ok := d.odoo(line)
	if ok {
		d.stats.OdooEntries++
	} else if e, ok = d.tryton(line); ok {
		d.stats.TrytonLines++
	} else {
		return
	}
	d.stats.Entries++
	d.stats.Last = e.at
	d.take(&e)
}

// uncolour leaves out the escape sequences of a terminal's colours.
func (d *Decoder) uncolour(line []byte) []byte {
	out := d.plain[:0]
	for i := 0; i < len(line); i++ {
		if line[i] == 0x1b && i+1 < len(line) && line[i+1] == '[' {
			j := i + 2
			for j < len(line) && (line[j] == ';' || line[j] >= '0' && line[j] <= '9') {
				j++
			}
			i = j
			continue
		}
		out = append(out, line[i])
	}
	d.plain = out
	return out
}

// odoo reads: 2026-11-22 10:00:00,123 4711 INFO db logger: message.
func (d *Decoder) odoo(line []byte) (e entry, ok bool) {
	at := timeIn(line)
	if at < 0 {
		return e, false
	}
	if e.at, ok = d.time(line[at:]); !ok {
		return e, false
	}
	rest := line[at+23:]
	if len(rest) == 0 || rest[0] != ' ' {
		return e, false
	}
	pid, rest, _ := bytes.Cut(rest[1:], space)
	if e.pid, ok = process(pid); !ok {
		return e, false
	}
	e.level, rest, _ = bytes.Cut(rest, space)
	e.database, rest, _ = bytes.Cut(rest, space)
	e.logger, e.message, ok = bytes.Cut(rest, []byte(": "))
	return e, ok && bytes.IndexByte(e.logger, ' ') < 0
}

// tryton reads: 4711 140123456789 [2026-11-22 10:00:00,123] INFO logger message.
func (d *Decoder) tryton(line []byte) (e entry, ok bool) {
	open := bytes.IndexByte(line[:min(len(line), maxHead)], '[')
	if open < 2 || line[open-1] != ' ' {
		return e, false
	}
	pid, thread, _ := bytes.Cut(line[:open-1], space)
	if e.pid, ok = process(pid); !ok || len(thread) == 0 {
		return e, false
	}
	rest := line[open+1:]
	if e.at, ok = d.time(rest); !ok || len(rest) < 26 || rest[23] != ']' || rest[24] != ' ' {
		return e, false
	}
	e.level, rest, _ = bytes.Cut(rest[25:], space)
	e.logger, e.message, ok = bytes.Cut(rest, space)
	return e, ok
}

var space = []byte{' '}

// timeIn returns where 2026-11-22 10:00:00,123 begins, within the first bytes of a line and not in brackets.
func timeIn(line []byte) int {
	for i := 0; i < len(line) && i < maxHead && i+23 <= len(line); i++ {
		if line[i+4] == '-' && line[i+7] == '-' && line[i+10] == ' ' && line[i+13] == ':' && line[i+16] == ':' && line[i+19] == ',' &&
			(i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			return i
		}
	}
	return -1
}

// time reads 2026-11-22 10:00:00,123 from the front of b.
func (d *Decoder) time(b []byte) (time.Time, bool) {
	if len(b) < 23 || b[19] != ',' {
		return time.Time{}, false
	}
	if !bytes.Equal(b[:10], d.day[:]) {
		t, err := time.ParseInLocation(time.DateOnly, string(b[:10]), d.loc)
		if err != nil {
			return time.Time{}, false
		}
		copy(d.day[:], b)
		d.date = t
	}
	h, ok1 := small(b[11:13])
	m, ok2 := small(b[14:16])
	s, ok3 := small(b[17:19])
	ms, ok4 := small(b[20:23])
	if !ok1 || !ok2 || !ok3 || !ok4 || h > 23 || m > 59 || s > 60 || b[13] != ':' || b[16] != ':' {
		return time.Time{}, false
	}
	y, mo, day := d.date.Date()
	return time.Date(y, mo, day, h, m, s, ms*1e6, d.loc), true
}

func small(b []byte) (n int, ok bool) {
	if len(b) == 0 || len(b) > 9 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

func process(b []byte) (int32, bool) {
	n, ok := small(b)
	return int32(n), ok && n > 0
}

// seconds reads 1.234.
func seconds(b []byte) (time.Duration, bool) {
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil || f < -1e6 || f > 1e8 || f != f {
		return 0, false
	}
	return max(time.Duration(f*1e9), 0), true
}
