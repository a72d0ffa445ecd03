package load

import (
	"strconv"
	"strings"
	"time"
)

// mode is how the argument in a place is redacted.
type mode uint8

const (
	asValue   mode = iota // what users typed
	asNames               // fields, models, views, orders
	asDomain              // a search: names, operators and values
	asContext             // a context
)

const (
	v = asValue
	n = asNames
	d = asDomain
)

// odooPlaces are the modes of the positional arguments of Odoo's methods; others go by their form. Ids are values, which
// let whole numbers stand.
var odooPlaces = map[string][]mode{
	"read": {v, n, n}, "web_read": {v, n}, "search": {d, n, n, n, n}, "search_count": {d, n}, "search_fetch": {d, n, n, n, n},
	"search_read": {d, n, n, n, n}, "web_search_read": {d, n, n, n, n, n}, "read_group": {d, n, n, n, n, n, n}, "web_read_group": {d, n, n, n, n, n, n},
	"formatted_read_group": {d, n, n, d, n, n, n}, "name_search": {v, d, n, n}, "fields_get": {n, n}, "get_views": {n, n}, "load_views": {n, n},
	"get_view": {n, n}, "fields_view_get": {n, n}, "onchange": {v, v, n, n}, "default_get": {n}, "create": {v}, "write": {v, v}, "web_save": {v, v, n},
	"copy": {v, v}, "export_data": {v, n}, "name_create": {v}, "search_panel_select_range": {n}, "search_panel_select_multi_range": {n},
	"has_group": {n}, "has_access": {n}, "check_access_rights": {n, n},
}

// trytonPlaces are those of Tryton's, the context behind them left out.
var trytonPlaces = map[string][]mode{
	"search": {d, n, n, n}, "search_count": {d, n, n}, "search_read": {d, n, n, n, n}, "read": {v, n}, "create": {v}, "write": {v, v},
	"on_change": {v, n}, "on_change_with": {v, n}, "fields_get": {n, n}, "fields_view_get": {n, n}, "default_get": {n, n}, "export_data": {v, n},
	"copy": {v, v}, "autocomplete": {v, d, n, n}, "get_access": {n}, "get_keyword": {n, n}, "execute": {v, v, n}, "resources": {v, n},
}

func placesOf(c *Call) []mode {
	if c.Transport != "tryton" {
		return odooPlaces[c.Method]
	}
	return trytonPlaces[c.Method]
}

// modesByName are the modes of named arguments, and of the members of a route's params.
var modesByName = func() map[string]mode {
	all := map[string]mode{}
	for m, names := range map[mode]string{
		asNames: "fields field_names field_name allfields attributes groupby group_by groupBy order orderby order_by sort specification fields_spec aggregates " +
			"unfold_read_specification load operator views options view_type view_types mode model method res_model model_name thread_model action_id xml_id type " +
			"measures field progress_bar import_fields opening_info operation enable_counters expand limit offset",
		asDomain:  "domain args filter_domain search_domain category_domain comodel_domain having",
		asContext: "context additional_context extra_context user_context",
	} {
		for name := range strings.FieldsSeq(names) {
			all[name] = m
		}
	}
	return all
}()

// technical says whether a text is made of names and what stands between them in orders, groupings and field paths:
// "date_order desc, id", "partner_id:month", "line_ids/product_id", "ids:array_agg(id)".
func technical(text string) bool {
	if len(text) > 1024 {
		return false
	}
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(" ,.:/()-", r) }) {
		switch word {
		case "ASC", "DESC", "NULLS", "FIRST", "LAST":
			continue
		}
		if strings.Trim(word, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			return false
		}
	}
	return true
}

// maybeID says whether a number may be an id, which PostgreSQL keeps in four bytes: then it stands, since a record is found
// by nothing else.
func maybeID(text string) bool {
	_, err := strconv.ParseInt(text, 10, 32)
	return err == nil
}

// connected says whether a text holds references together and tells nothing by itself: nothing at all, a date or a time, a
// reference to a record ("res.partner,7"), the id of a record not saved yet, what was taken out before.
func connected(text string) bool {
	if text == "" || text == hidden {
		return true
	}
	if rest, ok := strings.CutPrefix(text, "virtual_"); ok {
		return maybeID(rest)
	}
	if model, id, ok := strings.Cut(text, ","); ok && maybeID(id) {
		return strings.Contains(model, ".") && strings.Trim(model, "abcdefghijklmnopqrstuvwxyz0123456789_.") == ""
	}
	if len(text) < 10 || len(text) > 32 || text[4] != '-' {
		return false
	}
	for _, layout := range []string{time.DateOnly, time.DateTime, time.RFC3339Nano, "2006-01-02T15:04:05"} {
		if _, err := time.Parse(layout, text); err == nil {
			return true
		}
	}
	return false
}
