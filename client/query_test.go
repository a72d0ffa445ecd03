package client

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

type country struct {
	_    struct{} `odoo:"res.country" tryton:"res.country"`
	ID   int64    `odoo:"id" tryton:"id"`
	Code string   `odoo:"code" tryton:"code"`
}

type partner struct {
	_       struct{} `odoo:"res.partner" tryton:"res.partner"`
	ID      int64    `odoo:"id" tryton:"id"`
	Name    string   `odoo:"name" tryton:"name"`
	Age     int      `odoo:"age" tryton:"age"`
	Country Ref      `odoo:"country" tryton:"country"`
	Parent  *parent  `odoo:"parent" tryton:"parent"`
}

type parent struct {
	_       struct{} `odoo:"res.partner" tryton:"res.partner"`
	ID      int64    `odoo:"id" tryton:"id"`
	Name    string   `odoo:"name" tryton:"name"`
	Country *country `odoo:"country" tryton:"country"`
	Parent  *parent  `odoo:"parent" tryton:"parent"`
}

// populate makes n partners: number i is named "p<i>", is i%7 years old (0: not known), lives in one of three
// countries and belongs to an earlier one.
func populate(f *fake, n int) *fake {
	var countries []int64
	for _, code := range []string{"BE", "FR", "NL"} {
		countries = append(countries, f.insert("res.country", row{"code": code, "name": "Country " + code}))
	}
	for i := 1; i <= n; i++ {
		values := row{"name": fmt.Sprintf("p%d", i), "country": countries[i%3], "active": true}
		if i%7 > 0 {
			values["age"] = int64(i % 7)
		}
		if i > 1 {
			values["parent"] = int64(1 + i/2%5)
		}
		f.insert("res.partner", values)
	}
	return f
}

// both runs a test against a fake of each dialect, with n partners.
func both(t *testing.T, n int, test func(t *testing.T, f *fake)) {
	t.Helper()
	for name, p := range map[string]Protocol{"odoo": Odoo, "tryton": Tryton} {
		t.Run(name, func(t *testing.T) { test(t, populate(newFake(p), n)) })
	}
}

