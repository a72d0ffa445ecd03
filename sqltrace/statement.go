package sqltrace

import (
	"net/netip"
	"time"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/evidence"
)

// StatementID numbers the statements of one decoder from 1, in order of their first byte.
type StatementID uint64

// Fingerprint identifies a statement's shape: its text with literals, IN and VALUES lists, parameter
// numbers, savepoint names, letter case of keywords and white space folded. 0 means the text is unknown.
type Fingerprint uint64

// Kind is the role of a statement within its transaction.
type Kind uint8

// Kinds of statements.
const (
	Query Kind = iota
	Begin
	Commit
	Rollback
	Savepoint // SAVEPOINT, RELEASE, ROLLBACK TO
	Reset     // DISCARD ALL, RESET, SET … TO DEFAULT: what a pool sends when a connection changes hands
	Copy
	Other // LISTEN, SET, SHOW, function call messages, replication
)

var kindNames = [...]string{"query", "begin", "commit", "rollback", "savepoint", "reset", "copy", "other"}

// String returns the name used in the trace format.
func (k Kind) String() string { return kindNames[k] }

// Controls reports whether statements of the kind only frame others: they begin, end or divide a transaction, or hand
// over a session.
func (k Kind) Controls() bool { return k >= Begin && k <= Reset }

// Gap marks what the capture lacked of a statement.
type Gap uint8

// Gaps of a statement, as bits.
const (
	GapText       Gap = 1 << iota // bytes of the statement's text were lost, or its Parse was not seen
	GapResult                     // bytes of its result were lost
	GapUnanswered                 // the capture or the connection ended before its result did
	GapBefore                     // messages may have been lost on the connection since the statement before
)

// Session describes one PostgreSQL connection as far as it was seen.
type Session struct {
	Conn                        capture.ConnID
	Client, Server              netip.AddrPort
	Opened                      time.Time
	Joined                      bool // no startup message was seen: the names below are empty until learned
	Encrypted                   bool // TLS or GSS encryption was agreed: no statement will be seen
	Replication                 bool
	Logged                      bool  // its statements come from the server's log, which says nothing of results
	Backend                     int32 // process id from BackendKeyData; 0 if not seen
	Database, User, Application string

	// Waiting is when the oldest statement without an answer began; zero if there is none. It is the decoder's to
	// change, and valid during calls of the Sink.
	Waiting time.Time
}

// Statement is one Query, Execute or FunctionCall and its result.
//
// Start is the first byte of the message that ran it, First the first byte of its first row or command
// tag, End the ReadyForQuery (simple protocol) or command tag (extended protocol) that closed it. Without row
// and tag First is the error or, failing that, End. A statement without an answer ends where the connection
// or the capture does, or, when its answer was lost, where the next one shows that it was over.
type Statement struct {
	ID      StatementID
	Session *Session // shared by the connection's statements; never nil

	Start, First, End time.Time

	Kind        Kind
	Fingerprint Fingerprint
	TextHash    uint64 // of the exact text, parameters included: equal for duplicates
	TextBytes   int64  // exact length of the text sent (by its Parse, if extended), without the ending NUL
	Rows        int64  // rows returned or affected by the command tags, added up; -1 if none named any
	In, Out     int64  // message bytes sent and received
	SQLState    string // of the error that ended it; empty if none
	Tx          byte   // transaction status after it: 'I', 'T', 'E'; 0 if unknown
	Extended    bool   // ran by the extended protocol
	Gaps        Gap

	// Literals are hashes of the literals in the text and of text-format parameters; Values of result
	// values. Both are bounded and never leave the process.
	Literals, Values []evidence.Hash
}

// Sink receives what the decoder finds.
type Sink interface {
	// Opened announces a connection: at its startup packet, or at the first message when joined mid-stream.
	Opened(*Session)
	// Statement delivers a finished statement. The decoder no longer touches it.
	Statement(*Statement)
	// Closed reports a connection's end.
	Closed(s *Session, at time.Time)
}
