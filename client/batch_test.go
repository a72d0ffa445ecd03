package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func named(n int) []Record {
	out := make([]Record, n)
	for i := range out {
		out[i] = Record{"name": fmt.Sprintf("n%d", i)}
	}
	return out
}

// TestBatchOutcomesAreInOrder: by default 100 records a call, and each outcome stands where its record did.
func TestBatchOutcomesAreInOrder(t *testing.T) {
	both(t, 0, func(t *testing.T, f *fake) {
		var progress []Progress
		b := Batch{Caller: f, Progress: func(p Progress) { progress = append(progress, p) }}
		out := b.Create(t.Context(), "res.partner", named(250))
		if err := Failed(out); err != nil || len(f.take()) != 3 {
			t.Fatal(err)
		}
		var ids []int64
		for i, o := range out {
			if f.tables["res.partner"][o.ID]["name"] != fmt.Sprintf("n%d", i) {
				t.Fatalf("record %d got the id %d of %v", i, o.ID, f.tables["res.partner"][o.ID])
			}
			ids = append(ids, o.ID)
		}
		if len(progress) != 3 || progress[2] != (Progress{Done: 250, Total: 250}) || progress[0].Done >= progress[1].Done {
			t.Errorf("progress %v", progress)
		}
		changes := make([]Change, len(ids))
		for i, id := range ids {
			changes[i] = Change{id, Record{"age": i % 3}}
		}
		if err := Failed(b.Write(t.Context(), "res.partner", changes)); err != nil {
			t.Fatal(err)
		}
		if calls := f.take(); len(calls) != 3 { // three values at Odoo, three chunks at Tryton
			t.Errorf("%d calls of write", len(calls))
		}
		for i, id := range ids {
			if n, _ := number(f.tables["res.partner"][id]["age"]); n != int64(i%3) {
				t.Fatalf("record %d has age %d", i, n)
			}
		}
		if err := Failed(b.Unlink(t.Context(), "res.partner", ids[:120])); err != nil || len(f.tables["res.partner"]) != 130 || len(f.take()) != 2 {
			t.Errorf("%d left, %v", len(f.tables["res.partner"]), err)
		}
		if out := b.Create(t.Context(), "res.partner", nil); len(out) != 0 || len(f.take()) != 0 {
			t.Errorf("of nothing: %v", out)
		}
	})
}

// TestBatchFailsByChunk: a refused chunk gives its own records the error, is not taken apart, and harms no other.
func TestBatchFailsByChunk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFake(rapid.SampledFrom([]Protocol{Odoo, Tryton}).Draw(t, "protocol"))
		n, chunk := rapid.IntRange(1, 60).Draw(t, "records"), rapid.IntRange(1, 20).Draw(t, "chunk")
		bad := rapid.SliceOfN(rapid.IntRange(0, n-1), 0, 3).Draw(t, "bad")
		f.before = func(_, _ string, args []any) error {
			for _, v := range args[0].([]any) {
				for _, i := range bad {
					if v.(row)["name"] == fmt.Sprintf("n%d", i) {
						return &Error{Kind: KindValidation, Sent: true, Message: "refused"}
					}
				}
			}
			return nil
		}
		failed := 0
		out := Batch{Caller: f, Chunk: chunk, Concurrency: 3, Progress: func(p Progress) { failed = p.Failed }}.Create(context.Background(), "res.partner", named(n))
		calls := (n + chunk - 1) / chunk
		if len(out) != n || len(f.take()) != calls {
			t.Fatalf("%d outcomes of %d", len(out), n)
		}
		wrong := 0
		for i, o := range out {
			inBad := slices.ContainsFunc(bad, func(b int) bool { return b/chunk == i/chunk })
			if inBad {
				wrong++
				var e *ChunkError
				if !errors.Is(o.Err, KindValidation) || !errors.As(o.Err, &e) || e.First != i/chunk*chunk || e.Len != min(chunk, n-e.First) || o.ID != 0 {
					t.Fatalf("record %d: %+v", i, o)
				}
			} else if o.Err != nil || f.tables["res.partner"][o.ID]["name"] != fmt.Sprintf("n%d", i) {
				t.Fatalf("record %d: %+v", i, o)
			}
		}
		if failed != wrong || (Failed(out) == nil) != (wrong == 0) {
			t.Fatalf("%d failed, %d reported: %v", wrong, failed, Failed(out))
		}
	})
}

// slow counts the calls that are made at once; each takes a second of the test's clock.
type slow struct {
	Caller
	now, most atomic.Int32
}

func (s *slow) Call(ctx context.Context, model, method string, args []any, kwargs map[string]any, opts ...CallOption) (json.RawMessage, error) {
	if n := s.now.Add(1); n > s.most.Load() {
		s.most.Store(n)
	}
	defer s.now.Add(-1)
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
	}
	return s.Caller.Call(ctx, model, method, args, kwargs, opts...)
}

