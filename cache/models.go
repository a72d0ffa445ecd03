package cache

import (
	"hash/maphash"
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

	seen     atomic.Pointer[seenGeneration] // in Redis, when it was asked last
	counters atomic.Pointer[[]string]       // the names of its counters there
}

// modelRef is a model of a database, the database itself (whole), or everything (the zero value).
type modelRef struct {
	db, model string
	whole     bool
}

// models finds the state of a model without a lock: there are few, and soon all of them have been seen. Each shard is
// copied when it grows.
type models struct {
	shards    [64]atomic.Pointer[map[modelRef]*modelState]
	mu        sync.Mutex // of who adds one
	count     int
	databases map[string]*modelState
	other     modelState
}

func (m *models) shard(model string) *atomic.Pointer[map[modelRef]*modelState] {
	return &m.shards[maphash.String(seed, model)%uint64(len(m.shards))]
}

var seed = maphash.MakeSeed()

func (m *models) of(db, model string) *modelState {
	shard := m.shard(model)
	if known := shard.Load(); known != nil {
		if s := (*known)[modelRef{db: db, model: model}]; s != nil {
			return s
		}
	}
	return m.add(shard, modelRef{db: db, model: model})
}

func (m *models) add(shard *atomic.Pointer[map[modelRef]*modelState], ref modelRef) *modelState {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.databases == nil {
		m.databases = map[string]*modelState{}
		m.other.name, m.other.database = OtherModels, &modelState{}
	}
	known := map[modelRef]*modelState{}
	if k := shard.Load(); k != nil {
		if s := (*k)[ref]; s != nil {
			return s
		}
		known = *k
	}
	if m.count >= MaxModels {
		return &m.other
	}
	m.count++
	s := &modelState{name: ref.model, database: m.databases[ref.db]}
	if s.database == nil {
		s.database = &modelState{}
		m.databases[ref.db] = s.database
	}
	known = maps.Clone(known)
	known[ref] = s
	shard.Store(&known)
	return s
}

// next begins the next generation of all models of a database.
func (m *models) next(db string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.other.generation.Add(1)
	if d := m.databases[db]; d != nil {
		d.generation.Add(1)
	}
}

func (m *models) stats() map[string]Counts {
	out := map[string]Counts{}
	for i := range m.shards {
		if k := m.shards[i].Load(); k != nil {
			for _, s := range *k {
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
