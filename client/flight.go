package client

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"time"

	"github.com/perfd/perfd/cache"
)

// maxJoins is how many loads of others a call waits for that fail because of their limits.
const maxJoins = 3

// load answers a call from a cache. Calls that ask the same at the same time share one load, but not its limits: one
// that may try longer does so if the load has failed, and one that may not leaves it to the others.
func (c *Client) load(ctx context.Context, l *cache.Loader, key cache.Key, r *request, o *options) (json.RawMessage, error) {
	own, lo := c.limits(o), c.loading(r, o)
	var mine *atomic.Bool // whether this call makes the load itself, which keeps to its limits; nil if nobody asks
	if o.timeout != 0 || o.retry != nil {
		if d, bounded := own.most(); bounded {
			mine = new(atomic.Bool)
			var cancel context.CancelCauseFunc
			ctx, cancel = context.WithCancelCause(ctx)
			defer cancel(nil)
			defer time.AfterFunc(d, func() {
				if !mine.Load() {
					cancel(context.DeadlineExceeded)
				}
			}).Stop()
		}
	}
	for joins := 1; ; joins++ {
		lo.Refresh = o.refresh || joins > maxJoins
		value, err := l.Load(ctx, key, lo, func(ctx context.Context) ([]byte, error) {
			if mine != nil {
				mine.Store(true)
			}
			value, err := c.ask(ctx, r, o)
			if err != nil {
				err = &limited{err, own}
			}
			return value, err
		})
		if err == nil {
			return value, nil
		}
		var load *limited
		if errors.As(err, &load) {
			if load.by != own && ctx.Err() == nil && repeatable(load.error, true) {
				continue
			}
			err = load.error
		}
		return nil, wrapped(ctx, r, err)
	}
}

// limited is an error of a load, with the limits that it kept to.
type limited struct {
	error
	by limits
}

func (l *limited) Unwrap() error { return l.error }

// wrapped makes an *Error of what a cache says when its caller gave up while another's load went on.
func wrapped(ctx context.Context, r *request, err error) error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return err
	case errors.Is(context.Cause(ctx), context.Canceled):
		return &Error{Kind: KindCanceled, Model: r.model, Method: r.method, Sent: true, cause: err}
	case ctx.Err() != nil:
		return &Error{Kind: KindTimeout, Model: r.model, Method: r.method, Sent: true, cause: context.Cause(ctx)}
	}
	return &Error{Kind: KindServer, Model: r.model, Method: r.method, Sent: true, cause: err}
}
