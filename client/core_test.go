package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/perfd/perfd/client"
)

func TestParseAddress(t *testing.T) {
	for in, want := range map[string]string{
		"odoo":                        "http://odoo:8069",
		"Odoo.Example.COM":            "http://odoo.example.com:8069",
		"odoo:80":                     "http://odoo:80",
		"10.0.0.1":                    "http://10.0.0.1:8069",
		"::1":                         "http://[::1]:8069",
		"[::1]:8070":                  "http://[::1]:8070",
		"http://odoo":                 "http://odoo:80",
		"https://odoo":                "https://odoo:443",
		"https://odoo:8443/":          "https://odoo:8443",
		"https://example.com/erp/one": "https://example.com:443/erp/one",
		"odoo/prefix/":                "http://odoo:8069/prefix",
		" odoo ":                      "http://odoo:8069",
	} {
		u, err := client.ParseAddress(in, client.Odoo)
		if err != nil || u.String() != want {
			t.Errorf("%q: %v, %v; want %s", in, u, err, want)
		}
	}
	if u, err := client.ParseAddress("tryton", client.Tryton); err != nil || u.String() != "http://tryton:8000" {
		t.Errorf("%v, %v", u, err)
	}
	for _, in := range []string{"", "ftp://odoo", "http://", "http://me:secret@odoo", "odoo?db=x", "odoo#x", "odoo:0", "odoo:99999", "http://[::1", strings.Repeat("x", 3000)} {
		if u, err := client.ParseAddress(in, client.Odoo); err == nil {
			t.Errorf("%.40q: %v", in, u)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	f.Add("https://odoo.example.com:443/x")
	f.Fuzz(func(t *testing.T, in string) {
		u, err := client.ParseAddress(in, client.Odoo)
		if err != nil {
			return
		}
		again, err := client.ParseAddress(u.String(), client.Odoo)
		if err != nil || again.String() != u.String() {
			t.Errorf("%q: %v, then %v, %v", in, u, again, err)
		}
	})
}

func TestLoginLoadsTheContextAndEveryCallHasIt(t *testing.T) {
	f := newFake(t, echo())
	f.Config.Context = map[string]any{"tz": "Europe/Paris", "active_test": false}
	k := open(t, f.Config)
	must(t, k, "res.partner", "search", []any{[]any{}}, client.InContext(map[string]any{"bin_size": true, "uid": nil}))
	got, _ := json.Marshal(f.last().Kwargs["context"])
	want := `{"active_test":false,"allowed_company_ids":[3,1,2],"bin_size":true,"lang":"en_US","tz":"Europe/Paris"}`
	if string(got) != want {
		t.Errorf("context %s, want %s", got, want)
	}
	u, err := k.Login(t.Context())
	if err != nil || u.UID != 2 || u.Login != "me" || u.Company != 3 || !slices.Equal(u.Companies, []int64{3, 1, 2}) {
		t.Errorf("%+v, %v", u, err)
	}
}

// TestNoHiddenCalls: one log-in and then one request for each call, whatever it is.
func TestNoHiddenCalls(t *testing.T) {
	f := newFake(t, echo())
	k := open(t, f.Config)
	for _, method := range []string{"search_read", "read", "write", "fields_get", "action_confirm"} {
		must(t, k, "sale.order", method, []any{[]any{1}})
	}
	if calls, logins, requests := f.count(); calls != 5 || logins != 1 || requests != 6 {
		t.Errorf("%d calls, %d log-ins, %d requests", calls, logins, requests)
	}
}

func TestLoginFailures(t *testing.T) {
	f := newFake(t, echo())
	f.Config.Password = "something-else"
	k := open(t, f.Config)
	var e *client.Error
	for range 3 { // a refused log-in is not repeated at once
		_, err := k.Call(t.Context(), "res.partner", "search", nil, nil)
		if !errors.Is(err, client.KindAccessDenied) || !errors.As(err, &e) || strings.Contains(e.Debug, "something-else") || e.Hint == "" || e.Sent {
			t.Fatalf("%#v", err)
		}
	}
	if _, logins, _ := f.count(); logins != 1 {
		t.Errorf("%d log-ins", logins)
	}
	f = newFake(t, echo())
	f.session = map[string]any{"uid": nil}
	_, err := open(t, f.Config).Login(t.Context())
	if !errors.Is(err, client.KindMultiFactor) || !errors.As(err, &e) || !strings.Contains(e.Hint, "API key") {
		t.Errorf("%v", err)
	}
}

func TestSessionRotationIsFollowed(t *testing.T) {
	f := newFake(t, echo())
	k := open(t, f.Config)
	must(t, k, "res.partner", "read", nil)
	f.set(func(w http.ResponseWriter, r *http.Request) bool {
		if c, err := r.Cookie("session_id"); err == nil && c.Value == "sid1" {
			f.rotate(w)
			_, _ = fmt.Fprint(w, `{"jsonrpc":"2.0","id":1,"result":7}`)
			return true
		}
		return false
	})
	must(t, k, "res.partner", "read", nil)
	must(t, k, "res.partner", "read", nil)
	if _, logins, _ := f.count(); logins != 1 {
		t.Errorf("%d log-ins", logins)
	}
}

func TestExpiredSessionIsRenewedOnce(t *testing.T) {
	f := newFake(t, echo())
	k := open(t, f.Config)
	must(t, k, "res.partner", "read", nil)
	f.mu.Lock()
	f.sid += 10
	f.mu.Unlock()
	must(t, k, "res.partner", "write", []any{[]any{1}, map[string]any{"name": "x"}})
	if calls, logins, _ := f.count(); calls != 2 || logins != 2 {
		t.Errorf("%d calls, %d log-ins", calls, logins)
	}
	f.answer = func(asked) (any, *failure) {
		return nil, &failure{100, "odoo.http.SessionExpiredException", "Session expired", ""}
	}
	_, err := k.Call(t.Context(), "res.partner", "write", nil, nil)
	if calls, _, _ := f.count(); !errors.Is(err, client.KindSessionExpired) || calls != 4 {
		t.Errorf("%v after %d calls", err, calls)
	}
}

// TestSessionForgottenAmongDatabases: an Odoo of several databases that has forgotten a session says that there is no such
// address. What still says so after a log-in is an address that does not exist.
func TestSessionForgottenAmongDatabases(t *testing.T) {
	logins, calls, known := 0, 0, 2
	c := plain(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/web/session/authenticate" {
			logins++
			http.SetCookie(w, &http.Cookie{Name: "session_id", Value: fmt.Sprint(logins), Path: "/"})
			_, _ = fmt.Fprint(w, `{"result":{"uid":2,"username":"me","user_context":{}}}`)
			return
		}
		calls++
		if k, err := r.Cookie("session_id"); err != nil || k.Value != fmt.Sprint(known) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = fmt.Fprint(w, "<html>")
			return
		}
		_, _ = fmt.Fprint(w, `{"result":[]}`)
	})
	k := open(t, c)
	if _, err := k.Call(t.Context(), "res.partner", "write", nil, nil); err != nil || logins != 2 || calls != 2 {
		t.Errorf("%v after %d log-ins, %d calls", err, logins, calls)
	}
	known = 0
	if _, err := k.Call(t.Context(), "res.partner", "write", nil, nil); !errors.Is(err, client.KindNotFound) || logins != 3 || calls != 4 {
		t.Errorf("%v after %d log-ins, %d calls", err, logins, calls)
	}
}

