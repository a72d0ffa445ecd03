package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Batch makes, changes and deletes many records with few calls, several of them at once. A value with nothing set
// works.
//
// Every chunk is one call and one transaction of the server: it succeeds or fails as a whole, and the others with it
// or without it. A chunk that failed is never taken apart and tried again record by record: its records all get the
// error, a *ChunkError, which says who shares it.
type Batch struct {
	// Caller makes the calls.
	Caller Caller
	// Chunk is the number of records of one call. Defaults to 100.
	Chunk int
	// Concurrency is the number of calls at once. Defaults to 5. With 1 chunks go one after the other, in order.
	Concurrency int
	// StopOnError makes no further calls once one has failed. Defaults to false.
	StopOnError bool
	// Options are those of each call. Defaults to none.
	Options []CallOption
	// Progress is told after each chunk, never by two goroutines at once; the batch waits for it. Defaults to nobody.
	Progress func(Progress)
}

// Progress is how far a batch has come, in records.
type Progress struct{ Done, Failed, Total int }

// Outcome is what became of one record.
type Outcome struct {
	ID  int64 // 0 of a record that was not made
	Err error
}

// ErrNotSent says that the call for a record was not made, because the batch ended before.
var ErrNotSent = errors.New("not sent")

// ChunkError is what a record of a chunk gets that failed.
type ChunkError struct {
	Model, Method string
	First, Len    int // the chunk: where its first record stands in what was given, and how many it has
	Cause         error
}

var _ error = (*ChunkError)(nil)

func (e *ChunkError) Error() string {
	return fmt.Sprintf("%s %d records of %s from the %d. on: %v", e.Method, e.Len, e.Model, e.First+1, e.Cause)
}

func (e *ChunkError) Unwrap() error { return e.Cause }

// Failed joins the errors of the outcomes, one for each chunk; it is nil if there are none.
func Failed(outcomes []Outcome) error {
	var errs []error
	for _, o := range outcomes {
		if o.Err != nil && !slices.Contains(errs, o.Err) {
			errs = append(errs, o.Err)
		}
	}
	return errors.Join(errs...)
}

// Change is new values for one record.
type Change struct {
	ID     int64
	Values Record
}

// job is one chunk: which records it has, by their place, and the call for them.
type job struct {
	places []int
	call   func(ctx context.Context) ([]int64, error)
}

// Create makes records; outcome i is that of values[i].
func (b Batch) Create(ctx context.Context, model string, values []Record) []Outcome {
	var jobs []job
	for part := range slices.Chunk(places(len(values)), b.chunk()) {
		list := values[part[0] : part[len(part)-1]+1]
		jobs = append(jobs, job{part, func(ctx context.Context) ([]int64, error) {
			return Create(ctx, b.Caller, model, list, b.Options...)
		}})
	}
	return b.run(ctx, model, "create", make([]Outcome, len(values)), jobs)
}

// Write changes records; outcome i is that of changes[i]. Those with equal values share a call; to Tryton, which takes
// several values in a call, all go chunk by chunk. A record may be changed once only, for the order of calls is open.
func (b Batch) Write(ctx context.Context, model string, changes []Change) []Outcome {
	out := make([]Outcome, len(changes))
	seen := make(map[int64]bool, len(changes))
	for i, c := range changes {
		if out[i].ID = c.ID; seen[c.ID] {
			err := fmt.Errorf("write %s: record %d is there twice", model, c.ID)
			for i := range out {
				out[i] = Outcome{changes[i].ID, err}
			}
			return out
		}
		seen[c.ID] = true
	}
	p := protocolOf(b.Caller)
	// Records by their values, in the order of their first.
	groups, index := [][]int{}, map[string]int{}
	values := make([]any, len(changes))
	for i, c := range changes {
		values[i] = plain(p, c.Values)
		text, err := json.Marshal(values[i])
		if err != nil {
			out[i].Err = fmt.Errorf("write %s %d: %w", model, c.ID, err)
			continue
		}
		g, ok := index[string(text)]
		if !ok {
			g = len(groups)
			index[string(text)] = g
			groups = append(groups, nil)
		}
		groups[g] = append(groups[g], i)
	}
	if p == Tryton {
		return b.run(ctx, model, "write", out, b.pairs(model, changes, values, groups))
	}
	var jobs []job
	for _, g := range groups {
		for part := range slices.Chunk(g, b.chunk()) {
			jobs = append(jobs, job{part, func(ctx context.Context) ([]int64, error) {
				ids := idsOf(changes, part)
				_, err := b.Caller.Call(ctx, model, "write", []any{ids, values[part[0]]}, nil, b.Options...)
				return ids, err
			}})
		}
	}
	return b.run(ctx, model, "write", out, jobs)
}

