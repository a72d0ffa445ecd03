package replay_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/perfd/perfd/client"
	"github.com/perfd/perfd/client/xmlrpc"
	"github.com/perfd/perfd/replay"
	"github.com/perfd/perfd/replay/load"
	"github.com/perfd/perfd/replay/safety"
)

// pages is a fake of Odoo's plain routes, whose forms need a token of their session.
type pages struct {
	*httptest.Server
	mu     sync.Mutex
	logins int
	got    []string       // pages and forms that were let in
	tokens map[string]int // pages with a token that were read, by path
	rotate bool           // the next form comes to another session than its token
	where  string         // of the token: its page
}

func newPages(t *testing.T) *pages {
	t.Helper()
	p := &pages{tokens: map[string]int{}, where: "/web/login"}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	sid := ""
	if c, err := r.Cookie("session_id"); err == nil {
		sid = c.Value
	}
	switch {
	case r.URL.Path == "/web/session/authenticate":
		p.logins++
		http.SetCookie(w, &http.Cookie{Name: "session_id", Value: fmt.Sprint("session", p.logins), Path: "/"})
		_, _ = fmt.Fprint(w, `{"result":{"uid":2,"username":"x","user_context":{}}}`)
		return
	case r.Method == http.MethodGet && r.URL.Path == p.where:
		p.tokens[r.URL.Path]++
		if sid == "" {
			sid = "visitor"
			http.SetCookie(w, &http.Cookie{Name: "session_id", Value: sid, Path: "/"})
		}
		_, _ = fmt.Fprintf(w, "<script>\nvar odoo = {\n csrf_token: \"token-of-%s\",\n};</script>", sid)
		return
	}
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	_ = r.ParseForm()
	text := r.Form
	if kind == "multipart/form-data" {
		_ = r.ParseMultipartForm(1 << 20)
		text = r.Form
		for name, files := range r.MultipartForm.File {
			text.Set(name, fmt.Sprintf("%s %s %d", files[0].Filename, files[0].Header.Get("Content-Type"), files[0].Size))
		}
	}
	if p.rotate && r.Method == http.MethodPost {
		p.rotate = false
		sid = "rotated"
	}
	if r.Method == http.MethodPost && r.Form.Get("csrf_token") != "token-of-"+sid {
		http.Error(w, "Session expired (invalid CSRF token)", http.StatusBadRequest)
		return
	}
	text.Del("csrf_token")
	p.got = append(p.got, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", r.Method, r.URL.Path, text.Encode(), kind)))
	if r.URL.Path == "/moved" {
		http.Redirect(w, r, "/web", http.StatusSeeOther)
	}
}

func plain(verb, path string, fields string) load.Call {
	c := load.Call{Session: "a", Transport: "http", Verb: verb, Path: path, Status: 200}
	if verb == http.MethodGet {
		c.Query = json.RawMessage(fields)
	} else {
		c.Fields, c.Form = json.RawMessage(fields), load.FormURLEncoded
	}
	return c
}

// send replays calls of plain routes.
func (p *pages) send(t *testing.T, policy safety.Policy, calls ...load.Call) replay.Report {
	t.Helper()
	for i := range calls {
		calls[i].At = ms * 2
	}
	r, err := replay.New(replay.Config{Target: p.URL, Database: "copy", Password: client.Secret("x"), Mode: replay.Max, Confirm: "copy", Safety: policy, PerSession: 1})
	if err != nil {
		t.Fatal(err)
	}
	rep, err := r.Run(t.Context(), recorded(calls...))
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

const token = `["csrf_token","(secret)"]`

// TestForms sends queries and forms as they were recorded, the latter with the token of their own session.
func TestForms(t *testing.T) {
	p := newPages(t)
	parts := plain("POST", "/web/binary/upload_attachment", `[["model","res.partner"],["ufile","",{"filename":"a b.png","type":"image/png","size":7}],`+token+`]`)
	parts.Form = load.FormMultipart
	with := plain("POST", "/my/account", `[["name","Bob & Co"],`+token+`]`)
	with.Query = json.RawMessage(`[["step","2"]]`)
	moved := plain("GET", "/moved", `[]`)
	moved.Status = http.StatusSeeOther
	rep := p.send(t, safety.Policy{Writes: true},
		plain("GET", "/web/image", `[["model","res.partner"],["id","7"],["data",{"a":[1]}],["db","prod"]]`),
		with, plain("POST", "/web/export/csv", `[["data",{"ids":[1]}],["token","(secret)"],`+token+`]`), parts, plain("POST", "/free", `[["db","prod"],`+token+`]`), moved)
	want := []string{
		"GET /web/image data=%7B%22a%22%3A%5B1%5D%7D&db=copy&id=7&model=res.partner",
		"POST /my/account name=Bob+%26+Co&step=2 application/x-www-form-urlencoded",
		"POST /web/export/csv data=%7B%22ids%22%3A%5B1%5D%7D&token=perfd-replay application/x-www-form-urlencoded",
		"POST /web/binary/upload_attachment model=res.partner&ufile=a+b.png+image%2Fpng+7 multipart/form-data",
		"POST /free db=copy application/x-www-form-urlencoded",
		"GET /moved",
	}
	if !slices.Equal(p.got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(p.got, "\n"), strings.Join(want, "\n"))
	}
	if rep.Errors > 0 || p.tokens["/web/login"] != 1 || p.logins != 1 {
		t.Errorf("%d errors %v, %d tokens, %d log-ins", rep.Errors, rep.Failures, p.tokens["/web/login"], p.logins)
	}
}

// TestJSONBodies sends JSON to plain routes as webhooks and interfaces have it: as it was recorded, as a write, and without a
// token.
func TestJSONBodies(t *testing.T) {
	var got []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/web/session/authenticate" {
			_, _ = fmt.Fprint(w, `{"result":{"uid":2,"username":"x","user_context":{}}}`)
			return
		}
		b, _ := io.ReadAll(r.Body)
		got = append(got, fmt.Sprint(r.Method, " ", r.URL.RequestURI(), " ", r.Header.Get("Content-Type"), " ", string(b)))
		_, _ = fmt.Fprint(w, `{"ok":true}`)
	}))
	t.Cleanup(s.Close)
	hook := func(verb, path, body string) load.Call {
		return load.Call{Session: "a", Transport: "http", Verb: verb, Path: path, Params: json.RawMessage(body), Status: 200}
	}
	queried := hook("PUT", "/shop/orders/7", `["a"]`)
	queried.Query = json.RawMessage(`[["state","done"],["db","prod"]]`)
	calls := []load.Call{
		hook("POST", "/shop/webhook", `{"order":1.50,"name":"Bob"}`), queried, hook("DELETE", "/shop/orders/7", `{}`), hook("POST", "/payment/shop", `{}`),
		hook("POST", "/shop/webhook", `{"api_key":"(secret)"}`), hook("GET", "/shop", `{}`), hook("POST", "/shop/webhook", ``),
	}
	p := &pages{Server: s}
	if rep := p.send(t, safety.Policy{}, slices.Clone(calls)...); rep.Sent > 0 || rep.Left[replay.LeftWrite] != 6 || rep.Left[replay.LeftDangerous] != 1 || len(got) > 0 {
		t.Errorf("%d sent, %v, %q", rep.Sent, rep.Left, got)
	}
	rep := p.send(t, safety.Policy{Writes: true}, slices.Clone(calls)...)
	want := []string{
		`POST /shop/webhook application/json {"order":1.50,"name":"Bob"}`, `PUT /shop/orders/7?state=done&db=copy application/json ["a"]`, `DELETE /shop/orders/7 application/json {}`,
	}
	if !slices.Equal(got, want) || rep.Left[replay.LeftArguments] != 3 || rep.Errors > 0 {
		t.Errorf("got\n%s\nleft %v, %d errors", strings.Join(got, "\n"), rep.Left, rep.Errors)
	}
}