// TestBatchRunsFiveAtOnce: by default, and as many as Concurrency says; when its context ends, what was not begun is
// not sent.
func TestBatchRunsFiveAtOnce(t *testing.T) {
	for want, b := range map[int32]Batch{5: {}, 2: {Concurrency: 2}, 1: {Concurrency: 1}} {
		synctest.Test(t, func(t *testing.T) {
			s := &slow{Caller: newFake(Odoo)}
			b.Caller, b.Chunk = s, 10
			start := time.Now()
			out := b.Create(t.Context(), "res.partner", named(100))
			if took := time.Since(start); Failed(out) != nil || s.most.Load() != want || took != time.Duration(math.Ceil(10/float64(want)))*time.Second {
				t.Errorf("%d at once in %v, want %d; %v", s.most.Load(), took, want, Failed(out))
			}
			ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
			defer cancel()
			out = b.Create(ctx, "res.partner", named(1000))
			done, notSent := 0, 0
			for _, o := range out {
				switch {
				case o.Err == nil:
					done++
				case errors.Is(o.Err, ErrNotSent) && errors.Is(o.Err, context.DeadlineExceeded):
					notSent++
				}
			}
			if done != int(want)*10 || notSent != 1000-2*done {
				t.Errorf("%d made and %d not sent", done, notSent)
			}
		})
	}
}

func TestBatchStopsOnError(t *testing.T) {
	f := newFake(Odoo)
	f.before = func(string, string, []any) error { return &Error{Kind: KindUser, Sent: true} }
	out := Batch{Caller: f, Chunk: 1, Concurrency: 1, StopOnError: true}.Create(t.Context(), "res.partner", named(5))
	if !errors.Is(out[0].Err, KindUser) || !errors.Is(out[4].Err, ErrNotSent) || len(f.take()) != 1 {
		t.Errorf("outcomes %v", out)
	}
}

func TestBatchRefusesWhatHasNoOrder(t *testing.T) {
	f := populate(newFake(Odoo), 2)
	out := Batch{Caller: f}.Write(t.Context(), "res.partner", []Change{{1, Record{"age": 1}}, {2, Record{"age": 1}}, {1, Record{"age": 2}}})
	if len(out) != 3 || out[1].Err == nil || out[1].ID != 2 || len(f.take()) != 0 {
		t.Errorf("a record twice: %v", out)
	}
	out = Batch{Caller: f}.Write(t.Context(), "res.partner", []Change{{1, Record{"age": math.NaN()}}, {2, Record{"age": 1}}})
	if out[0].Err == nil || out[1].Err != nil || len(f.take()) != 1 {
		t.Errorf("a value that is none: %v", out)
	}
}

func TestCreateSaveUpdateDelete(t *testing.T) {
	both(t, 3, func(t *testing.T, f *fake) {
		ctx, table := t.Context(), f.tables["res.partner"]
		q := Model[partner](f)
		ids, err := q.Create(ctx, partner{Name: "a", Age: 3, Country: Ref{ID: 2}}, partner{Name: "b"})
		if must(t, ids, err); len(ids) != 2 || table[ids[0]]["country"] != int64(2) || table[ids[1]]["country"] != nil {
			t.Errorf("made %v: %v", ids, table)
		}
		p, err := q.Filter(F("id").Eq(ids[0])).Get(ctx)
		must(t, p, err)
		p.Name, p.Age = "changed", 9
		if err := q.Only("name").Save(ctx, p); err != nil || table[ids[0]]["name"] != "changed" || table[ids[0]]["age"] != int64(3) {
			t.Errorf("saved: %v, %v", table[ids[0]], err)
		}
		if err := q.Save(ctx, partner{Name: "x"}); !errors.Is(err, ErrNoRecord) {
			t.Errorf("saved without an id: %v", err)
		}
		changed, err := q.Filter(F("name").Like("p")).Update(ctx, Record{"age": 50})
		if must(t, changed, err); len(changed) != 3 || table[1]["age"] != int64(50) || table[ids[0]]["age"] == int64(50) {
			t.Errorf("updated %v: %v", changed, table)
		}
		gone, err := q.Filter(F("age").Eq(50)).Delete(ctx)
		if must(t, gone, err); len(gone) != 3 || len(table) != 2 {
			t.Errorf("deleted %v: %v", gone, table)
		}
		f.take()
		none, err := q.Filter(F("age").Eq(50)).Delete(ctx)
		if must(t, none, err); strings.Join(f.take(), " ") != "res.partner.search" {
			t.Errorf("deleted %v", none)
		}
	})
}

// short answers create with fewer ids than there were records.
type short struct{ Caller }

func (short) Call(context.Context, string, string, []any, map[string]any, ...CallOption) (json.RawMessage, error) {
	return json.RawMessage(`[1]`), nil
}

func TestCreateChecksTheIDs(t *testing.T) {
	if ids, err := Create(t.Context(), short{}, "res.partner", named(2)); !errors.Is(err, errShape) {
		t.Errorf("two records became %v, %v", ids, err)
	}
	if ids, err := Create(t.Context(), short{}, "res.partner", named(1)); err != nil || !slices.Equal(ids, []int64{1}) {
		t.Errorf("one record became %v, %v", ids, err)
	}
}
