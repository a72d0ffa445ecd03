package analyzer

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

// solver turns jobs into traces. It runs on one goroutine.
type solver struct {
	cfg    Config
	dict   sqltrace.Dictionary
	sink   Sink
	known  *knowledge
	fronts fronts
	past   context
	shape  map[sqltrace.Fingerprint]shapeInfo
	split  *Splitter
	crew   crew
	others strangers
	held   []result
	sieve  sieve
	keys   []uint64 // room for tokensOf
	err    error
}

// shapeInfo is what attribution needs of a shape.
type shapeInfo struct {
	marks   marker
	tables  []int32
	feature int32
	shape   int32 // of the knowledge: where its tokens are counted
}

// result is a trace or a background group that waits for its turn.
type result struct {
	start      int64
	order      uint64
	trace      *Trace
	background *Background
}

func newSolver(cfg Config, dict sqltrace.Dictionary, sink Sink) *solver {
	return &solver{
		cfg: cfg, dict: dict, sink: sink, known: newKnowledge(), fronts: newFronts(), split: NewSplitter(cfg.Time, dict),
		shape: map[sqltrace.Fingerprint]shapeInfo{},
	}
}

// solve assigns a job's leases, delivers what is settled, and returns the leases of calls still open.
func (s *solver) solve(j job) (left []*lease) {
	if j.doubted {
		for _, c := range slices.Concat(j.ended, j.open) {
			c.Gaps |= rpclog.GapOrder
		}
	}
	calls, open := s.fronts.join(j.ended, j.open)
	owners := make([]owner, 0, len(calls)+len(open)+len(j.sockets))
	for _, c := range calls {
		owners = append(owners, s.owner(c, true, j.now))
	}
	for _, c := range open {
		owners = append(owners, s.owner(c, false, j.now))
	}
	const socketWork = int64(2 * time.Second) // the longest a frame's work is expected to take
	for _, m := range j.sockets {
		at := m.Time.UnixNano()
		owners = append(owners, owner{group: "websocket", route: routeSocket, profile: -1, table: -1, head: at, until: at + socketWork})
	}
	leases := make([]lease, 0, len(j.leases))
	holds := intervals(owners)
	for _, l := range j.leases {
		s.prepare(l)
		if parts := s.prepared(l, holds); len(parts) > 0 {
			s.prepare(parts[0])
			leases = append(leases, *parts[0])
			l = parts[1]
			s.prepare(l)
		}
		if l.mixed || l.kind == leaseWork && !holds(l.start+loose, l.end-loose) {
			if parts := l.transactions(); len(parts) > 1 {
				for _, p := range parts {
					s.prepare(p)
					leases = append(leases, *p)
				}
				continue
			}
		}
		leases = append(leases, *l)
	}
	for i := range leases {
		leases[i].worker = s.ofLease(&leases[i])
		for _, st := range leases[i].statements {
			st.Literals, st.Values = nil, nil // they served; what is held back need not carry them
			s.split.Observe(st)
		}
	}
	s.crew.observe(leases)
	for _, l := range j.under {
		s.prepare(l)
		l.worker = s.ofLease(l)
	}
	s.others.judge(sight{owners, s.past.owners, leases, j.under, j.doubted}, s.info)
	owners, leases = s.past.add(owners, leases)
	for _, l := range j.under {
		leases = append(leases, *l)
	}
	w := newWindow(owners, leases, s.known)
	w.hurry, w.doubted, w.alone = j.hurry, j.doubted, s.cfg.Live
	w.solve()
	s.crew.judge(w)
	left = s.deliver(w)
	if s.cfg.Live {
		left = s.shed(left)
		s.past.keep(w, s.cfg.Leases)
	}
	hold := j.hold
	for _, l := range left {
		hold = min(hold, l.start)
	}
	if s.cfg.Live {
		hold = math.MaxInt64
	}
	s.release(hold)
	return left
}

// intervals returns whether a call could have owned what spans [start, end].
func intervals(owners []owner) func(start, end int64) bool {
	calls := make([]owner, 0, len(owners))
	for _, o := range owners {
		if o.call != nil {
			calls = append(calls, o)
		}
	}
	slices.SortFunc(calls, func(a, b owner) int { return cmp.Compare(a.head, b.head) })
	latest := make([]int64, len(calls))
	for i, o := range calls {
		latest[i] = o.until
		if i > 0 {
			latest[i] = max(latest[i], latest[i-1])
		}
	}
	return func(start, end int64) bool {
		n, _ := slices.BinarySearchFunc(calls, start, func(o owner, at int64) int { return cmp.Compare(o.head, at) })
		for n < len(calls) && calls[n].head <= start {
			n++
		}
		return n > 0 && latest[n-1] >= end
	}
}

// prepare derives what attribution needs of a lease.
func (s *solver) prepare(l *lease) {
	if l.features != nil {
		return // left over from the window before
	}
	l.classify(func(f sqltrace.Fingerprint) marker { return s.info(f).marks })
	signature := uint64(14695981039346656037)
	l.features = make([]int32, 0, len(l.statements)+1)
	for _, st := range l.statements {
		if st.Kind != sqltrace.Query && st.Kind != sqltrace.Copy && st.Kind != sqltrace.Other {
			continue
		}
		info := s.info(st.Fingerprint)
		if info.feature >= 0 {
			l.features = append(l.features, info.feature)
		}
		l.tables = append(l.tables, info.tables...)
		signature = (signature ^ uint64(info.feature)) * 1099511628211
	}
	if len(l.features) > 0 {
		if f := s.known.feature(signature); f >= 0 {
			l.features = append(l.features, f)
		}
	}
	slices.Sort(l.features)
	l.features = slices.Compact(l.features)
	slices.Sort(l.tables)
	l.tables = slices.Compact(l.tables)
	if l.kind != leaseSignaling {
		s.keys = l.tokensOf(&s.sieve, s.keys, func(i int) int32 { return s.info(l.statements[i].Fingerprint).shape })
	}
}

