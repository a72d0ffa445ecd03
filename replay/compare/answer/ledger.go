package answer

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// Ledger counts in what places the answers of calls differ, between A and A again (Noise) and between A and B (Add). It
// holds places and numbers, no answers. It is not safe for concurrent use.
type Ledger struct {
	config  Config
	methods map[string]*method
	places  int
	calls   int64
	equal   int64
	sets    map[string]int64 // calls by the set of places in which they differ
	all     []*Place
	beyond  int64
}

type method struct {
	noise, calls int64
	places       map[Difference]*Place
}

// Place is where answers of a method differ.
type Place struct {
	Method string `json:"method"`
	Difference
	// Calls of Of compared differ between A and B, and Noise of NoiseOf between A and A again.
	Calls   int64 `json:"calls"`
	Of      int64 `json:"of"`
	Noise   int64 `json:"noise"`
	NoiseOf int64 `json:"noise_of"`
	// Cancelled says that it is noise: B differs no more often than A does from itself.
	Cancelled bool `json:"cancelled"`
	// First is the number of the first call that differed between A and B.
	First int64 `json:"first"`

	index int
}

// Result is what a ledger found.
type Result struct {
	// Compared answers: Equal as they stand, Alike once noise is cancelled (Equal among them).
	Compared int64 `json:"compared"`
	Equal    int64 `json:"equal"`
	Alike    int64 `json:"alike"`
	// Places are those that differ in B, what is not noise first, then by calls.
	Places []Place `json:"places"`
	// Beyond counts differences in places that there was no room for; their calls are not alike.
	Beyond int64 `json:"beyond,omitempty"`
}

// NewLedger returns an empty ledger.
func NewLedger(c Config) *Ledger {
	return &Ledger{config: c.defaults(), methods: map[string]*method{}, sets: map[string]int64{}}
}

// Noise takes two answers of A to the same call.
func (l *Ledger) Noise(name string, a, again []byte) {
	m := l.method(name)
	m.noise++
	for _, d := range l.config.diff(model(name), a, again) {
		if p := l.place(m, name, d); p != nil {
			p.Noise++
		}
	}
}

// Add takes A's and B's answer to the call seq, and reports whether they differ in no place at all.
func (l *Ledger) Add(seq int64, name string, a, b []byte) bool {
	m := l.method(name)
	m.calls++
	l.calls++
	differences := l.config.diff(model(name), a, b)
	if len(differences) == 0 {
		l.equal++
		return true
	}
	var set strings.Builder
	for _, d := range differences {
		p := l.place(m, name, d)
		if p == nil {
			l.beyond++
			set.WriteRune(-1)
			continue
		}
		if p.Calls++; p.Calls == 1 {
			p.First = seq
		}
		set.WriteRune(rune(p.index))
	}
	key := set.String()
	if _, ok := l.sets[key]; !ok && len(l.sets) >= 1000*l.config.MaxPlaces {
		return false // one of too many sets: the call is not alike
	}
	l.sets[key]++
	return false
}

func (l *Ledger) method(name string) *method {
	m := l.methods[name]
	if m == nil {
		if len(l.methods) >= 1000*l.config.MaxPlaces {
			name = ""
			if m = l.methods[name]; m != nil {
				return m
			}
		}
		m = &method{places: map[Difference]*Place{}}
		l.methods[name] = m
	}
	return m
}

func (l *Ledger) place(m *method, name string, d Difference) *Place {
	p := m.places[d]
	if p == nil && l.places < min(1000*l.config.MaxPlaces, 0xD000) { // places stand as runes in sets
		p = &Place{Method: name, Difference: d, index: l.places}
		l.places++
		m.places[d] = p
		l.all = append(l.all, p)
	}
	return p
}

// Result says what differs.
func (l *Ledger) Result() *Result {
	r := &Result{Compared: l.calls, Equal: l.equal, Alike: l.equal, Places: []Place{}, Beyond: l.beyond}
	for _, m := range l.methods {
		for _, p := range m.places {
			p.Of, p.NoiseOf = m.calls, m.noise
			p.Cancelled = p.noise()
			if p.Calls > 0 {
				r.Places = append(r.Places, *p)
			}
		}
	}
	for set, calls := range l.sets {
		alike := true
		for _, i := range set {
			if int(i) >= len(l.all) || !l.all[i].Cancelled {
				alike = false
			}
		}
		if alike {
			r.Alike += calls
		}
	}
	slices.SortFunc(r.Places, func(a, b Place) int {
		if a.Cancelled != b.Cancelled {
			if b.Cancelled {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(b.Calls, a.Calls), cmp.Compare(a.Method, b.Method), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Kind, b.Kind))
	})
	return r
}

// noise reports whether B differs there no more often than A does from itself: by a fifth more at most, and what chance
// adds to that.
func (p *Place) noise() bool {
	if p.Noise == 0 || p.Of == 0 {
		return false
	}
	a, b := float64(p.Noise)/float64(p.NoiseOf), float64(p.Calls)/float64(p.Of)
	chance := 3 * math.Sqrt(a*(1-a)*(1/float64(p.NoiseOf)+1/float64(p.Of)))
	return b <= 1.2*a+chance
}

// model is the model of model.method.
func model(name string) string {
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		return name[:i]
	}
	return name
}
