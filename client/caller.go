package client

import (
	"context"
	"encoding/json"
)

// Caller calls a method of a model. It is what queries, batches and transactions need of a client.
//
// Args and kwargs are marshalled as JSON is. The result is the server's, which nobody may change; it is the JSON
// value null where the method returned nothing. An error of the server, and of the way to it, is an *Error.
type Caller interface {
	Call(ctx context.Context, model, method string, args []any, kwargs map[string]any, opts ...CallOption) (json.RawMessage, error)
}

var _ Caller = (*Client)(nil)
