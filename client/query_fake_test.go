package client

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// fake is a server with tables in memory, which knows either dialect and evaluates domains as eval_test.go does.
type fake struct {
	protocol Protocol
	schema   map[string]map[string]fieldInfo
	// before, if set, may refuse a call; after may lose its answer.
	before, after func(model, method string, args []any) error

	mu     sync.Mutex
	tables map[string]map[int64]row
	last   map[string]int64
	calls  []string // "res.partner.read"
}

var _ Caller = (*fake)(nil)

func (f *fake) Protocol() Protocol { return f.protocol }

// newFake has partners and countries.
func newFake(p Protocol) *fake {
	f := &fake{protocol: p, tables: map[string]map[int64]row{}, last: map[string]int64{}}
	country, partner, tag := "res.country", "res.partner", "res.tag"
	f.schema = map[string]map[string]fieldInfo{
		country: {"name": {Type: "char"}, "code": {Type: "char"}},
		tag:     {"name": {Type: "char"}},
		partner: {
			"name": {Type: "char"}, "age": {Type: "integer"}, "active": {Type: "boolean"}, "country": {Type: "many2one", Relation: country},
			"parent": {Type: "many2one", Relation: partner}, "tags": {Type: "many2many", Relation: tag},
			"children": {Type: "one2many", Relation: partner}, "create_date": {Type: "datetime", ReadOnly: true},
		},
	}
	for model := range f.schema {
		f.tables[model] = map[int64]row{}
	}
	return f
}

func (f *fake) insert(model string, values row) int64 {
	f.last[model]++
	id := f.last[model]
	r := row{"id": id}
	f.tables[model][id] = r
	f.set(model, r, values)
	return id
}

func (f *fake) set(model string, r, values row) {
	for name, v := range values {
		info, ok := f.schema[model][name]
		if !ok {
			panic("no field " + name)
		}
		switch {
		case info.Type == "many2many":
			for _, c := range list(v) {
				r[name] = link(list(r[name]), list(c))
			}
		case v == false && info.Type != "boolean":
			r[name] = nil
		default:
			r[name] = v
		}
	}
}

// link applies a command of either dialect to a list of ids.
func link(ids, command []any) []any {
	ids = slices.DeleteFunc(ids, func(v any) bool { return v == nil })
	arg := list(command[len(command)-1])
	switch fmt.Sprint(command[0]) {
	case "6":
		return arg
	case "4":
		return append(ids, command[1])
	case "add":
		return append(ids, arg...)
	case "remove":
		return slices.DeleteFunc(ids, func(v any) bool { return slices.ContainsFunc(arg, func(w any) bool { return equal(v, w) }) })
	}
	panic(fmt.Sprint("no command ", command))
}

// wireform is v as it comes out of JSON, with whole numbers as int64.
func wireform(v any) any {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	out, err := decodeAny(b, 0)
	if err != nil {
		panic(err)
	}
	return out
}

func (f *fake) Call(ctx context.Context, model, method string, args []any, kwargs map[string]any, _ ...CallOption) (json.RawMessage, error) {
	if err := ctx.Err(); err != nil {
		return nil, &Error{Kind: KindTimeout, Model: model, Method: method, cause: err}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, model+"."+method)
	sent := wireform(args).([]any)
	if f.before != nil {
		if err := f.before(model, method, sent); err != nil {
			return nil, err
		}
	}
	kw := row{}
	if kwargs != nil {
		kw = wireform(kwargs).(row)
	}
	result, err := f.answer(model, method, sent, kw)
	if err != nil {
		return nil, err
	}
	if f.after != nil {
		if err := f.after(model, method, sent); err != nil {
			return nil, err
		}
	}
	return json.Marshal(result)
}

func (f *fake) answer(model, method string, args []any, kw row) (any, error) {
	if f.protocol == Tryton {
		for i, name := range map[string][]string{"search": {"", "offset", "limit", "order"}, "search_read": {"", "offset", "limit", "order", "fields"}, "read": {"", "fields"}}[method] {
			if i < len(args) {
				kw[name] = args[i]
			}
		}
	}
	table, ok := f.tables[model]
	if !ok {
		return nil, &Error{Kind: KindNotFound, Model: model, Method: method, Sent: true}
	}
	switch method {
	case "fields_get":
		return f.schema[model], nil
	case "search_count":
		return len(f.search(model, list(args[0]), nil)), nil
	case "search", "search_read":
		ids := f.search(model, list(args[0]), kw["order"])
		offset, _ := number(kw["offset"])
		ids = ids[min(int(offset), len(ids)):]
		if limit, ok := number(kw["limit"]); ok {
			ids = ids[:min(int(limit), len(ids))]
		}
		if method == "search" {
			return ids, nil
		}
		return f.read(model, ids, kw["fields"])
	case "read":
		return f.read(model, idsOfAny(args[0]), kw["fields"])
	case "create":
		ids := []int64{}
		for _, v := range list(args[0]) {
			if f.dangling(model, v.(row)) {
				return nil, &Error{Kind: KindMissing, Model: model, Method: method, Sent: true}
			}
			ids = append(ids, f.insert(model, v.(row)))
		}
		return ids, nil
	case "write":
		for i := 0; i < len(args); i += 2 {
			for _, id := range idsOfAny(args[i]) {
				if table[id] == nil || f.dangling(model, args[i+1].(row)) {
					return nil, &Error{Kind: KindMissing, Model: model, Method: method, Sent: true}
				}
				f.set(model, table[id], args[i+1].(row))
			}
		}
		return true, nil
	case "unlink", "delete":
		ids := idsOfAny(args[0])
		if f.referred(model, ids) {
			return nil, &Error{Kind: KindValidation, Model: model, Method: method, Sent: true, Message: "others refer to it"}
		}
		for _, id := range ids {
			delete(table, id)
		}
		return true, nil
	}
	return nil, &Error{Kind: KindServer, Model: model, Method: method, Sent: true, Message: "no such method"}
}

