package rewrite

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/perfd/perfd/client"
	"github.com/perfd/perfd/jsontree"
	"github.com/perfd/perfd/replay/load"
)

// models is a target that describes these fields.
type models map[string]map[string]Field

func (m models) Call(_ context.Context, model, method string, _ []any, _ map[string]any, _ ...client.CallOption) (json.RawMessage, error) {
	if m[model] == nil || method != "fields_get" {
		return nil, fmt.Errorf("no %s.%s", model, method)
	}
	text, err := json.Marshal(m[model])
	return text, err
}

var described = models{
	"sale.order": {
		"partner_id": {"many2one", "res.partner"}, "line_ids": {"one2many", "sale.line"}, "tag_ids": {"many2many", "sale.tag"},
		"origin": {"reference", ""}, "amount": {"float", ""}, "number": {"integer", ""}, "date": {"date", ""},
	},
	"sale.line":     {"product_id": {"many2one", "product"}, "order_id": {"many2one", "sale.order"}, "qty": {"integer", ""}},
	"res.partner":   {"parent_id": {"many2one", "res.partner"}, "order_ids": {"one2many", "sale.order"}},
	"ir.attachment": {"res_model": {"char", ""}, "res_id": {"many2one_reference", ""}},
	"sale.tag":      {}, "product": {},
}

var everyModel = []string{"sale.order", "sale.line", "res.partner", "sale.tag", "product", "ir.attachment"}

// all maps ids 1 to 99 of each model to those from 1001, 2001 and so on, in the order of everyModel, so that a rewritten
// id tells whose it is.
func all(tryton bool) *Rewriter {
	r := &Rewriter{Table: NewTable(10000), Schema: NewSchema(tryton), Tryton: tryton}
	for i, m := range everyModel {
		old, now := load.Minted{Model: m}, load.Minted{Model: m}
		for id := int64(1); id < 100; id++ {
			old.IDs, now.IDs = append(old.IDs, id), append(now.IDs, int64(i+1)*1000+id)
		}
		r.Table.Expect("s1", []load.Minted{old})
		r.Table.Resolve([]load.Minted{old}, []load.Minted{now})
	}
	return r
}

func TestCallsOfOdoo(t *testing.T) {
	for _, tt := range []struct{ model, method, args, kwargs, wantArgs, wantKwargs string }{
		{"sale.order", "read", `[[1,2],["number"]]`, `{}`, `[[1001,1002],["number"]]`, `{}`},
		{"sale.order", "write", `[[1],{"number":1,"amount":1,"partner_id":1}]`, `{}`, `[[1001],{"number":1,"amount":1,"partner_id":3001}]`, `{}`},
		{"sale.order", "create", `[[{"partner_id":5,"line_ids":[[0,"virtual_7",{"product_id":7,"qty":7}],[0,0,{"product_id":8}]]}]]`, `{}`,
			`[[{"partner_id":3005,"line_ids":[[0,"virtual_7",{"product_id":5007,"qty":7}],[0,0,{"product_id":5008}]]}]]`, `{}`},
		{"sale.order", "write", `[[1],{"line_ids":[[1,2,{"qty":2}],[2,3,0],[4,4,false],[5,0,0],[6,0,[5,6]]],"tag_ids":[[6,false,[1,2]]]}]`, `{}`,
			`[[1001],{"line_ids":[[1,2002,{"qty":2}],[2,2003,0],[4,2004,false],[5,0,0],[6,0,[2005,2006]]],"tag_ids":[[6,false,[4001,4002]]]}]`, `{}`},
		{"sale.order", "search_read", `[["|",["partner_id","=",5],["partner_id.parent_id","in",[6,7]],["number","=",5],["id","in",[1]],["line_ids.order_id.id","=",3],["partner_id.name","=",5]]]`, `{"limit":5}`,
			`[["|",["partner_id","=",3005],["partner_id.parent_id","in",[3006,3007]],["number","=",5],["id","in",[1001]],["line_ids.order_id.id","=",1003],["partner_id.name","=",5]]]`, `{"limit":5}`},
		{"sale.order", "search_read", `[]`, `{"domain":[["line_ids","any",[["product_id","=",9]]]],"limit":9}`, `[]`, `{"domain":[["line_ids","any",[["product_id","=",5009]]]],"limit":9}`},
		{"sale.order", "action_confirm", `[[1]]`, `{"context":{"active_model":"sale.line","active_id":2,"active_ids":[2,3],"default_partner_id":4,"default_number":4,"uid":2}}`,
			`[[1001]]`, `{"context":{"active_model":"sale.line","active_id":2002,"active_ids":[2002,2003],"default_partner_id":3004,"default_number":4,"uid":2}}`},
		{"sale.order", "anything", `[5,"x"]`, `{}`, `[5,"x"]`, `{}`}, // a bare number may be anything
		{"sale.order", "write", `[[1],{"origin":"res.partner,5"}]`, `{}`, `[[1001],{"origin":"res.partner,3005"}]`, `{}`},
		{"ir.attachment", "create", `[{"res_model":"sale.order","res_id":5}]`, `{}`, `[{"res_model":"sale.order","res_id":1005}]`, `{}`},
		{"ir.attachment", "search", `[[["res_model","=","sale.order"],["res_id","in",[5]]]]`, `{}`, `[[["res_model","=","sale.order"],["res_id","in",[1005]]]]`, `{}`},
		{"sale.order", "write", `[["virtual_1"],{"partner_id":"virtual_2"}]`, `{}`, `[["virtual_1"],{"partner_id":"virtual_2"}]`, `{}`},
		{"unknown", "write", `[[1],{"partner_id":1}]`, `{}`, `[[1],{"partner_id":1}]`, `{}`},
		{"sale.order", "read_group", `[[["partner_id","=",false]],["amount:sum"],["partner_id"]]`, `{}`, `[[["partner_id","=",false]],["amount:sum"],["partner_id"]]`, `{}`},
	} {
		check(t, all(false), &load.Call{Session: "s1", Transport: "jsonrpc", Model: tt.model, Method: tt.method, Args: raw(tt.args), Kwargs: raw(tt.kwargs)}, tt.wantArgs, tt.wantKwargs)
	}
}

