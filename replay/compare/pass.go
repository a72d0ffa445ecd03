package compare

import "math"

// Pass takes the samples of one arm in one round.
type Pass struct {
	study   *Study
	info    PassInfo
	order   int
	partner *Pass // the other arm's, of the same round
	noise   *Pass // of A, right before this one of A
	calls   held
	cells   map[*method]*cell
	ended   bool
}

// cell is what a pass showed of one method. Its histogram goes when the pass ends.
type cell struct {
	hist          histogram
	p50, p95, p99 float64
	n             int64
}

// method is what is known of one method over all passes. Its size does not depend on the number of calls.
type method struct {
	name     string
	side     [2]side
	rounds   map[int]*mean // log(B/A) of each round
	noise    map[int]*mean // log of A over the A before, by the later pass's order
	distinct map[int][2]*cell
	again    []noisePair
}

// noisePair are the cells of two passes of A, one right after the other.
type noisePair struct{ first, second *cell }

type mean struct {
	sum float64
	n   int64
}

func (m *mean) value() float64 { return m.sum / float64(m.n) }

// side is one arm's sums over all rounds.
type side struct {
	hists        [groups]*histogram // by group of sessions
	retried      histogram
	hits         histogram
	calls        int64
	errors, hit  int64
	tries, count int64
	total        float64
}

func newMethod(name string) *method {
	return &method{name: name, rounds: map[int]*mean{}, noise: map[int]*mean{}, distinct: map[int][2]*cell{}}
}

// Add takes a call of this pass. The order does not matter.
func (p *Pass) Add(x Sample) {
	s := p.study
	m, all := s.method(x.Method), s.overall
	seconds := max(x.Seconds, least)
	if !(seconds < 1e6) { // nor what is not a number
		seconds = 1e6
	}
	i := bucket(seconds)
	p.info.Calls++
	s.timeline(p.info.Arm, x)
	if p.info.Arm != Again {
		g := s.group(x.Session)
		m.side[p.info.Arm].add(g, x, seconds, i)
		all.side[p.info.Arm].add(g, x, seconds, i)
	}
	switch {
	case x.Error:
		p.info.Errors++
		return
	case x.Cached:
		p.info.Cached++
		return
	}
	p.cell(m).hist.put(i)
	p.cell(all).hist.put(i)
	if x.Seq < 0 || !p.hold(x.Seq, seconds) {
		return
	}
	if p.partner != nil {
		if other := p.partner.calls.at(x.Seq); other > 0 {
			d := math.Log(seconds) - math.Log(other)
			if p.info.Arm == A {
				d = -d
			}
			add(m.rounds, p.info.Round, d)
			add(all.rounds, p.info.Round, d)
		}
	}
	if p.noise != nil {
		if other := p.noise.calls.at(x.Seq); other > 0 {
			d := math.Log(seconds) - math.Log(other)
			add(m.noise, p.order, d)
			add(all.noise, p.order, d)
		}
	}
}

func add(to map[int]*mean, key int, d float64) {
	x := to[key]
	if x == nil {
		x = &mean{}
		to[key] = x
	}
	x.sum += d
	x.n++
}

func (s *side) add(group int, x Sample, seconds float64, bucket int) {
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
		if s.hists[group] == nil {
			s.hists[group] = &histogram{}
		}
		s.hists[group].put(bucket)
		if x.Retried {
			s.tries++
			s.retried.put(bucket)
		}
	}
}

func (p *Pass) cell(m *method) *cell {
	c := p.cells[m]
	if c == nil {
		c = &cell{}
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

// End ends the pass: no sample comes any more. It may be called twice.
func (p *Pass) End() {
	if p.ended {
		return
	}
	p.ended = true
	for m, c := range p.cells {
		c.n = int64(c.hist.n)
		c.p50, c.p95, c.p99 = c.hist.quantile(0.5), c.hist.quantile(0.95), c.hist.quantile(0.99)
		c.hist = histogram{}
		if p.info.Arm != Again {
			d := m.distinct[p.info.Round]
			d[p.info.Arm] = c
			m.distinct[p.info.Round] = d
		}
		if p.noise != nil && p.noise.cells[m] != nil {
			m.again = append(m.again, noisePair{p.noise.cells[m], c})
		}
	}
	if c := p.cells[p.study.overall]; c != nil {
		p.info.P50, p.info.P95 = c.p50, c.p95
	}
	p.study.release()
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
