package metrics

// name is a method as its series are labelled.
type name struct{ model, method string }

// other is the name of all methods without series of their own.
var other = name{method: "other"}

const (
	// proof is how often a method must have been called to take a place in the second half of the room.
	proof = 100
	// candidates is how many methods without a place are counted, for each place.
	candidates = 4
)

// methods gives the methods that are called most their own series and sums up the rest.
//
// There is room for a fixed number. In its first half a method takes a place at its first call; in the second
// half only at its 100th, so that names that are called once, by a scanner perhaps, do not use it up. A place is
// kept until perfd ends: a series never changes its meaning. Calls before a method took its place stay counted
// as other.
type methods struct {
	room    int
	own     map[name]*series
	waiting map[name]int // calls of methods without a place, at most; Misra and Gries's counters
	rest    *series
}

func newMethods(room int) methods {
	return methods{room: room, own: make(map[name]*series), waiting: make(map[name]int)}
}

// of returns the series that a call of n is counted in; make makes those of a new name.
func (m *methods) of(n name, make func(name) *series) *series {
	if s := m.own[n]; s != nil {
		return s
	}
	if len(m.own) < m.room && (len(m.own) < (m.room+1)/2 || m.proven(n)) {
		s := make(n)
		m.own[n] = s
		delete(m.waiting, n)
		return s
	}
	if m.rest == nil {
		m.rest = make(other)
	}
	return m.rest
}

// proven counts a call of a method without a place and reports whether it has earned one.
func (m *methods) proven(n name) bool {
	if _, known := m.waiting[n]; known || len(m.waiting) < candidates*m.room {
		m.waiting[n]++
		return m.waiting[n] >= proof
	}
	for k := range m.waiting { // paid for by the calls that are taken off
		if m.waiting[k]--; m.waiting[k] == 0 {
			delete(m.waiting, k)
		}
	}
	return false
}
