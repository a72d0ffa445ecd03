package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/perfd/perfd/client"
	"github.com/perfd/perfd/lab"
)

type party struct {
	_       struct{}    `tryton:"party.party"`
	ID      int64       `tryton:"id"`
	Name    string      `tryton:"name"`
	Code    string      `tryton:"code,readonly"`
	Active  bool        `tryton:"active"`
	Lang    *language   `tryton:"lang"`
	Creator client.Ref  `tryton:"create_uid,readonly"`
	Created time.Time   `tryton:"create_date,readonly"`
	Homes   []int64     `tryton:"addresses"`
	Heir    *client.Ref `tryton:"replaced_by,readonly"`
}

type language struct {
	_    struct{} `tryton:"ir.lang"`
	ID   int64    `tryton:"id"`
	Code string   `tryton:"code"`
}

// counted counts the calls that reach a client.
type counted struct {
	*client.Client
	mu    sync.Mutex
	calls []string
}

func (c *counted) Call(ctx context.Context, model, method string, args []any, kwargs map[string]any, opts ...client.CallOption) (json.RawMessage, error) {
	c.mu.Lock()
	c.calls = append(c.calls, model+"."+method)
	c.mu.Unlock()
	return c.Client.Call(ctx, model, method, args, kwargs, opts...)
}

func (c *counted) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.calls
	c.calls = nil
	return calls
}

// TestQueriesOnTrytond asks, changes and restores the records of a real server.
func TestQueriesOnTrytond(t *testing.T) {
	pg := lab.TrytonPostgreSQL(t, lab.PostgresConfig{})
	s := lab.RunTrytond(t, lab.TrytondConfig{Postgres: pg, Workers: 2})
	core, err := client.New(client.Config{
		Transport: client.TransportTryton, Servers: []string{s.Addr.String()}, Database: lab.Database, Login: "admin", Password: "lab-administrator",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = core.Close() })
	c := &counted{Client: core}
	t.Run("read", func(t *testing.T) { readOnTrytond(t, c) })
	t.Run("domains", func(t *testing.T) { domainsOnTrytond(t, c) })
	t.Run("write", func(t *testing.T) { writeOnTrytond(t, c) })
	t.Run("batch", func(t *testing.T) { batchOnTrytond(t, c) })
	t.Run("undo", func(t *testing.T) { undoOnTrytond(t, c) })
	t.Run("cached", func(t *testing.T) { cachedOnTrytond(t, s) })
}

func readOnTrytond(t *testing.T, c *counted) {
	ctx := t.Context()
	q := client.Model[party](c).Filter(client.F("name").ILike("party 0")).OrderBy("name")
	all, err := q.All(ctx)
	if err != nil || len(all) != 100 {
		t.Fatalf("%d parties, %v", len(all), err)
	}
	for i, p := range all {
		if p.Name != fmt.Sprintf("Party %03d", i) || p.Code == "" || !p.Active || len(p.Homes) != i%3 || p.Creator.Name != "Administrator" || p.Heir != nil {
			t.Fatalf("party %d: %+v", i, p)
		}
		if age := time.Since(p.Created); age < 0 || p.Created.Location() != time.UTC || age > 100*24*time.Hour {
			t.Fatalf("party %d was created at %v", i, p.Created)
		}
	}
	n, err1 := q.Count(ctx)
	yes, err2 := q.Offset(99).Exists(ctx)
	one, err3 := q.Filter(client.F("addresses.city").Eq("Town")).Limit(1).Get(ctx)
	if err := errors.Join(err1, err2, err3); err != nil || n != 100 || !yes || one.Name != "Party 001" {
		t.Errorf("%d, %v, %+v, %v", n, yes, one, err)
	}
	if _, err := q.Get(ctx); !errors.Is(err, client.ErrManyRecords) {
		t.Errorf("get one of many: %v", err)
	}
	c.take()
	var ids []int64
	for p, err := range client.Model[party](c).Only("name").Iter(ctx, 120) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, p.ID)
	}
	if len(ids) < 300 || !slices.IsSorted(ids) || len(c.take()) != len(ids)/120+1 {
		t.Errorf("iterated %d parties", len(ids))
	}
	records, err := client.Records(c, "party.party", "name", "create_date", "create_uid").Filter(client.F("id").InIDs(ids[:2])).All(ctx)
	if err != nil || len(records) != 2 {
		t.Fatalf("%v, %v", records, err)
	}
	if _, ok := records[0]["create_date"].(time.Time); !ok {
		t.Errorf("read %v", records[0])
	}
	c.take()
	if err := client.Related(ctx, c, records, "create_uid", "res.user", []string{"login"}); err != nil || !reflect.DeepEqual(c.take(), []string{"res.user.read"}) {
		t.Fatal(err)
	}
	if user, ok := records[1]["create_uid"].(client.Record); !ok || user["login"] != "admin" {
		t.Errorf("the user is %v", records[1]["create_uid"])
	}
}

