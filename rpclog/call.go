package rpclog

import (
	"net/netip"
	"strings"
	"time"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/evidence"
)

// CallID numbers the calls of one decoder from 1, in order of their first request byte.
type CallID uint64

// SessionKey is a keyed hash of a session identifier; 0 means no session was shown.
type SessionKey uint64

// Transport is the envelope in which a call travelled.
type Transport uint8

// Transports. Plain http routes carry no RPC envelope.
const (
	HTTP Transport = iota
	JSONRPC
	XMLRPC
	JSON2
	Tryton
)

var transportNames = [...]string{"http", "jsonrpc", "xmlrpc", "json2", "tryton"}

// String returns the name used in the trace format.
func (t Transport) String() string { return transportNames[t] }

// Class says what sort of HTTP exchange a call is; only Ordinary ones belong into latency statistics.
type Class uint8

// Classes of exchanges.
const (
	Ordinary  Class = iota
	Handshake       // the request that opened a websocket (answered 101); what follows it are Messages
	Poll            // long polling: held back by design
	Asset           // static files and health checks: no worker time worth counting
)

// Gap marks what the capture lacked of a call.
type Gap uint8

// Gaps of a call, as bits.
const (
	GapRequest    Gap = 1 << iota // bytes of the request were lost, or it was answered before its end was seen
	GapResponse                   // bytes of the response were lost
	GapJoined                     // the connection was open before the capture and the call's start was not seen
	GapUnanswered                 // the capture or the connection ended before the response did
	GapStatements                 // statements were lost that may have been its own, or decided what it was given; set by analyzer
	GapOrder                      // packets got their times after their order was lost: its times and its statements are doubtful; set by analyzer
)

// Call is one request and its response.
//
// Times are capture times: Start and Sent are the request's first and last byte, Head the byte that ended
// its header section, First and End the response's first and last byte (zero while unknown). With
// GapResponse, End is the latest time seen by which the response had ended.
type Call struct {
	ID             CallID
	Conn           capture.ConnID
	Client, Server netip.AddrPort

	Start, Head, Sent, First, End time.Time

	Transport Transport
	Class     Class
	Verb      string // HTTP method
	Path      string // without query string; with GapRequest perhaps the route alone, or empty
	Service   string // common, object, db where the envelope names one
	Model     string
	Method    string
	Database  string
	Status    int    // HTTP status; 0 if no status line was seen
	Error     string // RPC error name (odoo.exceptions.AccessError, UserError, XML-RPC fault class); empty if none
	IDs       int    // number of record ids the call names

	UID     int64 // 0 if unknown
	Login   string
	Session SessionKey

	RequestBytes, ResponseBytes int64 // bytes on the wire, headers included
	Gaps                        Gap

	// BodyHash identifies the request's verb, target and body, to recognise one call on two hops
	// (a reverse proxy and the server behind it). 0 if bytes were missing.
	BodyHash uint64
	// Forwarded says that the request carries X-Forwarded-For or Forwarded: a reverse proxy sent it.
	Forwarded bool

	// Request and Response hold hashes of the strings and numbers of the bodies (decoded content, JSON
	// escapes resolved), session identifiers and logins included. They never leave the process.
	Request, Response evidence.Set

	// Content is what Config.Keep chose to keep; nil if that is nothing.
	Content *Content
}

// Message is one websocket frame.
type Message struct {
	Conn           capture.ConnID
	Client, Server netip.AddrPort
	Dir            capture.Dir
	Time           time.Time // first byte of the frame
	Opcode         uint8     // RFC 6455, section 5.2
	Bytes          int64     // of the frame, header included
}

// Sink receives what the decoder finds. Pointers are valid until End returns for that call, unless the
// sink keeps the *Call given to End, which the decoder no longer touches.
type Sink interface {
	// Begin announces a call when its header section is complete: exclusivity depends on calls still open.
	Begin(*Call)
	// End delivers a call whose response ended, or whose connection or capture did.
	End(*Call)
	// Message reports a websocket frame.
	Message(Message)
}

// route is the path as Odoo takes it, to which slashes at the end mean nothing.
func (c *Call) route() string {
	if n := len(c.Path); n > 1 && c.Path[n-1] == '/' {
		return strings.TrimRight(c.Path, "/")
	}
	return c.Path
}
