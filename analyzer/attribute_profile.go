package analyzer

import (
	"math"
	"slices"
)

// knowledge is what attribution learns from a recording and carries from window to window: delays and
// patterns, which shapes a method runs, and how much of a shape's values its calls show.
type knowledge struct {
	timing *timing
	memos  [regions + 1]memo // of the window being solved; kept for their room

	features     map[uint64]int32 // fingerprint, or sequence of them, to feature
	featureLease []float64        // by feature: leases that ran it
	leases       float64

	profiles      map[string]int32
	profileLease  []float64           // by profile
	profileShapes []map[int32]float64 // by profile: leases by feature

	shapes  int32      // numbered so far: each has its slots
	seen    []presence // by slot
	rates   []rate     // by slot, derived
	overall [2]presence

	tables map[string]int32
	table  presence // how often a call's lease names its model's table
}

// rate is what a token tells of an owner that shows it, and of one that does not, in log likelihood.
type rate struct{ shown, hidden float64 }

func newKnowledge() *knowledge {
	return &knowledge{
		timing:   newTiming(),
		features: map[uint64]int32{},
		profiles: map[string]int32{},
		tables:   map[string]int32{},
	}
}

// maxFeatures bounds the features; what comes later takes part in no profile.
const maxFeatures = 50_000

// feature numbers a fingerprint or a sequence of them. It is -1 once there are too many.
func (k *knowledge) feature(f uint64) int32 {
	if id, ok := k.features[f]; ok {
		return id
	}
	if len(k.featureLease) >= maxFeatures {
		return -1
	}
	id := int32(len(k.featureLease))
	k.features[f] = id
	k.featureLease = append(k.featureLease, 0)
	return id
}

// shape numbers a shape whose literals and values are evidence.
func (k *knowledge) shape() int32 {
	for n := range slots {
		k.seen = append(k.seen, presence{})
		k.rates = append(k.rates, rateOf(priorOf(int32(n))))
	}
	k.shapes++
	return k.shapes - 1
}

func priorOf(slot int32) float64 {
	if isValue(slot) {
		return priorValue
	}
	return priorLiteral
}

// rateOf bounds a learned rate: a token that is shown speaks for its owner even where the place's tokens
// seemed not to be shown so far, because what was learned may rest on wrong answers.
func rateOf(p float64) rate {
	p = min(max(p, 0.01), 0.97)
	return rate{shown: math.Log(max(p, 0.3)), hidden: math.Log(1 - p)}
}

// profile numbers a name under which calls run alike: model and method, or a path.
func (k *knowledge) profile(name string) int32 {
	if id, ok := k.profiles[name]; ok {
		return id
	}
	id := int32(len(k.profileLease))
	k.profiles[name] = id
	k.profileLease = append(k.profileLease, 0)
	k.profileShapes = append(k.profileShapes, map[int32]float64{})
	return id
}

// tableID numbers a table name.
func (k *knowledge) tableID(name string) int32 {
	id, ok := k.tables[name]
	if !ok {
		id = int32(len(k.tables))
		k.tables[name] = id
	}
	return id
}

// profileScore is the log likelihood ratio of a lease's shapes under a profile. Where the lease itself was
// counted for that profile (own), it is left out.
func (k *knowledge) profileScore(l *lease, profile int32, own bool) float64 {
	if profile < 0 || len(l.features) == 0 {
		return 0
	}
	left := 0.0
	if own {
		left = 1
	}
	shapes := k.profileShapes[profile]
	runs := max(k.profileLease[profile]-left, 0)
	all := max(k.leases-left, 0) + 20
	const weight = 1.0
	var sum float64
	for _, f := range l.features {
		base := (max(k.featureLease[f]-left, 0) + 0.5) / all
		own := (max(shapes[f]-left, 0) + weight*base) / (runs + weight)
		sum += math.Log(own / base)
	}
	return min(max(1.8*sum/math.Sqrt(float64(len(l.features))), -14), 14)
}

