package main

import (
	"context"
	"net/netip"

	"github.com/perfd/perfd/sqltrace"
	"github.com/perfd/perfd/sqltrace/activity"
)

// connections asks PostgreSQL, if the settings say how, whose the connections are that are open now; without it
// those stay without database, user and application until they say.
func (w *watcher) connections(ctx context.Context, dsn string) func(netip.AddrPort) (sqltrace.Known, bool) {
	if dsn == "" {
		return nil
	}
	known, err := activity.Ask(ctx, dsn)
	if err != nil {
		w.log.Warn("open connections stay unknown", "why", err)
		return nil
	}
	return func(client netip.AddrPort) (sqltrace.Known, bool) {
		k, ok := known[netip.AddrPortFrom(client.Addr().Unmap(), client.Port())]
		return k, ok
	}
}
