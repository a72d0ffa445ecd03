package client_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/perfd/perfd/client"
	"github.com/perfd/perfd/client/clienttest"
	"github.com/perfd/perfd/fixtures"
)

// TestAnswersOfRealTryton makes the calls of a recording of a real trytond 6.0 through the client, and gets the same
// results and errors.
func TestAnswersOfRealTryton(t *testing.T) {
	exchanges := clienttest.Read(t, fixtures.Tap(t, "tryton60-a"))
	server := clienttest.Serve(t, exchanges)
	sessions := map[string]*client.Client{} // by Authorization
	kinds := map[client.Kind]int{}
	calls := 0
	var logins []*client.Client
	for _, x := range exchanges {
		var m struct {
			Method string
			Params []any
		}
		if json.Unmarshal(x.Body, &m) != nil || x.Path != "/tryton/" {
			continue
		}
		if m.Method == "common.db.login" {
			if x.Status != http.StatusOK || len(m.Params) < 2 {
				continue
			}
			secret, _ := m.Params[1].(map[string]any)
			password, _ := secret["password"].(string)
			k := open(t, client.Config{
				Transport: client.TransportTryton, Servers: []string{server.URL}, Database: "tryton", Login: m.Params[0].(string),
				Password: client.Secret(password), BareLogin: true, Retry: client.RetryNone,
			})
			if _, err := k.Login(t.Context()); err == nil {
				logins = append(logins, k)
			}
			continue
		}
		auth := x.Header.Get("Authorization")
		if sessions[auth] == nil && len(logins) > 0 {
			sessions[auth], logins = logins[0], logins[1:]
		}
		k := sessions[auth]
		model, ok := strings.CutPrefix(m.Method, "model.")
		dot := strings.LastIndexByte(model, '.')
		if k == nil || !ok || dot < 0 || len(m.Params) == 0 {
			continue
		}
		args := m.Params[:len(m.Params)-1]
		in, _ := m.Params[len(m.Params)-1].(map[string]any)
		got, err := k.Call(t.Context(), model[:dot], model[dot+1:], args, nil, client.InContext(in))
		calls++
		var want struct {
			Result json.RawMessage
			Error  []json.RawMessage
		}
		if x.Status == http.StatusOK {
			if e := json.Unmarshal(x.Result, &want); e != nil {
				t.Fatal(e)
			}
		}
		var e *client.Error
		switch {
		case x.Status == http.StatusUnauthorized:
			// the client logs in again, which the recording does not know
		case x.Status != http.StatusOK || len(want.Error) > 0:
			if !errors.As(err, &e) || e.Status != x.Status || e.Message == "" {
				t.Errorf("%s: %s, %v; want %d %s", m.Method, got, err, x.Status, want.Error)
				continue
			}
			kinds[e.Kind]++
		case err != nil || !equalJSON(t, got, want.Result):
			t.Errorf("%s: %.200s, %v; want %.200s", m.Method, got, err, want.Result)
		}
	}
	for _, k := range []client.Kind{client.KindUser, client.KindConcurrency, client.KindWarning, client.KindNotFound, client.KindServer, client.KindAccess} {
		if kinds[k] == 0 {
			t.Errorf("no error was a %v; there were %v", k, kinds)
		}
	}
	if calls < 60 {
		t.Errorf("%d calls", calls)
	}
	t.Log(calls, kinds, len(server.Unknown()))
	if u := server.Unknown(); len(u) > 2 {
		t.Errorf("asked what the recording does not have: %.300q", u)
	}
}
