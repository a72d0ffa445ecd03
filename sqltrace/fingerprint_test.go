package sqltrace

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	sqllexer "github.com/DataDog/go-sqllexer"
	"pgregory.net/rapid"

	"github.com/perfd/perfd/evidence"
)

func fingerprintOf(text string) Fingerprint {
	sc := scanner{budget: 96}
	return sc.scan([]byte(text))
}

func canonicalOf(text string) string {
	lx := lexer{s: []byte(text)}
	form := newCanonical(len(text), 1<<20)
	for t := lx.next(); t.kind != tokenEnd; t = lx.next() {
		form.token(t)
	}
	return string(form.text())
}

func TestFingerprintFolds(t *testing.T) {
	for name, same := range map[string][]string{
		"literals": {
			`SELECT a FROM t WHERE b = 1 AND c = 'x'`, `select A from T where b = 22.5e-3 and c='it''s'`,
			`SELECT a FROM t WHERE b = -7 AND c = E'q\'r'`, `SELECT a FROM t WHERE b = $1 AND c = $$x$y$$`,
			"SELECT a -- all of them\nFROM/* /* nested */ */t WHERE b = NULL AND c = 'x'::text",
			`SELECT a FROM t WHERE b = 0x1F AND c = $tag$'$tag$`,
		},
		"lists": {
			`SELECT * FROM t WHERE id IN (1)`, `SELECT * FROM t WHERE id IN (1, 2,3)`, `SELECT * FROM t WHERE id IN ($1,$2)`,
			`SELECT * FROM t WHERE id IN ('a'::varchar(10), NULL, -5)`,
		},
		"rows": {
			`INSERT INTO t (a, b) VALUES (1, 'x') RETURNING id`, `INSERT INTO t (a, b) VALUES (1, 'x'), (2, NULL) RETURNING id`,
			`INSERT INTO t (a, b) VALUES (true, '2031-01-01'::date), (1,2), (3,4) RETURNING id`,
		},
		"rows of expressions": {
			`INSERT INTO t VALUES (1, now())`, `INSERT INTO t VALUES (1, now()), (2, now());`,
		},
		"nested lists": {`SELECT (a, b) IN ((1, 2))`, `SELECT (a, b) IN ((1, 2), (3, 4), (5, 6))`},
		"arrays":       {`SELECT ARRAY[1]`, `select array [1, 2, 3]`},
		"savepoints": {
			`SAVEPOINT "5f0c1d4e-1"`, `SAVEPOINT abc`, `savepoint "x""y"`,
		},
		"releases":  {`RELEASE SAVEPOINT "5f0c"`, `RELEASE SAVEPOINT b`},
		"rollbacks": {`ROLLBACK TO SAVEPOINT "5f0c"`, `ROLLBACK TO SAVEPOINT b`},
		"prepared":  {`DEALLOCATE "_pg3_0"`, `DEALLOCATE _pg3_17`},
		"cursors":   {`FETCH FORWARD 10 FROM "c_1"`, `FETCH FORWARD 20 FROM c_2`},
		"semicolon": {`COMMIT`, `commit ;`, ` ;; COMMIT;`},
	} {
		for _, s := range same[1:] {
			if fingerprintOf(s) != fingerprintOf(same[0]) {
				t.Errorf("%s: %q and %q differ", name, same[0], s)
			}
			if !strings.EqualFold(canonicalOf(s), canonicalOf(same[0])) {
				t.Errorf("%s: canonical forms differ:\n%q\n%q", name, canonicalOf(same[0]), canonicalOf(s))
			}
		}
	}
}

func TestFingerprintKeepsApart(t *testing.T) {
	texts := []string{
		``, `SELECT a FROM t`, `SELECT b FROM t`, `SELECT "a" FROM t`, `SELECT "A" FROM t`, `SELECT a, b FROM t`, `SELECT a FROM t; SELECT a FROM t`,
		`SELECT a FROM t WHERE x IS NULL`, `SELECT a FROM t WHERE x IS NOT NULL`, `SELECT a FROM t WHERE x IS TRUE`,
		`SELECT a FROM t WHERE x = 1`, `SELECT a FROM t WHERE x > 1`, `SELECT a FROM t WHERE x = y`,
		`SELECT a FROM t WHERE x = y - 1`, `SELECT f(1, 2 + x)`, `SELECT f(1 + x)`, `SELECT f(x, 1)`, `SELECT f[1]`,
		`SAVEPOINT a`, `RELEASE a`, `ROLLBACK TO a`, `ROLLBACK`, `COMMIT`, `BEGIN`, `BEGIN READ ONLY`,
		`INSERT INTO t (a) VALUES (1)`, `INSERT INTO t (a, b) VALUES (1, 2)`, `INSERT INTO t (a) VALUES (1) RETURNING id`,
		`SELECT "abcdefgh"`, `SELECT "abcdefg"`, `SELECT "abcdefghi"`, `SELECT "abcdefgh" "i"`, `SELECT "abcdefgh.i"`,
		`SELECT abcdefgh`, `SELECT abcdefghi`, `SELECT abcdefgh i`,
	}
	seen := map[Fingerprint]string{}
	for _, s := range texts {
		f := fingerprintOf(s)
		if f == 0 {
			t.Errorf("%q has the fingerprint of an unknown text", s)
		}
		if other, ok := seen[f]; ok {
			t.Errorf("%q and %q are the same", s, other)
		}
		seen[f] = s
	}
}