// TestFormsAreWrites: no form is sent unless writes are allowed, whatever its route is known for.
func TestFormsAreWrites(t *testing.T) {
	p := newPages(t)
	forms := []load.Call{plain("POST", "/web/export/csv", `[["a","b"]]`), plain("POST", "/my/account", `[["a","b"]]`), plain("POST", "/web", `[["a","b"]]`), plain("POST", "/website/form/crm.lead", `[["a","b"]]`)}
	if rep := p.send(t, safety.Policy{}, slices.Clone(forms)...); rep.Sent > 0 || rep.Left[replay.LeftWrite] != 3 || rep.Left[replay.LeftDangerous] != 1 || len(p.got) > 0 || len(p.tokens) > 0 {
		t.Errorf("%d sent, %v, %v", rep.Sent, rep.Left, p.got)
	}
	if rep := p.send(t, safety.Policy{Writes: true}, slices.Clone(forms)...); rep.Sent != 3 || rep.Left[replay.LeftDangerous] != 1 {
		t.Errorf("%d sent, %v", rep.Sent, rep.Left)
	}
}

// TestFormsThatCannotBeSent: what had a secret in it, is not whole or would reach into another session is left out.
func TestFormsThatCannotBeSent(t *testing.T) {
	p := newPages(t)
	var calls []load.Call
	for _, fields := range []string{
		`[["new_password","(secret)"]]`, `[["(secret)","a"]]`, `[["data",{"token":"(secret)"}]]`, `[["session_id","x"]]`, `[["token","(secret)"]]`,
		`[["f","",{"filename":"a","type":"b","size":999999999}]]`, `{}`, `[["a"]]`, ``,
	} {
		calls = append(calls, plain("POST", "/my/account", fields))
		if fields != "" {
			calls = append(calls, plain("GET", "/web/image", strings.ReplaceAll(fields, `["f","",{"filename":"a","type":"b","size":999999999}]`, `["f"]`)))
		}
	}
	other := plain("POST", "/my/account", `[["a","b"]]`)
	other.Form = "yaml"
	put := plain("PUT", "/my/account", `[["a","b"]]`)
	lacks := plain("GET", "/web/image", "")
	lacks.Lacks = "start, query"
	path := plain("GET", "/web/image/:token", "")
	calls = append(calls, other, put, lacks, path)
	if rep := p.send(t, safety.Policy{Writes: true}, calls...); rep.Sent > 0 || rep.Left[replay.LeftArguments] != int64(len(calls)) || len(p.got) > 0 {
		t.Errorf("%d sent, %v of %d, %v", rep.Sent, rep.Left, len(calls), p.got)
	}
}

