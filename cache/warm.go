package cache

import "context"

// Warmup is a query whose answer is to be in the cache.
type Warmup struct {
	Key     Key
	Options LoadOptions
	Load    Source
}

// Warm loads what is not cached yet, some at a time, and returns how many are there afterwards. It goes on after a
// failure; the error is the first one.
func (l *Loader) Warm(ctx context.Context, atOnce int, list ...Warmup) (int, error) {
	next, outcomes := make(chan Warmup), make(chan error)
	for range min(max(atOnce, 1), len(list)) {
		go func() {
			for w := range next {
				_, err := l.Load(ctx, w.Key, w.Options, w.Load)
				outcomes <- err
			}
		}()
	}
	go func() {
		defer close(next)
		for _, w := range list {
			next <- w
		}
	}()
	var first error
	warm := 0
	for range list {
		if err := <-outcomes; err == nil {
			warm++
		} else if first == nil {
			first = err
		}
	}
	return warm, first
}