func TestErrorsAreMapped(t *testing.T) {
	var fail *failure
	f := newFake(t, func(asked) (any, *failure) { return nil, fail })
	f.Config.Retry = client.RetryNone
	k := open(t, f.Config)
	for _, x := range []struct {
		failure
		kind client.Kind
	}{
		{failure{200, "odoo.exceptions.AccessDenied", "no", "tb"}, client.KindAccessDenied},
		{failure{200, "odoo.exceptions.AccessError", "no", "tb"}, client.KindAccess},
		{failure{200, "odoo.exceptions.ValidationError", "no", "tb"}, client.KindValidation},
		{failure{200, "odoo.exceptions.UserError", "no", "tb"}, client.KindUser},
		{failure{0, "odoo.exceptions.UserError", "no", "tb"}, client.KindUser},
		{failure{200, "odoo.exceptions.MissingError", "no", "tb"}, client.KindMissing},
		{failure{200, "odoo.exceptions.RedirectWarning", "no", "tb"}, client.KindRedirectWarning},
		{failure{404, "werkzeug.exceptions.NotFound", "no", "tb"}, client.KindNotFound},
		{failure{404, "", "", ""}, client.KindNotFound},
		{failure{200, "builtins.KeyError", "'res.partner'", "tb"}, client.KindNotFound},
		{failure{200, "builtins.AttributeError", "The method 'res.partner.search' does not exist", "tb"}, client.KindNotFound},
		{failure{200, "builtins.KeyError", "'other'", "tb"}, client.KindServer},
		{failure{200, "psycopg2.errors.SerializationFailure", "no", "tb"}, client.KindSerialization},
		{failure{200, "psycopg2.errors.DeadlockDetected", "no", "tb"}, client.KindSerialization},
		{failure{200, "psycopg2.errors.LockNotAvailable", "no", "tb"}, client.KindLockTimeout},
		{failure{200, "builtins.ZeroDivisionError", "division by zero", "tb"}, client.KindServer},
	} {
		fail = &x.failure
		_, err := k.Call(t.Context(), "res.partner", "search", []any{[]any{}}, nil)
		var e *client.Error
		if !errors.As(err, &e) || !errors.Is(err, x.kind) || e.Debug != x.debug || e.Name != x.name || e.Code != x.code || e.Model != "res.partner" ||
			x.message != "" && e.Message != x.message {
			t.Errorf("%+v: %#v", x, err)
		}
	}
}

