package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func jsonOf(t testing.TB, domain []any, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(domain); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}

// TestDomainForms are domains as they stand in requests, among them those that are easily got wrong: an alternative
// beside other conditions, and the complement of several.
func TestDomainForms(t *testing.T) {
	a, b, c := F("a").Eq(1), F("b").Ne("x"), F("c").Gt(2.5)
	at := time.Date(2026, 2, 3, 4, 5, 6, 7000, time.FixedZone("", 3600))
	for _, test := range []struct {
		e            Expr
		odoo, tryton string // tryton is empty if Tryton cannot say it
	}{
		{True, `[]`, `[]`},
		{False, `[[0,"=",1]]`, `[["id","in",[]]]`},
		{And(a, b, c), `["&",["a","=",1],"&",["b","!=","x"],["c",">",2.5]]`, `[["a","=",1],["b","!=","x"],["c",">",2.5]]`},
		{Or(a, b), `["|",["a","=",1],["b","!=","x"]]`, `["OR",["a","=",1],["b","!=","x"]]`},
		{And(Or(a, b), c), `["&","|",["a","=",1],["b","!=","x"],["c",">",2.5]]`, `[["OR",["a","=",1],["b","!=","x"]],["c",">",2.5]]`},
		{Or(And(a, b), c), `["|","&",["a","=",1],["b","!=","x"],["c",">",2.5]]`, `["OR",["AND",["a","=",1],["b","!=","x"]],["c",">",2.5]]`},
		{Not(And(a, b)), `["!","&",["a","=",1],["b","!=","x"]]`, `["OR",["OR",["a","!=",1],["a","=",null]],["OR",["b","=","x"],["b","=",null]]]`},
		{Not(Not(a)), `[["a","=",1]]`, `[["a","=",1]]`},
		{F("a").IsNull(true), `[["a","=",false]]`, `[["a","=",null]]`},
		{F("a").IsNull(false), `[["a","!=",false]]`, `[["a","!=",null]]`},
		{Not(F("a").IsNull(true)), `["!",["a","=",false]]`, `[["a","!=",null]]`},
		{F("a").Like("x"), `[["a","like","x"]]`, `[["a","like","%x%"]]`},
		{F("a").ILike("x"), `[["a","ilike","x"]]`, `[["a","ilike","%x%"]]`},
		{F("a").MatchLike("x%"), `[["a","=like","x%"]]`, `[["a","like","x%"]]`},
		{F("a").MatchILike("x%"), `[["a","=ilike","x%"]]`, `[["a","ilike","x%"]]`},
		{F("a").In("x", nil), `[["a","in",["x",false]]]`, `[["a","in",["x",null]]]`},
		{F("a").NotIn(1, 2), `[["a","not in",[1,2]]]`, `[["a","not in",[1,2]]]`},
		{F("a").In(), `[[0,"=",1]]`, `[["id","in",[]]]`},
		{F("a").ChildOf(3), `[["a","child_of",[3]]]`, `[["a","child_of",[3]]]`},
		{Not(F("a").ParentOf(3)), `["!",["a","parent_of",[3]]]`, `[["a","not parent_of",[3]]]`},
		{Not(F("a.b").Eq(1)), `["!",["a.b","=",1]]`, `["OR",["a","not where",[["b","=",1]]],["a","=",null]]`},
		{F("a").Any(And(a, b)), `[["a","any",["&",["a","=",1],["b","!=","x"]]]]`, `[["a","where",["AND",["a","=",1],["b","!=","x"]]]]`},
		{F("a").Lt(at), `[["a","<","2026-02-03 03:05:06"]]`, `[["a","<",{"__class__":"datetime","day":3,"hour":3,"microsecond":7,"minute":5,"month":2,"second":6,"year":2026}]]`},
		{F("a").Le(DateOf(at)), `[["a","<=","2026-02-03"]]`, `[["a","<=",{"__class__":"date","day":3,"month":2,"year":2026}]]`},
		{F("a").Eq(Ref{ID: 4, Name: "Four"}), `[["a","=",4]]`, `[["a","=",4]]`},
		{F("a").Is(OpEqIfSet, false), `[["a","=?",false]]`, ``},
		{Not(F("a").Is(OpNotAny, a)), `["!",["a","not any",[["a","=",1]]]]`, ``},
	} {
		odoo, err := test.e.Odoo()
		if got := jsonOf(t, odoo, err); got != test.odoo {
			t.Errorf("Odoo: got %s, want %s", got, test.odoo)
		}
		tryton, err := test.e.Tryton()
		if test.tryton == "" {
			if !errors.Is(err, ErrDomain) {
				t.Errorf("Tryton: got %v, %v, want an error", tryton, err)
			}
		} else if got := jsonOf(t, tryton, err); got != test.tryton {
			t.Errorf("Tryton: got %s, want %s", got, test.tryton)
		}
	}
}

