package rewrite

import (
	"testing"

	"github.com/perfd/perfd/replay/load"
)

// TestForms: ids in queries and forms are rewritten where a model is named for them, and nowhere else.
func TestForms(t *testing.T) {
	for _, tt := range []struct{ path, in, want string }{
		{"/web/image", `[["model","sale.order"],["id","7"],["width","7"]]`, `[["model","sale.order"],["id","1007"],["width","7"]]`},
		{"/web/content", `[["id","7"]]`, `[["id","6007"]]`},
		{"/other", `[["id","7"]]`, `[["id","7"]]`},
		{"/other", `[["res_ids","1,2"],["res_model","res.partner"]]`, `[["res_ids","3001,3002"],["res_model","res.partner"]]`},
		{"/other", `[["res_ids","1,x"],["res_model","res.partner"]]`, `[["res_ids","1,x"],["res_model","res.partner"]]`},
		{"/other", `[["res_ids",[1,2]],["res_model","res.partner"]]`, `[["res_ids",[3001,3002]],["res_model","res.partner"]]`},
		{
			"/web/export/csv", `[["data",{"model":"sale.order","ids":[1],"domain":[["partner_id","=",5]],"context":{"active_model":"product","active_id":3}}],["csrf_token","(secret)"]]`,
			`[["data",{"model":"sale.order","ids":[1001],"domain":[["partner_id","=",3005]],"context":{"active_model":"product","active_id":5003}}],["csrf_token","(secret)"]]`,
		},
		{
			"/report/download", `[["data",["/report/pdf/sale.report/1,2","qweb-pdf"]],["context",{"active_model":"sale.order","active_ids":[1,2]}]]`,
			`[["data",["/report/pdf/sale.report/1001,1002","qweb-pdf"]],["context",{"active_model":"sale.order","active_ids":[1001,1002]}]]`,
		},
		{"/report/download", `[["data",["/report/pdf/sale.report/1","qweb-pdf"]]]`, `[["data",["/report/pdf/sale.report/1","qweb-pdf"]]]`},
		{"/my", `[["name","7"],["data",7]]`, `[["name","7"],["data",7]]`},
	} {
		for _, verb := range []string{"GET", "POST"} {
			c := load.Call{Session: "s1", Transport: "http", Verb: verb, Path: tt.path, Query: raw(tt.in)}
			if verb == "POST" {
				c.Query, c.Fields = nil, raw(tt.in)
			}
			r := all(false)
			if _, err := r.Refs(t.Context(), described, &c); err != nil {
				t.Fatal(err)
			}
			got, err := r.Apply(&c)
			if err != nil || string(got.Query)+string(got.Fields) != tt.want {
				t.Errorf("%s: %v\ngot  %s%s\nwant %s", tt.path, err, got.Query, got.Fields, tt.want)
			}
		}
	}
}
