package client

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// prefetchChunk is the number of records that one call of a prefetch reads.
const prefetchChunk = 500

// load prefetches what the query says into the records.
func (q Query[T]) load(ctx context.Context, records []T) error {
	values := make([]reflect.Value, len(records))
	for i := range records {
		values[i] = reflect.ValueOf(&records[i]).Elem()
	}
	l := loader{caller: q.caller, protocol: q.protocol, options: q.callOptions()}
	return l.load(ctx, q.plan, values, q.prefetch)
}

type loader struct {
	caller   Caller
	protocol Protocol
	options  []CallOption
}

// comodelRefs are the fields that refer to records of one struct type.
type comodelRefs struct {
	plan *plan
	dst  []reflect.Value // the pointers; never nil
	ids  []int64         // theirs
	next []string        // what is to be prefetched of them
}

// load reads what the paths refer to, one model after the other, and then what that refers to.
func (l loader) load(ctx context.Context, p *plan, records []reflect.Value, paths []string) error {
	groups := map[reflect.Type]*comodelRefs{}
	var sequence []*comodelRefs // calls are made in the order of the paths
	done := map[string]bool{}
	for _, path := range paths {
		name, rest, more := strings.Cut(path, ".")
		f := p.field(name)
		if f == nil || f.to == nil {
			return p.prefetchable(path)
		}
		g := groups[f.to]
		if g == nil {
			next, err := p.next(f)
			if err != nil {
				return err
			}
			g = &comodelRefs{plan: next}
			groups[f.to] = g
			sequence = append(sequence, g)
		}
		if more && !slices.Contains(g.next, rest) {
			g.next = append(g.next, rest)
		}
		if done[name] {
			continue
		}
		done[name] = true
		for _, r := range records {
			if dst := r.FieldByIndex(f.index); !dst.IsNil() {
				g.dst = append(g.dst, dst)
				g.ids = append(g.ids, g.plan.idOf(dst.Elem()))
			}
		}
	}
	for _, g := range sequence {
		found, err := l.fetch(ctx, g)
		if err != nil {
			return fmt.Errorf("prefetch %s of %s: %w", g.plan.model, p.model, err)
		}
		if len(g.next) == 0 || len(found) == 0 {
			continue
		}
		if err := l.load(ctx, g.plan, found, g.next); err != nil {
			return err
		}
	}
	return nil
}

// fetch reads the records of a group and lets its fields point to them. What the server no longer has, or leaves out,
// keeps its id alone.
func (l loader) fetch(ctx context.Context, g *comodelRefs) ([]reflect.Value, error) {
	byID := map[int64]reflect.Value{}
	var found []reflect.Value
	for chunk := range slices.Chunk(distinct(g.ids), prefetchChunk) {
		raw, err := readRaw(ctx, l.caller, l.protocol, g.plan.model, chunk, g.plan.names, l.options)
		if err != nil {
			return nil, err
		}
		records, err := g.plan.decodeList(raw)
		if err != nil {
			return nil, err
		}
		for _, r := range records {
			byID[g.plan.idOf(r.Elem())] = r
			found = append(found, r.Elem())
		}
	}
	for i, dst := range g.dst {
		if r, ok := byID[g.ids[i]]; ok {
			dst.Set(r)
		}
	}
	return found, nil
}

// idOf is the id of a record.
func (p *plan) idOf(v reflect.Value) int64 {
	f := v.FieldByIndex(p.fields[p.id].index)
	if f.CanInt() {
		return f.Int()
	}
	return int64(f.Uint()) //nolint:gosec // a record's id
}

// distinct are the ids in ascending order, each once: equal questions are then equal to a cache.
func distinct(ids []int64) []int64 {
	out := slices.Clone(ids)
	slices.Sort(out)
	return slices.Compact(out)
}

// Related reads the records of a model that a many2one field of others refers to, and puts them in the place of the
// references, one call for each 500. It is Prefetch for a Record. Fields that are empty stay so.
func Related(ctx context.Context, c Caller, records []Record, field, model string, fields []string, opts ...CallOption) error {
	var ids []int64
	for _, r := range records {
		if id := refOf(r[field]); id != 0 {
			ids = append(ids, id)
		}
	}
	if !slices.Contains(fields, "id") {
		fields = slices.Concat([]string{"id"}, fields)
	}
	byID := map[int64]Record{}
	for chunk := range slices.Chunk(distinct(ids), prefetchChunk) {
		raw, err := readRaw(ctx, c, protocolOf(c), model, chunk, fields, opts)
		if err != nil {
			return fmt.Errorf("prefetch %s: %w", model, err)
		}
		found, err := decodeAll[Record](raw, nil)
		if err != nil {
			return fmt.Errorf("prefetch %s: %w", model, err)
		}
		for _, r := range found {
			byID[r.ID()] = r
		}
	}
	for _, r := range records {
		if to, ok := byID[refOf(r[field])]; ok {
			r[field] = to
		}
	}
	return nil
}

// refOf is the id of a many2one value of a Record, 0 if it is none.
func refOf(v any) int64 {
	if pair, ok := v.([]any); ok && len(pair) == 2 {
		v = pair[0]
	}
	id, _ := number(v)
	return id
}
