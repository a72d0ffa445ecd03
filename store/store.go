// Package store keeps what the analyzer found, so that it can be read again by time range, session, user,
// method, fingerprint and duration without the capture.
//
// A Writer takes traces as the analyzer delivers them; a Reader answers questions about a recording,
// finished or growing. SQLite, embedded and in pure Go, is the implementation. What can be computed from rows
// (percentiles, histograms, groups) is computed here once, over any Reader, and not in SQL: another
// database needs to bring the few methods of Reader only. storetest holds the suite it has to pass.
package store

import (
	"context"
	"errors"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

// ErrNotFound is returned for an id or fingerprint that the store does not hold.
var ErrNotFound = errors.New("not found")

// ErrFull is returned while the disk is full, or a limit of the file is reached. What was to be written is lost
// and counted; writing goes on as soon as there is room.
var ErrFull = errors.New("no room left")

// ErrInUse is returned by Append for a store that another process is writing.
var ErrInUse = errors.New("in use by another writer")

// Error is a failure that a person has to mend; Hint says how.
type Error struct {
	Op   string // what was tried, as "open store"
	Path string
	Hint string
	Err  error
}

func (e *Error) Error() string { return e.Op + " " + e.Path + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Config bounds a store. The zero value works.
type Config struct {
	// Batch is the number of traces and background groups written in one transaction. Defaults to 500, and to
	// 5,000 for Append, where FlushEvery ends most transactions.
	Batch int
	// Replace lets Create remove an existing perfd store at the path. Defaults to false: Create fails then.
	Replace bool
	// CacheCalls is the most calls of a complete recording that a reader holds in memory, some 120 bytes each;
	// those of a longer one are read from the file each time. Defaults to 400,000; negative: none.
	CacheCalls int

	// FlushEvery is how often Tick commits. Defaults to 500 ms.
	FlushEvery time.Duration
	// MaxAge of calls and background; older ones are deleted. Defaults to 72 h; negative: for ever.
	MaxAge time.Duration
	// MaxTrendAge is the same for trends. Defaults to 90 days.
	MaxTrendAge time.Duration
	// MaxBytes bounds the file of a live store: at nine tenths of it the oldest calls go. Defaults to 4 GiB; negative: none.
	MaxBytes int64
	// MaxLogBytes bounds the write-ahead log beside the file: where a reader keeps it from being folded into
	// the file, it grows to this, and then traces are lost until the reader lets go. Defaults to a quarter of
	// MaxBytes, at least 64 MiB.
	MaxLogBytes int64
	// TrendMethods is the most methods of which an hour's trends are kept apart; the others are summed up
	// together. Defaults to 500.
	TrendMethods int
}

func (c Config) orDefaults() Config {
	if c.Batch <= 0 {
		c.Batch = 500
	}
	if c.CacheCalls == 0 {
		c.CacheCalls = defaultCacheCalls
	}
	if c.FlushEvery <= 0 {
		c.FlushEvery = 500 * time.Millisecond
	}
	if c.MaxAge == 0 {
		c.MaxAge = 72 * time.Hour
	}
	if c.MaxTrendAge == 0 {
		c.MaxTrendAge = 90 * 24 * time.Hour
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 4 << 30
	}
	if c.MaxLogBytes <= 0 {
		c.MaxLogBytes = max(c.MaxBytes/4, 64<<20)
	}
	if c.TrendMethods <= 0 {
		c.TrendMethods = 500
	}
	return c
}

// Source says where a recording came from.
type Source struct {
	Version string   `json:"version"` // of perfd, which made the store
	Files   []string `json:"files"`   // base names of the captures
	// Agreement is that with the application server's own log, of the last watch that followed one. Stores of
	// before it was kept have none.
	Agreement *Agreement `json:"agreement,omitempty"`
}

// Agreement says in how many calls as many statements were seen as the application server counts in its log.
type Agreement struct {
	Compared int64 `json:"compared"`
	Equal    int64 `json:"equal"`
}

// Recording is what a store holds of a recording as a whole.
type Recording struct {
	Source
	Summary  analyzer.Summary
	Counts   Counts
	Complete bool // false while it is being written, and for ever if the writer did not finish
	Live     bool // made by Append: what it holds changes with time, and old calls go
}

// WriterState is what is known of the writer of a store that is not complete.
type WriterState uint8

// States of a writer.
const (
	WriterUnknown WriterState = iota // there is no lock to ask: the store may be a copy, or written elsewhere
	WriterAtWork                     // a process writes the store now
	WriterGone                       // it was killed, or its machine was
)

// Counts are totals over the whole recording.
type Counts struct {
	Calls, Ordinary, Errors                int64 // errors among ordinary calls
	Users, Sessions, Methods, Models       int64
	Shapes, Findings, Background, Backends int64
	Statements, Attributed, Exact          int64
	Rules                                  []string
	First, Last                            time.Time // first start and last end of anything stored; zero if empty
}

// Writer takes the results of one recording. It is used by one goroutine.
type Writer interface {
	analyzer.Sink
	// Finish stores the summary and makes the recording complete. No Trace or Background may follow.
	Finish(Source, analyzer.Summary) error
	// Close releases the store; what was written before is kept, finished or not.
	Close() error
}

// Reader answers questions about one recording, finished or not. It is safe for concurrent use. An answer is
// of one moment: what is committed while it is being made does not show.
type Reader interface {
	// State returns a number that differs after every change of what the store holds.
	State(context.Context) (int64, error)
	// LastCall returns the highest id ever given to a call, 0 before the first one.
	LastCall(context.Context) (rpclog.CallID, error)
	// Recording returns the recording's source, summary and totals.
	Recording(context.Context) (Recording, error)
	// Calls returns one page of the calls that match, and how many match in all.
	Calls(context.Context, Filter, Page) ([]Call, int64, error)
	// Call returns a call with all that belongs to it, or ErrNotFound.
	Call(context.Context, rpclog.CallID) (*Detail, error)
	// Neighbours returns the calls before and after the given one in the list that the filter and the
	// page's sort make; 0 for none.
	Neighbours(context.Context, rpclog.CallID, Filter, Page) (prev, next rpclog.CallID, err error)
	// Scan passes the matching calls to yield in order of start. The Brief is valid during the call only.
	Scan(context.Context, Filter, func(*Brief)) error
	// Spans passes the spans of the matching calls to yield, call by call in order of start, shapes
	// resolved. The slice is valid during the call only.
	Spans(context.Context, Filter, func(*Brief, []Span)) error
	// Findings passes the findings of the matching calls to yield, in order of call and place.
	Findings(context.Context, Filter, func(*Brief, Finding)) error
	// Background returns the statements that no call owns; a zero Page.Limit means all of them.
	Background(context.Context, BackgroundFilter, Page) ([]Background, int64, error)
	// BackgroundSpans passes the spans of the matching groups to yield, in order of start.
	BackgroundSpans(context.Context, BackgroundFilter, func(*Background, []Span)) error
	// Hours passes the trends that match to yield, in order of hour and method. They reach back further than
	// the calls. The Hour is valid during the call only.
	Hours(context.Context, TrendFilter, func(*Hour) error) error
	// Close releases what the reader holds.
	Close() error
}

// Error states of Filter.Error and rules of Filter.Rule with a meaning of their own.
const (
	Any  = "any"
	None = "none" // of Filter.Error only
)

// Filter picks calls. Its zero value picks the ordinary ones. Values within a field are alternatives;
// fields restrict one another.
type Filter struct {
	From, To time.Time     // calls that start in [From, To); zero: open
	Overlap  bool          // calls that overlap [From, To) instead
	After    rpclog.CallID // calls with a higher id: of a live store those that were written later
	Until    rpclog.CallID // calls with no higher id: a live store as it was when that one was written; 0: all

	Users    []string            // login, uid in decimal, "uid N", or "" for calls without a user
	Methods  []string            // name as analyzer.MethodOf makes it, or the bare method
	Models   []string            // model
	Sessions []rpclog.SessionKey // 0: calls without a session
	Shapes   []sqltrace.Fingerprint
	Rules    []string // rule names, or Any
	Errors   []string // RPC error names, Any or None

	Min, Max time.Duration // duration in [Min, Max); a zero Max is open
	Text     string        // every word occurs in path, name, login or error
	Classes  []rpclog.Class
	AllCalls bool // every class; Classes is ignored
}

// Narrow reports whether the filter asks for more than a time range and a class, so that statements that
// belong to no call cannot match.
func (f *Filter) Narrow() bool {
	return len(f.Users)+len(f.Methods)+len(f.Models)+len(f.Sessions)+len(f.Shapes)+len(f.Rules)+len(f.Errors) > 0 ||
		f.Min > 0 || f.Max > 0 || f.Text != ""
}

// BackgroundFilter picks background groups. Its zero value picks all.
type BackgroundFilter struct {
	ID       int64 // of one group; 0: any
	From, To time.Time
	Groups   []string // cron, bus, …
}

// Page picks and orders a part of a list. Ties are broken by id, so that pages never overlap.
type Page struct {
	Sort   string // a sort key of the list; empty: start
	Desc   bool
	Offset int
	Limit  int
}

// Brief is what aggregates need of a call.
type Brief struct {
	ID         rpclog.CallID
	Start      time.Time
	Duration   time.Duration
	Name       string // as analyzer.MethodOf makes it
	Model      string
	Method     string
	User       string // see UserName
	UID        int64
	Login      string
	Session    rpclog.SessionKey
	Host       string // client's address without port
	Class      rpclog.Class
	Failed     bool
	Statements int64
	Time       analyzer.Breakdown
}

// Call is a row of the list of calls.
type Call struct {
	Brief
	Transport                   rpclog.Transport
	Verb, Path, Service         string
	Database                    string
	Client, Server              string
	Head, Sent, First           time.Duration // offsets from Start; negative while unknown
	Status                      int
	Error                       string
	IDs                         int64
	RequestBytes, ResponseBytes int64
	Gaps                        rpclog.Gap
	Findings                    []string // rules, sorted
	Probability                 float64  // lowest of the spans'; 1 without any
	Counted                     bool     // its statements were counted and not kept: Spans and Findings are empty
}

// Detail is a call with all that belongs to it.
type Detail struct {
	Call
	Front    *Front
	Leases   []Backend
	Spans    []Span
	Findings []Finding
}

// Front is the outer side of a call that crossed a recorded reverse proxy.
type Front struct {
	Client, Server string
	Start, End     time.Duration // offsets from the call's start
}

// Backend is a PostgreSQL connection as far as it was seen.
type Backend struct {
	Client, Server              string
	Database, User, Application string
	PID                         int32
}

// Span is one stored statement.
type Span struct {
	Start        time.Duration // offset from the call's or group's start
	First        time.Duration // offset of the first row or tag from the span's start; negative if unknown
	Duration     time.Duration
	Lease        int // index into Detail.Leases
	Kind         sqltrace.Kind
	Shape        *sqltrace.Shape // never nil
	Duplicate    int             // 1, 2, …: equal exact texts within the call; 0: this text ran once
	Rows         int64           // -1 if the command tag named none
	TextBytes    int64
	In, Out      int64
	SQLState     string
	Tx           byte
	Extended     bool
	Gaps         sqltrace.Gap
	By           analyzer.Evidence
	Probability  float64 // kept to a ten-thousandth
	shape, dupOf uint64
}

// Finding is one stored finding.
type Finding struct {
	Rule, Title, Fix string
	Cost             time.Duration
	Spans            []int // indices into Detail.Spans
	// Shape of the first of Spans, as Reader.Findings gives it; nil for a finding that is about no statement.
	Shape *sqltrace.Shape
}

// Background is a lease or connection whose statements no call owns.
type Background struct {
	ID         int64
	Start      time.Time
	Duration   time.Duration
	Kind       string // cron, bus, …
	Backend    Backend
	Statements int64
	SQL        time.Duration // sum of the statements' durations
}
