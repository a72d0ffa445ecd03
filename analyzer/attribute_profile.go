package analyzer

import (
	"math"
	"slices"
)

// knowledge is what attribution learns from a recording and carries from window to window: delays and
// patterns, which shapes a method runs, and how much of a shape's values its calls show.
type knowledge struct {
	timing *timing

	features     map[uint64]int32 // fingerprint or signature to feature
	featureLease []float64        // by feature: leases that ran it
	leases       float64

	profiles      map[string]int32
	profileLease  []float64           // by profile
	profileShapes []map[int32]float64 // by profile: leases by feature

	literals, values []presence // by feature
	rates            []rates    // by feature, derived
	overall          [2]presence

	tables map[string]int32
	table  presence // how often a call's lease names its model's table
}

type rates struct{ literal, literalAbsent, value, valueAbsent float64 }

func newKnowledge() *knowledge {
	return &knowledge{
		timing:   newTiming(),
		features: map[uint64]int32{},
		profiles: map[string]int32{},
		tables:   map[string]int32{},
	}
}

// feature numbers a fingerprint.
func (k *knowledge) feature(f uint64) int32 {
	if id, ok := k.features[f]; ok {
		return id
	}
	id := int32(len(k.featureLease))
	k.features[f] = id
	k.featureLease = append(k.featureLease, 0)
	k.literals = append(k.literals, presence{})
	k.values = append(k.values, presence{})
	k.rates = append(k.rates, ratesOf(priorLiteral, priorValue))
	return id
}

func ratesOf(literal, value float64) rates {
	literal, value = min(max(literal, 0.01), 0.97), min(max(value, 0.01), 0.97)
	return rates{math.Log(literal), math.Log(1 - literal), math.Log(value), math.Log(1 - value)}
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
	return min(max(1.3*sum/math.Sqrt(float64(len(l.features))), -9), 9)
}

// learn takes the window's current assignment as the truth to learn from.
func (k *knowledge) learn(w *window) {
	k.timing.learn(w)
	clear(k.featureLease)
	clear(k.profileLease)
	for _, m := range k.profileShapes {
		clear(m)
	}
	clear(k.literals)
	clear(k.values)
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
	literal, value := k.overall[0].rate(priorLiteral), k.overall[1].rate(priorValue)
	for f := range k.rates {
		k.rates[f] = ratesOf(k.literals[f].rate(literal), k.values[f].rate(value))
	}
}

func (k *knowledge) observe(c *content, l *lease, o *owner) {
	for _, t := range l.tokens {
		if uint32(t.hash) > o.responseLimit || uint32(t.hash) > o.requestLimit || c.rarity[t.id] < 1.5 {
			continue
		}
		p, all := &k.values[t.feature], &k.overall[1]
		if t.literal {
			p, all = &k.literals[t.feature], &k.overall[0]
		}
		p.judged++
		all.judged++
		if c.mark[t.id] != 0 {
			p.shown++
			all.shown++
		}
	}
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
