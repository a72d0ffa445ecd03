package doctor

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/perfd/perfd/sqltrace/activity"
)

// askPostgres asks read-only, in one transaction. Errors do not hold the DSN, which may hold a password.
func askPostgres(ctx context.Context, dsn string) (f postgresFacts, err error) {
	ctx, cancel := context.WithTimeout(ctx, activity.Patience)
	defer cancel()
	conn, err := activity.Connect(ctx, dsn)
	if err != nil {
		return f, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	f.settings = make(map[string]string)
	rows, err := conn.Query(ctx, `SELECT name, setting FROM pg_settings WHERE name = ANY($1)`,
		[]string{"server_version", "track_io_timing", "log_min_duration_statement", "log_statement", "logging_collector"})
	if err != nil {
		return f, fmt.Errorf("ask PostgreSQL: %s", activity.Reason(err))
	}
	var name, value string
	if _, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error {
		f.settings[name] = value
		return nil
	}); err != nil {
		return f, fmt.Errorf("ask PostgreSQL: %s", activity.Reason(err))
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
		return f, fmt.Errorf("ask PostgreSQL: %s", activity.Reason(err))
	}
	return f, nil
}