func TestLiterals(t *testing.T) {
	for text, want := range map[string][]string{
		`SELECT 12, 'abc', -34, 2.50`:             {"12", "abc", "-34", "2.5"},
		`SELECT 'it''s', E'a\'b\n', $x$dollar$x$`: {"it's", "a'b\n", "dollar"},
		`WHERE a ILIKE '%needle%' OR b = '%%'`:    {"needle", "%%"},
		`SELECT true, NULL, '', "name", 'x'`:      {},
		`'2031-01-02 03:04:05.678'::timestamp`:    {"2031-01-02T03:04:05"},
	} {
		sc := scanner{budget: 96}
		sc.scan([]byte(text))
		var hashes []evidence.Hash
		for _, w := range want {
			hashes = append(hashes, evidence.Value([]byte(w)))
		}
		if !slices.Equal(sc.literals, hashes) {
			t.Errorf("%s: literals %v, want those of %q %v", text, sc.literals, want, hashes)
		}
	}
	sc := scanner{budget: 96}
	sc.scan([]byte(`SELECT 7`))
	if len(sc.literals) != 1 || sc.literals[0] != evidence.Small(7) {
		t.Errorf("a digit's hash is %v, want %v", sc.literals, evidence.Small(7))
	}
	sc = scanner{budget: 3}
	sc.scan([]byte(`SELECT 10, 11, 12, 13, 14`))
	if len(sc.literals) != 3 {
		t.Errorf("%d literals hashed, want the budget of 3", len(sc.literals))
	}
}

// piece is a token of a generated statement.
type piece struct {
	text  string
	value bool // a literal, drawn anew each time
	list  bool // as many literals as are drawn
	signs bool // what stands before allows signs and NULL
	rows  bool // as many rows of literals as are drawn
}

func split(s string) (p []piece) {
	for _, w := range strings.Fields(s) {
		p = append(p, piece{text: w})
	}
	return p
}

func genName(t *rapid.T) []piece {
	name := rapid.SampledFrom([]string{`a`, `res_partner`, `"res_partner"`, `"Odd ""name"`, `"abcdefgh"`, `tbl_2024$`, `été`})
	p := []piece{{text: name.Draw(t, "name")}}
	if rapid.Bool().Draw(t, "qualified") {
		p = append(p, piece{text: "."}, piece{text: name.Draw(t, "column")})
	}
	return p
}

func genOperand(t *rapid.T, depth int) []piece {
	n := 7
	if depth > 3 {
		n = 2
	}
	switch rapid.IntRange(0, n).Draw(t, "operand") {
	case 0, 1:
		return genName(t)
	case 2:
		return []piece{{value: true}}
	case 3:
		return append(append(split("f ("), genList(t, depth+1, false)...), split(")")...)
	case 4:
		return append(append(split("("), genList(t, depth+1, false)...), split(")")...)
	case 5:
		return []piece{{text: "ARRAY"}, {text: "["}, {list: true, signs: true}, {text: "]"}}
	case 6:
		return append(genName(t), piece{text: "IN"}, piece{text: "("}, piece{list: true, signs: true}, piece{text: ")"})
	default:
		return append(genName(t), split(rapid.SampledFrom([]string{"IS NULL", "IS NOT NULL", "IS TRUE"}).Draw(t, "is"))...)
	}
}

func genExpr(t *rapid.T, depth int) []piece {
	p := genOperand(t, depth)
	for range rapid.IntRange(0, 2).Draw(t, "operators") {
		op := rapid.SampledFrom([]string{"=", "<>", "AND", "OR", "+", "||", "->>", "*"}).Draw(t, "operator")
		p = append(p, piece{text: op})
		right := genOperand(t, depth)
		if right[0].value && op != "AND" && op != "OR" {
			right[0].signs = true
		}
		p = append(p, right...)
	}
	return p
}

