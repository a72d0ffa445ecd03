package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestPrefetchMakesOneCallForAModel: however many records refer to however many others, through two fields and two
// levels of the same model; chunked where there are too many.
func TestPrefetchMakesOneCallForAModel(t *testing.T) {
	both(t, 200, func(t *testing.T, f *fake) {
		type wide struct {
			_       struct{} `odoo:"res.partner" tryton:"res.partner"`
			ID      int64    `odoo:"id" tryton:"id"`
			Country *country `odoo:"country" tryton:"country"`
			Parent  *parent  `odoo:"parent" tryton:"parent"`
		}
		f.before = func(model, method string, args []any) error {
			if method != "read" {
				return nil
			}
			if ids := idsOfAny(args[0]); !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != len(ids) {
				return fmt.Errorf("reads %s %v", model, ids)
			}
			return nil
		}
		all, err := Model[wide](f).Prefetch("country", "parent", "parent.country", "parent.parent.country").OrderBy("id").All(t.Context())
		must(t, all, err)
		want := []string{"res.partner.search_read", "res.country.read", "res.partner.read", "res.country.read", "res.partner.read", "res.country.read"}
		if calls := f.take(); !slices.Equal(calls, want) {
			t.Errorf("calls %v, want %v", calls, want)
		}
		for _, p := range all {
			code := []string{"BE", "FR", "NL"}[p.ID%3]
			if p.Country.Code != code || p.Country != all[p.ID%3+2].Country {
				t.Fatalf("partner %d: country %+v, want %s, shared with the others of it", p.ID, p.Country, code)
			}
			if p.ID == 1 {
				if p.Parent != nil {
					t.Fatalf("partner 1 has the parent %+v", p.Parent)
				}
				continue
			}
			want := 1 + p.ID/2%5
			if p.Parent.ID != want || p.Parent.Name != fmt.Sprintf("p%d", want) || p.Parent.Country.Code != []string{"BE", "FR", "NL"}[want%3] {
				t.Fatalf("partner %d: parent %+v in %+v, want %d", p.ID, p.Parent, p.Parent.Country, want)
			}
			if up := p.Parent.Parent; up != nil && (up.Name == "" || up.Country.Code == "") {
				t.Fatalf("partner %d: parent's parent %+v", p.ID, up)
			}
		}
	})
}

func TestPrefetchReadsInChunks(t *testing.T) {
	f := newFake(Odoo)
	for i := range prefetchChunk + 1 {
		f.insert("res.country", row{"code": fmt.Sprint(i)})
		f.insert("res.partner", row{"name": "x", "country": int64(i + 1)})
	}
	type narrow struct {
		_       struct{} `odoo:"res.partner"`
		ID      int64    `odoo:"id"`
		Country *country `odoo:"country"`
	}
	all, err := Model[narrow](f).Prefetch("country").All(t.Context())
	if must(t, all, err); all[prefetchChunk].Country.Code != fmt.Sprint(prefetchChunk) {
		t.Errorf("the last one's country: %+v", all[prefetchChunk].Country)
	}
	if calls := f.take(); len(calls) != 3 {
		t.Errorf("%d calls, want 3", len(calls))
	}
	f.before = func(model, _ string, _ []any) error {
		if model == "res.country" {
			return &Error{Kind: KindAccess, Model: model, Method: "read"}
		}
		return nil
	}
	if _, err := Model[narrow](f).Prefetch("country").All(t.Context()); !errors.Is(err, KindAccess) {
		t.Errorf("without rights: %v", err)
	}
}

