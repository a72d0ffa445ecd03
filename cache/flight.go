package cache

import (
	"context"
	"maps"
	"sync/atomic"
)

// flight is a load, which several may wait for.
type flight struct {
	done     chan struct{} // closed when value and err are there
	value    []byte
	err      error
	cancel   context.CancelFunc
	waiting  int           // under Loader.mu
	outdated atomic.Bool   // what it finds is not to be stored; set under Loader.mu
	stored   chan struct{} // under Loader.mu: nil until it begins to store, closed when it has
}

// flightKey tells flights apart: a load of an earlier generation may have read what has been overwritten since.
type flightKey struct {
	key        Key
	generation Generation
}

// join waits for the flight of key, and begins it if there is none. landed is how many flights had ended before the
// caller looked into the cache.
func (l *Loader) join(ctx context.Context, key Key, g Generation, landed uint64, o LoadOptions, load Source) ([]byte, error) {
	k := flightKey{key, g}
	l.mu.Lock()
	f := l.flights[k]
	if f != nil {
		f.waiting++
		l.coalesced.Add(1)
	} else {
		f = l.begin(ctx, k, landed, o, load)
	}
	l.mu.Unlock()
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		l.leave(f, k)
		return nil, ctx.Err()
	}
}

// begin starts a flight with one who waits. l.mu is held.
func (l *Loader) begin(ctx context.Context, k flightKey, landed uint64, o LoadOptions, load Source) *flight {
	f := &flight{done: make(chan struct{}), waiting: 1}
	ctx, f.cancel = context.WithCancel(context.WithoutCancel(ctx))
	l.flights[k] = f
	l.running[f] = k.key
	go func() {
		defer f.cancel()
		f.value, f.err = l.fly(ctx, f, k, landed, o, load)
		l.mu.Lock()
		l.landed.Add(1)
		delete(l.running, f)
		if l.flights[k] == f {
			delete(l.flights, k)
		}
		l.mu.Unlock()
		close(f.done)
	}()
	return f
}

// fly is the flight itself. If others have landed since the caller looked into the cache, one of them may have
// brought what it is for.
func (l *Loader) fly(ctx context.Context, f *flight, k flightKey, landed uint64, o LoadOptions, load Source) ([]byte, error) {
	if l.landed.Load() != landed {
		if e := l.cache.Get(ctx, k.key); e.State == Hit {
			l.coalesced.Add(1)
			return e.Value, nil
		}
	}
	return l.fill(ctx, k.key, k.generation, f, o, load)
}

// alone is a flight that nobody joins.
func (l *Loader) alone(ctx context.Context, key Key, g Generation, o LoadOptions, load Source) ([]byte, error) {
	f := &flight{}
	l.mu.Lock()
	l.running[f] = key
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.running, f)
		l.mu.Unlock()
	}()
	return l.fill(ctx, key, g, f, o, load)
}

// leave takes one away who waited. A flight without anybody is called off, and nobody joins it any more.
func (l *Loader) leave(f *flight, k flightKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f.waiting--; f.waiting == 0 {
		if l.flights[k] == f {
			delete(l.flights, k)
		}
		f.cancel()
	}
}

// forget keeps running loads of some keys from storing what they find, and others from joining them. It returns those
// that are just being stored.
func (l *Loader) forget(which func(Key) bool) (late []*flight) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for f, key := range l.running {
		if which(key) {
			f.outdated.Store(true)
			if f.stored != nil {
				late = append(late, f)
			}
		}
	}
	maps.DeleteFunc(l.flights, func(_ flightKey, f *flight) bool { return f.outdated.Load() })
	return late
}

// settle waits for what is just being stored, so that what the caller does to the cache comes after it.
func (l *Loader) settle(ctx context.Context, late []*flight) {
	for _, f := range late {
		select {
		case <-f.stored:
		case <-ctx.Done():
			return
		}
	}
}

// storing tells whether what a flight found is still to be stored, and that it is being.
func (l *Loader) storing(f *flight) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f.outdated.Load() {
		return false
	}
	f.stored = make(chan struct{})
	return true
}

// renew loads a value anew behind a stale one, unless somebody does already or too many do. landed is how many flights
// had ended before the stale one was found.
func (l *Loader) renew(ctx context.Context, k flightKey, landed uint64, o LoadOptions, load Source) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.flights[k] != nil || l.life.Err() != nil {
		return
	}
	select {
	case l.behind <- struct{}{}:
	default:
		return
	}
	l.refreshes.Add(1)
	f := l.begin(ctx, k, landed, o, load)
	l.working.Go(func() {
		defer func() { <-l.behind }()
		ctx, cancel := context.WithTimeout(l.life, l.config.RefreshTimeout)
		defer cancel()
		select {
		case <-f.done:
		case <-ctx.Done():
			l.leave(f, k)
		}
	})
}

// background runs what nobody waits for, if not too much of it runs already.
func (l *Loader) background(ctx context.Context, run func(context.Context)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.life.Err() != nil {
		return
	}
	select {
	case l.behind <- struct{}{}:
	default:
		return
	}
	l.working.Go(func() {
		defer func() { <-l.behind }()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.config.RefreshTimeout)
		defer cancel()
		defer context.AfterFunc(l.life, cancel)()
		run(ctx)
	})
}
