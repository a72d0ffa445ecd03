//go:build odoo

package client_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/perfd/perfd/client"
)

type contact struct {
	_        struct{}   `odoo:"res.partner"`
	ID       int64      `odoo:"id"`
	Name     string     `odoo:"name"`
	Ref      string     `odoo:"ref"`
	Active   bool       `odoo:"active"`
	Country  *nation    `odoo:"country_id"`
	Language *string    `odoo:"lang,readonly"`
	Latitude float64    `odoo:"partner_latitude,omitempty"`
	Image    []byte     `odoo:"image_128,omitempty"`
	Creator  client.Ref `odoo:"create_uid,readonly"`
	Created  time.Time  `odoo:"create_date,readonly"`
	Tags     []int64    `odoo:"category_id"`
}

type nation struct {
	_    struct{} `odoo:"res.country"`
	ID   int64    `odoo:"id"`
	Code string   `odoo:"code"`
}

// TestQueriesOnOdoo asks, changes and restores records of a real server: contacts, which it makes and deletes.
func TestQueriesOnOdoo(t *testing.T) {
	for transport, config := range odooTransports(t) {
		t.Run(string(transport), func(t *testing.T) {
			c := &counted{Client: open(t, config)}
			mark := fmt.Sprintf("perfd %d %s", time.Now().UnixNano(), transport)
			t.Run("records", func(t *testing.T) { recordsOnOdoo(t, c, mark) })
			t.Run("domains", func(t *testing.T) { domainsOnOdoo(t, c, mark) })
			t.Run("undo", func(t *testing.T) { undoOnOdoo(t, c, mark) })
			left := client.Records(c, "res.partner").Filter(client.F("ref").MatchLike(mark + "%")).InContext(map[string]any{"active_test": false})
			if gone, err := left.Delete(t.Context()); err != nil {
				t.Errorf("deleted %v, %v", gone, err)
			}
		})
	}
}

func recordsOnOdoo(t *testing.T, c *counted, mark string) {
	ctx, f := t.Context(), client.F
	countries, err := client.Model[nation](c).Filter(f("code").In("BE", "NL")).OrderBy("code").All(ctx)
	if err != nil || len(countries) != 2 {
		t.Fatalf("%v, %v", countries, err)
	}
	values := make([]client.Record, 25)
	for i := range values {
		values[i] = client.Record{"name": fmt.Sprintf("Contact %02d", i), "ref": mark, "country_id": countries[i%2].ID, "image_1920": nil}
	}
	out := client.Batch{Caller: c, Chunk: 10}.Create(ctx, "res.partner", values)
	if err := client.Failed(out); err != nil {
		t.Fatal(err)
	}
	q := client.Model[contact](c).Filter(f("ref").Eq(mark))
	c.take()
	all, err := q.Prefetch("country_id").OrderBy("-name").All(ctx)
	if err != nil || len(all) != 25 {
		t.Fatalf("%d contacts, %v", len(all), err)
	}
	if calls := c.take(); !slices.Equal(calls, []string{"res.partner.search_read", "res.country.read"}) {
		t.Errorf("calls %v", calls)
	}
	for i, p := range all {
		n := 24 - i
		if p.ID != out[n].ID || p.Name != values[n]["name"] || p.Country == nil || p.Country.Code != countries[n%2].Code || !p.Active || p.Creator.Name == "" ||
			time.Since(p.Created).Abs() > time.Hour || p.Created.Location() != time.UTC || len(p.Tags) != 0 {
			t.Fatalf("contact %d: %+v", n, p)
		}
	}
	n, err1 := q.Count(ctx)
	ids, err2 := q.OrderBy("id").IDs(ctx)
	_, err3 := q.Get(ctx)
	one, err4 := q.Find(ctx, ids[3])
	if err := errors.Join(err1, err2, err4); err != nil || n != 25 || len(ids) != 25 || !errors.Is(err3, client.ErrManyRecords) || one.ID != ids[3] {
		t.Errorf("%d, %v, %v, %v, %v", n, ids, err3, one, err)
	}
	for _, order := range []string{"id", "-id", "-name"} {
		var seen []int64
		for p, err := range q.OrderBy(order).Iter(ctx, 7) {
			if err != nil {
				t.Fatal(err)
			}
			seen = append(seen, p.ID)
		}
		slices.Sort(seen)
		if !slices.Equal(seen, ids) {
			t.Errorf("by %s: %v", order, seen)
		}
	}
	one.Name, one.Country, one.Latitude = "Changed", nil, 1.5
	if saved, err := q.SaveThrough(ctx, one); err != nil || saved.Name != "Changed" || saved.Country == nil || saved.Latitude != 1.5 {
		t.Errorf("saved %+v, %v", saved, err)
	}
	var changes []client.Change
	for i, id := range ids {
		changes = append(changes, client.Change{ID: id, Values: client.Record{"comment": fmt.Sprint("group ", i%3)}})
	}
	if err := client.Failed(client.Batch{Caller: c}.Write(ctx, "res.partner", changes)); err != nil {
		t.Error(err)
	}
	bad := slices.Clone(values[:4])
	bad[2] = client.Record{"name": "x", "ref": mark, "country_id": int64(1) << 30}
	out = client.Batch{Caller: c, Chunk: 2}.Create(ctx, "res.partner", bad)
	if out[0].Err != nil || out[1].Err != nil || out[2].Err == nil || out[3].Err == nil {
		t.Errorf("a chunk with a wrong record: %+v", out)
	}
	if gone, err := q.Delete(ctx); err != nil || len(gone) != 27 {
		t.Errorf("deleted %d, %v", len(gone), err)
	}
}

