package rpclog

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestPaths(t *testing.T) {
	d := New(Config{}, nil)
	for target, want := range map[string]string{
		"/web":                        "/web",
		"/web/login?redirect=x#y":     "/web/login",
		"https://u:p@a.example/x/y?z": "/x/y",
		"https://a.example":           "/",
		"?x":                          "",
		"https://a.example/x/deadbeefdeadbeefdeadbeef?y": "/x/deadbeefdeadbeefdeadbeef",
		"*":             "*",
		"a.example:443": "",
		"/my/orders/12": "/my/orders/12",
		"/my/orders/12/4f0c3b6e-95a1-4c6f-9b2d-0d9b1a5f7c11":                   "/my/orders/12/:token",
		"/web/signup/AbCdEfGhIjKlMnOpQrStUv":                                   "/web/signup/:token",
		"/x/deadbeefdeadbeefdeadbeef":                                          "/x/deadbeefdeadbeefdeadbeef", // words only: no digit, no capital
		"/x/DEADBEEFdeadbeefdeadbeef12/y":                                      "/x/:token/y",
		"/blog/our-blog-1/post/how-we-doubled-our-sales-23":                    "/blog/our-blog-1/post/how-we-doubled-our-sales-23",
		"/web/dataset/call_kw/account.move.v2Line/action_X1_very_long_name_Y2": "/web/dataset/call_kw/account.move.v2Line/action_X1_very_long_name_Y2",
		"/json/2/res.partner/action_X1_very_long_name_Y2":                      "/json/2/res.partner/action_X1_very_long_name_Y2",
		"/a/%73%65%63%72%65%74%73%65%63%72%65%74":                              "/a/:token",
	} {
		if got := string(d.path([]byte(target))); got != want {
			t.Errorf("path of %q is %q, want %q", target, got, want)
		}
	}
	if n := len(d.path([]byte("/A" + strings.Repeat("/a1", 5000)))); n > maxPath {
		t.Errorf("a path of %d bytes is kept", n)
	}
	if n := len(d.path([]byte(strings.Repeat("/a", 5000)))); n > maxPath {
		t.Errorf("a path of %d bytes is kept", n)
	}
}

// TestSecretsStay sends a canary through every route by which secrets travel and looks for it in all that
// leaves the package.
func TestSecretsStay(t *testing.T) {
	const canary = "Zx9CANARYq7Zx9CANARYq7"
	refused := answer(asJSON, `{"jsonrpc":"2.0","error":{"code":200,"message":"`+canary+`","data":{"name":"`+canary+` x","debug":"`+canary+`","message":"`+canary+`","arguments":["`+canary+`"]}}}`)
	granted := answer(asJSON+"Set-Cookie: session_id="+canary+"; Path=/\r\nX-Token: "+canary+"\r\n", `{"jsonrpc":"2.0","result":"`+canary+`"}`)
	fault := answer(asXML, `<methodResponse><fault><value><struct><member><name>faultCode</name><value><string>`+canary+` said</string></value></member><member><name>faultString</name><value><string>`+canary+`</string></value></member></struct></value></fault></methodResponse>`)
	object := `["db",2,"` + canary + `","a.b","c",["` + canary + `"],{"k":"` + canary + `"}]`
	for name, req := range map[string]string{
		"execute_kw":     request("/jsonrpc", asJSON, service("object", "execute_kw", object)),
		"login":          request("/jsonrpc", asJSON, service("common", "login", `["db","alice","`+canary+`"]`)),
		"db":             request("/jsonrpc", asJSON, service("db", "create_database", `["`+canary+`","new",false,"en","`+canary+`"]`)),
		"db, odd":        request("/jsonrpc", asJSON, service("whatever", "create_database", `["`+canary+`","`+canary+`",0,"`+canary+`","`+canary+`"]`)),
		"xmlrpc":         request("/xmlrpc/2/object", asXML, xmlCall("execute", param("db")+param("<int>2</int>")+param(canary)+param("a.b")+param("c"))),
		"xmlrpc login":   request("/xmlrpc/2/common", asXML, xmlCall("login", param("db")+param("alice")+param(canary))),
		"xmlrpc db":      request("/xmlrpc/db", asXML, xmlCall("drop", param(canary)+param("db"))),
		"authenticate":   request("/web/session/authenticate", asJSON, `{"jsonrpc":"2.0","params":{"db":"db","login":"`+canary+`","password":"`+canary+`"}}`),
		"change":         request("/web/session/change_password", asJSON, `{"jsonrpc":"2.0","params":{"fields":[{"name":"old_pwd","value":"`+canary+`"}]}}`),
		"form":           request("/web/login", "Content-Type: application/x-www-form-urlencoded\r\n", "login=alice&password="+canary+"&csrf_token="+canary),
		"database":       request("/web/database/drop", asJSON, `{"jsonrpc":"2.0","params":{"master_pwd":"`+canary+`"}}`),
		"query":          "GET /web/reset_password?token=" + canary + "&db=x HTTP/1.1\r\n\r\n",
		"path":           "GET /my/invoices/7/" + canary + "/pdf HTTP/1.1\r\n\r\n",
		"userinfo":       "GET http://x:" + canary + "@a.example/web HTTP/1.1\r\n\r\n",
		"connect":        "CONNECT " + canary + ":443 HTTP/1.1\r\n\r\n",
		"cookie":         "GET /web HTTP/1.1\r\nCookie: session_id=" + canary + "; x=" + canary + "\r\n\r\n",
		"basic":          "GET /web HTTP/1.1\r\nAuthorization: Basic " + canary + "\r\n\r\n",
		"bearer":         request("/json/2/a.b/c", asJSON+"Authorization: bearer "+canary+"\r\n", `{"ids":[1],"x":"`+canary+`"}`),
		"tryton login":   request("/tryton/", asJSON, `{"id":1,"method":"common.db.login","params":["alice",{"password":"`+canary+`"},"en"]}`),
		"tryton session": request("/tryton/", asJSON+"Authorization: Session YWxpY2U6MjpaeDlDQU5BUllxN1p4OUNBTkFSWXE3\r\n", `{"id":1,"method":"model.a.b","params":["`+canary+`"]}`),
		"folded":         "GET /web HTTP/1.1\r\nX: y\r\n " + canary + "\r\n\r\n",
		"malformed":      "GET /web HTTP/1.1\r\n" + canary + "\r\nContent-Length: " + canary + "\r\n\r\n",
		"a model":        request("/web/dataset/call_kw", asJSON, `{"jsonrpc":"2.0","params":{"model":"the `+canary+`","method":"and `+canary+`"}}`),
	} {
		for _, res := range []string{refused, granted, fault, answer("Content-Type: text/html\r\n", canary)} {
			r := &recorder{}
			d := New(Config{}, r)
			run(d, testConn, nil, ask(req), tell(res))
			for _, c := range r.calls {
				d.Identify(c)
			}
			out, err := json.Marshal(r.calls)
			if err != nil {
				t.Fatal(err)
			}
			all := string(out) + r.String() + fmt.Sprintf("%+v %+v", d.Stats(), r.calls)
			if strings.Contains(all, "CANARY") {
				t.Errorf("%s: the canary got out: %s", name, all)
			}
		}
	}
}
