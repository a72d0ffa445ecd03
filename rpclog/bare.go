package rpclog

import (
	"bytes"
	"strings"
	"time"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/evidence"
)

// This file reads bodies whose header section, or its end, the capture lacks. Clients and servers often send
// the two in packets of their own, so that one is lost without the other, and the body of an RPC request
// says most of what its header section would have.

// dialect is the form of a body without its header section.
type dialect uint8

const (
	noDialect dialect = iota
	dialectJSONRPC
	dialectTryton
	dialectXMLRPC
)

// bareWindow is how much of the start of a body is looked at.
const bareWindow = 1024

// likeRequestBody tells the dialect of b if it starts like the body of an RPC request.
func likeRequestBody(b []byte) dialect {
	if len(b) < 16 || b[0] != '{' && b[0] != '<' {
		return noDialect
	}
	b = b[:min(len(b), bareWindow)]
	if b[0] == '<' {
		if (bytes.HasPrefix(b, []byte("<?xml")) || bytes.HasPrefix(b, []byte("<methodCall"))) && bytes.Contains(b, []byte("<methodCall>")) {
			return dialectXMLRPC
		}
		return noDialect
	}
	method := memberText(b, `"method"`)
	switch {
	case method == nil:
		return noDialect
	case memberText(b, `"jsonrpc"`) != nil:
		return dialectJSONRPC
	}
	kind, rest, _ := bytes.Cut(method, []byte{'.'})
	switch string(kind) {
	case "common", "model", "wizard", "report":
		if len(rest) > 0 {
			return dialectTryton
		}
	}
	return noDialect
}

// memberText returns what follows the opening quote of the string under the first member of a name, which
// comes with its quotes; nil if there is none.
func memberText(b []byte, name string) []byte {
	i := bytes.Index(b, []byte(name))
	if i < 0 {
		return nil
	}
	b = bytes.TrimLeft(b[i+len(name):], " ")
	if len(b) == 0 || b[0] != ':' {
		return nil
	}
	b = bytes.TrimLeft(b[1:], " ")
	if len(b) == 0 || b[0] != '"' {
		return nil
	}
	return b[1:]
}

// likeResponseBody tells what b is if it starts like the body of a response to an RPC request.
func likeResponseBody(b []byte) contentType {
	switch {
	case len(b) < 2:
	case b[0] == '{' && (b[1] == '"' || b[1] == '}'), b[0] == '[' && (b[1] == '{' || b[1] == '"' || b[1] == ']'):
		return contentJSON
	case bytes.HasPrefix(b, []byte("<?xml")), bytes.HasPrefix(b, []byte("<methodResponse")):
		return contentXML
	}
	return unstated
}

// readBare takes body bytes whose end is known only by their content or by the next message.
func (h *half) readBare(s *stream, at time.Time, b []byte, first bool) int {
	if first && h.likeStart(b) {
		s.drained(h)
		h.ready()
		h.found = true
		return 0
	}
	h.bytes += int64(len(b))
	h.content(b)
	if h.body.closed(b) {
		s.complete(h, at)
	}
	return len(b)
}

// likeStart says whether b may be the start of a message.
func (h *half) likeStart(b []byte) bool {
	if h.dir == capture.ToServer {
		return likeRequestLine(b)
	}
	return likeStatusLine(b)
}

// bare begins to read a body without header section, if b, the start of a packet, is one.
func (h *half) bare(s *stream, at time.Time, b []byte) bool {
	if h.x != nil && h.x.ended {
		lossy := h.lossy
		s.drained(h)
		h.search(lossy)
	}
	switch {
	case h.x != nil && h.beheaded == 0:
		return false
	case h.dir == capture.ToClient:
		return s.bareResponse(h, at, b)
	}
	return s.bareRequest(h, at, b)
}

// bareRequest begins, or goes on with, a request of which bytes of the header section were lost.
func (s *stream) bareRequest(h *half, at time.Time, b []byte) bool {
	form := likeRequestBody(b)
	if form == noDialect {
		return false
	}
	content := contentJSON
	if form == dialectXMLRPC {
		content = contentXML
	}
	if h.x == nil {
		s.beginBare(h, at, form)
	} else { // the request line is known
		h.head.content = content
		h.x.env = envelopeOf(h.x, &h.head)
		h.x.env.begin(h.x)
	}
	h.head.content = content
	h.openBare(s, h.x.env.request(h.x, &h.head), &h.x.call.Request)
	return true
}

// beginBare begins a request whose request line is not known.
func (s *stream) beginBare(h *half, at time.Time, form dialect) {
	s.settleAnswer()
	s.seen = true
	s.d.stats.Resyncs++
	s.d.ids++
	x := s.d.exchange(&s.conn)
	x.whole = false
	x.gap(GapRequest)
	x.call.ID, x.call.Start, x.call.Head, x.call.Verb = s.d.ids, at, at, "POST"
	h.x, h.began = x, at
	h.head.reset()
	s.habit.lend(x)
	switch form {
	case dialectTryton:
		x.env = tryton{}
	case dialectXMLRPC:
		x.env = bareXMLRPC{}
	default:
		x.env = bareJSONRPC{}
	}
	x.env.begin(x)
	s.announce(x)
}

