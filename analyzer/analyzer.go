package analyzer

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

// Config tunes the analyzer. The zero value works.
type Config struct {
	// Leases is the number of leases that are assigned together. What one window teaches serves the next,
	// so more of them make no better answers; they cost memory and time. A busy recording is cut after
	// twice as many even where calls are open. Defaults to 400.
	Leases int
	// Statements bounds the statements of such a stretch likewise. Defaults to 30,000.
	Statements int
	// LeaseStatements bounds the statements of one lease; a longer one is cut. Defaults to 20,000.
	LeaseStatements int
	// Rules are the findings to look for. Defaults to DefaultRules.
	Rules []Rule
	// Live is for a server that is being watched: Advance delivers calls soon after their end, in order of
	// their end as far as that, and not of their start.
	Live bool
	// Grace is how long after a call's end its statements may still arrive, and what a witness saw of them.
	// With Live alone. Defaults to 250 ms.
	Grace time.Duration
	// Patience is the same where other calls are still open and no witness tells whose statements they are.
	// Defaults to 700 ms.
	Patience time.Duration
	// Late says that statements come later than the calls they are of, as those of a log do: what Advance is told is
	// up to when they are known, and nothing is cut before unless memory asks for it.
	Late bool
	// Witness is asked which threads used which connections. Defaults to none.
	Witness Witness
	// Disordered is asked, by the goroutine that hands over calls and statements, whether packets were given their times
	// after their order was lost: nothing is beyond doubt then, and every call is marked. Defaults to no.
	Disordered func() bool
	// Time bounds what the split of a call's time may conclude.
	Time TimeConfig
}

func (c Config) withDefaults() Config {
	c.Leases = cmp.Or(c.Leases, 400)
	c.Statements = cmp.Or(c.Statements, 30_000)
	c.LeaseStatements = cmp.Or(c.LeaseStatements, 20_000)
	c.Patience = cmp.Or(c.Patience, 700*time.Millisecond)
	c.Grace = cmp.Or(c.Grace, 250*time.Millisecond)
	if c.Disordered == nil {
		c.Disordered = func() bool { return false }
	}
	return c
}

// Analyzer attributes statements to calls and delivers traces. It takes calls and statements in capture
// order from one goroutine, collects them into windows, and solves each window on a goroutine of its own
// while the next one fills.
type Analyzer struct {
	cfg      Config
	identify func(*rpclog.Call)
	dict     sqltrace.Dictionary

	open    map[*rpclog.Call]struct{}
	calls   []*rpclog.Call   // ended, not yet assigned
	sockets []rpclog.Message // client frames
	leases  []*lease         // closed, not yet assigned
	conns   map[*sqltrace.Session]*leaseBuilder
	pending int // statements of leases and conns
	handed  int // leases already handed over for preparation

	resets map[sqltrace.Fingerprint]bool // reset shapes: is it DISCARD ALL?
	solver *solver
	jobs   chan job
	back   chan []*lease // leases that a solved window hands to the next one
	busy   bool
	cutAt  time.Time // of the last Advance that delivered
}

var (
	_ rpclog.Sink   = (*Analyzer)(nil)
	_ sqltrace.Sink = (*Analyzer)(nil)
)

// job is a window to solve, or, where prepare is set, leases of the next window to prepare.
type job struct {
	prepare []*lease

	ended   []*rpclog.Call
	open    []*rpclog.Call // copies
	sockets []rpclog.Message
	leases  []*lease
	under   []*lease  // copies of those still under way; for a server that is being watched
	doubted bool      // packets were given times after their order was lost
	hurry   bool      // more comes than can be solved well
	now     time.Time // of the cut; zero for a file
	hold    int64     // results that start later wait: an older call may still end
}