func TestCallsOfTryton(t *testing.T) {
	for _, tt := range []struct{ service, model, method, args, want string }{
		{"model", "sale.order", "read", `[[1],["number"],{}]`, `[[1001],["number"],{}]`},
		{"model", "sale.order", "write", `[[1],{"partner_id":1},[2],{"number":2},{"company":1}]`, `[[1001],{"partner_id":3001},[1002],{"number":2},{"company":1}]`},
		{"model", "sale.order", "create", `[[{"partner_id":1,"line_ids":[["create",[{"product_id":2}]],["add",[3]]]}],{}]`, `[[{"partner_id":3001,"line_ids":[["create",[{"product_id":5002}]],["add",[2003]]]}],{}]`},
		{"model", "sale.order", "search", `[["OR",["partner_id","=",1],[["number","=",1],["line_ids.product_id","in",[4]]]],0,null,null,{}]`,
			`[["OR",["partner_id","=",3001],[["number","=",1],["line_ids.product_id","in",[5004]]]],0,null,null,{}]`},
		{"model", "sale.order", "on_change", `[{"id":1,"partner_id":2,"_parent_partner_id.parent_id":3},["partner_id"],{}]`, `[{"id":1001,"partner_id":3002,"_parent_partner_id.parent_id":3},["partner_id"],{}]`},
		{"model", "sale.order", "quote", `[[1],{"active_model":"res.partner","active_id":2,"_timestamp":{"sale.order,1":"5.0"}}]`,
			`[[1001],{"active_model":"res.partner","active_id":3002,"_timestamp":{"sale.order,1001":"5.0"}}]`},
		{"model", "sale.order", "create", `[[{"id":-1,"partner_id":-1}],{}]`, `[[{"id":-1,"partner_id":-1}],{}]`},
		{"report", "sale.order", "execute", `[[1],{"model":"res.partner"},{}]`, `[[3001],{"model":"res.partner"},{}]`},
	} {
		check(t, all(true), &load.Call{Session: "s1", Transport: "tryton", Service: tt.service, Model: tt.model, Method: tt.method, Args: raw(tt.args)}, tt.want, "")
	}
	w := all(true)
	sid := []load.Minted{{Model: "wizard.sale.open", IDs: []int64{7}}}
	w.Table.Expect("s1", sid)
	w.Table.Resolve(sid, []load.Minted{{Model: "wizard.sale.open", IDs: []int64{77}}})
	check(t, w, &load.Call{Session: "s1", Transport: "tryton", Service: "wizard", Model: "sale.open", Method: "execute", Args: raw(`[7,{},"start",{}]`)}, `[77,{},"start",{}]`, "")
}

