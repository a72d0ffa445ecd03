package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
	"golang.org/x/time/rate"
)

// endpoint is one server of the pool.
type endpoint struct {
	wire     *wire
	slots    chan struct{} // holds a token for each call under way
	inFlight atomic.Int64  // with those who wait for a slot
	breaker  *gobreaker.TwoStepCircuitBreaker[struct{}]
	ejected  atomic.Bool // by its health
	tally    tally

	login   chan struct{} // holds a token while somebody logs in
	session atomic.Pointer[session]
	denied  atomic.Pointer[denial]
}

// denial is a log-in that was refused.
type denial struct {
	err error
	at  time.Time
}

// ServerState is how a server of the pool does.
type ServerState struct {
	Address  string
	InFlight int
	Circuit  string // closed, half-open or open
	Ejected  bool   // by its health
	LoggedIn bool
}

func newEndpoint(w *wire, c *Config) *endpoint {
	if c.Rate > 0 {
		w.limiter = rate.NewLimiter(rate.Limit(c.Rate), c.Burst)
	}
	return &endpoint{
		wire: w, slots: make(chan struct{}, c.MaxConnections), login: make(chan struct{}, 1),
		breaker: gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
			Name: w.name, MaxRequests: uint32(min(c.BreakerProbes, maxConcurrency)), Timeout: c.BreakerPause, //nolint:gosec // checked by Validate
			ReadyToTrip: func(n gobreaker.Counts) bool { return int(n.ConsecutiveFailures) >= c.BreakerFailures },
			// Whoever was not answered because of their own limits says nothing of the server.
			IsExcluded: func(err error) bool {
				k, ok := KindOf(err)
				return err != nil && (!ok || k == KindCanceled || k == KindArgument || k == KindTimeout)
			},
			IsSuccessful: func(err error) bool {
				k, ok := KindOf(err)
				return !ok || k != KindConnection && k != KindUnavailable
			},
		}),
	}
}

func (e *endpoint) state() ServerState {
	return ServerState{e.wire.name, int(e.inFlight.Load()), e.breaker.State().String(), e.ejected.Load(), e.session.Load() != nil}
}

// pick chooses a server that is none of closed: one that is well, not the one that just failed if there is another.
func (c *Client) pick(failed *endpoint, closed []*endpoint) *endpoint {
	n := len(c.endpoints)
	if n == 1 {
		return c.endpoints[0]
	}
	first := int(c.turn.Add(1) % uint64(n)) //nolint:gosec // less than n
	var best *endpoint
	bestRank := 0
	for i := range n {
		e := c.endpoints[(first+i)%n]
		if slices.Contains(closed, e) {
			continue
		}
		rank := 0
		if e.breaker.State() != gobreaker.StateOpen {
			rank += 4
		}
		if !e.ejected.Load() {
			rank += 2
		}
		if e != failed {
			rank++
		}
		less := c.config.Balance == LeastInFlight && best != nil && rank == bestRank && e.inFlight.Load() < best.inFlight.Load()
		if best == nil || rank > bestRank || less {
			best, bestRank = e, rank
		}
	}
	return best
}

// enter picks a server and acquires it. While a call waits for a slot the circuit may open, or be tried out by another
// call. Nothing was sent then, so that whatever the call does, the next server is asked: each of them once.
func (c *Client) enter(ctx context.Context, r *request, failed *endpoint) (*endpoint, func(error), error) {
	var closed []*endpoint
	for {
		e := c.pick(failed, closed)
		done, err := e.acquire(ctx, r)
		if err == nil || !errors.Is(err, KindCircuitOpen) || len(closed) == len(c.endpoints)-1 {
			return e, done, err
		}
		closed = append(closed, e)
	}
}

// acquire waits for a slot and asks the breaker. done gives both back and has to be called.
func (e *endpoint) acquire(ctx context.Context, r *request) (done func(error), err error) {
	e.inFlight.Add(1)
	fail := func(kind Kind, cause error) (func(error), error) {
		e.inFlight.Add(-1)
		return nil, &Error{Kind: kind, Server: e.wire.name, Model: r.model, Method: r.method, cause: cause}
	}
	if e.breaker.State() == gobreaker.StateOpen {
		return fail(KindCircuitOpen, gobreaker.ErrOpenState)
	}
	select {
	case e.slots <- struct{}{}:
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return fail(KindTimeout, fmt.Errorf("wait for one of %d connections: %w", cap(e.slots), ctx.Err()))
		}
		return fail(KindCanceled, ctx.Err())
	}
	report, err := e.breaker.Allow()
	if err != nil {
		<-e.slots
		return fail(KindCircuitOpen, err)
	}
	return func(err error) {
		report(err)
		<-e.slots
		e.inFlight.Add(-1)
	}, nil
}

// watch asks each server for its health until ctx ends.
func (c *Client) watch(ctx context.Context, e *endpoint) {
	w := *e.wire // without the limit, which is for calls
	w.limiter, w.hooks = nil, nil
	tick := time.NewTicker(c.config.HealthInterval)
	defer tick.Stop()
	failures := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		within, cancel := context.WithTimeout(ctx, min(c.config.HealthInterval, c.config.DialTimeout))
		err := c.rpc.health(within, &w)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			failures = 0
		default:
			failures++
		}
		e.ejected.Store(failures >= c.config.HealthFailures)
	}
}
