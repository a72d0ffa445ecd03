package cache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

// Source finds an answer out where it is not cached. Nobody may change the bytes it returned.
type Source func(ctx context.Context) ([]byte, error)

// LoaderConfig is what a Loader does for all loads. The zero value works.
type LoaderConfig struct {
	// TTL is the time to live of entries whose LoadOptions have none. Defaults to the back end's.
	TTL Lifetime
	// StaleWhileRevalidate is how long after its time to live an entry is served at once, while a new one is loaded
	// behind it. Defaults to not at all.
	StaleWhileRevalidate time.Duration
	// StaleIfUnavailable is how long after its time to live an entry is served if the source is Unavailable. Defaults
	// to not at all.
	StaleIfUnavailable time.Duration
	// Unavailable tells errors of a source that cannot be asked now from answers. Defaults to those of an open
	// circuit breaker (gobreaker.ErrOpenState and ErrTooManyRequests).
	Unavailable func(error) bool
	// Never are models that are not cached, as globs. Defaults to none.
	Never []string
	// Keep decides by key and value whether to store. Defaults to always.
	Keep func(key Key, value []byte) bool
	// Refreshes is how many loads may run behind stale values at a time. Defaults to 8.
	Refreshes int
	// RefreshTimeout bounds each of them. Defaults to 60 s.
	RefreshTimeout time.Duration
	// AlertBelow is the recent hit rate below which Health reports a problem. Defaults to 0, no alert.
	AlertBelow float64
	// AlertAfter is after how many lookups it may. Defaults to 100.
	AlertAfter int64
	// OnAlert is called when Health begins to report a problem of the hit rate, and when that has passed. It must not
	// block.
	OnAlert func(Health)
}

// LoadOptions are what one load does otherwise. The zero value does what LoaderConfig says.
type LoadOptions struct {
	// TTL is the entry's time to live: For(0) never expires, a negative one does not store. Defaults to
	// LoaderConfig.TTL.
	TTL Lifetime
	// NoCache asks the source, whatever is cached, and stores nothing.
	NoCache bool
	// Refresh asks the source, whatever is cached, and stores the answer.
	Refresh bool
	// Keep decides whether to store this answer. Defaults to always.
	Keep func(value []byte) bool
	// Related are what somebody who got this answer probably wants next; they are loaded behind it, unless they are
	// there. Defaults to none.
	Related func(value []byte) []Warmup
}

// Loader gives answers out of a cache, or from their source, and then caches them.
type Loader struct {
	cache  Cache
	config LoaderConfig
	never  []glob

	mu      sync.Mutex
	flights map[flightKey]*flight
	running map[*flight]Key // all of them, and those that nobody can join
	landed  atomic.Uint64   // flights that ended

	behind  chan struct{} // holds a token for each load behind a stale value
	working sync.WaitGroup
	life    context.Context
	end     context.CancelFunc

	loads, errors, coalesced, staleServes, refreshes, refused atomic.Int64

	latency  recorder
	recent   window
	alerting atomic.Bool
}

// NewLoader makes a loader on a cache.
func NewLoader(c Cache, config LoaderConfig) *Loader {
	if config.Unavailable == nil {
		config.Unavailable = circuitOpen
	}
	if config.Refreshes <= 0 {
		config.Refreshes = 8
	}
	if config.RefreshTimeout <= 0 {
		config.RefreshTimeout = 60 * time.Second
	}
	if config.AlertAfter <= 0 {
		config.AlertAfter = 100
	}
	l := &Loader{cache: c, config: config, behind: make(chan struct{}, config.Refreshes)}
	l.flights, l.running = map[flightKey]*flight{}, map[*flight]Key{}
	for _, n := range config.Never {
		l.never = append(l.never, newGlob(n))
	}
	l.life, l.end = context.WithCancel(context.Background())
	return l
}

func circuitOpen(err error) bool {
	return errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests)
}

// Cache is the back end.
func (l *Loader) Cache() Cache { return l.cache }

// Load gives the value of key: out of the cache, or what load finds out. Those who ask for the same key at the same
// time share one load; it is cancelled when all of them have given up, and not before.
func (l *Loader) Load(ctx context.Context, key Key, o LoadOptions, load Source) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if o.NoCache || l.isNever(key.Model) {
		return l.call(ctx, load)
	}
	if o.Refresh {
		return l.alone(ctx, key, l.cache.Generation(ctx, key), o, load)
	}
	landed := l.landed.Load()
	e := l.cache.Get(ctx, key)
	l.note(e.State == Hit)
	switch {
	case e.State == Hit:
		return e.Value, nil
	case e.State == Stale && time.Since(e.Fresh) < l.config.StaleWhileRevalidate:
		l.staleServes.Add(1)
		l.renew(ctx, flightKey{key, e.Generation}, landed, o, load)
		return e.Value, nil
	}
	value, err := l.join(ctx, key, e.Generation, landed, o, load)
	if err != nil && e.State == Stale && l.config.Unavailable(err) && time.Since(e.Fresh) < l.config.StaleIfUnavailable &&
		l.cache.Generation(ctx, key) == e.Generation {
		l.staleServes.Add(1)
		return e.Value, nil
	}
	return value, err
}

