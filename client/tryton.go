package client

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// tryton is the JSON-RPC of Tryton 6.0 and later: positional arguments with the context as the last, and the session
// in a header.
type tryton struct{}

var _ rpc = tryton{}

// kinds of objects that have methods, as the first part of a method's name.
var trytonKinds = []string{"model.", "wizard.", "report.", "common.", "system."}

// trytonName is the full name of a method. A bare name is a model's.
func trytonName(model, method string) string {
	if model == "" {
		return method
	}
	for _, kind := range trytonKinds {
		if strings.HasPrefix(model, kind) {
			return model + "." + method
		}
	}
	return "model." + model + "." + method
}

func (tryton) path(database string) string {
	if database == "" {
		return "/"
	}
	return "/" + url.PathEscape(database) + "/"
}

// message makes a request; x has everything but the body.
func (t tryton) message(ctx context.Context, w *wire, x *exchange, params []any) (json.RawMessage, error) {
	body, err := json.Marshal(struct {
		ID     int64  `json:"id"`
		Method string `json:"method"`
		Params []any  `json:"params"`
	}{lastID.Add(1), trytonName(x.model, x.method), params})
	if err != nil {
		return nil, cannot(x.model, x.method, err)
	}
	var result json.RawMessage
	x.kind, x.body = jsonKind, body
	x.read = func(r reply) (err error) {
		result, err = t.read(w, x, r)
		return err
	}
	if err := w.do(ctx, x); err != nil {
		return nil, err
	}
	return result, nil
}

func (tryton) read(w *wire, x *exchange, r reply) (json.RawMessage, error) {
	if r.status != http.StatusOK {
		return nil, w.trytonStatus(x, r)
	}
	var a struct {
		Result json.RawMessage   `json:"result"`
		Error  []json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(r.body, &a); err != nil {
		return nil, w.garbled(x, r, err)
	}
	switch {
	case len(a.Error) > 0:
		return nil, w.trytonError(x, a.Error)
	case a.Result == nil:
		return nil, w.garbled(x, r, errEmpty)
	}
	return a.Result, nil
}

func (t tryton) login(ctx context.Context, w *wire, who credential) (*session, error) {
	x := ask("common.db.login", t.path(who.database), "", nil)
	x.safe = false
	result, err := t.message(ctx, w, x, []any{who.login, map[string]any{"password": string(who.secret)}, who.language})
	if err != nil {
		return nil, err
	}
	var answer []json.RawMessage // [user id, key], and in newer series the address of the bus
	var id int64
	var key string
	if json.Unmarshal(result, &answer) == nil && len(answer) >= 2 {
		loose(answer[0], &id)
		loose(answer[1], &key)
	}
	if id <= 0 || key == "" {
		e := w.fail(x, KindAccessDenied, nil)
		e.Message, e.Hint = "wrong login or password", "check database, login and password"
		return nil, e
	}
	token := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s:%d:%s", who.login, id, key))
	s := &session{user: User{UID: id, Login: who.login}, header: http.Header{"Authorization": {"Session " + token}}}
	if who.bare {
		return s, nil
	}
	result, err = t.call(ctx, w, s, &request{model: "res.user", method: "get_preferences", args: []any{true}, safe: true})
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(result))
	d.UseNumber()
	_ = d.Decode(&s.user.Context)
	if n, ok := s.user.Context["company"].(json.Number); ok {
		s.user.Company, _ = n.Int64()
		s.user.Companies = []int64{s.user.Company}
	}
	return s, nil
}

func (t tryton) call(ctx context.Context, w *wire, s *session, r *request) (json.RawMessage, error) {
	params, err := r.positions()
	if err != nil {
		return nil, err
	}
	x := r.exchange()
	x.path, x.header = t.path(w.database), s.headers()
	in := r.context
	if in == nil {
		in = map[string]any{}
	}
	return t.message(ctx, w, x, append(params, in))
}

func (t tryton) logout(ctx context.Context, w *wire, s *session) error {
	x := ask("common.db.logout", t.path(w.database), "", nil)
	x.header, x.safe = s.headers(), false
	_, err := t.message(ctx, w, x, []any{})
	return err
}

func (t tryton) databases(ctx context.Context, w *wire) ([]string, error) {
	result, err := t.message(ctx, w, ask("common.db.list", "/", "", nil), []any{})
	return names(result, err)
}

func (t tryton) version(ctx context.Context, w *wire) (Version, error) {
	result, err := t.message(ctx, w, ask("common.server.version", "/", "", nil), []any{})
	if err != nil {
		return Version{}, err
	}
	var v string
	loose(result, &v)
	return Version{v, majorOf(v)}, nil
}

func (t tryton) health(ctx context.Context, w *wire) error {
	_, err := t.version(ctx, w)
	return err
}

// trytonStatus makes an error of a status.
func (w *wire) trytonStatus(x *exchange, r reply) error {
	e := w.status(x, r)
	switch {
	case r.status == http.StatusUnauthorized && x.header != nil:
		e.Kind = KindSessionExpired
	case r.status == http.StatusUnauthorized:
		e.Message, e.Hint = "wrong login or password", "check database, login and password"
	case r.status == http.StatusForbidden:
		e.Kind, e.Message = KindAccess, "the method may not be called from outside"
	case r.status == http.StatusTooManyRequests && x.header == nil:
		e.Message = "too many failed log-ins"
	}
	return e
}

var trytonNames = map[string]Kind{
	"UserError": KindUser, "UserWarning": KindWarning, "ConcurrencyException": KindConcurrency, "LoginException": KindMultiFactor,
}

// trytonError makes an error of what trytond says of an exception: a name and its arguments, or the text of one that
// is not named and a traceback.
func (w *wire) trytonError(x *exchange, parts []json.RawMessage) error {
	e := w.fail(x, KindServer, nil)
	e.Status = http.StatusOK
	var first string
	loose(parts[0], &first)
	kind, named := trytonNames[first]
	if !named {
		e.Message = first
		if len(parts) > 1 {
			loose(parts[1], &e.Debug)
		}
		e.Kind = trytonKind(x, first)
		return e
	}
	e.Kind, e.Name = kind, first
	if len(parts) < 2 {
		return e
	}
	e.Arguments = parts[1]
	if json.Unmarshal(parts[1], &e.Message) == nil {
		return e
	}
	var arguments []any
	loose(parts[1], &arguments)
	if kind == KindWarning && len(arguments) > 1 || kind == KindMultiFactor && len(arguments) > 1 {
		arguments = arguments[1:] // after its name
	}
	if len(arguments) > 0 {
		e.Message, _ = arguments[0].(string)
	}
	if len(arguments) > 1 {
		if more, _ := arguments[1].(string); more != "" && kind != KindMultiFactor {
			e.Message += "\n" + more
		}
	}
	if kind == KindMultiFactor {
		e.Hint = "the server wants more than a password of this user; perfd cannot give that"
	}
	return e
}

// trytonKind is the kind of an exception of which the text alone is known.
func trytonKind(x *exchange, text string) Kind {
	switch {
	case text == "'"+x.model+"'":
		return KindNotFound
	case strings.Contains(text, "could not serialize access"), strings.Contains(text, "deadlock detected"):
		return KindSerialization
	case strings.Contains(text, "could not obtain lock"):
		return KindLockTimeout
	case strings.Contains(text, "canceling statement due to statement timeout"):
		return KindTimeout
	}
	return KindServer
}
