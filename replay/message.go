package replay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/perfd/perfd/client"
	"github.com/perfd/perfd/client/xmlrpc"
	"github.com/perfd/perfd/jsontree"
	"github.com/perfd/perfd/replay/load"
)

const jsonKind = "application/json"

// idempotent is what makes net/http repeat a request on a connection that the server had just closed. It does not
// travel.
var idempotent = http.Header{"X-Idempotency-Key": nil}

// hidden stands in recorded arguments where a secret was.
var hidden = []byte(`"(secret)"`)

// knownForms are the ways in which arguments travel to services; files of old do not tell.
var knownForms = []string{"", load.FormExecute, load.FormExecuteKW}

// number counts the messages of JSON-RPC.
var number atomic.Int64

// transportOf is how a session logs in.
func transportOf(product string, s *load.Session, path string) client.Transport {
	switch {
	case product == "tryton" || s.Transport == "tryton":
		return client.TransportTryton
	case s.Transport == "xmlrpc":
		return client.TransportXMLRPC
	case s.Transport == "json2":
		return client.TransportJSON2
	case path == "/jsonrpc" && s.Anonymous: // where every call carries its own password
		return client.TransportJSONRPC
	}
	return client.TransportWeb
}

// sendable tells whether a call has what a request needs.
func sendable(c *load.Call) bool {
	switch {
	case strings.Contains(c.Lacks, "arguments") || strings.Contains(c.Lacks, "request"):
		return false
	case c.Transport == "http":
		return load.PlainSendable(c)
	case bytes.Contains(c.Args, hidden) || bytes.Contains(c.Kwargs, hidden) || bytes.Contains(c.Params, hidden):
		return false
	case !slices.Contains(knownForms, c.Form):
		return false
	case c.Args == nil && c.Kwargs == nil && c.Params == nil:
		return c.Service == "common" || c.Transport == "json2"
	}
	return true
}

// message is a call in the form in which it was recorded. What says what it does, its model and method, is what package
// safety judged: nothing else in a load can make another call of it.
func (r *Runner) message(c *load.Call, token string) (client.Message, error) {
	m := client.Message{Model: c.Model, Method: c.Method, Path: c.Path}
	switch c.Transport {
	case "tryton":
		m.Path, m.Kind = "/"+url.PathEscape(r.cfg.Database)+"/", jsonKind
		name := c.Service + "." + c.Model + "." + c.Method
		if c.Model == "" {
			name = c.Service + "." + c.Method
		}
		m.Body = appendTryton(nil, name, c.Args)
	case "json2":
		m.Path = "/json/2/" + url.PathEscape(c.Model) + "/" + url.PathEscape(c.Method)
		m.Kind, m.Body = jsonKind, orEmpty(c.Params, orEmpty(c.Kwargs, []byte("{}")))
	case "xmlrpc":
		return r.xml(m, c)
	case "jsonrpc":
		m.Kind = jsonKind
		if c.Path == "/jsonrpc" {
			return keyed(m, c), nil
		}
		if !c.IsRoute() && !within(c.Path, "/web/dataset/call_kw", "/web/dataset/call_button") {
			m.Path = "/web/dataset/call_kw/" + url.PathEscape(c.Model) + "/" + url.PathEscape(c.Method)
		}
		m.Body = appendParams(nil, c)
	default:
		return r.plain(m, c, token)
	}
	return m, nil
}

// within tells whether a path is one of these routes, or below it.
func within(path string, routes ...string) bool {
	return slices.ContainsFunc(routes, func(route string) bool { return path == route || strings.HasPrefix(path, route+"/") }) &&
		!strings.Contains(path, "..")
}

func orEmpty(b, or []byte) []byte {
	if len(b) == 0 {
		return or
	}
	return b
}

func appendTryton(b []byte, name string, args []byte) []byte {
	b = append(b, `{"id":`...)
	b = strconv.AppendInt(b, number.Add(1), 10)
	b = appendQuoted(append(b, `,"method":`...), name)
	b = append(b, `,"params":`...)
	b = append(b, orEmpty(args, []byte("[{}]"))...)
	return append(b, '}')
}