// Store writes a value through: it replaces what is cached, because the caller has just written it to the source. A
// load of this loader that runs meanwhile does not store what it finds; one of another loader may.
func (l *Loader) Store(ctx context.Context, key Key, value []byte, o LoadOptions) error {
	if o.NoCache || l.isNever(key.Model) {
		return nil
	}
	l.settle(ctx, l.forget(func(k Key) bool { return k == key }))
	return l.store(ctx, key, value, "", nil, o)
}

// Delete forgets keys, and keeps this loader's running loads of them from storing what they find.
func (l *Loader) Delete(ctx context.Context, keys ...Key) error {
	l.settle(ctx, l.forget(func(k Key) bool { return slices.Contains(keys, k) }))
	return l.cache.Delete(ctx, keys...)
}

// Invalidate is Cache.Invalidate. Whoever asks from now on does not get what a load finds that has begun.
func (l *Loader) Invalidate(ctx context.Context, db string, models ...string) error {
	l.forget(func(k Key) bool { return k.DB == db && (len(models) == 0 || slices.Contains(models, k.Model)) })
	return l.cache.Invalidate(ctx, db, models...)
}

// InvalidateMatching is Cache.InvalidateMatching, and keeps this loader's running loads of such keys from storing
// what they find.
func (l *Loader) InvalidateMatching(ctx context.Context, pattern string) (int, error) {
	g := newGlob(pattern)
	l.settle(ctx, l.forget(func(k Key) bool { return g.match(k.String()) }))
	return l.cache.InvalidateMatching(ctx, pattern)
}

// InvalidateAfter invalidates models, or a whole database, in a while, and again each time that while has passed if
// every is set. stop calls it off; so does Close.
func (l *Loader) InvalidateAfter(d time.Duration, every bool, db string, models ...string) (stop func()) {
	ctx, cancel := context.WithCancel(l.life)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.life.Err() != nil {
		return cancel
	}
	l.working.Go(func() {
		defer cancel()
		tick := time.NewTicker(max(d, time.Millisecond))
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			_ = l.cache.Invalidate(ctx, db, models...) // which makes up for its failures itself
			if !every {
				return
			}
		}
	})
	return cancel
}

// Close ends what runs behind and closes the back end.
func (l *Loader) Close() error {
	l.mu.Lock()
	l.end()
	l.mu.Unlock()
	l.working.Wait()
	return l.cache.Close()
}

func (l *Loader) isNever(model string) bool {
	for _, g := range l.never {
		if g.match(model) {
			return true
		}
	}
	return false
}

// call asks the source and takes the time.
func (l *Loader) call(ctx context.Context, load Source) (value []byte, err error) {
	began := time.Now()
	defer func() {
		if p := recover(); p != nil {
			value, err = nil, fmt.Errorf("load an answer: panic: %v", p)
		}
		l.loads.Add(1)
		if err != nil {
			l.errors.Add(1)
		}
		l.latency.add(time.Since(began))
	}()
	return load(ctx)
}

// fill asks the source and stores the answer, unless the flight that it belongs to is told not to.
func (l *Loader) fill(ctx context.Context, key Key, g Generation, f *flight, o LoadOptions, load Source) ([]byte, error) {
	value, err := l.call(ctx, load)
	if err != nil {
		return nil, err
	}
	if g != "" && !f.outdated.Load() {
		_ = l.store(ctx, key, value, g, f, o) // counted by the back end; the answer is right without
	}
	if o.Related != nil {
		l.background(ctx, func(ctx context.Context) { _, _ = l.Warm(ctx, 1, o.Related(value)...) })
	}
	return value, nil
}

// store keeps what a flight found in a generation, or what is written through: there is no flight then.
func (l *Loader) store(ctx context.Context, key Key, value []byte, g Generation, f *flight, o LoadOptions) error {
	ttl := o.TTL.Or(l.config.TTL)
	if ttl.Nothing() && g != "" { // nothing to replace: what is there is as right as before
		return nil
	}
	if (o.Keep != nil && !o.Keep(value)) || (l.config.Keep != nil && !l.config.Keep(key, value)) {
		l.refused.Add(1)
		if g != "" {
			return nil
		}
		return l.cache.Delete(ctx, key)
	}
	stale := max(l.config.StaleWhileRevalidate, l.config.StaleIfUnavailable)
	set := Options{TTL: ttl, Stale: stale, Generation: g}
	if f == nil {
		return l.cache.Set(ctx, key, value, set)
	}
	if !l.storing(f) {
		return nil
	}
	defer close(f.stored)
	err := l.cache.Set(ctx, key, value, set)
	if f.outdated.Load() { // for who forgot it and did not wait
		err = errors.Join(err, l.cache.Delete(context.WithoutCancel(ctx), key))
	}
	return err
}
