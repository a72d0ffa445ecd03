package client_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/perfd/perfd/client"
)

// TestJSON2 checks what goes over /json/2 and what comes back: paths, named arguments, the key, statuses.
func TestJSON2(t *testing.T) {
	var path, auth, database string
	var body map[string]any
	status, answer := 200, "[7]"
	c := plain(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/json/2/res.users/context_get":
			_, _ = fmt.Fprint(w, `{"lang":"fr_FR","tz":"UTC","uid":9}`)
			return
		case "/json/2/res.users/read":
			_, _ = fmt.Fprint(w, `[{"id":9,"login":"me","company_id":[4,"x"],"company_ids":[4,2]}]`)
			return
		}
		path, auth, database, body = r.URL.Path, r.Header.Get("Authorization"), r.Header.Get("X-Odoo-Database"), nil
		_ = json.NewDecoder(r.Body).Decode(&body)
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, answer)
	})
	c.Transport, c.Login, c.Password = client.TransportJSON2, "", "the-key"
	k := open(t, c)
	u, err := k.Login(t.Context())
	if err != nil || u.UID != 9 || u.Login != "me" || !reflect.DeepEqual(u.Companies, []int64{4, 2}) {
		t.Fatalf("%+v, %v", u, err)
	}
	context := map[string]any{"lang": "fr_FR", "tz": "UTC", "uid": 9.0, "allowed_company_ids": []any{4.0, 2.0}}
	for _, x := range []struct {
		method string
		args   []any
		kwargs map[string]any
		want   map[string]any
	}{
		{"search", []any{[]any{}, 5}, map[string]any{"limit": 2}, map[string]any{"domain": []any{}, "offset": 5.0, "limit": 2.0}},
		{"read", []any{[]any{1, 2}, []any{"name"}}, nil, map[string]any{"ids": []any{1.0, 2.0}, "fields": []any{"name"}}},
		{"write", []any{[]int64{1}, map[string]any{"a": 1}}, nil, map[string]any{"ids": []any{1.0}, "vals": map[string]any{"a": 1.0}}},
		{"action_confirm", []any{[]any{1}}, nil, map[string]any{"ids": []any{1.0}}},
		{"anything", nil, map[string]any{"x": 1}, map[string]any{"x": 1.0}},
	} {
		x.want["context"] = context
		got, err := k.Call(t.Context(), "res.partner", x.method, x.args, x.kwargs)
		if err != nil || string(got) != "[7]" || path != "/json/2/res.partner/"+x.method || auth != "bearer the-key" || database != "db" || !reflect.DeepEqual(body, x.want) {
			t.Errorf("%s: %s, %v: %s %v", x.method, got, err, path, body)
		}
	}
	for _, args := range [][]any{{"a text"}, {[]any{1}, 2}} {
		var e *client.Error
		if _, err := k.Call(t.Context(), "m", "unknown_method", args, nil); !errors.As(err, &e) || e.Kind != client.KindArgument || e.Sent || !strings.Contains(e.Hint, "by name") {
			t.Errorf("%v: %#v", args, err)
		}
	}
	for _, x := range []struct {
		status int
		name   string
		kind   client.Kind
	}{
		{401, "werkzeug.exceptions.Unauthorized", client.KindAccessDenied},
		{403, "odoo.exceptions.AccessError", client.KindAccess},
		{404, "werkzeug.exceptions.NotFound", client.KindNotFound},
		{404, "odoo.exceptions.MissingError", client.KindMissing},
		{422, "werkzeug.exceptions.UnprocessableEntity", client.KindArgument},
		{422, "odoo.exceptions.ValidationError", client.KindValidation},
		{500, "builtins.ZeroDivisionError", client.KindServer},
		{500, "psycopg2.errors.SerializationFailure", client.KindSerialization},
		{502, "", client.KindUnavailable},
	} {
		status, answer = x.status, fmt.Sprintf(`{"name":%q,"message":"no","arguments":["no"],"context":{},"debug":"tb"}`, x.name)
		var e *client.Error
		if _, err := k.Call(t.Context(), "m", "search", nil, nil); !errors.As(err, &e) || e.Kind != x.kind || e.Status != x.status || x.name != "" && e.Debug != "tb" {
			t.Errorf("%d %s: %#v", x.status, x.name, err)
		}
	}
}
