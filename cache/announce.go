package cache

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/redis/go-redis/v9"
)

// Announcer is a back end that hears what others who share it forget.
type Announcer interface {
	// Subscribe calls hear for each Notice of others, one at a time, until stop is called or the back end is closed.
	// The first one is of kind Connected, as soon as nothing is missed any more.
	Subscribe(hear func(Notice)) (stop func())
}

// NoticeKind tells notices apart.
type NoticeKind uint8

// The kinds.
const (
	// Forget is what others did: forgot models, keys or what matches a pattern, or everything.
	Forget NoticeKind = iota
	// Connected says that from now on nothing is missed.
	Connected
	// Lost says that something may be missed from now on.
	Lost
)

// Notice is what others who share a back end forgot. All that it names is forgotten; one that names nothing is of
// everything.
type Notice struct {
	Kind NoticeKind `json:"-"`
	// Databases are forgotten as a whole.
	Databases []string `json:"d,omitempty"`
	// Models are pairs of a database and a model.
	Models [][2]string `json:"m,omitempty"`
	Keys   []Key       `json:"k,omitempty"`
	// Pattern is that of InvalidateMatching.
	Pattern string `json:"p,omitempty"`
	Origin  string `json:"o,omitempty"`
}

// all tells a notice that names nothing.
func (n Notice) all() bool {
	return len(n.Databases) == 0 && len(n.Models) == 0 && len(n.Keys) == 0 && n.Pattern == ""
}

func noticeOf(refs []modelRef) Notice {
	var n Notice
	for _, ref := range refs {
		switch {
		case ref == everything:
			return Notice{}
		case ref.whole:
			n.Databases = append(n.Databases, ref.db)
		default:
			n.Models = append(n.Models, [2]string{ref.db, ref.model})
		}
	}
	return n
}

func (r *Redis) announce(ctx context.Context, c redis.Cmdable, n Notice) error {
	n.Origin = r.origin
	b, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("write notice: %w", err)
	}
	return c.Publish(ctx, r.names.channel, b).Err()
}

// Subscribe is Announcer.Subscribe. It makes sure every RedisConfig.Heartbeat that the connection still lives.
func (r *Redis) Subscribe(hear func(Notice)) (stop func()) {
	ctx, cancel := context.WithCancel(r.life)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.life.Err() != nil {
		return cancel
	}
	r.working.Go(func() {
		defer cancel()
		for failures := 0; ctx.Err() == nil; failures++ {
			if r.listen(ctx, hear) {
				failures = 0
			}
			pause := min(r.config.Backoff<<min(failures, 16), r.config.Heartbeat)
			select {
			case <-ctx.Done():
			case <-time.After(pause/2 + rand.N(pause)):
			}
		}
	})
	return cancel
}

// listen subscribes once, and tells whether it got so far.
func (r *Redis) listen(ctx context.Context, hear func(Notice)) bool {
	p := r.client.Subscribe(ctx)
	defer p.Close()
	defer context.AfterFunc(ctx, func() { _ = p.Close() })()
	if err := p.Subscribe(ctx, r.names.channel); err != nil {
		return false
	}
	if m, err := p.ReceiveTimeout(ctx, r.config.Timeout); err != nil {
		return false
	} else if _, ok := m.(*redis.Subscription); !ok {
		return false
	}
	hear(Notice{Kind: Connected})
	defer func() { hear(Notice{Kind: Lost}) }()
	for asked := false; ; {
		m, err := p.ReceiveTimeout(ctx, r.config.Heartbeat)
		switch {
		case err == nil:
			asked = false
			if m, ok := m.(*redis.Message); ok {
				r.heard(m.Payload, hear)
			}
		case isTimeout(err) && !asked && ctx.Err() == nil:
			asked = true
			if p.Ping(ctx) != nil {
				return true
			}
		default:
			return true
		}
	}
}

// heard passes a notice on. One that cannot be read is taken to be of everything.
func (r *Redis) heard(payload string, hear func(Notice)) {
	var n Notice
	if err := json.Unmarshal([]byte(payload), &n); err != nil {
		n = Notice{}
	}
	if n.Origin != r.origin {
		hear(n)
	}
}
