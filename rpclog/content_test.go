package rpclog

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/perfd/perfd/capture"
)

// keeping plays events to a decoder that keeps everything and returns the calls.
func keeping(t *testing.T, cfg Config, events ...event) []*Call {
	t.Helper()
	r := &recorder{}
	cfg.Keep = func(*Call) Keep { return KeepRequest | KeepAnswer }
	d := New(cfg, r)
	run(d, testConn, nil, events...)
	r.check(t)
	if d.kept != 0 {
		t.Errorf("%d bytes are kept of nothing", d.kept)
	}
	return r.calls
}

// say writes a content in one line.
func (o *Content) String() string {
	if o == nil {
		return "none"
	}
	text := fmt.Sprintf("args=%s kwargs=%s params=%s result=%s secret=%t", o.Args, o.Kwargs, o.Params, o.Result, o.Secret)
	if o.Form != "" {
		text += " form=" + o.Form
	}
	return text
}

const sessionHeader = "Authorization: Session YWxpY2U6MjphYmNkZWY=\r\n"

func TestContent(t *testing.T) {
	const nothing = "args= kwargs= params= result= secret=false"
	ok := func(result string) string { return answer(asJSON, `{"jsonrpc":"2.0","id":1,"result":`+result+`}`) }
	svc := func(service, method, args string) string {
		return request("/jsonrpc", asJSON, `{"jsonrpc":"2.0","method":"call","params":{"service":"`+service+`","method":"`+method+`","args":`+args+`}}`)
	}
	for name, c := range map[string]struct{ ask, tell, want string }{
		"call_kw": {
			callKW("res.partner", "read", `[[3, 4],["name"]]`), ok(`[{"id": 3, "name":"Bé"}]`),
			`args=[[3,4],["name"]] kwargs={"context":{"lang":"en_US","uid":9}} params= result=[{"id":3,"name":"Bé"}] secret=false`,
		},
		"route": {
			request("/web/action/load", asJSON, `{"jsonrpc":"2.0","params":{"action_id":7}}`), ok(`{"type":"x"}`),
			`args= kwargs= params={"action_id":7} result={"type":"x"} secret=false`,
		},
		"no result":  {callKW("res.partner", "write", `[[3],{}]`), answer(asJSON, `{"jsonrpc":"2.0","id":1}`), `args=[[3],{}] kwargs={"context":{"lang":"en_US","uid":9}} params= result=null secret=false`},
		"an error":   {callKW("res.partner", "write", `[[3],{}]`), answer(asJSON, `{"jsonrpc":"2.0","error":{"code":200,"message":"m"}}`), `args=[[3],{}] kwargs={"context":{"lang":"en_US","uid":9}} params= result= secret=false`},
		"execute_kw": {svc("object", "execute_kw", `["db",2,"pw","res.partner","read",[[1]],{"fields":["name"]}]`), ok(`[]`), `args=[[1]] kwargs={"fields":["name"]} params= result=[] secret=false form=execute_kw`},
		"execute":    {svc("object", "execute", `["db",2,"pw","res.partner","read",[1],["name"]]`), ok(`[]`), `args=[[1],["name"]] kwargs= params= result=[] secret=false form=execute`},
		"a slash more": {
			request("/jsonrpc/", asJSON, `{"jsonrpc":"2.0","method":"call","params":{"service":"object","method":"execute_kw","args":["db",2,"pw","res.partner","read",[[1]]]}}`),
			ok(`[]`), `args=[[1]] kwargs= params= result=[] secret=false form=execute_kw`,
		},
		"authenticate, a slash more": {request("/web/session/authenticate/", asJSON, `{"jsonrpc":"2.0","params":{"db":"d","login":"a","password":"pw"}}`), ok(`{"uid":2}`), nothing},
		"execute short":              {svc("object", "execute_kw", `["db",2,"pw"]`), ok(`[]`), `args= kwargs= params= result=[] secret=false`},
		"workflow":                   {svc("object", "exec_workflow", `["db",2,"pw","res.partner","signal",7]`), ok(`[]`), `args= kwargs= params= result=[] secret=false`},
		"version":                    {svc("common", "version", `[]`), ok(`{"v":1}`), `args=[] kwargs= params= result={"v":1} secret=false`},
		"login":                      {svc("common", "login", `["db","admin","pw"]`), ok(`2`), nothing},
		"db":                         {svc("db", "dump", `["master","db","zip"]`), ok(`"x"`), nothing},
		"authenticate":               {request("/web/session/authenticate", asJSON, `{"jsonrpc":"2.0","params":{"db":"d","login":"a","password":"pw"}}`), ok(`{"uid":2}`), nothing},
		"apikey":                     {callKW("res.users.apikeys.description", "make_key", `[[1]]`), ok(`{"context":{"default_key":"abc"}}`), nothing},
		"parameter":                  {callKW("ir.config_parameter", "read", `[[1],["value"]]`), ok(`[{"value":"abc"}]`), nothing},
		"application":                {request("/db/user/application/", asJSON, `{"user":"admin","application":"x"}`), answer(asJSON, `"a-key"`), nothing},
		"payment":                    {request("/payment/transaction/3", asJSON, `{"jsonrpc":"2.0","params":{"reference":"a"}}`), ok(`{}`), nothing},
		"login page":                 {request("/web/login/token", asJSON, `{"jsonrpc":"2.0","params":{"reference":"a"}}`), ok(`{}`), nothing},
		"password":                   {callKW("res.users", "change_password", `["old","new"]`), ok(`true`), nothing},
		"json2": {
			request("/json/2/res.partner/read", asJSON+"Authorization: bearer abc\r\n", `{"ids":[1],"fields":["name"],"context":{}}`), answer(asJSON, `[{"id":1}]`),
			`args= kwargs={"ids":[1],"fields":["name"],"context":{}} params= result=[{"id":1}] secret=false`,
		},
		"tryton": {
			request("/db/", asJSON+sessionHeader, `{"id":1,"method":"model.party.party.read","params":[[1],["name"],{"company":1}]}`), answer(asJSON, `{"id":1,"result":[{"id":1,"name":"x"}]}`),
			`args=[[1],["name"],{"company":1}] kwargs= params= result=[{"id":1,"name":"x"}] secret=false`,
		},
		"tryton login": {request("/db/", asJSON, `{"id":1,"method":"common.db.login","params":["alice",{"password":"pw"},"en"]}`), answer(asJSON, `{"id":1,"result":[2,"abc"]}`), nothing},
		"xmlrpc": {
			request("/xmlrpc/2/object", asXML, xmlCall("execute_kw", param("db")+param("<int>2</int>")+param("pw")+param("res.partner")+param("read")+param("<array><data><value><int>1</int></value></data></array>"))),
			answer(asXML, "<methodResponse><params><param><value><array><data><value><i4>5</i4></value></data></array></value></param></params></methodResponse>"),
			`args=[1] kwargs= params= result=[5] secret=false form=execute_kw`,
		},
		"xmlrpc secret": {
			request("/xmlrpc/2/object", asXML, xmlCall("execute", param("db")+param("<int>2</int>")+param("pw")+param("res.users")+param("write")+param("<int>3</int>")+
				param("<struct><member><name>password</name><value><string>canary</string></value></member></struct>"))),
			answer(asXML, "<methodResponse><params><param><value><boolean>1</boolean></value></param></params></methodResponse>"),
			`args=[3,{"password":"(secret)"}] kwargs= params= result=true secret=true form=execute`,
		},
		"xmlrpc login": {request("/xmlrpc/2/common", asXML, xmlCall("login", param("db")+param("admin")+param("pw"))), answer(asXML, "<methodResponse><params><param><value><int>2</int></value></param></params></methodResponse>"), nothing},
		"compressed":   {callKW("res.partner", "read", `[[3]]`), answer(asJSON+"Content-Encoding: gzip\r\n", compressed(t, "gzip", `{"jsonrpc":"2.0","result":[1]}`)), `args=[[3]] kwargs={"context":{"lang":"en_US","uid":9}} params= result=[1] secret=false`},
		"corrupt":      {callKW("res.partner", "read", `[[3]]`), answer(asJSON+"Content-Encoding: gzip\r\n", "no gzip at all"), `args=[[3]] kwargs={"context":{"lang":"en_US","uid":9}} params= result= secret=false`},
		"no JSON":      {callKW("res.partner", "read", `[[3]`), ok(`NaN`), nothing},
		"secrets": {
			callKW("res.users", "write", `[[3],{"login":"bob","new_password":"pw","totp_secret":12345,"session_id":7,"access_token":false}]`), ok(`[{"url":"https://a/b?access_token=abc","x":"1=2"},{"csrf_token":"t","o":{"session_id":"abcdefghijklmnopqrstuvwxyz"}}]`),
			`args=[[3],{"login":"bob","new_password":"(secret)","totp_secret":"(secret)","session_id":7,"access_token":false}] kwargs={"context":{"lang":"en_US","uid":9}} params= result=[{"url":"(secret)","x":"1=2"},{"csrf_token":"(secret)","o":{"session_id":"(secret)"}}] secret=true`,
		},
		"secret in a domain": {
			callKW("sale.order", "search", `[["&",["order_id.access_token","=","abc"],["name","ilike","a"]]]`), ok(`[]`),
			`args=[["&",["order_id.access_token","=","(secret)"],["name","ilike","a"]]] kwargs={"context":{"lang":"en_US","uid":9}} params= result=[] secret=true`,
		},
		"specification": {
			callKW("sale.order", "web_read", `[[1],{"access_token":{},"password":{"fields":{}}}]`), ok(`[]`),
			`args=[[1],{"access_token":{},"password":{"fields":{}}}] kwargs={"context":{"lang":"en_US","uid":9}} params= result=[] secret=false`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			calls := keeping(t, Config{}, ask(c.ask), tell(c.tell))
			if len(calls) != 1 || calls[0].Content.String() != c.want {
				t.Errorf("got  %v\nwant %s", calls[0].Content, c.want)
			}
		})
	}
}

