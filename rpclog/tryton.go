package rpclog

import "strings"

// tryton is Tryton's JSON-RPC: POST /<database>/ with id, method and positional params, of which the last
// is the context. The Authorization header names user and session. POST /<database>/bus polls.
type tryton struct{}

var _ envelope = tryton{}

func isTryton(x *exchange, h *head) bool {
	if x.call.Verb != "POST" {
		return false
	}
	return h.content == contentJSON && x.call.route() != serviceRoute && (x.call.Path == "/" || trytonDatabase(x.call.Path) != "") || h.auth == authTryton
}

// trytonDatabase returns the database of a path /<database>/ or /<database>/bus, or nothing.
func trytonDatabase(path string) string {
	rest, ok := strings.CutPrefix(path, "/")
	db, rest, found := strings.Cut(rest, "/")
	if !ok || !found || db == "" || rest != "" && rest != "bus" {
		return ""
	}
	db = unescape(db)
	if !isName([]byte(db)) {
		return ""
	}
	return db
}

func (tryton) begin(x *exchange) {
	c := x.call
	c.Transport = Tryton
	c.Database = trytonDatabase(c.Path)
	if strings.HasSuffix(c.Path, "/bus") && c.Database != "" {
		c.Class = Poll
	}
}

func (tryton) request(*exchange, *head) reading {
	return reading{content: contentJSON, visit: trytonAsked, depth: maxPathDepth}
}

func trytonAsked(x *exchange, p path, k kind, v []byte) {
	switch p {
	case at(kMethod):
		x.found[foundMethod].set(v)
	case at(kJSONRPC): // Odoo's, on a route that looks like a database
		x.envelop |= sawVersion
	case at(kParams, elem):
		x.found[foundLogin].set(v)
	}
	// ids come first; write takes further pairs of ids and values, so every second argument is ids.
	if k != number || p.last() < elem {
		return
	}
	switch list := p.parent(); {
	case list == at(kParams) && p.last() == elem, list == at(kParams, elem):
		x.idsFlat++
		x.idsNested++
	case list.parent() == at(kParams) && list.last() >= elem && (list.last()-elem)%2 == 0:
		x.idsNested++
	}
}

func (tryton) asked(x *exchange) {
	c := x.call
	method := x.name(&x.found[foundMethod])
	if x.envelop&sawVersion != 0 || method != "" && !strings.Contains(method, ".") {
		c.Transport, c.Database, c.Class = HTTP, "", Ordinary
		if x.envelop&sawVersion != 0 {
			c.Transport = JSONRPC
		}
		return
	}
	trytonMethod(c, method)
	switch {
	case c.Service != "model" || strings.HasPrefix(c.Method, "search") || strings.HasPrefix(c.Method, "on_change") ||
		c.Method == "default_get" || c.Method == "fields_get" || c.Method == "fields_view_get":
	case c.Method == "write":
		c.IDs = x.idsNested
	default:
		c.IDs = x.idsFlat
	}
}

// trytonMethod splits "model.party.party.read": the type before the first dot, the method after the last,
// the object's name between. "common.db.login" has no object.
func trytonMethod(c *Call, full string) {
	kind, rest, ok := strings.Cut(full, ".")
	if !ok {
		c.Method = full
		return
	}
	c.Service = kind
	i := strings.LastIndexByte(rest, '.')
	c.Method = rest[i+1:]
	if (kind == "model" || kind == "wizard" || kind == "report") && i > 0 {
		c.Model = rest[:i]
	}
}

func (tryton) response(x *exchange, h *head) reading {
	content := h.content
	if content == unstated {
		content = contentJSON
	}
	return reading{content: content, visit: trytonAnswered, depth: 2}
}

func trytonAnswered(x *exchange, p path, k kind, v []byte) {
	switch p {
	case at(kError, elem):
		x.envelop |= sawError
		x.found[foundError].set(v)
	case at(kResult, elem):
		if n, ok := decimal(v); ok && k == number && n > 0 {
			x.answer, x.answered = n, somebody
		}
	case at(kResult, elem+1):
		if x.login() && x.answered == somebody && k == text {
			x.fresh = x.d.sessionKey(v)
		}
	}
}

// login says that the call is a Tryton log-in.
func (x *exchange) login() bool {
	return x.call.Transport == Tryton && x.call.Service == "common" && x.call.Method == "login"
}

func (tryton) answered(x *exchange) {
	c := x.call
	if x.envelop&sawError != 0 {
		// The name is on the wire only for these; any other exception shows its message, which is data.
		switch string(x.found[foundError].bytes()) {
		case "UserError", "UserWarning", "ConcurrencyException", "LoginException":
			c.Error = x.d.names.of(x.found[foundError].bytes())
		default:
			c.Error = "Exception"
		}
	}
	if !x.login() || x.answered != somebody || c.Error != "" {
		x.answered = noAnswer
		return
	}
	c.UID = x.answer
	c.Login = x.d.login(&x.found[foundLogin])
}
