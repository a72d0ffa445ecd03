package client

import (
	"slices"
	"testing"
)

func TestForesee(t *testing.T) {
	for _, c := range []struct {
		name          string
		protocol      Protocol
		model, method string
		args          []any
		keeps         bool
		forgets       []string
	}{
		{"a read", Odoo, "res.partner", "read", []any{[]any{1}, []any{"name"}}, true, nil},
		{"a read of a secret", Odoo, "res.users", "read", []any{[]any{1}, []any{"password"}}, false, nil},
		{"a model of secrets", Odoo, "ir.config_parameter", "search_read", nil, false, nil},
		{"a read that is never kept", Odoo, "sale.order", "onchange", nil, false, nil},
		{"a write", Odoo, "sale.order", "write", []any{[]any{1}, map[string]any{"name": "x"}}, false, []string{"sale.order"}},
		{"a write that shows in parents", Odoo, "product.product", "write", nil, false, []string{"product.product", "product.template"}},
		{"a write of lines", Odoo, "sale.order", "write", []any{[]any{1}, map[string]any{"line": []any{[]any{0, 0, map[string]any{}}}}}, false, []string{"*"}},
		{"a write of rules", Odoo, "ir.rule", "write", nil, false, []string{"*"}},
		{"a button", Odoo, "sale.order", "action_confirm", nil, false, []string{"*"}},
		{"Tryton's read", Tryton, "party.party", "read", nil, true, nil},
		{"Tryton's delete", Tryton, "party.party", "delete", nil, false, []string{"party.party"}},
		{"Tryton's wizard", Tryton, "wizard.party.erase", "execute", nil, false, []string{"*"}},
	} {
		keeps, forgets := Foresee(c.protocol, c.model, c.method, c.args, nil)
		slices.Sort(forgets)
		if keeps != c.keeps || !slices.Equal(forgets, c.forgets) {
			t.Errorf("%s: keeps %v, forgets %v; want %v, %v", c.name, keeps, forgets, c.keeps, c.forgets)
		}
	}
}
