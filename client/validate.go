package client

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// Limits of Config.
const (
	maxServers     = 64
	maxConcurrency = 10_000
)

// protocol is the family of servers that a transport speaks with.
func (t Transport) protocol() Protocol {
	if t == TransportTryton {
		return Tryton
	}
	return Odoo
}

// Validate says everything that is wrong with a configuration, or nil.
func (c Config) Validate() error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	t := cmp.Or(c.Transport, TransportWeb)
	switch t {
	case TransportWeb, TransportJSONRPC, TransportXMLRPC, TransportJSON2, TransportTryton:
	default:
		bad("transport %q, want web, jsonrpc, xmlrpc, json2 or tryton", c.Transport)
	}
	if len(c.Servers) == 0 || len(c.Servers) > maxServers {
		bad("%d servers, want 1 to %d", len(c.Servers), maxServers)
	}
	seen := map[string]bool{}
	for _, s := range c.Servers {
		u, err := ParseAddress(s, t.protocol())
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if seen[u.String()] {
			bad("server %s stands there twice", u)
		}
		seen[u.String()] = true
	}
	if c.Database == "" && t != TransportJSON2 {
		bad("no database")
	}
	if c.Login == "" && t != TransportJSON2 {
		bad("no login")
	}
	if c.Password == "" && c.Credential == nil {
		bad("no password or key")
	}
	for name, n := range map[string]float64{
		"DialTimeout": float64(c.DialTimeout), "IdleTimeout": float64(c.IdleTimeout), "MaxConnections": float64(c.MaxConnections), "Rate": c.Rate,
		"Burst": float64(c.Burst), "MaxResponse": float64(c.MaxResponse), "HealthFailures": float64(c.HealthFailures),
		"BreakerFailures": float64(c.BreakerFailures), "BreakerPause": float64(c.BreakerPause), "BreakerProbes": float64(c.BreakerProbes),
	} {
		if !(n >= 0) { // not a number is not either
			bad("%s is negative", name)
		}
	}
	if c.MaxConnections > maxConcurrency {
		bad("MaxConnections is %d, want up to %d", c.MaxConnections, maxConcurrency)
	}
	switch c.Balance {
	case "", RoundRobin, LeastInFlight:
	default:
		bad("balance %q, want %s or %s", c.Balance, RoundRobin, LeastInFlight)
	}
	problems = append(problems, c.Retry.validate())
	for name, k := range c.Caches {
		if k == nil || name == "" {
			bad("cache %q is none", name)
		}
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("check client configuration: %w", err)
	}
	return nil
}

// withDefaults fills in what was left out.
func (c Config) withDefaults() Config {
	c.Transport = cmp.Or(c.Transport, TransportWeb)
	c.Timeout = cmp.Or(c.Timeout, 120*time.Second)
	c.DialTimeout = cmp.Or(c.DialTimeout, 10*time.Second)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 15*time.Second)
	c.MaxConnections = cmp.Or(c.MaxConnections, 10)
	c.Burst = cmp.Or(c.Burst, max(1, int(min(c.Rate, maxConcurrency))))
	c.MaxResponse = cmp.Or(c.MaxResponse, 256<<20)
	c.UserAgent = cmp.Or(c.UserAgent, "perfd")
	c.Retry = c.Retry.withDefaults()
	c.Balance = cmp.Or(c.Balance, RoundRobin)
	c.HealthInterval = cmp.Or(c.HealthInterval, 10*time.Second)
	c.HealthFailures = cmp.Or(c.HealthFailures, 3)
	c.BreakerFailures = cmp.Or(c.BreakerFailures, 5)
	c.BreakerPause = cmp.Or(c.BreakerPause, 60*time.Second)
	c.BreakerProbes = cmp.Or(c.BreakerProbes, 1)
	return c
}
