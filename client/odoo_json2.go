package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

// odooJSON2 is /json/2 of Odoo 19 and later: a path for each method, named arguments, statuses of HTTP, and the API
// key in a header.
type odooJSON2 struct{}

var _ rpc = odooJSON2{}

func (t odooJSON2) login(ctx context.Context, w *wire, who credential) (*session, error) {
	s := &session{header: http.Header{"Authorization": {"bearer " + string(who.secret)}}}
	if who.database != "" {
		s.header.Set("X-Odoo-Database", who.database)
	}
	if err := loadUser(ctx, t, w, s); err != nil { // which is also what finds out whose the key is
		s.wipe()
		return nil, err
	}
	return s, nil
}

func (t odooJSON2) call(ctx context.Context, w *wire, s *session, r *request) (json.RawMessage, error) {
	named, err := r.named()
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(named)
	if err != nil {
		return nil, cannot(r.model, r.method, err)
	}
	var result json.RawMessage
	x := r.exchange()
	x.path, x.kind, x.body = "/json/2/"+url.PathEscape(r.model)+"/"+url.PathEscape(r.method), jsonKind, body
	x.header = s.headers()
	x.read = func(a reply) (err error) {
		result, err = t.read(w, x, a)
		return err
	}
	if err := w.do(ctx, x); err != nil {
		return nil, err
	}
	return result, nil
}

func (odooJSON2) read(w *wire, x *exchange, a reply) (json.RawMessage, error) {
	if a.status != http.StatusOK {
		return nil, w.json2Error(x, a)
	}
	if !json.Valid(a.body) {
		return nil, w.garbled(x, a, errEmpty)
	}
	return a.body, nil
}

// json2Error makes an error of an answer with another status than 200.
func (w *wire) json2Error(x *exchange, a reply) error {
	byStatus := w.status(x, a)
	var d exception
	if json.Unmarshal(a.body, &d) != nil || d.Name == "" {
		return byStatus
	}
	e := w.odooError(x, d, 0, "")
	e.Status, e.retryAfter = a.status, byStatus.retryAfter
	if e.Kind == KindServer && a.status < http.StatusInternalServerError {
		e.Kind = byStatus.Kind
	}
	if e.Kind == KindAccessDenied {
		e.Hint = "check the API key and the database"
	}
	return e
}

func (odooJSON2) logout(context.Context, *wire, *session) error { return nil }

func (odooJSON2) databases(ctx context.Context, w *wire) ([]string, error) {
	return odooWeb{}.databases(ctx, w)
}

func (odooJSON2) version(ctx context.Context, w *wire) (Version, error) {
	return odooWeb{}.version(ctx, w)
}

func (odooJSON2) health(ctx context.Context, w *wire) error { return odooHealth(ctx, w) }
