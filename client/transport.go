package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/perfd/perfd/cache"
)

// rpc is a way of calling servers: what goes into a request and what an answer means. It keeps nothing.
type rpc interface {
	// login begins a session.
	login(ctx context.Context, w *wire, who credential) (*session, error)
	// call calls a method in a session.
	call(ctx context.Context, w *wire, s *session, r *request) (json.RawMessage, error)
	// read makes a result or an error of an answer.
	read(w *wire, x *exchange, r reply) (json.RawMessage, error)
	// logout ends a session at the server, if it knows of it.
	logout(ctx context.Context, w *wire, s *session) error
	databases(ctx context.Context, w *wire) ([]string, error)
	version(ctx context.Context, w *wire) (Version, error)
	// health fails if the server cannot work.
	health(ctx context.Context, w *wire) error
}

var transports = map[Transport]rpc{
	TransportWeb: odooWeb{}, TransportJSONRPC: odooJSONRPC{}, TransportXMLRPC: odooXMLRPC{}, TransportJSON2: odooJSON2{},
	TransportTryton: tryton{},
}

// request is a call on its way to a server.
type request struct {
	model, method string
	args          []any
	kwargs        map[string]any  // without the context
	context       map[string]any  // which nobody changes
	text          json.RawMessage // of the context, if it is known already
	scope         cache.Scope     // for whom the answer is
	attempt       int
	safe          bool
}

// credential is who logs in.
type credential struct {
	database, login string
	secret          []byte
	language        string
	bare            bool // ask for nothing besides
}

// session is what a server knows the client by. It does not change, apart from what its jar gets.
type session struct {
	user    User
	version string
	jar     http.CookieJar

	ambience atomic.Pointer[ambience]

	mu     sync.RWMutex
	header http.Header // for those who send it with every call, as is
	secret []byte
}

// key is the password or key.
func (s *session) key() string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return string(s.secret)
}

// headers is a copy of the headers.
func (s *session) headers() http.Header {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.header.Clone()
}

func (s *session) wipe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	wipe(s.secret)
	s.secret, s.header = nil, nil
}

// User is who is logged in.
type User struct {
	UID   int64
	Login string
	// Context is what the server says of the user: lang, tz and the like.
	Context map[string]any
	// Company is the one that the user works in, Companies all that the user may see, that one first; 0 and none if
	// they are not known.
	Company   int64
	Companies []int64
}

// Version is a server's.
type Version struct {
	Server string // as "18.0" or "6.0.29"
	Major  int
}

// lastID numbers the messages of JSON-RPC.
var lastID atomic.Int64

// companies puts the current one first and the others in ascending order.
func companies(current int64, all []int64) []int64 {
	all = slices.Clone(all)
	slices.Sort(all)
	all = slices.DeleteFunc(slices.Compact(all), func(id int64) bool { return id == current })
	if current == 0 {
		return all
	}
	return append([]int64{current}, all...)
}

// loose reads JSON of servers that give false where there is nothing.
func loose(text json.RawMessage, into any) { _ = json.Unmarshal(text, into) }

// looseID is an id, or the first of a pair of id and name.
func looseID(text json.RawMessage) int64 {
	var id int64
	if json.Unmarshal(text, &id) == nil {
		return id
	}
	var pair []json.RawMessage
	if json.Unmarshal(text, &pair) == nil && len(pair) > 0 {
		loose(pair[0], &id)
	}
	return id
}

// ask is a request of a service, apart from calls of models.
func ask(method, path, kind string, body []byte) *exchange {
	return &exchange{method: method, path: path, kind: kind, body: body, safe: true}
}

// cannot is an error of a call that was not made.
func cannot(model, method string, err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Kind: KindArgument, Model: model, Method: method, cause: err}
}

// garbled is an error of an answer that is none of the protocol.
func (w *wire) garbled(x *exchange, r reply, err error) error {
	if r.status != http.StatusOK {
		return w.status(x, r)
	}
	e := w.fail(x, KindProtocol, fmt.Errorf("read answer: %w", err))
	e.Status = r.status
	if len(r.body) > 0 && r.body[0] == '<' {
		e.Hint = "the answer is a page: is this the address of the server, and its database?"
	}
	return e
}

func majorOf(version string) int {
	n := 0
	for i, c := range version {
		if c < '0' || c > '9' {
			if i == 0 { // "saas~18.1"
				continue
			}
			if n > 0 {
				break
			}
			continue
		}
		if n = n*10 + int(c-'0'); n > 9999 {
			return 0
		}
	}
	return n
}
