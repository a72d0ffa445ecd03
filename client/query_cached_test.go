package client_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/perfd/perfd/cache"
	"github.com/perfd/perfd/client"
	"github.com/perfd/perfd/lab"
)

// cachedOnTrytond: queries come out of the cache; SaveThrough and Warm fill it, writes and NoCache go past it.
func cachedOnTrytond(t *testing.T, s *lab.Trytond) {
	memory, err := cache.NewMemory(cache.MemoryConfig{})
	if err != nil {
		t.Fatal(err)
	}
	loader := cache.NewLoader(memory, cache.LoaderConfig{})
	var asked []string
	c := open(t, client.Config{
		Transport: client.TransportTryton, Servers: []string{s.Addr.String()}, Database: lab.Database, Login: "admin", Password: "lab-administrator", Cache: loader,
		Hooks: []client.Hook{{Before: func(_ context.Context, r *client.Request) context.Context {
			if strings.HasPrefix(r.Model, "party.") {
				asked = append(asked, r.Method)
			}
			return nil
		}}},
	})
	ctx := t.Context()
	requests := func(want ...string) {
		t.Helper()
		if !slices.Equal(asked, want) {
			t.Errorf("asked the server %v, want %v", asked, want)
		}
		asked = nil
	}
	type category struct {
		_    struct{} `tryton:"party.category"`
		ID   int64    `tryton:"id"`
		Name string   `tryton:"name"`
	}
	q := client.Model[category](c)
	ids, err := q.Create(ctx, category{Name: "Through"})
	if err != nil {
		t.Fatal(err)
	}
	requests("create")
	find := func(want string) {
		t.Helper()
		if r, err := q.Find(ctx, ids[0]); err != nil || r.Name != want {
			t.Errorf("found %+v, %v; want %s", r, err, want)
		}
	}
	find("Through")
	find("Through")
	requests("search_read")
	if r, err := q.SaveThrough(ctx, category{ID: ids[0], Name: "Changed"}); err != nil || r.Name != "Changed" {
		t.Errorf("saved %+v, %v", r, err)
	}
	requests("write", "search_read")
	find("Changed")
	requests()
	if err := client.Write(ctx, c, "party.category", ids, client.Record{"name": "Once more"}); err != nil {
		t.Fatal(err)
	}
	find("Once more")
	requests("write", "search_read")
	some := q.Filter(client.F("name").Like("e")).OrderBy("name")
	if err := client.Warm(ctx, 2, some); err != nil {
		t.Fatal(err)
	}
	requests("search_read")
	all, err := some.All(ctx)
	if err != nil || len(all) == 0 {
		t.Errorf("%v, %v", all, err)
	}
	requests()
	if fresh, err := some.With(client.NoCache()).All(ctx); err != nil || len(fresh) != len(all) {
		t.Errorf("%v, %v", fresh, err)
	}
	requests("search_read")
}
