package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/perfd/perfd/client"
)

// answers is a Caller that shows each call and answers it from a table, for the examples to need no server.
type answers map[string]string

func (a answers) Call(_ context.Context, model, method string, args []any, kwargs map[string]any, _ ...client.CallOption) (json.RawMessage, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := errors.Join(e.Encode(args), e.Encode(kwargs)); err != nil {
		return nil, err
	}
	fmt.Fprintln(os.Stdout, "→", model, method, strings.ReplaceAll(strings.TrimSpace(b.String()), "\n", " "))
	return json.RawMessage(a[model+"."+method]), nil
}

func ExampleModel() {
	type Partner struct {
		_       struct{}   `odoo:"res.partner"`
		ID      int64      `odoo:"id"`
		Name    string     `odoo:"name"`
		Email   *string    `odoo:"email"`
		Country client.Ref `odoo:"country_id"`
	}
	server := answers{"res.partner.search_read": `[{"id": 7, "name": "Azure Interior", "email": false, "country_id": [233, "United States"]}]`}

	f := client.F
	partners := client.Model[Partner](server).Filter(f("is_company").Eq(true)) // each method returns a new query
	azure, err := partners.Filter(f("name").ILike("azure")).Exclude(f("country_id").IsNull(true)).OrderBy("name").Get(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(azure.ID, azure.Name, azure.Email == nil, azure.Country.Name)
	// Output:
	// → res.partner search_read [["&",["is_company","=",true],"&",["name","ilike","azure"],"!",["country_id","=",false]]] {"fields":["id","name","email","country_id"],"limit":2,"order":"name asc"}
	// 7 Azure Interior true United States
}

func ExampleOr() {
	f := client.F
	young, old := f("age").Lt(18), f("age").Ge(65)
	for _, e := range []client.Expr{
		client.Or(young, old),
		client.And(client.Or(young, old), f("active").Eq(true)),
		client.Not(client.And(young, f("active").Eq(true))),
	} {
		domain, _ := e.Tryton()
		fmt.Println(e, "or", domain)
	}
	// Output:
	// [| [age < 18] [age >= 65]] or [OR [age < 18] [age >= 65]]
	// [& | [age < 18] [age >= 65] [active = true]] or [[OR [age < 18] [age >= 65]] [active = true]]
	// [! & [age < 18] [active = true]] or [OR [OR [age >= 18] [age = <nil>]] [OR [active != true] [active in [<nil>]]]]
}

func ExampleNormalise() {
	domain, err := client.Normalise([]any{[]any{"a", "=", 1}, "|", []any{"b", "=", 2}, []any{"c", "=", 3}})
	fmt.Println(domain, err)
	_, err = client.Normalise([]any{"|", []any{"a", "=", 1}})
	fmt.Println(err)
	// Output:
	// [& [a = 1] | [b = 2] [c = 3]] <nil>
	// read a domain: not a valid domain: an operator has too few operands
}

func ExampleLookup() {
	for _, key := range []string{"name__ilike", "partner_id__country_id__code", "age__gte"} {
		e, err := client.Lookup(key, "x")
		fmt.Println(e, err)
	}
	// Output:
	// [[name ilike x]] <nil>
	// [[partner_id.country_id.code = x]] <nil>
	// [[age >= x]] <nil>
}

func ExampleQuery_Prefetch() {
	type Country struct {
		_    struct{} `odoo:"res.country"`
		ID   int64    `odoo:"id"`
		Code string   `odoo:"code"`
	}
	type Partner struct {
		_       struct{} `odoo:"res.partner"`
		ID      int64    `odoo:"id"`
		Country *Country `odoo:"country_id"`
	}
	server := answers{
		"res.partner.search_read": `[{"id": 1, "country_id": [21, "Belgium"]}, {"id": 2, "country_id": [21, "Belgium"]}, {"id": 3, "country_id": false}]`,
		"res.country.read":        `[{"id": 21, "code": "BE"}]`,
	}
	partners, err := client.Model[Partner](server).Prefetch("country_id").All(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(partners[0].Country.Code, partners[1].Country == partners[0].Country, partners[2].Country)
	// Output:
	// → res.partner search_read [[]] {"fields":["id","country_id"]}
	// → res.country read [[21]] {"fields":["id","code"]}
	// BE true <nil>
}

func ExampleQuery_Iter() {
	server := answers{"res.partner.search_read": `[{"id": 1, "name": "Ada"}, {"id": 4, "name": "Bob"}]`}
	for partner, err := range client.Records(server, "res.partner", "name").Iter(context.Background(), 2) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(partner.ID(), partner["name"])
		if partner.ID() == 4 {
			break // and nothing more is asked
		}
	}
	// Output:
	// → res.partner search_read [[]] {"fields":["id","name"],"limit":2,"order":"id asc"}
	// 1 Ada
	// 4 Bob
}

func ExampleBatch() {
	server := answers{"res.partner.create": `[11, 12]`}
	values := []client.Record{{"name": "Ada"}, {"name": "Bob"}, {"name": "Cyd"}, {"name": "Dan"}}
	b := client.Batch{Caller: server, Chunk: 2, Concurrency: 1, Progress: func(p client.Progress) { fmt.Println(p.Done, "of", p.Total) }}
	for i, o := range b.Create(context.Background(), "res.partner", values) {
		fmt.Println(values[i]["name"], o.ID, o.Err)
	}
	// Output:
	// → res.partner create [[{"name":"Ada"},{"name":"Bob"}]] null
	// 2 of 4
	// → res.partner create [[{"name":"Cyd"},{"name":"Dan"}]] null
	// 4 of 4
	// Ada 11 <nil>
	// Bob 12 <nil>
	// Cyd 11 <nil>
	// Dan 12 <nil>
}

func ExampleWithUndo() {
	server := answers{
		"res.partner.fields_get": `{"name": {"type": "char"}}`,
		"res.partner.read":       `[{"id": 7, "name": "Ada"}]`,
		"res.partner.write":      `true`,
	}
	undone, err := client.WithUndo(context.Background(), server, func(l *client.UndoLog) error {
		if err := l.Write(context.Background(), "res.partner", []int64{7}, client.Record{"name": "Ada Lovelace"}); err != nil {
			return err
		}
		return errors.New("the next step failed")
	})
	fmt.Println(undone.Steps, err)
	// Output:
	// → res.partner fields_get [] {"attributes":["type","relation","readonly","store"]}
	// → res.partner read [[7]] {"fields":["id","name"]}
	// → res.partner write [[7],{"name":"Ada Lovelace"}] null
	// → res.partner write [[7],{"name":"Ada"}] null
	// 1 the next step failed
}
