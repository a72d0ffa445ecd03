package load

import (
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/perfd/perfd/jsontree"
)

// TestFieldsByRules: what stands of queries and forms by which rules. Every W is an alias.
func TestFieldsByRules(t *testing.T) {
	const (
		image  = `[["model","res.partner"],["id","7"],["field","image_128"],["unique","a1b2c3"],["filename","Bob Smith"],["download","true"]]`
		export = `[["data",{"model":"res.partner","fields":[{"name":"city","label":"Bob Smith"}],"ids":[1,2],"domain":[["name","ilike","Bob"]],"import_compat":false,"context":{"lang":"en_US","default_name":"Bob"}}],["csrf_token","(secret)"]]`
		report = `[["data",["/report/pdf/sale.report_saleorder/1,2","qweb-pdf"]],["context",{"lang":"en_US","tz":"Europe/Brussels"}],["token","(secret)"]]`
		person = `[["name","Bob Smith"],["phone","5551234"],["city","Rome"],["partner_id","7"],["Bob Smith","x"],["csrf_token","(secret)"]]`
		upload = `[["model","res.partner"],["id","7"],["ufile","",{"filename":"Bob Smith.png","type":"image/svg+xml","size":12}]]`
	)
	for name, c := range map[string]struct{ path, fields, rules, want string }{
		"image":              {"/web/image", image, "*", `[["model","res.partner"],["id","7"],["field","image_128"],["unique",W],["filename",W],["download","true"]]`},
		"all":                {"/web/image", image, "*:*", image},
		"a field":            {"/web/image", image, "* res.partner:filename", `[["model","res.partner"],["id","7"],["field","image_128"],["unique",W],["filename","Bob Smith"],["download","true"]]`},
		"not this model":     {"/web/image", image, "* -res.partner", ""},
		"no rule":            {"/web/image", image, "res.users", ""},
		"the model's alone":  {"/web/image", image, "res.partner:*", image},
		"export":             {"/web/export/csv", export, "*", `[["data",{"model":"res.partner","fields":[{"name":"city","label":W}],"ids":[1,2],"domain":[["name","ilike",W]],"import_compat":false,"context":{"lang":"en_US","default_name":W}}],["csrf_token","(secret)"]]`},
		"export, field":      {"/web/export/csv", export, "*:name", `[["data",{"model":"res.partner","fields":[{"name":"city","label":W}],"ids":[1,2],"domain":[["name","ilike","Bob"]],"import_compat":false,"context":{"lang":"en_US","default_name":"Bob"}}],["csrf_token","(secret)"]]`},
		"export, whole":      {"/web/export/csv", export, "*:data", export},
		"export, other":      {"/web/export/csv", export, "* -res.partner", ""},
		"report":             {"/report/download", report, "*", report},
		"person":             {"/my/account", person, "*", `[["name",W],["phone",N],["city",W],["partner_id","7"],[W,W],["csrf_token","(secret)"]]`},
		"person, city":       {"/my/account", person, "*:city", `[["name",W],["phone",N],["city","Rome"],["partner_id","7"],[W,W],["csrf_token","(secret)"]]`},
		"person, but a name": {"/my/account", person, "*:-name", `[["name",W],["phone","5551234"],["city","Rome"],["partner_id","7"],[W,"x"],["csrf_token","(secret)"]]`},
		"file":               {"/web/binary/upload_attachment", upload, "*", `[["model","res.partner"],["id","7"],["ufile","",{"filename":F,"type":"image/svg+xml","size":12}]]`},
		"file by rule":       {"/web/binary/upload_attachment", upload, "*:ufile", upload},
	} {
		t.Run(name, func(t *testing.T) {
			pattern := regexp.QuoteMeta(c.want)
			for sign, is := range map[string]string{",W": `,"x[0-9a-f]+"`, ":W": `:"x[0-9a-f]+"`, "\\[W": `\["x[0-9a-f]+"`, ",N": `,"[0-9]{7}"`, ":F": `:"x[0-9a-f]+\.png"`} {
				pattern = strings.ReplaceAll(pattern, sign, is)
			}
			for _, verb := range []string{"GET", "POST"} {
				in := Call{Transport: "http", Verb: verb, Path: c.path}
				if verb == "GET" {
					in.Query = json.RawMessage(c.fields)
				} else {
					in.Fields, in.Form = json.RawMessage(c.fields), FormURLEncoded
				}
				got := redacted(t, in, strings.Fields(c.rules)...)
				text := string(got.Query) + string(got.Fields)
				if !regexp.MustCompile("^" + pattern + "$").MatchString(text) {
					t.Errorf("got  %s\nwant %s", text, c.want)
				}
				lacks := map[string]string{"GET": "query", "POST": "arguments"}[verb]
				if (text == "") != strings.Contains(got.Lacks, lacks) || (text != c.fields && text != "") != strings.Contains(got.Lacks, "values") || (text == "" || verb == "GET") != (got.Form == "") {
					t.Errorf("lacks %q, form %q", got.Lacks, got.Form)
				}
			}
		})
	}
}

