package analyzer

import (
	"time"

	"github.com/perfd/perfd/sqltrace"
)

// Summary is what a recording amounts to. All slices are sorted by Total, greatest first.
type Summary struct {
	From, To time.Time

	Calls, Errors                    int64
	Statements, Attributed, Exact    int64
	Packets, Bytes, LostBytes, Gaps  int64
	Total                            Breakdown     // over all ordinary calls
	Waited                           time.Duration // sum of the ordinary calls' durations
	Methods, Models, Users, Sessions []Group
	Shapes                           []ShapeGroup
	Findings                         []FindingGroup
	Notices                          []Notice // what the recording lacked
	Serious                          int      // notices, the first ones, that the figures cannot be read without
	Sure                             float64  // mean probability of the attributed statements that are not exact; 0 without any
	Partial                          string   // why reading ended early; empty if it did not
}

// Group sums up the calls that share a key.
type Group struct {
	Key           string // model.method, model, login or uid, session
	Calls, Errors int64
	Statements    int64
	Total         time.Duration
	P50, P95, P99 time.Duration
	Max           time.Duration
	Time          Breakdown
}

// ShapeGroup sums up the statements of one fingerprint.
type ShapeGroup struct {
	Fingerprint   uint64
	Text          string
	Tables        []string `json:",omitempty"` // named in it, and the one it writes
	Written       string   `json:",omitempty"`
	Statements    int64
	Calls         int64 // distinct calls that ran it
	Rows, Bytes   int64
	Errors        int64
	Total         time.Duration
	P50, P95, P99 time.Duration
	Max           time.Duration
	Background    time.Duration // part of Total that no call owns
	Methods       []string      // those that ran it most, at most five
}

// Name names the statement.
func (g *ShapeGroup) Name() sqltrace.Name {
	if g.Tables == nil && g.Written == "" { // it has none, or was stored without
		return sqltrace.NameOf(g.Text)
	}
	return sqltrace.Shape{Text: g.Text, Tables: g.Tables, Written: g.Written}.Name()
}

// FindingGroup sums up the findings of one rule on one method (and shape).
type FindingGroup struct {
	Rule, Method, Title, Fix string
	Calls                    int64
	Cost                     time.Duration
	Example                  uint64 // CallID of the costliest
}

// Notice tells something that the recording lacks, and what mends it.
type Notice struct {
	Title, Fix string
}
