package safety

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/perfd/perfd/fixtures"
	"github.com/perfd/perfd/replay/load"
)

func TestTiers(t *testing.T) {
	for _, tt := range []struct {
		call load.Call
		want Tier
	}{
		{load.Call{Model: "res.partner", Method: "web_search_read"}, Read},
		{load.Call{Model: "res.partner", Method: "onchange"}, Effective},
		{load.Call{Model: "res.partner", Method: "write"}, Write},
		{load.Call{Model: "x.y", Method: "anything_at_all"}, Write},
		{load.Call{Model: "x.y", Method: "search_something"}, Write}, // a name that begins well is not known
		{load.Call{Model: "x.y", Method: "_private"}, Excluded},
		{load.Call{Model: "sale.order", Method: "read", Path: "/web/dataset/call_button/sale.order/read"}, Write}, // a button
		{load.Call{Model: "account.move", Method: "action_post"}, Dangerous},
		{load.Call{Model: "mail.thread", Method: "message_post"}, Dangerous},
		{load.Call{Model: "account.payment.register", Method: "action_create_payments"}, Dangerous},
		{load.Call{Model: "ir.module.module", Method: "button_immediate_install"}, Dangerous},
		{load.Call{Model: "ir.cron", Method: "anything"}, Dangerous},
		{load.Call{Model: "res.partner", Method: "unlink"}, Dangerous},
		{load.Call{Path: "/web/action/run"}, Dangerous},
		{load.Call{Path: "/web/action/load"}, Effective},
		{load.Call{Path: "/web/dataset/resequence"}, Write},
		{load.Call{Path: "/web/image/res.partner/5/image_128", Verb: "GET"}, Read},
		{load.Call{Path: "/report/pdf/sale.report/5", Verb: "GET"}, Write}, // it may keep what it printed
		{load.Call{Path: "/report/html/sale.report/5", Verb: "GET"}, Read},
		{load.Call{Path: "/web/%73ession/logout", Verb: "GET"}, Excluded},
		{load.Call{Path: "/web/%2573ession/logout", Verb: "GET"}, Excluded},
		{load.Call{Path: "/fr/web/session/logout", Verb: "GET"}, Excluded},
		{load.Call{Path: "/pt_BR/web/database/drop", Verb: "POST"}, Excluded},
		{load.Call{Path: "/fr/my/security", Verb: "POST"}, Dangerous},
		{load.Call{Path: "/fr/web/image/1", Verb: "GET"}, Write}, // whose language it may be is not known
		{load.Call{Path: "/jsonrpc/", Params: []byte(`{"service":"db"}`)}, Excluded},
		{load.Call{Path: "/sr@latin/web/action/run", Params: []byte(`{}`)}, Dangerous},
		{load.Call{Path: "/fr/fr/web/database/drop", Verb: "POST"}, Excluded},
		{load.Call{Path: "/odoo/web/action/run", Verb: "GET"}, Dangerous},
		{load.Call{Path: "/odoo/sales", Transport: "jsonrpc", Verb: "GET", Params: []byte(`{}`)}, Write},
		{load.Call{Path: "/web/content/12/50%25.pdf", Verb: "GET"}, Read},
		{load.Call{Path: "/fr/jsonrpc", Verb: "POST", Params: []byte(`{"params":{"service":"object"}}`)}, Excluded},
		{load.Call{Path: "/fr/web/dataset/call_kw", Verb: "POST"}, Excluded},
		{load.Call{Path: "/shop/confirm-payment", Verb: "POST"}, Dangerous},
		{load.Call{Model: "res.partner", Method: "sendmail"}, Dangerous},
		{load.Call{Model: "res.partner", Method: "forceUnlink"}, Dangerous},
		{load.Call{Model: "res.partner", Method: "button_sendNow"}, Dangerous},
		{load.Call{Model: "res.partner", Method: "do_payout"}, Dangerous},
		{load.Call{Model: "res.partner", Method: "resend"}, Dangerous},
		{load.Call{Model: "mail.thread", Method: "message_process"}, Dangerous},
		{load.Call{Model: "social.post", Method: "action_schedule"}, Dangerous},
		{load.Call{Model: "..", Method: "read"}, Excluded},
		{load.Call{Model: "res..partner", Method: "read"}, Excluded},
		{load.Call{Model: "res.partner", Method: "read/../unlink"}, Excluded},
		{load.Call{Path: "/odoo/sales", Verb: "GET"}, Effective},
		{load.Call{Path: "/shop/confirm_order", Verb: "GET"}, Write},
		{load.Call{Path: "/payment/transaction"}, Dangerous},
		{load.Call{Path: "/longpolling/poll"}, Excluded},
		{load.Call{Path: "/bus/websocket_worker_bundle"}, Excluded},
		{load.Call{Path: "/websocket"}, Excluded},
		{load.Call{Path: "/web/session/logout"}, Excluded},
		{load.Call{Path: "/web/session/authenticate"}, Excluded},
		{load.Call{Path: "/web/database/drop"}, Excluded},
		{load.Call{Path: "/web/assets/1/web.js"}, Excluded},
		{load.Call{Path: "/sale/static/x.js"}, Excluded},
		{load.Call{Path: "/jsonrpc", Service: "db", Method: "drop"}, Excluded},
		{load.Call{Path: "/xmlrpc/2/db", Method: "drop", Service: "db"}, Excluded},
		{load.Call{Path: "/jsonrpc", Service: "common", Method: "login"}, Excluded},
		{load.Call{Path: "/jsonrpc", Service: "common", Method: "version"}, Effective},
		{load.Call{}, Excluded},
		{load.Call{Path: "/web/image/../session/logout", Verb: "GET"}, Excluded},
		{load.Call{Path: "/web/image/%2e%2e/session/logout", Verb: "GET"}, Excluded},
		{load.Call{Path: "/web/dataset/call_kw/res.partner/read", Params: []byte(`{"model":"res.partner","method":"unlink"}`)}, Excluded},
		{load.Call{Path: "/jsonrpc", Params: []byte(`{"service":"object"}`)}, Excluded},
		{load.Call{Transport: "xmlrpc", Path: "/xmlrpc/2/object", Method: "execute_kw"}, Excluded},
		{load.Call{Transport: "json2", Path: "/json/2/res.partner/unlink"}, Excluded},

		{load.Call{Transport: "tryton", Service: "model", Model: "party.party", Method: "search_read"}, Read},
		{load.Call{Transport: "tryton", Service: "model", Model: "party.party", Method: "on_change_with_name"}, Effective},
		{load.Call{Transport: "tryton", Service: "model", Model: "party.party", Method: "write"}, Write},
		{load.Call{Transport: "tryton", Service: "model", Model: "sale.sale", Method: "quote"}, Write},
		{load.Call{Transport: "tryton", Service: "model", Model: "account.invoice", Method: "post"}, Dangerous},
		{load.Call{Transport: "tryton", Service: "model", Model: "party.party", Method: "delete"}, Dangerous},
		{load.Call{Transport: "tryton", Service: "model", Model: "ir.session", Method: "read"}, Write},
		{load.Call{Transport: "tryton", Service: "wizard", Model: "party.replace", Method: "execute"}, Write},
		{load.Call{Transport: "tryton", Service: "wizard", Model: "account.invoice.pay", Method: "execute"}, Dangerous},
		{load.Call{Transport: "tryton", Service: "wizard", Model: "ir.module.activate_upgrade", Method: "create"}, Dangerous},
		{load.Call{Transport: "tryton", Service: "report", Model: "party.label", Method: "execute"}, Write},
		{load.Call{Transport: "tryton", Service: "report", Model: "x.y", Method: "delete"}, Excluded},
		{load.Call{Transport: "tryton", Service: "model", Model: "party.party", Method: "on_change_x.create"}, Excluded},
		{load.Call{Transport: "tryton", Service: "system", Model: "model.party.party", Method: "create"}, Excluded},
		{load.Call{Transport: "tryton", Service: "common", Model: "model.party.party", Method: "list"}, Excluded},
		{load.Call{Transport: "tryton", Service: "system", Method: "listMethods"}, Effective},
		{load.Call{Transport: "tryton", Service: "report", Model: "account.invoice", Method: "execute"}, Write},
		{load.Call{Transport: "tryton", Service: "common", Method: "logout"}, Excluded},
		{load.Call{Path: "/web/database/drop", Service: "common", Method: "version"}, Excluded},
		{load.Call{Path: "/web/action/run", Service: "common", Method: "version"}, Dangerous},
		{load.Call{Path: "/mail/message/post", Service: "common", Method: "version"}, Dangerous},
		{load.Call{Path: "/mail/thread/messages"}, Write},
		{load.Call{Transport: "http", Verb: "GET", Path: "/my/orders/1/accept", Model: "sale.order", Method: "read"}, Write},
		{load.Call{Transport: "http", Verb: "GET", Path: "/web/session/logout", Model: "sale.order", Method: "read"}, Excluded},
		{load.Call{Transport: "xmlrpc", Path: "/xmlrpc/2/object", Service: "report", Model: "x", Method: "read"}, Excluded},
		{load.Call{Transport: "other", Path: "/website/form/crm.lead", Model: "x", Method: "read"}, Excluded},
		{load.Call{Transport: "tryton", Path: "/db/bus"}, Excluded},
	} {
		if c := &tt.call; c.Transport == "" {
			c.Transport = "jsonrpc"
			if c.Verb != "" {
				c.Transport = "http"
			}
			if c.Path == "/jsonrpc" && c.Service == "" {
				c.Service = "object"
			}
		}
		if got := Of("", &tt.call); got != tt.want {
			t.Errorf("%+v is %s, want %s", tt.call, got, tt.want)
		}
	}
}

