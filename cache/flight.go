package cache

import (
	"context"
	"sync/atomic"
)

// flight is a load that several may wait for.
type flight struct {
	done     chan struct{} // closed when value and err are there
	value    []byte
	err      error
	cancel   context.CancelFunc
	waiting  int         // under Loader.mu
	outdated atomic.Bool // what it finds is not to be stored
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
	go func() {
		defer f.cancel()
		f.value, f.err = l.fly(ctx, f, k, landed, o, load)
		l.mu.Lock()
		l.landed.Add(1)
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

// forget keeps running loads of some keys from storing what they find, and others from joining them.
func (l *Loader) forget(which func(Key) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, f := range l.flights {
		if which(k.key) {
			f.outdated.Store(true)
			delete(l.flights, k)
		}
	}
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