func must[V any](t *testing.T, v V, err error) V {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestQueryReadsWhatItAsksFor(t *testing.T) {
	both(t, 30, func(t *testing.T, f *fake) {
		ctx := t.Context()
		q := Model[partner](f).Filter(F("age").Ge(5)).Exclude(F("country.code").Eq("BE"))
		all, err := q.OrderBy("-age", "name").Limit(3).Offset(1).All(ctx)
		must(t, all, err)
		if got := fmt.Sprint(all[0].Age, all[1].Age, all[2].Age, len(all)); got != "6 6 5 3" && got != "6 5 5 3" {
			t.Errorf("ages and number: %s", got)
		}
		for _, p := range all {
			if p.ID == 0 || p.Name != fmt.Sprintf("p%d", p.ID) || p.Country.ID == 0 || p.Country.Name == "" || p.Country.Name == "Country BE" {
				t.Errorf("read %+v", p)
			}
			if p.Parent == nil || p.Parent.ID == 0 || p.Parent.Name != "" {
				t.Errorf("without prefetch: parent %+v", p.Parent)
			}
		}
		f.take()
		n, err := q.Count(ctx)
		must(t, n, err)
		list, err := q.IDs(ctx)
		if must(t, list, err); n != len(list) || n == 0 {
			t.Errorf("counted %d of %d", n, len(list))
		}
		if n2, err := q.Offset(2).Limit(3).Count(ctx); must(t, n2, err) != min(3, n-2) {
			t.Errorf("counted %d within offset 2 and limit 3, of %d", n2, n)
		}
		if last, err := q.Offset(n - 1).Count(ctx); must(t, last, err) != 1 {
			t.Errorf("counted %d from the last on", last)
		}
		if yes, err := q.Exists(ctx); !must(t, yes, err) {
			t.Error("does not exist")
		}
		if yes, err := q.Filter(F("name").Eq("nobody")).Exists(ctx); must(t, yes, err) {
			t.Error("exists")
		}
		first, ok, err := q.OrderBy("id").First(ctx)
		if must(t, first, err); !ok || first.ID != list[0] {
			t.Errorf("first %+v, want id %d", first, list[0])
		}
		if _, ok, err := q.Filter(F("name").Eq("nobody")).First(ctx); ok || err != nil {
			t.Errorf("first of none: %v, %v", ok, err)
		}
		values, err := q.OrderBy("id").Values(ctx, "name")
		if must(t, values, err); len(values) != n || values[0]["name"] != first.Name || values[0].ID() != first.ID {
			t.Errorf("values %v", values)
		}
		// One call each, and none besides.
		want := []string{"search_count", "search", "search_count", "search_count", "search", "search", "search_read", "search_read", "search_read"}
		for i := range want {
			want[i] = "res.partner." + want[i]
		}
		if calls := f.take(); !slices.Equal(calls, want) {
			t.Errorf("calls %v", calls)
		}
	})
}

func TestGetWantsExactlyOne(t *testing.T) {
	both(t, 10, func(t *testing.T, f *fake) {
		q := Model[partner](f)
		p, err := q.Filter(F("name").Eq("p3")).Get(t.Context())
		if must(t, p, err); p.Name != "p3" {
			t.Errorf("got %+v", p)
		}
		for want, q := range map[error]Query[partner]{ErrNoRecord: q.Filter(F("name").Eq("nobody")), ErrManyRecords: q} {
			_, err := q.Get(t.Context())
			var count *CountError
			if !errors.Is(err, want) || !errors.As(err, &count) || count.Model != "res.partner" || count.Many != errors.Is(want, ErrManyRecords) {
				t.Errorf("got %v, want %v", err, want)
			}
		}
	})
}

// TestQueriesAreImmutable builds on one query in two ways, whatever the methods and their order.
func TestQueriesAreImmutable(t *testing.T) {
	f := populate(newFake(Odoo), 5)
	steps := map[string]func(Query[partner]) Query[partner]{
		"filter":   func(q Query[partner]) Query[partner] { return q.Filter(F("name").Eq("x")) },
		"exclude":  func(q Query[partner]) Query[partner] { return q.Exclude(F("age").Eq(1)) },
		"order":    func(q Query[partner]) Query[partner] { return q.OrderBy("name") },
		"limit":    func(q Query[partner]) Query[partner] { return q.Limit(1) },
		"offset":   func(q Query[partner]) Query[partner] { return q.Offset(1) },
		"only":     func(q Query[partner]) Query[partner] { return q.Only("name") },
		"defer":    func(q Query[partner]) Query[partner] { return q.Defer("age") },
		"context":  func(q Query[partner]) Query[partner] { return q.InContext(map[string]any{"lang": "nl_BE"}) },
		"prefetch": func(q Query[partner]) Query[partner] { return q.Prefetch("parent") },
		"options":  func(q Query[partner]) Query[partner] { return q.With(CacheKey("a")) },
		"others":   func(q Query[partner]) Query[partner] { return q.With(CacheKey("b")) },
		"error":    func(q Query[partner]) Query[partner] { return q.Limit(-1) },
	}
	names := []string{}
	for name := range steps {
		names = append(names, name)
	}
	slices.Sort(names)
	picture := func(q Query[partner]) string {
		return fmt.Sprint(q.where, q.order, q.limit, q.offset, q.only, q.without, q.context, gather(q.options).key, q.prefetch, q.err)
	}
	for _, name := range names { // also when a list has room for one more
		q := Model[partner](f)
		for range 8 {
			a := steps[name](q)
			before := picture(a)
			for _, other := range names {
				_ = steps[other](q)
			}
			if picture(a) != before {
				t.Errorf("%s: %s became %s", name, before, picture(a))
			}
			q = a
		}
	}
	thoroughly(t, func(t *rapid.T) {
		q := Model[partner](f)
		for _, name := range rapid.SliceOfN(rapid.SampledFrom(names), 0, 6).Draw(t, "steps") {
			q = steps[name](q)
		}
		before := picture(q)
		a, b := rapid.SampledFrom(names).Draw(t, "a"), rapid.SampledFrom(names).Draw(t, "b")
		qa := steps[a](q)
		pictureA := picture(qa)
		_ = steps[b](q)
		_ = steps[b](qa)
		if picture(q) != before || picture(qa) != pictureA {
			t.Fatalf("%s after %s changed %s to %s", b, a, before, picture(q))
		}
	})
}

func TestQueriesReadOnlyTheirFields(t *testing.T) {
	for _, c := range []struct {
		protocol Protocol
		narrow   func(Query[partner]) Query[partner]
		want     []string
	}{
		{Odoo, func(q Query[partner]) Query[partner] { return q }, []string{"id", "name", "age", "country", "parent"}},
		{Odoo, func(q Query[partner]) Query[partner] { return q.Only("age") }, []string{"id", "age"}},
		{Odoo, func(q Query[partner]) Query[partner] { return q.Only() }, []string{"id"}},
		{Odoo, func(q Query[partner]) Query[partner] { return q.Defer("age", "country") }, []string{"id", "name", "parent"}},
		{Tryton, func(q Query[partner]) Query[partner] { return q.Only("country") }, []string{"id", "country", "country.rec_name"}},
	} {
		f := populate(newFake(c.protocol), 1)
		var got []string
		f.before = func(_, _ string, args []any) error {
			if c.protocol == Tryton {
				for _, v := range args[4].([]any) {
					got = append(got, v.(string))
				}
			}
			return nil
		}
		q := c.narrow(Model[partner](f))
		if c.protocol == Odoo {
			got = q.fields()
		}
		if _, err := q.All(t.Context()); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("read %v (%v), want %v", got, err, c.want)
		}
	}
}