// plain is a server that answers everything by h.
func plain(t *testing.T, h http.HandlerFunc) client.Config {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return client.Config{Servers: []string{s.URL}, Database: "db", Login: "me", Password: "a-secret", Retry: client.RetryNone}
}

func TestAnswersThatAreNoneOfTheProtocol(t *testing.T) {
	for name, x := range map[string]struct {
		status int
		body   string
		kind   client.Kind
	}{
		"page":        {200, "<html>", client.KindProtocol},
		"empty":       {200, "", client.KindProtocol},
		"cut":         {200, `{"result": {"uid": `, client.KindProtocol},
		"not found":   {404, "<html>", client.KindNotFound},
		"bad gateway": {502, "<html>", client.KindUnavailable},
		"busy":        {429, "", client.KindTooMany},
		"elsewhere":   {301, "", client.KindNotFound},
		"too large":   {200, strings.Repeat(" ", 5000), client.KindProtocol},
		"list":        {200, "[]", client.KindProtocol},
	} {
		c := plain(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://other.example.com/x")
			w.WriteHeader(x.status)
			_, _ = fmt.Fprint(w, x.body)
		})
		c.MaxResponse = 4000
		_, err := open(t, c).Login(t.Context())
		var e *client.Error
		if !errors.Is(err, x.kind) || !errors.As(err, &e) {
			t.Errorf("%s: %v, want %v", name, err, x.kind)
			continue
		}
		if name == "elsewhere" && !strings.Contains(e.Hint, "https://other.example.com") {
			t.Errorf("hint %q", e.Hint)
		}
	}
}

