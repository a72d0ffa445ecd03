package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// ErrNoRecord and ErrManyRecords are what a [CountError] is.
var (
	ErrNoRecord    = errors.New("no such record")
	ErrManyRecords = errors.New("more than one such record")
)

// CountError says that Get, which wants exactly one record, met none or several.
type CountError struct {
	Model string
	Many  bool
}

var _ error = (*CountError)(nil)

func (e *CountError) Error() string { return "get " + e.Model + ": " + e.Unwrap().Error() }

// Unwrap is ErrNoRecord or ErrManyRecords.
func (e *CountError) Unwrap() error {
	if e.Many {
		return ErrManyRecords
	}
	return ErrNoRecord
}

// All reads the records.
func (q Query[T]) All(ctx context.Context) ([]T, error) {
	if q.err != nil {
		return nil, q.err
	}
	if q.empty() {
		return []T{}, nil
	}
	raw, err := q.searchRead(ctx, q.fields())
	if err != nil {
		return nil, err
	}
	out, err := decodeAll[T](raw, q.plan)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", q.model, err)
	}
	if len(q.prefetch) > 0 && len(out) > 0 {
		err = q.load(ctx, out)
	}
	return out, err
}

// First reads the first record, and tells whether there is one.
func (q Query[T]) First(ctx context.Context) (T, bool, error) {
	all, err := q.atMost(1).All(ctx)
	if err != nil || len(all) == 0 {
		return *new(T), false, err
	}
	return all[0], true, nil
}

// Get reads the one record; none or several is a *CountError.
func (q Query[T]) Get(ctx context.Context) (T, error) {
	all, err := q.atMost(2).All(ctx)
	switch {
	case err != nil:
		return *new(T), err
	case len(all) != 1:
		return *new(T), &CountError{Model: q.model, Many: len(all) > 1}
	}
	return all[0], nil
}

func (q Query[T]) atMost(n int) Query[T] {
	if q.limit < 0 || q.limit > n {
		q.limit = n
	}
	return q
}

// Count is the number of records.
func (q Query[T]) Count(ctx context.Context) (int, error) {
	domain, err := q.Domain()
	if err = errors.Join(q.err, err); err != nil {
		return 0, err
	}
	if q.empty() {
		return 0, nil
	}
	raw, err := q.caller.Call(ctx, q.model, "search_count", []any{domain}, nil, q.callOptions()...)
	if err != nil {
		return 0, err
	}
	var n int
	if err := json.Unmarshal(raw, &n); err != nil {
		return 0, fmt.Errorf("count %s: %w", q.model, err)
	}
	// Not every version of the servers counts within limits.
	n = max(0, n-q.offset)
	if q.limit >= 0 {
		n = min(n, q.limit)
	}
	return n, nil
}

// Exists tells whether there is a record.
func (q Query[T]) Exists(ctx context.Context) (bool, error) {
	q.order = nil
	ids, err := q.atMost(1).IDs(ctx)
	return len(ids) > 0, err
}

// IDs are the records' ids, in their order.
func (q Query[T]) IDs(ctx context.Context) ([]int64, error) {
	domain, err := q.Domain()
	if err = errors.Join(q.err, err); err != nil {
		return nil, err
	}
	if q.empty() {
		return []int64{}, nil
	}
	args, kwargs := q.window([]any{domain})
	raw, err := q.caller.Call(ctx, q.model, "search", args, kwargs, q.callOptions()...)
	if err != nil {
		return nil, err
	}
	ids := []int64{}
	if err := json.Unmarshal(raw, &ids); err != nil {
		return nil, fmt.Errorf("search %s: %w", q.model, err)
	}
	return ids, nil
}

// Values reads these fields of the records, in the form that the server gives them.
func (q Query[T]) Values(ctx context.Context, fields ...string) ([]Record, error) {
	if q.err != nil {
		return nil, q.err
	}
	if q.empty() {
		return []Record{}, nil
	}
	raw, err := q.searchRead(ctx, fields)
	if err != nil {
		return nil, err
	}
	out, err := decodeAll[Record](raw, nil)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", q.model, err)
	}
	return out, nil
}

// window adds offset, limit and order to a call's arguments.
func (q Query[T]) window(args []any) ([]any, map[string]any) {
	order := q.orderArgument()
	if q.protocol == Tryton {
		var limit any
		if q.limit >= 0 {
			limit = q.limit
		}
		return append(args, q.offset, limit, order), nil
	}
	kwargs := map[string]any{}
	if q.offset > 0 {
		kwargs["offset"] = q.offset
	}
	if q.limit >= 0 {
		kwargs["limit"] = q.limit
	}
	if order != nil {
		kwargs["order"] = order
	}
	return args, kwargs
}

func (q Query[T]) searchRead(ctx context.Context, fields []string) (json.RawMessage, error) {
	domain, err := q.Domain()
	if err != nil {
		return nil, err
	}
	args, kwargs := q.window([]any{domain})
	switch {
	case q.protocol == Tryton && len(fields) == 0:
		return nil, fmt.Errorf("read %s: Tryton wants the fields to be named", q.model)
	case q.protocol == Tryton:
		args = append(args, fields)
	case fields != nil:
		kwargs["fields"] = fields
	}
	return q.caller.Call(ctx, q.model, "search_read", args, kwargs, q.callOptions()...)
}

// readRaw reads records by their ids with one call; the order is the server's.
func readRaw(ctx context.Context, c Caller, p Protocol, model string, ids []int64, fields []string, opts []CallOption) (json.RawMessage, error) {
	if p == Tryton {
		return c.Call(ctx, model, "read", []any{ids, fields}, nil, opts...)
	}
	return c.Call(ctx, model, "read", []any{ids}, map[string]any{"fields": fields}, opts...)
}
