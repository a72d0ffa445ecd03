package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/perfd/perfd/client/xmlrpc"
)

// odooXMLRPC is /xmlrpc/2, whose faults have numbers: 1 an exception, 2 a message to the user, 3 no log-in, 4 no right.
type odooXMLRPC struct{}

var _ rpc = odooXMLRPC{}

// Fault codes of /xmlrpc/2.
const (
	faultApplication = 1
	faultWarning     = 2
	faultDenied      = 3
	faultAccess      = 4
)

// noNone is how Odoo says that the method returned None, which its XML-RPC cannot carry: after the method was done.
const noNone = "cannot marshal None unless allow_none is enabled"

func (t odooXMLRPC) service(ctx context.Context, w *wire, x *exchange, service, method string, args ...any) (json.RawMessage, error) {
	body, err := xmlrpc.AppendCall(nil, method, args...)
	if err != nil {
		return nil, cannot(x.model, x.method, err)
	}
	var result json.RawMessage
	x.path, x.kind, x.body = "/xmlrpc/2/"+service, "text/xml", body
	x.read = func(r reply) (err error) {
		result, err = t.read(w, x, r)
		return err
	}
	if err := w.do(ctx, x); err != nil {
		return nil, err
	}
	return result, nil
}

func (odooXMLRPC) read(w *wire, x *exchange, r reply) (json.RawMessage, error) {
	v, err := xmlrpc.Answer(r.body)
	var f *xmlrpc.Fault
	switch {
	case errors.As(err, &f):
		if f.Code == faultApplication && strings.Contains(f.String, noNone) && !x.safe {
			return null, nil
		}
		e := w.faultError(x, f)
		e.Status = r.status
		return nil, e
	case r.status != http.StatusOK:
		return nil, w.status(x, r)
	case err != nil:
		return nil, w.garbled(x, r, err)
	}
	result, err := json.Marshal(v)
	if err != nil {
		return nil, w.garbled(x, r, err)
	}
	return result, nil
}

func (t odooXMLRPC) login(ctx context.Context, w *wire, who credential) (*session, error) {
	result, err := t.service(ctx, w, ask("common.authenticate", "", "", nil), "common", "authenticate",
		who.database, who.login, string(who.secret), map[string]any{})
	if err != nil {
		return nil, err
	}
	return sessionByKey(ctx, t, w, who, result)
}

func (t odooXMLRPC) call(ctx context.Context, w *wire, s *session, r *request) (json.RawMessage, error) {
	return t.service(ctx, w, r.exchange(), "object", "execute_kw", w.database, s.user.UID, s.key(), r.model, r.method,
		r.positional(), r.keywords())
}

func (odooXMLRPC) logout(context.Context, *wire, *session) error { return nil }

func (t odooXMLRPC) databases(ctx context.Context, w *wire) ([]string, error) {
	result, err := t.service(ctx, w, ask("db.list", "", "", nil), "db", "list")
	return names(result, err)
}

func (t odooXMLRPC) version(ctx context.Context, w *wire) (Version, error) {
	result, err := t.service(ctx, w, ask("common.version", "", "", nil), "common", "version")
	return odooVersion(result, err)
}

func (odooXMLRPC) health(ctx context.Context, w *wire) error { return odooHealth(ctx, w) }

// faultError makes an error of a fault. Of an exception the last line of the traceback has the name.
func (w *wire) faultError(x *exchange, f *xmlrpc.Fault) *Error {
	e := w.fail(x, KindServer, nil)
	e.Code, e.Message = f.Code, f.String
	switch f.Code {
	case faultWarning:
		e.Kind = KindUser
	case faultDenied:
		e.Kind = KindAccessDenied
	case faultAccess:
		e.Kind = KindAccess
	default:
		e.Debug = f.String
		last := strings.TrimSpace(f.String)
		last = strings.TrimSpace(last[strings.LastIndexByte(last, '\n')+1:])
		if name, message, ok := strings.Cut(last, ": "); ok && !strings.ContainsAny(name, " \t") {
			e.Name, e.Message = name, message
		} else {
			e.Message = last
		}
		if e.Kind = odooKind(x, e.Name, f.String, 0); e.Kind == KindServer {
			e.Kind = odooKind(x, e.Name, e.Message, 0)
		}
	}
	if f.Text != "" {
		e.Message = f.Text
	}
	if strings.Contains(f.String, noNone) {
		e.Hint = "XML-RPC cannot carry null: use another transport for this method"
	}
	return e
}
