package analyzer

import (
	"net/netip"
	"time"

	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

// Evidence is the ground on which a statement was given to a call, best last.
type Evidence uint8

// Kinds of evidence.
const (
	None      Evidence = iota // not given to any call
	Timing                    // joint assignment by time, order and pool behaviour
	Content                   // values shared by the statement and the call decided
	Exclusive                 // only one call was open that could own the lease
	Process                   // the operating system named the owner
)

var evidenceNames = [...]string{"none", "timing", "content", "exclusive", "process"}

// String returns the name used in the trace format.
func (e Evidence) String() string { return evidenceNames[e] }

// Exact reports whether the evidence leaves no other owner possible.
func (e Evidence) Exact() bool { return e >= Exclusive }

// Span is one statement within a call or a background group.
type Span struct {
	Statement   *sqltrace.Statement
	Lease       int // index of the lease within the trace, from 0
	By          Evidence
	Probability float64 // that the attribution is right, 0 to 1
}

// Breakdown splits the time between a call's first request byte and last response byte. The parts do not
// overlap and add up to the total; what cannot be told stands in Unknown.
type Breakdown struct {
	Wait        time.Duration // for a worker, or a turn among threads: request complete to first sign of work
	Application time.Duration
	SQL         time.Duration // union of the intervals of the call's statements
	Lock        time.Duration // statements' time that was most likely a lock wait
	Retry       time.Duration // asleep between tries after a serialization failure
	Transfer    time.Duration // request and response bytes in transit
	Unknown     time.Duration
}

// Hop is the outer side of a call that crossed a recorded reverse proxy.
type Hop struct {
	Client, Server netip.AddrPort
	Start, End     time.Time
}

// Serving is how the process that ran a call's statements serves calls.
type Serving uint8

// Kinds of serving.
const (
	ServingUnknown Serving = iota
	ServingWorkers         // one call at a time, beside other processes (Odoo: prefork)
	ServingThreads         // several calls at once
	servings
)

// Trace is a call with everything that belongs to it. Slices are never nil.
type Trace struct {
	Call     *rpclog.Call
	Front    *Hop // nil unless a reverse proxy was recorded too
	Serving  Serving
	Spans    []Span
	Time     Breakdown
	Findings []Finding
}

// Background is a lease or a connection's statements that no call owns.
type Background struct {
	Session    *sqltrace.Session
	Group      string // cron, bus, websocket, listen, client, unattributed
	Start, End time.Time
	Spans      []Span
}

// Finding is one thing that makes a call slow or wrong, with what proves it.
type Finding struct {
	Rule  string // stable name, as n-plus-one
	Title string // one sentence with the figures
	Fix   string // one sentence: what to change
	Cost  time.Duration
	Spans []int // indices into Trace.Spans
}

// Sink receives results in order of start time.
type Sink interface {
	Trace(*Trace) error
	Background(*Background) error
}

// Rule finds one kind of problem in a trace. It is pure.
type Rule interface {
	Name() string
	Check(*Trace) []Finding
}
