package sqltrace

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestNameOf(t *testing.T) {
	long := "SELECT " + strings.Repeat("t.some_column, ", 300)
	for text, want := range map[string]string{
		`SELECT "res_partner"."id" FROM "res_partner"`:                                                      "SELECT res_partner",
		`SELECT COUNT(*) FROM "t" WHERE ("t"."active" = ? AND (unaccent("t"."comment") ILIKE unaccent(?)))`: "SELECT t count by comment, active",
		"select count ( * ) from t":                                                                         "SELECT t count",
		"SELECT COUNT(*) FROM (SELECT FROM t WHERE ((t.active = ?) AND t.name IS NULL)) AS s":               "SELECT t count by name, active",
		"SELECT t.id FROM t WHERE t.x IN (SELECT y FROM u WHERE u.z = $1)":                                  "SELECT t by x, z",
		"SELECT (SELECT value FROM b WHERE key = ?), a.x FROM ONLY public.a WHERE a.y = ?":                  "SELECT a by y",
		"SELECT x FROM audit.log WHERE at BETWEEN ? AND ?":                                                  "SELECT audit.log by at",
		"SELECT EXTRACT(epoch FROM a.write_date) FROM t AS a WHERE a.id = ?":                                "SELECT t by id",
		"SELECT x FROM t WHERE data->>? = ? AND tags @> ? AND d::date <= ? ORDER BY hidden IS NULL":         "SELECT t by data, tags, d",
		"SELECT x FROM t WHERE a = ? AND b = ? AND c = ? AND d = ? AND e = ?":                               "SELECT t by a, b, c, d",
		"SELECT x FROM t WHERE write_date > ? AND id = ANY(?)":                                              "SELECT t by id, write_date",
		"WITH x AS (SELECT 1 FROM z WHERE q = ?) SELECT * FROM x JOIN y ON y.a = x.a WHERE y.b = ?":         "SELECT z by b",
		"WITH x AS (SELECT id FROM a) UPDATE b SET c = x.id FROM x WHERE b.id = x.id":                       "UPDATE b set c",
		"(SELECT a FROM t WHERE b = ?) UNION (SELECT a FROM u WHERE c = ?)":                                 "SELECT t by b",
		`UPDATE "sale_order" SET "write_date" = ?, "state" = ? WHERE "id" IN (?)`:                           "UPDATE sale_order set state, write_date",
		"UPDATE t SET a = ?, b = coalesce(c, d = 1) WHERE e = ?":                                            "UPDATE t set a, b",
		`INSERT INTO "sale_order" ("a") VALUES (?) RETURNING "id"`:                                          "INSERT sale_order",
		"INSERT INTO t (a) SELECT b FROM u WHERE c = ?":                                                     "INSERT t",
		"DELETE FROM t WHERE t.id IN (":                                                                     "DELETE t by id",
		"COPY t (a, b) FROM STDIN":                                                                          "COPY t",
		"LOCK TABLE t IN EXCLUSIVE MODE":                                                                    "LOCK t",
		"SELECT ?, pg_sleep(?)":                                                                             "SELECT pg_sleep",
		"SELECT coalesce(nextval(?), ?)":                                                                    "SELECT nextval",
		`SELECT COALESCE("public"."Compute"(?), ?)`:                                                         "SELECT compute",
		"SELECT sum(a), b, c…":                                                                              "SELECT sum(a), b, c…",
		"SELECT ?::numeric(?), now()":                                                                       "SELECT now",
		"CALL refresh_all()":                                                                                "CALL refresh_all",
		"SELECT ?":                                                                                          "SELECT ?",
		"SELECT " + strings.Repeat("?, ", 50) + "?":                                                         "SELECT",
		"BEGIN ISOLATION LEVEL REPEATABLE READ":                                                             "BEGIN isolation level repeatable read",
		"COMMIT;":                                                                                           "COMMIT",
		"ROLLBACK TO SAVEPOINT ?":                                                                           "ROLLBACK to savepoint",
		"SAVEPOINT ?":                                                                                       "SAVEPOINT",
		"DISCARD ALL":                                                                                       "DISCARD ALL",
		"SET SESSION search_path TO ?":                                                                      "SET session search_path to",
		"LISTEN imbus":                                                                                      "LISTEN imbus",
		"CREATE INDEX i ON t (a)":                                                                           "CREATE INDEX i on t",
		"ALTER TABLE t ADD COLUMN c":                                                                        "ALTER TABLE t add column c",
		"EXPLAIN SELECT a FROM t":                                                                           "EXPLAIN select a from t",
		"(text not captured)":                                                                               "(text not captured)",
		"other statements":                                                                                  "other statements",
		"nonsense " + strings.Repeat("words ", 20):                                                          "nonsense words words words words words…",
		"":          "statement of unknown text",
		" \t":       "statement of unknown text",
		long:        "SELECT",
		"SELECT \"": "SELECT \"",
	} {
		if got := NameOf(text).String(); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	// What is known of a shape beside the text that was kept of it, counts.
	if got := (Shape{Text: long + "…", Tables: []string{"t"}}).Name().String(); got != "SELECT t" {
		t.Errorf("a cut text: %q", got)
	}
	if got := (Shape{Text: "WITH x AS (SELECT id FROM a…", Tables: []string{"a", "b"}, Written: "b"}).Name().String(); got != "WITH b" {
		t.Errorf("a text cut before its verb: %q", got)
	}
}

func TestNameFits(t *testing.T) {
	n := NameOf("SELECT x FROM t WHERE aaaa = ? AND bbbb = ? AND cccc = ?")
	for width, want := range map[int]string{
		99: "SELECT t by aaaa, bbbb, cccc", 28: "SELECT t by aaaa, bbbb, cccc", 27: "SELECT t by aaaa, bbbb", 22: "SELECT t by aaaa, bbbb",
		21: "SELECT t by aaaa", 3: "SELECT t by aaaa",
	} {
		if got := n.Fit(width); got != want {
			t.Errorf("%d: %q, want %q", width, got, want)
		}
	}
	if n.String() != "SELECT t by aaaa, bbbb, cccc" {
		t.Errorf("Fit changed the name to %q", n)
	}
}

// A name does not depend on how a statement is laid out.
func TestNameIgnoresLayout(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.SampledFrom(strings.Fields(`SELECT UPDATE DELETE FROM WHERE SET AND IN ( ) = , . res_partner "id" name active count JOIN ON AS x ?`))
		words := rapid.SliceOfN(word, 1, 30).Draw(t, "words")
		space := rapid.SampledFrom([]string{"\n", "\t\t", " \r\n "}).Draw(t, "space")
		if one, two := NameOf(strings.Join(words, " ")).String(), NameOf(strings.Join(words, space)).String(); one != two {
			t.Errorf("%q and %q", one, two)
		}
	})
}