// domainsOnTrytond holds each condition against its complement: together they find every record, none twice.
func domainsOnTrytond(t *testing.T, c *counted) {
	ctx, f := t.Context(), client.F
	roots, err := client.Create(ctx, c, "party.category", []client.Record{{"name": "Root"}, {"name": "Other", "active": false}})
	if err != nil {
		t.Fatal(err)
	}
	leaves, err := client.Create(ctx, c, "party.category", []client.Record{{"name": "Leaf", "parent": roots[0]}})
	if err != nil {
		t.Fatal(err)
	}
	some, err := client.Model[party](c).Filter(f("name").In("Party 001", "Party 004")).IDs(ctx)
	if err == nil {
		err = client.Write(ctx, c, "party.party", some[:1], client.Record{"categories": []any{[]any{"add", leaves}}})
	}
	if err == nil {
		err = client.Write(ctx, c, "party.party", some[1:], client.Record{"active": false})
	}
	if err == nil {
		err = client.Write(ctx, c, "party.address", []int64{1, 2}, client.Record{"city": nil})
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		model string
		e     client.Expr
		found int // -1: not known
	}{
		{"party.party", client.True, -1},
		{"party.party", client.False, 0},
		{"party.party", f("id").NotIn(), -1},
		{"party.party", f("name").Eq("Party 001"), 1},
		{"party.party", f("name").In("Party 001", "Party 002", nil), 2},
		{"party.party", f("name").NotIn("Party 001", nil), -1},
		{"party.party", f("name").Like("arty 00"), 10},
		{"party.party", f("name").MatchLike("Party 00_"), 10},
		{"party.party", f("name").MatchILike("PARTY 00%"), 10},
		{"party.party", f("active").Eq(true), -1},
		{"party.party", f("active").Eq(false), 1},
		{"party.party", f("active").Ne(true), 1},
		{"party.party", f("replaced_by").IsNull(false), 0},
		{"party.party", f("replaced_by.name").Eq("Party 001"), 0},
		{"party.party", f("addresses.city").Eq("Town"), -1},
		{"party.party", f("addresses").Any(client.And(f("city").Eq("Town"), f("street").Ne("Street 1"))), 100},
		{"party.party", f("categories.name").Eq("Leaf"), 1},
		{"party.party", f("categories").IsNull(false), 1},
		{"party.party", f("create_date").Lt(time.Now()), -1},
		{"party.party", f("create_date").Ge(time.Now()), 0},
		{"party.address", f("city").Eq("Town"), -1},
		{"party.address", f("city").Ne("Town"), 0},
		{"party.address", f("city").IsNull(true), 2},
		{"party.address", f("city").In("Town", nil), -1},
		{"party.address", f("city").Gt("T"), -1},
		{"party.address", f("party.name").Eq("Party 001"), 1},
		{"party.address", f("party.categories.name").Like("Lea"), 1},
		{"party.category", f("parent").Is(client.OpChildOf, roots), 3},
		{"party.category", f("parent").ParentOf(leaves...), 2},
		{"party.category", f("parent").IsNull(true), 2},
		{"party.category", f("parent.name").Eq("Root"), 1},
		{"party.category", client.Or(f("parent.name").Eq("Root"), client.And(f("name").Eq("Other"), client.Not(f("active").Eq(true)))), 2},
	} {
		q := client.Records(c, test.model, "id").InContext(map[string]any{"active_test": false})
		total, err1 := q.Count(ctx)
		with, err2 := q.Filter(test.e).IDs(ctx)
		without, err3 := q.Exclude(test.e).IDs(ctx)
		domain, _ := test.e.Tryton()
		if err := errors.Join(err1, err2, err3); err != nil {
			t.Errorf("%s: %v: %v", test.model, domain, err)
			continue
		}
		all := slices.Concat(with, without)
		slices.Sort(all)
		if len(all) != total || len(slices.Compact(all)) != total || test.found >= 0 && len(with) != test.found {
			t.Errorf("%s: %v finds %d (want %d) and its complement %d of %d", test.model, domain, len(with), test.found, len(without), total)
		}
	}
}

