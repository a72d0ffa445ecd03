package load

import (
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/perfd/perfd/jsontree"
)

// redacted is what a file of rules keeps of a call's arguments.
func redacted(t testing.TB, c Call, rules ...string) Call {
	t.Helper()
	_, calls := read(t, write(t, Config{Rules: mustRules(t, rules...), Answers: true}, c))
	return calls[0]
}

// TestPlaces: what a server needs to understand a call stands, what users typed does not.
func TestPlaces(t *testing.T) {
	const word = `"x[0-9a-f]+"`
	for name, c := range map[string]struct {
		call       Call
		args, rest string // patterns; every W is an alias
	}{
		"search": {
			Call{Model: "res.partner", Method: "search_read", Args: json.RawMessage(`[["&",["name","ilike","Azure"],["country_id.code","=","US"],["active","=",true],["id","in",[1,2]]],["name","email"],0,80,"name desc, id"]`)},
			`[["&",["name","ilike",W],["country_id.code","=",W],["active","=",true],["id","in",[1,2]]],["name","email"],0,80,"name desc, id"]`, ``,
		},
		"named": {
			Call{Model: "res.partner", Method: "web_search_read", Kwargs: json.RawMessage(`{"domain":[["create_date",">=","2024-01-02 03:04:05"],["user_id","any",[["login","=","bob"]]]],"specification":{"name":{},"child_ids":{"fields":{"name":{}},"context":{"default_city":"Rome","lang":"en_US"}}},"limit":80,"context":{"lang":"fr_FR","tz":"Europe/Brussels","uid":2,"allowed_company_ids":[1],"search_default_name":"Rome","note":"Rome","form_view_ref":"base.view_x"}}`)},
			``, `{"domain":[["create_date",">=","2024-01-02 03:04:05"],["user_id","any",[["login","=",W]]]],"specification":{"name":{},"child_ids":{"fields":{"name":{}},"context":{"default_city":W,"lang":"en_US"}}},"limit":80,"context":{"lang":"fr_FR","tz":"Europe/Brussels","uid":2,"allowed_company_ids":[1],"search_default_name":W,"note":W,"form_view_ref":"base.view_x"}}`,
		},
		"values": {
			Call{Model: "sale.order", Method: "web_save", Args: json.RawMessage(`[[],{"name":"S1","partner_id":7,"order_line":[[0,"virtual_12",{"name":"Desk","product_id":3}],[1,5,{"name":"x"}],[6,0,[1,2]]],"ref":"res.partner,7","date":"2024-01-02","empty":"","no":false}]`), Kwargs: json.RawMessage(`{"specification":{"name":{}}}`)},
			`[[],{"name":W,"partner_id":7,"order_line":[[0,"virtual_12",{"name":W,"product_id":3}],[1,5,{"name":W}],[6,0,[1,2]]],"ref":"res.partner,7","date":"2024-01-02","empty":"","no":false}]`, `{"specification":{"name":{}}}`,
		},
		"group": {
			Call{Model: "sale.report", Method: "read_group", Args: json.RawMessage(`[[],["amount:sum"],["date_order:month","partner_id"],0,null,"amount desc"]`)},
			`[[],["amount:sum"],["date_order:month","partner_id"],0,null,"amount desc"]`, ``,
		},
		"name_search": {
			Call{Model: "res.partner", Method: "name_search", Kwargs: json.RawMessage(`{"name":"Azure","args":[["is_company","=",true]],"operator":"ilike","limit":8}`)},
			``, `{"name":W,"args":[["is_company","=",true]],"operator":"ilike","limit":8}`,
		},
		"name in a place of names": {Call{Model: "res.partner", Method: "read", Args: json.RawMessage(`[[1],["name","Azure Interior"]]`)}, `[[1],["name",W]]`, ``},
		"unknown method":           {Call{Model: "x.y", Method: "do_it", Args: json.RawMessage(`["Azure",[["name","=","b"]],{"a":"b"},["c","d"],5]`)}, `[W,[["name","=",W]],{"a":W},[W,W],5]`, ``},
		"a name that is none":      {Call{Model: "x.y", Method: "write", Args: json.RawMessage(`[[1],{"Bob Smith":1}]`)}, `[[1],{W:1}]`, ``},
		"tryton": {
			Call{Transport: "tryton", Service: "model", Model: "party.party", Method: "write", Args: json.RawMessage(`[[1],{"name":"Bob","addresses":[["create",[{"street":"Main"}]],["remove",[4]]],"_parent_x.y":7},{"company":1,"language":"en","company.rec_name":"ACME","locale":{"date":"%d.%m.%Y"}}]`)},
			`[[1],{"name":W,"addresses":[["create",[{"street":W}]],["remove",[4]]],"_parent_x.y":7},{"company":1,"language":"en","company.rec_name":W,"locale":{"date":"%d.%m.%Y"}}]`, ``,
		},
		"tryton search": {
			Call{Transport: "tryton", Service: "model", Model: "party.party", Method: "search_read", Args: json.RawMessage(`[["OR",["name","ilike","%bob%"],["resource","=","party.party,7","party.party"]],0,10,[["name","ASC"]],["name","party.rec_name"],{}]`)},
			`["OR",["name","ilike","%x[0-9a-f]+%"],["resource","=","party.party,7","party.party"]],0,10,[["name","ASC"]],["name","party.rec_name"],{}]`, ``,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := redacted(t, c.call, "*")
			pattern := func(s string) string {
				if strings.HasPrefix(s, `["OR"`) {
					s = "[" + s
				}
				s = regexp.QuoteMeta(s)
				s = strings.ReplaceAll(s, "W", word)
				return "^" + strings.ReplaceAll(s, `x\[0-9a-f\]\+`, "x[0-9a-f]+") + "$"
			}
			if !regexp.MustCompile(pattern(c.args)).Match(got.Args) || !regexp.MustCompile(pattern(c.rest)).Match(got.Kwargs) {
				t.Errorf("got  %s %s\nwant %s %s", got.Args, got.Kwargs, c.args, c.rest)
			}
		})
	}
}