// line is a request in the truth of a recording of Odoo.
type line struct {
	Path, Model, Method string
	Leases              []struct {
		SQL [][]any
	}
}

// changes tells whether a request changed records: by a statement that does, of a table that is not the server's own book.
func (l *line) changes() bool {
	for _, lease := range l.Leases {
		for _, q := range lease.SQL {
			if len(q) < 4 {
				continue
			}
			head, _ := q[3].(string)
			words := strings.Fields(strings.ReplaceAll(head, `"`, ""))
			if len(words) < 3 || !slices.Contains([]string{"INSERT", "UPDATE", "DELETE"}, words[0]) {
				continue
			}
			table := words[1]
			if words[0] != "UPDATE" {
				table = words[2]
			}
			if !slices.Contains([]string{"res_users_log", "res_device_log", "bus_bus", "ir_attachment", "bus_presence"}, table) {
				return true
			}
		}
	}
	return false
}

// TestTiersHoldForRealCalls holds tiers against what calls did to a real database: none whose statements changed records
// is taken for one that reads.
func TestTiersHoldForRealCalls(t *testing.T) {
	for _, name := range []string{"odoo18-a", "odoo18-e", "odoo18-h"} {
		writes := 0
		for text := range strings.Lines(string(fixtures.Truth(t, name))) {
			var l line
			if err := json.Unmarshal([]byte(text), &l); err != nil {
				t.Fatal(err)
			}
			if l.Path == "" || !l.changes() {
				continue
			}
			writes++
			if tier := Of("odoo", &load.Call{Transport: "jsonrpc", Path: l.Path, Model: l.Model, Method: l.Method, Verb: "POST"}); tier < Write {
				t.Errorf("%s: %s.%s of %s changed records, and is %s", name, l.Model, l.Method, l.Path, tier)
			}
		}
		if writes < 10 {
			t.Errorf("%s: %d calls changed records", name, writes)
		}
	}
}

