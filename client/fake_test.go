package client_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/perfd/perfd/client"
)

// asked is a call as the fake server got it.
type asked struct {
	Model, Method string
	Args          []any
	Kwargs        map[string]any
}

// fakeOdoo is a server of the web protocol whose answers a test decides.
type fakeOdoo struct {
	*httptest.Server
	Config client.Config // that logs in there

	mu       sync.Mutex
	sid      int
	logins   int
	calls    []asked
	requests int
	// answer says what a call gets: a result, or a failure.
	answer func(asked) (any, *failure)
	// before may answer a request itself.
	before func(w http.ResponseWriter, r *http.Request) bool
	// session is what the log-in yields over the usual.
	session map[string]any
}

// failure is what goes wrong at the server.
type failure struct {
	code          int
	name, message string
	debug         string
}

func newFake(t testing.TB, answer func(asked) (any, *failure)) *fakeOdoo {
	t.Helper()
	f := &fakeOdoo{answer: answer}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	f.Config = client.Config{
		Servers: []string{f.URL}, Database: "db", Login: "me", Password: "a-secret",
		Retry: client.Retry{Attempts: 3, Base: time.Millisecond, Multiplier: 1, Max: time.Millisecond, Total: time.Minute},
	}
	return f
}

func (f *fakeOdoo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.requests++
	before := f.before
	f.mu.Unlock()
	if before != nil && before(w, r) {
		return
	}
	var m struct {
		Params struct {
			asked
			Password string
		}
		ID int64
	}
	_ = json.NewDecoder(r.Body).Decode(&m)
	var result any
	var fail *failure
	switch {
	case r.URL.Path == "/web/session/authenticate":
		result, fail = f.login(w, m.Params.Password)
	case strings.HasPrefix(r.URL.Path, "/web/dataset/call_kw/"):
		f.mu.Lock()
		c, err := r.Cookie("session_id")
		known := err == nil && c.Value == fmt.Sprint("sid", f.sid)
		if known {
			f.calls = append(f.calls, m.Params.asked)
		}
		f.mu.Unlock()
		if !known {
			fail = &failure{100, "odoo.http.SessionExpiredException", "Session expired", ""}
			break
		}
		result, fail = f.answer(m.Params.asked)
	}
	reply := map[string]any{"jsonrpc": "2.0", "id": m.ID, "result": result}
	if fail != nil {
		delete(reply, "result")
		reply["error"] = map[string]any{"code": fail.code, "message": "Odoo Server Error", "data": map[string]any{
			"name": fail.name, "message": fail.message, "debug": fail.debug, "arguments": []any{fail.message}, "context": map[string]any{},
		}}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(reply)
}

func (f *fakeOdoo) login(w http.ResponseWriter, password string) (any, *failure) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logins++
	if password != "a-secret" {
		return nil, &failure{200, "odoo.exceptions.AccessDenied", "Access Denied", "Traceback with " + password}
	}
	f.sid++
	http.SetCookie(w, &http.Cookie{Name: "session_id", Value: fmt.Sprint("sid", f.sid), Path: "/", HttpOnly: true})
	info := map[string]any{
		"uid": 2, "username": "me", "server_version": "18.0", "user_context": map[string]any{"lang": "en_US", "tz": "UTC", "uid": 2},
		"user_companies": map[string]any{"current_company": 3, "allowed_companies": map[string]any{"1": map[string]any{}, "3": map[string]any{}, "2": map[string]any{}}},
	}
	for k, v := range f.session {
		info[k] = v
	}
	return info, nil
}

// rotate changes the session's id, as Odoo does now and then, and tells it in the next answer.
func (f *fakeOdoo) rotate(w http.ResponseWriter) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sid++
	http.SetCookie(w, &http.Cookie{Name: "session_id", Value: fmt.Sprint("sid", f.sid), Path: "/", HttpOnly: true})
}

func (f *fakeOdoo) set(before func(w http.ResponseWriter, r *http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = before
}

func (f *fakeOdoo) count() (calls, logins, requests int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.calls), f.logins, f.requests
}

func (f *fakeOdoo) last() asked {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[len(f.calls)-1]
}

// echo answers each call with its number.
func echo() func(asked) (any, *failure) {
	var mu sync.Mutex
	n := 0
	return func(asked) (any, *failure) {
		mu.Lock()
		defer mu.Unlock()
		n++
		return n, nil
	}
}

func must(t testing.TB, k *client.Client, model, method string, args []any, opts ...client.CallOption) string {
	t.Helper()
	raw, err := k.Call(t.Context(), model, method, args, nil, opts...)
	if err != nil {
		t.Fatalf("%s.%s: %v", model, method, err)
	}
	return string(raw)
}

func readCloser(s string) io.ReadCloser { return io.NopCloser(strings.NewReader(s)) }

// trytonAnswer is one that is good for a log-in and for any call.
func trytonAnswer() *http.Response {
	body := `{"id":1,"result":[1,"key"]}`
	return &http.Response{StatusCode: http.StatusOK, Body: readCloser(body), Header: http.Header{}, ContentLength: int64(len(body))}
}

// httpTransport lets a test change the headers of requests on their way.
func httpTransport(change func(http.Header)) http.RoundTripper {
	return tripper(func(r *http.Request) (*http.Response, error) {
		r = r.Clone(r.Context())
		change(r.Header)
		return http.DefaultTransport.RoundTrip(r)
	})
}