// genList makes a list. A keyword before it says that its first item may be a literal but not NULL.
func genList(t *rapid.T, depth int, keyword bool) (p []piece) {
	for i := range rapid.IntRange(1, 3).Draw(t, "items") {
		if i > 0 {
			p = append(p, piece{text: ","})
		}
		item := genExpr(t, depth)
		if item[0].value && (i > 0 || !keyword) {
			item[0].signs = true
		}
		p = append(p, item...)
	}
	return p
}

func genStatement(t *rapid.T) (p []piece) {
	switch rapid.IntRange(0, 4).Draw(t, "statement") {
	case 0, 1:
		p = append(split("SELECT"), genList(t, 1, true)...)
		p = append(append(p, split("FROM")...), genName(t)...)
		if rapid.Bool().Draw(t, "where") {
			p = append(append(p, split("WHERE")...), genExpr(t, 0)...)
		}
		if rapid.Bool().Draw(t, "limit") {
			p = append(append(p, split("LIMIT")...), piece{value: true})
		}
	case 2:
		p = append(split("INSERT INTO"), genName(t)...)
		p = append(append(p, split("( a , b ) VALUES")...), piece{rows: true})
		if rapid.Bool().Draw(t, "returning") {
			p = append(p, split("RETURNING id")...)
		}
	case 3:
		p = append(split("UPDATE"), genName(t)...)
		p = append(append(p, split("SET a =")...), genExpr(t, 0)...)
	case 4:
		p = append(split(rapid.SampledFrom([]string{"SAVEPOINT", "RELEASE SAVEPOINT", "ROLLBACK TO SAVEPOINT"}).Draw(t, "control")),
			piece{text: rapid.SampledFrom([]string{`a1`, `"b-2"`}).Draw(t, "savepoint")})
	}
	return p
}

// writing draws the spelling of a statement: its values, spaces and comments, the case of its words.
type writing struct {
	t      *rapid.T
	out    strings.Builder
	canary string
	plain  bool
}

func (w *writing) space() {
	if w.plain {
		w.out.WriteByte(' ')
		return
	}
	w.out.WriteString(rapid.SampledFrom([]string{" ", "  ", "\n\t", " /* c'\" */ ", " -- note '\n", "/**/"}).Draw(w.t, "space"))
}

func (w *writing) value(signs bool) {
	kinds := 6
	if signs {
		kinds = 8
	}
	c := w.canary
	switch rapid.IntRange(0, kinds).Draw(w.t, "kind of value") {
	case 0, 1:
		fmt.Fprintf(&w.out, "%d", rapid.IntRange(0, 99999).Draw(w.t, "integer"))
	case 2:
		fmt.Fprintf(&w.out, "9876543%d.5e-3", rapid.IntRange(0, 99).Draw(w.t, "float"))
	case 3:
		w.out.WriteString("'" + c + strings.ReplaceAll(rapid.StringMatching(`[a-z' ;(),$-]{0,12}`).Draw(w.t, "text"), "'", "''") + "'")
	case 4:
		w.out.WriteString(`E'` + c + rapid.SampledFrom([]string{`\'`, `\\`, `''`, `x`, ``}).Draw(w.t, "escape") + c + `'`)
	case 5:
		w.out.WriteString("$q$" + c + "'$" + c + "$q$")
	case 6:
		w.out.WriteString("$1")
	case 7:
		w.out.WriteString(rapid.SampledFrom([]string{"NULL", "true", "False"}).Draw(w.t, "constant"))
	case 8:
		w.out.WriteString("-98765432")
	}
	if rapid.IntRange(0, 4).Draw(w.t, "cast") == 0 {
		if !w.plain && rapid.Bool().Draw(w.t, "space before the cast") {
			w.space()
		}
		w.out.WriteString("::")
		w.out.WriteString(rapid.SampledFrom([]string{"date", "varchar(10)", "numeric(10, 2)", "int[]", "double precision",
			"pg_catalog.text", `"Odd"`, "timestamp without time zone"}).Draw(w.t, "type"))
	}
}

func (w *writing) list(signs bool) {
	for i := range rapid.IntRange(1, 4).Draw(w.t, "length") {
		if i > 0 {
			w.out.WriteString(",")
			w.space()
		}
		w.value(signs)
	}
}

func (w *writing) statement(p []piece) string {
	for _, x := range p {
		switch {
		case x.value:
			w.value(x.signs)
		case x.list:
			w.list(x.signs)
		case x.rows:
			for i := range rapid.IntRange(1, 3).Draw(w.t, "rows") {
				if i > 0 {
					w.out.WriteString(",")
				}
				w.out.WriteString("(")
				w.list(true)
				w.out.WriteString(")")
				w.space()
			}
		case x.text[0] != '"' && !w.plain && rapid.Bool().Draw(w.t, "upper"):
			w.out.WriteString(upperASCII(x.text))
		default:
			w.out.WriteString(x.text)
		}
		w.space()
	}
	return w.out.String()
}

func upperASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'a' && c <= 'z' {
			b[i] = c &^ 0x20
		}
	}
	return string(b)
}

func TestFingerprintIgnoresSpelling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := genStatement(t)
		a := (&writing{t: t}).statement(p)
		b := (&writing{t: t}).statement(p)
		if fingerprintOf(a) != fingerprintOf(b) {
			t.Fatalf("differ:\n%s\n%s\n%s\n%s", a, b, canonicalOf(a), canonicalOf(b))
		}
		if ca, cb := canonicalOf(a), canonicalOf(b); !strings.EqualFold(ca, cb) {
			t.Fatalf("canonical forms differ:\n%s\n%s", ca, cb)
		}
	})
}

// The one-pass hash and the canonical text are two programs for one law.
func TestFingerprintAgreesWithCanonicalText(t *testing.T) {
	seen := map[Fingerprint]string{}
	rapid.Check(t, func(t *rapid.T) {
		s := (&writing{t: t, plain: true}).statement(genStatement(t))
		f, c := fingerprintOf(s), canonicalOf(s)
		if other, ok := seen[f]; ok && other != c {
			t.Fatalf("one fingerprint, two texts:\n%s\n%s", other, c)
		}
		seen[f] = c
	})
	texts := map[string]Fingerprint{}
	for f, c := range seen {
		if other, ok := texts[c]; ok {
			t.Errorf("%s has two fingerprints: %x and %x", c, f, other)
		}
		texts[c] = f
	}
}

func FuzzFingerprint(f *testing.F) {
	for _, s := range []string{
		`SELECT "a"."b", 'x''y' FROM t WHERE id IN (1,2,3) -- c`, `INSERT INTO t VALUES (1,E'\''),($1,$$x$$)`, `/* /* */`, `'`, `"`, `$a$`,
		`SAVEPOINT "x"`, `((((((`, `))))`, `1::numeric(1,2)[]::"x`, `ARRAY[`, `-`, `e'`, `a.`, `::`, ";;;", strings.Repeat("(", 70) + strings.Repeat(")", 70),
	} {
		f.Add([]byte(s))
	}
	d := newShapes(1<<30, 256)
	var warm scanner
	f.Fuzz(func(t *testing.T, s []byte) {
		sc := scanner{budget: 16}
		got := sc.scan(s)
		if got == 0 {
			t.Fatal("the fingerprint of a known text is 0")
		}
		if len(sc.literals) > 16 {
			t.Fatalf("%d literals beyond the budget", len(sc.literals))
		}
		if again := fingerprintOf("\n/* c */ " + string(s)); again != got {
			t.Fatalf("a leading comment changes the fingerprint of %q", s)
		}
		sameCold(t, &warm, append([]byte("SELECT a_name_that_is_long_enough FROM t WHERE "), s...))
		sameCold(t, &warm, s)
		shape := d.read(unread{text: s})
		if len(shape.Text) > 256 {
			t.Fatalf("display text of %d bytes", len(shape.Text))
		}
		kindOf(s, false)
	})
}

const (
	sql157 = `SELECT "res_partner"."id", "res_partner"."name", "res_partner"."email" FROM "res_partner" WHERE ("res_partner"."active" = true) AND "res_partner"."id" IN (42)`
)

var sql870 = `SELECT "sale_order"."id", ` + strings.Repeat(`"sale_order"."partner_shipping_id", `, 18) + `"sale_order"."name" AS "name" FROM "sale_order" LEFT JOIN "res_partner" AS "p" ON ("sale_order"."partner_id" = "p"."id") WHERE ("sale_order"."state" = 'sale') AND "p"."active" = true LIMIT 80`

var sqlIn1000 = func() string {
	var b strings.Builder
	b.WriteString(`SELECT "id" FROM "res_partner" WHERE "id" IN (`)
	for i := range 1000 {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%d", 1000+i*7)
	}
	b.WriteString(")")
	return b.String()
}()

func BenchmarkFingerprint(b *testing.B) {
	for name, text := range map[string]string{"157B": sql157, "870B": sql870, "IN1000": sqlIn1000} {
		s := []byte(text)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(s)))
			sc := scanner{literals: make([]evidence.Hash, 0, 96)}
			for b.Loop() {
				sc.literals, sc.budget = sc.literals[:0], 96
				sc.scan(s)
			}
		})
		b.Run(name+"/go-sqllexer", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(s)))
			o, n := sqllexer.NewObfuscator(), sqllexer.NewNormalizer()
			for b.Loop() {
				if _, _, err := sqllexer.ObfuscateAndNormalize(text, o, n, sqllexer.WithDBMS(sqllexer.DBMSPostgres)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
