package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
)

const jsonKind = "application/json"

// odooJSONRPC is /jsonrpc: database, user id and password or key go with every call.
type odooJSONRPC struct{}

var _ rpc = odooJSONRPC{}

// envelope is a message of JSON-RPC.
type envelope struct {
	Version string `json:"jsonrpc"`
	Method  string `json:"method"`
	ID      int64  `json:"id"`
	Params  any    `json:"params"`
}

// answer is what comes back. The id in it is not looked at: the connection says which question it answers.
type answer struct {
	Result json.RawMessage `json:"result"`
	Error  *answerError    `json:"error"`
}

type answerError struct {
	Code    int       `json:"code"`
	Message string    `json:"message"`
	Data    exception `json:"data"`
}

// exception is what Odoo says of an exception.
type exception struct {
	Name      string          `json:"name"`
	Message   string          `json:"message"`
	Debug     string          `json:"debug"`
	Arguments json.RawMessage `json:"arguments"`
}

var (
	errEmpty = errors.New("neither a result nor an error")
	null     = json.RawMessage("null")
)

// jsonRPC makes a request of JSON-RPC; x has everything but the body.
func jsonRPC(ctx context.Context, w *wire, x *exchange, params any) (json.RawMessage, error) {
	body, err := json.Marshal(envelope{"2.0", "call", lastID.Add(1), params})
	if err != nil {
		return nil, cannot(x.model, x.method, err)
	}
	var result json.RawMessage
	x.kind, x.body = jsonKind, body
	x.read = func(r reply) (err error) {
		result, err = readJSONRPC(w, x, r)
		return err
	}
	if err := w.do(ctx, x); err != nil {
		return nil, err
	}
	return result, nil
}

func readJSONRPC(w *wire, x *exchange, r reply) (json.RawMessage, error) {
	var a answer
	if err := json.Unmarshal(r.body, &a); err != nil {
		return nil, w.garbled(x, r, err)
	}
	switch {
	case a.Error != nil:
		e := w.odooError(x, a.Error.Data, a.Error.Code, a.Error.Message)
		e.Status = r.status
		return nil, e
	case r.status != http.StatusOK:
		return nil, w.status(x, r)
	case a.Result == nil: // left out: the method returned None
		return null, nil
	}
	return a.Result, nil
}

func (odooJSONRPC) read(w *wire, x *exchange, r reply) (json.RawMessage, error) {
	return readJSONRPC(w, x, r)
}

// service calls a method of one of the three services.
func (odooJSONRPC) service(ctx context.Context, w *wire, x *exchange, service, method string, args ...any) (json.RawMessage, error) {
	x.path = "/jsonrpc"
	if args == nil {
		args = []any{}
	}
	return jsonRPC(ctx, w, x, struct {
		Service string `json:"service"`
		Method  string `json:"method"`
		Args    []any  `json:"args"`
	}{service, method, args})
}

func (t odooJSONRPC) login(ctx context.Context, w *wire, who credential) (*session, error) {
	result, err := t.service(ctx, w, ask("common.authenticate", "", "", nil), "common", "authenticate",
		who.database, who.login, string(who.secret), map[string]any{})
	if err != nil {
		return nil, err
	}
	return sessionByKey(ctx, t, w, who, result)
}

func (t odooJSONRPC) call(ctx context.Context, w *wire, s *session, r *request) (json.RawMessage, error) {
	return t.service(ctx, w, r.exchange(), "object", "execute_kw", w.database, s.user.UID, s.key(), r.model, r.method,
		r.positional(), r.jsonKeywords())
}

func (odooJSONRPC) logout(context.Context, *wire, *session) error { return nil }

func (t odooJSONRPC) databases(ctx context.Context, w *wire) ([]string, error) {
	result, err := t.service(ctx, w, ask("db.list", "", "", nil), "db", "list")
	return names(result, err)
}

func (t odooJSONRPC) version(ctx context.Context, w *wire) (Version, error) {
	result, err := t.service(ctx, w, ask("common.version", "", "", nil), "common", "version")
	return odooVersion(result, err)
}

func (odooJSONRPC) health(ctx context.Context, w *wire) error { return odooHealth(ctx, w) }

