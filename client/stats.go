package client

import (
	"iter"
	"sync/atomic"
	"time"

	"github.com/perfd/perfd/cache"
)

// Stats is what a client did since it began.
type Stats struct {
	// Servers are in the order of Config.Servers.
	Servers []ServerStats
	// Cache is what Config.Cache did; zero without one.
	Cache cache.Stats
}

// ServerStats is what a client did with one server: attempts of calls, and of the first log-in. What the cache answered
// is not in it.
type ServerStats struct {
	ServerState
	// Answered is how many attempts were answered, Failed those that were not, or with an error, by its kind.
	Answered int64
	Failed   map[Kind]int64
	// Repeated are those among them that were not a call's first.
	Repeated int64
	// Time is how long they took in all, with the wait for a connection.
	Time time.Duration
}

// tally is ServerStats that grow.
type tally struct {
	answered, repeated, nanos atomic.Int64
	failed                    [kinds]atomic.Int64
}

func (t *tally) add(attempt int, took time.Duration, err error) {
	t.nanos.Add(int64(took))
	if attempt > 1 {
		t.repeated.Add(1)
	}
	if err == nil {
		t.answered.Add(1)
		return
	}
	k, _ := KindOf(err)
	t.failed[min(k, kinds-1)].Add(1)
}

// Stats is what the client did so far.
func (c *Client) Stats() Stats {
	s := Stats{Cache: c.CacheStats()}
	for _, e := range c.endpoints {
		one := ServerStats{
			ServerState: e.state(), Answered: e.tally.answered.Load(), Repeated: e.tally.repeated.Load(),
			Time: time.Duration(e.tally.nanos.Load()), Failed: map[Kind]int64{},
		}
		for k := range e.tally.failed {
			if n := e.tally.failed[k].Load(); n > 0 {
				one.Failed[Kind(k)] = n //nolint:gosec // less than kinds
			}
		}
		s.Servers = append(s.Servers, one)
	}
	return s
}

// Samples yields the statistics as metrics: those of the cache, and of the servers, whose names begin with client_. The
// number of series is bounded by the numbers of servers and of kinds.
func (s Stats) Samples() iter.Seq[cache.Sample] {
	return func(yield func(cache.Sample) bool) {
		for sample := range s.Cache.Samples() {
			if !yield(sample) {
				return
			}
		}
		for i := range s.Servers {
			for _, sample := range s.Servers[i].samples() {
				if !yield(sample) {
					return
				}
			}
		}
	}
}

func (s *ServerStats) samples() []cache.Sample {
	var out []cache.Sample
	add := func(name, help string, kind cache.SampleKind, v float64, labels ...[2]string) {
		out = append(out, cache.Sample{Name: name, Help: help, Kind: kind, Value: v, Labels: append([][2]string{{"server", s.Address}}, labels...)})
	}
	const attempts, what = "client_attempts_total", "Attempts of calls, and of the first log-in, by what became of them."
	add(attempts, what, cache.Counter, float64(s.Answered), [2]string{"outcome", "answered"})
	for k := range kinds {
		if n := s.Failed[k]; n > 0 {
			add(attempts, what, cache.Counter, float64(n), [2]string{"outcome", k.String()})
		}
	}
	add("client_repeated_total", "Attempts that were not a call's first.", cache.Counter, float64(s.Repeated))
	add("client_attempt_seconds_total", "How long attempts took in all, with the wait for a connection.", cache.Counter, s.Time.Seconds())
	add("client_in_flight", "Attempts under way, with those that wait for a connection.", cache.Gauge, float64(s.InFlight))
	for _, state := range []string{"closed", "half-open", "open"} {
		v := 0.0
		if s.Circuit == state {
			v = 1
		}
		add("client_circuit", "1 for the state that the circuit breaker of the server is in.", cache.Gauge, v, [2]string{"state", state})
	}
	ejected := 0.0
	if s.Ejected {
		ejected = 1
	}
	add("client_ejected", "1 if the server fails its health checks and gets no calls.", cache.Gauge, ejected)
	return out
}
