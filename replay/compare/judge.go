package compare

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"slices"
)

// Result ends the passes that have not ended and says what was found.
func (s *Study) Result() *Comparison {
	for _, p := range s.passes {
		p.End()
	}
	c := &Comparison{Alpha: s.cfg.Alpha, Methods: []Row{}, Doubts: []string{}}
	for _, p := range s.passes {
		if !p.dropped {
			c.Passes = append(c.Passes, p.info)
		}
		if p.info.Arm == A && p.counts() {
			c.Rounds++
		}
	}
	if c.Rounds == 0 { // there is nothing to be compared, and what ran is told as it is
		for _, p := range s.passes {
			if p.info.Arm != Again && !p.dropped && !s.alone {
				s.count(nil, p)
			}
		}
		s.alone = true
	}
	alike(&s.lines[A], &s.lines[B])
	c.Overall = s.row(s.overall)
	for _, name := range slices.Sorted(maps.Keys(s.methods)) {
		c.Methods = append(c.Methods, s.row(s.methods[name]))
	}
	if s.blocked() {
		for i := range c.Methods {
			c.Methods[i].Verdict, c.Methods[i].Reason = NotCompared, blocked
		}
		c.Overall.Verdict, c.Overall.Reason = NotCompared, blocked
	}
	s.judge(c)
	slices.SortStableFunc(c.Methods, func(x, y Row) int {
		return cmp.Or(cmp.Compare(y.A.Total, x.A.Total), cmp.Compare(y.B.Total, x.B.Total))
	})
	c.GeoMean = geomean(c.Methods)
	for arm := range c.Distribution {
		c.Distribution[arm] = s.overall.side[arm].hists.sum().bins(200)
		c.Timeline[arm] = s.lines[arm].result()
	}
	c.Unpaired = s.unpaired()
	c.Noise = math.Expm1(rms(values(s.overall.noise)))
	c.Doubts = append(c.Doubts, s.doubts(c)...)
	return c
}

// judge gives verdicts. What is asked of all calls is what the benchmark was made for, and stands for itself: the typical
// call, and the tail with its two quantiles. All that is asked of methods, tails and not, is one family, which gets half of
// Alpha: so a report in which nothing changed seldom says anything at all.
func (s *Study) judge(c *Comparison) {
	var family, medians []*Effect
	for i := range c.Methods {
		r := &c.Methods[i]
		if r.Verdict == NotCompared {
			continue
		}
		family = append(family, s.asked(&r.Typical, &r.P95, &r.P99)...)
		medians = append(medians, s.asked(&r.P50)...) // which thresholds ask for, beside the typical call
	}
	for _, f := range [][]*Effect{family, medians} {
		adjust(f)
		for _, e := range f {
			e.Adjusted = min(1, 2*e.Adjusted)
		}
	}
	adjust(s.asked(&c.Overall.P95, &c.Overall.P99))
	s.cfg.verdicts(&c.Overall)
	for i := range c.Methods {
		s.cfg.verdicts(&c.Methods[i])
	}
}

// asked are the effects of which enough rounds tell.
func (s *Study) asked(effects ...*Effect) []*Effect {
	return slices.DeleteFunc(effects, func(e *Effect) bool { return len(e.PerRound) < s.cfg.MinRounds })
}

func (c Config) verdicts(r *Row) {
	for _, e := range []*Effect{&r.Typical, &r.P50, &r.P95, &r.P99} {
		c.decide(e)
		if r.Verdict == NotCompared {
			e.Verdict = NotCompared
		}
	}
	if r.Verdict == NotCompared {
		r.Tail = NotCompared
		return
	}
	r.Verdict, r.Tail = r.Typical.Verdict, r.P95.Verdict
	if r.P99.Verdict != Unchanged {
		r.Tail = r.P99.Verdict
	}
	switch n := len(r.Typical.PerRound); {
	case r.Verdict != Unchanged:
	case n < c.MinRounds:
		r.Reason = fmt.Sprintf("%d of %d rounds", n, c.MinRounds)
	case r.Typical.Adjusted < c.Alpha:
		r.Reason = fmt.Sprintf("less than the %.1f %% that counts", 100*r.Typical.Minimum)
	}
}

