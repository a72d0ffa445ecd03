package analyzer

import "math"

// option is one way to change the owner of a unit.
type option struct {
	to    int32
	with  int32 // the unit given in exchange, or one of the following
	delta float64
}

// What an option gives in exchange, where that is not one unit.
const (
	withNothing    int32 = -1
	withEverything int32 = -2 // both owners exchange all they have
	withTheRest    int32 = -3 // both owners exchange what starts with the unit or later
)

// options lists the ways to give a unit another owner.
func (w *window) options(ui int32) (out []option) {
	w.consider(ui)
	for _, o := range w.units[ui].offers {
		out = append(out, o.options...)
	}
	return out
}

// consider sees to it that a unit's offers are as things are. What was computed for a candidate holds until either of the
// two owners changes.
func (w *window) consider(ui int32) {
	u := &w.units[ui]
	from := &w.owners[u.owner]
	fresh := max(from.changed, u.moved, w.weighed)
	for i, c := range u.cands {
		o := &u.offers[i]
		if c.owner == u.owner {
			*o = offer{options: o.options[:0], best: math.Inf(-1)}
			continue
		}
		if o.judged < max(fresh, w.owners[c.owner].changed) || o.judged == 0 {
			o.options = w.judge(ui, c, o.options[:0])
			o.best = math.Inf(-1)
			for i := range o.options {
				o.best = max(o.best, o.options[i].delta)
			}
			o.judged = w.tick
		}
	}
}

// judge lists the ways to give a unit to one candidate.
func (w *window) judge(ui int32, c candidate, out []option) []option {
	w.effort++
	u := &w.units[ui]
	from, to := &w.owners[u.owner], &w.owners[c.owner]
	have, _ := u.weight(u.owner)
	gain := c.weight - have
	if gain < hopeless && c.owner != w.none {
		return out
	}
	if u.owner == w.none {
		out = append(out, option{c.owner, withNothing, gain + w.scoreChanged(to, -1, ui) - to.score})
		for _, vi := range to.units { // take its place; the other becomes unowned
			v := &w.units[vi]
			if v.fixed || v.kind != u.kind {
				continue
			}
			alone, _ := v.weight(w.none)
			was, _ := v.weight(c.owner)
			out = append(out, option{c.owner, vi, gain + alone - was + w.scoreChanged(to, vi, ui) - to.score})
		}
		return out
	}
	if u.left < max(from.changed, u.moved) || u.left == 0 {
		u.without, u.left = w.scoreChanged(from, ui, -1), w.tick
	}
	if c.owner == w.none {
		return append(out, option{w.none, withNothing, gain + u.without - from.score})
	}
	if !w.crowded(to, u.kind) {
		out = append(out, option{c.owner, withNothing, gain + u.without - from.score + w.scoreChanged(to, -1, ui) - to.score})
	}
	if len(from.units) > 2 && len(to.units) > 2 {
		if gain, ok := w.splice(ui, c.owner); ok && gain > hopeless {
			out = append(out, option{c.owner, withTheRest, gain - from.score - to.score + w.scored(from, w.setOf(w.spliced[0]), w.spliced[0]) + w.scored(to, w.setOf(w.spliced[1]), w.spliced[1])})
		}
	}
	all := len(to.units) > 0 && len(from.units) > 1
	allGain := 0.0
	for _, vi := range to.units {
		v := &w.units[vi]
		back, ok := v.weight(u.owner)
		if !ok || v.fixed {
			all = false
			continue
		}
		was, _ := v.weight(c.owner)
		allGain += back - was
		if (v.kind == leaseSignaling) != (u.kind == leaseSignaling) || gain+back-was < hopeless {
			continue
		}
		delta := gain + back - was - from.score - to.score +
			w.scoreChanged(from, ui, vi) + w.scoreChanged(to, vi, ui)
		out = append(out, option{c.owner, vi, delta})
	}
	for _, mi := range from.units {
		if !all {
			return out
		}
		m := &w.units[mi]
		there, ok := m.weight(c.owner)
		all = ok && !m.fixed
		was, _ := m.weight(u.owner)
		allGain += there - was
	}
	if all {
		out = append(out, option{c.owner, withEverything, allGain - from.score - to.score + w.scored(from, to.set, to.units) + w.scored(to, from.set, from.units)})
	}
	return out
}

// splice computes what a unit's owner and another would have after they exchange what starts with the unit
// or later, into w.spliced, and the gain of evidence; ok is false where a unit does not admit it.
func (w *window) splice(ui, other int32) (gain float64, ok bool) {
	at, owner := w.units[ui].start, w.units[ui].owner
	kept, given := w.spliced[0][:0], w.spliced[1][:0]
	defer func() { w.spliced = [2][]int32{kept, given} }()
	for _, side := range [2][2]int32{{owner, other}, {other, owner}} {
		for _, x := range w.owners[side[0]].units {
			u := &w.units[x]
			stays := u.start < at
			if !stays {
				to, admitted := u.weight(side[1])
				if !admitted || u.fixed {
					return 0, false
				}
				was, _ := u.weight(side[0])
				gain += to - was
			}
			if stays == (side[0] == owner) {
				kept = append(kept, x)
			} else {
				given = append(given, x)
			}
		}
	}
	return gain, true
}

// took notes that an owner's units are its own now.
func (w *window) took(id int32) {
	for _, u := range w.owners[id].units {
		w.units[u].owner, w.units[u].moved = id, w.tick+1
	}
	w.rescore(id)
}

// hopeless is the loss of evidence that no improvement in time and order makes up for.
const hopeless = -30

// crowded reports whether an owner that takes one lease of a kind has it already.
func (w *window) crowded(o *owner, kind leaseKind) bool {
	if o.route != routeWeb && o.route != routeTryton {
		return false
	}
	for _, u := range o.units {
		if k := w.units[u].kind; k == kind && (k == leaseSignaling || k == leaseCheck || k == leaseTouch) {
			return true
		}
	}
	return false
}

// variant returns an owner's units without one and with another (-1 for neither), in a shared buffer.
func (w *window) variant(o *owner, without, with int32) []int32 {
	w.trial = w.trial[:0]
	for _, u := range o.units {
		if u != without {
			w.trial = append(w.trial, u)
		}
	}
	if with >= 0 {
		w.trial = append(w.trial, with)
	}
	return w.trial
}

func (w *window) apply(ui int32, o option) {
	from := w.units[ui].owner
	switch o.with {
	case withNothing:
		w.place(ui, o.to)
	case withEverything:
		a, b := &w.owners[from], &w.owners[o.to]
		a.units, b.units = b.units, a.units
		w.took(from)
		w.took(o.to)
	case withTheRest:
		w.splice(ui, o.to)
		a, b := &w.owners[from], &w.owners[o.to]
		a.units, b.units = append(a.units[:0], w.spliced[0]...), append(b.units[:0], w.spliced[1]...)
		w.took(from)
		w.took(o.to)
	default:
		w.place(ui, o.to)
		w.place(o.with, from)
	}
}
