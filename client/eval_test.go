package client

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// What servers do with domains, after their own sources and independent of Expr: records are maps, a many2one field
// holds the record that it refers to, a one2many field a list of them, and nil is no value.

type row = map[string]any

// evalOdoo evaluates a domain as Odoo reads it: from the front, with "&" wherever an operand is left over.
func evalOdoo(domain []any, r row) bool {
	truth := true
	for rest := domain; len(rest) > 0; {
		var t bool
		t, rest = operandOdoo(rest, r)
		truth = truth && t
	}
	return truth
}

func operandOdoo(domain []any, r row) (bool, []any) {
	switch term := domain[0].(type) {
	case string:
		a, rest := operandOdoo(domain[1:], r)
		if term == "!" {
			return !a, rest
		}
		b, rest := operandOdoo(rest, r)
		return term == "&" && a && b || term == "|" && (a || b), rest
	case []any:
		if n, ok := number(term[0]); ok {
			m, _ := number(term[2])
			return n == m, domain[1:]
		}
		return leafOdoo(r, term[0].(string), term[1].(string), term[2]), domain[1:]
	}
	panic(fmt.Sprintf("no term of a domain: %v", domain[0]))
}

func leafOdoo(r row, path, op string, want any) bool {
	field, rest, dotted := strings.Cut(path, ".")
	if dotted {
		return slices.ContainsFunc(related(r[field]), func(to row) bool { return leafOdoo(to, rest, op, want) })
	}
	got := r[field]
	if want == false {
		want = nil // a boolean field without a value is false
	}
	if got == false {
		got = nil
	}
	switch op {
	case "any":
		return slices.ContainsFunc(related(got), func(to row) bool { return evalOdoo(want.([]any), to) })
	case "not any":
		return !slices.ContainsFunc(related(got), func(to row) bool { return evalOdoo(want.([]any), to) })
	case "!=":
		return !equal(got, want)
	case "in":
		return slices.ContainsFunc(list(want), func(w any) bool { return equal(got, unless(w)) })
	case "not in":
		return !slices.ContainsFunc(list(want), func(w any) bool { return equal(got, unless(w)) })
	case "like", "ilike":
		return like(got, "%"+want.(string)+"%", op == "ilike")
	case "not like", "not ilike":
		return !like(got, "%"+want.(string)+"%", op == "not ilike")
	case "=like", "=ilike":
		return like(got, want.(string), op == "=ilike")
	case "=?":
		return want == nil || equal(got, want)
	}
	return compare(got, op, want)
}

func unless(v any) any {
	if v == false {
		return nil
	}
	return v
}

// evalTryton evaluates a domain as trytond does in SQL: a comparison with no value is neither true nor false, and
// there is no negation.
func evalTryton(domain []any, r row) bool {
	if len(domain) >= 3 {
		if op, ok := domain[1].(string); ok && slices.Contains(trytonOperators, op) {
			return leafTryton(r, domain[0].(string), op, domain[2])
		}
	}
	any, rest := false, domain
	if len(domain) > 0 && (domain[0] == "OR" || domain[0] == "AND") {
		any, rest = domain[0] == "OR", domain[1:]
	}
	if len(rest) == 0 {
		return true
	}
	for _, d := range rest {
		if evalTryton(d.([]interface{}), r) == any {
			return any
		}
	}
	return !any
}

var trytonOperators = []string{
	"where", "not where", "child_of", "not child_of", "parent_of", "not parent_of", "=", "!=", "like", "not like",
	"ilike", "not ilike", "in", "not in", "<=", ">=", "<", ">",
}

func leafTryton(r row, path, op string, want any) bool {
	field, rest, dotted := strings.Cut(path, ".")
	got := r[field]
	if dotted {
		return slices.ContainsFunc(related(got), func(to row) bool { return leafTryton(to, rest, op, want) })
	}
	_, isList := got.([]row)
	if strings.HasSuffix(op, "where") {
		found := slices.ContainsFunc(related(got), func(to row) bool { return evalTryton(want.([]any), to) })
		if op == "where" {
			return found
		}
		return !found && (got != nil || isList)
	}
	if isList { // of the relational operators only "no value" makes sense of a list
		return (len(related(got)) == 0) == (op == "=")
	}
	if want == nil || want == false { // the fields that compare with false are boolean ones
		empty := got == nil || field == "flag" && got == false
		switch op {
		case "=":
			return empty
		case "!=":
			return !empty
		}
	}
	if op == "in" || op == "not in" {
		wants := list(want)
		known := slices.DeleteFunc(slices.Clone(wants), func(w any) bool { return w == nil })
		hit := slices.ContainsFunc(known, func(w any) bool { return equal(got, w) })
		if op == "in" {
			return got != nil && hit || len(known) < len(wants) && got == nil
		}
		if len(known) == 0 && len(wants) == 0 {
			return true
		}
		return got != nil && !hit
	}
	if got == nil {
		return false
	}
	switch op {
	case "!=":
		return !equal(got, want)
	case "like", "ilike":
		return like(got, want.(string), op == "ilike")
	case "not like", "not ilike":
		return !like(got, want.(string), op == "not ilike")
	}
	return compare(got, op, want)
}

// related are the records that a many2one or one2many value refers to.
func related(v any) []row {
	switch v := v.(type) {
	case row:
		return []row{v}
	case []row:
		return v
	}
	return nil
}

// list is the list that in and its kin have, of whatever type.
func list(v any) []any {
	switch v := v.(type) {
	case []any:
		return v
	case []int64:
		out := make([]any, len(v))
		for i := range v {
			out[i] = v[i]
		}
		return out
	}
	return []any{v}
}

func equal(a, b any) bool {
	if r, ok := a.(row); ok {
		a = r["id"]
	}
	n, ok1 := number(a)
	m, ok2 := number(b)
	if ok1 && ok2 {
		return n == m
	}
	return a == b
}

func compare(got any, op string, want any) bool {
	if got == nil || want == nil {
		return op == "=" && got == want
	}
	if op == "=" {
		return equal(got, want)
	}
	order := 0
	if s, ok := got.(string); ok {
		w, ok := want.(string)
		if !ok {
			return false
		}
		order = strings.Compare(s, w)
	} else {
		n, ok1 := number(got)
		m, ok2 := number(want)
		if !ok1 || !ok2 {
			return false
		}
		order = int(n - m)
	}
	switch op {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	}
	panic("no operator " + op)
}

func like(got any, pattern string, fold bool) bool {
	s, ok := got.(string)
	if !ok {
		return false
	}
	var re strings.Builder
	re.WriteString("(?s)^")
	if fold {
		re.WriteString("(?i)")
	}
	for _, c := range pattern {
		switch c {
		case '%':
			re.WriteString(".*")
		case '_':
			re.WriteString(".")
		default:
			re.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	return regexp.MustCompile(re.String() + "$").MatchString(s)
}