// pairs are chunks of several groups, each as ids, values, ids, values and so on.
func (b Batch) pairs(model string, changes []Change, values []any, groups [][]int) []job {
	group := make([]int, len(changes))
	for i, g := range groups {
		for _, at := range g {
			group[at] = i
		}
	}
	var jobs []job
	for part := range slices.Chunk(slices.Concat(groups...), b.chunk()) {
		jobs = append(jobs, job{part, func(ctx context.Context) ([]int64, error) {
			var args []any
			for rest := part; len(rest) > 0; {
				n := 1
				for n < len(rest) && group[rest[n]] == group[rest[0]] {
					n++
				}
				args = append(args, idsOf(changes, rest[:n]), values[rest[0]])
				rest = rest[n:]
			}
			_, err := b.Caller.Call(ctx, model, "write", args, nil, b.Options...)
			return idsOf(changes, part), err
		}})
	}
	return jobs
}

func idsOf(changes []Change, places []int) []int64 {
	ids := make([]int64, len(places))
	for i, at := range places {
		ids[i] = changes[at].ID
	}
	return ids
}

// Unlink deletes records; outcome i is that of ids[i].
func (b Batch) Unlink(ctx context.Context, model string, ids []int64) []Outcome {
	out := make([]Outcome, len(ids))
	var jobs []job
	for part := range slices.Chunk(places(len(ids)), b.chunk()) {
		list := ids[part[0] : part[len(part)-1]+1]
		jobs = append(jobs, job{part, func(ctx context.Context) ([]int64, error) {
			return list, Unlink(ctx, b.Caller, model, list, b.Options...)
		}})
	}
	for i, id := range ids {
		out[i].ID = id
	}
	return b.run(ctx, model, "unlink", out, jobs)
}

func (b Batch) chunk() int {
	if b.Chunk <= 0 {
		return 100
	}
	return b.Chunk
}

func places(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// run makes the calls and fills in the outcomes.
func (b Batch) run(ctx context.Context, model, method string, out []Outcome, jobs []job) []Outcome {
	workers := b.Concurrency
	if workers <= 0 {
		workers = 5
	}
	var (
		mu       sync.Mutex // of all that follows, and of out
		next     int
		progress = Progress{Total: len(out)}
		stopped  bool
		wg       sync.WaitGroup
	)
	for i := range out {
		if out[i].Err != nil { // was no record that can be sent
			progress.Done, progress.Failed = progress.Done+1, progress.Failed+1
		}
	}
	take := func() (job, error, bool) {
		mu.Lock()
		defer mu.Unlock()
		if next == len(jobs) {
			return job{}, nil, false
		}
		next++
		switch err := ctx.Err(); {
		case err != nil:
			return jobs[next-1], fmt.Errorf("%w: %w", ErrNotSent, err), true
		case stopped:
			return jobs[next-1], fmt.Errorf("%w: another chunk failed", ErrNotSent), true
		}
		return jobs[next-1], nil, true
	}
	finish := func(j job, ids []int64, err error) {
		mu.Lock()
		defer mu.Unlock()
		progress.Done += len(j.places)
		if err != nil {
			progress.Failed += len(j.places)
			stopped = stopped || b.StopOnError
			err = &ChunkError{Model: model, Method: method, First: j.places[0], Len: len(j.places), Cause: err}
		}
		for i, at := range j.places {
			if out[at].Err = err; err == nil {
				out[at].ID = ids[i]
			}
		}
		if b.Progress != nil {
			b.Progress(progress)
		}
	}
	for range min(workers, len(jobs)) {
		wg.Go(func() {
			for {
				j, err, more := take()
				if !more {
					return
				}
				var ids []int64
				if err == nil {
					ids, err = j.call(ctx)
				}
				finish(j, ids, err)
			}
		})
	}
	wg.Wait()
	return out
}
