// Package sqltrace turns PostgreSQL connections into statements.
//
// It decodes version 3 of the frontend/backend protocol from captured bytes, in both directions, from the
// startup packet or from anywhere in a connection's life, and survives losses. A statement comes out with
// its times, size, rows and outcome, a fingerprint of its shape, and hashes of its literals and of the first
// values of its result; its text and its rows do not. A Dictionary gives a fingerprint's redacted text.
//
// Message formats: https://www.postgresql.org/docs/current/protocol-message-formats.html
package sqltrace

import (
	"net/netip"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/evidence"
)

// Known is what may be known of a connection from elsewhere.
type Known struct {
	Backend                     int32
	Database, User, Application string
}

// Config bounds a Decoder. Its zero value works.
type Config struct {
	// Known tells of a connection by its client's address, where its startup message was not seen. Defaults to
	// nobody who does.
	Known func(client netip.AddrPort) (Known, bool)
	// MaxText is how many bytes of a message are put together when packets cut it. What a longer message
	// holds beyond is hashed for TextHash and counted, but no part of the fingerprint. Defaults to 1 MiB.
	MaxText int
	// Buffered bounds the bytes held for cut messages over all connections. Defaults to 64 MiB.
	Buffered int
	// Literals is how many literals and parameters of a statement are hashed. Defaults to 96.
	Literals int
	// Values is how many result values of a statement are hashed. Defaults to 128.
	Values int
	// ValueRows is how many rows of a result are looked at for values. Defaults to 64.
	ValueRows int
	// Prepared bounds the prepared statements and portals known of one connection, each. The least
	// recently used is forgotten. Defaults to 1024.
	Prepared int
	// Pending bounds the statements of one connection that wait for an answer. Those beyond it count as
	// unanswered. Defaults to 16,384.
	Pending int
	// Shapes bounds the dictionary. Further fingerprints share one entry. Defaults to 20,000.
	Shapes int
	// Texts is how many texts are remembered, so that one sent again need not be read again.
	// Defaults to 8192.
	Texts int
	// DisplayText bounds a shape's text in bytes. Defaults to 4 KiB.
	DisplayText int
}

func (c Config) withDefaults() Config {
	for _, f := range []struct {
		field *int
		value int
	}{
		{&c.MaxText, 1 << 20}, {&c.Buffered, 64 << 20}, {&c.Literals, 96}, {&c.Values, 128}, {&c.ValueRows, 64},
		{&c.Prepared, 1024}, {&c.Pending, 16_384}, {&c.Shapes, 20_000}, {&c.Texts, 8192}, {&c.DisplayText, 4 << 10},
	} {
		if *f.field <= 0 {
			*f.field = f.value
		}
	}
	return c
}

// Stats counts what a decoder met.
type Stats struct {
	Connections int64 // connections of the protocol, those that only cancel included
	Encrypted   int64 // of those, encrypted ones
	Cancels     int64 // cancel requests
	Statements  int64 // delivered
	Unanswered  int64 // of those, without an answer
	Unknown     int64 // of those, without a text: their Query or Parse was not seen
	Resyncs     int64 // times a message boundary had to be searched for
	LostBytes   int64 // bytes the capture lacked
	Shapes      int64 // fingerprints learned
	Plain       int64 // of those, shown by their folded text because Plain was on
}

// Decoder decodes the connections of one capture. It is not safe for concurrent use; its Dictionary is.
type Decoder struct {
	config Config
	sink   Sink
	shapes *shapes
	stats  Stats
	lastID StatementID

	scanner    scanner
	statements []Statement // slab of statements not yet used
	hashes     evidence.Block
	names      Names
	buffered   int // bytes held by streams
	texts      texts
}

var _ capture.Protocol = (*Decoder)(nil)

// New returns a decoder that gives what it finds to sink.
func New(config Config, sink Sink) *Decoder {
	config = config.withDefaults()
	return &Decoder{
		config: config,
		sink:   sink,
		shapes: newShapes(config.Shapes, config.DisplayText),
	}
}

// Plain makes the decoder leave the display forms of new statements as they come out of folding their literals,
// without the costly rest, until told otherwise. It may be called from any goroutine.
func (d *Decoder) Plain(on bool) { d.shapes.plain.Store(on) }

// Dictionary returns the decoder's dictionary of statement shapes.
func (d *Decoder) Dictionary() Dictionary { return d.shapes }

// Stats returns what was counted so far.
func (d *Decoder) Stats() Stats {
	s := d.stats
	s.Shapes, s.Plain = int64(len(d.shapes.kinds)-1), d.shapes.bare.Load()
	return s
}

// NewStream returns the decoder of one connection.
func (d *Decoder) NewStream(conn capture.Conn) capture.Stream {
	d.stats.Connections++
	return newStream(d, conn)
}

// Sizes of the blocks from which statements and hashes are taken, so that a statement costs no allocation
// of its own.
const (
	statementBlock = 64
)

// statement returns an empty statement with the next ID.
func (d *Decoder) statement() *Statement {
	if len(d.statements) == 0 {
		d.statements = make([]Statement, statementBlock)
	}
	st := &d.statements[0]
	d.statements = d.statements[1:]
	d.lastID++
	st.ID = d.lastID
	st.Rows = -1
	return st
}

func (d *Decoder) deliver(st *Statement) {
	d.stats.Statements++
	if st.Gaps&GapUnanswered != 0 {
		d.stats.Unanswered++
	}
	if st.Fingerprint == 0 {
		d.stats.Unknown++
	}
	d.sink.Statement(st)
}
