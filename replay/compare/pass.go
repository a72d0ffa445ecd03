package compare

import "math"

// Pass takes the samples of one arm in one round. What it showed counts once it has ended: passes that were dropped leave no
// trace, and of two arms nor do those whose partner was.
type Pass struct {
	study   *Study
	info    PassInfo
	order   int
	partner *Pass // the other arm's, of the same round
	both    *pair // with the partner
	noise   *Pass // of A, right before this one of A
	calls   held
	cells   map[*method]*cell
	line    line
	ended   bool
	dropped bool
}

// cell is what a pass showed of one method. Its sums go when the pass is counted.
type cell struct {
	side  *side
	marks marks
	noise mean // log of A over the A before
}

// marks are the quantiles of so many calls.
type marks struct {
	p50, p95, p99 float64
	n             int64
}

func marksOf(h *histogram) marks {
	return marks{h.quantile(0.5), h.quantile(0.95), h.quantile(0.99), int64(h.n)}
}

// pair is what two passes of a round showed of the calls that both answered.
type pair struct{ methods map[*method]*shared }

// shared is a method's part of a pair.
type shared struct {
	change mean // log(B/A)
	hists  [2]byGroup
}

// method is what is known of one method over all passes. Its size does not depend on the number of calls.
type method struct {
	name   string
	side   [2]side
	rounds map[int]*mean // log(B/A) of each round
	noise  map[int]*mean // log of A over the A before, by the later pass's order
	marks  map[int][2]marks
	again  []noisePair
}

// noisePair are the marks of two passes of A, one right after the other.
type noisePair struct{ first, second marks }

type mean struct {
	sum float64
	n   int64
}

func (m *mean) value() float64 { return m.sum / float64(m.n) }

func (m *mean) add(x float64) {
	m.sum += x
	m.n++
}

// byGroup are durations by group of sessions.
type byGroup [groups]*histogram

func (b *byGroup) put(group, bucket int) {
	if b[group] == nil {
		b[group] = &histogram{}
	}
	b[group].put(bucket)
}

func (b *byGroup) merge(o *byGroup) {
	for g, h := range o {
		if h == nil {
			continue
		}
		if b[g] == nil {
			b[g] = &histogram{}
		}
		b[g].merge(h)
	}
}

func (b *byGroup) sum() *histogram {
	all := &histogram{}
	for _, h := range b {
		if h != nil {
			all.merge(h)
		}
	}
	return all
}

// side is one arm's sums over all rounds, or those of one pass.
type side struct {
	hists        byGroup   // of the calls that are compared; of one arm, of all that were answered
	own          histogram // of all that were answered
	retried      histogram
	hits         histogram
	calls        int64
	errors, hit  int64
	tries, count int64
	total        float64
}

func newMethod(name string) *method {
	return &method{name: name, rounds: map[int]*mean{}, noise: map[int]*mean{}, marks: map[int][2]marks{}}
}

// Add takes a call of this pass. The order does not matter.
func (p *Pass) Add(x Sample) {
	if p.ended {
		return
	}
	s := p.study
	of := s.method(x.Method)
	m, all := p.cell(of), p.cell(s.overall)
	seconds := max(x.Seconds, least)
	if !(seconds < 1e6) { // nor what is not a number
		seconds = 1e6
	}
	i, g := bucket(seconds), s.group(x.Session)
	p.info.Calls++
	p.line.add(x)
	m.side.add(x, seconds, i)
	all.side.add(x, seconds, i)
	switch {
	case x.Error:
		p.info.Errors++
		return
	case x.Cached:
		p.info.Cached++
		return
	}
	if !s.two {
		m.side.hists.put(g, i)
		all.side.hists.put(g, i)
	}
	if x.Seq < 0 || !p.hold(x.Seq, seconds) {
		return
	}
	if p.partner != nil {
		if other := p.partner.calls.at(x.Seq); other > 0 {
			d, j := math.Log(seconds)-math.Log(other), bucket(other)
			p.both.add(of, p.info.Arm, g, d, i, j)
			p.both.add(s.overall, p.info.Arm, g, d, i, j)
		}
	}
	if p.noise != nil {
		if other := p.noise.calls.at(x.Seq); other > 0 {
			d := math.Log(seconds) - math.Log(other)
			m.noise.add(d)
			all.noise.add(d)
		}
	}
}

// add takes a call by how much longer arm took than its partner, and the buckets of both.
func (b *pair) add(m *method, arm Arm, group int, d float64, own, other int) {
	x := b.methods[m]
	if x == nil {
		x = &shared{}
		b.methods[m] = x
	}
	if arm == A {
		d = -d
	}
	x.change.add(d)
	x.hists[arm].put(group, own)
	x.hists[A+B-arm].put(group, other)
}

