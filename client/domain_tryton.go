package client

import (
	"fmt"
	"reflect"
	"strings"
)

// Tryton is e as a Tryton domain. Tryton has no negation: a complement is written with the opposite operator, and with
// the records that have no value, which neither operator finds. Of what has no opposite it is an error.
func (e Expr) Tryton() ([]any, error) {
	d, err := writeTryton(e, 0)
	switch {
	case err != nil:
		return nil, err
	case len(d) == 0, d[0] == "OR":
		return d, nil
	case d[0] == "AND":
		return d[1:], nil
	}
	return []any{d}, nil
}

// writeTryton writes e as a clause or as a combination that begins with its name.
func writeTryton(e Expr, depth int) ([]any, error) {
	if depth > maxDomainDepth {
		return nil, fmt.Errorf("write a domain: %w: more than %d levels", ErrDomain, maxDomainDepth)
	}
	switch e.kind {
	case leaf:
		return trytonLeaf(e, depth)
	case not:
		return trytonNot(e.args[0], depth+1)
	}
	if len(e.args) == 0 {
		if e.kind == anyOf {
			return []any{"id", "in", []any{}}, nil // "OR" of nothing is true for the server
		}
		return []any{}, nil
	}
	out := make([]any, 1, len(e.args)+1)
	out[0] = "AND"
	if e.kind == anyOf {
		out[0] = "OR"
	}
	for _, a := range e.args {
		d, err := writeTryton(a, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

func trytonLeaf(e Expr, depth int) ([]any, error) {
	o, ok := ops[e.op]
	switch {
	case e.field == "":
		return nil, fmt.Errorf("write a domain: %w: a condition on no field", ErrDomain)
	case !ok || o.tryton == "":
		return nil, fmt.Errorf("write a domain: %w: Tryton has no operator %q", ErrDomain, e.op)
	}
	value := e.value
	switch v := value.(type) {
	case Expr:
		d, err := v.trytonAt(depth + 1)
		if err != nil {
			return nil, err
		}
		value = d
	case string:
		if o.wrap {
			value = "%" + v + "%"
		}
	default:
		value = plain(Tryton, value)
	}
	out := []any{e.field, o.tryton, value}
	if e.target != "" {
		out = append(out, e.target)
	}
	return out, nil
}

func (e Expr) trytonAt(depth int) ([]any, error) {
	d, err := writeTryton(e, depth)
	if err == nil && len(d) > 0 && d[0] != "OR" && d[0] != "AND" {
		d = []any{d}
	}
	return d, err
}

// trytonNot writes the complement of e.
func trytonNot(e Expr, depth int) ([]any, error) {
	switch e.kind {
	case not:
		return writeTryton(e.args[0], depth)
	case all, anyOf:
		args := make([]Expr, len(e.args))
		for i, a := range e.args {
			args[i] = Not(a)
		}
		if e.kind == all {
			return writeTryton(Or(args...), depth)
		}
		return writeTryton(And(args...), depth)
	}
	unable := fmt.Errorf("write a domain: %w: Tryton cannot say the opposite of %s %s", ErrDomain, e.field, e.op)
	if root, rest, dotted := strings.Cut(e.field, "."); dotted {
		if e.target != "" {
			return nil, unable
		}
		// The opposite of "a related record has it" is "none has", not "one has the opposite".
		inner := e
		inner.field = rest
		return trytonNot(Field(root).Any(inner), depth)
	}
	inverse := e
	inverse.op = ops[e.op].inverse
	if inverse.op == "" || e.target != "" && (e.op == opNotChildOf || e.op == opNotParentOf) {
		return nil, unable
	}
	clause, err := trytonLeaf(inverse, depth)
	if err != nil {
		return nil, err
	}
	if null := withoutValue(e); null != nil {
		return []any{"OR", clause, null}, nil
	}
	return clause, nil
}

// withoutValue is the clause for the records that have no value, nil if e and its opposite already share them out
// between each other.
func withoutValue(e Expr) []any {
	null := []any{e.field, "=", nil}
	if e.field == "id" || e.field == "rec_name" {
		return nil
	}
	switch e.op {
	case OpEq, OpNe:
		switch b := e.value.(type) {
		case nil:
			return nil
		case bool:
			if !b {
				return nil // the server counts no value as false
			}
			return []any{e.field, "in", []any{nil}} // "= null" would find false too
		}
	case OpIn, OpNotIn:
		list := reflect.ValueOf(e.value)
		if list.Kind() != reflect.Slice {
			return null
		}
		for i := range list.Len() {
			switch list.Index(i).Interface().(type) {
			case nil:
				return nil
			case bool:
				null = []any{e.field, "in", []any{nil}}
			}
		}
		if list.Len() == 0 {
			return nil
		}
	case OpChildOf, OpParentOf, opNotChildOf, opNotParentOf:
		if e.target == "" {
			return nil // the tree that the record itself stands in
		}
	}
	return null
}

// ParseTrytonDomain reads a domain as trytond understands it: a list of clauses and lists, all of which hold unless
// the list begins with "OR".
func ParseTrytonDomain(domain []any) (Expr, error) {
	r := trytonReader{left: maxDomain}
	return r.list(domain, 0)
}

// trytonReader reads a domain of at most left terms.
type trytonReader struct{ left int }

func (r *trytonReader) list(domain []any, depth int) (Expr, error) {
	if r.left -= len(domain) + 1; r.left < 0 || depth > maxDomainDepth {
		return Expr{}, fmt.Errorf("read a domain: %w: more than %d terms or %d levels", ErrDomain, maxDomain, maxDomainDepth)
	}
	if e, ok, err := r.clause(domain, depth); ok || err != nil {
		return e, err
	}
	combine := And
	if len(domain) > 0 {
		if name, ok := domain[0].(string); ok {
			switch domain = domain[1:]; {
			case name == "OR" && len(domain) > 0:
				combine = Or
			case name != "AND" && name != "OR":
				return Expr{}, fmt.Errorf("read a domain: %w: %q is neither a condition nor an operator", ErrDomain, name)
			}
		}
	}
	es := make([]Expr, 0, len(domain))
	for _, term := range domain {
		sub, ok := term.([]any)
		if !ok {
			return Expr{}, fmt.Errorf("read a domain: %w: %v is no list", ErrDomain, term)
		}
		e, err := r.list(sub, depth+1)
		if err != nil {
			return Expr{}, err
		}
		es = append(es, e)
	}
	return combine(es...), nil
}

// fromTryton are the operators by Tryton's names.
var fromTryton = func() map[string]Op {
	m := map[string]Op{}
	for op, o := range ops {
		if o.tryton != "" && !o.wrap {
			m[o.tryton] = op
		}
	}
	return m
}()

// clause reads a clause, and tells whether the list is one.
func (r *trytonReader) clause(terms []any, depth int) (Expr, bool, error) {
	if len(terms) < 3 {
		return Expr{}, false, nil
	}
	field, ok1 := terms[0].(string)
	name, ok2 := terms[1].(string)
	op, ok3 := fromTryton[name]
	if !ok1 || !ok2 || !ok3 {
		return Expr{}, false, nil
	}
	e := Expr{kind: leaf, field: field, op: op, value: terms[2]}
	if len(terms) == 4 {
		e.target, _ = terms[3].(string)
	}
	if len(terms) > 4 || len(terms) == 4 && e.target == "" || field == "" {
		return Expr{}, true, fmt.Errorf("read a domain: %w: %v is no clause", ErrDomain, terms)
	}
	if ops[op].sub {
		sub, ok := e.value.([]any)
		if !ok {
			return Expr{}, true, fmt.Errorf("read a domain: %w: %s %s wants a domain", ErrDomain, field, name)
		}
		inner, err := r.list(sub, depth+1)
		if err != nil {
			return Expr{}, true, err
		}
		e.value = inner
	}
	if list, ok := e.value.([]any); ok && field == "id" && op == OpIn && len(list) == 0 {
		return False, true, nil
	}
	return e, true, nil
}
