package rpclog

import (
	"encoding/json"
	"strings"

	xmltext "github.com/perfd/perfd/client/xmlrpc"
	"github.com/perfd/perfd/evidence"
	"github.com/perfd/perfd/jsontree"
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
const Hidden = "(secret)"

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
		out.answer(c, x.told.b)
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
	method := ""
	v, err := tree(c, body, func(b []byte) (params any, err error) {
		method, params, err = xmltext.Call(b)
		return params, err //nolint:wrapcheck // nobody is told
	})
	if err != nil {
		return
	}
	var args, kwargs, params *jsontree.Value
	switch c.Transport {
	case XMLRPC:
		args, kwargs = &v, nil
		if c.Service == "object" {
			args, kwargs = ofService(method, &v)
			o.Form = method
		}
	case JSONRPC:
		switch p := v.Member("params"); {
		case c.Path == "/jsonrpc":
			args = p.Member("args")
			if c.Service == "object" {
				args, kwargs = ofService(p.Member("method").Text, args)
				o.Form = p.Member("method").Text
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
	if args == nil {
		o.Form = ""
	}
	s := stripper{}
	o.Args, o.Kwargs, o.Params = s.text(args), s.text(kwargs), s.text(params)
	o.Secret = s.found
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
func (o *Content) answer(c *Call, body []byte) {
	result := resultOf(c, body)
	if result == nil {
		return
	}
	s := stripper{}
	if o.Result = s.text(result); o.Result == nil {
		o.Result = json.RawMessage("null") // a method that returned nothing
	}
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
	if confidential(c.Path) || c.Path == authenticateRoute || c.Service == "db" ||
		c.Service == "common" && c.Method != "version" && c.Method != "about" {
		return true
	}
	for _, p := range guardedPaths {
		if strings.Contains(c.Path, p) && !strings.HasPrefix(c.Path, datasetRoute) {
			return true
		}
	}
	if guardedModel(c.Model) {
		return true
	}
	method := strings.ToLower(c.Method)
	for _, p := range guardedMethods {
		if strings.Contains(method, p) {
			return true
		}
	}
	return false
}

func guardedModel(model string) bool {
	for _, p := range guardedModels {
		if model == p || strings.HasSuffix(p, ".") && strings.HasPrefix(model, p) {
			return true
		}
	}
	return false
}

var guardedMethods = []string{"password", "passwd", "credential", "authenticate", "login", "totp", "token", "api_key", "apikey", "make_key", "set_preferences", "secret"}

// guardedPaths are of log-ins, of keys, and of payments.
var guardedPaths = []string{"login", "signup", "oauth", "totp", "/user/application", "/payment/", "passkey", "webauthn"}

// guardedModels are whole names, or beginnings if they end in a dot.
var guardedModels = []string{
	"ir.config_parameter", "ir.mail_server", "fetchmail.server", "res.config.settings", "res.users.apikeys", "res.users.apikeys.",
	"res.users.identitycheck", "auth_totp.", "auth.totp.", "auth.oauth.provider", "res.company.ldap", "change.password.", "payment.provider", "payment.acquirer",
	"payment.token", "iap.account", "google.", "microsoft.", "certificate.", "res.user.application", "res.user.login.", "res.user.device", "ir.session", "ir.email.", "ir.configuration",
	"res.device", "res.device.log", "mail.push.", "auth.passkey.", "iot.",
}

// stripper takes secrets out of a tree, by the names beside them.
type stripper struct{ found bool }

// text is a tree's text without its secrets; nil for null.
func (s *stripper) text(v *jsontree.Value) json.RawMessage {
	if v == nil || v.Kind == jsontree.Null {
		return nil
	}
	s.strip(v, false)
	return v.Append(nil)
}

// strip takes out what stands under a name of a secret (secret), in a domain beside one, or in a URL behind one.
func (s *stripper) strip(v *jsontree.Value, secret bool) {
	switch v.Kind {
	case jsontree.String:
		if v.Text != "" && (secret || withSecret(v.Text)) {
			*v, s.found = jsontree.Of(Hidden), true
		}
	case jsontree.Number:
		if secret {
			*v, s.found = jsontree.Of(Hidden), true
		}
	case jsontree.Array:
		leaf := len(v.Items) == 3 && v.Items[0].Kind == jsontree.String && v.Items[1].Kind == jsontree.String && secretName(v.Items[0].Text)
		for i := range v.Items {
			s.strip(&v.Items[i], secret || leaf && i == 2)
		}
	case jsontree.Object:
		for i, name := range v.Names {
			s.strip(&v.Items[i], v.Items[i].Kind != jsontree.Object && (secretName(name) || name == "session_id" && len(v.Items[i].Text) >= minToken))
		}
	}
}

var secretNames = []string{
	"password", "passwd", "pwd", "passphrase", "smtp_pass", "secret", "token", "api_key", "apikey", "private_key", "auth_key", "credential", "totp", "csrf", "cvc", "cvv",
	"session_identifier",
}

// secretName says whether what stands under a name, or under its last part, is a secret.
func secretName(name string) bool {
	name = strings.ToLower(name)
	for _, p := range secretNames {
		if strings.Contains(name, p) {
			return true
		}
	}
	return false
}

// withSecret says whether a text, such as a URL, holds the value of a secret.
func withSecret(text string) bool {
	for rest := text; ; {
		i := strings.IndexByte(rest, '=')
		if i < 0 {
			break
		}
		if name := rest[max(0, i-20):i]; secretName(name) || strings.HasSuffix(name, "session_id") {
			return true
		}
		rest = rest[i+1:]
	}
	return len(text) > 7 && strings.EqualFold(text[:7], "bearer ")
}

var (
	_ scanner = (*kept)(nil)
	_ scanner = teed{}
)
