package cache

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/push"
)

// lane is one connection for lookups on which Redis says, among its answers, which of the counters that were read on it
// have changed since (RESP3, CLIENT TRACKING). It says so when it happens, and so before it answers anything that is
// asked afterwards. Hence a generation that was read on this connection, and that has not been called changed when an
// answer arrives, was current when Redis answered: a lookup reads the entry alone, and no counters.
//
// A lane is one goroutine's at a time.
type lane struct {
	redis  *Redis
	client *redis.Client // of one connection
	known  map[string]current
	// heard counts what was said, and the connections that this lane has had.
	heard uint64
	told  bool // Redis told of the change that greet made
	deaf  bool // it did not, so nothing can be known here
}

// current is a generation until it is called changed, or until it has to be read again.
type current struct {
	*seenGeneration
	until int64 // in nanoseconds
}

// reread is how long a generation is known. Counters that nobody reads would be the first that a full Redis evicts; and
// a change that Redis tells nobody of, as SWAPDB is, is found out.
const reread = time.Second

var _ push.NotificationHandler = (*lane)(nil)

func (r *Redis) newLane() (*lane, error) {
	l := &lane{redis: r, known: map[string]current{}}
	o := r.config.options().Simple()
	o.Protocol, o.PoolSize, o.MinIdleConns, o.OnConnect = 3, 1, 0, l.greet
	o.MaxRetries = -1 // what fails here is asked elsewhere
	l.client = redis.NewClient(o)
	if err := l.client.RegisterPushNotificationHandler("invalidate", l, true); err != nil {
		return nil, errors.Join(fmt.Errorf("listen for changes: %w", err), l.client.Close())
	}
	return l, nil
}

// greet is called on each new connection, of which nothing is known yet. It makes a change that changes nothing, to see
// whether this connection is told of it: what is between may speak an older protocol, or not pass on what nobody asked.
func (l *lane) greet(ctx context.Context, c *redis.Conn) error {
	if err := l.redis.greet(ctx, c); err != nil {
		return err
	}
	l.told = false
	run := l.redis.names.run
	p := c.Pipeline()
	p.Do(ctx, "client", "tracking", "on", "optin")
	p.Do(ctx, "client", "caching", "yes")
	p.Get(ctx, run)
	p.Expire(ctx, run, 24*time.Hour)
	p.Persist(ctx, run)
	p.Ping(ctx)
	if _, err := p.Exec(ctx); err != nil && !answered(err) {
		return err
	}
	l.deaf = !l.told
	l.heard++
	clear(l.known)
	return nil
}

// HandlePushNotification is called with what Redis says, before the answer that comes next is read.
func (l *lane) HandlePushNotification(_ context.Context, _ push.NotificationHandlerContext, said []any) error {
	l.heard++
	var names []any
	if len(said) > 1 {
		names, _ = said[1].([]any)
	}
	if names == nil { // everything was flushed
		clear(l.known)
	}
	for _, v := range names {
		name, _ := v.(string)
		switch {
		case name == l.redis.names.run:
			l.told = true
		case strings.Count(strings.TrimPrefix(name, l.redis.names.epoch), ":") == 2: // a model's
			delete(l.known, name)
		default:
			clear(l.known)
		}
	}
	return nil
}

// hit asks for an entry in the generation that is known. There is none if it is not known, or was not when the answer
// came.
func (l *lane) hit(ctx context.Context, key Key, s *modelState, now time.Time) (g *seenGeneration, name, value string) {
	counter := l.redis.counterNames(key, s)[2]
	k, ok := l.known[counter]
	if !ok || now.UnixNano() >= k.until {
		return nil, "", ""
	}
	name = entryIn(k.prefix, key)
	value, err := l.get(ctx, name)
	if err != nil || l.known[counter] != k {
		return nil, "", ""
	}
	return k.seenGeneration, name, value
}

// look asks for an entry and the generation that is current. There is none if this lane cannot tell.
func (l *lane) look(ctx context.Context, key Key, s *modelState, now time.Time) (g *seenGeneration, name, value string, err error) {
	guess := s.seen.Load()
	if guess != nil {
		name = entryIn(guess.prefix, key)
	}
	if g, value, err = l.learn(ctx, key, s, l.redis.counterNames(key, s), name, now); err != nil || g == nil || g == guess {
		return g, name, value, err
	}
	name = entryIn(g.prefix, key)
	value, err = l.get(ctx, name)
	return g, name, value, err
}

func (l *lane) get(ctx context.Context, name string) (string, error) {
	value, err := l.client.Get(ctx, name).Result()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	return value, err
}

// learn reads the counters in such a way that Redis tells of their changes, and one entry with them. Whatever becomes
// of them meanwhile, the generation is one that was current during this lookup.
func (l *lane) learn(ctx context.Context, key Key, s *modelState, counters []string, also string, now time.Time) (*seenGeneration, string, error) {
	p := l.client.Pipeline()
	p.Do(ctx, "client", "caching", "yes")
	read := p.MGet(ctx, counters...)
	var entry *redis.StringCmd
	if also != "" {
		entry = p.Get(ctx, also)
	}
	heard := l.heard
	if _, err := p.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		if !answered(err) {
			return nil, "", err
		}
		l.deaf = true // it may not ask so, or not any more
	}
	if l.deaf {
		return nil, "", nil
	}
	values, err := read.Result()
	if err != nil || values[0] == nil || values[1] == nil || values[2] == nil { // who finds no counters begins them
		return nil, "", err
	}
	g, err := l.redis.generation(key, s, values)
	if err != nil {
		return nil, "", err
	}
	value := ""
	if entry != nil {
		if value, err = entry.Result(); err != nil && !errors.Is(err, redis.Nil) {
			return nil, "", err
		}
	}
	// A new connection is greeted before anything is asked on it, so what was read belongs to the one that is there now,
	// if that is the one that was there before, or was made for this.
	if heard != l.heard {
		return g, value, nil
	}
	l.known[counters[2]] = current{g, now.Add(reread).UnixNano()}
	return g, value, nil
}

// lanes are those that nobody uses at the moment, the last used one on top.
type lanes struct {
	mu     sync.Mutex
	free   []*lane
	made   int
	most   int
	after  time.Time // none are made before
	closed bool
}

// take is a lane, or nil if the lookup is to be made without.
func (s *lanes) take(r *Redis, now time.Time) *lane {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.free); n > 0 {
		l := s.free[n-1]
		s.free = s.free[:n-1]
		return l
	}
	if s.made >= s.most || s.closed || now.Before(s.after) {
		return nil
	}
	l, err := r.newLane()
	if err != nil {
		s.most = 0
		return nil
	}
	s.made++
	return l
}

// give puts a lane back. One that is told nothing is of no use; later ones may be.
func (s *lanes) give(l *lane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !l.deaf && !s.closed {
		s.free = append(s.free, l)
		return
	}
	if l.deaf {
		s.after = time.Now().Add(l.redis.config.Open)
	}
	s.made--
	_ = l.client.Close()
}

func (s *lanes) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, l := range s.free {
		_ = l.client.Close()
	}
	s.free = nil
}
