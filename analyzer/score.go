package analyzer

import "math/bits"

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
	const perUnit, most = 64, 1 << 16
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
		e.key, e.score = key, w.scoreOf(o, w.variant(o, without, with))
	}
	return e.score
}

func (w *window) remembered(o *owner, set uint64) (*scored, uint64) {
	key := set ^ o.key ^ w.scores.salt
	return &w.scores.entries[key&uint64(len(w.scores.entries)-1)], key
}
