package analyzer

import (
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
)

// weigh sets the weight of every candidate: the evidence that does not depend on what else it owns.
func (w *window) weigh(counted bool) {
	share := w.tableShares()
	wishes := 0
	for id := range w.wanted[:w.none] {
		wishes += len(w.wanted[id])
	}
	const much = 1000 // candidates that are worth waking a thread for
	half, seen := w.none, 0
	if wishes > much && !w.alone && runtime.GOMAXPROCS(0) > 1 {
		for half = 0; seen < wishes/2; half++ {
			seen += len(w.wanted[half])
		}
	}
	var wg sync.WaitGroup
	if half < w.none {
		if w.aside == nil {
			w.aside = w.content.apart()
		}
		wg.Go(func() { w.weighOwners(half, w.none, w.aside, share, counted) })
	}
	w.weighOwners(0, half, w.content, share, counted)
	wg.Wait()
	for i := range w.units {
		u := &w.units[i]
		u.weigh(int32(len(u.cands)-1), u.alone(w))
		u.judged, w.heat[i] = 0, math.Inf(1)
	}
	w.scores.forget(len(w.units))
	for _, r := range w.regions {
		r.scores.forget(len(r.mine))
	}
	w.tick++
	w.weighed = w.tick
}

// weighOwners sets the weights of the owners from one up to another, as they show what c holds.
func (w *window) weighOwners(from, to int32, c *content, share func(int32) float64, counted bool) {
	k := w.learned
	for id := from; id < to; id++ {
		o := &w.owners[id]
		if len(w.wanted[id]) == 0 {
			continue
		}
		c.show(id)
		for _, at := range w.wanted[id] {
			u := &w.units[at.unit]
			own := counted && u.owner == id
			sum := u.affinity(o, w)
			for _, li := range u.leases {
				l := &w.leases[li]
				if l.kind == leaseSignaling || l.kind == leaseEmpty {
					continue
				}
				if o.call != nil {
					sum += c.score(l, o, k) + k.tableScore(l, o, share)
				}
				sum += k.profileScore(l, o.profile, own)
			}
			u.weigh(at.candidate, sum)
		}
		c.hide(id)
	}
}

// affinity is what a unit's kind says about an owner's route.
func (u *unit) affinity(o *owner, w *window) float64 {
	var sum float64
	for _, li := range u.leases {
		l := &w.leases[li]
		sum -= l.unlikely(o)
		switch {
		case o.route == routeCron:
			if l.start == o.head+slack && l.end == o.until {
				sum += 6 // the lease that reads ir_cron is cron itself
			} else if l.kind == leaseJob {
				sum -= 1
			} else if l.kind == leaseWork || l.kind == leaseCron {
				sum -= 6 // what it may run
			} else {
				sum -= 10
			}
		case l.kind == leaseCron:
			sum -= 4
		case l.kind == leaseJob:
			sum -= 30
		case l.kind == leaseBus && o.route == routeSocket:
			sum -= 4
		case l.kind == leaseBus && o.route == routeLogin:
			sum -= 8
		case l.kind == leasePresence && o.route != routeSocket:
			sum -= 20
		case l.kind == leaseWork && o.route == routeSocket:
			// Subscribing reads channels and rules, some 20 statements; business code it is not.
			sum -= 14 + min(0.5*max(0, float64(len(l.statements)-24)), 30)
		}
	}
	return sum
}

// alone is the weight of no known owner.
func (u *unit) alone(w *window) float64 {
	var sum float64
	for _, li := range u.leases {
		sum += 2 * w.leases[li].doubt // by which the least of them come to about nothing
		switch w.leases[li].kind {
		case leaseListen:
		case leaseCron:
			sum -= 2
		case leaseFilter:
			sum -= 25
		case leaseBus:
			sum -= 14
		case leaseSignaling, leaseEmpty:
			sum -= 16
		default:
			sum -= 25
		}
	}
	return sum
}

// tableShares returns the share of work leases that name a table.
func (w *window) tableShares() func(int32) float64 {
	n := map[int32]float64{}
	total := 1.0
	for i := range w.leases {
		if w.leases[i].kind == leaseWork {
			total++
			for _, t := range w.leases[i].tables {
				n[t]++
			}
		}
	}
	return func(t int32) float64 { return n[t] / total }
}

// The search no longer repeats sweeps after so many judgements for each unit, or for each of its candidates.
const (
	effort = 150
	visits = 8
)

