package client

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// drawRow draws a record: a number, a text, a flag, a many2one and a one2many, each perhaps without a value.
func drawRow(t *rapid.T, depth int) row {
	r := row{"id": rapid.Int64Range(1, 4).Draw(t, "id")}
	if v := rapid.IntRange(-1, 3).Draw(t, "n"); v >= 0 {
		r["n"] = int64(v)
	}
	if v := rapid.SampledFrom([]string{"", "a", "ab", "B", "ba%", "A_b"}).Draw(t, "s"); v != "" {
		r["s"] = v
	}
	if v := rapid.IntRange(0, 2).Draw(t, "flag"); v > 0 {
		r["flag"] = v == 1
	}
	if depth > 0 {
		if rapid.Bool().Draw(t, "has one") {
			r["one"] = drawRow(t, depth-1)
		}
		many := make([]row, rapid.IntRange(0, 2).Draw(t, "many"))
		for i := range many {
			many[i] = drawRow(t, depth-1)
		}
		r["many"] = many
	}
	return r
}

// drawLeaf draws a condition that both dialects can say, and the complement of, too.
func drawLeaf(t *rapid.T, depth int) Expr {
	prefix := ""
	if depth > 0 && rapid.IntRange(0, 3).Draw(t, "far") == 0 {
		prefix = rapid.SampledFrom([]string{"one.", "many.", "one.one.", "many.one."}).Draw(t, "path")
		if strings.Count(prefix, ".") > depth {
			prefix = "one."
		}
		depth -= strings.Count(prefix, ".")
	}
	number := func() any { return rapid.Int64Range(0, 3).Draw(t, "number") }
	text := func() any { return rapid.SampledFrom([]string{"a", "A", "b", "%b", "_"}).Draw(t, "text") }
	switch kind := rapid.IntRange(0, 6).Draw(t, "leaf"); {
	case kind == 0:
		op := rapid.SampledFrom([]Op{OpEq, OpNe, OpLt, OpLe, OpGt, OpGe}).Draw(t, "op")
		return F(prefix+"n").Is(op, number())
	case kind == 1:
		op := rapid.SampledFrom([]Op{OpEq, OpNe, OpLike, OpNotLike, OpILike, OpNotILike, OpMatchLike, OpMatchILike}).Draw(t, "op")
		return F(prefix+"s").Is(op, text())
	case kind == 2:
		op := rapid.SampledFrom([]Op{OpEq, OpNe}).Draw(t, "op")
		return F(prefix+"flag").Is(op, rapid.Bool().Draw(t, "bool"))
	case kind == 3:
		op := rapid.SampledFrom([]Op{OpIn, OpNotIn}).Draw(t, "op")
		values := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "values") {
			values = append(values, number())
		}
		if rapid.Bool().Draw(t, "with null") {
			values = append(values, nil)
		}
		return F(prefix+"n").Is(op, values)
	case kind == 4:
		return F(prefix + rapid.SampledFrom([]string{"n", "s"}).Draw(t, "field")).IsNull(rapid.Bool().Draw(t, "null"))
	case kind == 5 && depth > 0:
		return F(prefix + rapid.SampledFrom([]string{"one", "many"}).Draw(t, "field")).Any(drawExpr(t, depth-1, 2))
	}
	return F(prefix + "id").InIDs([]int64{1, rapid.Int64Range(2, 4).Draw(t, "id")})
}

func drawExpr(t *rapid.T, depth, height int) Expr {
	if height == 0 {
		return drawLeaf(t, depth)
	}
	some := func() []Expr {
		es := make([]Expr, rapid.IntRange(0, 3).Draw(t, "operands"))
		for i := range es {
			es[i] = drawExpr(t, depth, height-1)
		}
		return es
	}
	switch rapid.IntRange(0, 5).Draw(t, "kind") {
	case 0, 1:
		return And(some()...)
	case 2, 3:
		return Or(some()...)
	case 4:
		return Not(drawExpr(t, depth, height-1))
	}
	return drawLeaf(t, depth)
}

// holds is what e means, given what each condition means.
func holds(e Expr, r row, leafTruth func(Expr, row) bool) bool {
	truth := func(a Expr) bool { return holds(a, r, leafTruth) }
	switch e.kind {
	case all:
		return !slices.ContainsFunc(e.args, func(a Expr) bool { return !truth(a) })
	case anyOf:
		return slices.ContainsFunc(e.args, truth)
	case not:
		return !truth(e.args[0])
	}
	return leafTruth(e, r)
}

func leafAt(t interface{ Fatal(...any) }, p Protocol) func(Expr, row) bool {
	return func(e Expr, r row) bool {
		var domain []any
		var err error
		if p == Tryton {
			if domain, err = e.Tryton(); err == nil {
				return evalTryton(domain, r)
			}
		} else if domain, err = e.Odoo(); err == nil {
			return evalOdoo(domain, r)
		}
		t.Fatal(err)
		return false
	}
}

// thoroughly checks a law 2,000 times, unless told otherwise.
func thoroughly(t *testing.T, law func(*rapid.T)) {
	t.Helper()
	for range 20 {
		rapid.Check(t, law)
	}
}

