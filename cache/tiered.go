package cache

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// TieredConfig is how two back ends work as one. The zero value works.
type TieredConfig struct {
	// UpperTTL is how long at most the upper one answers without asking the lower one. Defaults to 60 s.
	UpperTTL time.Duration
}

// Tiered is a Cache of two: a fast one, of this process, before a slow one that others share. What is found below
// is kept above. If the lower one is an Announcer, the upper one forgets what others forget, as soon as it is told;
// as long as it could not be told, it is not used.
type Tiered struct {
	upper, lower Cache
	upperTTL     time.Duration
	live         atomic.Bool // what the upper one holds is right, as far as others go
	stop         func()
	ready        chan struct{}
	readyOnce    sync.Once
	stripes      [64]stripe
}

var _ Cache = (*Tiered)(nil)

// stripe counts what happened to single keys, so that nobody who asked the lower tier before it keeps above what he
// got.
type stripe struct {
	sync.Mutex
	seq uint64
}

// NewTiered puts upper before lower. It owns both: Close closes them.
func NewTiered(upper, lower Cache, c TieredConfig) *Tiered {
	t := &Tiered{upper: upper, lower: lower, upperTTL: orDuration(c.UpperTTL, time.Minute), ready: make(chan struct{})}
	if a, ok := lower.(Announcer); ok {
		t.stop = a.Subscribe(t.hear)
	} else {
		t.stop = func() {}
		t.use()
	}
	return t
}

