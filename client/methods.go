package client

import (
	"slices"
	"strings"
)

// effect is what a method does, as far as its name tells.
type effect uint8

const (
	unknown  effect = iota // a button, or anything: it may change any model
	changes                // records of its own model
	reads                  // nothing, but the answer is not for a cache
	readable               // nothing, and the answer may be kept
)

// odooMethods are the methods of Odoo whose effect is known. Everything else is unknown.
var odooMethods = map[string]effect{
	"search": readable, "search_read": readable, "search_count": readable, "read": readable, "read_group": readable,
	"web_read": readable, "web_search_read": readable, "web_read_group": readable, "name_search": readable, "name_get": readable,
	"fields_get": readable, "default_get": readable, "get_views": readable,
	"onchange": reads,
	"create":   changes, "write": changes, "unlink": changes, "copy": changes, "web_save": changes, "name_create": changes,
	"action_archive": changes, "action_unarchive": changes, "toggle_active": changes, "web_resequence": changes,
}

// trytonMethods are those of Tryton's models.
var trytonMethods = map[string]effect{
	"search": readable, "search_read": readable, "search_count": readable, "read": readable, "fields_get": readable,
	"default_get": readable, "fields_view_get": readable, "view_toolbar_get": readable, "get_keyword": readable,
	"on_change": reads, "on_change_with": reads, "export_data": reads, "autocomplete": reads,
	"create": changes, "write": changes, "delete": changes, "copy": changes,
}

func effectOf(p Protocol, model, method string) effect {
	if p == Tryton {
		if strings.HasPrefix(model, "wizard.") || strings.HasPrefix(model, "report.") {
			return unknown
		}
		return trytonMethods[method]
	}
	return odooMethods[method]
}

// rules are models whose records decide what others show, or to whom: if one changes, nothing cached is sure.
var rules = map[string]bool{
	"ir.ui.view": true, "ir.model": true, "ir.model.fields": true, "ir.model.access": true, "ir.rule": true, "ir.default": true,
	"ir.module.module": true, "ir.translation": true, "res.groups": true, "res.users": true, "res.company": true, "res.lang": true,
	"res.user": true, "res.group": true, "ir.model.field.access": true, "ir.model.button": true, "ir.module": true, "ir.lang": true,
	"ir.configuration": true,
}

// InheritsOdoo are the _inherits parents of models in Odoo's own modules: a record of the first is stored in part as
// one of the others. Models of your own go into Config.Related.
var InheritsOdoo = map[string][]string{
	"res.users":                      {"res.partner"},
	"product.product":                {"product.template"},
	"account.bank.statement.line":    {"account.move"},
	"account.payment":                {"account.move"},
	"account.journal":                {"mail.alias"},
	"crm.team":                       {"mail.alias"},
	"project.project":                {"mail.alias"},
	"hr.job":                         {"mail.alias"},
	"helpdesk.team":                  {"mail.alias"},
	"maintenance.equipment.category": {"mail.alias"},
	"hr.employee":                    {"hr.version", "resource.resource"},
	"hr.version":                     {"resource.resource"},
	"ir.cron":                        {"ir.actions.server"},
	"website.page":                   {"ir.ui.view"},
	"mailing.mailing":                {"utm.source"},
	"hr.recruitment.source":          {"utm.source"},
}

// DefaultNeverModels are never cached: they have secrets.
var DefaultNeverModels = []string{
	"res.users.apikeys", "res.users.apikeys.show", "res.users.apikeys.description", "res.users.identitycheck", "auth_totp.device",
	"ir.config_parameter", "payment.token", "fetchmail.server", "ir.mail_server", "ir.session", "res.user.application",
}

// DefaultNeverFields are never cached, of no model.
var DefaultNeverFields = []string{"password", "new_password", "totp_secret", "api_key", "signup_token", "access_token", "password_hash"}

// relations answers which models a change of one may show in.
type relations struct {
	parents, children, related map[string][]string
}

func newRelations(related map[string][]string) *relations {
	r := &relations{parents: InheritsOdoo, children: map[string][]string{}, related: related}
	for child, parents := range InheritsOdoo {
		for _, p := range parents {
			r.children[p] = append(r.children[p], child)
		}
	}
	return r
}

// affected are the model, its parents and theirs, its children and theirs, and what Config.Related has of any of them.
func (r *relations) affected(model string) []string {
	out := []string{model}
	for _, table := range []map[string][]string{r.parents, r.children} {
		line := []string{model}
		for i := 0; i < len(line); i++ {
			for _, m := range table[line[i]] {
				if !slices.Contains(line, m) {
					line = append(line, m)
				}
			}
		}
		out = append(out, line[1:]...)
	}
	for i := 0; i < len(out); i++ {
		for _, m := range r.related[out[i]] {
			if !slices.Contains(out, m) {
				out = append(out, m)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// touched are the models that a call may change; nil means all.
func (c *Client) touched(r *request, o *options) []string {
	switch {
	case o.touched:
		if o.touches == nil {
			return []string{}
		}
		return o.touches
	case effectOf(c.protocol, r.model, r.method) != changes, rules[r.model], commands(r.args, 0), commandsIn(r.kwargs):
		return nil
	}
	return c.relations.affected(r.model)
}

// commands tells whether values have commands to records of other models, such as [[0, 0, {...}]] and
// [["create", [...]]]: lists in the values of a record.
func commands(v any, records int) bool {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			if records > 0 {
				switch item.(type) {
				case []any, []int, []int64, []string, map[string]any:
					return true
				}
			}
			if commands(item, records) {
				return true
			}
		}
	case map[string]any:
		for _, item := range v {
			if commands(item, records+1) {
				return true
			}
		}
	}
	return false
}

func commandsIn(kwargs map[string]any) bool {
	for name, v := range kwargs {
		if name != "specification" && name != "context" && commands(v, 0) {
			return true
		}
	}
	return false
}