// TestRules: what stands by which rules. Every 0 is an alias.
func TestRules(t *testing.T) {
	c := Call{Model: "res.partner", Method: "write", Args: json.RawMessage(`[[1],{"vat":"V","city":"C","child_ids":[[0,0,{"vat":"V","city":"C"}]]}]`)}
	for _, tt := range []struct {
		rules string
		want  string // empty: no arguments
	}{
		{"", ""},
		{"res.users", ""},
		{"res.partner", `[[1],{"vat":0,"city":0,"child_ids":[[0,0,{"vat":0,"city":0}]]}]`},
		{"res.*", `[[1],{"vat":0,"city":0,"child_ids":[[0,0,{"vat":0,"city":0}]]}]`},
		{"* -res.partner", ""},
		{"-res.partner *", `[[1],{"vat":0,"city":0,"child_ids":[[0,0,{"vat":0,"city":0}]]}]`},
		{"res.partner:*", `[[1],{"vat":"V","city":"C","child_ids":[[0,0,{"vat":"V","city":"C"}]]}]`},
		{"res.partner:-vat,-email", `[[1],{"vat":0,"city":"C","child_ids":[[0,0,{"vat":0,"city":"C"}]]}]`},
		{"res.partner:*,-vat", `[[1],{"vat":0,"city":"C","child_ids":[[0,0,{"vat":0,"city":"C"}]]}]`},
		{"res.partner:city", `[[1],{"vat":0,"city":"C","child_ids":[[0,0,{"vat":0,"city":0}]]}]`},
		{"res.partner:child_ids.city", `[[1],{"vat":0,"city":0,"child_ids":[[0,0,{"vat":0,"city":"C"}]]}]`},
		{"res.partner:child_ids", `[[1],{"vat":0,"city":0,"child_ids":[[0,0,{"vat":"V","city":"C"}]]}]`},
		{"*:* res.partner:city", `[[1],{"vat":0,"city":"C","child_ids":[[0,0,{"vat":0,"city":0}]]}]`},
	} {
		got := redacted(t, c, strings.Fields(tt.rules)...)
		text := regexp.MustCompile(`"x[0-9a-f]+"`).ReplaceAllString(string(got.Args), "0")
		if text != tt.want || (got.Args == nil) != strings.Contains(got.Lacks, "arguments") || strings.Contains(text, `":0`) != strings.Contains(got.Lacks, "values") {
			t.Errorf("%s: got %s (%s), want %s", tt.rules, text, got.Lacks, tt.want)
		}
	}
}

