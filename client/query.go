package client

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Query is a question for records of one model, as values of T. It is immutable: each method returns a new one, and
// the old one may be used further, by many goroutines. Nothing is asked before a method that takes a context.
//
// What is wrong with a query, such as an order by nothing, comes out of that method as its error.
type Query[T any] struct {
	caller   Caller
	protocol Protocol
	model    string
	plan     *plan
	where    Expr
	order    []order
	limit    int // -1: none
	offset   int
	only     []string // nil: what the plan has
	without  []string
	context  map[string]any
	options  []CallOption
	prefetch []string
	err      error
}

type order struct {
	field string
	desc  bool
}

// Record is a record whose fields are not known when the program is written. Its values are what the server's JSON
// says: text, int64 or float64, bool, lists, maps, and of Tryton's typed values what DecodeValue makes of them. An empty field is false at Odoo and nil at Tryton.
type Record map[string]any

// ID is the record's id; 0 without one.
func (r Record) ID() int64 {
	n, _ := number(r["id"])
	return n
}

// ErrModel says that a type does not say which records it stands for.
var ErrModel = errors.New("not a model")

// protocolOf is the protocol of a Caller, Odoo's if it does not say.
func protocolOf(c Caller) Protocol {
	if p, ok := c.(interface{ Protocol() Protocol }); ok {
		return p.Protocol()
	}
	return Odoo
}

// Model asks for records as values of T, a struct of which tags name the model and the fields:
//
//	type Partner struct {
//		_       struct{}   `odoo:"res.partner" tryton:"party.party"`
//		ID      int64      `odoo:"id" tryton:"id"`
//		Name    string     `odoo:"name" tryton:"name"`
//		Country client.Ref `odoo:"country_id"`
//	}
//
// Fields without a tag for the server's protocol are left alone, and only those with one are read. An empty field is
// the zero value, or nil of a pointer. Times are UTC.
func Model[T any](c Caller) Query[T] {
	q := Query[T]{caller: c, protocol: protocolOf(c), limit: -1}
	q.plan, q.err = planOf[T](q.protocol)
	if q.err == nil {
		if q.model = q.plan.model; q.model == "" {
			q.err = fmt.Errorf("ask for %T: %w: no tag of a field _ names the model", *new(T), ErrModel)
		}
	}
	return q
}

// Records asks for records of that model, with those fields; with all fields if none is named.
func Records(c Caller, model string, fields ...string) Query[Record] {
	q := Query[Record]{caller: c, protocol: protocolOf(c), model: model, limit: -1}
	if model == "" {
		q.err = fmt.Errorf("ask for records: %w: no name", ErrModel)
	}
	if len(fields) > 0 {
		q.only = slices.Clone(fields)
	}
	return q
}

// Filter asks for records that meet all of es, and what was asked before.
func (q Query[T]) Filter(es ...Expr) Query[T] {
	q.where = And(q.where, And(es...))
	return q
}

// Exclude leaves out records that meet all of es.
func (q Query[T]) Exclude(es ...Expr) Query[T] {
	q.where = And(q.where, Not(And(es...)))
	return q
}

// FilterDomain is Filter of a domain in the server's own form.
func (q Query[T]) FilterDomain(domain []any) Query[T] {
	parse := ParseDomain
	if q.protocol == Tryton {
		parse = ParseTrytonDomain
	}
	e, err := parse(domain)
	if err != nil {
		q.err = errors.Join(q.err, err)
		return q
	}
	return q.Filter(e)
}

// OrderBy sorts by these fields instead of how the model does: "name", and "-name" or "name desc" for the other way.
func (q Query[T]) OrderBy(fields ...string) Query[T] {
	q.order = nil
	for _, f := range fields {
		o := order{}
		words := strings.Fields(f)
		if len(words) > 0 {
			o.field, o.desc = strings.CutPrefix(words[0], "-")
		}
		if len(words) == 2 && !o.desc {
			o.desc = strings.EqualFold(words[1], "desc")
		}
		plain := len(words) == 1 || len(words) == 2 && (o.desc != (words[0][0] == '-')) || len(words) == 2 && strings.EqualFold(words[1], "asc")
		if o.field == "" || !plain || strings.ContainsAny(o.field, ",()\"'") {
			q.err = errors.Join(q.err, fmt.Errorf("sort %s: %q is no field", q.model, f))
			continue
		}
		q.order = append(q.order, o)
	}
	return q
}

