package rpclog

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/perfd/perfd/capture"
)

// behead parts a message after its header section.
func behead(message string) (header int64, body string) {
	n := strings.Index(message, "\r\n\r\n") + 4
	return int64(n), message[n:]
}

func TestRequestWithoutHeader(t *testing.T) {
	const secret = "canary-secret"
	first, res := callKW("a.b", "first", "[]"), answer(asJSON, okBody)
	for _, c := range []struct {
		name, request, path, model, method string
		transport                          Transport
		uid                                int64
		ids                                int
		value                              string // among the evidence; "" if there must be none
	}{
		{"call_kw", callKW("a.b", "write", `[[11,12],{"name":"Azure"},"third"]`), "/web/dataset/call_kw", "a.b", "write", JSONRPC, 0, 2, "Azure"},
		{"search_read", request("/web/dataset/search_read", asJSON, `{"jsonrpc":"2.0","method":"call","params":{"model":"a.b","domain":["Azure"]}}`), "", "a.b", "", JSONRPC, 0, 0, "Azure"},
		{"service", request("/jsonrpc", asJSON, `{"jsonrpc": "2.0", "method": "call", "params": {"service": "object", "method": "execute_kw", "args": ["db", 7, "`+secret+`", "a.b", "read", [[11, 12, 13]]]}}`), "/jsonrpc", "a.b", "read", JSONRPC, 7, 3, "11"},
		{"authenticate", request("/web/session/authenticate", asJSON, `{"id":1,"jsonrpc":"2.0","method":"call","params":{"db":"db","login":"alice","password":"`+secret+`"}}`), "", "", "", JSONRPC, 0, 0, ""},
		{"change of a password", request("/web/session/change_password", asJSON, `{"id":1,"jsonrpc":"2.0","method":"call","params":{"fields":[{"name":"old_pwd","value":"`+secret+`"}]}}`), "", "", "", JSONRPC, 0, 0, ""},
		{"database service", request("/jsonrpc", asJSON, `{"jsonrpc": "2.0", "method": "call", "params": {"service": "db", "method": "drop", "args": ["`+secret+`", "db"]}}`), "/jsonrpc", "", "drop", JSONRPC, 0, 0, ""},
		{"xml", request("/xmlrpc/2/object", asXML, "<?xml version='1.0'?>\n"+xmlCall("execute_kw", param("db")+param("<int>7</int>")+param(secret)+param("a.b")+param("read")+param("<array><data><value><array><data><value><int>11</int></value></data></array></value></data></array>"))), "", "a.b", "read", XMLRPC, 7, 1, "11"},
		{"xml database service", request("/xmlrpc/2/db", asXML, "<?xml version='1.0'?>\n"+xmlCall("drop", param(secret)+param("db"))), "", "", "drop", XMLRPC, 0, 0, ""},
		{"tryton", request("/db/", asJSON, `{"id": 3, "method": "model.a.b.read", "params": [[11, 12], ["name"], {}]}`), "", "a.b", "read", Tryton, 0, 2, "11"},
	} {
		lost, body := behead(c.request)
		r := play(t, ask(first), tell(res), ask(body).after(lost), tell(res), ask(first), tell(res))
		if len(r.calls) != 3 || r.calls[2].Gaps != 0 || r.calls[2].Method != "first" || r.calls[2].Status != 200 {
			t.Errorf("%s: the call after: %s", c.name, r)
		}
		got := r.calls[1]
		if got.Verb != "POST" || got.Path != c.path || got.Model != c.model || got.Method != c.method || got.Transport != c.transport || got.IDs != c.ids || got.UID != c.uid {
			t.Errorf("%s: %s", c.name, r)
		}
		if got.Gaps != GapRequest || got.BodyHash != 0 || got.RequestBytes != int64(len(c.request)) || got.Status != 200 ||
			second(got.Start) != 3 || second(got.Sent) != 3 || second(got.First) != 4 || second(got.End) != 4 {
			t.Errorf("%s: framing: %s", c.name, r)
		}
		if c.value == "" && got.Request.Len() != 0 || c.value != "" && !has(&got.Request, c.value) || has(&got.Request, secret) {
			t.Errorf("%s: the request's values: %s", c.name, r)
		}
	}
}

