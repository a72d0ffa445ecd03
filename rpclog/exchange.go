package rpclog

import (
	"net/url"
	"strconv"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/evidence"
)

// exchange is a call in the making: what its envelope has found so far and what its framing needs to know.
// It is reused; nothing in it outlives the call but what settle copies into the Call.
type exchange struct {
	progress
	found  [fields]field
	digest xxhash.Digest
	room   [2][]evidence.Hash // of the sets of the call before, for those of the next
}

// progress is the part of exchange that is small.
type progress struct {
	d    *Decoder
	call *Call // nil once delivered
	env  envelope

	whole bool // no byte of the request is missing
	sent  bool // the request has ended
	ended bool // the call was delivered

	head, connect, websocket, expects bool // of the request: HEAD, CONNECT, Upgrade: websocket, Expect
	cookie, fresh                     SessionKey

	auth      authScheme
	claimed   int64 // uid the request gives; valid unless the server refuses it
	hint      int64 // uid of the request's context
	answer    int64 // uid the response gives
	answered  uint8 // what the response said of its user: noAnswer, nobody, somebody
	envelop   uint8 // marks of the envelope, of its own meaning
	keep      Keep
	ask, told *kept // the bodies; nil if they are not kept
	query     *kept // of the target; nil if it has none, or it is not kept
	form      contentType
	// Record ids in the argument list itself and one list deeper; the method decides which count.
	idsFlat, idsNested int
}

const (
	noAnswer uint8 = iota
	nobody
	somebody
)

// field is a short value found in a body. Longer ones are cut to nothing: they are no names.
type field struct {
	n    uint8
	text [fieldMax]byte
}

const fieldMax = 128

const (
	foundModel = iota
	foundMethod
	foundService
	foundDatabase
	foundLogin // in the request
	foundUser  // in the response
	foundArg0  // positional arguments of a service; the third, a password, is never looked at
	foundArg1
	foundArg3
	foundArg4
	foundError
	foundFault
	fields
)

func (f *field) set(v []byte) {
	f.n = 0
	if len(v) <= len(f.text) {
		f.n = uint8(copy(f.text[:], v))
	}
}

func (f *field) bytes() []byte { return f.text[:f.n] }

// callBlock is how many calls are allocated at once.
const callBlock = 16

// exchange returns a fresh exchange with a fresh call on conn.
func (d *Decoder) exchange(conn *capture.Conn) *exchange {
	x := takeIdle(&d.idle.exchanges)
	x.d = d
	x.whole = true
	if len(d.calls) == 0 {
		d.calls = make([]Call, callBlock)
	}
	x.call, d.calls = &d.calls[0], d.calls[1:]
	c := x.call
	c.Conn, c.Client, c.Server = conn.ID, conn.Client, conn.Server
	c.Request = evidence.NewSetIn(d.cfg.RequestValues, x.room[0])
	c.Response = evidence.NewSetIn(d.cfg.ResponseValues, x.room[1])
	x.room = [2][]evidence.Hash{}
	return x
}

func (d *Decoder) release(x *exchange) {
	x.ask.drop()
	x.told.drop()
	x.query.drop()
	x.progress = progress{}
	for i := range x.found {
		x.found[i].n = 0
	}
	putIdle(&d.idle.exchanges, x)
}

// gap marks the call, unless it was delivered already.
func (x *exchange) gap(g Gap) {
	if x.call != nil {
		x.call.Gaps |= g
	}
}

// begin takes the request line.
func (x *exchange) begin(line, verb, target []byte) {
	x.digest.Reset()
	_, _ = x.digest.Write(line[:len(verb)+1+len(target)])
	x.call.Verb = x.d.verb(verb)
	x.head = x.call.Verb == "HEAD"
	x.connect = x.call.Verb == "CONNECT"
	if !x.connect {
		x.call.Path = x.d.names.of(x.d.path(target))
		x.holdQuery(target)
	}
}

// headed takes what the request's header section said.
func (x *exchange) headed(h *head) {
	c := x.call
	x.websocket, x.expects, x.auth = h.websocket, h.expects, h.auth
	x.cookie = h.session
	c.Session = h.session
	c.Forwarded = h.forwarded
	c.Class = classify(c.Verb, c.Path)
	if h.websocket {
		c.Class = Handshake
	}
	c.Request.Add(h.token)
	if h.database.n > 0 {
		c.Database = x.name(&h.database)
	}
	if h.login.n > 0 {
		c.Login = x.d.names.of(h.login.bytes())
		c.Request.Add(evidence.Value(h.login.bytes()))
	}
	x.claimed, c.UID = h.uid, h.uid
	x.env = envelopeOf(x, h)
	x.env.begin(x)
}

// requestDone ends the request.
func (x *exchange) requestDone(at time.Time, bytes int64) {
	x.sent = true
	x.call.Sent = at
	x.call.RequestBytes = bytes
	if x.whole {
		x.call.BodyHash = x.digest.Sum64()
	}
	x.env.asked(x)
	if x.d.cfg.Keep != nil {
		if x.keep = x.d.cfg.Keep(x.call); x.keep&KeepRequest == 0 {
			x.ask.drop()
			x.query.drop()
		}
	}
}

// verb returns a verb as a string.
func (d *Decoder) verb(b []byte) string {
	switch string(b) {
	case "POST":
		return "POST"
	case "GET":
		return "GET"
	}
	return d.names.of(b)
}

// nameLike is name where the value is probably like.
func (x *exchange) nameLike(f *field, like string) string {
	if like != "" && string(f.bytes()) == like && isName(f.bytes()) {
		return like
	}
	return x.name(f)
}

// name returns a found value if it is made of the characters of names, else nothing.
func (x *exchange) name(f *field) string {
	if !isName(f.bytes()) {
		return ""
	}
	return x.d.names.of(f.bytes())
}

// settle fills in what only the whole exchange tells.
func (x *exchange) settle() {
	c := x.call
	if c.Session == 0 {
		c.Session = x.fresh
	}
	if c.Status == 401 || c.Status == 403 && c.Transport == JSON2 {
		c.UID, c.Login = 0, ""
	}
	// Tryton refuses by the status alone, and the status tells it: its Error is the envelope's.
	if c.Error == "" && c.Status >= 400 && c.Transport != Tryton {
		c.Error = "HTTP " + strconv.Itoa(c.Status)
	}
	if c.Class == Handshake && c.Status != 101 || c.Class == Poll && c.Transport == Tryton && c.Status != 200 && c.Status != 0 {
		c.Class = Ordinary
	}
	x.d.users.learn(x)
	x.d.Identify(c)
	if x.keep != 0 {
		c.Content = x.content()
	}
	x.room[0], x.room[1] = c.Request.Detach(&x.d.hashes), c.Response.Detach(&x.d.hashes)
}

// unescape returns the database named by a path segment.
func unescape(segment string) string {
	if s, err := url.PathUnescape(segment); err == nil {
		return s
	}
	return segment
}
