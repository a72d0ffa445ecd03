package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// wire makes the requests to one server.
type wire struct {
	base      *url.URL
	name      string // base in words
	database  string
	transport http.RoundTripper
	userAgent string
	most      int64         // bytes of an answer
	limiter   *rate.Limiter // nil without a limit
	hooks     []Hook
}

// exchange is a request with what the errors and the hooks need to know of it.
type exchange struct {
	model, method string
	attempt       int
	safe          bool
	page          bool           // the address of another page is an answer too
	jar           http.CookieJar // nil without a session of cookies
	header        http.Header    // what goes with it besides the usual
	verb          string         // defaults to POST
	path, kind    string         // kind is the content type
	body          []byte
	read          func(reply) error // makes sense of the answer, for the hooks to see what it says
	clock         *stopwatch        // nil if nobody wants to know
}

// reply is an answer of HTTP.
type reply struct {
	status int
	header http.Header
	body   []byte
}

var (
	errTooLarge = errors.New("the answer is larger than MaxResponse")
	errRedirect = errors.New("the server sends elsewhere")
)

// fail makes an error of the exchange.
func (w *wire) fail(x *exchange, kind Kind, cause error) *Error {
	return &Error{Kind: kind, Server: w.name, Model: x.model, Method: x.method, Sent: true, cause: cause}
}

// do makes the request, with the hooks around it. The error is an *Error.
func (w *wire) do(ctx context.Context, x *exchange) error {
	if w.limiter != nil {
		if err := w.limiter.Wait(ctx); err != nil {
			e := w.fail(x, KindTimeout, fmt.Errorf("wait for the rate limit: %w", err))
			if e.Sent = false; errors.Is(ctx.Err(), context.Canceled) {
				e.Kind, e.cause = KindCanceled, ctx.Err()
			}
			return e
		}
	}
	header := make(http.Header, len(x.header)+3)
	for k, v := range x.header {
		header[k] = v
	}
	values := []string{w.userAgent, x.kind}
	header["User-Agent"] = values[:1:1]
	if x.kind != "" {
		header["Content-Type"] = values[1:]
	}
	if len(w.hooks) == 0 {
		_, err := w.exchange(ctx, x, header)
		return err
	}
	seen := Request{
		Server: w.name, Database: w.database, Model: x.model, Method: x.method,
		Attempt: x.attempt, Safe: x.safe, Header: header, Bytes: len(x.body),
	}
	contexts := make([]context.Context, len(w.hooks))
	for i, h := range w.hooks {
		if h.Before != nil {
			if c := h.Before(ctx, &seen); c != nil {
				ctx = c
			}
		}
		contexts[i] = ctx
	}
	start := time.Now()
	r, err := w.exchange(ctx, x, header)
	end := Response{Status: r.status, Bytes: len(r.body), Duration: time.Since(start), Err: err}
	for i := len(w.hooks) - 1; i >= 0; i-- {
		if after := w.hooks[i].After; after != nil {
			after(contexts[i], &seen, &end)
		}
	}
	return err
}

func (w *wire) exchange(ctx context.Context, x *exchange, header http.Header) (reply, error) {
	sent := false
	// From the moment that there is a connection bytes may be under way. What net/http repeats by itself is what it
	// knows to be unwritten: a body makes a POST, which is not repeated otherwise.
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent = true }}
	if clock := x.clock; clock != nil {
		trace.GotFirstResponseByte = func() { clock.firstByte.CompareAndSwap(0, time.Now().UnixNano()) }
		if clock.wrote != nil {
			trace.WroteRequest = func(httptrace.WroteRequestInfo) { clock.wrote() }
		}
	}
	ctx = httptrace.WithClientTrace(ctx, trace)
	verb := x.verb
	if verb == "" {
		verb = http.MethodPost
	}
	req, err := w.request(ctx, verb, x)
	if err != nil {
		e := w.fail(x, KindArgument, withoutSecret(err))
		e.Sent = false
		return reply{}, e
	}
	req.Header = header
	// http.Client would follow redirects, and send the password there; all else that it does is done here.
	if x.jar != nil {
		for _, c := range x.jar.Cookies(req.URL) {
			req.AddCookie(c)
		}
	}
	resp, err := w.transport.RoundTrip(req)
	if err != nil {
		e := w.fail(x, KindConnection, withoutSecret(err))
		e.Sent = sent
		e.describe(ctx, w.base)
		return reply{}, e
	}
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	defer resp.Body.Close()
	if x.jar != nil {
		if c := resp.Cookies(); len(c) > 0 {
			x.jar.SetCookies(req.URL, c)
		}
	}
	r := reply{status: resp.StatusCode, header: resp.Header}
	r.body, err = readAll(resp, w.most)
	if x.clock != nil {
		x.clock.end = time.Now()
	}
	switch {
	case errors.Is(err, errTooLarge):
		e := w.fail(x, KindProtocol, err)
		e.Status, e.Hint = r.status, fmt.Sprintf("raise MaxResponse, which is %d bytes, or ask for less", w.most)
		return r, e
	case err != nil:
		e := w.fail(x, KindConnection, err)
		e.Status = r.status
		e.describe(ctx, w.base)
		return r, e
	case r.status >= 300 && r.status < 400 && !x.page:
		e := w.fail(x, KindNotFound, errRedirect)
		e.Status = r.status
		if to, err := resp.Location(); err == nil {
			e.Hint = "the server sends to " + to.Scheme + "://" + to.Host + ": use that address if it is the server's"
		}
		return r, e
	}
	return r, x.read(r)
}

