package client

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxDomain is the number of conditions and operators that a domain may have. Servers turn each into SQL.
const maxDomain = 10_000

// maxDomainDepth bounds how deep domains may nest.
const maxDomainDepth = 200

// ErrDomain says that what is given is no domain, or none that the server's dialect can say.
var ErrDomain = errors.New("not a valid domain")

// Expr is a condition on records, which [And], [Or] and [Not] combine and the servers' dialects write down. It is
// immutable; the zero value holds for all records.
//
// Not is the complement: a record meets Not(e) if and only if it does not meet e. In Odoo's dialect that is what the
// server makes of "!", which for an order comparison of a field without a value is: neither.
type Expr struct {
	kind kind
	// Of a condition:
	field  string
	op     Op
	value  any
	target string // Tryton: the model of a reference, or the parent field of child_of
	// Of a combination:
	args []Expr
}

type kind uint8

const (
	all kind = iota // without args: every record
	anyOf
	not
	leaf
)

// True holds for every record, False for none.
var (
	True  = Expr{}
	False = Expr{kind: anyOf}
)

// IsTrue tells whether e is known to hold for every record, IsFalse whether for none.
func (e Expr) IsTrue() bool  { return e.kind == all && len(e.args) == 0 }
func (e Expr) IsFalse() bool { return e.kind == anyOf && len(e.args) == 0 }

// And holds for records that meet all of es.
func And(es ...Expr) Expr { return join(all, es) }

// Or holds for records that meet one of es at least; Or of nothing is False.
func Or(es ...Expr) Expr { return join(anyOf, es) }

// join flattens what associates and drops what has no say, so that equal things are written equally.
func join(k kind, es []Expr) Expr {
	var args []Expr
	for _, e := range es {
		switch {
		case e.kind == k:
			args = append(args, e.args...)
		case k == all && e.IsFalse(), k == anyOf && e.IsTrue():
			return e
		default:
			args = append(args, e)
		}
	}
	if len(args) == 1 {
		return args[0]
	}
	return Expr{kind: k, args: slices.Clip(args)}
}

// Not holds for records that do not meet e, the whole of it.
func Not(e Expr) Expr {
	switch {
	case e.kind == not:
		return e.args[0]
	case e.IsTrue():
		return False
	case e.IsFalse():
		return True
	}
	return Expr{kind: not, args: []Expr{e}}
}

// Fields are the names of the fields that e asks for, each once, in the order of their first use.
func (e Expr) Fields() []string {
	var out []string
	e.walk(func(l Expr) {
		if !slices.Contains(out, l.field) {
			out = append(out, l.field)
		}
	})
	return out
}

func (e Expr) walk(each func(Expr)) {
	if e.kind == leaf {
		each(e)
	}
	for _, a := range e.args {
		a.walk(each)
	}
}

// String is e in a form for people: the prefix form of Odoo.
func (e Expr) String() string {
	d, err := e.Odoo()
	if err != nil {
		return "(" + err.Error() + ")"
	}
	return fmt.Sprint(d)
}

// Odoo is e as an Odoo domain in prefix form: every "&" stands there, so that it means the same whatever it is
// put next to. True is the empty domain.
func (e Expr) Odoo() ([]any, error) {
	if e.IsTrue() {
		return []any{}, nil
	}
	w := odooWriter{out: make([]any, 0, 8)}
	if err := w.write(e, 0); err != nil {
		return nil, err
	}
	return w.out, nil
}

type odooWriter struct{ out []any }