func raw(s string) json.RawMessage { return json.RawMessage(s) }

func check(t *testing.T, r *Rewriter, c *load.Call, wantArgs, wantKwargs string) {
	t.Helper()
	if _, err := r.Refs(t.Context(), described, c); err != nil {
		t.Fatal(err)
	}
	got, err := r.Apply(c)
	if err != nil || string(got.Args) != wantArgs || string(got.Kwargs) != wantKwargs {
		t.Errorf("%s.%s %s %s:\n got %s %s\nwant %s %s (%v)", c.Model, c.Method, c.Args, c.Kwargs, got.Args, got.Kwargs, wantArgs, wantKwargs, err)
	}
}

func TestPaths(t *testing.T) {
	for path, want := range map[string]string{
		"/web/image/res.partner/5/image_128": "/web/image/res.partner/3005/image_128", "/web/content/7": "/web/content/6007",
		"/web/image/7/100x100": "/web/image/6007/100x100", "/report/pdf/x.y/5": "/report/pdf/x.y/5", "/web/action/5": "/web/action/5",
	} {
		r := all(false)
		got, err := r.Apply(&load.Call{Session: "s1", Transport: "http", Path: path})
		if err != nil || got.Path != want {
			t.Errorf("%s: %s, %v; want %s", path, got.Path, err, want)
		}
	}
}

