package sqltrace

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func shapeOf(text string) Shape {
	return newShapes(1<<30, 4<<10).read(unread{text: []byte(text), kind: kindOf([]byte(text), false)})
}

func TestKinds(t *testing.T) {
	for kind, texts := range map[Kind][]string{
		Begin:  {"BEGIN", "begin isolation level repeatable read", "START TRANSACTION", "/* c */ BEGIN;"},
		Commit: {"COMMIT", "END", "commit work", "PREPARE TRANSACTION 'x'"},
		Rollback: {
			"ROLLBACK", "ABORT", "ROLLBACK WORK", "ROLLBACK AND CHAIN",
		},
		Savepoint: {`SAVEPOINT "x"`, "RELEASE x", "RELEASE SAVEPOINT x", "ROLLBACK TO x", "ROLLBACK WORK TO SAVEPOINT x"},
		Reset: {
			"DISCARD ALL", "RESET ALL", "SET x TO DEFAULT", "SET SESSION x = DEFAULT", "SET default_transaction_read_only TO 'off'",
			"SET default_transaction_isolation TO DEFAULT", "RESET ALL; DISCARD ALL", "SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL;",
		},
		Copy: {"COPY t FROM STDIN", "copy (SELECT 1) TO STDOUT"},
		Other: {
			"", "LISTEN x", "SET x TO 'on'", "SET LOCAL x TO DEFAULT", "SHOW x", "DISCARD PLANS", "COMMIT PREPARED 'x'", "IDENTIFY_SYSTEM",
			"SET TRANSACTION READ ONLY", "NOTIFY a", "DEALLOCATE x",
		},
		Query: {
			"SELECT 1", "(SELECT 1)", "WITH a AS (SELECT 1) SELECT * FROM a", "INSERT INTO t VALUES ('BEGIN')", "BEGIN; SELECT 1", "UPDATE t SET a = 1",
			"EXPLAIN SELECT 1", "SELECT 1; COMMIT", `"begin"`, "PREPARE x AS SELECT 1",
		},
	} {
		for _, text := range texts {
			if got := kindOf([]byte(text), false); got != kind {
				t.Errorf("%q is %v, want %v", text, got, kind)
			}
		}
	}
}

func TestTables(t *testing.T) {
	for _, c := range []struct{ text, tables, written string }{
		{`SELECT * FROM res_partner`, "res_partner", ""},
		{`SELECT "a"."id" FROM "res_partner" AS "a" LEFT JOIN public."Res_Users" u ON (u.id = a.id), other.tbl o WHERE a.x = 1`, "res_partner Res_Users other.tbl", ""},
		{`SELECT extract(epoch FROM create_date), substring(x FROM 2) FROM t WHERE a IS DISTINCT FROM b`, "t", ""},
		{`SELECT trim(both FROM x) FROM generate_series(1, 2) g, LATERAL (SELECT * FROM inner_t) i`, "inner_t", ""},
		{`INSERT INTO "sale_order" ("a") SELECT b FROM x`, "sale_order x", "sale_order"},
		{`INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 1`, "t", "t"},
		{`UPDATE ONLY "t" SET a = x.a FROM x WHERE x.id = t.id`, "t x", "t"},
		{`SELECT a FROM t WHERE b = 1 FOR NO KEY UPDATE NOWAIT`, "t", ""},
		{`SELECT a FROM t FOR UPDATE OF t`, "t", ""},
		{`DELETE FROM t USING u WHERE t.id = u.id`, "t u", "t"},
		{`WITH RECURSIVE c(a, b) AS (SELECT x FROM real1 UNION SELECT c.a FROM c JOIN real2 ON true), "D" AS (SELECT 1) SELECT * FROM c, "D", real3`, "real1 real2 real3", ""},
		{`WITH x AS (UPDATE t SET a = 1 RETURNING id) SELECT * FROM x`, "t", "t"},
		{`COPY sale_line (a, b) FROM STDIN`, "sale_line", "sale_line"},
		{`COPY sale_line TO STDOUT`, "sale_line", ""},
		{`COPY (SELECT a FROM t) TO STDOUT`, "t", ""},
		{`SELECT 'x FROM secret' FROM t -- FROM comment`, "t", ""},
		{`TRUNCATE TABLE t`, "t", "t"},
		{`SELECT COUNT(*) FROM (SELECT FROM "res_partner" WHERE x LIMIT 5) t`, "res_partner", ""},
		{`SELECT a FROM t; DELETE FROM u`, "t u", "u"},
	} {
		s := shapeOf(c.text)
		if got := strings.Join(s.Tables, " "); got != c.tables || s.Written != c.written {
			t.Errorf("%s\n tables %q, written %q; want %q, %q", c.text, got, s.Written, c.tables, c.written)
		}
	}
}

