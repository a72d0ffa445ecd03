package rpclog

import "strings"

// json2 is Odoo 19's /json/2/<model>/<method>: the body holds ids, context and the method's arguments by
// name, the user comes from an API key, and errors come with an HTTP status.
type json2 struct{}

var _ envelope = json2{}

const json2Route = "/json/2/"

func isJSON2(x *exchange, _ *head) bool {
	return strings.HasPrefix(x.call.Path, json2Route) && x.call.Verb == "POST"
}

func (json2) begin(x *exchange) {
	c := x.call
	c.Transport = JSON2
	c.Model, c.Method, _ = strings.Cut(c.Path[len(json2Route):], "/")
}

func (json2) request(*exchange, *head) reading {
	return reading{content: contentJSON, visit: json2Asked, depth: maxPathDepth}
}

func json2Asked(x *exchange, p path, k kind, v []byte) {
	x.countID(p, at(kIDs), k)
	if p == at(kContext, kUID) {
		if n, ok := decimal(v); ok && k == number {
			x.hint = n
		}
	}
}

func (json2) asked(*exchange) {}

func (json2) response(x *exchange, h *head) reading {
	r := valuesOf(x, h)
	if x.call.Status >= 400 {
		r.visit, r.depth = json2Answered, 1
	}
	return r
}

func json2Answered(x *exchange, p path, _ kind, v []byte) {
	if p == at(kName) && isErrorName(v) {
		x.call.Error = x.d.names.of(v)
	}
}

func (json2) answered(*exchange) {}
