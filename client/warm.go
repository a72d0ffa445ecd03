package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Find reads the record with that id; that there is none is a *CountError. It is what SaveThrough keeps ready.
func (q Query[T]) Find(ctx context.Context, id int64) (T, error) {
	return q.Filter(F("id").Eq(id)).Get(ctx)
}

// SaveThrough is Save, and then reads the record anew, past the cache and into it: the next Find of it needs no server.
// What it returns has what the server made of the values.
func (q Query[T]) SaveThrough(ctx context.Context, record T) (T, error) {
	if err := q.Save(ctx, record); err != nil {
		return *new(T), err
	}
	saved, err := q.With(Refresh()).Find(ctx, q.id(&record))
	if err != nil {
		err = fmt.Errorf("read %s after it was saved: %w", q.model, err)
	}
	return saved, err
}

// Warm asks the server and puts the answer into the client's cache, with what Prefetch says, for the next All.
func (q Query[T]) Warm(ctx context.Context) error {
	_, err := q.With(Refresh()).All(ctx)
	return err
}

// Warmer is a query whose answer can be put into a cache.
type Warmer interface {
	Warm(ctx context.Context) error
}

var _ Warmer = Query[Record]{}

// Warm puts the answers of queries into the cache, some at a time, as a program does that starts. It goes on after a
// failure; the errors are joined.
func Warm(ctx context.Context, atOnce int, queries ...Warmer) error {
	errs := make([]error, len(queries))
	free := make(chan struct{}, max(atOnce, 1))
	var wg sync.WaitGroup
	for i, q := range queries {
		free <- struct{}{}
		wg.Go(func() {
			errs[i] = q.Warm(ctx)
			<-free
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