// dangling tells whether values refer to a record that is not there.
func (f *fake) dangling(model string, values row) bool {
	for name, v := range values {
		info := f.schema[model][name]
		ids := list(v)
		if info.Type == "many2many" {
			ids = nil
			for _, c := range list(v) {
				if command := list(c); fmt.Sprint(command[0]) != "remove" {
					ids = append(ids, list(command[len(command)-1])...)
				}
			}
		}
		for _, to := range ids {
			if id, ok := number(to); ok && info.Relation != "" && f.tables[info.Relation][id] == nil {
				return true
			}
		}
	}
	return false
}

// referred tells whether other records than these refer to one of these.
func (f *fake) referred(model string, ids []int64) bool {
	for other, table := range f.tables {
		for id, r := range table {
			for name, info := range f.schema[other] {
				for _, v := range list(r[name]) {
					to, ok := number(v)
					if ok && info.Relation == model && slices.Contains(ids, to) && (other != model || !slices.Contains(ids, id)) {
						return true
					}
				}
			}
		}
	}
	return false
}

func idsOfAny(v any) []int64 {
	var out []int64
	for _, item := range list(v) {
		id, _ := number(item)
		out = append(out, id)
	}
	return out
}

// linked is a record with those that it refers to in the place of their ids.
func (f *fake) linked(model string, r row, depth int) row {
	out := maps.Clone(r)
	for name, info := range f.schema[model] {
		if id, ok := number(r[name]); ok && info.Type == "many2one" {
			out[name] = nil
			if to := f.tables[info.Relation][id]; to != nil && depth > 0 {
				out[name] = f.linked(info.Relation, to, depth-1)
			}
		}
	}
	return out
}

func (f *fake) search(model string, domain []any, order any) []int64 {
	ids := []int64{}
	for id, r := range f.tables[model] {
		linked := f.linked(model, r, 3)
		if f.protocol == Tryton && evalTryton(domain, linked) || f.protocol == Odoo && evalOdoo(domain, linked) {
			ids = append(ids, id)
		}
	}
	var terms []string
	if s, ok := order.(string); ok {
		terms = strings.Split(s, ", ")
	}
	for _, pair := range list(order) {
		if p, ok := pair.([]any); ok {
			terms = append(terms, fmt.Sprint(p[0], " ", p[1]))
		}
	}
	slices.SortFunc(ids, func(a, b int64) int {
		for _, term := range terms {
			name, way, _ := strings.Cut(term, " ")
			c := ascending(f.tables[model][a][name], f.tables[model][b][name])
			if strings.EqualFold(way, "desc") {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return cmp.Compare(a, b)
	})
	return ids
}

func ascending(a, b any) int {
	n, ok1 := number(a)
	m, ok2 := number(b)
	if ok1 && ok2 {
		return cmp.Compare(n, m)
	}
	return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
}

func (f *fake) read(model string, ids []int64, fields any) (any, error) {
	names := []string{}
	for _, v := range list(fields) {
		if s, ok := v.(string); ok {
			names = append(names, s)
		}
	}
	if len(names) == 0 {
		names = slices.Collect(maps.Keys(f.schema[model]))
	}
	out := []row{}
	for _, id := range ids {
		r := f.tables[model][id]
		if r == nil {
			return nil, &Error{Kind: KindMissing, Model: model, Method: "read", Sent: true}
		}
		answer := row{"id": id}
		for _, name := range names {
			base, far, dotted := strings.Cut(name, ".")
			info := f.schema[model][base]
			v := r[base]
			if v == nil && info.Type == "many2many" {
				v = []any{}
			}
			to, isRef := number(v)
			switch {
			case name == "id":
			case info.Type == "":
				return nil, &Error{Kind: KindServer, Model: model, Method: "read", Sent: true, Message: "no field " + name}
			case dotted && v != nil:
				answer[base+"."] = row{"id": to, far: f.tables[info.Relation][to]["name"]}
			case dotted:
				answer[base+"."] = nil
			case f.protocol == Tryton:
				answer[name] = v
			case info.Type == "many2one" && isRef:
				answer[name] = []any{to, f.tables[info.Relation][to]["name"]}
			case v == nil:
				answer[name] = false
			default:
				answer[name] = v
			}
		}
		out = append(out, answer)
	}
	return out, nil
}

// count is the number of calls of that method since the last take.
func (f *fake) take() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	return calls
}