func TestTimeoutAndCancellation(t *testing.T) {
	release := make(chan struct{})
	f := newFake(t, func(asked) (any, *failure) { <-release; return 1, nil })
	defer close(release)
	f.Config.Retry = client.RetryNone
	k := open(t, f.Config)
	if _, err := k.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := k.Call(t.Context(), "m", "search", nil, nil, client.WithTimeout(20*time.Millisecond))
	if !errors.Is(err, client.KindTimeout) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	_, err = k.Call(ctx, "m", "search", nil, nil)
	if !errors.Is(err, client.KindCanceled) || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestSecretsShowThemselvesToNobody(t *testing.T) {
	f := newFake(t, echo())
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if s := fmt.Sprintf(verb, f.Config); strings.Contains(s, "a-secret") {
			t.Errorf("%s: %s", verb, s)
		}
	}
	if b, _ := json.Marshal(client.Secret("a-secret")); strings.Contains(string(b), "a-secret") {
		t.Errorf("%s", b)
	}
	given := []byte("a-secret")
	c := f.Config
	c.Password, c.Credential = "", func(context.Context) ([]byte, error) { return given, nil }
	k := open(t, c)
	must(t, k, "m", "search", nil)
	if strings.Contains(string(given), "secret") {
		t.Error("what Credential gave is there after the log-in")
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Call(t.Context(), "m", "search", nil, nil); !errors.Is(err, client.KindArgument) {
		t.Errorf("a closed client: %v", err)
	}
}

func TestHooksSeeRequestsAndAnswers(t *testing.T) {
	f := newFake(t, func(a asked) (any, *failure) {
		if a.Method == "fail" {
			return nil, &failure{200, "odoo.exceptions.UserError", "no", ""}
		}
		return 1, nil
	})
	type mark struct{}
	var seen []string
	f.Config.Hooks = []client.Hook{{
		Before: func(ctx context.Context, r *client.Request) context.Context {
			r.Header.Set("Traceparent", "00-1-2-01")
			return context.WithValue(ctx, mark{}, r.Method)
		},
		After: func(ctx context.Context, r *client.Request, resp *client.Response) {
			seen = append(seen, fmt.Sprint(ctx.Value(mark{}), " ", r.Model, " ", resp.Status, " ", resp.Bytes > 0, " ", errors.Is(resp.Err, client.KindUser)))
		},
	}, {}}
	var header string
	f.set(func(_ http.ResponseWriter, r *http.Request) bool { header = r.Header.Get("Traceparent"); return false })
	k := open(t, f.Config)
	must(t, k, "m", "search", nil)
	_, _ = k.Call(t.Context(), "m", "fail", nil, nil)
	want := []string{"login  200 true false", "search m 200 true false", "fail m 200 true true"}
	if !slices.Equal(seen, want) || header != "00-1-2-01" {
		t.Errorf("%q, %q", seen, header)
	}
}

func TestLogoutEndsTheSession(t *testing.T) {
	f := newFake(t, echo())
	k := open(t, f.Config)
	must(t, k, "m", "search", nil)
	var path string
	f.set(func(_ http.ResponseWriter, r *http.Request) bool { path = r.URL.Path; return false })
	if err := k.Logout(t.Context()); err != nil || path != "/web/session/destroy" {
		t.Errorf("%v, %s", err, path)
	}
	f.set(nil)
	must(t, k, "m", "search", nil)
	if _, logins, _ := f.count(); logins != 2 {
		t.Errorf("%d log-ins", logins)
	}
}

// TestHTTPWhereHTTPSIsMeant: the error says what is wrong with the address.
func TestHTTPWhereHTTPSIsMeant(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	k := open(t, client.Config{Servers: []string{"https" + strings.TrimPrefix(s.URL, "http")}, Database: "db", Login: "me", Password: "p"})
	_, err := k.Call(t.Context(), "res.partner", "search_count", []any{[]any{}}, nil)
	var e *client.Error
	if !errors.As(err, &e) || e.Kind != client.KindConnection || !strings.Contains(e.Hint, "speaks http there, not https") {
		t.Errorf("%v: %+v", err, e)
	}
}