// TestDomainMeansWhatTheExpressionMeans: for every nesting, Odoo's domain holds for the records for which the
// expression does, and reading it back changes nothing.
func TestDomainMeansWhatTheExpressionMeans(t *testing.T) {
	thoroughly(t, func(t *rapid.T) {
		e, r := drawExpr(t, 2, 4), drawRow(t, 2)
		domain, err := e.Odoo()
		if err != nil {
			t.Fatal(err)
		}
		want := holds(e, r, leafAt(t, Odoo))
		if got := evalOdoo(domain, r); got != want {
			t.Fatalf("%v is %v of %v, want %v", domain, got, r, want)
		}
		back, err := ParseDomain(domain)
		if err != nil {
			t.Fatal(err)
		}
		again, err := back.Odoo()
		if err != nil || !reflect.DeepEqual(again, domain) {
			t.Fatalf("read back and written again:\n%v\n%v (%v)", domain, again, err)
		}
	})
}

// drawDomain draws a raw domain with operators left out where servers add them.
func drawDomain(t *rapid.T, height int) []any {
	domain := []any{}
	for range rapid.IntRange(0, 3).Draw(t, "side by side") {
		domain = append(domain, drawOperand(t, height)...)
	}
	return domain
}

func drawOperand(t *rapid.T, height int) []any {
	if height > 0 {
		switch rapid.IntRange(0, 4).Draw(t, "sign") {
		case 0:
			return append([]any{"!"}, drawOperand(t, height-1)...)
		case 1, 2:
			sign := rapid.SampledFrom([]any{"&", "|"}).Draw(t, "join")
			return slices.Concat([]any{sign}, drawOperand(t, height-1), drawOperand(t, height-1))
		case 3:
			return []any{[]any{rapid.IntRange(0, 1).Draw(t, "truth"), "=", 1}}
		}
	}
	domain, err := drawLeaf(t, 1).Odoo()
	if err != nil {
		t.Fatal(err)
	}
	if len(domain) == 0 {
		domain = []any{[]any{1, "=", 1}}
	}
	return domain
}

// TestNormaliseKeepsTheMeaning: of any domain, and doing it again changes nothing; joined by "|", with "!" in front
// or side by side the normalised ones are what was meant.
func TestNormaliseKeepsTheMeaning(t *testing.T) {
	thoroughly(t, func(t *rapid.T) {
		a, b, r := drawDomain(t, 4), drawDomain(t, 3), drawRow(t, 1)
		normal, err := Normalise(a)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := evalOdoo(normal, r), evalOdoo(a, r); got != want {
			t.Fatalf("%v\nis %v, normalised\n%v\nis %v", a, want, normal, got)
		}
		if again, err := Normalise(normal); err != nil || !reflect.DeepEqual(again, normal) {
			t.Fatalf("normalised twice: %v, then %v (%v)", normal, again, err)
		}
		// One operand, so that it may stand behind an operator.
		if len(normal) > 0 {
			if _, rest := operandOdoo(normal, r); len(rest) > 0 {
				t.Fatalf("%v is more than one operand", normal)
			}
		}
		ea, err1 := ParseDomain(a)
		eb, err2 := ParseDomain(b)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		ta, tb := evalOdoo(a, r), evalOdoo(b, r)
		for name, c := range map[string]struct {
			e    Expr
			want bool
		}{
			"and": {And(ea, eb), ta && tb}, "or": {Or(ea, eb), ta || tb}, "not": {Not(ea), !ta}, "nand": {Not(And(ea, eb)), !ta || !tb},
			"implies": {Or(Not(ea), eb), !ta || tb},
		} {
			d, err := c.e.Odoo()
			if err != nil {
				t.Fatal(err)
			}
			if got := evalOdoo(d, r); got != c.want {
				t.Fatalf("%s of\n%v and\n%v is\n%v: %v, want %v", name, a, b, d, got, c.want)
			}
		}
	})
}

// TestTrytonDomainMeansWhatTheExpressionMeans holds Tryton's form, which has no negation, to the same law: a record
// without a value meets the complement of what it does not meet.
func TestTrytonDomainMeansWhatTheExpressionMeans(t *testing.T) {
	thoroughly(t, func(t *rapid.T) {
		e, r := drawExpr(t, 2, 4), drawRow(t, 2)
		domain, err := e.Tryton()
		if err != nil {
			t.Fatal(err)
		}
		want := holds(e, r, leafAt(t, Tryton))
		if got := evalTryton(domain, r); got != want {
			t.Fatalf("%v as\n%v is %v of %v, want %v", e, domain, got, r, want)
		}
		back, err := ParseTrytonDomain(domain)
		if err != nil {
			t.Fatalf("read %v back: %v", domain, err)
		}
		again, err := back.Tryton()
		if err != nil || evalTryton(again, r) != want {
			t.Fatalf("read back and written again:\n%v\n%v (%v)", domain, again, err)
		}
		back, err = ParseTrytonDomain(again)
		if err != nil {
			t.Fatal(err)
		}
		if third, err := back.Tryton(); err != nil || !reflect.DeepEqual(third, again) {
			t.Fatalf("not idempotent:\n%v\n%v (%v)", again, third, err)
		}
	})
}
