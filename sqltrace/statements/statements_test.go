package statements_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/perfd/perfd/lab"
	"github.com/perfd/perfd/sqltrace/statements"
)

// TestWhatStatementsDid counts on a real server what ran between two moments, and what two arms differ in.
func TestWhatStatementsDid(t *testing.T) {
	p := lab.PostgreSQL(t, lab.PostgresConfig{Settings: map[string]string{"shared_preload_libraries": "pg_stat_statements"}})
	dsn := p.DSN("postgres", "disable")
	if _, err := statements.Take(t.Context(), dsn, false); !errors.Is(err, statements.ErrMissing) {
		t.Fatalf("without the extension: %v", err)
	}
	p.Exec("postgres", "CREATE EXTENSION pg_stat_statements")
	p.Exec("postgres", "CREATE TABLE t AS SELECT g AS n, repeat('x', 100) AS x FROM generate_series(1, 50000) g")
	pass := func(s *statements.Sums, times int) {
		t.Helper()
		before, err := statements.Take(t.Context(), dsn, false)
		if err != nil {
			t.Fatal(err)
		}
		for i := range times {
			p.Exec("postgres", fmt.Sprintf("SELECT count(*) FROM t WHERE n = %d", i))
		}
		p.Exec("postgres", "SELECT 1")
		after, err := statements.Take(t.Context(), dsn, true)
		if err != nil {
			t.Fatal(err)
		}
		s.Add(before, after)
	}
	var a, b statements.Sums
	pass(&a, 3)
	pass(&b, 5)
	p.Exec("postgres", "CREATE INDEX ON t (n)")
	pass(&a, 3)
	changes := statements.Changes(&a, &b, 1)
	if len(changes) != 1 || !strings.Contains(changes[0].Text, "FROM t WHERE n = $1") {
		t.Fatalf("%+v", changes)
	}
	c := changes[0]
	if c.A.Calls != 3 || c.B.Calls != 5 || c.B.Rows != 5 || c.B.Seconds <= c.A.Seconds || c.B.Blocks <= c.A.Blocks || a.Partial || b.Partial {
		t.Errorf("%+v %v %v", c, a.Partial, b.Partial)
	}
	before, err := statements.Take(t.Context(), dsn, false)
	if err != nil {
		t.Fatal(err)
	}
	p.Exec("postgres", "SELECT pg_stat_statements_reset()")
	after, err := statements.Take(t.Context(), dsn, false)
	if err != nil {
		t.Fatal(err)
	}
	if a.Add(before, after); !a.Partial {
		t.Error("a reset is not told")
	}
	if _, err := statements.Take(t.Context(), strings.Replace(dsn, "//postgres:", "//postgres:wrong-", 1), false); err == nil || strings.Contains(err.Error(), "wrong-") {
		t.Errorf("a wrong password: %v", err)
	}
}
