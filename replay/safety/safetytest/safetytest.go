// Package safetytest makes calls that lie about what they are, and tells what a server would do of a request, so that
// tests of whatever sends calls again can hold what leaves against what may. It judges by itself, as servers do: by the
// decoded path and by the names in the body.
package safetytest

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/url"
	"strings"

	"pgregory.net/rapid"

	"github.com/perfd/perfd/replay/load"
)

var (
	models  = []string{"res.partner", "account.payment", "", "..", "res.partner/unlink", "../res.users", "object"}
	methods = []string{"read", "search_read", "unlink", "write", "create", "action_post", "", "version", "execute_kw", "READ", "read.unlink", "read/../unlink", "drop"}
	routes  = []string{
		"/web/image/1", "/web/action/load", "/web/action/run", "/web/session/logout", "/web/session/destroy", "/web/database/drop", "/web/login", "/my/security",
		"/payment/transaction", "/mail/message/post", "/longpolling/poll", "/jsonrpc", "/xmlrpc/2/object", "/xmlrpc/2/db", "/xmlrpc/2/common", "/web/dataset/call_kw",
		"/web/dataset/call_kw/res.partner/read", "/web/dataset/call_button", "/web/dataset/call", "/json/2/res.partner/unlink", "/json/2/res.partner/read", "/copy/", "",
		"/web/dataset/search_read", "/web/dataset/resequence", "/report/html/x/1",
	}
	bodies = []string{
		"", `{}`, `{"model":"res.partner","method":"unlink","args":[[1]],"kwargs":{}}`, `{"model":"res.partner","method":"read","method":"unlink","args":[[1]],"kwargs":{}}`,
		`{"service":"db","method":"drop","args":["x","copy"]}`, `{"service":"object","method":"execute_kw","args":["copy",2,"x","res.partner","unlink",[[1]]]}`,
		`{"action_id":7}`, `{"ids":[1]}`, `{"jsonrpc":"2.0","params":{"model":"res.partner","method":"unlink","args":[[1]]}}`,
	}
	lists = []string{"", `[]`, `[[1]]`, `["copy",2,"x","res.partner","unlink",[[1]]]`, `[[1],{}]`}
)

// honest are reads as each transport has them.
var honest = []load.Call{
	{Transport: "http", Verb: "GET", Path: "/web/image/1"},
	{Transport: "jsonrpc", Verb: "POST", Path: "/web/dataset/call_kw/res.partner/read", Model: "res.partner", Method: "read", Args: []byte(`[[1]]`), Kwargs: []byte(`{}`)},
	{Transport: "jsonrpc", Verb: "POST", Path: "/web/action/load", Params: []byte(`{"action_id":7}`)},
	{Transport: "jsonrpc", Verb: "POST", Path: "/jsonrpc", Service: "object", Model: "res.partner", Method: "read", Args: []byte(`[[1]]`)},
	{Transport: "xmlrpc", Verb: "POST", Path: "/xmlrpc/2/object", Service: "object", Model: "res.partner", Method: "read", Args: []byte(`[[1]]`)},
	{Transport: "json2", Verb: "POST", Path: "/json/2/res.partner/read", Model: "res.partner", Method: "read", Kwargs: []byte(`{"ids":[1]}`)},
	{Transport: "tryton", Verb: "POST", Path: "/copy/", Service: "model", Model: "party.party", Method: "read", Args: []byte(`[[1],{}]`)},
}

// Call draws a read of which some parts may say something else.
func Call(t *rapid.T) load.Call {
	one := func(name string, of []string) string { return rapid.SampledFrom(of).Draw(t, name) }
	text := func(name string, of []string) json.RawMessage {
		if s := one(name, of); s != "" {
			return json.RawMessage(s)
		}
		return nil
	}
	c := rapid.SampledFrom(honest).Draw(t, "honest")
	c.Session, c.Status = one("session", []string{"a", "b"}), 200
	lies := []func(){
		func() { c.Transport = one("transport", []string{"http", "jsonrpc", "xmlrpc", "json2", "tryton"}) },
		func() { c.Verb = one("verb", []string{"GET", "POST", "PUT", "DELETE", ""}) },
		func() { c.Path = one("path", routes) },
		func() { c.Path = disguise(t, c.Path) },
		func() {
			c.Service = one("service", []string{"", "object", "common", "db", "report", "model", "system"})
		},
		func() { c.Model = one("model", models) },
		func() { c.Method = one("method", methods) },
		func() { c.Model, c.Method = "res.partner", one("method", methods) },
		func() { c.Args = text("args", lists) },
		func() { c.Kwargs = text("kwargs", []string{"", `{}`, `{"context":{}}`}) },
		func() { c.Params = text("params", bodies) },
		func() { c.Fields = text("fields", []string{"", `[["old","x"],["new1","y"]]`}) },
		func() { c.Query = text("query", []string{"", `[["id","1"]]`}) },
		func() { c.Form = one("form", []string{"", load.FormExecute, load.FormExecuteKW, load.FormURLEncoded}) },
		func() { c.Minted = []load.Minted{{Model: "res.partner", IDs: []int64{42}}} },
	}
	for range rapid.IntRange(0, 4).Draw(t, "lies") {
		rapid.SampledFrom(lies).Draw(t, "lie")()
	}
	return c
}

