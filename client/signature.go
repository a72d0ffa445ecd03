package client

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// ids marks the parameter that is the recordset: /json/2 has it beside the named ones.
const ids = "ids"

// odooNamed are the parameters of Odoo's methods by position, for /json/2, which takes named ones alone.
var odooNamed = map[string][]string{
	"search":               {"domain", "offset", "limit", "order"},
	"search_count":         {"domain", "limit"},
	"search_read":          {"domain", "fields", "offset", "limit", "order"},
	"search_fetch":         {"domain", "field_names", "offset", "limit", "order"},
	"read":                 {ids, "fields", "load"},
	"read_group":           {"domain", "fields", "groupby", "offset", "limit", "orderby", "lazy"},
	"formatted_read_group": {"domain", "groupby", "aggregates", "having", "offset", "limit", "order"},
	"web_read":             {ids, "specification"},
	"web_search_read":      {"domain", "specification", "offset", "limit", "order", "count_limit"},
	"web_save":             {ids, "vals", "specification", "next_id"},
	"name_search":          {"name", "domain", "operator", "limit"},
	"name_create":          {"name"},
	"fields_get":           {"allfields", "attributes"},
	"default_get":          {"fields"},
	"get_views":            {"views", "options"},
	"onchange":             {ids, "values", "field_names", "fields_spec"},
	"create":               {"vals_list"},
	"write":                {ids, "vals"},
	"unlink":               {ids},
	"copy":                 {ids, "default"},
	"exists":               {ids},
	"action_archive":       {ids},
	"action_unarchive":     {ids},
	"context_get":          {},
}

// trytonPositional are the parameters of Tryton's methods by name, which takes positions alone, with what stands for
// one that was left out before another.
var trytonPositional = map[string][]parameter{
	"search":       {{"domain", nil}, {"offset", 0}, {"limit", nil}, {"order", nil}},
	"search_count": {{"domain", nil}, {"offset", 0}, {"limit", nil}},
	"search_read":  {{"domain", nil}, {"offset", 0}, {"limit", nil}, {"order", nil}, {"fields", nil}},
	"read":         {{ids, nil}, {"fields", nil}},
	"create":       {{"vlist", nil}},
	"write":        {{ids, nil}, {"values", nil}},
	"delete":       {{ids, nil}},
	"copy":         {{ids, nil}, {"default", nil}},
	"default_get":  {{"fields", nil}, {"with_rec_name", true}},
	"fields_get":   {{"fields", []any{}}, {"level", 0}},
	"export_data":  {{ids, nil}, {"fields", nil}},
}

type parameter struct {
	name    string
	missing any
}

// named makes a body of /json/2 out of a call.
func (r *request) named() (map[string]any, error) {
	body := r.keywords()
	names, known := odooNamed[r.method]
	switch {
	case len(r.args) == 0:
		return body, nil
	case !known && len(r.args) == 1 && isIDs(r.args[0]):
		names = []string{ids} // a button
	case len(r.args) > len(names):
		return nil, &Error{
			Kind: KindArgument, Model: r.model, Method: r.method,
			Message: fmt.Sprintf("%d positional arguments, of which %d have known names", len(r.args), len(names)),
			Hint:    "json2 takes named arguments alone: pass them by name",
		}
	}
	for i, v := range r.args {
		if _, twice := body[names[i]]; twice {
			return nil, &Error{Kind: KindArgument, Model: r.model, Method: r.method, Message: names[i] + " is given twice"}
		}
		body[names[i]] = v
	}
	return body, nil
}

// isIDs tells a list of ids.
func isIDs(v any) bool {
	switch v := v.(type) {
	case []int, []int64:
		return true
	case []any:
		for _, id := range v {
			switch id := id.(type) {
			case int, int64, int32, json.Number:
			case float64:
				if id != float64(int64(id)) {
					return false
				}
			default:
				return false
			}
		}
		return true
	}
	return reflect.ValueOf(v).Kind() == reflect.Slice && reflect.TypeOf(v).Elem().Kind() == reflect.Int64
}

// positions makes the parameters of Tryton out of a call, without the context.
func (r *request) positions() ([]any, error) {
	out := append([]any{}, r.args...)
	if len(r.kwargs) == 0 {
		return out, nil
	}
	rest := len(r.kwargs)
	list := trytonPositional[r.method]
	for i := len(r.args); i < len(list) && rest > 0; i++ {
		v, ok := r.kwargs[list[i].name]
		if ok {
			rest--
		} else {
			v = list[i].missing
		}
		out = append(out, v)
	}
	if rest > 0 {
		var names []string
		for name := range r.kwargs {
			names = append(names, name)
		}
		return nil, &Error{
			Kind: KindArgument, Model: r.model, Method: r.method, Hint: "pass them by position",
			Message: "Tryton takes no named arguments, and these have no known position or are given twice: " + strings.Join(names, ", "),
		}
	}
	return out, nil
}