// Limit asks for n records at most; Limit(0) for none, which asks no server.
func (q Query[T]) Limit(n int) Query[T] {
	if n < 0 {
		q.err = errors.Join(q.err, fmt.Errorf("limit %s: %d is less than no records", q.model, n))
	}
	q.limit = n
	return q
}

// Offset leaves out the first n records.
func (q Query[T]) Offset(n int) Query[T] {
	if n < 0 {
		q.err = errors.Join(q.err, fmt.Errorf("skip records of %s: %d is less than none", q.model, n))
	}
	q.offset = n
	return q
}

// Only reads these fields and the id. Of a struct the others stay zero; they must be fields of it.
func (q Query[T]) Only(fields ...string) Query[T] {
	q.only, q.without = slices.Clone(fields), nil
	if q.only == nil {
		q.only = []string{}
	}
	return q.known("read", fields)
}

// Defer reads all fields but these.
func (q Query[T]) Defer(fields ...string) Query[T] {
	q.without = slices.Concat(q.without, fields)
	return q.known("leave out", fields)
}

func (q Query[T]) known(verb string, fields []string) Query[T] {
	for _, f := range fields {
		if q.plan != nil && q.plan.field(f) == nil {
			q.err = errors.Join(q.err, fmt.Errorf("%s %s.%s: %T has no such field", verb, q.model, f, *new(T)))
		}
	}
	return q
}

// InContext adds to the context in which the server answers.
func (q Query[T]) InContext(values map[string]any) Query[T] {
	merged := maps.Clone(q.context)
	if merged == nil {
		merged = make(map[string]any, len(values))
	}
	maps.Copy(merged, values)
	q.context = merged
	return q
}

// With adds options to the query's calls.
func (q Query[T]) With(opts ...CallOption) Query[T] {
	q.options = slices.Concat(q.options, opts)
	return q
}

// Prefetch reads the records that these many2one fields refer to, too: all of one model with one call (or one for
// each 500), whatever the number of records. The fields of T must be pointers to structs that name their model;
// without Prefetch, these have their id alone. A dotted path goes on to what those records refer to. Records that
// refer to the same one share it.
func (q Query[T]) Prefetch(fields ...string) Query[T] {
	q.prefetch = slices.Concat(q.prefetch, fields)
	for _, path := range fields {
		if q.plan == nil {
			q.err = errors.Join(q.err, fmt.Errorf("prefetch %s.%s: %w: a Record has no models; see Related", q.model, path, ErrModel))
		} else if err := q.plan.prefetchable(path); err != nil {
			q.err = errors.Join(q.err, err)
		}
	}
	return q
}

// Domain is the query's domain as the server gets it.
func (q Query[T]) Domain() ([]any, error) {
	if q.protocol == Tryton {
		return q.where.Tryton()
	}
	return q.where.Odoo()
}

// empty tells that no record can meet the query.
func (q Query[T]) empty() bool { return q.limit == 0 || q.where.IsFalse() }

// fields are what is read: nil for all that the model has.
func (q Query[T]) fields() []string {
	names := q.only
	if q.plan != nil {
		names = q.plan.reads(q.only, q.without)
	} else if len(q.without) > 0 && names != nil {
		names = slices.DeleteFunc(slices.Clone(names), func(f string) bool { return slices.Contains(q.without, f) })
	}
	if names != nil && !slices.Contains(names, "id") {
		names = slices.Concat([]string{"id"}, names)
	}
	return names
}

// callOptions are the options of one call.
func (q Query[T]) callOptions() []CallOption {
	if len(q.context) == 0 {
		return q.options
	}
	return slices.Concat([]CallOption{InContext(q.context)}, q.options)
}

// orderArgument is the order as the server takes it; nil for the model's own.
func (q Query[T]) orderArgument() any {
	if len(q.order) == 0 {
		return nil
	}
	if q.protocol == Tryton {
		pairs := make([]any, len(q.order))
		for i, o := range q.order {
			pairs[i] = []any{o.field, direction(o.desc, "ASC", "DESC")}
		}
		return pairs
	}
	terms := make([]string, len(q.order))
	for i, o := range q.order {
		terms[i] = o.field + " " + direction(o.desc, "asc", "desc")
	}
	return strings.Join(terms, ", ")
}

func direction(desc bool, up, down string) string {
	if desc {
		return down
	}
	return up
}
