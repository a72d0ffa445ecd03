package cache

import "time"

// Stats is what a cache did since it began.
type Stats struct {
	Counts
	// Tiers are the back ends one behind the other, one of them for a cache that is not tiered.
	Tiers []TierStats
	// Models are the counts by model. Models beyond the first MaxModels stand together as OtherModels.
	Models map[string]Counts
	// Loads is what the Loader did; zero of a bare back end.
	Loads LoadStats
}

// Counts are events. Each lookup is a hit, a stale hit or a miss.
type Counts struct {
	Hits, Stale, Misses           int64
	Sets, Deletes, Invalidations  int64
	Evictions, Rejected, Failures int64 // pushed out for lack of space; too large to store; not done because the store failed
}

// Lookups is how often a key was looked up.
func (c Counts) Lookups() int64 { return c.Hits + c.Stale + c.Misses }

// HitRate is the share of lookups that were hits, from 0 to 1, and 0 without lookups.
func (c Counts) HitRate() float64 {
	if n := c.Lookups(); n > 0 {
		return float64(c.Hits) / float64(n)
	}
	return 0
}

func (c Counts) plus(o Counts) Counts {
	c.Hits += o.Hits
	c.Stale += o.Stale
	c.Misses += o.Misses
	c.Sets += o.Sets
	c.Deletes += o.Deletes
	c.Invalidations += o.Invalidations
	c.Evictions += o.Evictions
	c.Rejected += o.Rejected
	c.Failures += o.Failures
	return c
}

// TierStats is one back end of a cache.
type TierStats struct {
	// Name is memory or redis, or what a back end of others calls itself.
	Name string
	Counts
	// Items and Bytes are what a memory holds now; they are 0 of Redis, which does not count what is this cache's.
	Items, Bytes int64
	// Bypassed says that an upper tier is not used, because it could not hear of what others forget.
	Bypassed bool
	// Circuit is closed, half-open or open, of a back end with a circuit breaker.
	Circuit string
	// Pending is how many invalidations the store has yet to be told of.
	Pending int
	// Fallback is the memory that stands in for a store that cannot be reached.
	Fallback *TierStats
	// LastError is the last failure, in words.
	LastError string
	// LastErrorAt is when that was.
	LastErrorAt time.Time
}

// LoadStats is what a Loader did.
type LoadStats struct {
	Loads, Errors int64
	// Coalesced is how many waited for a load that another had begun.
	Coalesced int64
	// StaleServes is how many got a stale value: while it was renewed, or because it could not be.
	StaleServes int64
	// Refreshes is how many loads ran behind a stale value.
	Refreshes int64
	// Refused is how many values were not stored because the caller's predicate or the configuration said so.
	Refused int64
	// Latency is how long loads took.
	Latency Histogram
	// RecentHitRate is the hit rate of the last thousand lookups or two.
	RecentHitRate float64
}

// Model is the counts of one model.
func (s Stats) Model(name string) Counts { return s.Models[name] }