func TestPolicy(t *testing.T) {
	for _, tt := range []struct {
		p    Policy
		good bool
	}{
		{Policy{}, true}, {Policy{Writes: true, Dangerous: []string{"sale.order.unlink", "unlink"}}, true}, {Policy{Dangerous: []string{"unlink"}}, false},
		{Policy{Writes: true, Dangerous: []string{"*"}}, false}, {Policy{Writes: true, Dangerous: []string{""}}, false},
	} {
		if err := tt.p.Validate(); (err == nil) != tt.good {
			t.Errorf("%+v: %v", tt.p, err)
		}
	}
	p := Policy{Writes: true, Dangerous: []string{"sale.order.unlink", "action_post"}}
	for name, want := range map[string]bool{"sale.order unlink": true, "res.partner unlink": false, "account.move action_post": true} {
		c := load.Call{}
		for i, r := range name {
			if r == ' ' {
				c.Model, c.Method = name[:i], name[i+1:]
			}
		}
		if got := p.Allows(Dangerous, &c); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	routes := Policy{Writes: true, Dangerous: []string{"sale.order.unlink", "unlink", "/website/form"}}
	for _, tt := range []struct {
		call load.Call
		want bool
	}{ // what a route is called is its path, whatever else is said of it
		{load.Call{Transport: "http", Verb: "POST", Path: "/payment/transaction", Model: "sale.order", Method: "unlink"}, false},
		{load.Call{Transport: "jsonrpc", Path: "/web/action/run", Method: "unlink"}, false},
		{load.Call{Transport: "http", Verb: "POST", Path: "/website/form"}, true},
		{load.Call{Transport: "jsonrpc", Path: "/website/form", Model: "sale.order", Method: "write"}, false},
	} {
		if got := routes.Allows(Dangerous, &tt.call); got != tt.want {
			t.Errorf("%+v: %v", tt.call, got)
		}
	}
	if (Policy{Writes: true}).Allows(Excluded, &load.Call{}) {
		t.Error("what is never sent is")
	}
}
