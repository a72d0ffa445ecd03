package sqltrace

import "testing"

func TestShapeFunction(t *testing.T) {
	for text, want := range map[string]string{
		"SELECT pg_sleep ( ? )":                                      "pg_sleep",
		"SELECT ? , pg_sleep ( ? )":                                  "pg_sleep",
		"SELECT pg_catalog . set_config ( ? , ? , ? )":               "set_config",
		`SELECT public."Compute" ( ? )`:                              "compute",
		"SELECT coalesce ( setval ( ? , ? ) , ? )":                   "setval",
		"SELECT ( ? :: numeric ( ? ) ) , now ( )":                    "now",
		"CALL refresh_all ( )":                                       "refresh_all",
		"select pg_advisory_xact_lock(?)":                            "pg_advisory_xact_lock",
		"WITH q AS ( SELECT * FROM generate_series ( ? ) ) SELECT q": "generate_series",
		"SELECT ?":             "",
		"SELECT ? IN ( ? )":    "",
		"VALUES ( ? )":         "",
		"SELECT \"":            "",
		"SELECT \"\" ( ? )":    "",
		"":                     "",
		"BEGIN":                "",
		"SELECT version ( ":    "version",
		"SELECT version":       "",
		"SELECT version\r\n()": "version",
		"UPDATE (":             "",
		"SELECT ( SELECT ? )":  "",
	} {
		if got := (Shape{Text: text}).Function(); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	of := Shape{Text: "SELECT count ( * ) FROM res_partner", Tables: []string{"res_partner"}}
	if got := of.Function(); got != "" {
		t.Errorf("a statement of a table is told by it, got %q", got)
	}
	if got := (Shape{Text: "INSERT INTO t ( a )", Written: "t"}).Function(); got != "" {
		t.Errorf("a write is told by its table, got %q", got)
	}
}
