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

// seenGeneration is a generation as Redis told it, and what the names of its entries begin with.
type seenGeneration struct {
	counters   [3]string
	generation Generation
	prefix     string
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
func (r *Redis) read(ctx context.Context, key Key, s *modelState, also string) (*seenGeneration, string, error) {
	counters := r.counterNames(key, s)
	values, err := r.mget(ctx, counters, also)
	if err != nil {
		return nil, "", err
	}
	if values[0] == nil || values[1] == nil || values[2] == nil {
		if values, err = r.begin(ctx, counters); err != nil || values == nil {
			return nil, "", err
		}
	}
	value := ""
	if len(values) > 3 {
		value, _ = values[3].(string)
	}
	g, err := r.generation(key, s, values)
	return g, value, err
}

// current is the generation alone.
func (r *Redis) current(ctx context.Context, key Key, s *modelState) (Generation, error) {
	g, _, err := r.read(ctx, key, s, "")
	if err != nil || g == nil {
		return "", err
	}
	return g.generation, nil
}

// generation is what three counters say. If it is what was seen last, that is reused.
func (r *Redis) generation(key Key, s *modelState, values []any) (*seenGeneration, error) {
	var g seenGeneration
	for i := range g.counters {
		g.counters[i], _ = values[i].(string)
	}
	if last := s.seen.Load(); last != nil && last.counters == g.counters {
		return last, nil
	}
	var b []byte
	for i, text := range g.counters {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("read generation: %w", err)
		}
		if i > 0 {
			b = append(b, '.')
		}
		b = strconv.AppendInt(b, n, 36)
	}
	g.generation = Generation(b)
	g.prefix = r.names.entries(key.DB, key.Model, g.generation)
	if s != &r.models.other {
		s.seen.Store(&g)
	}
	return &g, nil
}

// mget asks for keys that may be on several nodes of a cluster, and for one more if there is one.
func (r *Redis) mget(ctx context.Context, keys []string, also string) ([]any, error) {
	if !r.config.Cluster {
		args := make([]any, 1, 5)
		args[0] = "mget"
		for i := range keys {
			args = append(args, &keys[i]) // which makes no copy
		}
		if also != "" {
			args = append(args, also)
		}
		cmd := redis.NewSliceCmd(ctx, args...)
		_ = r.client.Process(ctx, cmd) // whose error is the command's
		return cmd.Result()
	}
	if also != "" {
		keys = append(keys[:len(keys):len(keys)], also)
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
	values, err := r.mget(ctx, counters, "")
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
