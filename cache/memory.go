package cache

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"
)

// Strategy is what a Memory gives up when it is full.
type Strategy string

// The strategies.
const (
	// LFU keeps what is asked for often, and adapts to how much recency matters (W-TinyLFU, by otter).
	LFU Strategy = "lfu"
	// LRU keeps what was asked for last.
	LRU Strategy = "lru"
	// TTL gives up first what expires first.
	TTL Strategy = "ttl"
)

// MemoryConfig is how a Memory keeps values. The zero value works.
type MemoryConfig struct {
	// Strategy is what is given up when the memory is full. Defaults to LFU.
	Strategy Strategy
	// MaxItems bounds the number of entries. Defaults to 1000.
	MaxItems int
	// MaxBytes bounds their size: values, keys and some 200 bytes each. With LFU an entry counts as at least
	// MaxBytes/MaxItems. Defaults to 64 MiB.
	MaxBytes int64
	// MaxEntry is the largest value to keep. Defaults to 8 MiB, and is at most MaxBytes.
	MaxEntry int
	// TTL is the time to live of entries whose Options have none. Defaults to 300 s.
	TTL Lifetime
}

// entryOverhead is what an entry takes beside its value and the text of its key.
const entryOverhead = 200

// Memory is a Cache within the process.
type Memory struct {
	config MemoryConfig
	table  table
	models models
	epoch  atomic.Uint64 // of all databases
	items  atomic.Int64
	bytes  atomic.Int64
	closed atomic.Bool
	counts counters
}

var _ Cache = (*Memory)(nil)

// item is a stored value; it does not change.
type item struct {
	value       []byte
	model       *modelState
	stored      int64 // nanoseconds since 1970, as the others
	fresh, dead int64 // until when it is a hit, and until when it is there; forever: 0
	size        int64
	generation  [3]uint64 // of all databases, the database and the model
}

// table is what keeps items within bounds. It tells gone of each item that it lets go.
type table interface {
	get(Key) *item
	set(Key, *item)
	// remove takes away a certain item, whichever is there if that is nil.
	remove(Key, *item) bool
	each(func(Key) bool)
	clear()
	close()
}

// NewMemory makes an empty memory.
func NewMemory(c MemoryConfig) (*Memory, error) {
	if c.MaxItems <= 0 {
		c.MaxItems = 1000
	}
	if c.MaxBytes <= 0 {
		c.MaxBytes = 64 << 20
	}
	if c.MaxEntry <= 0 {
		c.MaxEntry = DefaultMaxEntry
	}
	c.MaxEntry = int(min(int64(c.MaxEntry), c.MaxBytes))
	c.TTL = c.TTL.Or(For(DefaultTTL))
	m := &Memory{config: c}
	switch c.Strategy {
	case LFU, "":
		t, err := newFrequencyTable(c, m.gone)
		if err != nil {
			return nil, fmt.Errorf("make memory cache: %w", err)
		}
		m.table = t
	case LRU:
		m.table = newOrderedTable(c, &recency{}, m.gone)
	case TTL:
		m.table = newOrderedTable(c, &expiry{}, m.gone)
	default:
		return nil, fmt.Errorf("make memory cache: strategy %q is none of %s, %s and %s", c.Strategy, LFU, LRU, TTL)
	}
	return m, nil
}

// gone is told of items that the table does not have any more.
func (m *Memory) gone(i *item, evicted bool) {
	m.items.Add(-1)
	m.bytes.Add(-i.size)
	if evicted {
		m.counts.evictions.Add(1)
		i.model.counts.evictions.Add(1)
	}
}

// Get is Cache.Get. It takes less than a microsecond.
func (m *Memory) Get(_ context.Context, key Key) Entry {
	s := m.models.of(key.DB, key.Model)
	i := m.table.get(key)
	if i != nil && i.generation == m.generation(s) {
		now := time.Now().UnixNano()
		if i.fresh == 0 || now < i.fresh {
			m.counts.hits.Add(1)
			s.counts.hits.Add(1)
			return Entry{State: Hit, Value: i.value, Stored: at(i.stored), Fresh: at(i.fresh)}
		}
		if now < i.dead {
			m.counts.stale.Add(1)
			s.counts.stale.Add(1)
			return Entry{State: Stale, Value: i.value, Stored: at(i.stored), Fresh: at(i.fresh), Generation: mark(i.generation)}
		}
	}
	if i != nil {
		m.table.remove(key, i)
	}
	m.counts.misses.Add(1)
	s.counts.misses.Add(1)
	if m.closed.Load() {
		return Entry{}
	}
	return Entry{Generation: mark(m.generation(s))}
}

