package analyzer

import (
	"math/rand/v2"
	"runtime"
	"sync"
)

// A window is searched in regions: owners that follow one another, and the units that nobody else could own. What happens
// in one does not matter to another, so they are searched at the same time; units between them take their turn afterwards.
// How a window is cut follows from what it holds, and each region draws random numbers of its own: the answer is the same on
// any number of processors.
const (
	regions  = 4   // at most
	regional = 100 // free units of a region, at least
	between  = 10  // inverse of the greatest share of the free units that may lie across a cut
)

// split cuts the window into regions. Each is a view of the window with room of its own.
func (w *window) split() {
	const seed = 0x70657266 // fixed: the same file gives the same answer
	cuts := w.cuts()
	w.regions, w.rng = nil, rand.New(rand.NewPCG(seed, 0x64))
	w.mine = make([]int32, 0, len(w.units))
	if len(cuts) > 0 {
		for n := range len(cuts) + 1 {
			r := *w
			r.rng = rand.New(rand.NewPCG(seed, 0x65+uint64(n)))
			r.scores = &w.learned.memos[n+1]
			r.meetings = make([][]meeting, len(w.leases))
			r.regions, r.effort, r.lane = nil, 0, uint8(n+1)
			r.buf, r.trial, r.spliced, r.mine = nil, nil, [2][]int32{}, nil
			r.pairings, r.pieces, r.before, r.hope, r.beams = nil, nil, nil, nil, [2][]division{}
			w.regions = append(w.regions, &r)
		}
	}
	for i := range w.units {
		u := &w.units[i]
		if u.fixed || len(u.cands) == 1 {
			continue
		}
		w.budget += visits * len(u.cands)
		r := w.regionOf(cuts, u.cands[0].owner, u.cands[len(u.cands)-2].owner)
		r.mine, w.lanes[i] = append(r.mine, int32(i)), r.lane
	}
	w.budget = min(w.budget, effort*len(w.units))
	for _, p := range w.pairs() {
		r := w.regionOf(cuts, p.a, p.b)
		r.pairings = append(r.pairings, p)
	}
	for _, r := range w.regions {
		r.scores.forget(len(r.mine))
	}
}

// regionOf returns the region that holds all owners from one to another; the window itself where there is none.
func (w *window) regionOf(cuts []int32, first, last int32) *window {
	for n, at := range cuts {
		if first < at {
			if last < at {
				return w.regions[n]
			}
			return w
		}
	}
	if len(cuts) == 0 {
		return w
	}
	return w.regions[len(cuts)]
}

// cuts returns the first owners of all regions but the first, chosen so that they hold about as much and few units lie
// between them.
func (w *window) cuts() (cuts []int32) {
	across := make([]int, w.none+1) // by owner: change of the number of units that could be its own and an earlier one's
	ended := make([]int, w.none+1)  // by owner: units that only earlier ones could own
	free := 0
	for i := range w.units {
		u := &w.units[i]
		if u.fixed || len(u.cands) == 1 {
			continue
		}
		free++
		first, last := u.cands[0].owner, u.cands[len(u.cands)-2].owner
		across[first+1]++
		across[last+1]--
		ended[last+1]++
	}
	for k := range w.none {
		across[k+1] += across[k]
		ended[k+1] += ended[k]
	}
	count := min(free/regional, regions)
	for n := 1; n < count; n++ {
		aim, give := free*n/count, free/count/3
		best := int32(-1)
		for k := int32(1); k < w.none; k++ {
			if ended[k] >= aim-give && ended[k] <= aim+give && (best < 0 || across[k] < across[best]) {
				best = k
			}
		}
		if best > 0 && across[best]*between <= free && (len(cuts) == 0 || best > cuts[len(cuts)-1]) {
			cuts = append(cuts, best)
		}
	}
	return cuts
}

// each has every region do something, at the same time if that is worth waking other threads for, and then the window what
// lies between them. It reports whether anything changed.
func (w *window) each(worth bool, do func(*window) bool) (changed bool) {
	worth = worth && !w.alone && runtime.GOMAXPROCS(0) > 1
	result := make([]bool, len(w.regions))
	var wg sync.WaitGroup
	for n, r := range w.regions {
		r.tick, r.weighed = w.tick, w.weighed
		if !worth {
			result[n] = do(r)
			continue
		}
		wg.Go(func() { result[n] = do(r) })
	}
	wg.Wait()
	for n, r := range w.regions {
		changed = changed || result[n]
		w.tick = max(w.tick, r.tick)
	}
	return do(w) || changed
}

// spent is the number of candidates judged so far.
func (w *window) spent() int {
	n := w.effort
	for _, r := range w.regions {
		n += r.effort
	}
	return n
}
