package safety

import (
	"strings"

	"github.com/perfd/perfd/replay/load"
)

// trytonReads are methods of every model that read.
var trytonReads = map[string]Tier{
	"search": Read, "search_read": Read, "search_count": Read, "read": Read, "search_global": Read, "resources": Read,

	"fields_get": Effective, "default_get": Effective, "fields_view_get": Effective, "view_toolbar_get": Effective, "on_change": Effective,
	"on_change_with": Effective, "export_data": Effective, "export_data_domain": Effective, "autocomplete": Effective, "get_keyword": Effective,
	"get_preferences": Effective, "get_preferences_fields_view": Effective, "get_access": Effective, "get_symbol": Effective,
	"history_revisions": Effective, "list_icons": Effective, "get_action_id": Effective, "get_models": Effective, "default_type": Effective,
	"get_names": Effective, "get_groups": Effective, "view_attributes": Effective, "get_rec_name": Effective, "get_name": Effective,
	"search_stock_quantity": Effective, "pre_validate": Effective, "get_tree_state": Effective, "get_search": Effective,
}

// trytonReadsOf are methods of one model that read.
var trytonReadsOf = map[string]bool{
	"ir.action.get": true, "ir.ui.view_search.get": true, "ir.ui.view_tree_state.get": true, "ir.ui.icon.get": true,
}

func tryton(c *load.Call) Tier {
	switch c.Service {
	case "model":
		if !named(c.Model, c.Method) {
			return Excluded
		}
		if t, ok := trytonReads[c.Method]; ok && c.Model != "ir.session" {
			return t
		}
		switch {
		case strings.HasPrefix(c.Method, "on_change_"):
			return Effective
		case trytonReadsOf[c.Model+"."+c.Method]:
			return Effective
		}
		return change(c.Model, c.Method)
	case "wizard":
		if !named(c.Model, c.Method) {
			return Excluded
		}
		if dangerous(c.Model, "") || dangerous("", c.Model) {
			return Dangerous
		}
		return Write // each of its methods keeps or ends a wizard's session, and its states may do anything
	case "report":
		if !named(c.Model, c.Method) || c.Method != "execute" {
			return Excluded
		}
		return Write // some keep what they printed, or make what they are to print
	case "common":
		if c.Model != "" {
			return Excluded
		}
		if c.Method == "version" || c.Method == "list" {
			return Effective
		}
		return Excluded // log-in and log-out: every session makes its own
	case "system":
		switch c.Method {
		case "listMethods", "methodHelp", "methodSignature":
			if c.Model == "" {
				return Effective
			}
		}
		return Excluded
	}
	return Excluded // the bus, the web client's files
}