// TestNormaliseForms are domains as people write them.
func TestNormaliseForms(t *testing.T) {
	for raw, want := range map[string]string{
		`[]`:                        `[]`,
		`[["a","=",1],["b","=",2]]`: `["&",["a","=",1],["b","=",2]]`,
		`[["a","=",1],"|",["b","=",2],["c","=",3],["d","=",4]]`: `["&",["a","=",1],"&","|",["b","=",2],["c","=",3],["d","=",4]]`,
		`["!",["a","=",1],["b","=",2]]`:                         `["&","!",["a","=",1],["b","=",2]]`,
		`["!","!","!",["a","=",1]]`:                             `["!",["a","=",1]]`,
		`["&","&",["a","=",1],["b","=",2],["c","=",3]]`:         `["&",["a","=",1],"&",["b","=",2],["c","=",3]]`,
		`[["a","<>",1]]`:                                        `[["a","!=",1]]`,
		`[["a","==",1]]`:                                        `[["a","=",1]]`,
		`[["a","ILIKE","x"]]`:                                   `[["a","ilike","x"]]`,
		`[[1,"=",1],["a","=",1]]`:                               `[["a","=",1]]`,
		`[[0,"=",1],["a","=",1]]`:                               `[[0,"=",1]]`,
		`["|",[1,"=",1],["a","=",1]]`:                           `[]`,
		`[["a","any",[["b","=",1],["c","=",2]]]]`:               `[["a","any",["&",["b","=",1],["c","=",2]]]]`,
	} {
		var domain []any
		if err := json.Unmarshal([]byte(raw), &domain); err != nil {
			t.Fatal(err)
		}
		normal, err := Normalise(domain)
		if got := jsonOf(t, normal, err); got != want {
			t.Errorf("%s: got %s, want %s", raw, got, want)
		}
	}
}

func TestWhatIsNoDomain(t *testing.T) {
	deep := F("a").Eq(1)
	for range 2 * maxDomainDepth {
		deep = Not(Or(deep, F("b").Eq(2)))
	}
	long := make([]Expr, maxDomain+2)
	for i := range long {
		long[i] = F("a").Eq(i)
	}
	for name, e := range map[string]Expr{
		"no field": F("").Eq(1), "no operator": F("a").Is("~", 1), "deep": deep, "within": F("a").Any(F("").Eq(1)),
	} {
		_, err1 := e.Odoo()
		_, err2 := e.Tryton()
		if !errors.Is(err1, ErrDomain) || !errors.Is(err2, ErrDomain) || !strings.Contains(e.String(), "not a valid domain") {
			t.Errorf("%s: %v, %v, %q", name, err1, err2, e)
		}
	}
	if _, err := Or(long...).Odoo(); !errors.Is(err, ErrDomain) {
		t.Errorf("long: %v", err)
	}
	for _, raw := range []string{
		`["&"]`, `["|",["a","=",1]]`, `["!"]`, `["?"]`, `[1]`, `[["a","="]]`, `[["a",1,1]]`, `[["a","~",1]]`, `[[2,"<",1]]`, `[["","=",1]]`,
		`[["a","any",["|"]]]`, `[null]`, `[{}]`, `["` + strings.Repeat(`|","`, maxDomain) + `"]`,
	} {
		var domain []any
		if err := json.Unmarshal([]byte(raw), &domain); err != nil {
			t.Fatal(err)
		}
		if e, err := ParseDomain(domain); !errors.Is(err, ErrDomain) {
			t.Errorf("%.40s: read as %v, %v", raw, e, err)
		}
	}
	for _, raw := range []string{`["XOR",["a","=",1]]`, `[1]`, `["OR",1]`, `[["a","where",1]]`, `[["a","=",1,2]]`, `[["a","=",1,"b","c"]]`, strings.Repeat("[", 300) + strings.Repeat("]", 300)} {
		var domain []any
		if err := json.Unmarshal([]byte(raw), &domain); err != nil {
			t.Fatal(err)
		}
		if e, err := ParseTrytonDomain(domain); !errors.Is(err, ErrDomain) {
			t.Errorf("%.40s: read as %v, %v", raw, e, err)
		}
	}
}

