package cache

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Invalidate is Cache.Invalidate.
func (r *Redis) Invalidate(ctx context.Context, db string, models ...string) error {
	refs := make([]modelRef, 0, max(len(models), 1))
	for _, m := range models {
		refs = append(refs, modelRef{db: db, model: m})
		r.models.of(db, m).counts.invalidations.Add(1)
	}
	if len(models) == 0 {
		refs = append(refs, modelRef{db: db, whole: true})
	}
	return r.forget(ctx, refs, func(m *Memory) { _ = m.Invalidate(ctx, db, models...) })
}

// Clear is Cache.Clear. It takes the same time however much there is; what nobody finds any more goes when it
// expires, or with Sweep.
func (r *Redis) Clear(ctx context.Context) error {
	return r.forget(ctx, []modelRef{everything}, func(m *Memory) { _ = m.Clear(ctx) })
}

func (r *Redis) forget(ctx context.Context, refs []modelRef, fallback func(*Memory)) error {
	if r.fallback != nil {
		fallback(r.fallback)
	}
	r.counts.invalidations.Add(1)
	// The caller's having given up does not make what it wrote unwritten.
	err := r.do(context.WithoutCancel(ctx), func(ctx context.Context) error { return r.next(ctx, refs, noticeOf(refs)) })
	if err == nil {
		return nil
	}
	r.missed(refs...)
	r.failed(nil, err)
	return fmt.Errorf("invalidate in Redis: %w", unavailable(err))
}

// InvalidateMatching is Cache.InvalidateMatching. It looks at keys a thousand at a time (SCAN) and removes what
// matches (UNLINK); if it fails, everything is invalidated as soon as Redis is back.
func (r *Redis) InvalidateMatching(ctx context.Context, pattern string) (int, error) {
	g := newGlob(pattern)
	if r.fallback != nil {
		_, _ = r.fallback.InvalidateMatching(ctx, pattern)
	}
	r.counts.invalidations.Add(1)
	n, err := r.scan(ctx, r.names.scan(g), func(name string) bool {
		key, ok := r.names.logical(name)
		return ok && g.match(key)
	})
	if err == nil {
		err = r.do(ctx, func(ctx context.Context) error { return r.announce(ctx, r.client, Notice{Pattern: pattern}) })
	}
	if err == nil {
		return n, nil
	}
	r.missed(everything)
	r.failed(nil, err)
	return n, fmt.Errorf("invalidate %q in Redis: %w", pattern, unavailable(err))
}

// Sweep removes entries of generations that are over, which nobody finds any more, and says how many. Those that
// expire go by themselves; it is for caches with entries that never do.
func (r *Redis) Sweep(ctx context.Context) (int, error) {
	var mu sync.Mutex
	current := map[string]Generation{}
	n, err := r.scan(ctx, quoteGlob(r.names.prefix)+"*", func(name string) bool {
		if _, ok := r.names.logical(name); !ok {
			return false
		}
		parts := strings.Split(strings.TrimPrefix(name, r.names.prefix), ":")
		mu.Lock()
		defer mu.Unlock()
		model := parts[0] + ":" + parts[1]
		g, ok := current[model]
		if !ok {
			_ = r.do(ctx, func(ctx context.Context) (err error) {
				var v []any
				v, err = r.mget(ctx, []string{r.names.epoch, r.names.epoch + ":" + parts[0], r.names.epoch + ":" + model}, "")
				if err != nil {
					return err
				}
				if seen, err := r.generation(Key{}, &modelState{}, v); err == nil { // or a counter is missing
					g = seen.generation
				}
				return nil
			})
			current[model] = g
		}
		return g != "" && string(g) != parts[2]
	})
	if err != nil {
		return n, fmt.Errorf("sweep Redis: %w", unavailable(err))
	}
	return n, nil
}

// scan removes the keys that match a pattern of Redis and that pick picks, on all nodes that hold any.
func (r *Redis) scan(ctx context.Context, pattern string, pick func(name string) bool) (int, error) {
	total := 0
	var mu sync.Mutex
	node := func(ctx context.Context, c redis.Cmdable) error {
		for cursor, first := uint64(0), true; first || cursor != 0; first = false {
			var names []string
			err := r.do(ctx, func(ctx context.Context) (err error) {
				names, cursor, err = c.Scan(ctx, cursor, pattern, 1000).Result()
				return err
			})
			if err != nil {
				return err
			}
			var picked []string
			for _, name := range names {
				if pick(name) {
					picked = append(picked, name)
				}
			}
			if len(picked) == 0 {
				continue
			}
			err = r.do(ctx, func(ctx context.Context) error {
				n, err := unlinkAll(ctx, c, picked)
				mu.Lock()
				total += int(n)
				mu.Unlock()
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	}
	if c, ok := r.client.(*redis.ClusterClient); ok {
		err := c.ForEachMaster(ctx, func(ctx context.Context, m *redis.Client) error { return node(ctx, m) })
		return total, err
	}
	return total, node(ctx, r.client)
}