// TestContentIsWholeOrNil: what is not whole, or too long, is not kept; the calls beside it are.
func TestContentIsWholeOrNil(t *testing.T) {
	body := `{"jsonrpc":"2.0","result":[` + strings.Repeat("1,", 300) + `1]}`
	whole := answer(asJSON, body)
	for name, c := range map[string]struct {
		cfg    Config
		events []event
		args   bool
		result bool
	}{
		"whole":           {Config{}, []event{ask(callKW("m", "read", "[[3]]")), tell(whole)}, true, true},
		"in pieces":       {Config{}, []event{ask(callKW("m", "read", "[[3]]")), tell(whole[:100]), tell(whole[100:200]), tell(whole[200:])}, true, true},
		"answer lost":     {Config{}, []event{ask(callKW("m", "read", "[[3]]")), tell(whole[:200]), tell(whole[300:]).after(100)}, true, false},
		"answer cut":      {Config{}, []event{ask(callKW("m", "read", "[[3]]")), tell(whole[:200])}, true, false},
		"request lost":    {Config{}, []event{ask(callKW("m", "read", "[[3]]")[:250]), ask(callKW("m", "read", "[[3]]")[260:]).after(10), tell(whole)}, false, true},
		"answer too long": {Config{KeepBytes: 300}, []event{ask(callKW("m", "read", "[[3]]")), tell(whole)}, true, false},
		"all too long":    {Config{KeepBytes: 10}, []event{ask(callKW("m", "read", "[[3]]")), tell(whole)}, false, false},
		"too many":        {Config{KeepTotal: 300}, []event{ask(callKW("m", "read", "[[3]]")), tell(whole)}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			got := keeping(t, c.cfg, c.events...)[0].Content
			if (got.Args != nil) != c.args || (got.Result != nil) != c.result {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestContentIsChosen(t *testing.T) {
	r := &recorder{}
	d := New(Config{Keep: func(c *Call) Keep {
		switch c.Method {
		case "read":
			return KeepRequest
		case "search":
			return KeepAnswer
		}
		return 0
	}}, r)
	var events []event
	for _, m := range []string{"read", "search", "write"} {
		events = append(events, ask(callKW("m", m, "[[3]]")), tell(answer(asJSON, okBody)))
	}
	run(d, testConn, nil, events...)
	var got []string
	for _, c := range r.calls {
		got = append(got, c.Content.String())
	}
	want := []string{`args=[[3]] kwargs={"context":{"lang":"en_US","uid":9}} params= result= secret=false`, `args= kwargs= params= result=[1] secret=false`, "none"}
	if d.kept != 0 || len(got) != 3 || got[0] != want[0] || !strings.HasPrefix(got[1], "args= kwargs= params= result=") || got[1] == got[2] || got[2] != want[2] {
		t.Errorf("%d bytes are left, got %q", d.kept, got)
	}
}

// FuzzContent plays hostile streams with and without keeping.
func FuzzContent(f *testing.F) {
	f.Add([]byte(callKW("res.partner", "read", "[[3]]")), []byte(answer(asJSON, okBody)), uint8(9))
	f.Add([]byte(request("/xmlrpc/2/object", asXML, xmlCall("execute", param("db")+param("<int>2</int>")))), []byte(answer(asXML, "<methodResponse/>")), uint8(50))
	f.Add([]byte(request("/jsonrpc", asJSON, `{"jsonrpc":"2.0","params":{"service":"object","method":"execute_kw","args":[1,2,3,4,5,6]}}`)), []byte(answer(asJSON, `{"result":{"password":["a",{"b":[["token","=",1]]}]}}`)), uint8(255))
	f.Add([]byte("GET /web/image?model=res.partner&id=3&data={%22a%22:[1]} HTTP/1.1\r\n\r\n"+request("/my/account", asForm, "name=Bob&csrf_token=abc")), []byte(answer("", "x")+answer("", "y")), uint8(7))
	f.Add([]byte(request("/web/binary/upload?a=b", asParts, parts)), []byte(answer(asJSON, "{}")), uint8(90))
	f.Fuzz(func(t *testing.T, up, down []byte, cut uint8) {
		if len(up)+len(down) > 1<<15 {
			return
		}
		play := func(keep bool) (string, *Decoder) {
			r, cfg := &recorder{}, Config{DecodedBytes: 1 << 16, KeepBytes: 1 << 12}
			if keep {
				cfg.Keep = func(*Call) Keep { return KeepRequest | KeepAnswer }
			}
			d := New(cfg, r)
			s := d.NewStream(testConn)
			for _, side := range []struct {
				dir capture.Dir
				b   []byte
			}{{capture.ToServer, up}, {capture.ToClient, down}} {
				for part := range slices.Chunk(slices.Clone(side.b), int(cut)+1) {
					s.Chunk(capture.Chunk{Dir: side.dir, Time: epoch, Data: part})
				}
			}
			s.Close(epoch)
			return r.String(), d
		}
		plain, _ := play(false)
		kept, d := play(true)
		if plain != kept || d.kept != 0 {
			t.Errorf("%d bytes are left; keeping matters:\n%s\n%s", d.kept, plain, kept)
		}
	})
}