// TestIterYieldsWhatAllReads: every record once, in the order of All, whatever chunk, order, limit and offset.
func TestIterYieldsWhatAllReads(t *testing.T) {
	for _, p := range []Protocol{Odoo, Tryton} {
		f := populate(newFake(p), 40)
		rapid.Check(t, func(t *rapid.T) {
			q := Model[partner](f)
			if rapid.Bool().Draw(t, "filter") {
				q = q.Exclude(F("age").Eq(rapid.IntRange(0, 6).Draw(t, "age")))
			}
			if n := rapid.IntRange(-1, 50).Draw(t, "limit"); n >= 0 {
				q = q.Limit(n)
			}
			q = q.Offset(rapid.IntRange(0, 10).Draw(t, "offset"))
			ordered := q
			switch o := rapid.SampledFrom([]string{"", "id", "-id", "-age", "name"}).Draw(t, "order"); o {
			case "":
				ordered = q.OrderBy("id")
			case "-age":
				q = q.OrderBy(o, "id")
				ordered = q
			default:
				q = q.OrderBy(o)
				ordered = q
			}
			want, err := ordered.All(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			chunk := rapid.IntRange(1, 45).Draw(t, "chunk")
			var got []int64
			for r, err := range q.Iter(t.Context(), chunk) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, r.ID)
			}
			var ids []int64
			for _, r := range want {
				ids = append(ids, r.ID)
			}
			if !slices.Equal(got, ids) {
				t.Fatalf("iterated %v, want %v", got, ids)
			}
		})
	}
}

// TestIterHoldsOneChunk: the next chunk is asked for when it is needed, not before and not if nobody wants it, and
// records that come and go meanwhile neither shift the others nor show twice.
func TestIterHoldsOneChunk(t *testing.T) {
	both(t, 10, func(t *testing.T, f *fake) {
		var got []int64
		for r, err := range Model[partner](f).Iter(t.Context(), 3) {
			if must(t, r, err); len(got)/3+1 != len(f.calls) {
				t.Fatalf("%d calls for the first %d records", len(f.calls), len(got)+1)
			}
			if got = append(got, r.ID); r.ID == 3 {
				delete(f.tables["res.partner"], 1)
				delete(f.tables["res.partner"], 5)
			}
			if r.ID == 9 {
				break
			}
		}
		if !slices.Equal(got, []int64{1, 2, 3, 4, 6, 7, 8, 9}) || len(f.take()) != 3 {
			t.Errorf("iterated %v", got)
		}
		// In another order: the ids first, and what has gone is left out.
		got = nil
		for batch, err := range Model[partner](f).OrderBy("-name").Batches(t.Context(), 4) {
			for _, r := range must(t, batch, err) {
				got = append(got, r.ID)
			}
			delete(f.tables["res.partner"], 10)
		}
		if !slices.Equal(got, []int64{9, 8, 7, 6, 4, 3, 2}) {
			t.Errorf("iterated %v", got)
		}
		if calls := strings.Join(f.take(), " "); calls != "res.partner.search res.partner.search_read res.partner.search_read" {
			t.Errorf("calls %s", calls)
		}
	})
}

func TestIterEndsWithTheError(t *testing.T) {
	f := populate(newFake(Odoo), 10)
	broken := &Error{Kind: KindConnection}
	f.before = func(string, string, []any) error {
		if len(f.calls) == 3 {
			return broken
		}
		return nil
	}
	n := 0
	var last error
	for _, err := range Records(f, "res.partner", "name").Iter(t.Context(), 2) {
		if last != nil {
			t.Fatal("goes on after an error")
		}
		if last = err; err == nil {
			n++
		}
	}
	if n != 4 || !errors.Is(last, KindConnection) {
		t.Errorf("%d records, then %v", n, last)
	}
	type noID struct {
		_    struct{} `odoo:"res.partner"`
		Name string   `odoo:"name"`
	}
	for _, err := range Model[noID](f).Iter(t.Context(), 2) {
		last = err
	}
	if !errors.Is(last, ErrModel) {
		t.Errorf("without an id: %v", last)
	}
	last = nil
	for _, err := range Model[partner](f).Iter(t.Context(), -2) {
		last = err
	}
	if last == nil {
		t.Error("a chunk of less than nothing")
	}
	// A server that does not keep to the order would be asked for ever.
	f.before = nil
	n = 0
	for _, err := range Model[partner](wrong{f}).Iter(t.Context(), 2) {
		if n++; n > 50 {
			t.Fatal("has no end")
		} else if err != nil && !errors.Is(err, errShape) {
			t.Error(err)
		}
	}
}

// wrong answers whatever is asked with the same two records, the last id first.
type wrong struct{ Caller }

func (wrong) Call(context.Context, string, string, []any, map[string]any, ...CallOption) (json.RawMessage, error) {
	return json.RawMessage(`[{"id":2},{"id":1}]`), nil
}