func TestRulesThatAreNone(t *testing.T) {
	for _, text := range []string{"", ":", ":a", "a:", "a:b,-c", "a:-b,c", "a:*,b", "a b/c", "[a", "-a:b", "a:b,,c", "a:-", `a\`, "a?"} {
		if r, err := ParseRules(text); err == nil {
			t.Errorf("%q was read as %+v", text, r)
		}
	}
	r, err := ReadRules(strings.NewReader("# all\n*  # aliases\n\n res.partner: -vat, -email\n"))
	if err != nil || len(r.list) != 2 || !r.Keeps("x") {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := ReadRules(strings.NewReader("*\na b:\n")); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("got %v", err)
	}
}

// TestAliases: the same value has the same alias, of its own sort and of the same class of length.
func TestAliases(t *testing.T) {
	a := newAliases(testKey)
	for s, pattern := range map[string]string{
		"Azure": `^x[0-9a-f]{15}$`, "Deco Addict, Main Street 3": `^x[0-9a-f]{31}$`, "bob@acme.com": `^[0-9a-f]{12}@example\.com$`,
		"+32 81 81 37 00": `^\+[1-9]\d \d\d \d\d \d\d \d\d$`, "%azure%": `^%x[0-9a-f]{15}%$`, "%": `^%$`, strings.Repeat("é", 600): `^x[0-9a-f]{999}[0-9a-f]{999}[0-9a-f]{49}$`,
	} {
		got := a.text(s)
		if !regexp.MustCompile(pattern).MatchString(got) || got != newAliases(testKey).text(s) || s != "%" && got == newAliases([]byte("other")).text(s) {
			t.Errorf("%.20s: %.80s", s, got)
		}
	}
	for _, s := range []string{"12.50", "-0.001", "1e10", "99999999999"} {
		got := a.number(s)
		if !json.Valid([]byte(got)) || len(got) != len(s) {
			t.Errorf("%s: %s", s, got)
		}
	}
}

// TestNothingTyped: whatever the shape of the arguments, no text that a user typed is in the file, the shape stays, and ids
// stay.
func TestNothingTyped(t *testing.T) {
	const canary = "Canary"
	rapid.Check(t, func(t *rapid.T) {
		args := jsontree.Value{Kind: jsontree.Array}
		for range rapid.IntRange(0, 4).Draw(t, "n") {
			args.Items = append(args.Items, drawValue(t, 4))
		}
		c := Call{
			Transport: rapid.SampledFrom([]string{"jsonrpc", "tryton"}).Draw(t, "transport"), Model: "a.b",
			Method: rapid.SampledFrom([]string{"read", "write", "search_read", "create", "on_change", "other"}).Draw(t, "method"), Args: args.Append(nil),
		}
		x := redactor{alias: newAliases(testKey), tryton: c.Transport == "tryton"}
		got := x.text(c.Args, '[', func(v *jsontree.Value) { x.positional(v, &c) })
		if strings.Contains(string(got), canary) {
			t.Fatalf("%s became %s", c.Args, got)
		}
		after, err := jsontree.Parse(got, jsontree.Config{})
		if err != nil || !sameShape(&args, &after) {
			t.Fatalf("%s became %s: %v", c.Args, got, err)
		}
	})
}

func drawValue(t *rapid.T, depth int) jsontree.Value {
	kinds := []jsontree.Kind{jsontree.Null, jsontree.True, jsontree.Number, jsontree.String, jsontree.Array, jsontree.Object}
	v := jsontree.Value{Kind: rapid.SampledFrom(kinds).Draw(t, "kind")}
	switch {
	case v.Kind == jsontree.Number:
		v.Text = rapid.SampledFrom([]string{"1", "42", "-7"}).Draw(t, "number")
	case v.Kind == jsontree.String:
		v.Text = rapid.SampledFrom([]string{"Canary", "=", "ilike", "%Canary%", "Canary@x", "2024-01-02", "&", "create"}).Draw(t, "text")
	case depth == 0:
		return jsontree.Value{}
	case v.Kind >= jsontree.Array:
		for range rapid.IntRange(0, 4).Draw(t, "items") {
			v.Items = append(v.Items, drawValue(t, depth-1))
			if v.Kind == jsontree.Object {
				v.Names = append(v.Names, rapid.SampledFrom([]string{"name", "context", "domain", "lang", "__class__", "default_x", "Canary canary"}).Draw(t, "name"))
			}
		}
	}
	return v
}

func sameShape(a, b *jsontree.Value) bool {
	if a.Kind != b.Kind || len(a.Items) != len(b.Items) || a.Kind == jsontree.Number && a.Text != b.Text {
		return false
	}
	for i := range a.Items {
		if !sameShape(&a.Items[i], &b.Items[i]) {
			return false
		}
	}
	return true
}

func TestDigest(t *testing.T) {
	same := func(a, b string) bool { return Digest("p", json.RawMessage(a)) == Digest("p", json.RawMessage(b)) }
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{`[{"id":1,"name":"a"}]`, `[{"name": "a", "id": 1}]`, true},
		{`[{"id":1,"write_date":"2024-01-01 00:00:00","__last_update":1,"access_token":"x","x":[{"checksum":"1"}]}]`, `[{"id":1,"write_date":"2025-01-01 00:00:00","x":[{}]}]`, true},
		{`{"url":"/web/image/1?unique=abc"}`, `{"url":"/web/image/1?unique=def"}`, true},
		{`[1,2]`, `[2,1]`, false},
		{`[{"id":1,"password":"(secret)"}]`, `[{"id":1,"password":"********"}]`, true},
		{`{"a":1}`, `{"a":2}`, false},
		{`"a"`, `"A"`, false},
		{`{"date":"2024-01-01"}`, `{"date":"2024-01-02"}`, false},
	} {
		if same(tt.a, tt.b) != tt.same {
			t.Errorf("%s and %s: %t", tt.a, tt.b, !tt.same)
		}
	}
	if Digest("p", nil) != "" || Digest("p", json.RawMessage("{")) != "" || Digest("p", json.RawMessage("1")) == Digest("q", json.RawMessage("1")) {
		t.Error("of nothing there is no digest, and each pepper has its own")
	}
}

func TestMints(t *testing.T) {
	odoo := func(method, args string) Call {
		return Call{Transport: "jsonrpc", Model: "res.partner", Method: method, Args: json.RawMessage(args)}
	}
	tryton := func(service, model, method string) Call {
		return Call{Transport: "tryton", Service: service, Model: model, Method: method}
	}
	for name, c := range map[string]struct {
		call   Call
		result string
		want   []Minted
	}{
		"create":         {odoo("create", ""), `7`, []Minted{{"res.partner", []int64{7}}}},
		"create many":    {odoo("create", ""), `[7,8]`, []Minted{{"res.partner", []int64{7, 8}}}},
		"copy":           {odoo("copy", ""), `9`, []Minted{{"res.partner", []int64{9}}}},
		"name_create":    {odoo("name_create", ""), `[5,"x"]`, []Minted{{"res.partner", []int64{5}}}},
		"no name":        {odoo("name_create", ""), `false`, nil},
		"web_save new":   {odoo("web_save", `[[],{}]`), `[{"id":3,"name":"x"}]`, []Minted{{"res.partner", []int64{3}}}},
		"web_save old":   {odoo("web_save", `[[3],{}]`), `[{"id":3,"name":"x"}]`, nil},
		"action":         {odoo("action_confirm", `[[3]]`), `{"type":"ir.actions.act_window","res_model":"sale.order","res_id":4}`, []Minted{{"sale.order", []int64{4}}}},
		"action of none": {odoo("action_confirm", `[[3]]`), `{"type":"ir.actions.act_window","res_model":"sale.order","res_id":false}`, nil},
		"read":           {odoo("read", `[[3]]`), `[{"id":3,"res_id":4}]`, nil},
		"import":         {odoo("load", ""), `{"ids":[1,2],"messages":[]}`, []Minted{{"res.partner", []int64{1, 2}}}},
		"message":        {odoo("message_post", ""), `12`, []Minted{{"mail.message", []int64{12}}}},
		"tryton create":  {tryton("model", "party.party", "create"), `[4,5]`, []Minted{{"party.party", []int64{4, 5}}}},
		"tryton wizard":  {tryton("wizard", "sale.ship", "create"), `[6,"start","end"]`, []Minted{{"wizard.sale.ship", []int64{6}}}},
		"tryton write":   {tryton("model", "party.party", "write"), `null`, nil},
		"script":         {odoo("go", ""), `{"type":"ir.actions.x","res_model":"<script>","res_id":4}`, nil},
		"no id":          {odoo("create", ""), `"7"`, nil},
		"no JSON":        {odoo("create", ""), `[7`, nil},
	} {
		if got := Mints(&c.call, json.RawMessage(c.result)); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

// TestAnswers: an answer is kept only with its arguments, by the same rules.
func TestAnswers(t *testing.T) {
	c := Call{Model: "res.partner", Method: "read", Answer: json.RawMessage(`{"length":1,"records":[{"id":3,"name":"Azure","city":"Rome"}]}`)}
	got := redacted(t, c, "res.partner:city")
	if s := string(got.Answer); !strings.Contains(s, `"id":3`) || !strings.Contains(s, `"city":"Rome"`) || strings.Contains(s, "Azure") {
		t.Error(s)
	}
	if got := redacted(t, c, "res.users"); got.Answer != nil {
		t.Errorf("%s", got.Answer)
	}
	if _, calls := read(t, write(t, Config{Rules: mustRules(t, "*:*")}, c)); calls[0].Answer != nil {
		t.Errorf("%s", calls[0].Answer)
	}
}

func TestPathsOfFiles(t *testing.T) {
	c := Call{Transport: "http", Verb: "GET", Path: "/web/content/12/Invoice%20Bob.pdf"}
	if got := redacted(t, c, "res.partner"); !strings.HasPrefix(got.Path, "/web/content/12/x") || strings.Contains(got.Path, "Bob") || got.Lacks != "path" {
		t.Errorf("%+v", got)
	}
	if got := redacted(t, c, "*:*"); got.Path != c.Path || got.Lacks != "" {
		t.Errorf("%+v", got)
	}
}