// row adds up one method, without verdicts but that it cannot be compared.
func (s *Study) row(m *method) Row {
	r := Row{Method: m.name, Verdict: Unchanged, Tail: Unchanged}
	tail := s.smallest(m)
	for arm, to := range []*Side{&r.A, &r.B} {
		x := &m.side[arm]
		*to = Side{Calls: x.calls, Errors: x.errors, Retried: x.tries, Total: x.total, Hits: x.hit, HitP50: x.hits.quantile(0.5)}
		if x.calls > 0 {
			to.Mean = x.total / float64(x.calls)
			h := fnv.New64a()
			_, _ = h.Write([]byte(m.name))
			q := x.quantiles(s.cfg, h.Sum64()+uint64(arm), 0.5, 0.95, 0.99)
			to.P50 = q[0]
			if tail >= s.cfg.MinTail/10 {
				to.P95 = q[1]
			}
			if tail >= s.cfg.MinTail {
				to.P99 = q[2]
				to.P99Once = x.once()
			}
			s.own(to, x)
		}
		if x.hit >= s.cfg.MinTail {
			to.HitP99 = x.hits.quantile(0.99)
		}
	}
	rounds := slices.Sorted(maps.Keys(m.rounds))
	r.Typical = s.cfg.effect(means(m.rounds, rounds), s.second(rounds), values(m.noise))
	r.P50 = s.paired(m, rounds, func(c *marks) float64 { return c.p50 })
	r.P95, r.P99 = Effect{P: 1, Adjusted: 1, Verdict: Unchanged}, Effect{P: 1, Adjusted: 1, Verdict: Unchanged}
	if tail >= s.cfg.MinTail/10 {
		r.P95 = s.paired(m, rounds, func(c *marks) float64 { return c.p95 })
	}
	if tail >= s.cfg.MinTail {
		r.P99 = s.paired(m, rounds, func(c *marks) float64 { return c.p99 })
	}
	if reason := s.cfg.uncomparable(&m.side[A], &m.side[B]); reason != "" {
		r.Verdict, r.Reason = NotCompared, reason
	}
	return r
}

// own tells of all that an arm answered, if that is not what is compared.
func (s *Study) own(to *Side, x *side) {
	all, compared := marksOf(&x.own), int64(x.hists.sum().n)
	if all.n == compared {
		return
	}
	to.Own = &Own{P50: all.p50}
	passes := int64(0)
	for _, p := range s.passes {
		if p.counts() && p.info.Arm == A {
			passes++
		}
	}
	if each := all.n / max(passes, 1); each >= s.cfg.MinTail/10 {
		if to.Own.P95 = all.p95; each >= s.cfg.MinTail {
			to.Own.P99 = all.p99
		}
	}
	if compared == 0 {
		to.P50.Seconds = all.p50
	}
}

// minTailEffect is the least change of a quantile that is called one by default: quantiles of a tail jump.
const minTailEffect = 0.05

// smallest is the number of calls that are compared in the pass of A or B that had fewest of them.
func (s *Study) smallest(m *method) int64 {
	least := int64(math.MaxInt64)
	for _, d := range m.marks {
		for _, c := range d {
			if c.n > 0 {
				least = min(least, c.n)
			}
		}
	}
	if least == math.MaxInt64 {
		return 0
	}
	return least
}

// paired compares a quantile of the rounds' passes, of the calls that both answered.
func (s *Study) paired(m *method, rounds []int, of func(*marks) float64) Effect {
	var logs []float64
	var used []int
	c := s.cfg
	if c.MinEffect == 0 {
		c.MinEffect = minTailEffect
	}
	for _, r := range rounds {
		if d := m.marks[r]; d[A].n > 0 && d[B].n > 0 {
			logs = append(logs, math.Log(of(&d[B])/of(&d[A])))
			used = append(used, r)
		}
	}
	var noise []float64
	for i := range m.again {
		if p := &m.again[i]; p.first.n > 0 && p.second.n > 0 {
			noise = append(noise, math.Log(of(&p.second)/of(&p.first)))
		}
	}
	return c.effect(logs, s.second(used), noise)
}

