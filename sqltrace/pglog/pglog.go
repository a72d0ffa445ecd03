// Package pglog makes statements of a PostgreSQL server's log, for where packets are encrypted or not to be had.
//
// It reads what the server writes in its three forms: stderr with any log_line_prefix, csvlog and jsonlog.
// Texts go through the decoder that reads the wire, so that a statement has the same fingerprint, kind and
// literals by either way. Values are hashed or dropped: no message, parameter or plan condition is kept.
//
// The log says less than the wire. Its clock has milliseconds (or seconds: Stats.Resolution), a statement's
// line tells when it ended and how long it took, and its rows and bytes are not told: Rows is -1. What
// log_min_duration_statement leaves out is not seen; Stats.Share estimates how much that is. The server must
// log in English (lc_messages).
package pglog

import (
	"bytes"
	"fmt"
	"net/netip"
	"time"

	"github.com/perfd/perfd/sqltrace"
)

// Format is the form of a log.
type Format uint8

// Formats. Detect takes the first line that can be read.
const (
	Detect Format = iota
	Stderr
	CSV
	JSON
)

var formatNames = [...]string{"detect", "stderr", "csvlog", "jsonlog"}

// String returns the name that PostgreSQL's log_destination has for it.
func (f Format) String() string { return formatNames[f] }

// ParseFormat reads a name that String returns; the empty one is Detect.
func ParseFormat(s string) (Format, error) {
	for i, name := range formatNames {
		if s == name || s == "" {
			return Format(i), nil
		}
	}
	return Detect, fmt.Errorf("read log format: %q is none of stderr, csvlog, jsonlog, detect", s)
}

// Config tells how to read a log. Its zero value works.
type Config struct {
	// Format defaults to Detect.
	Format Format
	// Prefix is the server's log_line_prefix. Defaults to what the lines look like, tried from a list of
	// those in use.
	Prefix string
	// Location is where names of time zones are looked up that are neither UTC nor an offset. Defaults to
	// time.Local.
	Location *time.Location
	// Server tells which address of the server a client reached, which logs do not say. Defaults to not knowing.
	Server func(client netip.AddrPort) netip.AddrPort
	// MaxEntry bounds an entry of the log in bytes. Of a longer one the text is unknown. Defaults to 1 MiB.
	MaxEntry int
	// Sessions bounds the sessions known at once; those quiet longest are forgotten. Defaults to 4096.
	Sessions int
	// Plans bounds the plans of one session that wait for their statement. Defaults to 32.
	Plans int
}

func (c Config) withDefaults() Config {
	if c.Location == nil {
		c.Location = time.Local
	}
	if c.MaxEntry <= 0 {
		c.MaxEntry = 1 << 20
	}
	if c.Sessions <= 0 {
		c.Sessions = 4096
	}
	if c.Plans <= 0 {
		c.Plans = 32
	}
	return c
}

// Decoder reads one log. It is not safe for concurrent use.
type Decoder struct {
	cfg    Config
	sql    *sqltrace.Decoder
	sink   sqltrace.Sink
	plans  PlanSink  // nil if the sink takes none
	events EventSink // nil if the sink takes none
	stats  Stats

	format   Format
	prefix   *prefix
	clock    clock
	entry    entry // of stderr and csvlog, while further lines may belong to it
	open     bool  // entry holds something
	csv      csvRecord
	room     []byte // in which a record's values are put together
	values   [][]byte
	sessions map[int32]*session
	names    sqltrace.Names
	lastConn uint64
	slots    map[string]uint64 // transactions seen, by backend
}

// New returns a decoder that reads texts with sql and gives what it finds to sink, which may also be a
// PlanSink and an EventSink. Its calls must come from the goroutine that owns sql. The error is of Config.Prefix.
func New(cfg Config, sql *sqltrace.Decoder, sink sqltrace.Sink) (*Decoder, error) {
	d := &Decoder{cfg: cfg.withDefaults(), sql: sql, sink: sink, format: cfg.Format,
		sessions: map[int32]*session{}, slots: map[string]uint64{}}
	d.clock.location = d.cfg.Location
	d.plans, _ = sink.(PlanSink)
	d.events, _ = sink.(EventSink)
	if cfg.Prefix != "" {
		p, err := newPrefix(cfg.Prefix, false)
		if err != nil {
			return nil, err
		}
		d.prefix = p
	}
	return d, nil
}

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
		d.stats.Bytes += int64(len(line)) + 1
		d.line(line)
	}
}

func (d *Decoder) line(line []byte) {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	if d.format == Detect {
		d.format = d.detect(line)
	}
	switch d.format {
	case Stderr:
		d.stderrLine(line)
	case CSV:
		d.csvLine(line)
	case JSON:
		d.jsonLine(line)
	default:
		d.stats.Unread++
	}
}

// detect returns the format that a line is in, or Detect if it does not tell.
func (d *Decoder) detect(line []byte) Format {
	switch {
	case bytes.HasPrefix(line, []byte(`{"timestamp":"`)):
		return JSON
	case beginsRecord(line):
		return CSV
	}
	var e entry
	if d.header(line, &e) {
		return Stderr
	}
	return Detect
}

// Idle says that the log is read to its end and that nothing was written for a while: an entry that further
// lines might have belonged to is complete. Plans whose statement has no line of its own become statements.
func (d *Decoder) Idle(now time.Time) {
	d.finish()
	for _, s := range d.sessions {
		if n := len(s.plans); n > 0 && now.Sub(s.plans[n-1].At) > planWait {
			d.settle(s)
		}
	}
}

// Flush ends the log: what was waited for comes no more, and all sessions close.
func (d *Decoder) Flush() {
	d.finish()
	for pid, s := range d.sessions {
		d.close(pid, s, s.last)
	}
}

// finish gives the entry that is put together to what reads entries.
func (d *Decoder) finish() {
	if d.open {
		d.open = false
		d.take(&d.entry)
	}
}
