package client

import (
	"context"
	"net/http"
	"time"
)

// Request is one request to a server, as hooks see it.
type Request struct {
	Server, Database string
	// Model and Method are those of the call; Model is empty for services, as the log-in.
	Model, Method string
	// Attempt counts the tries of a call from 1.
	Attempt int
	// Safe tells that the method changes nothing.
	Safe bool
	// Header is what goes with the request. A hook may add to it, as a traceparent.
	Header http.Header
	// Bytes is the length of the body. Bodies are not shown: they have passwords.
	Bytes int
}

// Response is how a request ended.
type Response struct {
	Status   int // of HTTP; 0 without an answer
	Bytes    int // of the body, uncompressed
	Duration time.Duration
	// Err is why there was no answer, or what the answer said went wrong. Nil of a good one.
	Err error
}

// Hook sees each request before it is made and after it has ended, in the goroutine that makes it: it delays the
// call as long as it takes. Both functions may be nil. Before may return another context, which the request is made
// with and After gets; nil means the one it got. Calls that the cache answers make no request.
//
// Spans of OpenTelemetry are such a hook; see the example.
type Hook struct {
	Before func(ctx context.Context, r *Request) context.Context
	After  func(ctx context.Context, r *Request, resp *Response)
}
