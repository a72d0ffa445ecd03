package rpclog

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/perfd/perfd/jsontree"
)

const (
	asForm  = "Content-Type: application/x-www-form-urlencoded\r\n"
	asParts = "Content-Type: multipart/form-data; boundary=XyZ\r\n"
	parts   = "--XyZ\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nres.partner\r\n" +
		"--XyZ\r\nContent-Disposition: form-data; name=\"csrf_token\"\r\n\r\ncanary\r\n" +
		"--XyZ\r\nContent-Disposition: form-data; name=\"ufile\"; filename=\"a b.png\"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\ncanary\r\n--XyZ--\r\n"
)

func get(target string) string { return "GET " + target + " HTTP/1.1\r\nHost: a.example\r\n\r\n" }

// TestFields: queries and forms are kept by name, without their secrets.
func TestFields(t *testing.T) {
	const none = "query= fields= form= secret=false unread=false"
	for name, c := range map[string]struct{ ask, want string }{
		"query":      {get("/web/image?model=res.partner&id=7&field=image_128&debug"), `query=[["model","res.partner"],["id","7"],["field","image_128"],["debug",""]] fields= form= secret=false unread=false`},
		"none":       {get("/web/image/7"), none},
		"empty":      {get("/web/image/7?"), none},
		"escapes":    {get("/a?q=a%20b+c&q=%C3%A9#f"), `query=[["q","a b c"],["q","é"]] fields= form= secret=false unread=false`},
		"JSON":       {get("/report/pdf/x/1?context=%7B%22lang%22%3A%22en_US%22%2C%22access_token%22%3A%22canary%22%7D"), `query=[["context",{"lang":"en_US","access_token":"(secret)"}]] fields= form= secret=true unread=false`},
		"bad escape": {get("/a?q=%zz"), `query= fields= form= secret=false unread=true`},
		"no text":    {get("/a?q=%ff"), `query= fields= form= secret=false unread=true`},
		"tokens": {
			get("/my/orders/3?access_token=canary&redirect=%2Fa%3Ftoken%3Dcanary&x=0123456789abcdef0123456789&session_id=c&0123456789abcdef0123456789"),
			`query=[["access_token","(secret)"],["redirect","(secret)"],["x","(secret)"],["session_id","(secret)"],["(secret)",""]] fields= form= secret=true unread=false`,
		},
		"log-in":            {get("/web/login?redirect=%2Fodoo&login=bob"), `query= fields= form= secret=false unread=true`},
		"guarded model":     {get("/web/content?model=ir.mail_server&id=1&field=smtp_pass"), `query= fields= form= secret=false unread=true`},
		"form":              {request("/my/account", asForm, "name=Bob+B&new_password=canary&csrf_token=canary"), `query= fields=[["name","Bob B"],["new_password","(secret)"],["csrf_token","(secret)"]] form=urlencoded secret=true unread=false`},
		"form with query":   {request("/my/account?step=2", asForm, "name=Bob"), `query=[["step","2"]] fields=[["name","Bob"]] form=urlencoded secret=false unread=false`},
		"empty form":        {request("/my/account", asForm, ""), `query= fields=[] form=urlencoded secret=false unread=false`},
		"export":            {request("/web/export/csv", asForm, "data="+url.QueryEscape(`{"model":"res.partner","ids":[1,2]}`)+"&token=canary"), `query= fields=[["data",{"model":"res.partner","ids":[1,2]}],["token","(secret)"]] form=urlencoded secret=true unread=false`},
		"export of secrets": {request("/web/export/csv", asForm, "data="+url.QueryEscape(`{"a":{"model":"res.users.apikeys","ids":[1,2]}}`)), none},
		"log-in form":       {request("/web/login", asForm, "login=bob&password=canary"), none},
		"password form":     {request("/web/reset_password", asForm, "a=canary"), none},
		"payment":           {request("/payment/pay", asForm, "cc=canary"), none},
		"parts":             {request("/web/binary/upload_attachment", asParts, parts), `query= fields=[["model","res.partner"],["csrf_token","(secret)"],["ufile","",{"filename":"a b.png","type":"image/png","size":12}]] form=multipart secret=true unread=false`},
		"parts cut":         {request("/web/binary/upload_attachment", asParts, parts[:len(parts)-9]), none},
		"no parts":          {request("/web/binary/upload_attachment", asParts, "XyZ"), none},
		"JSON with query":   {request("/api/x?a=b&token=canary", asJSON, `{"name":"Bob"}`), `query=[["a","b"],["token","(secret)"]] fields= form= secret=true unread=false params={"name":"Bob"}`},
		"packed":            {request("/my/account", asForm+"Content-Encoding: gzip\r\n", "name=Bob"), none},
		"call with a query": {strings.Replace(callKW("m", "read", "[[3]]"), "/read HTTP", "/read?a=b HTTP", 1), none},
	} {
		t.Run(name, func(t *testing.T) {
			calls := keeping(t, Config{}, ask(c.ask), tell(answer("Content-Type: text/html\r\n", "<p>")))
			o := calls[0].Content
			got := fmt.Sprintf("query=%s fields=%s form=%s secret=%t unread=%t", o.Query, o.Fields, o.Form, o.Secret && o.Args == nil, o.Unread)
			if o.Params != nil {
				got += " params=" + string(o.Params)
			}
			if len(calls) != 1 || got != c.want || strings.Contains(got, "canary") || strings.Contains(calls[0].Path, "?") {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestFieldsAreBounded: a query or a form that is too long, of which bytes are missing, or that nobody wants, is not kept.
func TestFieldsAreBounded(t *testing.T) {
	long := strings.Repeat("a=b&", 2000)
	many := strings.Repeat("a&", maxFields+1)
	for name, c := range map[string]struct {
		cfg    Config
		events []event
		unread bool
	}{
		"long query":   {Config{KeepBytes: 100}, []event{ask(get("/a?" + long))}, true},
		"many queries": {Config{}, []event{ask(get("/a?" + many))}, true},
		"long form":    {Config{KeepBytes: 100}, []event{ask(request("/a", asForm, long))}, false},
		"many fields":  {Config{}, []event{ask(request("/a", asForm, many))}, false},
		"lost":         {Config{}, []event{ask(request("/a?a=b", asForm, "name=Bob"+long)[:200]), ask(long[:1000]).after(int64(len(long) - 1100))}, true},
	} {
		t.Run(name, func(t *testing.T) {
			calls := keeping(t, c.cfg, append(c.events, tell(answer("", "x")))...)
			if o := calls[0].Content; o.Query != nil || o.Fields != nil || o.Form != "" || o.Unread != c.unread {
				t.Errorf("got %s, %s, %s, %t", o.Query, o.Fields, o.Form, o.Unread)
			}
		})
	}
	r := &recorder{}
	d := New(Config{Keep: func(*Call) Keep { return KeepAnswer }}, r)
	run(d, testConn, nil, ask(get("/a?name=Bob")), tell(answer("", "x")))
	if o := r.calls[0].Content; d.kept != 0 || o.Query != nil || !o.Unread {
		t.Errorf("%d bytes are left, got %+v", d.kept, o)
	}
}

// TestFieldsStayWhatTheyWere: whatever names and values a form has, without a secret among them they are kept.
func TestFieldsStayWhatTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[ -~é]{0,12}`)
		var in []string
		for range rapid.IntRange(1, 5).Draw(t, "fields") {
			name := rapid.StringMatching(`[a-d][ -~é]{0,3}`).Draw(t, "name")
			in = append(in, url.QueryEscape(name)+"="+url.QueryEscape("v"+text.Draw(t, "value")))
		}
		v, err := fieldsOf([]byte(strings.Join(in, "&")))
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for i := range v.Items {
			if v.Items[i].Item(1).Kind != jsontree.String {
				t.Fatal(v.Items[i])
			}
			out = append(out, url.QueryEscape(v.Items[i].Item(0).Text)+"="+url.QueryEscape(v.Items[i].Item(1).Text))
		}
		if strings.Join(in, "&") != strings.Join(out, "&") {
			t.Fatalf("%q became %q", in, out)
		}
	})
}

// TestDatabaseUUID: the database's uuid is told where an answer has it, and nothing else of such an answer.
func TestDatabaseUUID(t *testing.T) {
	const uuid = "0a1b2c3d-1111-2222-3333-444455556666"
	ok := func(result string) string { return answer(asJSON, `{"jsonrpc":"2.0","id":1,"result":`+result+`}`) }
	for name, c := range map[string]struct{ ask, tell, want string }{
		"get_param": {callKW("ir.config_parameter", "get_param", `["database.uuid"]`), ok(`"` + uuid + `"`), uuid},
		"another":   {callKW("ir.config_parameter", "get_param", `["database.secret"]`), ok(`"` + uuid + `"`), ""},
		"no uuid":   {callKW("ir.config_parameter", "get_param", `["database.uuid"]`), ok(`"canary"`), ""},
		"rows":      {callKW("ir.config_parameter", "search_read", `[[],["key","value"]]`), ok(`[{"key":"database.secret","value":"canary"},{"key":"database.uuid","value":"` + strings.ToUpper(uuid) + `"}]`), uuid},
		"records":   {callKW("ir.config_parameter", "web_search_read", `[]`), ok(`{"records":[{"key":"database.uuid","value":"` + uuid + `"}]}`), uuid},
		"account":   {request("/web/session/account", asJSON, `{"jsonrpc":"2.0","params":{}}`), ok(`"https://accounts.example/auth?response_type=token&client_id=` + uuid + `&scope=userinfo"`), uuid},
		"elsewhere": {callKW("res.partner", "read", `["database.uuid"]`), ok(`"` + uuid + `"`), ""},
		"an error":  {callKW("ir.config_parameter", "get_param", `["database.uuid"]`), answer(asJSON, `{"jsonrpc":"2.0","error":{"code":200,"message":"m"}}`), ""},
		"xmlrpc": {
			request("/xmlrpc/2/object", asXML, xmlCall("execute_kw", param("db")+param("<int>2</int>")+param("pw")+param("ir.config_parameter")+param("get_param")+param("<array><data><value>database.uuid</value></data></array>"))),
			answer(asXML, "<methodResponse><params><param><value>"+uuid+"</value></param></params></methodResponse>"), uuid,
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := keeping(t, Config{}, ask(c.ask), tell(c.tell))[0].Content
			if o.DatabaseUUID != c.want || strings.Contains(o.String(), "canary") {
				t.Errorf("got %q, %s", o.DatabaseUUID, o)
			}
		})
	}
}