func FuzzNameOf(f *testing.F) {
	for _, s := range []string{"SELECT a FROM b WHERE c = ?", "UPDATE a SET b = 1", "WITH x AS (SELECT 1) DELETE FROM y WHERE z IN (?)", "SET a.b = c", ")(", "\"\"", "('"} {
		f.Add(s, "t")
	}
	f.Fuzz(func(t *testing.T, text, table string) {
		for _, n := range []Name{NameOf(text), (Shape{Text: text, Tables: []string{table}}).Name()} {
			if n.Subject == "" || len(n.Columns) > maxNamed || slices.Contains(n.Columns, "") || n.How == "" && len(n.Columns) > 0 {
				t.Errorf("%q: %+v", text, n)
			}
			if most := max(maxNamedText*utf8.UTFMax, 9*maxIdentifier) + len(table); len(n.Subject+n.How) > most {
				t.Errorf("%q: a name of %d bytes", text, len(n.Subject+n.How))
			}
		}
	})
}

func BenchmarkName(b *testing.B) {
	s := Shape{Text: `SELECT COUNT(*) FROM res_partner WHERE ((res_partner.active = ?) AND (unaccent(COALESCE(res_partner.name, ?)) ILIKE unaccent(?)))
		AND (res_partner.partner_share IS NULL OR res_partner.company_id IN (?))`, Tables: []string{"res_partner"}}
	b.ReportAllocs()
	b.SetBytes(int64(len(s.Text)))
	for b.Loop() {
		_ = s.Name()
	}
}