// Ready waits until the upper tier is in use, which it is as soon as this cache hears of what others forget.
func (t *Tiered) Ready(ctx context.Context) error {
	select {
	case <-t.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *Tiered) use() {
	t.live.Store(true)
	t.readyOnce.Do(func() { close(t.ready) })
}

// hear does above what others did below.
func (t *Tiered) hear(n Notice) {
	ctx := context.Background()
	switch {
	case n.Kind == Lost:
		t.live.Store(false)
		_ = t.upper.Clear(ctx)
		return
	case n.Kind == Connected:
		_ = t.upper.Clear(ctx)
		t.use()
		return
	case n.all():
		_ = t.upper.Clear(ctx)
		return
	}
	for _, db := range n.Databases {
		_ = t.upper.Invalidate(ctx, db)
	}
	for _, m := range n.Models {
		_ = t.upper.Invalidate(ctx, m[0], m[1])
	}
	t.drop(ctx, n.Keys...)
	if n.Pattern != "" {
		t.dropMatching(ctx, n.Pattern)
	}
}

func (t *Tiered) stripe(key Key) *stripe { return &t.stripes[int(key.Hash[0])%len(t.stripes)] }

func (t *Tiered) drop(ctx context.Context, keys ...Key) {
	for _, k := range keys {
		s := t.stripe(k)
		s.Lock()
		s.seq++
		_ = t.upper.Delete(ctx, k)
		s.Unlock()
	}
}

func (t *Tiered) dropMatching(ctx context.Context, pattern string) {
	for i := range t.stripes {
		t.stripes[i].Lock()
		t.stripes[i].seq++
		t.stripes[i].Unlock()
	}
	_, _ = t.upper.InvalidateMatching(ctx, pattern)
}

// Get is Cache.Get.
func (t *Tiered) Get(ctx context.Context, key Key) Entry {
	var mark Generation
	if t.live.Load() {
		e := t.upper.Get(ctx, key)
		if e.State == Hit {
			return e
		}
		mark = e.Generation
	}
	s := t.stripe(key)
	s.Lock()
	seq := s.seq
	s.Unlock()
	e := t.lower.Get(ctx, key)
	if e.State != Hit {
		e.Generation = join(mark, e.Generation)
		return e
	}
	if mark == "" {
		return e
	}
	left := t.upperTTL
	if !e.Fresh.IsZero() {
		left = min(left, time.Until(e.Fresh))
	}
	if left > 0 {
		t.keep(ctx, key, s, seq, e.Value, Options{TTL: For(left), Stored: e.Stored, Generation: mark})
	}
	return e
}

// keep stores above what was got from below, unless something happened to the key since.
func (t *Tiered) keep(ctx context.Context, key Key, s *stripe, seq uint64, value []byte, o Options) {
	s.Lock()
	defer s.Unlock()
	if s.seq == seq {
		_ = t.upper.Set(ctx, key, value, o)
	}
}

// Set is Cache.Set.
func (t *Tiered) Set(ctx context.Context, key Key, value []byte, o Options) error {
	mark, below := split(o.Generation)
	lower := o
	lower.Generation = below
	s := t.stripe(key)
	if o.Generation == "" {
		err := t.lower.Set(ctx, key, value, lower)
		t.drop(ctx, key) // the next Get brings it up
		return err
	}
	s.Lock()
	seq := s.seq
	s.Unlock()
	if err := t.lower.Set(ctx, key, value, lower); err != nil || mark == "" || o.TTL.Nothing() {
		return err
	}
	ttl := o.TTL
	if !ttl.IsSet() { // the lower one's default, which the next Get learns
		return nil
	}
	if ttl.Forever() || ttl.Duration() > t.upperTTL {
		ttl = For(t.upperTTL)
	}
	t.keep(ctx, key, s, seq, value, Options{TTL: ttl, Generation: mark})
	return nil
}

// Delete is Cache.Delete.
func (t *Tiered) Delete(ctx context.Context, keys ...Key) error {
	err := t.lower.Delete(ctx, keys...)
	t.drop(ctx, keys...) // after the lower one, from which it could come up again
	return err
}

// Generation is Cache.Generation.
func (t *Tiered) Generation(ctx context.Context, key Key) Generation {
	var mark Generation
	if t.live.Load() {
		mark = t.upper.Generation(ctx, key)
	}
	return join(mark, t.lower.Generation(ctx, key))
}

// Invalidate is Cache.Invalidate. Others that share the lower tier hear of it within the time that a message takes.
func (t *Tiered) Invalidate(ctx context.Context, db string, models ...string) error {
	err := t.lower.Invalidate(ctx, db, models...)
	return errors.Join(err, t.upper.Invalidate(ctx, db, models...))
}

// InvalidateMatching is Cache.InvalidateMatching. The number is the lower tier's.
func (t *Tiered) InvalidateMatching(ctx context.Context, pattern string) (int, error) {
	n, err := t.lower.InvalidateMatching(ctx, pattern)
	t.dropMatching(ctx, pattern)
	return n, err
}

// Clear is Cache.Clear.
func (t *Tiered) Clear(ctx context.Context) error {
	err := t.lower.Clear(ctx)
	return errors.Join(err, t.upper.Clear(ctx))
}

// Stats is Cache.Stats. A lookup is a miss if neither tier had the key.
func (t *Tiered) Stats() Stats {
	up, low := t.upper.Stats(), t.lower.Stats()
	s := Stats{Counts: both(up.Counts, low.Counts), Tiers: append(up.Tiers, low.Tiers...), Models: map[string]Counts{}}
	if len(up.Tiers) > 0 {
		s.Tiers[0].Bypassed = !t.live.Load()
	}
	for name, c := range up.Models {
		s.Models[name] = both(c, low.Models[name])
	}
	for name, c := range low.Models {
		if _, ok := up.Models[name]; !ok {
			s.Models[name] = c
		}
	}
	return s
}

func both(up, low Counts) Counts {
	low.Hits += up.Hits
	low.Evictions += up.Evictions
	return low
}

// Close is Cache.Close.
func (t *Tiered) Close() error {
	t.stop()
	t.live.Store(false)
	return errors.Join(t.lower.Close(), t.upper.Close())
}

// join makes one generation of those of both tiers; that of the upper one holds no bar.
func join(up, low Generation) Generation {
	if low == "" {
		return ""
	}
	return up + "|" + low
}

func split(g Generation) (up, low Generation) {
	u, l, ok := strings.Cut(string(g), "|")
	if !ok {
		return "", g
	}
	return Generation(u), Generation(l)
}