func TestAnswersComeBack(t *testing.T) {
	r := all(false)
	c := &load.Call{Session: "s1", Transport: "jsonrpc", Model: "sale.order", Method: "web_search_read", Args: raw(`[]`)}
	got := r.Back(t.Context(), described, c, raw(`{"length":1,"records":[{"id":1001,"number":1001,"partner_id":[3005,"Anna"],"line_ids":[{"id":2007,"qty":3}],"tag_ids":[4001,9999]}]}`))
	want := `{"length":1,"records":[{"id":1,"number":1001,"partner_id":[5,"Anna"],"line_ids":[{"id":7,"qty":3}],"tag_ids":[1,9999]}]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestTimesOfWriting puts those that the target told in the place of the recorded ones.
func TestTimesOfWriting(t *testing.T) {
	r := all(true)
	read := &load.Call{Session: "s1", Transport: "tryton", Service: "model", Model: "sale.order", Method: "read", Args: raw(`[[1,2],["_timestamp"],{}]`)}
	r.Note(read, raw(`[{"id":1001,"_timestamp":"9.5"},{"id":700,"_timestamp":"8.5"},{"id":701}]`))
	write := &load.Call{Session: "s1", Transport: "tryton", Service: "model", Model: "sale.order", Method: "write",
		Args: raw(`[[1],{"number":1},{"_timestamp":{"sale.order,1":"1.0","sale.order,700":"2.0","sale.order,701":"3.0"}}]`)}
	if !r.Stamped(write) || r.Stamped(&load.Call{Args: raw(`[1]`)}) {
		t.Error("which calls mean a state")
	}
	check(t, r, write, `[[1001],{"number":1},{"_timestamp":{"sale.order,1001":"9.5","sale.order,700":"8.5","sale.order,701":"3.0"}}]`, "")
}

// TestLinesAreLearned takes the ids of records that were made inside others from two answers beside each other.
func TestLinesAreLearned(t *testing.T) {
	r := all(false)
	c := &load.Call{Session: "s1", Transport: "jsonrpc", Model: "sale.order", Method: "web_save", Args: raw(`[[],{}]`)}
	r.Learn(t.Context(), described, c, raw(`[{"id":1,"line_ids":[500,{"id":501,"product_id":600}],"partner_id":700}]`), raw(`[{"id":1001,"line_ids":[8500,{"id":8501,"product_id":601}],"partner_id":701}]`))
	r.Learn(t.Context(), described, c, raw(`[{"id":777,"line_ids":[502]}]`), raw(`[{"id":777,"line_ids":[8502]}]`)) // which the load did not make
	for id, want := range map[int64]int64{500: 8500, 501: 8501, 502: 502} {
		if got, _ := r.Table.Look("s1", Key{"sale.line", id}); got != want {
			t.Errorf("line %d is %d, want %d", id, got, want)
		}
	}
	if _, state := r.Table.Look("s1", Key{"res.partner", 700}); state != Old {
		t.Error("who is named by others too is not learned")
	}
}

// TestDatesShift moves dates near the day of the recording, in domains alone.
func TestDatesShift(t *testing.T) {
	r := &Rewriter{Table: NewTable(1), Schema: NewSchema(false), Shift: 10 * 24 * time.Hour, Recorded: time.Date(2031, 1, 25, 0, 0, 0, 0, time.UTC)}
	check(t, r, &load.Call{Model: "sale.order", Method: "search", Args: raw(`[[["date",">=","2031-01-25"],["date","<","2020-01-01"],["create_date",">","2031-01-24 10:00:00"],["name","=","2031-01-25"]]]`)},
		`[[["date",">=","2031-02-04"],["date","<","2020-01-01"],["create_date",">","2031-02-03 10:00:00"],["name","=","2031-01-25"]]]`, "")
	check(t, r, &load.Call{Model: "sale.order", Method: "write", Args: raw(`[[1],{"date":"2031-01-25"}]`)}, `[[1],{"date":"2031-01-25"}]`, "")
	tr := &Rewriter{Table: NewTable(1), Schema: NewSchema(true), Tryton: true, Shift: r.Shift, Recorded: r.Recorded}
	check(t, tr, &load.Call{Service: "model", Model: "sale.order", Method: "search", Args: raw(`[[["date",">=",{"__class__":"date","year":2031,"month":1,"day":25}]],0,null,null,{}]`)},
		`[[["date",">=",{"__class__":"date","year":2031,"month":2,"day":4}]],0,null,null,{}]`, "")
}

// anyJSON is a JSON value of the sort that calls are made of.
func anyJSON(depth int) *rapid.Generator[any] {
	leaf := rapid.OneOf(
		rapid.Just[any](nil), rapid.Map(rapid.Bool(), func(b bool) any { return b }), rapid.Map(rapid.Int64Range(-3, 120), func(n int64) any { return n }),
		rapid.Map(rapid.SampledFrom([]string{"id", "=", "in", "&", "partner_id", "line_ids.product_id", "any", "sale.order", "res.partner,5", "virtual_3", "create", "add", "AND"}), func(s string) any { return s }),
	)
	if depth == 0 {
		return leaf
	}
	name := rapid.SampledFrom([]string{"id", "partner_id", "line_ids", "tag_ids", "number", "origin", "domain", "context", "active_model", "active_id", "res_model", "res_id", "default_partner_id", "vals", "ids", "_timestamp"})
	return rapid.OneOf(leaf,
		rapid.Map(rapid.SliceOfN(anyJSON(depth-1), 0, 4), func(v []any) any { return v }),
		rapid.Map(rapid.MapOfN(name, anyJSON(depth-1), 0, 4), func(v map[string]any) any { return v }))
}

// TestRewritingLaws holds for any call: nothing but ids changes; what is mapped one to one and back is what it was; with
// nothing to map nothing changes, byte for byte.
func TestRewritingLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tryton := rapid.Bool().Draw(t, "tryton")
		args, err := json.Marshal(rapid.SliceOfN(anyJSON(3), 1, 4).Draw(t, "args"))
		if err != nil {
			t.Fatal(err)
		}
		plain, err := jsontree.Parse(args, jsontree.Config{})
		if err != nil {
			t.Fatal(err)
		}
		args = plain.Append(nil) // without the escapes that nobody needs
		c := &load.Call{
			Session: "s1", Service: "model", Model: rapid.SampledFrom(everyModel).Draw(t, "model"), Args: args,
			Method: rapid.SampledFrom([]string{"search", "read", "write", "create", "copy", "on_change", "web_save", "button", "search_read", "onchange"}).Draw(t, "method"),
		}
		none := &Rewriter{Table: NewTable(1), Schema: NewSchema(tryton), Tryton: tryton}
		if same, err := none.Apply(c); err != nil || string(same.Args) != string(args) {
			t.Fatalf("without ids %s became %s, %v", args, same.Args, err)
		}
		r := all(tryton)
		refs, err := r.Refs(context.Background(), described, c)
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.Apply(c)
		if err != nil {
			t.Fatal(err)
		}
		was, _ := jsontree.Parse(args, jsontree.Config{})
		is, _ := jsontree.Parse(got.Args, jsontree.Config{})
		changes := differ(t, &was, &is, nil)
		if (len(changes) == 0) != (len(refs) == 0) {
			t.Fatalf("%d records named, %d places changed: %s became %s", len(refs), len(changes), args, got.Args)
		}
		// The inverse: the target's ids are mapped to the recorded ones, and all is as before.
		back := &Rewriter{Table: NewTable(10000), Schema: r.Schema, Tryton: tryton}
		for k, id := range r.Table.back {
			back.Table.Expect("s1", []load.Minted{{Model: k.Model, IDs: []int64{k.ID}}})
			back.Table.Resolve([]load.Minted{{Model: k.Model, IDs: []int64{k.ID}}}, []load.Minted{{Model: k.Model, IDs: []int64{id}}})
		}
		again, err := back.Apply(&got)
		if err != nil || string(again.Args) != string(args) {
			t.Fatalf("there and back %s became %s by %s", args, again.Args, got.Args)
		}
	})
}

// differ lists where two trees differ, which has to be in ids alone.
func differ(t *rapid.T, a, b *jsontree.Value, out []string) []string {
	if a.Kind != b.Kind || len(a.Items) != len(b.Items) || len(a.Names) != len(b.Names) {
		t.Fatalf("the form changed: %s, %s", a.Append(nil), b.Append(nil))
	}
	if a.Text != b.Text {
		out = append(out, b.Text)
		if a.Kind == jsontree.String && a.Text != "res.partner,5" {
			t.Fatalf("text %q became %q", a.Text, b.Text)
		}
	}
	for i := range a.Items {
		if len(a.Names) > 0 && a.Names[i] != b.Names[i] {
			out = append(out, b.Names[i])
		}
		out = differ(t, &a.Items[i], &b.Items[i], out)
	}
	return out
}

// TestTableSettles checks what becomes of records: mapped in order, lost if there is no counterpart, shared when another
// session names them, and waited for.
func TestTableSettles(t *testing.T) {
	tb := NewTable(3)
	m := []load.Minted{{Model: "a", IDs: []int64{1, 2, 3}}}
	if !tb.Expect("s1", m) || tb.Expect("s1", []load.Minted{{Model: "a", IDs: []int64{4}}}) {
		t.Fatal("three records have room, a fourth has not")
	}
	told := make(chan bool, 1)
	if !tb.Wait(Key{"a", 1}, func() { told <- true }) || tb.Wait(Key{"a", 9}, nil) {
		t.Fatal("what is pending is waited for, what is not is not")
	}
	tb.Resolve(m, []load.Minted{{Model: "a", IDs: []int64{11, 12}}})
	<-told
	for id, want := range map[int64]State{1: Known, 2: Known, 3: Lost, 9: Old} {
		if _, got := tb.Look("s1", Key{"a", id}); got != want {
			t.Errorf("record %d is %d, want %d", id, got, want)
		}
	}
	if tb.Shared() != 0 {
		t.Error("nobody else named one")
	}
	if id, _ := tb.Look("s2", Key{"a", 2}); id != 12 || tb.Shared() != 1 {
		t.Errorf("another session gets %d, %d shared", id, tb.Shared())
	}
	if !tb.Mentions([]byte(`[[1]]`)) || !tb.Mentions([]byte(`"a,3"`)) || tb.Mentions([]byte(`[[12, 9, 13]]`)) {
		t.Error("what is mentioned")
	}
	if !slices.Equal([]int{tb.Len()}, []int{2}) {
		t.Error(tb.Len())
	}
}

// TestForget: what was to be made and is not known to have been is what it was, for those who wait for it too.
func TestForget(t *testing.T) {
	table := NewTable(10)
	made := []load.Minted{{Model: "m", IDs: []int64{7}}}
	table.Expect("a", made)
	k := Key{Model: "m", ID: 7}
	told := make(chan struct{})
	if _, state := table.Look("a", k); state != Pending || !table.Wait(k, func() { close(told) }) {
		t.Fatal("it is not waited for")
	}
	table.Forget(made)
	<-told
	if id, state := table.Look("a", k); id != 7 || state != Old || table.Mentions([]byte("[7]")) {
		t.Errorf("%d, %v", id, state)
	}
}
