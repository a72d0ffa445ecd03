package cache

import (
	"maps"
	"sync"
	"sync/atomic"
)

// MaxModels is how many models of databases are kept apart. Those beyond share a generation and stand together in
// the statistics: forgetting one of them forgets all of them.
const MaxModels = 4096

// OtherModels is their name in Stats.Models.
const OtherModels = "(others)"

// modelState is the generation and the counts of a model, or of a database as a whole.
type modelState struct {
	name       string
	database   *modelState
	generation atomic.Uint64
	counts     counters

	seen     atomic.Pointer[Generation] // in Redis, when it was asked last
	counters atomic.Pointer[[]string]   // the names of its counters there
}

type modelRef struct {
	db, model string
	whole     bool // the database itself
}

// models finds the state of a model without a lock: there are few, and soon all of them have been seen.
type models struct {
	known atomic.Pointer[map[modelRef]*modelState]
	mu    sync.Mutex // of who adds one
	other modelState
}

func (m *models) of(db, model string) *modelState {
	if known := m.known.Load(); known != nil {
		if s := (*known)[modelRef{db: db, model: model}]; s != nil {
			return s
		}
	}
	return m.add(db, model)
}

func (m *models) add(db, model string) *modelState {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.other.database == nil {
		m.other.name, m.other.database = OtherModels, &modelState{}
	}
	known := map[modelRef]*modelState{}
	if k := m.known.Load(); k != nil {
		if s := (*k)[modelRef{db: db, model: model}]; s != nil {
			return s
		}
		if len(*k) >= MaxModels {
			return &m.other
		}
		known = maps.Clone(*k)
	}
	database := known[modelRef{db: db, whole: true}]
	if database == nil {
		database = &modelState{}
		known[modelRef{db: db, whole: true}] = database
	}
	s := &modelState{name: model, database: database}
	known[modelRef{db: db, model: model}] = s
	m.known.Store(&known)
	return s
}

// next begins the next generation of all models of a database.
func (m *models) next(db string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.other.generation.Add(1)
	if k := m.known.Load(); k != nil {
		if s := (*k)[modelRef{db: db, whole: true}]; s != nil {
			s.generation.Add(1)
		}
	}
}

func (m *models) stats() map[string]Counts {
	out := map[string]Counts{}
	if k := m.known.Load(); k != nil {
		for ref, s := range *k {
			if !ref.whole {
				out[s.name] = out[s.name].plus(s.counts.load())
			}
		}
	}
	if c := m.other.counts.load(); c != (Counts{}) {
		out[OtherModels] = c
	}
	return out
}

// counters are Counts that grow.
type counters struct {
	hits, stale, misses           atomic.Int64
	sets, deletes, invalidations  atomic.Int64
	evictions, rejected, failures atomic.Int64
}

func (c *counters) load() Counts {
	return Counts{
		Hits: c.hits.Load(), Stale: c.stale.Load(), Misses: c.misses.Load(),
		Sets: c.sets.Load(), Deletes: c.deletes.Load(), Invalidations: c.invalidations.Load(),
		Evictions: c.evictions.Load(), Rejected: c.rejected.Load(), Failures: c.failures.Load(),
	}
}

// look counts a lookup.
func (c *counters) look(s State) {
	switch s {
	case Hit:
		c.hits.Add(1)
	case Stale:
		c.stale.Add(1)
	default:
		c.misses.Add(1)
	}
}