// request makes the request of an exchange, without headers.
func (w *wire) request(ctx context.Context, verb string, x *exchange) (*http.Request, error) {
	if strings.ContainsAny(x.path, "%?#") {
		return http.NewRequestWithContext(ctx, verb, w.base.String()+x.path, bytes.NewReader(x.body)) //nolint:wrapcheck // the caller words it
	}
	req, err := http.NewRequestWithContext(ctx, verb, "/", bytes.NewReader(x.body))
	if err != nil {
		return nil, err //nolint:wrapcheck // the caller words it
	}
	*req.URL = *w.base // which is not read anew for each request
	req.URL.Path += x.path
	req.Host = w.base.Host
	return req, nil
}

// readAll reads a body of up to most bytes.
func readAll(resp *http.Response, most int64) ([]byte, error) {
	if n := resp.ContentLength; n > most {
		return nil, errTooLarge
	} else if n >= 0 && n < 1<<20 {
		b := make([]byte, n)
		_, err := io.ReadFull(resp.Body, b)
		return b, err //nolint:wrapcheck // the caller words it
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if int64(len(b)) > most {
		return nil, errTooLarge
	}
	return b, err //nolint:wrapcheck // the caller words it
}

// describe tells a time-out from a broken connection and says what a person can do.
func (e *Error) describe(ctx context.Context, base *url.URL) {
	var timeout net.Error
	var dns *net.DNSError
	var op *net.OpError
	var record tls.RecordHeaderError
	dialing := errors.As(e.cause, &op) && op.Op == "dial"
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		e.Kind, e.cause = KindCanceled, context.Canceled
	case ctx.Err() != nil, errors.Is(e.cause, context.DeadlineExceeded):
		e.Kind, e.cause = KindTimeout, context.DeadlineExceeded
	case errors.As(e.cause, &dns):
		e.Hint = "check the host name"
	case dialing:
		e.Hint = "is a server running at " + base.Host + "?"
	case errors.As(e.cause, &timeout) && timeout.Timeout():
		e.Kind = KindTimeout
	case errors.As(e.cause, &record) && string(record.RecordHeader[:]) == "HTTP/":
		e.Hint = "the server speaks http there, not https"
	}
}

// status makes an error of a status that says that there is no answer of the protocol in the body.
func (w *wire) status(x *exchange, r reply) *Error {
	e := w.fail(x, KindProtocol, fmt.Errorf("HTTP status %d", r.status))
	e.Status = r.status
	switch {
	case r.status == http.StatusUnauthorized, r.status == http.StatusForbidden:
		e.Kind = KindAccessDenied
	case r.status == http.StatusNotFound, r.status == http.StatusMethodNotAllowed:
		e.Kind = KindNotFound
	case r.status == http.StatusTooManyRequests:
		e.Kind = KindTooMany
	case r.status == http.StatusRequestTimeout:
		e.Kind = KindTimeout
	case r.status >= 500:
		e.Kind = KindUnavailable
	}
	e.retryAfter = retryAfter(r.header)
	return e
}

// retryAfter is the header of that name, in seconds; 0 without one.
func retryAfter(h http.Header) time.Duration {
	n, err := strconv.ParseUint(strings.TrimSpace(h.Get("Retry-After")), 10, 16)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}