func TestConnectionBeginsWithBody(t *testing.T) {
	_, body := behead(callKW("a.b", "read", "[[11]]"))
	conn := testConn
	for _, joined := range []bool{false, true} {
		conn.Joined = joined
		want := capture.Reject
		if joined {
			want = capture.FromClient
		}
		if got := New(Config{}, &recorder{}).Claims(conn, []byte(body)); got != want {
			t.Errorf("joined %v: %v, want %v", joined, got, want)
		}
	}
	for _, other := range []string{okBody, `{"id":1,"method":"mining.subscribe","params":[]}`, `{"jsonrpc":"2.0"}`, `{"method":`, `<html><body></body></html>`, "{"} {
		if got := New(Config{}, &recorder{}).Claims(conn, []byte(other)); got != capture.Reject {
			t.Errorf("%s: %v", other, got)
		}
	}
	for name, events := range map[string][]event{
		"whole":     {ask(body), tell(answer(asJSON, okBody))},
		"in pieces": {ask(body[:60]), ask(body[60:80]), ask(body[80:]), tell(answer(asJSON, okBody))},
		"unended":   {ask(body[:len(body)-2]), tell(answer(asJSON, okBody))},
	} {
		r := &recorder{}
		run(New(Config{}, r), conn, nil, events...)
		r.check(t)
		if c := r.one(t); c.Model != "a.b" || c.Method != "read" || c.IDs != 1 || c.Gaps&GapRequest == 0 || c.Status != 200 {
			t.Errorf("%s: %s", name, r)
		}
	}
}

func TestHeaderSectionCutShort(t *testing.T) {
	req, res := request("/jsonrpc", asJSON, `{"jsonrpc": "2.0", "method": "call", "params": {"service": "object", "method": "execute", "args": ["db", 7, "x", "a.b", "read", [11]]}}`), answer(asJSON, okBody)
	lost, body := behead(req)
	r := play(t, ask(req[:30]), ask(body).after(lost-30), tell(res), ask(callKW("a.b", "next", "[]")), tell(res))
	if c := r.calls[0]; c.Path != "/jsonrpc" || c.Model != "a.b" || c.Method != "read" || c.UID != 7 || c.IDs != 1 || c.Gaps != GapRequest || second(c.Start) != 1 || c.RequestBytes != int64(len(req)) {
		t.Errorf("request: %s", r)
	}
	lost, body = behead(res)
	r = play(t, ask(req), tell(res[:20]), tell(body).after(lost-20), ask(callKW("a.b", "next", "[]")), tell(res))
	if c := r.calls[0]; c.Status != 200 || c.Gaps != GapResponse || second(c.First) != 2 || second(c.End) != 3 || !has(&c.Response, okText) {
		t.Errorf("response: %s", r)
	}
	if c := r.calls[1]; c.Gaps != 0 || c.Method != "next" {
		t.Errorf("the call after: %s", r)
	}
}

const okText = "some text that is long enough to be cut"

func TestResponseWithoutHeader(t *testing.T) {
	failed := `{"jsonrpc": "2.0", "id": 7, "error": {"code": 200, "message": "Odoo Server Error", "data": {"name": "odoo.exceptions.UserError"}}}`
	for _, c := range []struct{ name, request, response, failed, value string }{
		{"result", callKW("a.b", "read", "[]"), answer(asJSON, okBody), "", okText},
		{"error", callKW("a.b", "read", "[]"), answer(asJSON, failed), "odoo.exceptions.UserError", "Odoo Server Error"},
		{"xml", request("/xmlrpc/2/object", asXML, xmlCall("execute", param("db"))), answer(asXML, "<?xml version='1.0'?>\n<methodResponse><params>"+param("<string>Azure</string>")+"</params></methodResponse>\n"), "", "Azure"},
	} {
		lost, body := behead(c.response)
		next := callKW("a.b", "next", "[]")
		for end, events := range map[string][]event{
			"next":   {ask(next), tell(answer(asJSON, okBody))},
			"fin":    {fin(capture.ToClient)},
			"nobody": nil,
		} {
			r := play(t, append([]event{ask(c.request), tell(body).after(lost)}, events...)...)
			got := r.calls[0]
			if got.Gaps != GapResponse || got.Status != 0 || got.Error != c.failed || second(got.First) != 2 || second(got.End) != 2 || got.ResponseBytes != int64(len(c.response)) || !has(&got.Response, c.value) {
				t.Errorf("%s, then %s: %s", c.name, end, r)
			}
			if end == "next" && (len(r.calls) != 2 || r.calls[1].Gaps != 0 || r.calls[1].Method != "next") {
				t.Errorf("%s: the call after: %s", c.name, r)
			}
		}
	}
	// The end is lost as well.
	lost, body := behead(answer(asJSON, okBody))
	r := play(t, ask(callKW("a.b", "read", "[]")), tell(body[:30]).after(lost), ask(callKW("a.b", "next", "[]")), tell(answer(asJSON, okBody)))
	if len(r.calls) != 2 || r.calls[0].Gaps != GapResponse || second(r.calls[0].End) != 2 || r.calls[1].Gaps != 0 || r.calls[1].Status != 200 {
		t.Errorf("header and end lost: %s", r)
	}
}

