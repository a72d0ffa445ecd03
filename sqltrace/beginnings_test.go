package sqltrace

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/perfd/perfd/evidence"
)

// sameCold fails t unless sc, which has read other texts, reads s as one that has not.
func sameCold(t *testing.T, sc *scanner, s []byte) {
	t.Helper()
	cold := scanner{budget: 32}
	want := cold.scan(s)
	sc.literals, sc.budget = nil, 32
	if got := sc.scan(s); got != want || !slices.Equal(sc.literals, cold.literals) {
		t.Fatalf("%q is %x with %x after others, and %x with %x by itself", s, got, sc.literals, want, cold.literals)
	}
}

func TestBeginningsChangeNothing(t *testing.T) {
	columns := strings.Repeat(`"sale_order"."partner_shipping_id", `, 30)
	var texts []string
	for _, before := range []string{
		`SELECT "res_partner"."id" FROM "res_partner" WHERE "id" IN (`, `SELECT ` + columns + `name FROM t WHERE ((("id" = `,
		`SELECT ` + columns + `name FROM t WHERE ((((("id" = `, `INSERT INTO "res_partner_and_more" ("a", "b") VALUES (`,
		`SELECT "a" FROM "a_long_name_of_a_table" WHERE x = NULL AND y IN (`, `SELECT "a" FROM "a_long_name_of_a_table" /* c */ WHERE x = `,
		`UPDATE a_long_name_of_a_table SET x = -`, `SELECT ARRAY [NULL, NULL, NULL, NULL, NULL, `, `DECLARE a_cursor_with_a_name CURSOR FOR SELECT `,
		`SELECT a_column_of_the_table::numeric(`, `SAVEPOINT a; SELECT 'x', "abcdefghijklmnopqrstuvw" FROM t WHERE E`,
	} {
		for _, after := range []string{
			`1)`, `2, 3, 4)`, `'it''s', 'x')`, `'\'', 2)`, `NULL)`, `$1, $2)`, `-5)`, `.5)`, `5::int, 6)`, `7e`, `'`, ``, `a)`, `"a")`, `[1])`, `(1, 2), (3, 4))`, `1, 2))) AND z = 5`,
			`-- c` + "\n1)", `/* c */ 1)`, `1--2`, `2time`,
		} {
			texts = append(texts, before+after)
		}
	}
	var sc scanner
	for range 2 {
		for _, s := range texts {
			sameCold(t, &sc, []byte(s))
		}
		slices.Reverse(texts)
	}
}

func TestBeginningsAreFoundAgain(t *testing.T) {
	var b beginnings
	for _, n := range []int{31, 32, 127, 128, 511, 512, 2048, 2049} {
		s := fmt.Appendf(nil, "SELECT %s WHERE a =%s", strings.Repeat("a", n), "")
		s = append(s[:n-1], " 12"...)
		if n == 31 || n == 2049 {
			if b.note(s, n) != nil {
				t.Errorf("a beginning of %d bytes is kept", n)
			}
			continue
		}
		k := b.note(s, n)
		s[n], s = '\'', append(s, '\'')
		if k == nil || b.find(s) != k {
			t.Errorf("a beginning of %d bytes is not found", n)
		}
		if s[n] = 'x'; b.find(s) != nil {
			t.Errorf("a beginning of %d bytes is found before a word", n)
		}
	}
	if s := []byte("SELECT a_name_that_is_long_enough_and_ends_in_1"); b.note(s, len(s)-1) != nil {
		t.Error("a beginning within a word is kept")
	}
}

func TestTextsSentOnceAreNotKept(t *testing.T) {
	d := New(Config{Texts: 5}, nil)
	read := func(s string) (literals *evidence.Hash) {
		return &d.plan([]byte(s), false).literals[0]
	}
	once := read("SELECT 12")
	twice := read("SELECT 12")
	if once == twice {
		t.Error("a text sent once was kept")
	}
	for n := range 1000 {
		read(fmt.Sprintf("SELECT %d", n+100))
	}
	if read("SELECT 12") != twice {
		t.Error("texts sent once drove one out that was sent twice")
	}
	if len(d.texts.kept) != 8 {
		t.Errorf("room for %d texts, want 8", len(d.texts.kept))
	}
	if p := d.plan([]byte("SELECT 12"), true); &p.literals[0] == twice {
		t.Error("a text is read alike whether backslashes escape or not")
	}
}