// learn takes the window's current assignment as the truth to learn from.
func (k *knowledge) learn(w *window) {
	k.timing.learn(w)
	clear(k.featureLease)
	clear(k.profileLease)
	for _, m := range k.profileShapes {
		clear(m)
	}
	clear(k.seen)
	k.overall = [2]presence{}
	k.leases = 0
	k.table = presence{}
	c := w.content
	for id := range w.owners[:w.none] {
		o := &w.owners[id]
		c.show(int32(id))
		for _, u := range o.units {
			for _, li := range w.units[u].leases {
				l := &w.leases[li]
				k.leases++
				if o.profile >= 0 {
					k.profileLease[o.profile]++
					shapes := k.profileShapes[o.profile]
					for _, f := range l.features {
						shapes[f]++
					}
				}
				for _, f := range l.features {
					k.featureLease[f]++
				}
				if o.table >= 0 && l.kind == leaseWork {
					k.table.judged++
					if _, ok := slices.BinarySearch(l.tables, o.table); ok {
						k.table.shown++
					}
				}
				if o.call != nil {
					k.observe(c, l, o)
				}
			}
		}
		c.hide(int32(id))
	}
	k.derive()
}

// derive computes the rates from what was seen.
func (k *knowledge) derive() {
	overall := [2]float64{k.overall[0].rate(priorLiteral), k.overall[1].rate(priorValue)}
	for slot := range k.rates {
		prior := overall[0]
		if isValue(int32(slot)) {
			prior = overall[1]
		}
		k.rates[slot] = rateOf(k.seen[slot].rate(prior))
	}
}

func (k *knowledge) observe(c *content, l *lease, o *owner) {
	limit := min(o.requestLimit, o.responseLimit)
	for _, t := range l.tokens {
		if uint32(t.hash) > limit || c.rarity[t.id] < 1.2 {
			continue
		}
		shown := 0.0
		if c.mark[t.id] != 0 {
			shown = 1
		}
		k.note(t.slot, shown, 1)
	}
}

func (k *knowledge) note(slot int32, shown, judged float64) {
	all := &k.overall[0]
	if isValue(slot) {
		all = &k.overall[1]
	}
	k.seen[slot].shown += shown
	k.seen[slot].judged += judged
	all.shown += shown
	all.judged += judged
}

// anticipate estimates, before anything is assigned, how often the tokens of each place are shown by the
// owner: the share that any candidate shows, less what chance would show.
func (k *knowledge) anticipate(w *window) {
	c := w.content
	anyone := make([][]uint8, len(w.leases)) // by lease and token: how many candidates show it
	for i := range w.leases {
		anyone[i] = make([]uint8, len(w.leases[i].tokens))
	}
	for id := range w.owners[:w.none] {
		if w.owners[id].call == nil {
			continue
		}
		c.show(int32(id))
		for _, at := range w.wanted[id] {
			for _, li := range w.units[at.unit].leases {
				marks := anyone[li]
				for n, t := range w.leases[li].tokens {
					if c.mark[t.id] != 0 {
						marks[n] = 1
					}
				}
			}
		}
		c.hide(int32(id))
	}
	clear(k.seen)
	k.overall = [2]presence{}
	for i := range w.units {
		u := &w.units[i]
		n := 0
		for _, cand := range u.cands {
			if w.owners[cand.owner].call != nil {
				n++
			}
		}
		if n == 0 {
			continue
		}
		for _, li := range u.leases {
			for j, t := range w.leases[li].tokens {
				if c.rarity[t.id] < 0.7 {
					continue
				}
				miss, none := 1-float64(c.share[t.id]), 1.0 // none of n candidates shows it by chance
				for range min(n, 64) {
					none *= miss
				}
				k.note(t.slot, max(float64(anyone[li][j])-(1-none), 0), none)
			}
		}
	}
	k.derive()
}

// tableScore compares the tables a lease names with the model the call names.
func (k *knowledge) tableScore(l *lease, o *owner, share func(table int32) float64) float64 {
	if o.table < 0 || l.kind != leaseWork && l.kind != leaseCron && l.kind != leaseBus {
		return 0
	}
	p := min(k.table.rate(0.9), 0.98)
	q := min(max(share(o.table), 0.01), 0.97)
	if _, ok := slices.BinarySearch(l.tables, o.table); ok {
		return max(math.Log(p/q), 0)
	}
	return max(math.Log((1-p)/(1-q)), -3)
}