// second tells which rounds had B second (1) and which first (-1).
func (s *Study) second(rounds []int) []float64 {
	order := map[int]float64{}
	for _, p := range s.passes {
		if p.info.Arm == B && p.counts() {
			order[p.info.Round] = 1
			if p.order < p.partner.order {
				order[p.info.Round] = -1
			}
		}
	}
	out := make([]float64, len(rounds))
	for i, r := range rounds {
		out[i] = order[r]
	}
	return out
}

// once is p99 of the calls that were tried once.
func (s *side) once() float64 {
	if s.tries == 0 {
		return 0
	}
	var all histogram
	all.merge(&s.own)
	for i, c := range s.retried.counts {
		all.counts[s.retried.base+i-all.base] -= c
	}
	all.n -= s.retried.n
	return all.quantile(0.99)
}

// uncomparable says why two sides cannot be compared; empty if they can.
func (c Config) uncomparable(a, b *side) string {
	switch {
	case a.count == 0 || b.count == 0:
		return "one side has no calls"
	case c.errorsDiffer(a.errors, a.count, b.errors, b.count):
		return fmt.Sprintf("errors differ: %.3g %% and %.3g %%", 100*float64(a.errors)/float64(a.count), 100*float64(b.errors)/float64(b.count))
	case a.calls+b.calls == 0 && a.hit+b.hit == 0:
		return "every call failed"
	case a.calls == 0 || b.calls == 0:
		return "one side has no answered calls"
	}
	return ""
}

// errorsDiffer reports whether x of n and y of m are too far apart to compare what is left: by more than the difference
// that is let pass, or by less but beyond chance.
func (c Config) errorsDiffer(x, n, y, m int64) bool {
	p, q := float64(x)/float64(n), float64(y)/float64(m)
	more := max(x, y) - min(x, y)
	if more >= 2 && math.Abs(p-q) > c.ErrorDifference {
		return true
	}
	all := float64(x+y) / float64(n+m)
	z := math.Abs(p-q) / math.Sqrt(all*(1-all)*(1/float64(n)+1/float64(m)))
	return x+y >= 10 && z > 2.576
}

const blocked = "one arm ran wholly before the other"

// blocked reports whether several rounds of one arm all ran before those of the other: then time and change are one.
func (s *Study) blocked() bool {
	first, last := [2]int{math.MaxInt, math.MaxInt}, [2]int{-1, -1}
	rounds := 0
	for _, p := range s.passes {
		if arm := p.info.Arm; p.counts() {
			first[arm], last[arm] = min(first[arm], p.order), max(last[arm], p.order)
			rounds++
		}
	}
	return rounds > 2 && (last[A] < first[B] || last[B] < first[A])
}

// geomean is the change of the methods that can be compared, each counted once.
func geomean(rows []Row) float64 {
	sum, n := 0.0, 0
	for _, r := range rows {
		if r.Verdict != NotCompared && len(r.Typical.PerRound) > 0 {
			sum += math.Log1p(r.Typical.Delta)
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return math.Expm1(sum / float64(n))
}

func means(of map[int]*mean, keys []int) []float64 {
	out := make([]float64, len(keys))
	for i, k := range keys {
		out[i] = of[k].value()
	}
	return out
}

func values(of map[int]*mean) []float64 { return means(of, slices.Sorted(maps.Keys(of))) }

// unpaired is the number of answered calls of A and B whose partner was not there.
func (s *Study) unpaired() int64 {
	if s.overall.side[B].count == 0 {
		return 0
	}
	n := s.overall.side[A].calls + s.overall.side[B].calls
	for _, m := range s.overall.rounds {
		n -= 2 * m.n
	}
	return n
}