func (s *solver) info(f sqltrace.Fingerprint) shapeInfo {
	i, ok := s.shape[f]
	if !ok {
		shape := s.dict.Shape(f)
		i = shapeInfo{marks: markersOf(shape), feature: s.known.feature(uint64(f)), shape: s.known.shape()}
		for _, t := range shape.Tables {
			i.tables = append(i.tables, s.known.tableID(t))
		}
		s.shape[f] = i
	}
	return i
}

func (s *solver) owner(c *rpclog.Call, ended bool, now time.Time) owner {
	o := ownerOf(c, ended)
	o.worker = s.ofCall(c, now)
	if c.Model != "" {
		o.table = s.known.tableID(strings.ReplaceAll(c.Model, ".", "_"))
	}
	o.profile = s.known.profile(MethodOf(c))
	o.requestLimit, o.responseLimit = uint32(c.Request.Limit()), uint32(c.Response.Limit())
	if c.Gaps&rpclog.GapRequest != 0 {
		o.requestLimit = 0 // what it does not show may have been lost
	}
	if c.Gaps&(rpclog.GapResponse|rpclog.GapUnanswered) != 0 {
		o.responseLimit = 0
	}
	return o
}

// deliver makes results of a solved window and returns the leases of calls still open.
func (s *solver) deliver(w *window) (left []*lease) {
	w.harm()
	for i := range w.owners[:w.none] {
		o := &w.owners[i]
		if o.call == nil || o.past {
			continue
		}
		if o.open {
			for _, u := range o.units {
				for _, li := range w.units[u].leases {
					if w.leases[li].under {
						continue
					}
					w.leases[li].contested = w.leases[li].contested || len(w.units[u].cands) > 2
					left = append(left, &w.leases[li])
				}
			}
			continue
		}
		w.collect(o)
		t := &Trace{Call: o.call, Front: s.fronts.of(o.call), Serving: s.crew.serving(w, o), Spans: []Span{}, Findings: []Finding{}}
		for _, li := range w.buf {
			if w.leases[li].harmed {
				o.call.Gaps |= rpclog.GapStatements
			}
		}
		at := map[int32]int{}
		for n, li := range w.buf {
			at[li] = n
		}
		for _, u := range o.units {
			by, p := w.verdict(u)
			for _, li := range w.units[u].leases {
				for _, st := range w.leases[li].statements {
					t.Spans = append(t.Spans, Span{Statement: st, Lease: at[li], By: by, Probability: p})
				}
			}
		}
		slices.SortFunc(t.Spans, func(a, b Span) int {
			return cmp.Or(a.Statement.Start.Compare(b.Statement.Start), cmp.Compare(a.Statement.ID, b.Statement.ID))
		})
		s.held = append(s.held, result{start: o.call.Start.UnixNano(), order: uint64(o.call.ID), trace: t})
	}
	w.warn()
	for i := range w.units {
		u := &w.units[i]
		o := &w.owners[u.owner]
		if o.call != nil && !o.past {
			continue
		}
		for _, li := range u.leases {
			l := &w.leases[li]
			if l.decided || l.under {
				continue
			}
			if s.cfg.Live && w.awaited(u) {
				left = append(left, l)
				continue
			}
			s.background(l, groupOf(l, o))
		}
	}
	return left
}

func (s *solver) background(l *lease, group string) {
	b := &Background{Session: l.session, Group: group, Start: time.Unix(0, l.start), End: time.Unix(0, l.end), Spans: make([]Span, len(l.statements))}
	for n, st := range l.statements {
		b.Spans[n] = Span{Statement: st}
	}
	s.held = append(s.held, result{start: l.start, order: uint64(l.statements[0].ID), background: b})
}

// shed gives up the oldest leases of calls still open where there are more statements of such than memory is
// set aside for: they become background.
func (s *solver) shed(left []*lease) []*lease {
	n := 0
	for _, l := range left {
		n += len(l.statements)
	}
	if n <= s.cfg.Statements {
		return left
	}
	slices.SortFunc(left, func(a, b *lease) int { return cmp.Compare(a.start, b.start) })
	for len(left) > 0 && n > s.cfg.Statements {
		n -= len(left[0].statements)
		s.background(left[0], "unattributed")
		left = left[1:]
	}
	return left
}

// release delivers what starts before hold, in order of start.
func (s *solver) release(hold int64) {
	slices.SortFunc(s.held, func(a, b result) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.order, b.order))
	})
	const most = 20_000 // results that may wait for one older call
	n := 0
	for n < len(s.held) && (s.held[n].start < hold || len(s.held)-n > most) {
		r := &s.held[n]
		n++
		if s.err != nil {
			continue
		}
		if r.background != nil {
			s.err = s.sink.Background(r.background)
			continue
		}
		r.trace.Time = s.split.Split(r.trace)
		for _, rule := range s.cfg.Rules {
			r.trace.Findings = append(r.trace.Findings, rule.Check(r.trace)...)
		}
		s.err = s.sink.Trace(r.trace)
	}
	rest := copy(s.held, s.held[n:])
	clear(s.held[rest:])
	s.held = s.held[:rest]
}

// finish delivers everything left.
func (s *solver) finish() error {
	s.release(math.MaxInt64)
	return s.err
}
