package analyzer

import (
	"cmp"
	"math"
	"slices"
)

// division is one way to divide the leases seen so far between two owners.
type division struct {
	score float64
	given sides // of each lease the owner
	each  [2]strand
	key   uint64 // equal for divisions that nothing later can tell apart
}

// sides says of each of a list of leases which of two owners has it.
type sides [mostDivided / 64]uint64

func (s *sides) of(i int) int { return int(s[i>>6] >> (i & 63) & 1) }

func (s *sides) set(i, side int) { s[i>>6] |= uint64(side) << (i & 63) }

// pair is two owners that compete for units.
type pair struct {
	a, b   int32
	judged int32 // tick at which they were divided last
}

// mostPairs bounds the pairs of owners of a window. Beyond it, in a crowd of calls that wait for answers, nothing is divided
// anew: it would take long, and room, and find little.
const mostPairs = 1 << 13

// pairs lists the owners that could exchange units; none if they are too many.
func (w *window) pairs() (out []pair) {
	seen := make([]int32, len(w.owners)) // by the other owner: the last one that it was listed with
	for a := range w.owners[:w.none] {
		if w.owners[a].route == routeCron {
			continue
		}
		for _, at := range w.wanted[a] {
			u := &w.units[at.unit]
			if u.fixed {
				continue
			}
			for _, c := range u.cands[at.candidate+1 : len(u.cands)-1] {
				if seen[c.owner] != int32(a)+1 && w.owners[c.owner].route != routeCron {
					seen[c.owner] = int32(a) + 1
					if len(out) == mostPairs {
						return nil
					}
					out = append(out, pair{a: int32(a), b: c.owner})
				}
			}
		}
	}
	return out
}

const (
	mostDivided = 128 // leases of two owners
	divisions   = 32  // that are followed at once
	lagging     = 25  // how much less likely than the best one that is followed may be
)

// piece is a lease of two owners between which it is to be decided.
type piece struct {
	lease, unit int32
	first       int16 // where the first lease of its unit stands in the list
	can         [2]bool
	weight      [2]float64
}

// divide gives the units of two owners to one or the other in the best way that it finds, and reports whether that changed
// anything: lease by lease, it follows the best divisions of what came before, and of several between which nothing later
// can tell only one.
func (w *window) divide(p *pair) bool {
	owners := [2]*owner{&w.owners[p.a], &w.owners[p.b]}
	now, ok := w.assemble(p, owners)
	if !ok {
		return false
	}
	floor := owners[0].score + owners[1].score
	for i := range w.pieces {
		if c := &w.pieces[i]; int(c.first) == i {
			floor += c.weight[now.of(i)]
		}
	}
	given, ok := w.divided(owners, floor+1e-9)
	if !ok || given == now {
		return false
	}
	kept, away := w.spliced[0][:0], w.spliced[1][:0]
	gain := -owners[0].score - owners[1].score
	for i := range w.pieces {
		c := &w.pieces[i]
		if int(c.first) != i {
			continue
		}
		side := given.of(i)
		gain += c.weight[side] - c.weight[now.of(i)]
		if side == 0 {
			kept = append(kept, c.unit)
		} else {
			away = append(away, c.unit)
		}
	}
	w.spliced = [2][]int32{kept, away}
	gain += w.scored(owners[0], w.setOf(kept), kept) + w.scored(owners[1], w.setOf(away), away)
	if gain < 1e-9 {
		return false
	}
	owners[0].units = append(owners[0].units[:0], kept...)
	owners[1].units = append(owners[1].units[:0], away...)
	w.took(p.a)
	w.took(p.b)
	return true
}

// assemble lists the leases of two owners, by start, and how they are divided now; ok is false if they cannot be otherwise.
func (w *window) assemble(p *pair, owners [2]*owner) (now sides, ok bool) {
	w.pieces = w.pieces[:0]
	free := 0
	for side, o := range owners {
		for _, ui := range o.units {
			u := &w.units[ui]
			c := piece{unit: ui}
			c.weight[0], c.can[0] = u.weight(p.a)
			c.weight[1], c.can[1] = u.weight(p.b)
			other := 1 - side
			if u.fixed || c.weight[other]-c.weight[side] < hopeless {
				c.can[other] = false
			}
			if c.can[other] {
				free++
			}
			if len(w.pieces)+len(u.leases) > mostDivided {
				return now, false
			}
			for _, li := range u.leases {
				c.lease = li
				w.pieces = append(w.pieces, c)
			}
		}
	}
	if free == 0 || len(w.pieces) < 2 {
		return now, false
	}
	slices.SortFunc(w.pieces, func(x, y piece) int { return cmp.Compare(x.lease, y.lease) })
	for i := range w.pieces {
		c := &w.pieces[i]
		c.first = int16(i)
		if len(w.units[c.unit].leases) > 1 {
			c.first = int16(slices.IndexFunc(w.pieces, func(x piece) bool { return x.unit == c.unit }))
		}
		if w.units[c.unit].owner == p.b {
			now.set(i, 1)
		}
	}
	return now, true
}