func TestLookup(t *testing.T) {
	for key, test := range map[string]struct {
		value any
		want  Expr
	}{
		"name": {"x", F("name").Eq("x")}, "name__ilike": {"x", F("name").ILike("x")}, "partner_id__name__like": {"x", F("partner_id.name").Like("x")},
		"age__gte": {3, F("age").Ge(3)}, "age__ne": {3, F("age").Ne(3)}, "name__=like": {"x%", F("name").MatchLike("x%")},
		"name__isnull": {true, F("name").IsNull(true)}, "partner_id__name__isnull": {false, F("partner_id.name").IsNull(false)},
		"ilike": {"x", F("ilike").Eq("x")}, "id__in": {[]int64{1}, F("id").InIDs([]int64{1})}, "partner_id__child_of": {1, F("partner_id").Is(OpChildOf, 1)},
	} {
		if got, err := Lookup(key, test.value); err != nil || got.String() != test.want.String() {
			t.Errorf("%s: %v, %v, want %v", key, got, err, test.want)
		}
	}
	for key, value := range map[string]any{"": 1, "a__": 1, "__ilike": 1, "a____b": 1, "a__isnull": "yes"} {
		if got, err := Lookup(key, value); !errors.Is(err, ErrDomain) {
			t.Errorf("%q: %v, %v", key, got, err)
		}
	}
	if got := fmt.Sprint(And(F("a").Eq(1), Or(F("b").Eq(1), F("a").Gt(2))).Fields()); got != "[a b]" {
		t.Errorf("fields %s", got)
	}
}

// FuzzDomain: whatever comes as a domain is refused or written again as one that reads the same.
func FuzzDomain(f *testing.F) {
	for _, s := range []string{
		`["|",["a","=",1],["b","in",[1,false]]]`, `["OR",["a","=",1],["b","where",["OR",["c","like","%x%"],["d","child_of",[1],"parent"]]]]`,
		`["!","&",[1,"=",1],["a.b","not any",[["c","=?",null]]]]`, `[["AND"],["OR"],[["id","in",[]]]]`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var domain []any
		if json.Unmarshal([]byte(s), &domain) != nil {
			return
		}
		for name, d := range map[string]struct {
			parse func([]any) (Expr, error)
			write func(Expr) ([]any, error)
		}{"Odoo": {ParseDomain, Expr.Odoo}, "Tryton": {ParseTrytonDomain, Expr.Tryton}} {
			e, err := d.parse(domain)
			if err != nil {
				continue
			}
			written, err := d.write(e)
			if err != nil {
				continue
			}
			again, err := d.parse(written)
			if err != nil {
				t.Fatalf("%s: %s was written as %v, which is %v", name, s, written, err)
			}
			twice, err := d.write(again)
			if got, want := jsonOf(t, twice, err), jsonOf(t, written, nil); got != want {
				t.Fatalf("%s: %s was written as %s, and that as %s", name, s, want, got)
			}
		}
	})
}