func writeOnTrytond(t *testing.T, c *counted) {
	ctx := t.Context()
	english, err := client.Records(c, "ir.lang", "code").Filter(client.F("code").Eq("en")).Get(ctx)
	if err != nil {
		t.Fatal(err)
	}
	q := client.Model[party](c)
	ids, err := q.Create(ctx, party{Name: "Ada", Active: true}, party{Name: "Bob", Active: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Write(ctx, c, "party.party", ids, client.Record{"lang": client.Ref{ID: english.ID()}}); err != nil {
		t.Fatal(err)
	}
	made := q.Filter(client.F("id").InIDs(ids)).OrderBy("id")
	c.take()
	all, err := made.Prefetch("lang").All(ctx)
	if err != nil || len(all) != 2 || all[0].Lang == nil || all[0].Lang.Code != "en" || all[0].Lang != all[1].Lang {
		t.Fatalf("%+v, %v", all, err)
	}
	if calls := c.take(); !slices.Equal(calls, []string{"party.party.search_read", "ir.lang.read"}) {
		t.Errorf("calls %v", calls)
	}
	all[0].Name = "Ada Lovelace"
	if err := q.Save(ctx, all[0]); err != nil {
		t.Fatal(err)
	}
	first, ok, err := made.First(ctx)
	if err != nil || !ok || first.Name != "Ada Lovelace" || first.Lang == nil {
		t.Errorf("%+v, %v", first, err)
	}
	if gone, err := made.Delete(ctx); err != nil || !slices.Equal(gone, ids) {
		t.Errorf("deleted %v, %v", gone, err)
	}
	if yes, err := made.Exists(ctx); yes || err != nil {
		t.Errorf("still there: %v, %v", yes, err)
	}
}

func batchOnTrytond(t *testing.T, c client.Caller) {
	ctx := t.Context()
	values := make([]client.Record, 230)
	for i := range values {
		values[i] = client.Record{"name": fmt.Sprintf("Batch %03d", i)}
	}
	values[150]["code"] = "twice" // codes are unique
	values[151]["code"] = "twice"
	var last client.Progress
	b := client.Batch{Caller: c, Chunk: 50, Progress: func(p client.Progress) { last = p }}
	out := b.Create(ctx, "party.party", values)
	var changes []client.Change
	for i, o := range out {
		failed := i >= 150 && i < 200
		if (o.Err != nil) != failed || (o.ID == 0) != failed {
			t.Fatalf("record %d: %+v", i, o)
		}
		if !failed {
			changes = append(changes, client.Change{ID: o.ID, Values: client.Record{"name": fmt.Sprintf("Changed %03d", i), "active": i%2 == 0}})
		}
	}
	if want := (client.Progress{Done: 230, Failed: 50, Total: 230}); last != want || !errors.Is(client.Failed(out), client.KindUser) {
		t.Errorf("progress %+v, %v", last, client.Failed(out))
	}
	if err := client.Failed(b.Write(ctx, "party.party", changes)); err != nil {
		t.Fatal(err)
	}
	records, err := client.Records(c, "party.party", "name", "active").Filter(client.F("name").Like("Changed")).InContext(map[string]any{"active_test": false}).OrderBy("id").All(ctx)
	if err != nil || len(records) != 180 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	byID := map[int64]client.Record{}
	for _, r := range records {
		byID[r.ID()] = r
	}
	var ids []int64
	for _, change := range changes {
		if r := byID[change.ID]; r["name"] != change.Values["name"] || r["active"] != change.Values["active"] {
			t.Fatalf("%v, want %v", r, change.Values)
		}
		ids = append(ids, change.ID)
	}
	if err := client.Failed(b.Unlink(ctx, "party.party", ids)); err != nil {
		t.Fatal(err)
	}
	if n, err := client.Records(c, "party.party").Filter(client.F("name").Like("Changed"), client.F("active").In(true, false)).Count(ctx); n != 0 || err != nil {
		t.Errorf("%d left, %v", n, err)
	}
}

func undoOnTrytond(t *testing.T, c *counted) {
	ctx, f := t.Context(), client.F
	tags, err := client.Create(ctx, c, "party.category", []client.Record{{"name": "One"}, {"name": "Two"}, {"name": "Three"}})
	if err != nil {
		t.Fatal(err)
	}
	add := func(ids ...int64) []any { return []any{[]any{"add", ids}} }
	people, err := client.Create(ctx, c, "party.party", []client.Record{
		{"name": "Kept", "categories": add(tags[0], tags[1])}, {"name": "Deleted", "code": "D1", "active": false, "categories": add(tags[2])},
	})
	if err != nil {
		t.Fatal(err)
	}
	type person struct {
		_    struct{} `tryton:"party.party"`
		ID   int64    `tryton:"id"`
		Name string   `tryton:"name"`
		Code string   `tryton:"code"`
		On   bool     `tryton:"active"`
		Tags []int64  `tryton:"categories"`
	}
	state := func(ids ...int64) []person {
		t.Helper()
		all, err := client.Model[person](c).Filter(f("id").InIDs(ids)).InContext(map[string]any{"active_test": false}).OrderBy("name").All(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for i := range all {
			slices.Sort(all[i].Tags)
			all[i].ID = 0
		}
		return all
	}
	before := state(people...)
	refused := errors.New("refused")
	var made []int64
	undone, err := client.WithUndo(ctx, c, func(l *client.UndoLog) error {
		var err error
		if made, err = l.Create(ctx, "party.party", client.Record{"name": "Made"}); err != nil {
			return err
		}
		if err := l.Write(ctx, "party.party", people, client.Record{"name": "Both", "categories": []any{[]any{"add", tags}, []any{"remove", tags[:1]}}}); err != nil {
			return err
		}
		if err := l.Unlink(ctx, "party.party", people[1:]); err != nil {
			return err
		}
		if err := l.Write(ctx, "party.party", people[:1], client.Record{"code": "other", "active": false}); err != nil {
			return err
		}
		if now := state(people...); len(now) != 1 || now[0].Name != "Both" || now[0].On {
			t.Errorf("meanwhile: %+v", now)
		}
		return refused
	})
	if !errors.Is(err, refused) || undone.Steps != 4 {
		t.Fatalf("undone %+v, %v", undone, err)
	}
	again := undone.NewIDs["party.party"][people[1]]
	if again == 0 || again == people[1] {
		t.Errorf("new ids %v", undone.NewIDs)
	}
	if after := state(people[0], again); !reflect.DeepEqual(after, before) {
		t.Errorf("before %+v\nafter  %+v", before, after)
	}
	if left := state(made...); len(left) != 0 {
		t.Errorf("left over: %+v", left)
	}
	if err := client.NewUndoLog(c).Write(ctx, "party.party", people[:1], client.Record{"addresses": []any{[]any{"delete", []int64{1}}}}); !errors.Is(err, client.ErrNotUndoable) {
		t.Errorf("a one2many field: %v", err)
	}
}