// TestFieldsAndBack: what is formatted is parsed, and encodes as net/url decodes it.
func TestFieldsAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := url.Values{}
		var fields []Field
		for range rapid.IntRange(0, 5).Draw(t, "fields") {
			name, value := rapid.StringMatching(`[ -~é]*`).Draw(t, "name"), rapid.String().Draw(t, "value")
			raw, _ := json.Marshal([][]string{{name, value}})
			one, err := ParseFields(raw)
			if err != nil {
				t.Fatal(err)
			}
			fields = append(fields, one...)
			want.Add(one[0].Name, one[0].Text())
		}
		again, err := ParseFields(FormatFields(fields))
		if err != nil {
			t.Fatal(err)
		}
		got, err := url.ParseQuery(EncodeFields(again))
		if err != nil || got.Encode() != want.Encode() {
			t.Fatalf("%v: got %q, want %q", err, got, want)
		}
	})
}

// TestNothingTypedInFields: whatever people typed into a form or a query, under whichever names, none of it stands.
func TestNothingTypedInFields(t *testing.T) {
	const canary = "Canary"
	rapid.Check(t, func(t *rapid.T) {
		var fields []Field
		for range rapid.IntRange(0, 4).Draw(t, "n") {
			f := Field{
				Name:  rapid.SampledFrom([]string{"name", "data", "context", "domain", "model", "id", "partner_id", "field", "lang", "action", "ufile", "Canary x", "csrf_token"}).Draw(t, "name"),
				Value: drawValue(t, 3),
			}
			if k := f.Value.Kind; k != jsontree.String && k != jsontree.Array && k != jsontree.Object {
				f.Value = jsontree.Of("Canary 5551234")
			}
			if rapid.Bool().Draw(t, "file") {
				f.Value, f.File = jsontree.Of(""), &File{Name: "Canary.canary", Type: "Canary/x", Size: 5}
			}
			fields = append(fields, f)
		}
		x := redactor{alias: newAliases(testKey)}
		got := x.redactFields(FormatFields(fields), rapid.SampledFrom([]string{"/my/account", reportRoute}).Draw(t, "route"))
		if strings.Contains(string(got), canary) || strings.Contains(string(got), "5551234") || x.failed {
			t.Fatalf("%s became %s", FormatFields(fields), got)
		}
		after, err := ParseFields(got)
		if err != nil || len(after) != len(fields) {
			t.Fatalf("%s: %v", got, err)
		}
	})
}

func TestFieldsThatAreNone(t *testing.T) {
	for _, raw := range []string{
		`{}`, `1`, `[1]`, `[[]]`, `[["a"]]`, `[[1,"b"]]`, `[["a",1]]`, `[["a",null]]`, `[["a","b",1]]`, `[["a","",{"size":-1}]]`, `[["a","",{"size":1e99}]]`, `[["a","b",{"size":1},2]]`, `[["a\u000ab","c"]]`,
		`[["a","",{"filename":"a\u0000b","size":1}]]`, `[["a","",{"size":99999999999}]]`, `[` + strings.Repeat(`["a","b"],`, maxFields) + `["a","b"]]`,
	} {
		if f, err := ParseFields(json.RawMessage(raw)); err == nil {
			t.Errorf("%.50s was read as %v", raw, f)
		}
		head := "perfd-load 1\n" + `{"load":{"version":1,"start":"2031-01-02T03:04:05Z"}}` + "\n" + `{"session":{"id":"s1","transport":"http"}}` + "\n"
		if err := drain(pack(t, head+`{"call":{"seq":1,"session":"s1","transport":"http","fields":`+raw+"}}\n")); !errors.Is(err, ErrFormat) {
			t.Errorf("%.50s: %v", raw, err)
		}
	}
}
