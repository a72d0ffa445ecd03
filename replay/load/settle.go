package load

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// Routes on which methods of models are called.
const (
	routeCall   = "/web/dataset/call_kw"
	routeButton = "/web/dataset/call_button"
	routeRPC    = "/jsonrpc"
	routeXML    = "/xmlrpc/2/object"
	routeJSON2  = "/json/2"
)

// Settle leaves a call one meaning. A file may say of one call that it is a method's, that its path is another route's and
// that its params are a third thing; whoever judges a call, names it or sends it looks at some of that and must not look at
// something else than the others. So a route has no model or method, and a method's call has the path and the arguments of
// its transport alone. Paths are as a server reads them: what need not be escaped is not.
//
// What perfd recorded goes out as it came.
func (c *Call) Settle() {
	if text, err := url.PathUnescape(c.Path); err == nil {
		c.Path = (&url.URL{Path: text}).EscapedPath()
	}
	method := c.Model != "" && c.Method != ""
	if c.About = ""; c.Transport != "http" {
		c.Verb, c.Query, c.Fields = http.MethodPost, nil, nil
	}
	switch c.Transport {
	case "http":
		c.route()
	case "jsonrpc":
		switch path := strings.TrimRight(c.Path, "/"); { // Odoo takes it so
		case path == routeRPC:
			c.Path, c.Params = path, nil
		case method && (c.Args != nil || c.Kwargs != nil || c.Params == nil):
			c.Service, c.Params = "", nil
			c.Path = methodPath(c.Path, c.Model, c.Method)
		default:
			c.route()
			c.About = about(c.Path, c.Params)
		}
	case "json2":
		if c.Service, c.Args = "", nil; method {
			c.Path = routeJSON2 + "/" + url.PathEscape(c.Model) + "/" + url.PathEscape(c.Method)
		}
		if c.Params != nil {
			c.Kwargs = nil
		}
	case "xmlrpc":
		if c.Params = nil; c.Service == "object" && (!strings.HasPrefix(c.Path, "/xmlrpc/") || !strings.HasSuffix(c.Path, "/object")) {
			c.Path = routeXML
		}
	case "tryton":
		c.Kwargs, c.Params = nil, nil
	}
}

// route says that a call is what its path is.
func (c *Call) route() { c.Service, c.Model, c.Method, c.Args, c.Kwargs = "", "", "", nil, nil }

// about is the model in a route's params, with their method or else the route's own name; empty if they name none.
func about(path string, params json.RawMessage) string {
	if !bytes.Contains(params, []byte(`"model"`)) {
		return ""
	}
	var p struct{ Model, Method string }
	if json.Unmarshal(params, &p) != nil || p.Model == "" {
		return ""
	}
	if p.Method == "" {
		p.Method = path[strings.LastIndexByte(path, '/')+1:]
	}
	if name := p.Model + "." + p.Method; isName(name) {
		return name
	}
	return ""
}

// methodPath is the path of a method's call in the web client's protocol. The part behind the route is for logs alone, and
// not every client sends it.
func methodPath(path, model, method string) string {
	route := routeCall
	if path == routeButton || strings.HasPrefix(path, routeButton+"/") {
		route = routeButton
	}
	if path == route {
		return path
	}
	return route + "/" + url.PathEscape(model) + "/" + url.PathEscape(method)
}