func appendQuoted(b []byte, s string) []byte {
	v := jsontree.Of(s)
	return v.Append(b)
}

// appendParams is a route's message: the params as they were, or a method's arguments.
func appendParams(b []byte, c *load.Call) []byte {
	b = append(b, `{"jsonrpc":"2.0","method":"call","id":`...)
	b = strconv.AppendInt(b, number.Add(1), 10)
	b = append(b, `,"params":`...)
	if c.IsRoute() {
		return append(append(b, orEmpty(c.Params, []byte("{}"))...), '}')
	}
	b = appendQuoted(append(b, `{"model":`...), c.Model)
	b = appendQuoted(append(b, `,"method":`...), c.Method)
	b = append(append(b, `,"args":`...), orEmpty(c.Args, []byte("[]"))...)
	b = append(append(b, `,"kwargs":`...), orEmpty(c.Kwargs, []byte("{}"))...)
	return append(b, '}', '}')
}

// formOf is the method of the object service by which a call's arguments travel.
func formOf(c *load.Call) string {
	if c.Form == load.FormExecute && len(c.Kwargs) == 0 {
		return load.FormExecute
	}
	return load.FormExecuteKW
}

// keyed is a message of /jsonrpc.
func keyed(m client.Message, c *load.Call) client.Message {
	m.Keyed = func(database string, uid int64, key string) ([]byte, error) {
		b := append([]byte(nil), `{"jsonrpc":"2.0","method":"call","id":`...)
		b = strconv.AppendInt(b, number.Add(1), 10)
		if c.Service != "object" {
			b = appendQuoted(append(b, `,"params":{"service":`...), c.Service)
			b = appendQuoted(append(b, `,"method":`...), c.Method)
			return append(append(append(b, `,"args":`...), orEmpty(c.Args, []byte("[]"))...), '}', '}'), nil
		}
		form := formOf(c)
		b = appendQuoted(append(b, `,"params":{"service":"object","method":`...), form)
		b = append(b, `,"args":[`...)
		b = strconv.AppendInt(append(appendQuoted(b, database), ','), uid, 10)
		b = appendQuoted(append(b, ','), key)
		b = appendQuoted(append(b, ','), c.Model)
		b = appendQuoted(append(b, ','), c.Method)
		switch args := orEmpty(bytes.TrimSpace(c.Args), []byte("[]")); {
		case form == load.FormExecuteKW:
			b = append(append(b, ','), args...)
			if len(c.Kwargs) > 0 {
				b = append(append(b, ','), c.Kwargs...)
			}
		case len(bytes.TrimSpace(args[1:len(args)-1])) > 0:
			b = append(append(b, ','), args[1:len(args)-1]...)
		}
		return append(b, "]}}"...), nil
	}
	return m
}

// xml is a message of XML-RPC.
func (r *Runner) xml(m client.Message, c *load.Call) (client.Message, error) {
	if m.Kind = "text/xml"; !within(c.Path, "/xmlrpc") {
		m.Path = "/xmlrpc/2/object"
	}
	var args []any
	var kwargs map[string]any
	for _, part := range []struct {
		text json.RawMessage
		into any
	}{{c.Args, &args}, {c.Kwargs, &kwargs}} {
		if len(part.text) > 0 {
			if err := decodeNumbers(part.text, part.into); err != nil {
				return m, fmt.Errorf("read arguments: %w", err)
			}
		}
	}
	m.Keyed = func(database string, uid int64, key string) ([]byte, error) {
		if c.Service != "object" {
			return xmlrpc.AppendCall(nil, c.Method, args...) //nolint:wrapcheck // the client words it
		}
		params := []any{database, uid, key, c.Model, c.Method}
		form := formOf(c)
		if form == load.FormExecute {
			return xmlrpc.AppendCall(nil, form, append(params, args...)...) //nolint:wrapcheck // the client words it
		}
		if args == nil {
			args = []any{}
		}
		if params = append(params, args); kwargs != nil {
			params = append(params, kwargs)
		}
		return xmlrpc.AppendCall(nil, form, params...) //nolint:wrapcheck // the client words it
	}
	return m, nil
}