// TestTokens: a token is read from another page where the log-in has none, anew when the session is another one, and a
// form without one anywhere is an error, not a form without a token.
func TestTokens(t *testing.T) {
	form := func() load.Call { return plain("POST", "/my/account", `[`+token+`]`) }
	p := newPages(t)
	p.where = "/my/account"
	if rep := p.send(t, safety.Policy{Writes: true}, form(), form()); rep.Errors > 0 || p.tokens["/my/account"] != 1 {
		t.Errorf("%v, %v", rep.Failures, p.tokens)
	}
	p = newPages(t)
	p.rotate = true
	if rep := p.send(t, safety.Policy{Writes: true}, form(), form()); rep.Errors > 0 || rep.LogIns != 1 || p.logins != 2 || p.tokens["/web/login"] != 2 || len(p.got) != 2 {
		t.Errorf("%v, %d log-ins, %v, %v", rep.Failures, p.logins, p.tokens, p.got)
	}
	p = newPages(t) // a visitor's form, who never logs in
	src := recorded(form(), plain("GET", "/web", ""))
	src.sessions = map[string]load.Session{"a": {ID: "a", Transport: "http", Anonymous: true}}
	r, err := replay.New(replay.Config{Target: p.URL, Database: "copy", Mode: replay.Max, Confirm: "copy", Safety: safety.Policy{Writes: true}})
	if err != nil {
		t.Fatal(err)
	}
	if rep, err := r.Run(t.Context(), src); err != nil || rep.Errors > 0 || rep.Sent != 2 || p.logins > 0 || p.tokens["/web/login"] != 1 {
		t.Errorf("%v, %v, %d sent, %d log-ins, %v", err, rep.Failures, rep.Sent, p.logins, p.tokens)
	}
	p = newPages(t)
	p.where = "/nowhere"
	if rep := p.send(t, safety.Policy{Writes: true}, form()); rep.Errors != 1 || slices.ContainsFunc(p.got, func(s string) bool { return strings.HasPrefix(s, "POST") }) {
		t.Errorf("%v, %v", rep.Failures, p.got)
	}
}

// TestExecute sends calls of the object service as they were made: the arguments one after the other, or in a list.
func TestExecute(t *testing.T) {
	var mu sync.Mutex
	var got []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		method, args, err := xmlrpc.Call(body)
		answer := "<methodResponse><params><param><value><int>2</int></value></param></params></methodResponse>"
		if err != nil {
			var m struct {
				Params struct {
					Method string
					Args   []any
				}
			}
			_ = json.Unmarshal(body, &m)
			method, args, answer = m.Params.Method, m.Params.Args, `{"result":2}`
		}
		if len(args) > 4 && args[3] == "res.partner" {
			mu.Lock()
			got = append(got, fmt.Sprint(method, args[5:]))
			mu.Unlock()
		}
		_, _ = fmt.Fprint(w, answer)
	}))
	t.Cleanup(s.Close)
	for _, transport := range []string{"jsonrpc", "xmlrpc"} {
		got = nil
		var calls []load.Call
		for _, c := range []struct{ form, args, kwargs string }{
			{"execute", `[[7],["name"]]`, ""}, {"execute", `[]`, ""}, {"execute_kw", `[[7]]`, `{"fields":["name"]}`}, {"", `[[7]]`, ""}, {"execute", `[[7]]`, `{"a":1}`}, {"other", `[[7]]`, ""},
		} {
			call := load.Call{Session: "a", Transport: transport, Verb: "POST", Path: map[string]string{"jsonrpc": "/jsonrpc", "xmlrpc": "/xmlrpc/2/object"}[transport], Service: "object",
				Model: "res.partner", Method: "read", Args: json.RawMessage(c.args), Form: c.form, Status: 200}
			if c.kwargs != "" {
				call.Kwargs = json.RawMessage(c.kwargs)
			}
			calls = append(calls, call)
		}
		src := recorded(calls...)
		src.sessions = map[string]load.Session{"a": {ID: "a", Login: "x", Transport: transport, Anonymous: true}}
		r, err := replay.New(replay.Config{Target: s.URL, Database: "copy", Password: client.Secret("x"), Mode: replay.Max, PerSession: 1})
		if err != nil {
			t.Fatal(err)
		}
		rep, err := r.Run(t.Context(), src)
		want := []string{"execute[[7] [name]]", "execute[]", "execute_kw[[[7]] map[fields:[name]]]", "execute_kw[[[7]]]", "execute_kw[[[7]] map[a:1]]"}
		if err != nil || rep.Errors > 0 || !slices.Equal(got, want) || rep.Left[replay.LeftArguments] != 1 {
			t.Errorf("%s: %v, %v\ngot  %q\nwant %q", transport, err, rep.Failures, got, want)
		}
	}
}
