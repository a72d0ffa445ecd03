package rpclog

import "strings"

// envelope reads one RPC dialect. Envelopes hold no state: what they find of a call stands in its exchange.
type envelope interface {
	// begin fills in what the request's header section tells of the call.
	begin(x *exchange)
	// request says how to read the request's body, asked draws the conclusions at its end. Bytes may be
	// missing from the body.
	request(x *exchange, h *head) reading
	asked(x *exchange)
	// response says how to read the response's body, answered draws the conclusions at its end.
	response(x *exchange, h *head) reading
	answered(x *exchange)
}

// dialects lists the envelopes, the first that knows a request reads it. What none knows is plain.
var dialects = []struct {
	knows func(x *exchange, h *head) bool
	envelope
}{
	{isXMLRPC, xmlrpc{}},
	{isJSON2, json2{}},
	{isTryton, tryton{}},
	{isJSONRPC, jsonrpc{}},
}

func envelopeOf(x *exchange, h *head) envelope {
	for i := range dialects {
		if dialects[i].knows(x, h) {
			return dialects[i].envelope
		}
	}
	return plain{}
}

// plain is a route without an envelope. Only JSON and XML answers are looked at, for their values.
type plain struct{}

var _ envelope = plain{}

func (plain) begin(*exchange) {}

func (plain) request(x *exchange, h *head) reading {
	if x.d.cfg.Keep == nil || !isForm(h.content) {
		return reading{}
	}
	return valuesOf(x, h)
}

func (plain) asked(*exchange)                       {}
func (plain) response(x *exchange, h *head) reading { return valuesOf(x, h) }
func (plain) answered(*exchange)                    {}

// valuesOf reads a body for its values alone.
func valuesOf(x *exchange, h *head) reading {
	if x.call.Class == Asset || confidential(x.call.Path) {
		return reading{}
	}
	return reading{content: h.content}
}

// confidential says that the bodies of a route are not looked at, not even for hashes.
func confidential(path string) bool {
	path = strings.TrimRight(path, "/")
	return strings.HasPrefix(path, "/web/database") || strings.Contains(path, "password") || strings.HasSuffix(path, "/db") && strings.HasPrefix(path, "/xmlrpc/")
}

// classify tells a call's class by its path; the response may correct it.
func classify(verb, path string) Class {
	switch {
	case path == "/websocket" || strings.HasPrefix(path, "/websocket/") && path != "/websocket/health" && verb == "GET":
		return Handshake
	case path == "/longpolling/poll":
		return Poll
	case path == "/web/health", path == "/websocket/health", path == "/favicon.ico", path == "/robots.txt",
		strings.HasPrefix(path, "/web/assets/"):
		return Asset
	case verb != "GET" && verb != "HEAD":
		return Ordinary
	case strings.Contains(path, "/static/"):
		return Asset
	case strings.HasPrefix(path, "/web/"): // /web/content and /web/image read the database
		return Ordinary
	}
	if i := strings.LastIndexByte(path, '.'); i > strings.LastIndexByte(path, '/') {
		switch path[i+1:] {
		case "js", "css", "map", "png", "jpg", "jpeg", "gif", "svg", "ico", "webp", "woff", "woff2", "ttf", "eot":
			return Asset
		}
	}
	return Ordinary
}

// isID says whether a scalar is a record id: list is the path of the argument that is one id or a list of
// them.
func isID(at, list path, k kind) bool {
	return k == number && (at == list || at.parent() == list && at.last() >= elem)
}

// countID counts record ids.
func (x *exchange) countID(at, list path, k kind) {
	if isID(at, list, k) {
		x.call.IDs++
	}
}