// exchange is a call's request, without a body.
func (r *request) exchange() *exchange {
	return &exchange{model: r.model, method: r.method, attempt: r.attempt, safe: r.safe}
}

// positional is the arguments, as a list even if there are none.
func (r *request) positional() []any {
	if r.args == nil {
		return []any{}
	}
	return r.args
}

// keywords is the named arguments with the context among them.
func (r *request) keywords() map[string]any {
	m := make(map[string]any, len(r.kwargs)+1)
	for k, v := range r.kwargs {
		m[k] = v
	}
	if len(r.context) > 0 {
		m["context"] = r.context
	}
	return m
}

// jsonKeywords is keywords for JSON alone, in which the context of a session need not be written anew for each call.
func (r *request) jsonKeywords() map[string]any {
	m := r.keywords()
	if _, ok := m["context"]; ok && r.text != nil {
		m["context"] = r.text
	}
	return m
}

// sessionByKey makes the session of a transport that sends the secret with every call, after uid was found out.
func sessionByKey(ctx context.Context, t rpc, w *wire, who credential, uid json.RawMessage) (*session, error) {
	s := &session{secret: append([]byte(nil), who.secret...), user: User{Login: who.login}}
	loose(uid, &s.user.UID)
	if s.user.UID <= 0 {
		return nil, &Error{
			Kind: KindAccessDenied, Server: w.name, Method: "common.authenticate", Name: "odoo.exceptions.AccessDenied", Sent: true,
			Message: "wrong login, password or API key", Hint: "a user with two-factor authentication needs an API key",
		}
	}
	if who.bare {
		return s, nil
	}
	if err := loadUser(ctx, t, w, s); err != nil {
		s.wipe()
		return nil, err
	}
	return s, nil
}

// loadUser asks for the user's context and companies: two calls.
func loadUser(ctx context.Context, t rpc, w *wire, s *session) error {
	result, err := t.call(ctx, w, s, &request{model: "res.users", method: "context_get", safe: true})
	if err != nil {
		return err
	}
	loose(result, &s.user.Context)
	if s.user.UID == 0 {
		var c struct {
			UID int64 `json:"uid"`
		}
		loose(result, &c)
		s.user.UID = c.UID
	}
	if s.user.UID == 0 {
		return &Error{Kind: KindProtocol, Server: w.name, Model: "res.users", Method: "context_get", Sent: true, Message: "the answer names no user"}
	}
	result, err = t.call(ctx, w, s, &request{
		model: "res.users", method: "read", safe: true, args: []any{[]any{s.user.UID}},
		kwargs: map[string]any{"fields": []any{"login", "company_id", "company_ids"}}, context: s.user.Context,
	})
	if err != nil {
		return err
	}
	var rows []struct {
		Login     string          `json:"login"`
		Company   json.RawMessage `json:"company_id"`
		Companies []int64         `json:"company_ids"`
	}
	loose(result, &rows)
	if len(rows) == 1 {
		s.user.Company = looseID(rows[0].Company)
		s.user.Companies = companies(s.user.Company, rows[0].Companies)
		if s.user.Login == "" {
			s.user.Login = rows[0].Login
		}
	}
	return nil
}

func names(result json.RawMessage, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	list := []string{}
	if err := json.Unmarshal(result, &list); err != nil {
		return nil, &Error{Kind: KindProtocol, Method: "list", Sent: true, cause: err}
	}
	return list, nil
}

func odooVersion(result json.RawMessage, err error) (Version, error) {
	if err != nil {
		return Version{}, err
	}
	var v struct {
		Version string `json:"server_version"`
	}
	loose(result, &v)
	return Version{v.Version, majorOf(v.Version)}, nil
}

// odooHealth asks a path that every Odoo since 15 has; an older one that does not know it is well too.
func odooHealth(ctx context.Context, w *wire) error {
	x := ask("health", "/web/health", "", nil)
	x.verb = http.MethodGet
	x.read = func(r reply) error {
		if r.status >= 500 {
			return w.status(x, r)
		}
		return nil
	}
	return w.do(ctx, x)
}
