package cache

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/redis/go-redis/v9"
	"github.com/sony/gobreaker/v2"
)

// Redis is a Cache that processes share. While it cannot be reached, a memory stands in for it (RedisConfig.Fallback).
type Redis struct {
	config  RedisConfig
	codec   codec
	client  redis.UniversalClient
	breaker *gobreaker.CircuitBreaker[struct{}]
	names   names
	models  models
	counts  counters
	origin  string // of notices
	pending pending
	lanes   lanes
	runID   atomic.Pointer[string]
	lastErr atomic.Pointer[failure]

	fallback    *Memory
	substituted atomic.Bool // the fallback holds something

	life    context.Context
	end     context.CancelFunc
	mu      sync.Mutex // of who begins or ends work behind
	chasing bool       // somebody catches up
	working sync.WaitGroup
}

var (
	_ Cache     = (*Redis)(nil)
	_ Announcer = (*Redis)(nil)
)

type failure struct {
	text string
	at   time.Time
}

// NewRedis makes a cache in Redis. It does not connect: a Redis that is not there costs caching, and Check tells.
func NewRedis(c RedisConfig) (*Redis, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("make Redis cache: %w", err)
	}
	r := &Redis{config: c, names: newNames(c.Namespace, c.DB), origin: text(random())}
	if r.codec, err = newCodec(c.Serializer, c.EncryptionKeys); err != nil {
		return nil, fmt.Errorf("make Redis cache: %w", err)
	}
	if c.FallbackTTL > 0 {
		if r.fallback, err = NewMemory(c.Fallback); err != nil {
			return nil, fmt.Errorf("make Redis cache: %w", err)
		}
	}
	o := c.options()
	if !c.Cluster {
		o.OnConnect = r.greet
	}
	if !c.Cluster && c.Master == "" {
		r.lanes.most = c.PoolSize / 2
		o.PoolSize -= r.lanes.most
		o.MinIdleConns = min(o.MinIdleConns, o.PoolSize)
	}
	r.client = redis.NewUniversalClient(o)
	r.breaker = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name: "redis", MaxRequests: uint32(c.Probes), Timeout: c.Open,
		ReadyToTrip:  func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= uint32(c.Failures) },
		IsSuccessful: func(err error) bool { return err == nil || answered(err) },
		IsExcluded:   func(err error) bool { return errors.Is(err, errGivenUp) },
	})
	r.life, r.end = context.WithCancel(context.Background())
	return r, nil
}

// Get is Cache.Get.
func (r *Redis) Get(ctx context.Context, key Key) Entry {
	s := r.models.of(key.DB, key.Model)
	var e Entry
	err := r.guard(ctx, func(o operation) error {
		var found bool
		if e, found = r.quick(o, key, s); found {
			return nil
		}
		return r.timed(o, func(ctx context.Context) (err error) {
			e, err = r.get(ctx, key, s, o.began)
			return err
		})
	})
	if err != nil {
		r.failed(s, err)
		e = Entry{}
		if r.fallback != nil && ctx.Err() == nil {
			e = r.fallback.Get(ctx, key)
			if e.Generation != "" {
				e.Generation = substitute + e.Generation
			}
		}
	}
	r.counts.look(e.State)
	s.counts.look(e.State)
	return e
}

// quick asks once for the entry alone, if nothing else has to be known or told. It is false if that gave no answer.
func (r *Redis) quick(o operation, key Key, s *modelState) (Entry, bool) {
	if s == &r.models.other || r.pending.count() > 0 {
		return Entry{}, false
	}
	l := r.lanes.take(r, o.began)
	if l == nil {
		return Entry{}, false
	}
	g, name, value := l.hit(o, key, s, o.began)
	r.lanes.give(l)
	if g == nil {
		return Entry{}, false
	}
	return r.entry(s, g, name, value, o.began), true
}