// domainsOnOdoo holds each condition against its complement: together they find every record, none twice.
func domainsOnOdoo(t *testing.T, c *counted, mark string) {
	ctx, f := t.Context(), client.F
	tags, err := client.Create(ctx, c, "res.partner.category", []client.Record{{"name": mark + " root"}})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := client.Create(ctx, c, "res.partner.category", []client.Record{{"name": mark + " leaf", "parent_id": tags[0]}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := client.Unlink(ctx, c, "res.partner.category", slices.Concat(leaf, tags)); err != nil {
			t.Error(err)
		}
	}()
	ids, err := client.Create(ctx, c, "res.partner", []client.Record{
		{"name": "Ada", "ref": mark, "type": "other", "city": "Town", "category_id": []any{[]any{6, 0, leaf}}},
		{"name": "Bob", "ref": mark, "city": "Village", "is_company": true},
		{"name": "Cyd_", "ref": mark, "active": false},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Write(ctx, c, "res.partner", ids[:1], client.Record{"parent_id": ids[1]}); err != nil {
		t.Fatal(err)
	}
	base := client.Records(c, "res.partner", "id").Filter(f("ref").Eq(mark)).InContext(map[string]any{"active_test": false})
	for _, test := range []struct {
		e    client.Expr
		want []int // of ids
	}{
		{client.True, []int{0, 1, 2}}, {client.False, nil},
		{f("name").Eq("Ada"), []int{0}}, {f("name").Ne("Ada"), []int{1, 2}}, {f("name").In("Ada", "Bob"), []int{0, 1}}, {f("name").NotIn("Ada", "Bob"), []int{2}},
		{f("city").IsNull(true), []int{2}}, {f("city").IsNull(false), []int{0, 1}}, {f("city").Ne("Town"), []int{1, 2}}, {f("city").In("Town", nil), []int{0, 2}},
		{f("name").Like("d"), []int{0, 2}}, {f("name").ILike("AD"), []int{0}}, {f("name").MatchLike("_o%"), []int{1}}, {f("name").MatchILike("CYD%"), []int{2}},
		{f("active").Eq(true), []int{0, 1}}, {f("active").Ne(true), []int{2}}, {f("id").Gt(ids[0]), []int{1, 2}}, {f("id").Le(ids[1]), []int{0, 1}},
		{f("parent_id.name").Eq("Bob"), []int{0}}, {f("id").ChildOf(ids[1]), []int{0, 1}}, {f("category_id").ChildOf(tags[0]), []int{0}},
		{f("category_id").IsNull(true), []int{1, 2}}, {f("create_date").Lt(time.Now().Add(-time.Hour)), nil},
		{client.Or(f("name").Eq("Ada"), client.And(f("name").Eq("Bob"), f("city").Eq("Village"))), []int{0, 1}},
		{client.Not(client.And(f("name").Eq("Ada"), f("city").Eq("Town"))), []int{1, 2}},
		{client.And(client.Not(f("name").Eq("Ada")), client.Or(client.Not(f("city").Eq("Village")), f("active").Eq(true))), []int{1, 2}},
	} {
		with, err1 := base.Filter(test.e).OrderBy("id").IDs(ctx)
		without, err2 := base.Exclude(test.e).IDs(ctx)
		want := []int64{}
		for _, i := range test.want {
			want = append(want, ids[i])
		}
		if err := errors.Join(err1, err2); err != nil || !slices.Equal(with, want) || len(with)+len(without) != 3 {
			t.Errorf("%v finds %v, want %v, and its complement %v; %v", test.e, with, want, without, err)
		}
	}
	if _, err := base.Delete(ctx); err != nil {
		t.Error(err)
	}
}

func undoOnOdoo(t *testing.T, c *counted, mark string) {
	ctx := t.Context()
	ids, err := client.Create(ctx, c, "res.partner", []client.Record{{"name": "Kept", "ref": mark}, {"name": "Deleted", "ref": mark, "active": false}})
	if err != nil {
		t.Fatal(err)
	}
	type state struct {
		_      struct{} `odoo:"res.partner"`
		ID     int64    `odoo:"id"`
		Name   string   `odoo:"name"`
		Active bool     `odoo:"active"`
		City   string   `odoo:"city"`
	}
	q := client.Model[state](c).Filter(client.F("ref").Eq(mark)).InContext(map[string]any{"active_test": false}).OrderBy("name")
	before, err := q.Defer("id").All(ctx)
	if err != nil {
		t.Fatal(err)
	}
	refused := errors.New("refused")
	undone, err := client.WithUndo(ctx, c, func(l *client.UndoLog) error {
		if _, err := l.Create(ctx, "res.partner", client.Record{"name": "Made", "ref": mark}); err != nil {
			return err
		}
		if err := l.Write(ctx, "res.partner", ids, client.Record{"name": "Both", "city": "Town"}); err != nil {
			return err
		}
		if err := l.Unlink(ctx, "res.partner", ids[1:]); err != nil {
			return err
		}
		return refused
	})
	if !errors.Is(err, refused) || undone.Steps != 3 || undone.NewIDs["res.partner"][ids[1]] == 0 {
		t.Fatalf("undone %+v, %v", undone, err)
	}
	after, err := q.All(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range [][]state{before, after} {
		for i := range list {
			list[i].ID = 0
		}
	}
	if !reflect.DeepEqual(after, before) {
		t.Errorf("before %+v\nafter  %+v", before, after)
	}
	if _, err := q.Delete(ctx); err != nil {
		t.Error(err)
	}
}
