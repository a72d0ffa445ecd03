package analyzer

import (
	"math/bits"

	"github.com/perfd/perfd/capture"
)

// brief is what the score of a lease follows from. The search reads little else, so these stand side by side.
type brief struct {
	start, end int64
	conn       capture.ConnID
	kind       leaseKind
}

// strand is how far a call's leases have been followed.
type strand struct {
	n    int
	p    pattern
	end  int64 // latest end
	last int32 // the lease that began last
}

// follow scores the next lease of a call, by start. Of the leases before it those that may not have ended count.
func (w *window) follow(s *strand, o *owner, id int32, before []int32) (sum float64) {
	l := &w.briefs[id]
	t := w.timing
	gaps := &t.gaps[o.route]
	if s.n == 0 {
		*s = strand{n: 1, p: pattern(0).with(l.kind, false), end: l.end, last: id}
		return gaps[gapHead].score(l.start - o.head)
	}
	nested := l.start < s.end-slack
	s.p = s.p.with(l.kind, nested)
	if nested {
		depth := 0
		for _, b := range before {
			if w.briefs[b].end > l.start+slack {
				sum += w.overlap(b, id, o.route)
				depth++
			}
		}
		if depth > 1 {
			sum -= 8 * float64(depth-1)
		}
	}
	if prev := &w.briefs[s.last]; prev.end <= l.start+slack {
		kind := gapOther
		if l.conn == prev.conn {
			sum += t.same
			kind = gapSame
		} else {
			sum += t.other
		}
		if !nested {
			sum += gaps[kind].score(l.start - s.end)
		}
	}
	s.n++
	s.last, s.end = id, max(s.end, l.end)
	return sum
}

// close scores what follows a call's last lease, and the pattern that all of them make.
func (w *window) close(s *strand, o *owner) (sum float64) {
	if s.n == 0 {
		return w.timing.pattern(o.route, 0, 0)
	}
	if o.answer {
		sum = w.timing.gaps[o.route][gapLast].score(o.until - s.end)
	}
	return sum + w.timing.pattern(o.route, s.p, s.n)
}

// scoreOf is the log likelihood of an owner having exactly these units, as far as time and order tell.
func (w *window) scoreOf(o *owner, units []int32) (sum float64) {
	if o.route == routeCron {
		return w.scoreOfScheduler(units)
	}
	w.gather(units)
	var s strand
	for n, id := range w.buf {
		sum += w.follow(&s, o, id, w.buf[:n])
	}
	return sum + w.close(&s, o)
}

// scoreOfScheduler judges the leases of a scheduled action: one thread runs them within the lease that
// reads ir_cron, one after the other.
func (w *window) scoreOfScheduler(units []int32) (sum float64) {
	const usual = 8 // leases of one action
	w.gather(units)
	var end int64
	last := int32(-1)
	for n, id := range w.buf {
		l := &w.leases[id]
		if n > usual {
			sum--
		}
		if l.kind == leaseCron {
			continue
		}
		if last >= 0 && l.start < end-slack {
			sum += w.overlap(last, id, routeCron) - 6
		}
		if l.end > end {
			end, last = l.end, id
		}
	}
	return sum
}

// memo holds scores by owner and set of units: the search returns to the same sets again and again. What does not fit
// is forgotten.
type memo struct {
	salt    uint64 // of what the scores follow from; another one makes them all unknown
	entries []scored
}

type scored struct {
	key   uint64
	score float64
}

// forget makes every score unknown, because what they follow from changed, and makes room for a number of units.
func (m *memo) forget(units int) {
	const perUnit, most = 16, 1 << 14
	m.salt = mix(m.salt + 1)
	n := 1 << bits.Len(uint(min(units*perUnit, most-1)))
	if n > len(m.entries) {
		m.entries = make([]scored, n)
	}
}

// mix spreads a number over 64 bits (the finalizer of SplitMix64), so that the exclusive or of several stands for their set.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// setOf is the key of a set of units.
func (w *window) setOf(units []int32) (set uint64) {
	for _, u := range units {
		set ^= w.units[u].key
	}
	return set
}

// scored is scoreOf for a set whose key is known.
func (w *window) scored(o *owner, set uint64, units []int32) float64 {
	e, key := w.remembered(o, set)
	if e.key != key {
		e.key, e.score = key, w.scoreOf(o, units)
	}
	return e.score
}

// scoreChanged is the score of an owner that gives away a unit and takes another (-1 for neither).
func (w *window) scoreChanged(o *owner, without, with int32) float64 {
	set := o.set
	if without >= 0 {
		set ^= w.units[without].key
	}
	if with >= 0 {
		set ^= w.units[with].key
	}
	e, key := w.remembered(o, set)
	if e.key != key {
		e.key, e.score = key, w.scoreVaried(o, without, with)
	}
	return e.score
}

// step is how far an owner's leases have been followed, and the score of that.
type step struct {
	strand
	sum float64
}

// trace notes what an owner has, lease by lease.
func (w *window) trace(o *owner) {
	w.gather(o.units)
	o.leases = append(o.leases[:0], w.buf...)
	var s step
	o.steps = append(o.steps[:0], s)
	for n, id := range o.leases {
		s.sum += w.follow(&s.strand, o, id, o.leases[:n])
		o.steps = append(o.steps, s)
	}
	o.traced = true
}

// scoreVaried is scoreOf for an owner's units without one and with another (-1 for neither). What comes before either of
// them need not be followed again.
func (w *window) scoreVaried(o *owner, without, with int32) float64 {
	if o.route == routeCron {
		return w.scoreOf(o, w.variant(o, without, with))
	}
	if !o.traced {
		w.trace(o)
	}
	var less, more []int32 // by start, as the owner's are
	if without >= 0 {
		less = w.units[without].leases
	}
	if with >= 0 {
		more = w.units[with].leases
	}
	same := -1
	buf := w.buf[:0]
	for _, l := range o.leases {
		for len(more) > 0 && more[0] < l {
			if same < 0 {
				same = len(buf)
			}
			buf, more = append(buf, more[0]), more[1:]
		}
		if len(less) > 0 && less[0] == l {
			if same < 0 {
				same = len(buf)
			}
			less = less[1:]
			continue
		}
		buf = append(buf, l)
	}
	if same < 0 {
		same = len(buf)
	}
	w.buf = append(buf, more...)
	s := o.steps[same]
	for n := same; n < len(w.buf); n++ {
		s.sum += w.follow(&s.strand, o, w.buf[n], w.buf[:n])
	}
	return s.sum + w.close(&s.strand, o)
}

func (w *window) remembered(o *owner, set uint64) (*scored, uint64) {
	key := set ^ o.key ^ w.scores.salt
	return &w.scores.entries[key&uint64(len(w.scores.entries)-1)], key
}