// disguise writes a path in another way.
func disguise(t *rapid.T, path string) string {
	switch n := rapid.IntRange(0, 9).Draw(t, "disguise"); {
	case path == "":
	case n == 0:
		path = rapid.SampledFrom([]string{"/fr", "/pt_BR", "/sr@latin", "/fr/fr"}).Draw(t, "language") + path
	case n == 1:
		path += "/"
	case n == 2:
		path = "/web/image/.." + path
	case n <= 4:
		i := rapid.IntRange(1, len(path)-1).Draw(t, "escaped")
		path = path[:i] + fmt.Sprintf("%%%02x", path[i]) + path[i+1:]
	}
	return path
}

// harmless are the routes of those above that may be asked for unless writes are allowed, and those of log-ins.
var harmless = []string{"/web/image", "/web/action/load", "/web/dataset/search_read", "/report/html", "/web/session/authenticate", "/web/session/account", "/web/session/get_session_info"}

// Harm is what a server would do of a request that is not a read or a log-in; empty if there is nothing.
func Harm(verb, target string, body []byte) string {
	u, err := url.Parse(target)
	if err != nil {
		return "no address: " + target
	}
	if strings.Contains(u.Path, "%") || strings.Contains(u.Path, "/..") || strings.Contains(u.Path, "//") {
		return "a path that may be taken for another: " + u.Path
	}
	for _, language := range []string{"/fr/", "/fr/", "/pt_BR/", "/sr@latin/"} {
		u.Path = "/" + strings.TrimPrefix(strings.TrimPrefix(u.Path, language), "/")
	}
	if u.Path != "/copy/" {
		u.Path = strings.TrimRight(u.Path, "/")
	}
	var m struct {
		Method string
		Params json.RawMessage
	}
	_ = json.Unmarshal(body, &m)
	var p struct {
		Service, Model, Method string
		Args                   []json.RawMessage
	}
	_ = json.Unmarshal(m.Params, &p)
	switch {
	case u.Path == "/jsonrpc":
		switch p.Service {
		case "common":
			return unless(p.Method, "login", "authenticate", "version", "about")
		case "object":
			if len(p.Args) < 5 {
				return "an object's call without a method"
			}
			var name string
			_ = json.Unmarshal(p.Args[4], &name)
			return unlessRead(name)
		}
		return "service " + p.Service
	case strings.HasPrefix(u.Path, "/xmlrpc/"):
		return xmlHarm(u.Path, body)
	case strings.HasPrefix(u.Path, "/web/dataset/call"):
		return unlessRead(p.Method)
	case strings.HasPrefix(u.Path, "/json/2/"):
		return unlessRead(u.Path[strings.LastIndexByte(u.Path, '/')+1:])
	case u.Path == "/copy/": // Tryton's
		parts := strings.Split(m.Method, ".")
		if parts[0] == "common" {
			return unless(m.Method, "common.db.login", "common.db.logout", "common.version", "common.server.version", "common.db.list")
		}
		if len(parts) < 3 || parts[0] != "model" {
			return "Tryton's " + m.Method
		}
		return unlessRead(parts[len(parts)-1])
	}
	for _, route := range harmless {
		if u.Path == route || strings.HasPrefix(u.Path, route+"/") {
			return ""
		}
	}
	return verb + " " + u.Path
}

func xmlHarm(path string, body []byte) string {
	var call struct {
		Name   string `xml:"methodName"`
		Params []struct {
			Text string `xml:"string"`
		} `xml:"params>param>value"`
	}
	if err := xml.Unmarshal(body, &call); err != nil {
		return "XML that cannot be read"
	}
	switch path[strings.LastIndexByte(path, '/')+1:] {
	case "common":
		return unless(call.Name, "login", "authenticate", "version", "about")
	case "object":
		if len(call.Params) < 5 {
			return "an object's call without a method"
		}
		return unlessRead(call.Params[4].Text)
	}
	return "XML-RPC to " + path
}

func unlessRead(method string) string {
	return unless(method, "read", "search_read", "context_get", "get_preferences", "fields_get")
}

func unless(name string, good ...string) string {
	for _, g := range good {
		if name == g {
			return ""
		}
	}
	return "method " + name
}
