package client_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/perfd/perfd/client"
)

// TestSend makes requests in forms of the caller's own: in the session, with its cookie and key, one request each.
func TestSend(t *testing.T) {
	requests := 0
	expired := false
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		body, _ := io.ReadAll(r.Body)
		cookie, _ := r.Cookie("session_id")
		switch {
		case r.URL.Path == "/web/session/authenticate":
			http.SetCookie(w, &http.Cookie{Name: "session_id", Value: "s", Path: "/"})
			_, _ = fmt.Fprint(w, `{"result":{"uid":7,"username":"x","user_context":{}}}`)
		case expired:
			_, _ = fmt.Fprint(w, `{"error":{"code":100,"message":"x","data":{"name":"odoo.http.SessionExpiredException"}}}`)
		case r.URL.Path == "/moved" || r.URL.Path == "/login":
			http.SetCookie(w, &http.Cookie{Name: "visitor", Value: "v", Path: "/"})
			http.Redirect(w, r, map[string]string{"/moved": "/web", "/login": "/web/login?redirect=x"}[r.URL.Path], http.StatusSeeOther)
		case r.URL.Path == "/visitor":
			v, _ := r.Cookie("visitor")
			_, _ = fmt.Fprint(w, v)
		case r.URL.Path == "/missing":
			w.WriteHeader(http.StatusNotFound)
		case cookie == nil:
			_, _ = fmt.Fprint(w, `"nobody"`)
		default:
			_, _ = fmt.Fprintf(w, `{"result":[%q,%q,%q]}`, r.Method, cookie.Value, body)
		}
	}))
	t.Cleanup(s.Close)
	k := open(t, client.Config{Servers: []string{s.URL}, Database: "db", Login: "x", Password: "key"})
	if _, err := k.Send(t.Context(), client.Message{Path: "/x"}); !errors.Is(err, client.KindSessionExpired) || requests != 0 {
		t.Errorf("before the log-in: %v, %d requests", err, requests)
	}
	if r, err := k.Send(t.Context(), client.Message{Path: "/x", Page: true, Public: true}); err != nil || string(r.Body) != `"nobody"` {
		t.Errorf("in public: %s, %v", r.Body, err)
	}
	for _, path := range []string{"/moved", "/login"} {
		if r, err := k.Send(t.Context(), client.Message{Path: path, Verb: http.MethodGet, Page: true, Public: true}); err != nil || r.Status != http.StatusSeeOther {
			t.Errorf("%s in public: %d, %v", path, r.Status, err)
		}
	}
	if r, err := k.Send(t.Context(), client.Message{Path: "/visitor", Verb: http.MethodGet, Page: true, Public: true}); err != nil || string(r.Body) != "visitor=v" {
		t.Errorf("the cookies of nobody: %s, %v", r.Body, err)
	}
	if _, err := k.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r, err := k.Send(t.Context(), client.Message{Path: "/moved", Verb: http.MethodGet, Page: true}); err != nil || r.Status != http.StatusSeeOther {
		t.Errorf("moved: %d, %v", r.Status, err)
	}
	if r, err := k.Send(t.Context(), client.Message{Path: "/login", Verb: http.MethodGet, Page: true}); !errors.Is(err, client.KindSessionExpired) || r.Status != http.StatusSeeOther {
		t.Errorf("sent to the log-in: %d, %v", r.Status, err)
	}
	if _, err := k.Send(t.Context(), client.Message{Path: "/moved", Verb: http.MethodGet}); !errors.Is(err, client.KindNotFound) {
		t.Errorf("a call that is sent elsewhere: %v", err)
	}
	if u, ok := k.Session(); !ok || u.UID != 7 {
		t.Errorf("who: %+v %v", u, ok)
	}
	requests = 0
	wrote := make(chan struct{}, 1)
	r, err := k.Send(t.Context(), client.Message{Path: "/x", Body: []byte("body"), Wrote: func() { wrote <- struct{}{} }})
	if err != nil || string(r.Result) != `["POST","s","body"]` || requests != 1 || r.Sent.After(r.End) || r.First.IsZero() || r.Status != http.StatusOK {
		t.Errorf("%+v, %v, %d requests", r, err, requests)
	}
	<-wrote
	r, err = k.Send(t.Context(), client.Message{Path: "/x", Keyed: func(database string, uid int64, key string) ([]byte, error) {
		return fmt.Appendf(nil, "%s %d %s", database, uid, key), nil
	}})
	if err != nil || string(r.Result) != `["POST","s","db 7 key"]` {
		t.Errorf("with a key: %s, %v", r.Result, err)
	}
	if r, err := k.Send(t.Context(), client.Message{Path: "/missing", Verb: http.MethodGet, Page: true}); !errors.Is(err, client.KindNotFound) || r.Status != http.StatusNotFound {
		t.Errorf("a page that is not there: %v", err)
	}
	if _, err := k.Send(t.Context(), client.Message{Path: "@example.invalid/"}); !errors.Is(err, client.KindArgument) {
		t.Errorf("a path that is part of a name: %v", err)
	}
	expired, requests = true, 0
	if _, err := k.Send(t.Context(), client.Message{Path: "/x"}); !errors.Is(err, client.KindSessionExpired) || requests != 1 {
		t.Errorf("an expired session: %v, %d requests", err, requests)
	}
}
