package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/perfd/perfd/web"
)

// lock has a token and a password, and counts how often the password is checked.
type lock struct {
	token, password string
	checked         atomic.Int32
}

var _ web.Auth = (*lock)(nil)

func (l *lock) Required() bool            { return l.token+l.password != "" }
func (l *lock) AllowsToken(t string) bool { return l.token != "" && t == l.token }
func (l *lock) AllowsPassword(p string) bool {
	l.checked.Add(1)
	return l.password != "" && p == l.password
}

func locked() *lock { return &lock{token: "a-token-of-16-bytes", password: "correct horse"} }

// signIn sends the form as a browser does; address is whence it comes.
func signIn(h http.Handler, address, password, next string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/login", strings.NewReader(url.Values{"password": {password}, "next": {next}}.Encode()))
	r.Host, r.RemoteAddr = "127.0.0.1:7070", address
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "http://127.0.0.1:7070")
	for i := 0; i < len(header); i += 2 {
		if header[i+1] == "" {
			r.Header.Del(header[i])
		} else {
			r.Header.Set(header[i], header[i+1])
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestWithoutSignIn(t *testing.T) {
	s := server(t, web.Config{Auth: locked(), Handlers: map[string]http.Handler{"/metrics": http.NotFoundHandler()}}, 3)
	for target, want := range map[string]int{
		"/api/v1/source": 401, "/api/v1/calls": 401, "/api/v1/live": 401, "/api/v1/state": 401, "/api/v1/nothing": 401, "/metrics": 401,
		"/app.js": 401, "/": 401, "/calls/1": 401, "/lib/format.js": 401, "/css/../app.js": 401, "/login/": 401, "/css/": 401, "/css/../lib/x.css": 401, "/css/nothing.css": 404,
		"/login": 200, "/login.js": 200, "/theme.js": 200, "/css/tokens.css": 200, "/favicon.svg": 200, "/api/v1/session": 200,
	} {
		w := get(s, target)
		if w.Code != want {
			t.Errorf("%s: %d, want %d", target, w.Code, want)
		}
		if want == 401 && (w.Header().Get("WWW-Authenticate") == "" || !strings.Contains(w.Body.String(), `"code":"unauthorized"`)) {
			t.Errorf("%s: %v %s", target, w.Header(), w.Body)
		}
	}
	w := get(s, "/calls?filter=user:a&row=1", "Accept", "text/html,*/*")
	if to := w.Header().Get("Location"); w.Code != http.StatusSeeOther || to != "/login?next=%2Fcalls%3Ffilter%3Duser%3Aa%26row%3D1" {
		t.Errorf("a browser gets %d to %q", w.Code, to)
	}
	if w := get(s, "/api/v1/calls", "Accept", "text/html"); w.Code != 401 {
		t.Errorf("the API, by a browser: %d", w.Code)
	}
	if w := get(s, "/api/v1/session"); w.Body.String() != `{"known":false,"required":true}` {
		t.Error(w.Body)
	}
	page := get(s, "/login?next="+url.QueryEscape(`/calls?filter="><script>`))
	if b := page.Body.String(); strings.Contains(b, "<script>") || !strings.Contains(b, `value="/calls?filter=&#34;&gt;&lt;script&gt;"`) {
		t.Errorf("the form is %s", b)
	}
	if p := page.Header().Get("Content-Security-Policy"); !strings.Contains(p, "form-action 'self'") || strings.Contains(p, "unsafe") {
		t.Error(p)
	}
	for _, host := range []string{"evil.example", "0.0.0.0"} {
		if w := get(s, "/login", "Host", host); w.Code != 403 {
			t.Errorf("host %s gets %d", host, w.Code)
		}
	}
}

func TestToken(t *testing.T) {
	l := locked()
	s := server(t, web.Config{Auth: l, Handlers: map[string]http.Handler{"/metrics": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("perfd_up 1\n"))
	})}}, 3)
	right := "Bearer " + l.token
	for target, want := range map[string]string{"/api/v1/source": `"version"`, "/": "<html", "/metrics": "perfd_up 1", "/api/v1/session": `"known":true`} {
		for _, host := range []string{"127.0.0.1", "10.1.2.3:7070"} { // whoever knows the token was not led here by a false name
			if w := get(s, target, "Authorization", right, "Host", host); w.Code != 200 || !strings.Contains(w.Body.String(), want) {
				t.Errorf("%s of %s: %d %.100s", target, host, w.Code, w.Body)
			}
		}
	}
	if w := send(s, http.MethodDelete, "/api/v1/source", "Authorization", right); w.Code != 405 {
		t.Errorf("DELETE gives %d", w.Code)
	}
	refused, slowed := 0, 0
	for _, wrong := range []string{"Bearer x", "Bearer ", "bearer " + l.token + "x", "Bearer " + strings.Repeat("x", 5000), "Basic " + l.token, "Bearer y", "Bearer z", "Bearer z"} {
		switch get(s, "/api/v1/source", "Authorization", wrong).Code {
		case 401:
			refused++
		case 429:
			slowed++
		default:
			t.Errorf("%.40s is let in", wrong)
		}
	}
	if refused != 7 || slowed != 1 { // two of them hold no token at all
		t.Errorf("%d refused, %d slowed", refused, slowed)
	}
	if w := get(s, "/api/v1/source", "Authorization", right); w.Code != 200 {
		t.Errorf("after wrong ones the right one gives %d", w.Code)
	}
	if w := get(s, "/api/v1/source", "Authorization", "Bearer q", "Host", "10.1.2.3"); w.Code != 403 {
		t.Errorf("a wrong token at another host gives %d", w.Code)
	}
}

