package rpclog

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// said is what an envelope reads of a call.
type said struct {
	Transport                               Transport
	Class                                   Class
	Path, Service, Model, Method, DB, Error string
	IDs                                     int
	UID                                     int64
	Login                                   string
}

func saidOf(c *Call) said {
	return said{c.Transport, c.Class, c.Path, c.Service, c.Model, c.Method, c.Database, c.Error, c.IDs, c.UID, c.Login}
}

func xmlCall(method, params string) string {
	return `<?xml version="1.0"?><!-- a > comment --><methodCall><methodName>` + method + `</methodName><params>` + params + `</params></methodCall>`
}

func param(v string) string { return "<param><value>" + v + "</value></param>" }

func service(service, method, args string) string {
	return `{"jsonrpc":"2.0","method":"call","id":1,"params":{"args":` + args + `,"method":"` + method + `","service":"` + service + `"}}`
}

func TestEnvelopes(t *testing.T) {
	const nothing = `{"jsonrpc":"2.0","id":1,"result":false}`
	const objectArgs = `["db1",16,"pw","res.partner","read",[[1,2,3],["name"]],{}]`
	ok := func(body string) string { return answer(asJSON, body) }
	xml := func(body string) string {
		return answer(asXML, `<?xml version="1.0"?><methodResponse>`+body+`</methodResponse>`)
	}
	explained := func(code, text string) string {
		return xml(`<fault><value><struct><member><name>faultCode</name><value>` + code + `</value></member><member><name>faultString</name><value><string>` + text + `</string></value></member></struct></value></fault>`)
	}
	fault := func(code string) string { return explained(code, "some secret text") }
	objectParams := param("db1") + param("<int>16</int>") + param("<string>pw</string>") + param("res.partner") + param("write") +
		param("<array><data><value><array><data><value><int>7</int></value><value><i4>8</i4></value></data></array></value><value><struct><member><name>name</name><value>x</value></member><member><name>n</name><value><int>5</int></value></member></struct></value></data></array>") + param("<struct></struct>")
	for name, tc := range map[string]struct {
		request, response string
		want              said
	}{
		"call_kw goes by its parameters": {
			request("/web/dataset/call_kw/x.y/z", asJSON, `{"id":1,"params":{"kwargs":{"ids":[4,5]},"args":[{"a":1}],"method":"read","model":"res.users"},"method":"call","jsonrpc":"2.0"}`), ok(nothing),
			said{Transport: JSONRPC, Path: "/web/dataset/call_kw/x.y/z", Model: "res.users", Method: "read", IDs: 2}},
		"call_button without suffix": {
			request("/web/dataset/call_button", asJSON, `{"jsonrpc":"2.0","params":{"model":"sale.order","method":"action_confirm","args":[[9]],"kwargs":{}}}`), ok(nothing),
			said{Transport: JSONRPC, Path: "/web/dataset/call_button", Model: "sale.order", Method: "action_confirm", IDs: 1}},
		"search_read has no method": {
			request("/web/dataset/search_read", asJSON, `{"jsonrpc":"2.0","params":{"model":"sale.order","domain":[]}}`), ok(nothing),
			said{Transport: JSONRPC, Path: "/web/dataset/search_read", Model: "sale.order", Method: "search_read"}},
		"action": {
			request("/web/action/load", asJSON, `{"jsonrpc":"2.0","params":{"action_id":5}}`), ok(nothing),
			said{Transport: JSONRPC, Path: "/web/action/load"}},
		"another JSON-RPC route": {
			request("/mail/data?x=1", asJSON, `{"jsonrpc":"2.0","params":{"context":{"uid":2}}}`), ok(nothing),
			said{Transport: JSONRPC, Path: "/mail/data"}},
		"JSON without RPC": {
			request("/web/dataset_import", asJSON, `{"a":[1,2]}`), ok(`{}`),
			said{Path: "/web/dataset_import"}},
		"error by name": {
			request("/web/dataset/call_kw", asJSON, `{"jsonrpc":"2.0","params":{"model":"a","method":"b"}}`),
			ok(`{"jsonrpc":"2.0","error":{"code":200,"message":"Odoo Server Error","data":{"name":"odoo.exceptions.UserError","debug":"…","message":"secret"}}}`),
			said{Transport: JSONRPC, Path: "/web/dataset/call_kw", Model: "a", Method: "b", Error: "odoo.exceptions.UserError"}},
		"error without name": {
			request("/web/dataset/call_kw", asJSON, `{"jsonrpc":"2.0"}`), ok(`{"error":{"code":-32700,"message":"a secret","data":{"name":"not a name!"}}}`),
			said{Transport: JSONRPC, Path: "/web/dataset/call_kw", Error: "JSON-RPC error -32700"}},
		"log-in": {
			request("/web/session/authenticate", asJSON, `{"jsonrpc":"2.0","params":{"db":"db1","login":"alice","password":"pw"}}`),
			ok(`{"jsonrpc":"2.0","result":{"uid":8,"username":"alice","db":"db1","user_context":{"uid":9}}}`),
			said{Transport: JSONRPC, Path: "/web/session/authenticate", DB: "db1", UID: 8, Login: "alice"}},
		"log-in refused": {
			request("/web/session/authenticate", asJSON, `{"jsonrpc":"2.0","params":{"db":"db1","login":"typed-pw","password":"pw"}}`),
			ok(`{"error":{"code":200,"data":{"name":"odoo.exceptions.AccessDenied"}}}`),
			said{Transport: JSONRPC, Path: "/web/session/authenticate", DB: "db1", Error: "odoo.exceptions.AccessDenied"}},
		"service object, execute_kw": {
			request("/jsonrpc", asJSON, service("object", "execute_kw", objectArgs)), ok(nothing),
			said{Transport: JSONRPC, Path: "/jsonrpc", Service: "object", Model: "res.partner", Method: "read", DB: "db1", IDs: 3, UID: 16}},
		"service object, execute": {
			request("/jsonrpc", asJSON, service("object", "execute", `["db1",16,"pw","res.partner","read",[1,2],["name"]]`)), ok(nothing),
			said{Transport: JSONRPC, Path: "/jsonrpc", Service: "object", Model: "res.partner", Method: "read", DB: "db1", IDs: 2, UID: 16}},
		"service object, denied": {
			request("/jsonrpc", asJSON, service("object", "execute_kw", objectArgs)), ok(`{"error":{"data":{"name":"odoo.exceptions.AccessDenied"}}}`),
			said{Transport: JSONRPC, Path: "/jsonrpc", Service: "object", Model: "res.partner", Method: "read", DB: "db1", IDs: 3, Error: "odoo.exceptions.AccessDenied"}},
		"service common": {
			request("/jsonrpc", asJSON, service("common", "login", `["db1","alice","pw"]`)), ok(`{"result":8}`),
			said{Transport: JSONRPC, Path: "/jsonrpc", Service: "common", Method: "login", DB: "db1", UID: 8, Login: "alice"}},
		"service common, refused": {
			request("/jsonrpc", asJSON, service("common", "authenticate", `["db1","alice","pw",{}]`)), ok(`{"result":false}`),
			said{Transport: JSONRPC, Path: "/jsonrpc", Service: "common", Method: "authenticate", DB: "db1"}},
		"service db": {
			request("/jsonrpc", asJSON, service("db", "drop", `["master","db1"]`)), ok(`{"result":true}`),
			said{Transport: JSONRPC, Path: "/jsonrpc", Service: "db", Method: "drop"}},
		"XML-RPC object": {
			request("/xmlrpc/2/object", asXML, xmlCall("execute_kw", objectParams)), xml(`<params>` + param("<boolean>1</boolean>") + `</params>`),
			said{Transport: XMLRPC, Path: "/xmlrpc/2/object", Service: "object", Model: "res.partner", Method: "write", DB: "db1", IDs: 2, UID: 16}},
		"XML-RPC common": {
			request("/xmlrpc/common", asXML, xmlCall("login", param("db1")+param("<string>alice</string>")+param("pw"))), xml(`<params>` + param("<int>8</int>") + `</params>`),
			said{Transport: XMLRPC, Path: "/xmlrpc/common", Service: "common", Method: "login", DB: "db1", UID: 8, Login: "alice"}},
		"XML-RPC version": {
			request("/xmlrpc/2/common", asXML, xmlCall("version", "")), xml(`<params>` + param("<struct></struct>") + `</params>`),
			said{Transport: XMLRPC, Path: "/xmlrpc/2/common", Service: "common", Method: "version"}},
		"XML-RPC fault by number": {
			request("/xmlrpc/2/object", asXML, xmlCall("execute_kw", objectParams)), fault("<int>4</int>"),
			said{Transport: XMLRPC, Path: "/xmlrpc/2/object", Service: "object", Model: "res.partner", Method: "write", DB: "db1", IDs: 2, UID: 16, Error: "AccessError"}},
		"XML-RPC fault by text": {
			request("/xmlrpc/object", asXML, xmlCall("execute_kw", objectParams)), fault("<string>warning -- UserError\n\nsecret</string>"),
			said{Transport: XMLRPC, Path: "/xmlrpc/object", Service: "object", Model: "res.partner", Method: "write", DB: "db1", IDs: 2, UID: 16, Error: "UserError"}},
		"XML-RPC fault in words": {
			request("/xmlrpc/object", asXML, xmlCall("execute_kw", objectParams)), fault("some secret text"),
			said{Transport: XMLRPC, Path: "/xmlrpc/object", Service: "object", Model: "res.partner", Method: "write", DB: "db1", IDs: 2, UID: 16, Error: "Fault"}},
		"XML-RPC fault of another number": {
			request("/xmlrpc/2/object", asXML, xmlCall("execute_kw", objectParams)), fault("<int>1</int>"),
			said{Transport: XMLRPC, Path: "/xmlrpc/2/object", Service: "object", Model: "res.partner", Method: "write", DB: "db1", IDs: 2, UID: 16, Error: "Fault 1"}},
		"XML-RPC fault with a traceback": {
			request("/xmlrpc/2/object", asXML, xmlCall("execute_kw", objectParams)),
			explained("<int>1</int>", "Traceback (most recent call last):\n  File &quot;x.py&quot;, line 3, in y\nValueError: some secret: text\n"),
			said{Transport: XMLRPC, Path: "/xmlrpc/2/object", Service: "object", Model: "res.partner", Method: "write", DB: "db1", IDs: 2, UID: 16, Error: "ValueError"}},
		"json/2": {
			request("/json/2/res.partner/write", asJSON+"Authorization: bearer 0123456789abcdef\r\nX-Odoo-Database: db1\r\n", `{"ids":[1,2],"vals":{"a":3},"context":{"uid":4}}`), ok(`true`),
			said{Transport: JSON2, Path: "/json/2/res.partner/write", Model: "res.partner", Method: "write", DB: "db1", IDs: 2, UID: 4}},
		"json/2 error": {
			request("/json/2/res.partner/read", asJSON, `{"ids":[1]}`),
			"HTTP/1.1 403 FORBIDDEN\r\n" + asJSON + "Content-Length: 57\r\n\r\n" + `{"name":"odoo.exceptions.AccessError","message":"secret"}`,
			said{Transport: JSON2, Path: "/json/2/res.partner/read", Model: "res.partner", Method: "read", IDs: 1, Error: "odoo.exceptions.AccessError"}},
		"Tryton log-in": {
			request("/tryton/", asJSON, `{"id":1,"method":"common.db.login","params":["alice",{"password":"pw"},"en"]}`), ok(`{"id":1,"result":[2,"abcdef"]}`),
			said{Transport: Tryton, Path: "/tryton/", Service: "common", Method: "login", DB: "tryton", UID: 2, Login: "alice"}},
		"Tryton log-in refused": {
			request("/tryton/", asJSON, `{"id":1,"method":"common.db.login","params":["alice",{},"en"]}`), ok(`{"id":1,"error":["LoginException",["password","Password for alice","password"]]}`),
			said{Transport: Tryton, Path: "/tryton/", Service: "common", Method: "login", DB: "tryton", Error: "LoginException"}},
		"Tryton write": {
			request("/tryton/", asJSON+"Authorization: Session YWxpY2U6MjphYmNkZWY=\r\n", `{"id":1,"method":"model.party.party.write","params":[[1,2],{"name":"a","n":3},[4],{"n":5},{"company":1}]}`), ok(`{"id":1,"result":null}`),
			said{Transport: Tryton, Path: "/tryton/", Service: "model", Model: "party.party", Method: "write", DB: "tryton", IDs: 3, UID: 2, Login: "alice"}},
		"Tryton search": {
			request("/tryton/", asJSON, `{"id":1,"method":"model.party.party.search","params":[["id",5],0,10,null,{}]}`), ok(`{"id":1,"error":["'secret'",""]}`),
			said{Transport: Tryton, Path: "/tryton/", Service: "model", Model: "party.party", Method: "search", DB: "tryton", Error: "Exception"}},
		"Tryton wizard": {
			request("/tryton/", asJSON, `{"id":1,"method":"wizard.sale.open_customer.execute","params":[12,{},"open_",{}]}`), ok(`{"id":1,"error":["UserError",["secret","",null]]}`),
			said{Transport: Tryton, Path: "/tryton/", Service: "wizard", Model: "sale.open_customer", Method: "execute", DB: "tryton", Error: "UserError"}},
		"Tryton session refused": {
			request("/tryton/", asJSON+"Authorization: Session YWxpY2U6MjphYmNkZWY=\r\n", `{"id":1,"method":"model.party.party.read","params":[[1],[],{}]}`), "HTTP/1.1 401 UNAUTHORIZED\r\nContent-Length: 0\r\n\r\n",
			said{Transport: Tryton, Path: "/tryton/", Service: "model", Model: "party.party", Method: "read", DB: "tryton", IDs: 1}},
		"Tryton bus that polls": {
			request("/tryton/bus", asJSON, `{"last_message":null,"channels":["a"]}`), ok(`{"message":null}`),
			said{Transport: Tryton, Class: Poll, Path: "/tryton/bus", DB: "tryton"}},
		"Tryton bus refused": {
			request("/tryton/bus", asJSON, `{"last_message":null,"channels":["a"]}`), "HTTP/1.1 501 NOT IMPLEMENTED\r\nContent-Length: 0\r\n\r\n",
			said{Transport: Tryton, Path: "/tryton/bus", DB: "tryton"}},
		"Odoo on a route like a database": {
			request("/shop/", asJSON, `{"jsonrpc":"2.0","method":"call","params":{}}`), ok(nothing),
			said{Transport: JSONRPC, Path: "/shop/"}},
		"long polling": {
			request("/longpolling/poll", asJSON, `{"jsonrpc":"2.0","params":{}}`), ok(nothing),
			said{Transport: JSONRPC, Class: Poll, Path: "/longpolling/poll"}},
		"static file": {
			"GET http://a.example:80/web/static/img/a.png?v=1 HTTP/1.1\r\n\r\n", answer("Content-Type: image/png\r\n", "x"),
			said{Class: Asset, Path: "/web/static/img/a.png"}},
		"record's image": {
			"GET /web/image/res.partner/3/avatar.png HTTP/1.1\r\n\r\n", answer("Content-Type: image/png\r\n", "x"),
			said{Path: "/web/image/res.partner/3/avatar.png"}},
		"health": {
			"GET /websocket/health HTTP/1.1\r\n\r\n", answer("", ""), said{Class: Asset, Path: "/websocket/health"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := play(t, ask(tc.request), tell(tc.response)).one(t)
			if diff := cmp.Diff(tc.want, saidOf(c)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEvidenceOfRequest(t *testing.T) {
	c := play(t, ask(request("/xmlrpc/2/object", asXML, xmlCall("execute_kw",
		param("db1")+param("<int>16</int>")+param("hunter22")+param("a &amp; b &#233;")+param("<dateTime.iso8601>20310102T03:04:05</dateTime.iso8601>")+param("<double>24.50</double>")+param("<nil/>")+param("<string/>"))))).one(t)
	for _, v := range []string{"db1", "16", "a & b é", "2031-01-02 03:04:05", "24.5"} {
		if !has(&c.Request, v) {
			t.Errorf("%q is missing", v)
		}
	}
	if has(&c.Request, "hunter22") {
		t.Error("the password was hashed")
	}
	c = play(t, ask(callKW("res.users", "write", `[[12],{"password":"hunter22","name":"l\u00e9on \ud83d\ude00","n":-12,"x":1.0}]`))).one(t)
	for _, v := range []string{"12", "léon 😀", "-12", "en_US"} {
		if !has(&c.Request, v) {
			t.Errorf("%q is missing", v)
		}
	}
	if has(&c.Request, "hunter22") || has(&c.Request, "name") {
		t.Error("a password or a key was hashed")
	}
}

func TestBodyHashRecognisesHops(t *testing.T) {
	body := `{"jsonrpc":"2.0","params":{}}`
	outer := play(t, ask(request("/mail/data?a=1", asJSON, body))).one(t)
	inner := play(t, ask("POST /mail/data?a=1 HTTP/1.0\r\nX-Forwarded-For: 192.0.2.9\r\n"+asJSON+"Transfer-Encoding: chunked\r\n\r\n"+chunked(body, 5, ""))).one(t)
	if outer.BodyHash == 0 || outer.BodyHash != inner.BodyHash {
		t.Errorf("hashes %x and %x differ", outer.BodyHash, inner.BodyHash)
	}
	if outer.Forwarded || !inner.Forwarded {
		t.Errorf("forwarded: %t, %t", outer.Forwarded, inner.Forwarded)
	}
	for _, other := range []string{request("/mail/data?a=2", asJSON, body), request("/mail/data?a=1", asJSON, body+" ")} {
		if c := play(t, ask(other)).one(t); c.BodyHash == outer.BodyHash {
			t.Error("another call has the same hash")
		}
	}
}
