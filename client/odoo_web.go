package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
)

// odooWeb is /web/dataset/call_kw on a session that a cookie names, as the web client works. Odoo may change the
// cookie with any answer; the session's jar follows.
type odooWeb struct{}

var _ rpc = odooWeb{}

// sessionInfo is what a log-in yields, of Odoo 14 and later.
type sessionInfo struct {
	UID       json.RawMessage `json:"uid"` // false or null if there is no user
	Username  string          `json:"username"`
	Context   map[string]any  `json:"user_context"`
	Version   string          `json:"server_version"`
	Companies struct {
		Current json.RawMessage `json:"current_company"`   // an id, of old ones a pair
		Allowed json.RawMessage `json:"allowed_companies"` // by id, of old ones a list of pairs
	} `json:"user_companies"`
}

func (odooWeb) login(ctx context.Context, w *wire, who credential) (*session, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, fmt.Errorf("make a cookie jar: %w", err)
	}
	x := ask("login", "/web/session/authenticate", "", nil)
	x.safe, x.jar = false, jar
	result, err := jsonRPC(ctx, w, x, map[string]any{"db": who.database, "login": who.login, "password": string(who.secret)})
	if err != nil {
		return nil, err
	}
	var info sessionInfo
	d := json.NewDecoder(bytes.NewReader(result))
	d.UseNumber()
	if err := d.Decode(&info); err != nil {
		return nil, w.fail(x, KindProtocol, fmt.Errorf("read session: %w", err))
	}
	s := &session{jar: jar, version: info.Version, user: User{Login: info.Username, Context: info.Context}}
	loose(info.UID, &s.user.UID)
	if s.user.UID <= 0 {
		e := w.fail(x, KindMultiFactor, nil)
		e.Message = "the server wants a second factor for " + who.login
		e.Hint = "make an API key for the user and use the transport jsonrpc, xmlrpc or json2 with it"
		return nil, e
	}
	s.user.Company = looseID(info.Companies.Current)
	var all []int64
	var byID map[int64]json.RawMessage
	if loose(info.Companies.Allowed, &byID); byID != nil {
		for id := range byID {
			all = append(all, id)
		}
	} else {
		var pairs []json.RawMessage
		loose(info.Companies.Allowed, &pairs)
		for _, p := range pairs {
			all = append(all, looseID(p))
		}
	}
	s.user.Companies = companies(s.user.Company, all)
	return s, nil
}

func (odooWeb) call(ctx context.Context, w *wire, s *session, r *request) (json.RawMessage, error) {
	x := r.exchange()
	x.jar = s.jar
	x.path = "/web/dataset/call_kw/" + url.PathEscape(r.model) + "/" + url.PathEscape(r.method)
	result, err := jsonRPC(ctx, w, x, struct {
		Model  string         `json:"model"`
		Method string         `json:"method"`
		Args   []any          `json:"args"`
		Kwargs map[string]any `json:"kwargs"`
	}{r.model, r.method, r.positional(), r.jsonKeywords()})
	return result, forgotten(err)
}

// forgotten makes an expired session of an address that does not exist: an Odoo of several databases knows by the session
// alone which one is meant, and without a database it has none of the addresses of calls.
func forgotten(err error) error {
	var e *Error
	if errors.As(err, &e) && e.Kind == KindNotFound && e.Status == http.StatusNotFound {
		e.Kind = KindSessionExpired
	}
	return err
}

func (odooWeb) read(w *wire, x *exchange, r reply) (json.RawMessage, error) {
	result, err := readJSONRPC(w, x, r)
	return result, forgotten(err)
}

func (odooWeb) logout(ctx context.Context, w *wire, s *session) error {
	x := ask("logout", "/web/session/destroy", "", nil)
	x.safe, x.jar = false, s.jar
	_, err := jsonRPC(ctx, w, x, struct{}{})
	return err
}

func (odooWeb) databases(ctx context.Context, w *wire) ([]string, error) {
	result, err := jsonRPC(ctx, w, ask("list", "/web/database/list", "", nil), struct{}{})
	return names(result, err)
}

func (odooWeb) version(ctx context.Context, w *wire) (Version, error) {
	result, err := jsonRPC(ctx, w, ask("version_info", "/web/webclient/version_info", "", nil), struct{}{})
	return odooVersion(result, err)
}

func (odooWeb) health(ctx context.Context, w *wire) error { return odooHealth(ctx, w) }
