package load

import (
	"encoding/json"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// TestSettle: calls as perfd records them stay what they are; those that say two things say one.
func TestSettle(t *testing.T) {
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	for _, tt := range []struct {
		name      string
		call      Call
		want      Call
		route     bool
		unchanged bool
	}{
		{"call_kw", Call{Transport: "jsonrpc", Verb: "POST", Path: "/web/dataset/call_kw/m/read", Model: "m", Method: "read", Args: raw(`[[1]]`), Kwargs: raw(`{}`)}, Call{}, false, true},
		{"bare call_kw", Call{Transport: "jsonrpc", Verb: "POST", Path: "/web/dataset/call_kw", Model: "m", Method: "read", Args: raw(`[]`)}, Call{}, false, true},
		{"button", Call{Transport: "jsonrpc", Verb: "POST", Path: "/web/dataset/call_button/m/x", Model: "m", Method: "x", Args: raw(`[[1]]`)}, Call{}, false, true},
		{"service", Call{Transport: "jsonrpc", Verb: "POST", Path: "/jsonrpc", Service: "object", Model: "m", Method: "read", Args: raw(`[]`), Form: FormExecuteKW}, Call{}, false, true},
		{"json2", Call{Transport: "json2", Verb: "POST", Path: "/json/2/m/read", Model: "m", Method: "read", Kwargs: raw(`{}`)}, Call{}, false, true},
		{"xmlrpc", Call{Transport: "xmlrpc", Verb: "POST", Path: "/xmlrpc/2/object", Service: "object", Model: "m", Method: "read", Args: raw(`[]`)}, Call{}, false, true},
		{"tryton", Call{Transport: "tryton", Verb: "POST", Path: "/db/", Service: "model", Model: "m", Method: "read", Args: raw(`[]`)}, Call{}, false, true},
		{"page", Call{Transport: "http", Verb: "GET", Path: "/web/image/1", Query: raw(`[]`)}, Call{}, true, true},
		{"escaped page", Call{Transport: "http", Verb: "GET", Path: "/caf%C3%A9/50%25"}, Call{}, true, true},
		{
			"an old route keeps its params and its name", Call{Transport: "jsonrpc", Verb: "POST", Path: "/web/dataset/search_read", Model: "m", Method: "search_read", Params: raw(`{"model":"m","domain":[]}`)},
			Call{Transport: "jsonrpc", Verb: "POST", Path: "/web/dataset/search_read", Params: raw(`{"model":"m","domain":[]}`), About: "m.search_read"}, true, false,
		},
		{
			"its name is that of what is sent", Call{Transport: "jsonrpc", Verb: "POST", Path: "/web/dataset/resequence", Model: "m", Method: "read", Params: raw(`{"model":"n"}`)},
			Call{Transport: "jsonrpc", Verb: "POST", Path: "/web/dataset/resequence", Params: raw(`{"model":"n"}`), About: "n.resequence"}, true, false,
		},
		{
			"a method's path is its own", Call{Transport: "jsonrpc", Verb: "GET", Path: "/web/action/run", Model: "m", Method: "read", Args: raw(`[]`), Params: raw(`{"action_id":1}`)},
			Call{Transport: "jsonrpc", Verb: "POST", Path: "/web/dataset/call_kw/m/read", Model: "m", Method: "read", Args: raw(`[]`)}, false, false,
		},
		{
			"a page is no method", Call{Transport: "http", Verb: "GET", Path: "/web/%69mage/1", Service: "object", Model: "m", Method: "unlink", Args: raw(`[[1]]`)},
			Call{Transport: "http", Verb: "GET", Path: "/web/image/1"}, true, false,
		},
		{
			"a slash more", Call{Transport: "jsonrpc", Verb: "POST", Path: "/jsonrpc/", Service: "object", Model: "m", Method: "read", Args: raw(`[]`), Params: raw(`{"service":"db"}`)},
			Call{Transport: "jsonrpc", Verb: "POST", Path: "/jsonrpc", Service: "object", Model: "m", Method: "read", Args: raw(`[]`)}, false, false,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, want := tt.call, tt.want
			if tt.unchanged {
				want = tt.call
			}
			if got.Settle(); !reflect.DeepEqual(got, want) || got.IsRoute() != tt.route {
				t.Errorf("\n got %+v\nwant %+v, a route: %v", got, want, got.IsRoute())
			}
		})
	}
}

// TestSettledStaysSettled: what was settled once is the same when it is settled again.
func TestSettledStaysSettled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom([]string{"", "/", "/jsonrpc", "/jsonrpc/", "/web/%2573", "/a%2Fb", "/web/dataset/call_kw/", "m", "read", "%", "//"})
		body := rapid.SampledFrom([]json.RawMessage{nil, json.RawMessage(`{"model":"m"}`), json.RawMessage(`[]`)})
		c := Call{
			Transport: rapid.SampledFrom([]string{"http", "jsonrpc", "json2", "xmlrpc", "tryton"}).Draw(t, "transport"), Path: text.Draw(t, "path") + text.Draw(t, "more"),
			Service: text.Draw(t, "service"), Model: text.Draw(t, "model"), Method: text.Draw(t, "method"), Args: body.Draw(t, "args"), Kwargs: body.Draw(t, "kwargs"), Params: body.Draw(t, "params"),
		}
		c.Settle()
		again := c
		if again.Settle(); !reflect.DeepEqual(c, again) {
			t.Fatalf("\n got %+v\nthen %+v", c, again)
		}
	})
}