// search improves the assignment: for each unit in turn it weighs moving it to another owner, exchanging
// it for a unit of the other owner, and exchanging everything or all that is left, and draws among these by
// a falling temperature. The last sweeps take the best.
func (w *window) search(temperatures []float64) {
	repeat := min(max(9000/(len(w.units)+1), 1), 9) // a small window can afford a slower fall
	const much = 400                                // judgements of a sweep; the next one is expected to take about as many
	worth := true
	for n := range repeat * len(temperatures) {
		if n%repeat != 0 && w.spent() > w.budget {
			continue
		}
		temperature := temperatures[n/repeat]
		before := w.spent()
		changed := w.each(worth, func(r *window) bool { return r.sweep(temperature) })
		worth = w.spent()-before > much
		if temperature == 0 && !changed {
			return
		}
	}
}

// sweep weighs the options of each unit once and reports whether any was taken.
func (w *window) sweep(temperature float64) (changed bool) {
	for _, i := range w.mine {
		if w.frozen(i, temperature) {
			continue
		}
		u := &w.units[i]
		w.consider(i)
		best, bestScore := option{}, noise(w.rng, temperature)
		found := false
		margin := math.Inf(-1)
		for n := range u.offers {
			offer := &u.offers[n]
			margin = max(margin, offer.best)
			if offer.best+luck*temperature <= bestScore {
				continue
			}
			for _, o := range offer.options {
				if o.delta+luck*temperature <= bestScore {
					continue
				}
				if s := o.delta + noise(w.rng, temperature); s > bestScore+1e-9 {
					best, bestScore, found = o, s, true
				}
			}
		}
		u.judged, w.heat[i] = w.tick, margin
		if found {
			w.apply(i, best)
			changed = true
		}
	}
	return changed
}

// frozen reports whether weighing a unit's options again is idle: nothing around it changed since they were
// weighed last, and the best of them was out of reach at this temperature.
func (w *window) frozen(i int32, temperature float64) bool {
	if w.heat[i] > -1e-9-8*temperature {
		return false
	}
	if len(w.regions) == 0 {
		return true
	}
	u := &w.units[i] // what its candidates have may have changed in a region, which does not say so
	for _, c := range u.cands {
		if c.owner != w.none && w.owners[c.owner].changed > u.judged {
			return false
		}
	}
	return true
}

// noise draws from a Gumbel distribution: adding it to log likelihoods and taking the greatest samples
// from their softmax.
func noise(rng *rand.Rand, temperature float64) float64 {
	if temperature == 0 {
		return 0
	}
	return temperature * gumbel[rng.Uint32()%uint32(len(gumbel))]
}

// luck is more than the greatest of these values.
const luck = 9.02

// gumbel holds equally likely values of the standard Gumbel distribution.
var gumbel = func() (table [4096]float64) {
	for i := range table {
		table[i] = -math.Log(-math.Log((float64(i) + 0.5) / float64(len(table))))
	}
	return table
}()

// seed gives every unit that is not fixed to the candidate that content alone prefers, work first.
func (w *window) seed() {
	for _, signaling := range []bool{false, true} {
		for i := range w.units {
			u := &w.units[i]
			if u.fixed || u.owner != w.none || len(u.cands) < 2 || (u.kind == leaseSignaling) != signaling {
				continue
			}
			best, bestScore := w.none, math.Inf(-1)
			for _, c := range u.cands {
				s := c.weight
				if c.owner != w.none {
					o := &w.owners[c.owner]
					s += w.scoreOf(o, w.variant(o, -1, int32(i))) - o.score
				}
				if s > bestScore {
					best, bestScore = c.owner, s
				}
			}
			if best != w.none {
				w.place(int32(i), best)
			}
		}
	}
}

// want lists for each owner the units that could be its own.
func (w *window) want() {
	counts := make([]int32, len(w.owners)+1)
	for i := range w.units {
		for _, c := range w.units[i].cands {
			counts[c.owner]++
		}
	}
	w.wanted = make([][]wish, len(w.owners))
	for o := range w.wanted {
		w.wanted[o] = make([]wish, 0, counts[o])
	}
	for i := range w.units {
		for j, c := range w.units[i].cands {
			w.wanted[c.owner] = append(w.wanted[c.owner], wish{int32(i), int32(j)})
		}
	}
}

type wish struct{ unit, candidate int32 }
