// Package activity asks PostgreSQL who holds its connections, for those that were open before perfd looked: their
// startup message, which would have told, is past.
package activity

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/perfd/perfd/sqltrace"
)

const (
	patience = 5 * time.Second
	most     = 10_000 // connections
)

// Ask returns what pg_stat_activity tells of the clients that reach the server by TCP, by their address. It asks once,
// read-only; of other roles' connections a role needs pg_read_all_stats to see. Errors do not hold the DSN.
func Ask(ctx context.Context, dsn string) (map[netip.AddrPort]sqltrace.Known, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("read connection string: PostgreSQL knows no such form")
	}
	cfg.ConnectTimeout = patience
	cfg.RuntimeParams["application_name"] = "perfd"
	cfg.RuntimeParams["default_transaction_read_only"] = "on"
	cfg.RuntimeParams["statement_timeout"] = "3000"
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL at %s failed", cfg.Host)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	rows, err := conn.Query(ctx, `SELECT host(client_addr), client_port, pid, coalesce(datname, ''), coalesce(usename, ''), coalesce(application_name, '')
		FROM pg_stat_activity WHERE client_port > 0 AND client_addr IS NOT NULL AND pid <> pg_backend_pid() LIMIT $1`, most)
	if err != nil {
		return nil, fmt.Errorf("ask pg_stat_activity: %w", err)
	}
	known := map[netip.AddrPort]sqltrace.Known{}
	var (
		host string
		port int32
		k    sqltrace.Known
	)
	if _, err := pgx.ForEachRow(rows, []any{&host, &port, &k.Backend, &k.Database, &k.User, &k.Application}, func() error {
		if addr, err := netip.ParseAddr(host); err == nil {
			known[netip.AddrPortFrom(addr.Unmap(), uint16(port))] = k
		}
		return nil
	}); err != nil {
		return nil, fmt.Errorf("ask pg_stat_activity: %w", err)
	}
	return known, nil
}