func (s *side) add(x Sample, seconds float64, bucket int) {
	s.count++
	switch {
	case x.Error:
		s.errors++
	case x.Cached:
		s.hit++
		s.hits.put(bucket)
	default:
		s.calls++
		s.total += seconds
		s.own.put(bucket)
		if x.Retried {
			s.tries++
			s.retried.put(bucket)
		}
	}
}

// merge adds a pass's sums, but for hists.
func (s *side) merge(o *side) {
	s.count, s.errors, s.hit, s.calls, s.tries = s.count+o.count, s.errors+o.errors, s.hit+o.hit, s.calls+o.calls, s.tries+o.tries
	s.total += o.total
	s.own.merge(&o.own)
	s.hits.merge(&o.hits)
	s.retried.merge(&o.retried)
}

func (p *Pass) cell(m *method) *cell {
	c := p.cells[m]
	if c == nil {
		c = &cell{side: &side{}}
		p.cells[m] = c
	}
	return c
}

// hold keeps a duration for the partner's, and reports whether it is new and there was room.
func (p *Pass) hold(seq int64, seconds float64) bool {
	if p.calls.at(seq) > 0 {
		return false
	}
	if p.calls.page(seq) == nil {
		if p.study.held+pageSize > p.study.cfg.MaxCalls {
			return false
		}
		p.study.held += pageSize
	}
	p.calls.set(seq, seconds)
	return true
}

// Drop ends the pass and forgets it, and with it the round's other pass: it was not sent to its end, so that its calls are
// not those of other passes. It does nothing to a pass that has ended.
func (p *Pass) Drop() {
	if p.ended {
		return
	}
	p.ended, p.dropped = true, true
	p.cells, p.both = nil, nil
	p.study.release()
}

// End ends the pass: no sample comes any more. It may be called twice.
func (p *Pass) End() {
	if p.ended {
		return
	}
	p.ended = true
	for m, c := range p.cells {
		c.marks = marksOf(&c.side.own)
		if p.noise == nil || p.noise.dropped {
			continue
		}
		if c.noise.n > 0 {
			m.noise[p.order] = &c.noise
		}
		if before := p.noise.cells[m]; before != nil {
			m.again = append(m.again, noisePair{before.marks, c.marks})
		}
	}
	if c := p.cells[p.study.overall]; c != nil {
		p.info.P50, p.info.P95 = c.marks.p50, c.marks.p95
	}
	if p.info.Arm == Again {
		p.forget()
	}
	if p.counts() {
		p.study.count(p.both, p, p.partner)
		p.both, p.partner.both = nil, nil
	}
	p.study.release()
}

// counts reports whether the pass and its partner were sent to their end.
func (p *Pass) counts() bool {
	o := p.partner
	return o != nil && p.ended && o.ended && !p.dropped && !o.dropped
}

// count makes passes part of the result, and what a pair of them shared.
func (s *Study) count(both *pair, passes ...*Pass) {
	for _, p := range passes {
		arm := p.info.Arm
		for m, c := range p.cells {
			m.side[arm].merge(c.side)
			if both != nil {
				continue
			}
			m.side[arm].hists.merge(&c.side.hists)
			x := m.marks[p.info.Round]
			x[arm] = c.marks
			m.marks[p.info.Round] = x
		}
		s.lines[arm].merge(&p.line)
		p.forget()
	}
	if both == nil {
		return
	}
	for m, x := range both.methods {
		round := passes[0].info.Round
		m.rounds[round] = &x.change
		m.marks[round] = [2]marks{marksOf(x.hists[A].sum()), marksOf(x.hists[B].sum())}
		for arm := range x.hists {
			m.side[arm].hists.merge(&x.hists[arm])
		}
	}
}

// forget frees the sums, which are counted.
func (p *Pass) forget() {
	for _, c := range p.cells {
		c.side = nil
	}
	p.line = line{}
}

// held are durations by call, in pages, so that a load of a few numbers far apart costs little. 0 is none.
type held struct{ pages map[int64]*[pageSize]float32 }

const pageSize = 256

func (h *held) page(seq int64) *[pageSize]float32 { return h.pages[seq/pageSize] }

func (h *held) at(seq int64) float64 {
	if p := h.page(seq); p != nil && seq >= 0 {
		return float64(p[seq%pageSize])
	}
	return 0
}

func (h *held) set(seq int64, seconds float64) {
	if h.pages == nil {
		h.pages = map[int64]*[pageSize]float32{}
	}
	p := h.page(seq)
	if p == nil {
		p = new([pageSize]float32)
		h.pages[seq/pageSize] = p
	}
	p[seq%pageSize] = float32(seconds)
}

// free forgets all and returns how many places were held.
func (h *held) free() int {
	n := len(h.pages) * pageSize
	h.pages = nil
	return n
}
