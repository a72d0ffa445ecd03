package client

import (
	"context"
	"fmt"
	"iter"
	"reflect"
	"slices"
)

// iterateChunk is the number of records that Iter asks for at a time unless told otherwise.
const iterateChunk = 100

// Iter reads the records chunk by chunk (of 100, if chunk is 0) and yields one after the other. It holds one chunk in
// memory, and asks for the next when the last of it is taken. An error ends it and comes with a zero record.
//
// Without OrderBy, or by id, records come by id, and each chunk begins behind the last id: records that appear or
// vanish meanwhile move none of the others. With another order, a first call gets the ids in that order, which stay in
// memory (8 bytes each) as what the answer is; the chunks are then read by id, and what was deleted meanwhile is left
// out.
//
// Every chunk is a call of its own transaction: what changes between them is seen, or not, as it happens. With a
// cache, it may be the cache's chunks; use With(NoCache()) for what passes by once.
func (q Query[T]) Iter(ctx context.Context, chunk int) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for batch, err := range q.Batches(ctx, chunk) {
			if err != nil {
				yield(*new(T), err)
				return
			}
			for _, r := range batch {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

// Batches is Iter by whole chunks, none of them empty. Each is the receiver's to keep.
func (q Query[T]) Batches(ctx context.Context, chunk int) iter.Seq2[[]T, error] {
	if chunk == 0 {
		chunk = iterateChunk
	}
	return func(yield func([]T, error) bool) {
		err := q.err
		if chunk < 0 {
			err = fmt.Errorf("iterate %s: a chunk of %d records", q.model, chunk)
		}
		if err == nil && q.plan != nil && q.plan.id < 0 {
			err = fmt.Errorf("iterate %s: %w: no field of %T is the id", q.model, ErrModel, *new(T))
		}
		switch {
		case err != nil:
			yield(nil, err)
		case q.empty():
		case len(q.order) == 0, len(q.order) == 1 && q.order[0].field == "id":
			q.byKey(ctx, chunk, yield)
		default:
			q.byIDs(ctx, chunk, yield)
		}
	}
}

// byKey yields the chunks that each begin behind the last id of the one before.
func (q Query[T]) byKey(ctx context.Context, chunk int, yield func([]T, error) bool) {
	desc := len(q.order) == 1 && q.order[0].desc
	left := q.limit
	page := q
	page.order = []order{{"id", desc}}
	for left != 0 {
		page.limit = chunk
		if left > 0 {
			page.limit = min(chunk, left)
		}
		batch, err := page.All(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		if len(batch) == 0 || !yield(batch, nil) || len(batch) < page.limit {
			return
		}
		if left > 0 {
			left -= len(batch)
		}
		first, last := q.id(&batch[0]), q.id(&batch[len(batch)-1])
		if last < first != desc && len(batch) > 1 || last == 0 {
			yield(nil, fmt.Errorf("iterate %s: %w: records do not come by id", q.model, errShape))
			return
		}
		page.offset = 0
		if desc {
			page.where = And(q.where, F("id").Lt(last))
		} else {
			page.where = And(q.where, F("id").Gt(last))
		}
	}
}

// byIDs yields chunks of the ids that one search gives in the wanted order.
func (q Query[T]) byIDs(ctx context.Context, chunk int, yield func([]T, error) bool) {
	ids, err := q.IDs(ctx)
	if err != nil {
		yield(nil, err)
		return
	}
	page := q
	page.order, page.offset, page.limit = []order{{"id", false}}, 0, -1
	for part := range slices.Chunk(ids, chunk) {
		page.where = And(q.where, F("id").InIDs(part))
		batch, err := page.All(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		place := make(map[int64]int, len(part))
		for i, id := range part {
			place[id] = i
		}
		slices.SortFunc(batch, func(a, b T) int { return place[q.id(&a)] - place[q.id(&b)] })
		if len(batch) > 0 && !yield(batch, nil) {
			return
		}
	}
}

// id is the id of a record, which is a Record or a struct with an id.
func (q Query[T]) id(r *T) int64 {
	if q.plan == nil {
		return any(*r).(Record).ID()
	}
	return q.plan.idOf(reflect.ValueOf(r).Elem())
}
