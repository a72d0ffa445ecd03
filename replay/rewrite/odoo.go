package rewrite

import (
	"strconv"
	"strings"

	"github.com/perfd/perfd/jsontree"
)

// What a parameter of a method holds.
const (
	isIDs     = "ids"
	isDomain  = "domain"
	isValues  = "values"
	isContext = "context"
)

// odooParameters are those of Odoo's methods, by position, as far as they hold ids.
var odooParameters = map[string][]string{
	"search": {isDomain}, "search_count": {isDomain}, "search_read": {isDomain}, "search_fetch": {isDomain}, "read_group": {isDomain},
	"web_search_read": {isDomain}, "web_read_group": {isDomain}, "formatted_read_group": {isDomain}, "read_progress_bar": {isDomain},
	"name_search": {"", isDomain}, "web_name_search": {"", "", "", isDomain}, "create": {isValues}, "write": {isIDs, isValues}, "web_save": {isIDs, isValues},
	"copy": {isIDs, isValues}, "onchange": {isIDs, isValues}, "fields_get": {}, "default_get": {}, "get_views": {}, "load_views": {},
	"name_create": {}, "search_panel_select_range": {}, "search_panel_select_multi_range": {}, "has_group": {}, "check_access_rights": {},
}

// odooNamed is what parameters hold by their name.
var odooNamed = map[string]string{
	"ids": isIDs, "res_ids": isIDs, "id": isIDs, "next_id": isIDs, "domain": isDomain, "args": isDomain, "category_domain": isDomain,
	"filter_domain": isDomain, "search_domain": isDomain, "vals": isValues, "vals_list": isValues, "values": isValues, "default": isValues,
	"context": isContext,
}

func (w *walker) parameter(v *jsontree.Value, holds, model string) {
	switch holds {
	case isIDs:
		w.ids(v, model)
	case isDomain:
		w.domain(v, model)
	case isValues:
		w.rows(v, model)
	case isContext:
		w.context(v, model)
	}
}

// odooCall is a method's arguments.
func (w *walker) odooCall(model, method string, args, kwargs *jsontree.Value) {
	names, known := odooParameters[method]
	for i := range args.Items {
		item := &args.Items[i]
		switch {
		case known && i < len(names):
			w.parameter(item, names[i], model)
		case !known && i == 0 && areNumbers(item): // a recordset's method
			w.ids(item, model)
		case item.Kind == jsontree.Object && i == len(args.Items)-1 && i > 0 && !known: // the context, of buttons
			w.context(item, model)
		}
	}
	for i, name := range kwargs.Names {
		w.parameter(&kwargs.Items[i], odooNamed[name], model)
	}
}

// areNumbers tells a list of ids, which a number alone is not: it may be anything.
func areNumbers(v *jsontree.Value) bool {
	if v.Kind != jsontree.Array || len(v.Items) == 0 {
		return false
	}
	for i := range v.Items {
		if v.Items[i].Kind != jsontree.Number {
			return false
		}
	}
	return true
}

// odooResult is what a method answers.
func (w *walker) odooResult(model, method string, v *jsontree.Value) {
	switch method {
	case "search", "create", "copy":
		w.ids(v, model)
	case "read", "search_read", "web_read", "search_fetch", "web_save":
		w.rows(v, model)
	case "name_search", "name_get", "web_name_search":
		for i := range v.Items {
			w.pair(&v.Items[i], model)
		}
	case "name_create":
		w.pair(v, model)
	case "web_search_read":
		w.rows(v.Member("records"), model)
	case "read_group":
		w.rows(v, model)
	case "web_read_group", "formatted_read_group":
		w.rows(v.Member("groups"), model)
	case "onchange":
		w.row(v.Member("value"), model)
	case "default_get":
		w.row(v, model)
	default:
		w.action(v)
	}
}

// action is an action that a button answers with.
func (w *walker) action(v *jsontree.Value) {
	if v.Member("type").Kind != jsontree.String {
		return
	}
	model := v.Member("res_model").Text
	w.ids(v.Member("res_id"), model)
	w.domain(v.Member("domain"), model)
	w.context(v.Member("context"), model)
}

// path is a route whose parts hold ids: /web/image/res.partner/7/image_128, /web/content/7.
func (w *walker) path(path string) string {
	parts := strings.Split(path, "/")
	model := ""
	if attachments(path) {
		model = "ir.attachment"
	}
	changed := false
	for i, p := range parts {
		n, err := strconv.ParseInt(p, 10, 64)
		switch {
		case err == nil && n > 0 && model != "":
			if now := w.visit(model, n); now != n {
				parts[i], changed = strconv.FormatInt(now, 10), true
			}
			model = ""
		case strings.Contains(p, ".") && isModel(p):
			model = p
		}
	}
	if !changed {
		return path
	}
	return strings.Join(parts, "/")
}
