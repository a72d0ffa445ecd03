package client

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
)

// Create makes records of the model with one call and returns their ids, in the order of the values. Values may be
// what the fields of a struct may be: time.Time, Date, Decimal, Ref, []byte, pointers, and nil for an empty field.
//
// A call that failed on its way (Error.Sent, with KindConnection or KindTimeout) may have made them all the same.
func Create(ctx context.Context, c Caller, model string, values []Record, opts ...CallOption) ([]int64, error) {
	if len(values) == 0 {
		return []int64{}, nil
	}
	p := protocolOf(c)
	list := make([]any, len(values))
	for i, v := range values {
		list[i] = plain(p, v)
	}
	raw, err := c.Call(ctx, model, "create", []any{list}, nil, opts...)
	if err != nil {
		return nil, err
	}
	ids, err := idList(raw)
	if err == nil && len(ids) != len(values) {
		err = fmt.Errorf("%w: %d ids for %d records", errShape, len(ids), len(values))
	}
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", model, err)
	}
	return ids, nil
}

// idList reads ids; a server that made one record may answer with its id alone.
func idList(raw json.RawMessage) ([]int64, error) {
	var ids []int64
	if err := json.Unmarshal(raw, &ids); err == nil {
		return ids, nil
	}
	var id int64
	if err := json.Unmarshal(raw, &id); err != nil {
		return nil, err
	}
	return []int64{id}, nil
}

// Write sets the same values in all those records, with one call. Without ids or values it calls nobody.
func Write(ctx context.Context, c Caller, model string, ids []int64, values Record, opts ...CallOption) error {
	if len(ids) == 0 || len(values) == 0 {
		return nil
	}
	_, err := c.Call(ctx, model, "write", []any{ids, plain(protocolOf(c), values)}, nil, opts...)
	return err
}

// Unlink deletes the records with one call.
func Unlink(ctx context.Context, c Caller, model string, ids []int64, opts ...CallOption) error {
	if len(ids) == 0 {
		return nil
	}
	method := "unlink"
	if protocolOf(c) == Tryton {
		method = "delete"
	}
	_, err := c.Call(ctx, model, method, []any{ids}, nil, opts...)
	return err
}

// Create makes records of the structs with one call and returns their ids. Every field with a tag is sent, so that a
// zero is an empty field, but for the id, pointers to other models' structs, lists of ids (relations are changed by
// the servers' commands, with Write), fields whose tag says readonly (`odoo:"create_date,readonly"`) and zeros of fields
// whose tag says omitempty.
func (q Query[T]) Create(ctx context.Context, records ...T) ([]int64, error) {
	if q.err != nil {
		return nil, q.err
	}
	values := make([]Record, len(records))
	for i := range records {
		values[i] = q.valuesOf(&records[i])
	}
	return Create(ctx, q.caller, q.model, values, q.callOptions()...)
}

// Save writes the fields of a struct that has an id, those that Create would send. Only and Defer choose among them.
func (q Query[T]) Save(ctx context.Context, record T) error {
	if q.err != nil {
		return q.err
	}
	if q.plan != nil && q.plan.id < 0 {
		return fmt.Errorf("save %s: %w: no field of %T is the id", q.model, ErrModel, record)
	}
	id := q.id(&record)
	if id == 0 {
		return fmt.Errorf("save %s: %w: it has no id", q.model, ErrNoRecord)
	}
	return Write(ctx, q.caller, q.model, []int64{id}, q.valuesOf(&record), q.callOptions()...)
}

// Update sets the values in all records that meet the query, with a search and a write; the ids are those written.
// A record that comes to meet it between the two is not written.
func (q Query[T]) Update(ctx context.Context, values Record) ([]int64, error) {
	ids, err := q.With(NoCache()).IDs(ctx)
	if err != nil {
		return nil, err
	}
	return ids, Write(ctx, q.caller, q.model, ids, values, q.callOptions()...)
}

// Delete deletes all records that meet the query, with a search and a deletion; the ids are those deleted.
func (q Query[T]) Delete(ctx context.Context) ([]int64, error) {
	ids, err := q.With(NoCache()).IDs(ctx)
	if err != nil {
		return nil, err
	}
	return ids, Unlink(ctx, q.caller, q.model, ids, q.callOptions()...)
}

// valuesOf are the values of a record that are to be written.
func (q Query[T]) valuesOf(r *T) Record {
	var values Record
	if q.plan != nil {
		values = q.plan.values(reflect.ValueOf(r).Elem())
	} else {
		values = any(*r).(Record)
	}
	out := make(Record, len(values))
	for name, v := range values {
		if name != "id" && (q.only == nil || slices.Contains(q.only, name)) && !slices.Contains(q.without, name) {
			out[name] = v
		}
	}
	return out
}
