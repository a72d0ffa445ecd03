package analyzer

import (
	"math"
	"slices"
)

// temperature flattens the softmax over a unit's options: log likelihoods added up from evidence that is not
// independent are overconfident.
const temperature = 3.0

// regular reports whether an owner's leases follow a pattern that servers are known to show.
func (w *window) regular(o *owner) bool {
	w.collect(o)
	return w.timing.knows(o.route, w.patternOf(w.buf))
}

// contested reports whether another call than those of this window could have owned something of a unit.
func (w *window) contested(u *unit) bool {
	return slices.ContainsFunc(u.leases, func(l int32) bool { return w.leases[l].contested })
}

// certain reports whether it is beyond doubt that an application server made a unit, and the one that could have an owner's calls.
func (w *window) certain(u *unit, o *owner) bool {
	return !slices.ContainsFunc(u.leases, func(li int32) bool { return !w.leases[li].certain || w.leases[li].elsewhere(o) })
}

// verdict is what the window says of one unit: the ground and the probability of its owner being right.
func (w *window) verdict(ui int32) (Evidence, float64) {
	u := &w.units[ui]
	if u.owner == w.none || w.owners[u.owner].call == nil {
		return None, 0
	}
	o := &w.owners[u.owner]
	if u.witnessed {
		return Process, 1
	}
	if len(u.cands) == 2 && !u.loose && !w.contested(u) && o.call.Gaps == 0 && w.certain(u, o) && w.regular(o) { // this call or none, and nothing about it is strange
		return Exclusive, 1
	}
	var odds float64
	rival := w.none
	best := math.Inf(-1)
	for _, x := range w.options(ui) {
		odds += math.Exp(math.Min(x.delta/temperature, 0))
		if x.delta > best {
			best, rival = x.delta, x.to
		}
	}
	p := 1 / (1 + odds)
	mine, _ := u.weight(u.owner)
	other, _ := u.weight(rival)
	if rival != w.none && mine-other > 3 {
		return Content, min(p, 0.9999)
	}
	return Timing, min(p, 0.9999)
}
