package client

import (
	"context"
	"encoding/json"
)

// Client calls methods of one database on one server or several. It is safe for concurrent use.
type Client struct{}

// Call calls a method of a model and returns its result.
func (c *Client) Call(_ context.Context, model, method string, _ []any, _ map[string]any, _ ...CallOption) (json.RawMessage, error) {
	return nil, &Error{Kind: KindArgument, Model: model, Method: method, Message: "the client has no transport"}
}

// Protocol is the family of servers that a client speaks with: their methods, domains and values differ.
type Protocol uint8

// The protocols.
const (
	Odoo Protocol = iota
	Tryton
)

// Protocol tells with which family of servers the client speaks.
func (c *Client) Protocol() Protocol { return Odoo }
