package cache

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sony/gobreaker/v2"
)

// errGivenUp says that the caller did not wait any longer, which tells nothing of Redis.
var errGivenUp = errors.New("the caller gave up")

// do runs an operation on Redis within the time-out, unless the circuit is open. What others were to forget while
// Redis could not be reached is told first, so that nothing outdated is read.
func (r *Redis) do(ctx context.Context, run func(context.Context) error) error {
	return r.guard(ctx, func(o operation) error { return r.timed(o, run) })
}

// guard runs an operation unless the circuit is open, and tells the circuit what became of it.
func (r *Redis) guard(ctx context.Context, run func(operation) error) error {
	if err := r.life.Err(); err != nil {
		return redis.ErrClosed
	}
	_, err := r.breaker.Execute(func() (struct{}, error) {
		began := time.Now()
		o := operation{ctx, began, began.Add(r.config.Timeout)}
		if end, ok := ctx.Deadline(); ok && end.Before(o.end) {
			o.end = end
		}
		err := run(o)
		if err != nil && ctx.Err() != nil && time.Since(began) < r.config.Timeout/2 {
			err = errors.Join(errGivenUp, ctx.Err())
		}
		return struct{}{}, err
	})
	if err == nil && r.substituted.Load() && r.substituted.Swap(false) {
		_ = r.fallback.Clear(ctx)
	}
	return err
}

// timed runs an operation with a context that ends by itself at the time-out, for the library does not look at the clock
// in the pauses between its attempts, nor while somebody connects for it.
func (r *Redis) timed(o operation, run func(context.Context) error) error {
	ctx, cancel := context.WithDeadline(o.Context, o.end)
	defer cancel()
	if err := r.catchUp(ctx); err != nil {
		return err
	}
	return run(ctx)
}

// operation is the context of one operation. It has a deadline, to which the library keeps while it waits for an answer,
// but does not end by itself: that would cost more than all else that a lookup adds to the library.
type operation struct {
	context.Context // the caller's
	began, end      time.Time
}

// Deadline is of context.Context.
func (o operation) Deadline() (time.Time, bool) { return o.end, true }

// catchUp tells Redis what it missed.
func (r *Redis) catchUp(ctx context.Context) error {
	if r.pending.count() == 0 {
		return nil
	}
	refs, seq := r.pending.take()
	if err := r.next(ctx, refs, noticeOf(refs)); err != nil {
		return fmt.Errorf("catch up on invalidations: %w", err)
	}
	r.pending.settled(refs, seq)
	return nil
}

// missed keeps what Redis has to be told of. It is told by the next operation, or behind, if there is none soon.
func (r *Redis) missed(refs ...modelRef) {
	r.pending.add(refs...)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.chasing || r.life.Err() != nil {
		return
	}
	r.chasing = true
	r.working.Go(r.chase)
}

// chase tries again and again to tell Redis what it missed.
func (r *Redis) chase() {
	for pause := r.config.Backoff; ; pause = min(2*pause, r.config.Heartbeat) {
		select {
		case <-r.life.Done():
			return
		case <-time.After(pause/2 + rand.N(pause)):
		}
		_ = r.do(r.life, func(context.Context) error { return nil })
		r.mu.Lock()
		if r.pending.count() == 0 {
			r.chasing = false
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
	}
}

// failed notes what went wrong.
func (r *Redis) failed(s *modelState, err error) {
	if errors.Is(err, errGivenUp) || errors.Is(err, redis.ErrClosed) {
		return
	}
	r.counts.failures.Add(1)
	if s != nil {
		s.counts.failures.Add(1)
	}
	if !errors.Is(err, gobreaker.ErrOpenState) && !errors.Is(err, gobreaker.ErrTooManyRequests) {
		r.lastErr.Store(&failure{err.Error() + hint(err), time.Now()})
	}
}

func unavailable(err error) error { return fmt.Errorf("%w: %w", ErrUnavailable, err) }

// ailing are what the answers of a Redis begin with that does not serve, for now or for this program.
var ailing = []string{"LOADING", "MASTERDOWN", "CLUSTERDOWN", "READONLY", "NOAUTH", "WRONGPASS", "TRYAGAIN", "BUSY", "MISCONF", "NOREPLICAS"}

// answered tells whether Redis is well, though it refused something.
func answered(err error) bool {
	var e redis.Error
	if !errors.As(err, &e) || errors.Is(err, redis.ErrClosed) {
		return errors.Is(err, errNoGeneration)
	}
	for _, prefix := range ailing {
		if strings.HasPrefix(e.Error(), prefix) {
			return false
		}
	}
	return !strings.Contains(e.Error(), "max number of clients")
}

// isFull tells whether Redis refused because it has no memory left.
func isFull(err error) bool {
	var e redis.Error
	return errors.As(err, &e) && strings.HasPrefix(e.Error(), "OOM")
}

// hint is what a person can do about an error, or nothing.
func hint(err error) string {
	text := err.Error()
	switch {
	case strings.Contains(text, "WRONGPASS"), strings.Contains(text, "invalid password"):
		return ": check the user name and the password"
	case strings.Contains(text, "NOAUTH"):
		return ": it wants a password"
	case strings.Contains(text, "connection refused"):
		return ": nobody listens there"
	case strings.Contains(text, "OOM "):
		return ": its maxmemory is used up: raise it, or set maxmemory-policy to allkeys-lfu"
	case strings.Contains(text, "NOPERM"):
		return ": the user lacks rights: get, set, mget, incr, unlink, scan, publish, subscribe, info"
	case strings.Contains(text, "first record does not look like a TLS handshake"):
		return ": it does not speak TLS there"
	}
	return ""
}

// isTimeout tells a wait that was too long from a connection that failed.
func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}
