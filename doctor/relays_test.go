package doctor

import (
	"slices"
	"testing"
	"time"
)

func TestRelays(t *testing.T) {
	of := func(list ...Relay) func() []Relay { return func() []Relay { return list } }
	http := Relay{Protocol: "HTTP", Listen: "0.0.0.0:8070", Upstream: "127.0.0.1:8069", For: time.Hour, Connections: 2}
	sql := Relay{Protocol: "PostgreSQL", Listen: "127.0.0.1:6432", Upstream: "/run/postgresql/.s.PGSQL.5432", For: time.Hour, Connections: 1}
	down, young, lonely := http, sql, sql
	down.Down = "connection refused"
	young.For, young.Connections = time.Second, 0
	lonely.Connections = 0
	through := odoo
	through.Links = []Link{{"tcp", "127.0.0.1:6432", 3}}
	const passes = "ok PostgreSQL passes from 127.0.0.1:6432 to /run/postgresql/.s.PGSQL.5432, "
	states{
		{"none", relayCheck{nil, known(Host{})}, ""},
		{"both", relayCheck{of(http, sql), known(Host{Servers: []Server{through}})},
			"ok HTTP passes from 0.0.0.0:8070 to 127.0.0.1:8069, 2 connections\n" + passes + "1 connection"},
		{"down", relayCheck{of(down), known(Host{})}, "fail HTTP behind 0.0.0.0:8070 cannot be reached: connection refused"},
		{"young", relayCheck{of(young), known(Host{})}, passes + "0 connections"},
		{"lonely", relayCheck{of(lonely), known(Host{})}, "warn nobody has connected to PostgreSQL on 127.0.0.1:6432 yet"},
		{"past it", relayCheck{of(sql), known(Host{Servers: []Server{odoo, blind}})},
			passes + "1 connection\nwarn Odoo (pid 41) reaches PostgreSQL by 127.0.0.1:5432, past perfd\n" +
				"warn Odoo (pid 42) reaches PostgreSQL by /run/postgresql/.s.PGSQL.5432, past perfd"},
		{"past it, which HTTP does not tell", relayCheck{of(http), known(Host{Servers: []Server{odoo}})},
			"ok HTTP passes from 0.0.0.0:8070 to 127.0.0.1:8069, 2 connections"},
	}.run(t)
}

// What keeps a tap from seeing is of no interest where perfd relays.
func TestRelaysLeaveTapOut(t *testing.T) {
	names := func(c Config) (list []string) {
		for _, x := range checks(c) {
			list = append(list, x.name())
		}
		return list
	}
	all, relaying := names(Config{Watching: true}), names(Config{Watching: true, Relays: func() []Relay { return nil }})
	for _, name := range []string{"interfaces", "servers", "database", "pooler", "traffic"} {
		if !slices.Contains(all, name) || slices.Contains(relaying, name) {
			t.Errorf("%s: %v where perfd taps, %v where it relays", name, all, relaying)
		}
	}
	for _, name := range []string{"evidence", "relays", "disk"} {
		if !slices.Contains(relaying, name) {
			t.Errorf("%s is not checked where perfd relays: %v", name, relaying)
		}
	}
}