func TestQueriesSayWhatIsWrong(t *testing.T) {
	f := populate(newFake(Odoo), 3)
	type untagged struct{ Name string }
	type nameless struct {
		ID int64 `odoo:"id"`
	}
	ctx := t.Context()
	run := func(q Query[partner]) error {
		_, err1 := q.All(ctx)
		_, err2 := q.Count(ctx)
		_, err3 := q.IDs(ctx)
		_, err4 := q.Values(ctx, "name")
		_, err5 := q.Create(ctx, partner{})
		var err6 error
		for _, err := range q.Iter(ctx, 0) {
			err6 = err
		}
		if err1 == nil || err2 == nil || err3 == nil || err4 == nil || err5 == nil || err6 == nil {
			return nil
		}
		return err1
	}
	for name, q := range map[string]Query[partner]{
		"limit": Model[partner](f).Limit(-1), "offset": Model[partner](f).Offset(-1), "order": Model[partner](f).OrderBy("name;drop"[:0]),
		"order of three words": Model[partner](f).OrderBy("name asc nulls"), "only": Model[partner](f).Only("nothing"), "defer": Model[partner](f).Defer("nothing"),
		"prefetch of a text": Model[partner](f).Prefetch("name"), "prefetch of nothing": Model[partner](f).Prefetch("parent.nothing"),
		"domain": Model[partner](f).FilterDomain([]any{"|"}),
	} {
		if err := run(q); err == nil {
			t.Errorf("%s: no error from each", name)
		}
	}
	if _, err := Model[untagged](f).All(ctx); !errors.Is(err, ErrModel) {
		t.Errorf("untagged: %v", err)
	}
	if _, err := Model[nameless](f).All(ctx); !errors.Is(err, ErrModel) {
		t.Errorf("nameless: %v", err)
	}
	if _, err := Model[int](f).All(ctx); !errors.Is(err, ErrModel) {
		t.Errorf("int: %v", err)
	}
	if calls := f.take(); len(calls) > 0 {
		t.Errorf("made calls: %v", calls)
	}
	// What cannot be met needs no server.
	none := Model[partner](f).Filter(F("id").InIDs(nil))
	list, err1 := none.All(ctx)
	n, err2 := none.Count(ctx)
	_, err3 := Model[partner](f).Limit(0).Get(ctx)
	if err := errors.Join(err1, err2); err != nil || list == nil || len(list)+n != 0 || !errors.Is(err3, ErrNoRecord) || len(f.take()) > 0 {
		t.Errorf("nothing: %v %d %v %v", list, n, err, err3)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := Model[partner](f).All(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("after its end: %v", err)
	}
}

func TestRecordsWithoutAType(t *testing.T) {
	both(t, 4, func(t *testing.T, f *fake) {
		records, err := Records(f, "res.partner", "name", "country", "age").OrderBy("id").All(t.Context())
		if must(t, records, err); len(records) != 4 || records[2].ID() != 3 || records[2]["name"] != "p3" || records[2]["age"] != int64(3) {
			t.Fatalf("read %v", records)
		}
		f.take()
		if err := Related(t.Context(), f, records, "country", "res.country", []string{"code"}); err != nil {
			t.Fatal(err)
		}
		if want := (Record{"id": int64(1), "code": "BE"}); !reflect.DeepEqual(records[2]["country"], want) {
			t.Errorf("country %v, want %v", records[2]["country"], want)
		}
		if calls := f.take(); !slices.Equal(calls, []string{"res.country.read"}) {
			t.Errorf("calls %v", calls)
		}
	})
}
