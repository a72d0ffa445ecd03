package doctor

import "testing"

func TestWithFlags(t *testing.T) {
	for fix, want := range map[string]string{
		"":                    "",
		"Name another store.": "Name another store.",
		"Add 9 to pg_ports, or leave pg_ports empty.": "Add 9 to pg_ports (--pg-port), or leave pg_ports empty.",
		"Check interfaces, rpc_ports and pg_ports.":   "Check interfaces (--interface), rpc_ports (--rpc-port) and pg_ports (--pg-port).",
		"Correct database.dsn.":                       "Correct database.dsn.",
		"Set retention.size.":                         "Set retention.size (--retention-size).",
		"See pg_log.path.":                            "See pg_log.path (--pg-log).",
		"Set rpc_ports (--rpc-port).":                 "Set rpc_ports (--rpc-port).",
		"my_rpc_ports are no setting":                 "my_rpc_ports are no setting",
	} {
		if got := withFlags(fix); got != want {
			t.Errorf("%q: %q, want %q", fix, got, want)
		}
	}
}
