package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// Message is a request in the words of whoever sends it, as of a recording that is played again: Send adds who the
// user is, and nothing else.
type Message struct {
	// Model and Method are for errors and hooks.
	Model, Method string
	Verb          string // defaults to POST
	Path          string // with the query, after the server's address
	Kind          string // content type
	Header        http.Header
	Body          []byte
	// Keyed takes the place of Body where the user's id and key stand in it, as of /jsonrpc and XML-RPC.
	Keyed func(database string, uid int64, key string) ([]byte, error)
	// Page says that the answer is a page, a file or the address of one: whatever the transport, only the status tells of
	// success. Who is logged in and is sent to the log-in has a session that expired.
	Page bool
	// Public says that nobody need be logged in. A session is used if there is one, else the cookies that the server gave
	// to nobody.
	Public bool
	// Safe says that the request changes nothing, for hooks.
	Safe bool
	// Wrote is called when the request was written, by the goroutine that wrote it. Nil if nobody wants to know.
	Wrote func()
}

// Reply is an answer, with the times at which the request began to be sent, the answer's first byte came, and its
// last one. Result is what the protocol makes of Body; nil of a page.
type Reply struct {
	Status           int
	Header           http.Header
	Body             []byte
	Result           json.RawMessage
	Sent, First, End time.Time
}

var errPath = errors.New("want one that begins with a slash")

var errLoggedOut = errors.New("nobody is logged in")

// Send makes one request in the session that Login began: it logs nobody in, repeats nothing, waits for no slot and
// asks no breaker and no cache. A session that the server has forgotten is an error of KindSessionExpired, after
// which Login begins another. The Reply holds what is known also if there is an error, which is an *Error.
func (c *Client) Send(ctx context.Context, m Message) (Reply, error) {
	if c.closed.Load() {
		return Reply{}, cannot(m.Model, m.Method, errClosed)
	}
	if !strings.HasPrefix(m.Path, "/") { // which would become part of the server's name
		return Reply{}, cannot(m.Model, m.Method, fmt.Errorf("path %.100q: %w", m.Path, errPath))
	}
	e := c.endpoints[0]
	s := e.session.Load()
	if s == nil {
		if !m.Public {
			return Reply{}, &Error{Kind: KindSessionExpired, Server: e.wire.name, Model: m.Model, Method: m.Method, cause: errLoggedOut}
		}
		s = c.visitor()
	}
	body := m.Body
	if m.Keyed != nil {
		var err error
		key := s.key()
		if key == "" { // a session of cookies, beside which calls with keys are made
			secret, err := c.credential(ctx)
			if err != nil {
				return Reply{}, cannot(m.Model, m.Method, err)
			}
			key = string(secret)
			wipe(secret)
		}
		if body, err = m.Keyed(c.config.Database, s.user.UID, key); err != nil {
			return Reply{}, cannot(m.Model, m.Method, err)
		}
	}
	if c.config.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.config.Timeout)
		defer cancel()
	}
	x := &exchange{
		model: m.Model, method: m.Method, attempt: 1, safe: m.Safe, page: m.Page, jar: s.jar, verb: m.Verb, path: m.Path, kind: m.Kind, body: body,
		clock: &stopwatch{wrote: m.Wrote},
	}
	if x.header = s.headers(); x.header == nil {
		x.header = http.Header{}
	}
	for k, v := range m.Header {
		x.header[k] = v
	}
	var out Reply
	x.read = func(r reply) (err error) {
		out.Status, out.Header, out.Body = r.status, r.header, r.body
		switch {
		case m.Page && r.status >= http.StatusBadRequest:
			return e.wire.status(x, r)
		case m.Page && s.user.UID > 0 && toLogIn(r):
			return &Error{Kind: KindSessionExpired, Server: e.wire.name, Model: m.Model, Method: m.Method, Status: r.status, Sent: true, cause: errLoggedOut}
		case m.Page:
			return nil
		}
		out.Result, err = c.rpc.read(e.wire, x, r)
		return err
	}
	out.Sent = time.Now()
	err := e.wire.do(ctx, x)
	out.First, out.End = x.clock.first(), x.clock.end
	if out.End.IsZero() {
		out.End = time.Now()
	}
	return out, c.scrub(err)
}

// toLogIn tells whether an answer sends to the page of Odoo at which users log in.
func toLogIn(r reply) bool {
	if r.status < http.StatusMultipleChoices || r.status >= http.StatusBadRequest {
		return false
	}
	to, err := url.Parse(r.header.Get("Location"))
	return err == nil && to.Path == "/web/login"
}

// visitor is the session of nobody.
func (c *Client) visitor() *session {
	c.visit.Do(func() {
		c.nobody = &session{}
		if jar, err := cookiejar.New(nil); err == nil {
			c.nobody.jar = jar
		}
	})
	return c.nobody
}

// Session is who the last log-in made the client be, and whether there was one.
func (c *Client) Session() (User, bool) {
	s := c.session.Load()
	if s == nil {
		return User{}, false
	}
	return s.user, true
}

// stopwatch is when an exchange's answer came.
type stopwatch struct {
	firstByte atomic.Int64 // set by the connection's goroutine
	end       time.Time
	wrote     func()
}

func (s *stopwatch) first() time.Time {
	if n := s.firstByte.Load(); n != 0 {
		return time.Unix(0, n)
	}
	return time.Time{}
}
