package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/perfd/perfd/client"
	"github.com/perfd/perfd/replay/load"
)

// cacheable tells whether a call is one that goes through the client's cache: a method's, with its arguments. What of
// these is kept, and what is forgotten when, the client decides.
func cacheable(c *load.Call) bool {
	if c.Model == "" || c.Method == "" || len(c.Args) == 0 {
		return false
	}
	switch c.Transport {
	case "tryton":
		return c.Service == "model"
	case "xmlrpc":
		return c.Service == "object"
	case "jsonrpc":
		return !c.IsRoute() && (c.Path != "/jsonrpc" || c.Service == "object")
	}
	return false // of /json/2 the names of arguments alone are known
}

// askCache makes a call as a program would that uses the caching client.
func (s *session) askCache(it *item, c *load.Call) (outcome, error) {
	r := s.r
	var args []any
	var kwargs, in map[string]any
	err := decodeNumbers(c.Args, &args)
	if err == nil && len(c.Kwargs) > 0 {
		err = decodeNumbers(c.Kwargs, &kwargs)
	}
	x := outcome{sent: r.now()}
	if err != nil {
		x.end = x.sent
		return x, fmt.Errorf("read arguments: %w", err)
	}
	if c.Transport == "tryton" && len(args) > 0 {
		in, _ = args[len(args)-1].(map[string]any)
		args = args[:len(args)-1]
	}
	asked := requests{wrote: func() { s.wrote(it) }}
	ctx := context.WithValue(r.ctx, askedKey{}, &asked)
	result, err := s.client.Call(ctx, c.Model, c.Method, args, kwargs, client.InContext(in))
	x.end, x.result, x.bytes, x.cached = r.now(), result, int64(len(result)), asked.made.Load() == 0 && err == nil
	x.retried = asked.made.Load() > 1
	if x.status = 200; err != nil {
		x.status = statusOf(err)
	}
	return x, err //nolint:wrapcheck // it is looked at, not shown
}

func decodeNumbers(text json.RawMessage, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return d.Decode(into) //nolint:wrapcheck // the caller words it
}