func TestHabitOfConnection(t *testing.T) {
	tryton := func(user, more string) string {
		return request("/db/", asJSON+"Authorization: Session "+user+"\r\n"+more, `{"id":3,"method":"model.a.b.read","params":[[11],{}]}`)
	}
	const alice, bob = "YWxpY2U6MjphYmNkZWY=", "Ym9iOjM6ZmVkY2Jh" // alice:2:abcdef, bob:3:fedcba
	res := answer(asJSON, `{"id":3,"result":[]}`)
	login := request("/db/", asJSON, `{"id":1,"method":"common.db.login","params":["alice",{},"en"]}`)
	lost, body := behead(tryton(alice, ""))
	for _, c := range []struct {
		name   string
		before []string
		path   string
		uid    int64
	}{
		{"one user", []string{login, tryton(alice, ""), tryton(alice, "")}, "/db/", 2},
		{"one request", []string{tryton(alice, "")}, "", 0},
		{"two users", []string{tryton(alice, ""), tryton(bob, ""), tryton(bob, "")}, "", 0},
		{"a proxy", []string{tryton(alice, "X-Forwarded-For: 192.0.2.9\r\n"), tryton(alice, "X-Forwarded-For: 192.0.2.9\r\n")}, "", 0},
	} {
		var before []event
		for _, req := range c.before {
			before = append(before, ask(req), tell(res))
		}
		r := play(t, append(before, ask(body).after(lost), tell(res))...)
		got := r.calls[len(r.calls)-1]
		if got.Path != c.path || got.UID != c.uid || got.Model != "a.b" || got.Gaps != GapRequest || (got.Session != 0) != (c.uid != 0) {
			t.Errorf("%s: %s", c.name, r)
		}
		// The whole request is lost.
		r = play(t, append(before, tell("").after(0), ask("").after(lost+int64(len(body))), tell(res))...)
		got = r.calls[len(r.calls)-1]
		if got.Path != c.path || got.UID != c.uid || got.Gaps != GapRequest || got.Status != 200 {
			t.Errorf("%s, all lost: %s", c.name, r)
		}
	}
}

// TestTornJSON loses a range of a text: the values found are among those of the whole.
func TestTornJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, err := json.Marshal(jsonValue(4).Draw(t, "value"))
		if err != nil {
			t.Fatal(err)
		}
		whole := scanJSON(string(text))
		all := map[uint32]bool{}
		for _, h := range whole.set.Hashes() {
			all[uint32(h)] = true
		}
		from := rapid.IntRange(0, len(text)).Draw(t, "from")
		to := rapid.IntRange(from, len(text)).Draw(t, "to")
		cut := rapid.IntRange(to, len(text)).Draw(t, "cut")
		torn := newSeen()
		var j jsonScanner
		j.start(torn.tokens())
		j.write(text[:from])
		j.tear()
		j.write(text[to:cut])
		j.write(text[cut:])
		j.end()
		for _, h := range torn.set.Hashes() {
			if !all[uint32(h)] {
				t.Fatalf("bytes %d to %d of %s missing: a value that is none", from, to, text)
			}
		}
	})
}

func TestTornBody(t *testing.T) {
	for _, c := range []struct{ name, request, headers, body, cut string }{
		{"json", callKW("a.b", "read", "[]"), asJSON, `{"result":[{"name":"Azure","x":[1,{}]},{"a\":":"x\":y","name":"cut here, and some more"},{"token":"canary","name":"Fremont","id":[1234,5678],"password":"canary"},{"city":"Bergen"}]}`, "cut here, and"},
		{"xml", request("/xmlrpc/2/object", asXML, xmlCall("execute", param("db"))), asXML, "<methodResponse><params><param><value><array><data><value><struct><member><name>a</name><value>Azure</value></member><member><name>b</name><value><string>cut here, and</string></value></member></struct></value>" +
			"<value><struct><member><name>c</name><value><string>Fremont</string></value></member><member><name>token</name><value>canary</value></member><member><name>c</name><value><int>1234</int></value></member><member><name>c</name><value>Bergen</value></member></struct></value></data></array></value></param></params></methodResponse>", "cut here, and"},
	} {
		res := answer(c.headers, c.body)
		i := strings.Index(res, c.cut)
		r := play(t, ask(c.request), tell(res[:i]), tell(res[i+10:]).after(10))
		got := r.one(t)
		if got.Gaps != GapResponse || got.ResponseBytes != int64(len(res)) {
			t.Errorf("%s: %s", c.name, r)
		}
		for _, v := range []string{"Azure", "Fremont", "1234", "Bergen"} {
			if !has(&got.Response, v) {
				t.Errorf("%s: %s is missing", c.name, v)
			}
		}
		if has(&got.Response, "canary") {
			t.Errorf("%s: a secret is not passed over", c.name)
		}
	}
}
