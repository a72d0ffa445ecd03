package rpclog

import (
	"encoding/json"
	"strings"

	xmltext "github.com/perfd/perfd/client/xmlrpc"
	"github.com/perfd/perfd/evidence"
	"github.com/perfd/perfd/jsontree"
	"github.com/perfd/perfd/secrets"
)

// Keep says what of a call's bodies is kept.
type Keep uint8

// What can be kept, as bits.
const (
	KeepRequest Keep = 1 << iota
	KeepAnswer
)

// Content is what Config.Keep had kept of a call's bodies, without their secrets. A part that is not whole, does not fit
// its bound, or is of a call whose purpose is a secret, is nil.
type Content struct {
	// Args and Kwargs are the method's arguments, as JSON whatever the transport; database, user and password, which come
	// first in services, are not among them. For /json/2, Kwargs is the body. For Tryton, Args ends with the context.
	Args, Kwargs json.RawMessage
	// Params is the request of a route that takes no method's arguments: the params of JSON-RPC, or a JSON body.
	Params json.RawMessage
	// Query and Fields are the query and the form of a request without an envelope: a list of names with their values, each
	// a list of two. A value is a text, or an object or a list that travelled as JSON. Behind a file, whose value is empty,
	// stands its filename, type and size.
	Query, Fields json.RawMessage
	// Form is how the arguments travelled where there are several ways: FormExecute and its like.
	Form string
	// Unread says that there was a query, which is not in Query.
	Unread bool
	// DatabaseUUID is the database's own database.uuid, where the answer tells it.
	DatabaseUUID string
	// Result is the answer's result; nil if it is an error.
	Result json.RawMessage
	// Secret says that values were taken out of the request; Hidden stands in their place.
	Secret bool
	// Note is for the Sink's own use.
	Note any
}

// Hidden stands where a secret was taken out.
const Hidden = secrets.Hidden

// kept is a body that is being kept, decoded.
type kept struct {
	d     *Decoder
	b     []byte
	whole bool // its end was seen, and nothing of it is missing
	over  bool // it does not fit
}

// holder returns where a body goes; nil if it is not kept. What the request asks for shows when it was read, so that
// requests are all held until then.
func (x *exchange) holder(set *evidence.Set) *kept {
	switch {
	case x.d.cfg.Keep == nil:
	case set == &x.call.Request:
		x.ask = &kept{d: x.d}
		return x.ask
	case x.keep&KeepAnswer != 0:
		x.told = &kept{d: x.d}
		return x.told
	}
	return nil
}

// write implements scanner.
func (k *kept) write(b []byte) {
	if k.over {
		return
	}
	if len(k.b)+len(b) > k.d.cfg.KeepBytes || k.d.kept+len(b) > k.d.cfg.KeepTotal {
		k.drop()
		return
	}
	k.d.kept += len(b)
	k.b = append(k.b, b...)
}

// drop forgets what was kept.
func (k *kept) drop() {
	if k == nil {
		return
	}
	k.d.kept -= len(k.b)
	k.b, k.over, k.whole = nil, true, false
}

// teed shows a scanner's input to what keeps it.
type teed struct {
	scanner
	*kept
}

func (t teed) write(b []byte) {
	t.kept.write(b)
	t.scanner.write(b)
}

// content makes of what was kept what the call carries.
func (x *exchange) content() *Content {
	c, out := x.call, &Content{}
	defer x.ask.drop()
	defer x.told.drop()
	defer x.query.drop()
	if tellsUUID(c) && c.Error == "" && c.Gaps == 0 && x.ask != nil && x.ask.whole && x.told != nil && x.told.whole {
		out.DatabaseUUID = databaseUUID(c, x.ask.b, x.told.b)
	}
	if guarded(c) {
		out.Unread = x.query != nil
		return out
	}
	whole := x.keep&KeepRequest != 0 && c.Gaps&GapRequest == 0
	switch {
	case c.Transport == HTTP && !whole:
		out.Unread = x.query != nil
	case c.Transport == HTTP:
		out.plainRequest(x)
	case whole && x.ask != nil && x.ask.whole:
		out.request(c, x.ask.b)
	}
	if x.told != nil && x.told.whole && c.Gaps&(GapResponse|GapUnanswered) == 0 && c.Error == "" {
		out.answer(x)
	}
	return out
}

// tree reads a body, of whichever form.
func tree(c *Call, body []byte, xml func([]byte) (any, error)) (jsontree.Value, error) {
	if c.Transport == XMLRPC {
		v, err := xml(body)
		if err != nil {
			return jsontree.Value{}, err
		}
		if body, err = json.Marshal(v); err != nil {
			return jsontree.Value{}, err //nolint:wrapcheck // nobody is told
		}
	}
	return jsontree.Parse(body, jsontree.Config{})
}

