package client_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/perfd/perfd/client"
	"github.com/perfd/perfd/client/clienttest"
	"github.com/perfd/perfd/client/xmlrpc"
	"github.com/perfd/perfd/fixtures"
)

// said is what a recorded answer means, read without the client's code.
type said struct {
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Code int `json:"code"`
		Data struct {
			Name, Message, Debug string
			Arguments            json.RawMessage
		} `json:"data"`
	} `json:"error"`
}

// kinds are those of the recorded errors.
var kinds = map[string]client.Kind{"odoo.exceptions.AccessError": client.KindAccess, "odoo.exceptions.UserError": client.KindUser}

func open(t *testing.T, c client.Config) *client.Client {
	t.Helper()
	k, err := client.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() })
	return k
}

func equalJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := errors.Join(json.Unmarshal(a, &x), json.Unmarshal(b, &y)); err != nil {
		t.Fatalf("%v\n%s\n%s", err, a, b)
	}
	return reflect.DeepEqual(x, y)
}

// checkAnswer holds what the client made of an answer against the answer.
func checkAnswer(t *testing.T, what string, body, got []byte, err error) {
	t.Helper()
	var want said
	if e := json.Unmarshal(body, &want); e != nil {
		t.Fatal(e)
	}
	if want.Error == nil {
		if want.Result == nil {
			want.Result = json.RawMessage("null")
		}
		if err != nil || !equalJSON(t, got, want.Result) {
			t.Errorf("%s: %.200s, %v; want %.200s", what, got, err, want.Result)
		}
		return
	}
	var e *client.Error
	d := want.Error.Data
	if !errors.As(err, &e) || e.Kind != kinds[d.Name] || e.Name != d.Name || e.Message != d.Message || e.Debug != d.Debug ||
		!bytes.Equal(e.Arguments, d.Arguments) || e.Code != want.Error.Code || e.Status != http.StatusOK {
		t.Errorf("%s: %#v, want %s: %s", what, err, d.Name, d.Message)
	}
}

// TestWebAnswersOfRealOdoo makes every call that the users of two recordings made of a real Odoo 18, through the
// client, on sessions of its own, and gets what they got.
func TestWebAnswersOfRealOdoo(t *testing.T) {
	for _, name := range []string{"odoo18-a", "odoo18-h"} {
		exchanges := clienttest.Read(t, fixtures.Tap(t, name))
		server := clienttest.Serve(t, exchanges)
		type params struct {
			DB, Login, Password string
			Model, Method       string
			Args                []any
			Kwargs              map[string]any
		}
		users := map[string]*client.Client{} // by session
		calls := 0
		for _, x := range exchanges {
			var m struct{ Params params }
			if err := json.Unmarshal(x.Body, &m); err != nil {
				t.Fatal(err)
			}
			p := m.Params
			if x.Path == "/web/session/authenticate" {
				k := open(t, client.Config{
					Servers: []string{server.URL}, Database: p.DB, Login: p.Login, Password: client.Secret(p.Password), Retry: client.RetryNone,
				})
				u, err := k.Login(t.Context())
				var info struct {
					Result struct {
						UID     int64          `json:"uid"`
						Context map[string]any `json:"user_context"`
					}
				}
				if e := json.Unmarshal(x.Result, &info); err != nil || e != nil || u.UID != info.Result.UID ||
					u.Login != p.Login || u.Context["lang"] != info.Result.Context["lang"] || u.Company != 1 || u.Companies[0] != 1 {
					t.Fatalf("log in: %+v, %v, %v", u, err, e)
				}
				users[cookie(x.Reply["Set-Cookie"])] = k
			}
			if !strings.HasPrefix(x.Path, "/web/dataset/") {
				continue
			}
			k := users[cookie(x.Header["Cookie"])]
			if k == nil {
				continue // a session from before the recording
			}
			in, _ := p.Kwargs["context"].(map[string]any)
			got, err := k.Call(t.Context(), p.Model, p.Method, p.Args, p.Kwargs, client.InContext(in))
			checkAnswer(t, name+" "+p.Model+"."+p.Method, x.Result, got, err)
			calls++
		}
		if unknown := server.Unknown(); len(unknown) > 0 || calls < 100 {
			t.Errorf("%s: %d calls, asked what the recording does not have: %.300q", name, calls, unknown)
		}
	}
}

// cookie is the session in a header.
func cookie(lines []string) string {
	for _, l := range lines {
		if _, rest, ok := strings.Cut(l, "session_id="); ok {
			id, _, _ := strings.Cut(rest, ";")
			return id
		}
	}
	return ""
}

// TestKeyedAnswersOfRealOdoo does the same for /jsonrpc and /xmlrpc/2, where database, user and password go with
// every call.
func TestKeyedAnswersOfRealOdoo(t *testing.T) {
	exchanges := clienttest.Read(t, fixtures.Tap(t, "odoo18-e"))
	server := clienttest.Serve(t, exchanges)
	clients := map[string]*client.Client{}
	made := map[client.Transport]int{}
	for _, x := range exchanges {
		var args []any
		transport := client.TransportJSONRPC
		switch x.Path {
		case "/jsonrpc":
			var m struct {
				Params struct {
					Method string
					Args   []any
				}
			}
			if err := json.Unmarshal(x.Body, &m); err != nil {
				t.Fatal(err)
			}
			if args = m.Params.Args; m.Params.Method != "execute_kw" || args[2] != "admin" { // OdooRPC's sends execute
				continue
			}
		case "/xmlrpc/2/object":
			_, params, err := xmlrpc.Call(x.Body)
			if err != nil {
				t.Fatal(err)
			}
			transport, args = client.TransportXMLRPC, params
		default:
			continue
		}
		login := map[client.Transport]string{client.TransportJSONRPC: "admin", client.TransportXMLRPC: "alice"}[transport]
		if clients[login] == nil {
			clients[login] = open(t, client.Config{
				Servers: []string{server.URL}, Transport: transport, Database: args[0].(string), Login: login,
				Password: client.Secret(args[2].(string)), BareLogin: true, Retry: client.RetryNone,
			})
		}
		kwargs := map[string]any{}
		if len(args) > 6 {
			kwargs, _ = args[6].(map[string]any)
		}
		model, method := args[3].(string), args[4].(string)
		got, err := clients[login].Call(t.Context(), model, method, args[5].([]any), kwargs)
		made[transport]++
		if transport == client.TransportJSONRPC {
			checkAnswer(t, model+"."+method, x.Result, got, err)
			continue
		}
		checkXML(t, model+"."+method, x.Result, got, err)
	}
	if unknown := server.Unknown(); len(unknown) > 0 || made[client.TransportJSONRPC] < 30 || made[client.TransportXMLRPC] < 20 {
		t.Errorf("%v calls, asked what the recording does not have: %.500q", made, unknown)
	}
	t.Log(made)
}

func checkXML(t *testing.T, what string, body, got []byte, err error) {
	t.Helper()
	want, fault := xmlrpc.Answer(body)
	if fault != nil {
		var e *client.Error
		if !errors.As(err, &e) || e.Code == 0 || e.Message == "" {
			t.Errorf("%s: %s, %v; want %v", what, got, err, fault)
		}
		return
	}
	text, e := json.Marshal(want)
	if e != nil || err != nil || !equalJSON(t, got, text) {
		t.Errorf("%s: %.200s, %v; want %.200s", what, got, err, text)
	}
}
