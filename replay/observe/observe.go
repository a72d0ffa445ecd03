// Package observe explains a replay by what a tap at the target saw meanwhile: where the time of the calls went in each
// arm, method by method, and on which statements.
//
// What the tap sees is given to an arm by its time alone: to the pass that was being sent when a call began. Of the calls
// seen in a pass those count that the pass sent, by their method; the rest, as log-ins and the work of others, is counted
// apart. Times are the server's, from the first byte of the request to the last of the answer, so that the parts of a
// call's time add up to it.
package observe

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/replay"
	"github.com/perfd/perfd/replay/compare"
	"github.com/perfd/perfd/replay/load"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

// Config bounds a study. Its zero value works.
type Config struct {
	// MaxMethods told apart; the rest are of the method "other". Defaults to 1,000.
	MaxMethods int
	// MaxStatements told apart, those of each method counted by themselves; further ones take part in sums alone.
	// Defaults to 50,000.
	MaxStatements int
	// MaxRounds is the number of amounts that are kept by round, one for each method, round and arm. What exceeds it has
	// no interval. Defaults to 100,000.
	MaxRounds int
	// Top is the number of statements listed of all calls, and TopOfMethod of each method. Default to 20 and 3.
	Top, TopOfMethod int
}

func (c Config) defaults() Config {
	c.MaxMethods = cmp.Or(c.MaxMethods, 1000)
	c.MaxStatements = cmp.Or(c.MaxStatements, 50_000)
	c.MaxRounds = cmp.Or(c.MaxRounds, 100_000)
	c.Top = cmp.Or(c.Top, 20)
	c.TopOfMethod = cmp.Or(c.TopOfMethod, 3)
	return c
}

// Study takes what a tap saw and the passes in which it did. It is safe for concurrent use: passes are told by whoever
// sends them, traces come when they are ready, which is later.
type Study struct {
	cfg  Config
	dict sqltrace.Dictionary

	mu         sync.Mutex
	passes     []pass // in order of time
	methods    map[string]*method
	sides      [2]Side
	tails      [2]tails
	current    *stage // of the pass that is being sent, until it is known whether it is sent to its end
	statements int    // told apart, over all methods
	rounds     int    // amounts kept by round
	beyond     int64
}

// pass is when a pass was sent.
type pass struct {
	arm      compare.Arm
	round    int
	from, to time.Time // to is zero while it is being sent
	dropped  bool
}

// stage is what is known of one pass.
type stage struct {
	methods map[string]*method
	side    Side
	tails   tails
}

var _ analyzer.Sink = (*Study)(nil)

// New returns a study that has seen nothing. dict has the texts of statements.
func New(c Config, dict sqltrace.Dictionary) *Study {
	return &Study{cfg: c.defaults(), dict: dict, methods: map[string]*method{}, tails: [2]tails{newTails(), newTails()}}
}

// quantity is something of a call that is averaged.
type quantity uint8

const (
	duration quantity = iota
	inSQL
	inLocks
	inRetries
	inWait
	inApplication
	inTransfer
	inUnknown
	statements
	rows
	quantities
)

// amounts are a call's, or the sums of calls'; times in seconds.
type amounts [quantities]float64

func (f *amounts) add(o *amounts) {
	for i, x := range o {
		f[i] += x
	}
}

// sums are those of calls that did not fail.
type sums struct {
	calls int64
	amounts
}

type roundKey struct {
	round int
	arm   compare.Arm
}

// method is what is known of a method.
type method struct {
	sent   [2]int64
	calls  [2]Calls
	all    [2]sums
	rounds map[roundKey]*sums
	by     map[sqltrace.Fingerprint]*[2]use
}

// use is what statements of a shape came to.
type use struct {
	calls, rows int64
	seconds     float64
}

func (u *use) add(o use) {
	u.calls += o.calls
	u.rows += o.rows
	u.seconds += o.seconds
}

// Begin says that a pass is being sent from now on.
func (s *Study) Begin(arm compare.Arm, round int, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passes = append(s.passes, pass{arm: arm, round: round, from: now})
	s.current = &stage{methods: map[string]*method{}, side: Side{Passes: 1}, tails: newTails()}
}

// End says that it no longer is, how many packets the tap lost meanwhile, and whether it was sent to its end: else its calls
// are others than those of other passes, and it is forgotten.
func (s *Study) End(now time.Time, lost int64, whole bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		return
	}
	s.passes[len(s.passes)-1].to = now
	s.current.side.Lost += lost
	s.settle(whole)
}

// settle adds what is known of the pass that was being sent, or forgets it.
func (s *Study) settle(whole bool) {
	if s.current == nil {
		return
	}
	p, seen := &s.passes[len(s.passes)-1], s.current
	p.dropped, s.current = !whole, nil
	if p.arm == compare.Again {
		return
	}
	if !whole {
		for _, m := range seen.methods {
			s.statements -= len(m.by)
			s.rounds -= len(m.rounds)
		}
		return
	}
	for _, name := range slices.SortedFunc(maps.Keys(seen.methods), otherLast) {
		s.join(s.method(s.methods, name), seen.methods[name], p.arm)
	}
	s.sides[p.arm].add(&seen.side)
	s.tails[p.arm].merge(&seen.tails)
}

// join adds what a pass showed of a method, whose statements are told apart once.
func (s *Study) join(to, m *method, arm compare.Arm) {
	for f := range m.by {
		if to.by[f] != nil {
			s.statements--
		}
	}
	to.sent[arm] += m.sent[arm]
	to.merge(m)
}