// bareResponse begins, or goes on with, a response of which bytes of the header section were lost.
func (s *stream) bareResponse(h *half, at time.Time, b []byte) bool {
	content := likeResponseBody(b)
	if content == unstated || h.x == nil && len(s.queue) == 0 {
		return false
	}
	if h.x == nil {
		h.began = at
		h.head.reset()
		s.bind(h)
		h.x.gap(GapResponse)
		h.x.call.First = at
		s.d.stats.Resyncs++
	}
	h.head.content = content
	h.openBare(s, h.x.env.response(h.x, &h.head), &h.x.call.Response)
	return true
}

// openBare goes on with the body, which has no known length.
func (h *half) openBare(s *stream, r reading, set *evidence.Set) {
	x := h.x
	lossy, bytes := h.lossy, h.bytes+h.beheaded
	h.ready()
	h.lossy, h.bytes = lossy, bytes
	h.head.coding = identical
	h.body.open(s.d, x, &h.head, r, set)
	h.state = bareBody
}

// habit is what all requests of a connection had in common. Clients that keep connections use them for one
// user, where no proxy mixes them.
type habit struct {
	requests int
	mixed    bool
	auth     authScheme
	path     string // Tryton's, which names the database alone
	database string
	session  SessionKey
	uid      int64
	login    string
}

// note takes a request whose header section was read. Requests without a session tell nothing.
func (b *habit) note(x *exchange) {
	c := x.call
	b.mixed = b.mixed || c.Forwarded || x.cookie != b.session && x.cookie != 0 && b.requests > 0
	if x.cookie == 0 {
		return
	}
	b.session = x.cookie
	b.requests++
	if b.mixed || x.auth != authTryton {
		return
	}
	b.auth, b.database, b.uid, b.login = x.auth, c.Database, c.UID, c.Login
	if c.Class != Poll {
		b.path = c.Path
	}
}

// lend gives a request without header section what the requests before it had in common, as far as they
// leave no doubt, and says whether it is Tryton's.
func (b *habit) lend(x *exchange) bool {
	if b.mixed || b.requests < 2 {
		return false
	}
	c := x.call
	c.Session = b.session
	if b.auth != authTryton {
		return false
	}
	c.Path, c.Database, c.UID, c.Login = b.path, b.database, b.uid, b.login
	return true
}

// bareJSONRPC is Odoo's JSON-RPC where the route is unknown: the parameters tell it.
type bareJSONRPC struct{ jsonrpc }

var _ envelope = bareJSONRPC{}

func (bareJSONRPC) begin(x *exchange) { x.call.Transport = JSONRPC }

func (bareJSONRPC) request(*exchange, *head) reading {
	return reading{content: contentJSON, visit: bareAsked, depth: maxPathDepth, skip: at(kParams, kArgs, elem+2)}
}

func bareAsked(x *exchange, at path, k kind, v []byte) {
	jsonrpcAsked(x, at, k, v)
	serviceArgument(x, at, k, v)
}

func (bareJSONRPC) asked(x *exchange) {
	c := x.call
	switch service := x.name(&x.found[foundService]); {
	case service != "":
		c.Path, c.IDs = "/jsonrpc", 0
		serviceAsked(x, service, x.name(&x.found[foundMethod]))
		return
	case x.name(&x.found[foundModel]) != "":
		c.Model, c.Method = x.name(&x.found[foundModel]), x.name(&x.found[foundMethod])
		if c.Method != "" {
			c.Path = datasetRoute + "call_kw" // or call_button, and with model and method behind it: the client chose
		}
	default: // one of the routes whose bodies hold secrets, perhaps
		c.Request = evidence.NewSet(x.d.cfg.RequestValues)
	}
	x.claimed = 0
}

// bareXMLRPC is XML-RPC where the route, which names the service, is unknown: the method tells it.
type bareXMLRPC struct{ xmlrpc }

var _ envelope = bareXMLRPC{}

func (bareXMLRPC) begin(x *exchange) { x.call.Transport = XMLRPC }

func (bareXMLRPC) asked(x *exchange) {
	switch method := x.name(&x.found[foundMethod]); {
	case method == "execute" || method == "execute_kw":
		serviceAsked(x, "object", method)
	case method == "login" || method == "authenticate" || method == "version" || method == "about":
		serviceAsked(x, "common", method)
	case strings.HasPrefix(method, "model.") || strings.HasPrefix(method, "common."):
		trytonMethod(x.call, method)
	default:
		serviceAsked(x, "db", method)
		x.call.Service = ""
	}
}