// get asks for the entry on a connection that learns the generation with it, or else with all counters.
func (r *Redis) get(ctx context.Context, key Key, s *modelState, now time.Time) (Entry, error) {
	if s != &r.models.other {
		if l := r.lanes.take(r, now); l != nil {
			g, name, value, err := l.look(ctx, key, s, now)
			r.lanes.give(l)
			if err == nil && g != nil {
				return r.entry(s, g, name, value, now), nil
			}
			if end, ok := ctx.Deadline(); err != nil && ok && !time.Now().Before(end) {
				return Entry{}, err // the context's own timer may be late
			}
		}
	}
	return r.getWithCounters(ctx, key, s, now)
}

// getWithCounters asks for the generations and the entry that was current last time, at once. Mostly it still is.
func (r *Redis) getWithCounters(ctx context.Context, key Key, s *modelState, now time.Time) (Entry, error) {
	guess := s.seen.Load()
	name := ""
	if guess != nil {
		name = entryIn(guess.prefix, key)
	}
	current, value, err := r.read(ctx, key, s, name)
	if err != nil || current == nil {
		return Entry{}, err
	}
	if guess == nil || current.generation != guess.generation {
		name = entryIn(current.prefix, key)
		if value, err = r.client.Get(ctx, name).Result(); errors.Is(err, redis.Nil) {
			value = ""
		} else if err != nil {
			return Entry{}, err
		}
	}
	return r.entry(s, current, name, value, now), nil
}

// entry is what a lookup found in a generation.
func (r *Redis) entry(s *modelState, current *seenGeneration, name, value string, now time.Time) Entry {
	miss := Entry{Generation: current.generation}
	if value == "" {
		return miss
	}
	v, err := r.codec.decode(name, unsafe.Slice(unsafe.StringData(value), len(value))) // which nobody changes
	if err != nil {                                                                    // what cannot be read is not there; the next value replaces it
		r.failed(s, fmt.Errorf("read entry: %w", err))
		return miss
	}
	e := Entry{State: Hit, Value: v.value, Stored: at(v.stored * 1e6), Fresh: at(v.fresh * 1e6)}
	if v.fresh != 0 && now.UnixMilli() >= v.fresh {
		e.State, e.Generation = Stale, current.generation
	}
	return e
}

// Set is Cache.Set.
func (r *Redis) Set(ctx context.Context, key Key, value []byte, o Options) error {
	s := r.models.of(key.DB, key.Model)
	ttl := o.TTL.Or(r.config.TTL)
	substituted := isSubstitute(o.Generation)
	switch {
	case ttl.Nothing():
		if o.Generation != "" {
			return nil
		}
		return r.Delete(ctx, key)
	case len(value) > r.config.MaxEntry:
		r.counts.rejected.Add(1)
		s.counts.rejected.Add(1)
		if o.Generation != "" {
			return ErrTooLarge
		}
		return errors.Join(ErrTooLarge, r.Delete(ctx, key))
	case substituted:
		r.substitute(ctx, key, value, o)
		return nil
	}
	err := r.do(ctx, func(ctx context.Context) error { return r.set(ctx, key, s, value, ttl, o) })
	if err == nil {
		r.counts.sets.Add(1)
		s.counts.sets.Add(1)
		return nil
	}
	r.failed(s, err)
	if o.Generation == "" { // what is there now is known to be wrong
		r.missed(modelRef{db: key.DB, model: key.Model})
		r.substitute(ctx, key, value, o)
	}
	return fmt.Errorf("store in Redis: %w", unavailable(err))
}

func (r *Redis) set(ctx context.Context, key Key, s *modelState, value []byte, ttl Lifetime, o Options) error {
	now := time.Now()
	e := envelope{value: value, stored: now.UnixMilli()}
	if !o.Stored.IsZero() {
		e.stored = o.Stored.UnixMilli()
	}
	var life time.Duration
	if !ttl.Forever() {
		life = max(ttl.Duration(), time.Millisecond)
		e.fresh = now.Add(life).UnixMilli()
		life += max(o.Stale, 0)
	}
	g := o.Generation
	if g == "" {
		var err error
		if g, err = r.current(ctx, key, s); err != nil {
			return err
		}
		if g == "" {
			return errNoGeneration
		}
	}
	name := r.names.entry(key, g)
	b, err := r.codec.encode(name, e)
	if err != nil {
		return err
	}
	if err := r.client.Set(ctx, name, b, life).Err(); err != nil || o.Generation != "" {
		return err
	}
	return r.announce(ctx, r.client, Notice{Keys: []Key{key}}) // others may have the value that this one replaces
}

