package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"time"
)

const maxAttempts = 100

// withDefaults fills in what was left out.
func (r Retry) withDefaults() Retry {
	if r == (Retry{}) {
		return RetryDefault
	}
	r.Attempts = cmp.Or(r.Attempts, RetryDefault.Attempts)
	return r
}

func (r Retry) validate() error {
	if r.Attempts < 0 || r.Attempts > maxAttempts || r.Base < 0 || r.Max < 0 || r.Total < 0 || !(r.Multiplier >= 0 && r.Multiplier <= 100) {
		return fmt.Errorf("retry %+v: want 1 to %d attempts and nothing negative", r, maxAttempts)
	}
	return nil
}

// pause is how long to wait after the attempt of that number: from half of it to all of it, so that those who
// failed together do not come back together.
func (r Retry) pause(attempt int, random func() float64) time.Duration {
	d := float64(r.Base)
	if r.Multiplier > 0 {
		d *= math.Pow(r.Multiplier, float64(attempt-1))
	}
	if r.Max > 0 {
		d = min(d, float64(r.Max))
	}
	return time.Duration(d * (0.5 + random()/2))
}

// limits are how long and how often a call tries.
type limits struct {
	timeout time.Duration // none if it is not positive
	retry   Retry
}

// limits are the call's own, and the configuration's where it has none.
func (c *Client) limits(o *options) limits {
	own := limits{cmp.Or(o.timeout, c.config.Timeout), c.config.Retry}
	if o.retry != nil {
		own.retry = o.retry.withDefaults()
	}
	return own
}

// most is how long a call may take in all; false if that has no bound, or one of more than a day.
func (l limits) most() (time.Duration, bool) {
	const day = 24 * time.Hour
	if l.timeout <= 0 || l.timeout > day || l.retry.Attempts > maxAttempts {
		return 0, false
	}
	d := l.timeout
	for attempt := 1; attempt < l.retry.Attempts; attempt++ {
		if l.retry.Total > 0 && d > l.retry.Total {
			return l.retry.Total + l.timeout, true
		}
		pause := l.retry.pause(attempt, func() float64 { return 1 })
		if d += l.timeout; pause < 0 || pause > day || d > day {
			return 0, false
		}
		d += pause
	}
	return d, true
}

// repeatable tells whether a call that failed may be made again. One that may change something may not once any of
// it was sent, whatever the server says.
func repeatable(err error, safe bool) bool {
	var e *Error
	if !errors.As(err, &e) || e.Sent && !safe {
		return false
	}
	switch e.Kind { //nolint:exhaustive // the others would fail again
	case KindConnection, KindTimeout, KindUnavailable, KindTooMany, KindSerialization, KindLockTimeout:
		return true
	case KindCircuitOpen:
		return false
	}
	return false
}

// try makes attempts until one succeeds, fails for good, or the policy ends it.
func (c *Client) try(ctx context.Context, r *request, o *options, op func(ctx context.Context, e *endpoint, s *session, attempt int) error) error {
	policy := c.limits(o).retry
	start := time.Now()
	var failed *endpoint
	for attempt := 1; ; attempt++ {
		began := time.Now()
		e, err := c.attempt(ctx, r, o, failed, attempt, op)
		e.tally.add(attempt, time.Since(began), err)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil || attempt >= policy.Attempts || !repeatable(err, r.safe) {
			return c.scrub(err)
		}
		failed = e
		wait := policy.pause(attempt, rand.Float64)
		var asked *Error
		if errors.As(err, &asked) && asked.retryAfter > wait {
			if wait = asked.retryAfter; policy.Max > 0 && wait > policy.Max {
				return c.scrub(err) // later than the policy wants to wait
			}
		}
		if policy.Total > 0 && time.Since(start)+wait > policy.Total {
			return c.scrub(err)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return c.scrub(err)
		case <-timer.C:
		}
	}
}

// attempt is one try on one server, which it tells, with a log-in if there is no session or the server has forgotten it.
func (c *Client) attempt(
	ctx context.Context, r *request, o *options, failed *endpoint, attempt int, op func(ctx context.Context, e *endpoint, s *session, attempt int) error,
) (e *endpoint, err error) {
	if timeout := c.limits(o).timeout; timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	e, done, err := c.enter(ctx, r, failed)
	if err != nil {
		return e, err
	}
	defer func() { done(err) }()
	s, err := c.sessionOf(ctx, e, nil)
	if err != nil {
		return e, notSent(err)
	}
	err = op(ctx, e, s, attempt)
	if !errors.Is(err, KindSessionExpired) {
		return e, err
	}
	// The server refused the call at the door, before any method ran: to log in and call again repeats nothing.
	if s, err = c.sessionOf(ctx, e, s); err != nil {
		return e, notSent(err)
	}
	err = op(ctx, e, s, attempt)
	var again *Error
	if errors.As(err, &again) && again.Kind == KindSessionExpired && again.Status == http.StatusNotFound {
		again.Kind = KindNotFound // it was not the session
	}
	return e, err
}

// notSent marks the error of a log-in: nothing of the call itself was sent.
func notSent(err error) error {
	var e *Error
	if errors.As(err, &e) && e.Sent {
		e.Sent = false
	}
	return err
}