// New returns an analyzer that resolves shapes by dict, users by identify (which may be nil), and delivers
// to sink. Flush must be called at the end.
func New(cfg Config, dict sqltrace.Dictionary, identify func(*rpclog.Call), sink Sink) *Analyzer {
	cfg = cfg.withDefaults()
	if cfg.Rules == nil {
		cfg.Rules = DefaultRules(dict, RuleConfig{})
	}
	if identify == nil {
		identify = func(*rpclog.Call) {}
	}
	a := &Analyzer{
		cfg: cfg, identify: identify, dict: dict,
		open:   map[*rpclog.Call]struct{}{},
		conns:  map[*sqltrace.Session]*leaseBuilder{},
		resets: map[sqltrace.Fingerprint]bool{},
		solver: newSolver(cfg, dict, sink),
		jobs:   make(chan job, 4),
		back:   make(chan []*lease, 1),
	}
	go a.run()
	return a
}

// run solves windows until the jobs end.
func (a *Analyzer) run() {
	defer close(a.back)
	for j := range a.jobs {
		if j.prepare != nil {
			for _, l := range j.prepare {
				a.solver.prepare(l)
			}
			continue
		}
		a.back <- a.solver.solve(j)
	}
}

// Begin implements rpclog.Sink.
func (a *Analyzer) Begin(c *rpclog.Call) { a.open[c] = struct{}{} }

// End implements rpclog.Sink.
func (a *Analyzer) End(c *rpclog.Call) {
	delete(a.open, c)
	if c.Class == rpclog.Poll {
		return
	}
	a.calls = append(a.calls, c)
	a.consider()
}

// Message implements rpclog.Sink.
func (a *Analyzer) Message(m rpclog.Message) {
	if m.Dir == capture.ToServer && (m.Opcode == 1 || m.Opcode == 2) {
		a.sockets = append(a.sockets, m)
	}
}

// Opened implements sqltrace.Sink.
func (a *Analyzer) Opened(s *sqltrace.Session) {
	b := &leaseBuilder{session: s}
	a.conns[s] = b
	if !s.Joined {
		b.open(s.Opened.UnixNano())
	}
}

// Statement implements sqltrace.Sink.
func (a *Analyzer) Statement(s *sqltrace.Statement) {
	b := a.conns[s.Session]
	if b == nil {
		b = &leaseBuilder{session: s.Session}
		a.conns[s.Session] = b
	}
	a.pending++
	before := len(a.leases)
	if l := b.add(s, a.discards(s)); l != nil {
		a.leases = append(a.leases, l)
	}
	if n := len(b.current.statements); n >= a.cfg.LeaseStatements || a.crowded() && n*len(a.conns) >= a.cfg.Statements {
		a.leases = append(a.leases, b.close())
	}
	if len(a.leases) > before {
		a.consider()
	}
}

// crowded reports whether so much is held that leases cannot be waited for to end, as where many connections run long
// transactions at once.
func (a *Analyzer) crowded() bool {
	const crowd = 4
	return a.pending >= crowd*a.cfg.Statements
}

func (a *Analyzer) discards(s *sqltrace.Statement) bool {
	if s.Kind != sqltrace.Reset {
		return false
	}
	is, known := a.resets[s.Fingerprint]
	if !known {
		is = markersOf(a.dict.Shape(s.Fingerprint))&markDiscard != 0
		a.resets[s.Fingerprint] = is
	}
	return is
}

// Closed implements sqltrace.Sink.
func (a *Analyzer) Closed(s *sqltrace.Session, _ time.Time) {
	if b := a.conns[s]; b != nil {
		if l := b.close(); l != nil {
			a.leases = append(a.leases, l)
		}
		delete(a.conns, s)
	}
}

// consider cuts the window where it is full: at the first moment without open calls, or anyway when it is
// full twice over.
func (a *Analyzer) consider() {
	const batch = 128 // leases prepared at a time, while decoding goes on
	if n := len(a.leases); n-a.handed >= batch {
		a.jobs <- job{prepare: slices.Clone(a.leases[a.handed:n])}
		a.handed = n
	}
	full := max(len(a.leases)*100/a.cfg.Leases, a.pending*100/a.cfg.Statements, len(a.calls)*100/a.cfg.Leases)
	if a.cfg.Late {
		full /= 8
	}
	if full >= 200 || full >= 100 && len(a.open) == 0 {
		a.cut()
	}
}

// cut hands everything collected to the solver.
func (a *Analyzer) cut() {
	j := job{ended: a.calls}
	if a.cfg.Live && a.busy {
		select {
		case left := <-a.back:
			a.take(left)
		default:
			j.hurry = true
		}
	}
	a.await()
	a.hand(j, nil)
}