func TestDisplayText(t *testing.T) {
	for text, want := range map[string]string{
		`select "a"."id" from "t" AS "a" where ("a"."id" in (1,2,3)) and "a"."name"->>'fr_FR' ilike '%x%' limit 80`: `SELECT a.id FROM t AS a WHERE (a.id IN (?)) AND a.name ->> ? ILIKE ? LIMIT ?`,
		`INSERT INTO "t" ("a","b") VALUES (1,'x'),(2,NULL) RETURNING "id"`:                                          `INSERT INTO t (a, b) VALUES (?) RETURNING id`,
		`SELECT CAST(EXTRACT('EPOCH' FROM COALESCE("a"."w", "a"."c")) AS VARCHAR) FROM "t" AS "a"`:                  `SELECT CAST(EXTRACT(? FROM COALESCE(a.w, a.c)) AS VARCHAR) FROM t AS a`,
		"SELECT a -- comment\nFROM t /* more */":                                                                    `SELECT a FROM t`,
		`SAVEPOINT "9d5e"`:                                                                                          `SAVEPOINT ?`,
		`SELECT 'a' FROM t WHERE x = 'unfinished`:                                                                   `SELECT ? FROM t WHERE x = ? …`,
		`SELECT 'a\'; SELECT secret, 'b'`:                                                                           `SELECT ? …`,
		`SELECT E'a\'; SELECT secret', 'b' FROM t`:                                                                  `SELECT ?, ? FROM t`,
	} {
		if got := shapeOf(text).Text; got != want {
			t.Errorf("%s\n shows %q\n want  %q", text, got, want)
		}
	}
	long := `SELECT ` + strings.Repeat(`"colonne_été", `, 1000) + `x FROM t`
	got := newShapes(10, 100).read(unread{text: []byte(long)}).Text
	if len(got) > 100 || !utf8.ValidString(got) || !strings.HasSuffix(got, "…") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
	if got := shapeOf("SELECT \xff\xfe FROM t").Text; !utf8.ValidString(got) {
		t.Errorf("%q is not UTF-8", got)
	}
}

// Whatever a statement's literals hold, its shape does not.
func TestShapeHoldsNoLiteral(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &writing{t: t, canary: "CANARY"}
		text := w.statement(genStatement(t))
		if rapid.Bool().Draw(t, "cut short") {
			text = text[:rapid.IntRange(0, len(text)).Draw(t, "length")]
		}
		s := shapeOf(text)
		for _, shown := range append(slices.Clone(s.Tables), s.Text, s.Written) {
			if strings.Contains(strings.ToUpper(shown), "CANARY") || strings.Contains(shown, "98765") {
				t.Fatalf("%s\nshows %s", text, shown)
			}
		}
	})
}

func TestDictionary(t *testing.T) {
	w := new(wire).startup()
	for i := range 30 {
		w.client(query(fmt.Sprintf("SELECT c%d FROM t WHERE a = 'secret'", i))).server(tag("SELECT 0"), ready('I'))
	}
	c := &collector{}
	d := New(Config{Shapes: 20}, c)
	dict := d.Dictionary()
	s := d.NewStream(conn(false))
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for i := range 30 {
				dict.Shape(fingerprintOf(fmt.Sprintf("SELECT c%d FROM t WHERE a = ''", i)))
			}
		})
	}
	for _, ch := range w.chunks {
		s.Chunk(ch)
	}
	readers.Wait()
	s.Close(ms(1000))
	shapes := map[string]int{}
	for _, st := range c.statements {
		shapes[dict.Shape(st.Fingerprint).Text]++
	}
	if len(shapes) != 21 || shapes["(too many shapes)"] != 10 || shapes["SELECT c0 FROM t WHERE a = ?"] != 1 {
		t.Errorf("%d shapes: %v", len(shapes), shapes)
	}
	if got := dict.Shape(12345); got.Fingerprint != 12345 || got.Text != "" {
		t.Errorf("an unknown fingerprint's shape is %+v", got)
	}
	if d.Stats().Shapes != 20 {
		t.Errorf("%d shapes learned, want 20", d.Stats().Shapes)
	}
}

// Texts that are left as they are to spare the work are counted.
func TestPlainIsCounted(t *testing.T) {
	d := newShapes(1<<30, 4<<10)
	read := func(text string) string { return d.read(unread{text: []byte(text)}).Text }
	full := read("SELECT  a FROM b")
	d.plain.Store(true)
	if plain := read("SELECT  a FROM b"); plain == "" || d.bare.Load() != 1 {
		t.Errorf("%q, %d counted", plain, d.bare.Load())
	}
	d.plain.Store(false)
	if again := read("SELECT  a FROM b"); again != full || d.bare.Load() != 1 {
		t.Errorf("%q, %d counted", again, d.bare.Load())
	}
}