// substitute keeps a value where Redis cannot, for a short time.
func (r *Redis) substitute(ctx context.Context, key Key, value []byte, o Options) {
	if r.fallback == nil {
		return
	}
	ttl := o.TTL.Or(r.config.TTL)
	if ttl.Forever() || ttl.Duration() > r.config.FallbackTTL {
		ttl = For(r.config.FallbackTTL)
	}
	o.TTL = ttl
	if o.Generation != "" {
		o.Generation = o.Generation[len(substitute):]
	}
	r.substituted.Store(true) // before and after, for a success in between clears it
	_ = r.fallback.Set(ctx, key, value, o)
	r.substituted.Store(true)
}

// substitute marks the generations of the fallback.
const substitute = "!"

func isSubstitute(g Generation) bool { return g != "" && g[0] == substitute[0] }

// Delete is Cache.Delete.
func (r *Redis) Delete(ctx context.Context, keys ...Key) error {
	if len(keys) == 0 {
		return nil
	}
	if r.fallback != nil {
		_ = r.fallback.Delete(ctx, keys...)
	}
	var n int64
	err := r.do(ctx, func(ctx context.Context) (err error) {
		n, err = r.unlink(ctx, keys)
		return err
	})
	if err == nil {
		r.counts.deletes.Add(n)
		return nil
	}
	for _, k := range keys { // coarser, but it can be caught up on
		r.missed(modelRef{db: k.DB, model: k.Model})
	}
	r.failed(nil, err)
	return fmt.Errorf("delete from Redis: %w", unavailable(err))
}

func (r *Redis) unlink(ctx context.Context, keys []Key) (int64, error) {
	var stored []string
	known := map[modelRef]Generation{}
	for _, k := range keys {
		ref := modelRef{db: k.DB, model: k.Model}
		g, ok := known[ref]
		if !ok {
			var err error
			if g, err = r.current(ctx, k, r.models.of(k.DB, k.Model)); err != nil {
				return 0, err
			}
			known[ref] = g
		}
		if g != "" {
			stored = append(stored, r.names.entry(k, g))
		}
	}
	n, err := unlinkAll(ctx, r.client, stored)
	if err != nil {
		return n, err
	}
	return n, r.announce(ctx, r.client, Notice{Keys: keys})
}

// Generation is Cache.Generation.
func (r *Redis) Generation(ctx context.Context, key Key) Generation {
	s := r.models.of(key.DB, key.Model)
	var g Generation
	err := r.do(ctx, func(ctx context.Context) (err error) {
		g, err = r.current(ctx, key, s)
		return err
	})
	if err == nil {
		return g
	}
	r.failed(s, err)
	if r.fallback != nil {
		if g = r.fallback.Generation(ctx, key); g != "" {
			return substitute + g
		}
	}
	return ""
}

// Stats is Cache.Stats.
func (r *Redis) Stats() Stats {
	t := TierStats{Name: "redis", Counts: r.counts.load(), Circuit: r.breaker.State().String(), Pending: r.pending.count()}
	if f := r.lastErr.Load(); f != nil {
		t.LastError, t.LastErrorAt = f.text, f.at
	}
	if r.fallback != nil {
		t.Fallback = &r.fallback.Stats().Tiers[0]
	}
	return Stats{Counts: t.Counts, Tiers: []TierStats{t}, Models: r.models.stats()}
}

// Close is Cache.Close.
func (r *Redis) Close() error {
	r.mu.Lock()
	r.end()
	r.mu.Unlock()
	r.working.Wait()
	if r.fallback != nil {
		_ = r.fallback.Close()
	}
	r.lanes.close()
	if err := r.client.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
		return fmt.Errorf("close Redis: %w", err)
	}
	return nil
}

// Check asks Redis whether it is there and lets this program in, whatever the circuit says. The error is for people.
func (r *Redis) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.config.Timeout)
	defer cancel()
	if err := r.client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("reach %s: %w%s", r.config, err, hint(err))
	}
	return nil
}
