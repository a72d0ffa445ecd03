package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// askTimeout bounds the questions to PostgreSQL altogether.
const askTimeout = 5 * time.Second

// askPostgres asks read-only, in one transaction. Errors do not hold the DSN, which may hold a password.
func askPostgres(ctx context.Context, dsn string) (f postgresFacts, err error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return f, errors.New("database.dsn is no connection string that PostgreSQL knows")
	}
	cfg.ConnectTimeout = askTimeout
	cfg.RuntimeParams["application_name"] = "perfd"
	cfg.RuntimeParams["default_transaction_read_only"] = "on"
	cfg.RuntimeParams["statement_timeout"] = "3000"
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return f, fmt.Errorf("connect to PostgreSQL at %s: %s", cfg.Host, reason(err))
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	f.settings = make(map[string]string)
	rows, err := conn.Query(ctx, `SELECT name, setting FROM pg_settings WHERE name = ANY($1)`,
		[]string{"server_version", "track_io_timing", "log_min_duration_statement", "log_statement", "logging_collector"})
	if err != nil {
		return f, fmt.Errorf("ask PostgreSQL: %s", reason(err))
	}
	var name, value string
	if _, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error {
		f.settings[name] = value
		return nil
	}); err != nil {
		return f, fmt.Errorf("ask PostgreSQL: %s", reason(err))
	}
	f.version = f.settings["server_version"]
	err = conn.QueryRow(ctx, `SELECT
		EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_stat_statements'),
		pg_has_role(current_user, 'pg_monitor', 'MEMBER'),
		count(*) FILTER (WHERE s.ssl),
		count(*) FILTER (WHERE a.client_addr IS NULL),
		count(*)
		FROM pg_stat_activity a LEFT JOIN pg_stat_ssl s USING (pid)
		WHERE a.backend_type = 'client backend' AND a.pid <> pg_backend_pid() AND a.application_name NOT IN ('perfd', 'psql')`,
	).Scan(&f.statements, &f.monitor, &f.encrypted, &f.unix, &f.clients)
	if err != nil {
		return f, fmt.Errorf("ask PostgreSQL: %s", reason(err))
	}
	return f, nil
}

// reason is what the server or the system says, without the user name and the parameters that pgx adds.
func reason(err error) string {
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