// told returns the leases up to the i-th whose owner later ones may depend on.
func (w *window) told(i int) (live sides) {
	if i+1 == len(w.pieces) {
		return live
	}
	next := w.briefs[w.pieces[i+1].lease].start
	for j := range i + 1 {
		if w.briefs[w.pieces[j].lease].end > next {
			live.set(j, 1)
		}
	}
	for j := i + 1; j < len(w.pieces); j++ {
		if f := w.pieces[j].first; int(f) <= i {
			live.set(int(f), 1)
		}
	}
	return live
}

// divided returns the best division of w.pieces; ok is false if none is better than floor.
func (w *window) divided(owners [2]*owner, floor float64) (given sides, ok bool) {
	w.hopes(owners)
	if w.hope[0] < floor {
		return given, false
	}
	beam, next := append(w.beams[0][:0], division{}), w.beams[1][:0]
	top := 0.0
	for i := range w.pieces {
		c := &w.pieces[i]
		least := top - lagging
		next, top = next[:0], math.Inf(-1)
		live := w.told(i)
		l := &w.briefs[c.lease]
		for b := range beam {
			if beam[b].score < least {
				continue
			}
			for side := range 2 {
				if !c.can[side] || int(c.first) < i && beam[b].given.of(int(c.first)) != side {
					continue
				}
				d := beam[b]
				if s := &d.each[side]; s.n > 0 && l.start < s.end-slack {
					w.before = w.before[:0]
					for j := range i {
						if d.given.of(j) == side {
							w.before = append(w.before, w.pieces[j].lease)
						}
					}
				}
				d.score += w.follow(&d.each[side], owners[side], c.lease, w.before)
				if int(c.first) == i {
					d.score += c.weight[side]
				}
				if d.score < top-lagging || d.score+w.hope[i+1] < floor {
					continue
				}
				top = max(top, d.score)
				d.given.set(i, side)
				d.key = d.each[0].key() ^ mix(d.each[1].key())
				for n := range live {
					d.key = mix(d.key ^ d.given[n]&live[n])
				}
				next = keep(next, &d)
			}
		}
		beam, next = next, beam
	}
	w.beams = [2][]division{beam, next}
	best := math.Inf(-1)
	for b := range beam {
		d := &beam[b]
		if s := d.score + w.close(&d.each[0], owners[0]) + w.close(&d.each[1], owners[1]); s > best {
			best, given = s, d.given
		}
	}
	return given, best >= floor
}

// key is equal for strands that nothing later can tell apart.
func (s *strand) key() uint64 {
	return mix(uint64(s.p)^uint64(s.end)<<20) ^ uint64(s.last+1)<<32
}

// keep adds a division to those that are followed, unless there are better ones.
func keep(list []division, d *division) []division {
	worst := 0
	for i := range list {
		if list[i].key == d.key {
			if d.score > list[i].score {
				list[i] = *d
			}
			return list
		}
		if list[i].score < list[worst].score {
			worst = i
		}
	}
	switch {
	case len(list) < divisions:
		list = append(list, *d)
	case list[worst].score < d.score:
		list[worst] = *d
	}
	return list
}

// redivide divides anew between every two owners until nothing changes.
func (w *window) redivide() {
	const passes = 4
	for range passes {
		if !w.each(true, (*window).divideAll) {
			return
		}
	}
}

// divideAll divides once between every two owners that changed since.
func (w *window) divideAll() (changed bool) {
	for i := range w.pairings {
		p := &w.pairings[i]
		if p.judged < max(w.owners[p.a].changed, w.owners[p.b].changed, w.weighed) {
			changed = w.divide(p) || changed
			p.judged = w.tick
		}
	}
	return changed
}
