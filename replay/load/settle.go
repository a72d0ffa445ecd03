package load

import (
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
// Whatever perfd recorded stays as it is.
func (c *Call) Settle() {
	if text, err := url.PathUnescape(c.Path); err == nil {
		c.Path = (&url.URL{Path: text}).EscapedPath()
	}
	method := c.Model != "" && c.Method != ""
	switch c.Transport {
	case "http":
		c.route()
		c.Args, c.Kwargs = nil, nil
	case "jsonrpc":
		switch {
		case c.Path == routeRPC:
			c.Params = nil
		case method && (c.Args != nil || c.Kwargs != nil || c.Params == nil):
			c.Service, c.Params = "", nil
			c.Path = methodPath(c.Path, c.Model, c.Method)
		default:
			c.route()
			c.Args, c.Kwargs = nil, nil
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
	if c.Transport != "http" {
		c.Query, c.Fields = nil, nil
	}
}

// route says that a call is what its path is.
func (c *Call) route() { c.Service, c.Model, c.Method = "", "", "" }

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
