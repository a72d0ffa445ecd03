package cache

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// errNoGeneration says that Redis has no room to count a generation in.
var errNoGeneration = errors.New("no generation")

// last is the generation that a model had when Redis was asked last.
func (s *modelState) last() Generation {
	if g := s.seen.Load(); g != nil {
		return *g
	}
	return ""
}

// counterNames are the three keys that count a model's generations.
func (r *Redis) counterNames(key Key, s *modelState) []string {
	if c := s.counters.Load(); c != nil {
		return *c
	}
	c := []string{r.names.counter(everything), r.names.counter(modelRef{db: key.DB, whole: true}), r.names.counter(modelRef{db: key.DB, model: key.Model})}
	if s != &r.models.other {
		s.counters.Store(&c)
	}
	return c
}

// read asks for a model's generation, and for one more key with it. Counters that are missing are begun. There is no
// generation if that is not possible, because Redis is full.
func (r *Redis) read(ctx context.Context, key Key, s *modelState, also string) (Generation, string, error) {
	counters := r.counterNames(key, s)
	asked := counters
	if also != "" {
		asked = append(counters[:3:3], also)
	}
	values, err := r.mget(ctx, asked)
	if err != nil {
		return "", "", err
	}
	if values[0] == nil || values[1] == nil || values[2] == nil {
		if values, err = r.begin(ctx, counters); err != nil || values == nil {
			return "", "", err
		}
	}
	value := ""
	if len(values) > 3 {
		value, _ = values[3].(string)
	}
	g, err := r.generation(s, values)
	return g, value, err
}

// generation is the mark of three counters. If it is the one that was seen last, that is reused.
func (r *Redis) generation(s *modelState, values []any) (Generation, error) {
	var buf [64]byte
	b := buf[:0]
	for i, v := range values[:3] {
		text, _ := v.(string)
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return "", fmt.Errorf("read generation: %w", err)
		}
		if i > 0 {
			b = append(b, '.')
		}
		b = strconv.AppendInt(b, n, 36)
	}
	if last := s.seen.Load(); last != nil && string(*last) == string(b) {
		return *last, nil
	}
	g := Generation(b)
	if s != &r.models.other {
		s.seen.Store(&g)
	}
	return g, nil
}

// mget asks for keys that may be on several nodes of a cluster.
func (r *Redis) mget(ctx context.Context, keys []string) ([]any, error) {
	if !r.config.Cluster {
		return r.client.MGet(ctx, keys...).Result()
	}
	p := r.client.Pipeline()
	cmds := make([]*redis.StringCmd, len(keys))
	for i, k := range keys {
		cmds[i] = p.Get(ctx, k)
	}
	if _, err := p.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, err
	}
	values := make([]any, len(keys))
	for i, c := range cmds {
		v, err := c.Result()
		if err == nil {
			values[i] = v
		} else if !errors.Is(err, redis.Nil) {
			return nil, err
		}
	}
	return values, nil
}

// begin begins the counters that are missing, and gives nil if Redis has no room for them.
func (r *Redis) begin(ctx context.Context, counters []string) ([]any, error) {
	p := r.client.Pipeline()
	for _, c := range counters {
		p.SetNX(ctx, c, beginning(), 0)
	}
	if _, err := p.Exec(ctx); err != nil && !isFull(err) {
		return nil, err
	}
	values, err := r.mget(ctx, counters)
	if err != nil || values[0] == nil || values[1] == nil || values[2] == nil {
		return nil, err
	}
	return values, nil
}

// next begins the next generation of each ref and tells other processes. Where Redis is too full to count, the
// counters are removed: whoever finds none begins anew.
func (r *Redis) next(ctx context.Context, refs []modelRef, n Notice) error {
	p := r.client.Pipeline()
	for _, ref := range refs {
		c := r.names.counter(ref)
		p.SetNX(ctx, c, beginning(), 0)
		p.Incr(ctx, c)
	}
	_, err := p.Exec(ctx)
	if isFull(err) {
		counters := make([]string, len(refs))
		for i, ref := range refs {
			counters[i] = r.names.counter(ref)
		}
		_, err = unlinkAll(ctx, r.client, counters)
	}
	if err != nil {
		return err
	}
	return r.announce(ctx, r.client, n)
}

// unlinkAll removes keys that may be on several nodes.
func unlinkAll(ctx context.Context, c redis.Cmdable, keys []string) (int64, error) {
	var n int64
	for len(keys) > 0 {
		batch := keys[:min(len(keys), 500)]
		keys = keys[len(batch):]
		p := c.Pipeline()
		cmds := make([]*redis.IntCmd, len(batch))
		for i, k := range batch {
			cmds[i] = p.Unlink(ctx, k)
		}
		_, err := p.Exec(ctx)
		for _, cmd := range cmds {
			n += cmd.Val()
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// greet is called on each new connection. A Redis that was started anew, or another that took over, may have
// forgotten the latest generations and kept entries of earlier ones; so a generation of everything begins.
func (r *Redis) greet(ctx context.Context, c *redis.Conn) error {
	info, err := c.Info(ctx, "server").Result()
	if err != nil {
		if answered(err) { // it may not be asked
			return nil
		}
		return err
	}
	if strings.Contains(info, "redis_mode:sentinel") {
		return nil
	}
	_, rest, _ := strings.Cut(info, "run_id:")
	id, _, _ := strings.Cut(rest, "\r\n")
	if known := r.runID.Load(); id == "" || known != nil && *known == id {
		return nil
	}
	last, err := c.Get(ctx, r.names.run).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	if last != id {
		p := c.Pipeline()
		p.SetNX(ctx, r.names.epoch, beginning(), 0)
		p.Incr(ctx, r.names.epoch)
		p.Set(ctx, r.names.run, id, 0)
		if _, err = p.Exec(ctx); isFull(err) {
			err = c.Unlink(ctx, r.names.epoch).Err()
		}
		if err != nil {
			return err
		}
	}
	r.runID.Store(&id)
	return nil
}

// pending are invalidations that Redis has yet to be told of.
type pending struct {
	mu   sync.Mutex
	refs map[modelRef]uint64 // by when they were added
	seq  uint64
}

// maxPending is how many are kept one by one. If there are more, everything is invalidated.
const maxPending = 1024

func (p *pending) add(refs ...modelRef) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refs == nil {
		p.refs = map[modelRef]uint64{}
	}
	for _, ref := range refs {
		if len(p.refs) >= maxPending {
			clear(p.refs)
			ref = everything
		}
		if _, ok := p.refs[everything]; ok {
			ref = everything
		}
		p.seq++
		p.refs[ref] = p.seq
	}
}

// take is what there is now; settled takes it away unless it was added anew meanwhile.
func (p *pending) take() (refs []modelRef, seq uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for ref := range p.refs {
		refs = append(refs, ref)
	}
	return refs, p.seq
}

func (p *pending) settled(refs []modelRef, seq uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, ref := range refs {
		if p.refs[ref] <= seq {
			delete(p.refs, ref)
		}
	}
}

func (p *pending) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.refs)
}
