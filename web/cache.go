package web

import (
	"context"
	"sync"
	"time"
)

// cache keeps encoded answers. An answer holds for the state of the store that it was computed from; one of a
// store that goes on changing holds a little longer, by how costly it was, so that pages that are open cannot
// keep the store busy. When it is full it starts anew: the pages ask for the same few again and again.
type cache struct {
	mu     sync.Mutex
	limit  int
	bytes  int
	kept   map[string]answered
	flight map[string]chan struct{} // closed when the answer is there, or failed
}

// answered is an answer with what it is good for.
type answered struct {
	body  []byte
	state int64     // of the store, before it was computed
	until time.Time // good until then, whatever the state
}

const (
	// staleFactor times what an answer took is how long it is good for after the store changed,
	// up to staleLimit.
	staleFactor = 10
	staleLimit  = 2 * time.Minute
)

// get returns the answer kept under key, if it is good for the state. One that is being computed for somebody
// else is waited for. Who gets mine instead of an answer has to compute it and to call done; who gets neither
// has waited until the context was done.
func (c *cache) get(ctx context.Context, key string, state int64) (body []byte, mine chan struct{}) {
	for {
		c.mu.Lock()
		a, ok := c.kept[key]
		if ok && (a.state == state || time.Now().Before(a.until)) {
			c.mu.Unlock()
			return a.body, nil
		}
		others := c.flight[key]
		if others == nil {
			if c.flight == nil {
				c.flight = map[string]chan struct{}{}
			}
			mine = make(chan struct{})
			c.flight[key] = mine
			c.mu.Unlock()
			return nil, mine
		}
		c.mu.Unlock()
		select {
		case <-others:
		case <-ctx.Done():
			return nil, nil
		}
	}
}

// done keeps what the caller of get computed since start, unless it failed and body is nil, and wakes those who wait for it.
func (c *cache) done(mine chan struct{}, key string, body []byte, state int64, start time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(mine)
	delete(c.flight, key)
	size := len(key) + len(body)
	if body == nil || size > c.limit/4 {
		return
	}
	if old, ok := c.kept[key]; ok {
		c.bytes -= len(key) + len(old.body)
		delete(c.kept, key)
	}
	if c.kept == nil || c.bytes+size > c.limit {
		c.kept, c.bytes = map[string]answered{}, 0
	}
	now := time.Now()
	c.kept[key] = answered{body, state, now.Add(min(staleFactor*now.Sub(start), staleLimit))}
	c.bytes += size
}