// Advance tells the time while a server is watched: what ended long enough before is delivered, unless the
// window before it is still being solved.
func (a *Analyzer) Advance(now time.Time) {
	if !a.cfg.Live || a.idle(now) {
		return
	}
	if a.busy {
		select {
		case left := <-a.back:
			a.take(left)
		default:
			return
		}
	}
	j := job{now: now}
	var recent []*rpclog.Call
	for _, c := range a.calls {
		if at := c.End; at.IsZero() || now.Sub(at) >= a.cfg.Grace {
			j.ended = append(j.ended, c)
		} else {
			recent = append(recent, c)
		}
	}
	a.hand(j, recent)
	a.cutAt = now
}

// idle reports whether there is nothing to deliver yet. Calls that overlap tell of one another, so where no
// witness does they are given more time to end.
func (a *Analyzer) idle(now time.Time) bool {
	wait := a.cfg.Grace
	if a.cfg.Witness == nil && len(a.open) > 0 {
		wait = a.cfg.Patience
	}
	for _, c := range a.calls {
		if c.End.IsZero() || now.Sub(c.End) >= wait {
			return false
		}
	}
	const linger = 2 * time.Second // statements of no call may wait longer
	return a.pending == 0 || now.Sub(a.cutAt) < linger
}

// hand gives a job the leases, and everything that is under way. Calls that are kept for the next job take
// part as calls still open.
func (a *Analyzer) hand(j job, keep []*rpclog.Call) {
	for _, b := range a.conns {
		if b.idle() && (j.now.IsZero() || b.quiet(j.now.Add(-a.cfg.Grace/2)) || b.runs(j.now.Add(-a.cfg.Patience))) {
			if l := b.close(); l != nil {
				a.leases = append(a.leases, l)
			}
		}
	}
	j.sockets, j.leases, j.hold, j.doubted = a.sockets, a.leases, math.MaxInt64, a.cfg.Disordered()
	open := func(c *rpclog.Call) {
		copied := *c
		copied.Request, copied.Response = c.Request.Clone(), c.Response.Clone()
		j.open = append(j.open, &copied)
		j.hold = min(j.hold, c.Start.UnixNano())
	}
	for c := range a.open {
		open(c)
	}
	for _, c := range keep {
		open(c)
	}
	for s, b := range a.conns {
		if at := s.Waiting; !at.IsZero() && !s.Replication {
			j.hold = min(j.hold, at.UnixNano())
		}
		if b.current != nil {
			j.hold = min(j.hold, b.current.start)
			if !j.now.IsZero() && len(b.current.statements) > 0 {
				j.under = append(j.under, b.soFar(j.now))
			}
		}
	}
	for _, list := range [][]*rpclog.Call{j.ended, j.open} {
		for _, c := range list {
			a.identify(c)
		}
		// By start and not by ID alone: a connection joined mid-stream is claimed late.
		slices.SortFunc(list, func(x, y *rpclog.Call) int { return cmp.Or(x.Start.Compare(y.Start), cmp.Compare(x.ID, y.ID)) })
	}
	a.calls, a.sockets, a.leases, a.pending, a.handed = keep, nil, nil, 0, 0
	for _, b := range a.conns {
		if b.current != nil {
			a.pending += len(b.current.statements)
		}
	}
	a.busy = true
	a.jobs <- j
}

// await takes back what the window under way leaves over.
func (a *Analyzer) await() {
	if a.busy {
		a.take(<-a.back)
	}
}

func (a *Analyzer) take(left []*lease) {
	a.leases = append(left, a.leases...)
	a.handed += len(left)
	a.busy = false
}

// Flush assigns and delivers everything that is left, and returns the first error of the sink. Nothing may
// be given to the analyzer afterwards. Calls still open must have been ended by their decoder.
func (a *Analyzer) Flush() error {
	for s := range a.conns {
		a.Closed(s, time.Time{})
	}
	a.open = map[*rpclog.Call]struct{}{}
	a.cut()
	a.await()
	close(a.jobs)
	<-a.back
	return a.solver.finish()
}