// request takes the arguments out of a request.
func (o *Content) request(c *Call, body []byte) {
	args, kwargs, params, form := arguments(c, body)
	var s secrets.Stripper
	if args != nil {
		o.Form = form
		s.Args(c.Method, args, kwargs, owner(c))
	} else if kwargs != nil {
		s.Strip(kwargs, owner(c))
	}
	if params != nil {
		s.Strip(params, owner(c))
	}
	o.Args, o.Kwargs, o.Params = textOf(args), textOf(kwargs), textOf(params)
	o.Secret = s.Found
}

// arguments finds a method's arguments in a request, or the parameters of a route, and how they travelled; nil where there
// are none.
func arguments(c *Call, body []byte) (args, kwargs, params *jsontree.Value, form string) {
	method := ""
	v, err := tree(c, body, func(b []byte) (params any, err error) {
		method, params, err = xmltext.Call(b)
		return params, err //nolint:wrapcheck // nobody is told
	})
	if err != nil {
		return nil, nil, nil, ""
	}
	switch c.Transport {
	case XMLRPC:
		args, kwargs = &v, nil
		if c.Service == "object" {
			args, kwargs = ofService(method, &v)
			form = method
		}
	case JSONRPC:
		switch p := v.Member("params"); {
		case c.route() == serviceRoute:
			args = p.Member("args")
			if c.Service == "object" {
				args, kwargs = ofService(p.Member("method").Text, args)
				form = p.Member("method").Text
			}
		case c.Model != "" && p.Member("args").Kind == jsontree.Array:
			args, kwargs = p.Member("args"), p.Member("kwargs")
		default:
			params = p
		}
	case JSON2:
		kwargs = &v
	case Tryton:
		args = v.Member("params")
	default:
		params = &v
	}
	return args, kwargs, params, form
}

// ofService takes the method's arguments out of those of Odoo's object service, which begin with database, user, password,
// model and method: a list and an object behind them for execute_kw, themselves for execute.
func ofService(method string, all *jsontree.Value) (args, kwargs *jsontree.Value) {
	const before = 5
	switch {
	case len(all.Items) < before:
		return nil, nil
	case method == FormExecute:
		return &jsontree.Value{Kind: jsontree.Array, Items: all.Items[before:]}, nil
	case method != FormExecuteKW:
		return nil, nil
	case len(all.Items) == before:
		return &jsontree.Value{Kind: jsontree.Array}, nil
	}
	return all.Item(before), all.Item(before + 1)
}

// answer takes the result out of an answer.
func (o *Content) answer(x *exchange) {
	c := x.call
	result := resultOf(c, x.told.b)
	if result == nil || secrets.Exports(c.Method) && exportsSecret(x) {
		return
	}
	var s secrets.Stripper
	s.Strip(result, owner(c))
	if o.Result = textOf(result); o.Result == nil {
		o.Result = json.RawMessage("null") // a method that returned nothing
	}
}

// exportsSecret says whether a call asks for a secret in rows that do not name it, or may.
func exportsSecret(x *exchange) bool {
	if x.ask == nil || !x.ask.whole {
		return true
	}
	args, kwargs, _, _ := arguments(x.call, x.ask.b)
	if args == nil {
		args = &jsontree.Value{}
	}
	if kwargs == nil {
		kwargs = &jsontree.Value{}
	}
	return secrets.Exported(args, kwargs, owner(x.call))
}

// resultOf is the result in an answer; nil if it is none.
func resultOf(c *Call, body []byte) *jsontree.Value {
	v, err := tree(c, body, xmltext.Answer)
	switch {
	case err != nil:
		return nil
	case c.Transport != JSONRPC && c.Transport != Tryton:
		return &v
	case v.Kind != jsontree.Object:
		return nil
	}
	return v.Member("result")
}

// guarded says whether a call's purpose is a secret, so that nothing of it is kept: log-ins, passwords, keys, and the
// models of which most values are credentials.
func guarded(c *Call) bool {
	services := c.route() == serviceRoute || strings.HasPrefix(c.Path, "/xmlrpc/") || c.Service == "db" || c.Service == "common"
	return confidential(c.Path) || c.route() == authenticateRoute || services && secrets.Service(c.Service, c.Method) ||
		secrets.Route(c.Path) && !strings.HasPrefix(c.Path, datasetRoute) || secrets.Model(c.Model) || secrets.Method(c.Model, c.Method)
}

// owner is what a call's values belong to.
func owner(c *Call) string {
	if c.Model != "" {
		return c.Model
	}
	return c.Path
}

// textOf is a tree's text; nil for null.
func textOf(v *jsontree.Value) json.RawMessage {
	if v == nil || v.Kind == jsontree.Null {
		return nil
	}
	return v.Append(nil)
}

var (
	_ scanner = (*kept)(nil)
	_ scanner = teed{}
)