// of is where what is seen in a pass is added: its own place while it is being sent.
func (s *Study) of(p *pass) (*Side, map[string]*method, *tails) {
	if s.current != nil && p == &s.passes[len(s.passes)-1] {
		return &s.current.side, s.current.methods, &s.current.tails
	}
	return &s.sides[p.arm], s.methods, &s.tails[p.arm]
}

// Sent says that the pass that is being sent sent a call, by replay.Result.Name. What a cache answered is not told.
func (s *Study) Sent(name string) {
	if strings.HasPrefix(name, "/") {
		name = analyzer.MethodOf(&rpclog.Call{Path: name})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		return
	}
	p := &s.passes[len(s.passes)-1]
	if p.arm == compare.Again {
		return
	}
	side, methods, _ := s.of(p)
	side.Sent++
	s.method(methods, name).sent[p.arm]++
}

// nameOf is what the replay calls a call that was seen.
func nameOf(c *rpclog.Call) string {
	if c.Model == "" && c.Service == "" {
		return analyzer.MethodOf(&rpclog.Call{Path: c.Path})
	}
	return replay.Name(&load.Call{Transport: c.Transport.String(), Service: c.Service, Model: c.Model, Method: c.Method})
}

// at is the counted pass that was being sent at a time; nil if there was none.
func (s *Study) at(t time.Time) *pass {
	i, exact := slices.BinarySearchFunc(s.passes, t, func(p pass, t time.Time) int { return p.from.Compare(t) })
	if !exact {
		i--
	}
	if i < 0 || s.passes[i].arm == compare.Again || s.passes[i].dropped || !s.passes[i].to.IsZero() && t.After(s.passes[i].to) {
		return nil
	}
	return &s.passes[i]
}

// method returns what is known of a method.
func (s *Study) method(in map[string]*method, name string) *method {
	m := in[name]
	if m == nil {
		if len(in) >= s.cfg.MaxMethods {
			name = other
			if m = in[name]; m != nil {
				return m
			}
		}
		m = &method{rounds: map[roundKey]*sums{}, by: map[sqltrace.Fingerprint]*[2]use{}}
		in[name] = m
	}
	return m
}

const other = "other"

// otherLast orders methods so that the rest makes no room scarce for those with a name.
func otherLast(a, b string) int {
	switch {
	case a == b:
		return 0
	case a == other:
		return 1
	case b == other:
		return -1
	}
	return cmp.Compare(a, b)
}

// Trace implements analyzer.Sink.
func (s *Study) Trace(t *analyzer.Trace) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := t.Call
	p := s.at(c.Start)
	if p == nil || c.Class == rpclog.Handshake || c.Class == rpclog.Poll {
		return nil
	}
	_, methods, tails := s.of(p)
	m := s.method(methods, nameOf(c))
	n := &m.calls[p.arm]
	n.Seen++
	if c.Gaps != 0 {
		n.Gapped++
	}
	if c.Error != "" || c.Status >= 400 {
		n.Errors++
		return nil
	}
	if t.Time.Lock > 0 {
		n.Locked++
	}
	f := amounts{
		duration: c.End.Sub(c.Start).Seconds(), inSQL: t.Time.SQL.Seconds(), inLocks: t.Time.Lock.Seconds(), inRetries: t.Time.Retry.Seconds(),
		inWait: t.Time.Wait.Seconds(), inApplication: t.Time.Application.Seconds(), inTransfer: t.Time.Transfer.Seconds(), inUnknown: t.Time.Unknown.Seconds(),
		statements: float64(len(t.Spans)),
	}
	retried := false
	for i := range t.Spans {
		span := &t.Spans[i]
		st := span.Statement
		u := use{1, max(st.Rows, 0), st.End.Sub(st.Start).Seconds()}
		f[rows] += float64(u.rows)
		if span.By.Exact() {
			n.Exact++
		}
		retried = retried || st.SQLState == "40001" || st.SQLState == "40P01"
		if to := s.use(m, st.Fingerprint); to != nil {
			to[p.arm].add(u)
		} else {
			s.beyond++
		}
	}
	if retried {
		n.Retried++
	}
	if m.sent[0]+m.sent[1] > 0 { // a trace comes after its answer
		tails.add(c.End.Sub(c.Start), !retried && t.Time.Lock == 0)
	}
	m.all[p.arm].calls++
	m.all[p.arm].add(&f)
	if r := s.round(m, roundKey{p.round, p.arm}); r != nil {
		r.calls++
		r.add(&f)
	}
	return nil
}

// round is what is known of a method in a pass; nil if there is no room for it.
func (s *Study) round(m *method, k roundKey) *sums {
	r := m.rounds[k]
	if r == nil && s.rounds < s.cfg.MaxRounds {
		s.rounds++
		r = &sums{}
		m.rounds[k] = r
	}
	return r
}

// use is what is known of a method's statements of a shape; nil if there is no room for it.
func (s *Study) use(m *method, f sqltrace.Fingerprint) *[2]use {
	u := m.by[f]
	if u == nil {
		if s.statements >= s.cfg.MaxStatements {
			return nil
		}
		s.statements++
		u = new([2]use)
		m.by[f] = u
	}
	return u
}

// Background implements analyzer.Sink. Statements of nobody are told apart by whether they could be a call's.
func (s *Study) Background(b *analyzer.Background) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range b.Spans {
		st := b.Spans[i].Statement
		p := s.at(st.Start)
		if p == nil {
			continue
		}
		if side, _, _ := s.of(p); b.Group == "unattributed" {
			side.Unattributed++
		} else {
			side.Elsewhere += st.End.Sub(st.Start).Seconds()
		}
	}
	return nil
}
