package analyzer

import (
	"testing"

	"github.com/perfd/perfd/rpclog"
)

func TestRouteOf(t *testing.T) {
	for name, tt := range map[string]struct {
		call rpclog.Call
		want route
	}{
		"a page":                     {rpclog.Call{Path: "/odoo", Verb: "GET", Session: 1}, routeWeb},
		"a page without a cookie":    {rpclog.Call{Path: "/web/login", Verb: "GET"}, routeWeb},
		"the form of the login":      {rpclog.Call{Path: "/web/login", Verb: "GET", Session: 1}, routeWeb},
		"the login":                  {rpclog.Call{Path: "/web/login", Verb: "POST", Session: 1}, routeLogin},
		"a login":                    {rpclog.Call{Path: "/web/session/authenticate", Verb: "POST", Transport: rpclog.JSONRPC, Session: 1}, routeLogin},
		"a call of the web client":   {rpclog.Call{Path: "/web/dataset/call_kw", Transport: rpclog.JSONRPC, Session: 1}, routeWeb},
		"the same without a session": {rpclog.Call{Path: "/web/dataset/call_kw", Transport: rpclog.JSONRPC}, routeAPI},
		"a service":                  {rpclog.Call{Path: "/jsonrpc", Transport: rpclog.JSONRPC}, routeAPI},
		"a service in a session":     {rpclog.Call{Path: "/jsonrpc", Transport: rpclog.JSONRPC, Session: 1}, routeAPISession},
		"XML-RPC":                    {rpclog.Call{Path: "/xmlrpc/2/object", Transport: rpclog.XMLRPC}, routeAPI},
		"JSON-2":                     {rpclog.Call{Path: "/json/2/res.partner/read", Transport: rpclog.JSON2}, routeAPI},
		"Tryton":                     {rpclog.Call{Method: "model.party.party.read", Transport: rpclog.Tryton}, routeTryton},
		"Tryton's login":             {rpclog.Call{Method: "login", Transport: rpclog.Tryton}, routeTrytonLogin},
	} {
		if got := routeOf(&tt.call); got != tt.want {
			t.Errorf("%s: route %d, want %d", name, got, tt.want)
		}
	}
}
