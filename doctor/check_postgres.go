package doctor

import (
	"context"
	"fmt"

	"github.com/perfd/perfd/config"
)

// postgresFacts are what PostgreSQL says of itself.
type postgresFacts struct {
	version    string
	settings   map[string]string // of those in postgresAdvice
	statements bool              // the extension pg_stat_statements is installed in this database
	monitor    bool              // the role is a member of pg_monitor
	encrypted  int               // client connections with TLS
	unix       int               // client connections by Unix socket, of applications
	clients    int
}

// postgresCheck asks PostgreSQL, where the settings name a role to ask with.
type postgresCheck struct {
	settings *config.Config
	ask      func(ctx context.Context, dsn string) (postgresFacts, error)
}

func (postgresCheck) name() string { return "postgresql" }

func (c postgresCheck) run(ctx context.Context) []Finding {
	dsn := string(c.settings.Database.DSN)
	if dsn == "" {
		return nil
	}
	f, err := c.ask(ctx, dsn)
	if err != nil {
		return fail(err.Error(), "Correct database.dsn; a role that may log in and is a member of pg_monitor suffices.")
	}
	out := ok("PostgreSQL " + f.version + " answers")
	if !f.monitor {
		out = append(out, warn("the role is not a member of pg_monitor: it sees its own sessions alone", "GRANT pg_monitor TO that role.")...)
	}
	if f.settings["track_io_timing"] == "off" {
		out = append(out, warn("track_io_timing is off: time spent on the disk is not told", "ALTER SYSTEM SET track_io_timing = on; it costs little where the clock is fast (pg_test_timing).")...)
	}
	if !f.statements {
		out = append(out, warn("pg_stat_statements is not installed in this database",
			"Add it to shared_preload_libraries, restart PostgreSQL, CREATE EXTENSION pg_stat_statements.")...)
	}
	if f.encrypted > 0 && c.settings.PGLog.Path == "" {
		out = append(out, warn(plural(f.encrypted, "client connection is", "client connections are")+" encrypted: a tap cannot read them",
			"Set db_sslmode = disable where client and server share a host, or use perfd proxy, or follow the log (pg_log.path).")...)
	}
	if f.unix > 0 && c.settings.PGLog.Path == "" {
		out = append(out, warn(plural(f.unix, "client connection comes", "client connections come")+" by Unix socket: a tap sees nothing of them", blindFix)...)
	}
	if c.settings.PGLog.Path != "" {
		out = append(out, logAdvice(f.settings)...)
	}
	return out
}

// logAdvice tells what the server's log will show of its statements.
func logAdvice(s map[string]string) []Finding {
	var out []Finding
	switch least := s["log_min_duration_statement"]; {
	case least == "-1" && s["log_statement"] != "all":
		out = append(out, fail("the server logs no statements (log_min_duration_statement = -1)",
			"Set log_min_duration_statement = 0 for the role of the application, or to the time from which statements matter.")...)
	case least != "0" && least != "-1":
		out = append(out, warn(fmt.Sprintf("the server logs statements from %s ms on: shorter ones are not seen", least),
			"Set log_min_duration_statement = 0 to see all; mind the disk.")...)
	}
	if s["logging_collector"] == "off" {
		out = append(out, warn("logging_collector is off: the log goes to standard error", "Name the file it is written to in pg_log.path, or set logging_collector = on.")...)
	}
	return out
}