// Set is Cache.Set.
func (m *Memory) Set(_ context.Context, key Key, value []byte, o Options) error {
	s := m.models.of(key.DB, key.Model)
	g := m.generation(s)
	if m.closed.Load() || (o.Generation != "" && o.Generation != mark(g)) {
		return nil
	}
	ttl := o.TTL.Or(m.config.TTL)
	if ttl.Nothing() || len(value) > m.config.MaxEntry {
		m.table.remove(key, nil)
		if ttl.Nothing() {
			return nil
		}
		m.counts.rejected.Add(1)
		s.counts.rejected.Add(1)
		return ErrTooLarge
	}
	now := time.Now().UnixNano()
	i := &item{value: value, model: s, stored: now, generation: g, size: sizeOf(key, value)}
	if !o.Stored.IsZero() {
		i.stored = o.Stored.UnixNano()
	}
	if !ttl.Forever() {
		i.fresh = after(now, ttl.Duration())
		i.dead = after(i.fresh, max(o.Stale, 0))
	}
	m.items.Add(1)
	m.bytes.Add(i.size)
	m.table.set(key, i)
	if m.closed.Load() { // Close may have emptied the table before
		m.table.remove(key, i)
	}
	m.counts.sets.Add(1)
	s.counts.sets.Add(1)
	return nil
}

// Delete is Cache.Delete.
func (m *Memory) Delete(_ context.Context, keys ...Key) error {
	for _, k := range keys {
		if m.table.remove(k, nil) {
			m.counts.deletes.Add(1)
			m.models.of(k.DB, k.Model).counts.deletes.Add(1)
		}
	}
	return nil
}

// Generation is Cache.Generation.
func (m *Memory) Generation(_ context.Context, key Key) Generation {
	if m.closed.Load() {
		return ""
	}
	return mark(m.generation(m.models.of(key.DB, key.Model)))
}

// Invalidate is Cache.Invalidate.
func (m *Memory) Invalidate(_ context.Context, db string, names ...string) error {
	if len(names) == 0 {
		m.models.next(db)
	}
	for _, n := range names {
		s := m.models.of(db, n)
		s.generation.Add(1)
		s.counts.invalidations.Add(1)
	}
	m.counts.invalidations.Add(1)
	return nil
}

// InvalidateMatching is Cache.InvalidateMatching.
func (m *Memory) InvalidateMatching(ctx context.Context, pattern string) (int, error) {
	g := newGlob(pattern)
	var found []Key
	m.table.each(func(k Key) bool {
		if g.match(k.String()) {
			found = append(found, k)
		}
		return ctx.Err() == nil
	})
	n := 0
	for _, k := range found {
		if m.table.remove(k, nil) {
			n++
		}
	}
	m.counts.invalidations.Add(1)
	return n, ctx.Err()
}

// Clear is Cache.Clear.
func (m *Memory) Clear(context.Context) error {
	m.epoch.Add(1)
	m.table.clear()
	m.counts.invalidations.Add(1)
	return nil
}

// Close is Cache.Close.
func (m *Memory) Close() error {
	if !m.closed.Swap(true) {
		m.epoch.Add(1)
		m.table.clear()
		m.table.close()
	}
	return nil
}

// Stats is Cache.Stats.
func (m *Memory) Stats() Stats {
	t := TierStats{Name: "memory", Counts: m.counts.load(), Items: m.items.Load(), Bytes: m.bytes.Load()}
	return Stats{Counts: t.Counts, Tiers: []TierStats{t}, Models: m.models.stats()}
}

func (m *Memory) generation(s *modelState) [3]uint64 {
	return [3]uint64{m.epoch.Load(), s.database.generation.Load(), s.generation.Load()}
}

func mark(g [3]uint64) Generation {
	b := make([]byte, 0, 24)
	for i, n := range g {
		if i > 0 {
			b = append(b, '.')
		}
		b = strconv.AppendUint(b, n, 36)
	}
	return Generation(b)
}

func sizeOf(k Key, value []byte) int64 {
	return int64(len(value) + len(k.DB) + len(k.Model) + len(k.Op) + len(k.Scope) + entryOverhead)
}

// after is t+d, or the end of time if that is beyond it.
func after(t int64, d time.Duration) int64 {
	if s := t + int64(d); s > t || d == 0 {
		return s
	}
	return 1<<63 - 1
}

// at is the time of that many nanoseconds, the zero time for none.
func at(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}