func TestSignIn(t *testing.T) {
	l := locked()
	s := server(t, web.Config{Auth: l}, 3)
	w := signIn(s, "192.0.2.1:1", "wrong", "/calls")
	if b := w.Body.String(); w.Code != 401 || w.Header().Get("Set-Cookie") != "" || !strings.Contains(b, "not the password") || strings.Contains(b, "wrong") || !strings.Contains(b, `value="/calls"`) {
		t.Errorf("a wrong password gives %d %v %s", w.Code, w.Header(), b)
	}
	for _, secret := range []string{l.password, l.token} {
		w = signIn(s, "192.0.2.1:1", secret, "/calls?row=1")
		cookies := w.Result().Cookies()
		if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/calls?row=1" || len(cookies) != 1 {
			t.Fatalf("signing in gives %d %v", w.Code, w.Header())
		}
		c := cookies[0]
		if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure || c.Path != "/" || c.MaxAge != 43200 || len(c.Value) < 20 {
			t.Errorf("cookie %+v", c)
		}
		cookie := c.Name + "=" + c.Value
		for _, target := range []string{"/", "/api/v1/source", "/app.js"} {
			if w := get(s, target, "Cookie", cookie); w.Code != 200 {
				t.Errorf("signed in, %s gives %d", target, w.Code)
			}
			if w := get(s, target, "Cookie", cookie, "Host", "evil.example"); w.Code != 403 {
				t.Errorf("signed in, %s of another host gives %d", target, w.Code)
			}
			if w := get(s, target, "Cookie", cookie[:len(cookie)-1]); w.Code != 401 {
				t.Errorf("with part of the cookie, %s gives %d", target, w.Code)
			}
		}
		if w := get(s, "/login?next=/users", "Cookie", cookie); w.Code != 303 || w.Header().Get("Location") != "/users" {
			t.Errorf("signed in, /login gives %d %v", w.Code, w.Header())
		}
		if secret == l.token {
			s.SignOut()
		} else if w := send(s, http.MethodPost, "/logout", "Cookie", cookie, "Origin", "http://127.0.0.1:7070"); w.Code != 303 || w.Result().Cookies()[0].MaxAge >= 0 {
			t.Errorf("signing out gives %d %v", w.Code, w.Header())
		}
		if w := get(s, "/api/v1/source", "Cookie", cookie); w.Code != 401 {
			t.Errorf("signed out, the API gives %d", w.Code)
		}
	}
	if c := signIn(s, "192.0.2.1:1", l.password, "/", "X-Forwarded-Proto", "https").Result().Cookies()[0]; !c.Secure {
		t.Error("behind TLS the cookie is not kept to it")
	}
	for _, next := range []string{"//evil.example", "https://evil.example/", `/\evil.example`, "javascript:alert(1)", "", "calls", "/\r\nSet-Cookie: a=b", "/login", "/%zz"} {
		if to := signIn(s, "192.0.2.1:1", l.password, next).Header().Get("Location"); to != "/" {
			t.Errorf("next=%q leads to %q", next, to)
		}
	}
	for _, header := range [][]string{{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Origin", ""}, {"Origin", "", "Sec-Fetch-Site", "cross-site"}} {
		if w := signIn(s, "192.0.2.1:1", l.password, "/", header...); w.Code != 403 {
			t.Errorf("%v gives %d", header, w.Code)
		}
	}
	if w := signIn(s, "192.0.2.1:1", l.password, "/", "Origin", "", "Sec-Fetch-Site", "same-origin"); w.Code != 303 {
		t.Errorf("by fetch metadata alone: %d", w.Code)
	}
	if w := signIn(s, "192.0.2.1:1", strings.Repeat("x", 20000), "/"); w.Code != 400 {
		t.Errorf("a huge form gives %d", w.Code)
	}
}

// TestAttempts guesses: after a few, nothing is even checked, but only for the address that guesses.
func TestAttempts(t *testing.T) {
	l := locked()
	s := server(t, web.Config{Auth: l}, 3)
	codes := map[int]int{}
	for range 40 {
		codes[signIn(s, "192.0.2.7:99", "guess", "/").Code]++
	}
	if codes[401] != 5 || codes[429] != 35 || l.checked.Load() != 5 {
		t.Errorf("answers %v, %d checked", codes, l.checked.Load())
	}
	if w := signIn(s, "192.0.2.7:100", l.password, "/"); w.Code != 429 || w.Header().Get("Retry-After") == "" {
		t.Errorf("the right one after them gives %d", w.Code)
	}
	if w := signIn(s, "192.0.2.8:99", l.password, "/"); w.Code != 303 {
		t.Errorf("another address gets %d", w.Code)
	}
}

func TestOpen(t *testing.T) {
	for _, s := range []*web.Server{server(t, web.Config{}, 3), server(t, web.Config{Auth: &lock{}}, 3)} {
		if w := get(s, "/api/v1/source"); w.Code != 200 {
			t.Errorf("%d", w.Code)
		}
		if w := get(s, "/api/v1/session"); w.Body.String() != `{"known":true,"required":false}` {
			t.Error(w.Body)
		}
		if w := get(s, "/login?next=/calls"); w.Code != 303 || w.Header().Get("Location") != "/calls" {
			t.Errorf("%d %v", w.Code, w.Header())
		}
		if w := signIn(s, "192.0.2.1:1", "x", "/calls"); w.Code != 303 || w.Header().Get("Set-Cookie") != "" {
			t.Errorf("%d %v", w.Code, w.Header())
		}
	}
}
