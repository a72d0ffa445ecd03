// Package activity asks PostgreSQL who holds its connections, for those that were open before perfd looked: their
// startup message, which would have told, is past.
package activity

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/perfd/perfd/sqltrace"
)

// Patience bounds connecting, and asking altogether.
const Patience = 5 * time.Second

const most = 10_000 // connections

// Connect opens a connection on which nothing can be changed and no statement takes long. Errors do not hold the DSN,
// which may hold a password.
func Connect(ctx context.Context, dsn string) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("database.dsn is no connection string that PostgreSQL knows")
	}
	cfg.ConnectTimeout = Patience
	cfg.RuntimeParams["application_name"] = "perfd"
	cfg.RuntimeParams["default_transaction_read_only"] = "on"
	cfg.RuntimeParams["statement_timeout"] = "3000"
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL at %s: %s", cfg.Host, Reason(err))
	}
	return conn, nil
}

// Ask returns what pg_stat_activity tells of the clients that reach the server by TCP, by their address. It asks once,
// read-only; of other roles' connections a role needs pg_read_all_stats to see. Errors do not hold the DSN.
func Ask(ctx context.Context, dsn string) (map[netip.AddrPort]sqltrace.Known, error) {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	conn, err := Connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	rows, err := conn.Query(ctx, `SELECT host(client_addr), client_port, pid, coalesce(datname, ''), coalesce(usename, ''), coalesce(application_name, '')
		FROM pg_stat_activity WHERE client_port > 0 AND client_addr IS NOT NULL AND pid <> pg_backend_pid() LIMIT $1`, most)
	if err != nil {
		return nil, fmt.Errorf("ask pg_stat_activity: %s", Reason(err))
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
		return nil, fmt.Errorf("ask pg_stat_activity: %s", Reason(err))
	}
	return known, nil
}

// Reason is what the server or the system says, without the user name and the parameters that pgx adds.
func Reason(err error) string {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return server.Message
	}
	var network *net.OpError
	if errors.As(err, &network) {
		return network.Err.Error()
	}
	text, _, _ := strings.Cut(err.Error(), "\n") // a line for each address tried
	if i := strings.LastIndex(text, ": "); i >= 0 {
		text = text[i+2:]
	}
	return text
}