func (w *odooWriter) write(e Expr, depth int) error {
	if depth > maxDomainDepth || len(w.out) > maxDomain {
		return fmt.Errorf("write a domain: %w: more than %d levels or %d terms", ErrDomain, maxDomainDepth, maxDomain)
	}
	switch e.kind {
	case leaf:
		return w.leaf(e, depth)
	case not:
		w.out = append(w.out, "!")
		return w.write(e.args[0], depth+1)
	}
	if len(e.args) == 0 {
		truth := 0
		if e.kind == all {
			truth = 1
		}
		w.out = append(w.out, []any{truth, "=", 1})
		return nil
	}
	sign := "&"
	if e.kind == anyOf {
		sign = "|"
	}
	for i, a := range e.args {
		if i < len(e.args)-1 {
			w.out = append(w.out, sign)
		}
		if err := w.write(a, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (w *odooWriter) leaf(e Expr, depth int) error {
	if e.field == "" {
		return fmt.Errorf("write a domain: %w: a condition on no field", ErrDomain)
	}
	if e.target != "" {
		return fmt.Errorf("write a domain: %w: %s names %q, which Tryton alone understands", ErrDomain, e.field, e.target)
	}
	o, ok := ops[e.op]
	if !ok {
		return fmt.Errorf("write a domain: %w: no operator %q", ErrDomain, e.op)
	}
	value := e.value
	if sub, ok := value.(Expr); ok {
		inner := odooWriter{out: []any{}}
		if !sub.IsTrue() {
			if err := inner.write(sub, depth+1); err != nil {
				return err
			}
		}
		value = inner.out
	} else {
		value = plain(Odoo, value)
	}
	op := string(e.op)
	if o.odoo != "" {
		w.out = append(w.out, "!")
		op = string(o.odoo)
	}
	w.out = append(w.out, []any{e.field, op, value})
	return nil
}

// ParseDomain reads an Odoo domain as servers understand it: operators stand before their operands, and what stands
// side by side is joined by "&".
func ParseDomain(domain []any) (Expr, error) { return parseOdoo(domain, 0) }

func parseOdoo(domain []any, depth int) (Expr, error) {
	if len(domain) > maxDomain {
		return Expr{}, fmt.Errorf("read a domain: %w: more than %d terms", ErrDomain, maxDomain)
	}
	r := odooReader{terms: domain}
	var es []Expr
	for len(r.terms) > 0 {
		e, err := r.read(depth)
		if err != nil {
			return Expr{}, err
		}
		es = append(es, e)
	}
	return And(es...), nil
}

// odooReader reads one operand after the other off the front of terms.
type odooReader struct{ terms []any }

func (r *odooReader) read(depth int) (Expr, error) {
	if depth > maxDomainDepth {
		return Expr{}, fmt.Errorf("read a domain: %w: more than %d levels", ErrDomain, maxDomainDepth)
	}
	if len(r.terms) == 0 {
		return Expr{}, fmt.Errorf("read a domain: %w: an operator has too few operands", ErrDomain)
	}
	sign, ok := r.terms[0].(string)
	if !ok {
		l, err := parseOdooLeaf(r.terms[0], depth)
		r.terms = r.terms[1:]
		return l, err
	}
	switch sign {
	case "!":
		even := true
		for len(r.terms) > 0 && r.terms[0] == "!" {
			r.terms, even = r.terms[1:], !even
		}
		e, err := r.read(depth + 1)
		if err != nil || even {
			return e, err
		}
		return Not(e), nil
	case "&", "|":
		// A run of the same operator is one combination: n of them in a row have n+1 operands, and so has an operand
		// that begins with it again.
		var es []Expr
		for need := 1; need > 0; need-- {
			for len(r.terms) > 0 && r.terms[0] == sign {
				r.terms = r.terms[1:]
				need++
			}
			e, err := r.read(depth + 1)
			if err != nil {
				return Expr{}, err
			}
			es = append(es, e)
		}
		if sign == "&" {
			return And(es...), nil
		}
		return Or(es...), nil
	}
	return Expr{}, fmt.Errorf("read a domain: %w: %q is neither a condition nor an operator", ErrDomain, sign)
}

func parseOdooLeaf(token any, depth int) (Expr, error) {
	terms, ok := token.([]any)
	if !ok || len(terms) != 3 {
		return Expr{}, fmt.Errorf("read a domain: %w: %v is no condition of three terms", ErrDomain, token)
	}
	name, ok := terms[1].(string)
	if !ok {
		return Expr{}, fmt.Errorf("read a domain: %w: the operator of %v is no text", ErrDomain, token)
	}
	op := Op(strings.ToLower(name))
	switch op {
	case "<>":
		op = OpNe
	case "==":
		op = OpEq
	}
	o, ok := ops[op]
	if !ok {
		return Expr{}, fmt.Errorf("read a domain: %w: no operator %q", ErrDomain, name)
	}
	switch field := terms[0].(type) {
	case string:
		value := terms[2]
		if sub, ok := value.([]any); ok && o.sub {
			inner, err := parseOdoo(sub, depth+1)
			if err != nil {
				return Expr{}, err
			}
			value = inner
		}
		if field == "" {
			break
		}
		return Expr{kind: leaf, field: field, op: op, value: value}, nil
	default: // (1, "=", 1) and (0, "=", 1)
		left, ok1 := number(field)
		right, ok2 := number(terms[2])
		if ok1 && ok2 && (op == OpEq || op == OpNe) {
			if (left == right) == (op == OpEq) {
				return True, nil
			}
			return False, nil
		}
	}
	return Expr{}, fmt.Errorf("read a domain: %w: %v is a condition on no field", ErrDomain, token)
}

// Normalise writes an Odoo domain in prefix form with every "&" explicit. Doing so again changes nothing.
func Normalise(domain []any) ([]any, error) {
	e, err := ParseDomain(domain)
	if err != nil {
		return nil, err
	}
	return e.Odoo()
}
