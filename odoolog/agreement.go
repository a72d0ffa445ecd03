package odoolog

import (
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

// Counted reports whether a statement is one that Odoo counts. It counts the calls of cursor.execute that
// raise no error: savepoints are among them; BEGIN, COMMIT and ROLLBACK are not, which the driver sends, nor
// what its pool resets connections with, nor COPY, which has a method of its own.
func Counted(st *sqltrace.Statement) bool {
	switch st.Kind {
	case sqltrace.Query, sqltrace.Savepoint, sqltrace.Other:
		return st.SQLState == ""
	}
	return false
}

// AgreementConfig bounds an Agreement. Its zero value works.
type AgreementConfig struct {
	// Wait is how long a call waits for its line and a line for its call, in their own time. It must be
	// longer than the analyzer's windows. Defaults to one minute.
	Wait time.Duration
	// Apart is how far the time of a line may be from the first byte of the answer. Defaults to one second.
	Apart time.Duration
	// Blur is within what time answers to the same path may be told in another order by the log than by the
	// wire. They agree if their numbers agree in any order. Defaults to 50 ms.
	Blur time.Duration
	// Pending bounds the calls and lines that wait, each. Defaults to 100,000.
	Pending int
	// Recent is how many of the last comparisons Figures.Recent tells of. Defaults to 1000.
	Recent int
}

func (c AgreementConfig) withDefaults() AgreementConfig {
	if c.Wait <= 0 {
		c.Wait = time.Minute
	}
	if c.Apart <= 0 {
		c.Apart = time.Second
	}
	if c.Blur <= 0 {
		c.Blur = 50 * time.Millisecond
	}
	if c.Pending <= 0 {
		c.Pending = 100_000
	}
	if c.Recent <= 0 {
		c.Recent = 1000
	}
	return c
}

// Figures tell how far the log and perfd agree.
type Figures struct {
	Compared    int64 // calls with their lines
	Equal       int64 // of those, with the same number of statements
	More, Fewer int64 // of the others, those to which perfd gave more or fewer than Odoo counts
	Off         int64 // statements by which these differ
	Ours, Odoos int64 // statements of all that were compared
	Matched     int64 // calls with lines, those without a number included
	OnlySeen    int64 // calls without a line
	OnlyLogged  int64 // lines without a call
	Damaged     int64 // calls that are not compared: the recording lacked something of them
	Dropped     int64 // calls and lines beyond Pending
	// Recent is the share of equal ones among the last RecentN that were compared.
	Recent  float64
	RecentN int
}

// Share is the share of compared calls that are equal, and whether any was compared.
func (f Figures) Share() (float64, bool) {
	if f.Compared == 0 {
		return 0, false
	}
	return float64(f.Equal) / float64(f.Compared), true
}

// Agreement compares calls with the lines of the log. It is an analyzer.Sink and a Sink, and safe for
// concurrent use.
type Agreement struct {
	cfg AgreementConfig

	mu           sync.Mutex
	seen, told   map[key][]side
	nSeen, nTold int
	now          time.Time // the latest time met
	settled      time.Time // up to which all is compared
	figures      Figures
	recent       []bool
	at           int
}

// key is what a call and its line have in common.
type key struct {
	path   string
	status int
}

// side is a call or a line.
type side struct {
	at      time.Time
	n       int
	counted bool
	damaged bool
}

var (
	_ analyzer.Sink = (*Agreement)(nil)
	_ Sink          = (*Agreement)(nil)
)

// NewAgreement returns an Agreement that has compared nothing.
func NewAgreement(cfg AgreementConfig) *Agreement {
	return &Agreement{cfg: cfg.withDefaults(), seen: map[key][]side{}, told: map[key][]side{}}
}

// Figures returns what was compared so far.
func (a *Agreement) Figures() Figures {
	a.mu.Lock()
	defer a.mu.Unlock()
	f := a.figures
	equal := 0
	for _, ok := range a.recent {
		if ok {
			equal++
		}
	}
	if f.RecentN = len(a.recent); f.RecentN > 0 {
		f.Recent = float64(equal) / float64(f.RecentN)
	}
	return f
}

// Trace takes a call with the statements that were given to it. It never fails.
func (a *Agreement) Trace(t *analyzer.Trace) error {
	c := t.Call
	if c.Class != rpclog.Ordinary || c.First.IsZero() || c.Path == "" {
		return nil
	}
	s := side{at: c.First, counted: true, damaged: c.Gaps != 0}
	for i := range t.Spans {
		if Counted(t.Spans[i].Statement) {
			s.n++
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.add(a.seen, &a.nSeen, key{pathOf(c.Path), c.Status}, s)
	return nil
}

// Background takes what belongs to no call.
func (a *Agreement) Background(*analyzer.Background) error { return nil }

// Request takes a line.
func (a *Agreement) Request(r *Request) {
	if r.Method != "" || r.Status == 101 || strings.HasPrefix(r.Path, "/longpolling/") || strings.HasPrefix(r.Path, "/websocket") {
		return // the HTTP server has a line for the same call; or it is no ordinary one
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.add(a.told, &a.nTold, key{pathOf(r.Path), r.Status}, side{at: r.At, n: r.Queries, counted: r.Counted})
}

// Job takes what belongs to no call.
func (a *Agreement) Job(*Job) {}

// Worker takes what belongs to no call.
func (a *Agreement) Worker(*Worker) {}

// pathOf is a path as the log has it, which resolves escapes.
func pathOf(p string) string {
	if strings.IndexByte(p, '%') >= 0 {
		if s, err := url.PathUnescape(p); err == nil {
			return s
		}
	}
	return p
}

func (a *Agreement) add(to map[key][]side, n *int, k key, s side) {
	if *n >= a.cfg.Pending {
		a.figures.Dropped++
		return
	}
	*n++
	to[k] = append(to[k], s)
	a.advance(s.at)
}

// Advance says that time moves on without calls and lines.
func (a *Agreement) Advance(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.advance(now)
}

// Flush compares all there is.
func (a *Agreement) Flush() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.settle(a.now.Add(a.cfg.Wait))
}

// advance compares what waited long enough, a tenth of the time to wait at once.
func (a *Agreement) advance(now time.Time) {
	if now.After(a.now) {
		a.now = now
	}
	if limit := a.now.Add(-a.cfg.Wait); limit.Sub(a.settled) > a.cfg.Wait/10 {
		a.settle(limit)
	}
}

// settle compares what is older than limit.
func (a *Agreement) settle(limit time.Time) {
	a.settled = limit
	for k, calls := range a.seen {
		lines := a.told[k]
		a.match(k, calls, lines, limit)
	}
	for k, lines := range a.told {
		if len(a.seen[k]) == 0 {
			a.match(k, nil, lines, limit)
		}
	}
}
