package export

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/perfd/perfd/client/xmlrpc"
	"github.com/perfd/perfd/replay/load"
)

// memory is a load by hand.
type memory struct {
	header load.Header
	calls  []load.Call
}

func (m *memory) Header() load.Header { return m.header }

func (m *memory) Session(id string) (load.Session, bool) {
	switch id {
	case "visitor":
		return load.Session{ID: id, Transport: "http", Anonymous: true}, true
	case "rpc":
		return load.Session{ID: id, Login: id, Transport: "jsonrpc", Anonymous: true}, true
	}
	return load.Session{ID: id, Login: "login of " + id, Transport: "jsonrpc"}, true
}

func (m *memory) Next() (load.Call, error) {
	if len(m.calls) == 0 {
		return load.Call{}, io.EOF
	}
	c := m.calls[0]
	m.calls = m.calls[1:]
	return c, nil
}

const evil = "</script><script>alert(1)</script>\u2028*/');alert(`${1}`);//\"\\\n"

func odoo(calls ...load.Call) *memory {
	m := &memory{header: load.Header{Product: "odoo", Database: "prod" + evil, Arguments: true, Start: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}}
	for i, c := range calls {
		c.Seq, c.At, c.Duration = int64(i+1), time.Duration(i)*time.Second, 20*time.Millisecond
		if c.Session == "" {
			c.Session = "s1"
		}
		if c.Transport == "" {
			c.Transport = "jsonrpc"
		}
		if c.Status == 0 {
			c.Status = 200
		}
		m.calls = append(m.calls, c)
	}
	return m
}

func read(args string) load.Call {
	return load.Call{Verb: "POST", Path: "/web/dataset/call_kw/res.partner/read", Model: "res.partner", Method: "read", Args: json.RawMessage(args)}
}

func calls() *memory {
	write := read(`[[1],{"name":"x"}]`)
	write.Method, write.Path = "write", "/web/dataset/call_kw/res.partner/write"
	danger := read(`[[1]]`)
	danger.Model, danger.Method, danger.Path = "mail.mail", "send", "/web/dataset/call_kw/mail.mail/send"
	bare := read("")
	bare.Args, bare.Lacks = nil, "arguments"
	keyed := read(`[[7],["name"]]`)
	keyed.Path, keyed.Service, keyed.Session = "/jsonrpc", "object", "s2"
	xml := read(`[[1]]`)
	xml.Transport, xml.Path, xml.Service = "xmlrpc", "/xmlrpc/2/object", "object"
	form := load.Call{Transport: "http", Verb: "POST", Path: "/web/export/csv", Fields: json.RawMessage(`[["a","b"]]`), Form: load.FormURLEncoded}
	climbs := load.Call{Transport: "http", Verb: "GET", Path: "/web/image/../../etc/passwd"}
	host := load.Call{Transport: "http", Verb: "GET", Path: "//evil.example/x"}
	at := load.Call{Transport: "http", Verb: "GET", Path: "@evil.example/x"}
	hostile := read(`[[1],{"__proto__":{"x":1},"a":"</script>"}]`)
	hostile.Path, hostile.Session = "/web/dataset/call_kw/res.partner/rea'd", evil
	return odoo(read(`[[1],["name"]]`), write, danger, bare, keyed, xml, climbs, host, at, hostile, form)
}

var wantLeft = map[string]int64{LeftWrite: 2, LeftDangerous: 1, LeftArguments: 1, LeftExcluded: 3}

func TestHAR(t *testing.T) {
	var out bytes.Buffer
	done, err := HAR(&out, calls(), "https://staging.example:8069", Config{Version: "1.2"})
	if err != nil {
		t.Fatal(err)
	}
	if done.Calls != 4 || done.Sessions != 3 || !reflect.DeepEqual(done.Left, wantLeft) {
		t.Errorf("%+v", done)
	}
	var har struct {
		Log struct {
			Version string
			Creator struct{ Name, Version string }
			Entries []struct {
				StartedDateTime time.Time
				Time            float64
				Request         struct {
					Method, URL string
					PostData    struct{ MimeType, Text string }
				}
				Response struct{ Status int }
				Timings  struct{ Send, Wait, Receive float64 }
			}
		}
	}
	if err := json.Unmarshal(out.Bytes(), &har); err != nil {
		t.Fatal(err)
	}
	if har.Log.Version != "1.2" || har.Log.Creator.Name != "perfd" || len(har.Log.Entries) != 4 {
		t.Fatalf("%+v", har.Log)
	}
	e := har.Log.Entries[0]
	if e.Request.URL != "https://staging.example:8069/web/dataset/call_kw/res.partner/read" || e.Time != 20 || e.Timings.Wait+e.Timings.Receive != 20 ||
		!e.StartedDateTime.Equal(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)) || e.Response.Status != 200 {
		t.Errorf("%+v", e)
	}
	want := `{"jsonrpc":"2.0","method":"call","id":1,"params":{"model":"res.partner","method":"read","args":[[1],["name"]],"kwargs":{}}}`
	if e.Request.PostData.Text != want {
		t.Errorf("body %s\nwant %s", e.Request.PostData.Text, want)
	}
	if text := har.Log.Entries[1].Request.PostData.Text; !strings.Contains(text, `"args":["DATABASE",0,"PASSWORD","res.partner","read",[[7],["name"]],{}]`) {
		t.Errorf("a call with its key: %s", text)
	}
	for _, e := range har.Log.Entries {
		if u, err := url.Parse(e.Request.URL); err != nil || u.Host != "staging.example:8069" || !json.Valid([]byte(e.Request.PostData.Text)) && e.Request.PostData.MimeType != "text/xml" {
			t.Errorf("%s %s", e.Request.URL, e.Request.PostData.Text)
		}
	}
	for _, base := range []string{"ftp://x", "http://", "http://user:secret@x", "x"} {
		if _, err := HAR(io.Discard, odoo(), base, Config{}); err == nil {
			t.Errorf("%s is taken for a server", base)
		}
	}
}

func TestK6(t *testing.T) {
	var out bytes.Buffer
	done, err := K6(&out, calls(), Config{Name: "day" + evil, Version: "1.2", Writes: true})
	if err != nil {
		t.Fatal(err)
	}
	if file := os.Getenv("PERFD_K6"); file != "" {
		if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if done.Calls != 6 || done.Sessions != 3 || done.Left[LeftWrite] != 0 || done.Left[LeftForm] != 0 || done.Left[LeftDangerous] != 1 {
		t.Errorf("%+v", done)
	}
	script := out.String()
	before, after, ok := strings.Cut(script, k6Program)
	if !ok {
		t.Fatal("the program is not in the script")
	}
	// Around the program there are comments, one string and the sessions, each of which is one line of one string.
	before += after
	session := regexp.MustCompile(`^    JSON\.parse\((".*")\),$`)
	other := regexp.MustCompile(`^(// [^\x00-\x1f\x{2028}\x{2029}]*|  return \{ database: "[^"\x{2028}]*(\\"[^"]*)*", calls: \d+, sessions: \d+, lasts: \d+ \};|function \w+\(\) \{|  return \[|  \];|\}|)$`)
	var sessions []k6Session
	for _, line := range strings.Split(strings.TrimSpace(before), "\n") {
		m := session.FindStringSubmatch(line)
		if m == nil {
			if !other.MatchString(line) {
				t.Errorf("a line that is none: %q", line)
			}
			continue
		}
		var text string
		var s k6Session
		if err := json.Unmarshal([]byte(m[1]), &text); err != nil {
			t.Fatalf("%v in %s", err, m[1])
		}
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		sessions = append(sessions, s)
	}
	if len(sessions) != 3 || len(sessions[0].Calls) != 4 || sessions[0].Login != "login of s1" || sessions[1].Calls[0].At != 4000 || sessions[1].Calls[0].Kind != "keyed" {
		t.Errorf("%+v", sessions)
	}
	for _, harm := range []string{"</script>", "\u2028", "alert(`"} {
		if strings.Contains(strings.ReplaceAll(before, `alert(`+"`"+`${1}`+"`"+`)`, ""), harm) {
			t.Errorf("%q stands in the script", harm)
		}
	}
}

// TestForms: what goes out is in the form that it had, with places for who the user is.
func TestForms(t *testing.T) {
	call := func(transport, service, method, form, args, kwargs string) load.Call {
		c := load.Call{Transport: transport, Service: service, Method: method, Form: form, Verb: "POST", Path: "/jsonrpc", Args: json.RawMessage(args)}
		if service == "object" {
			c.Model = "res.partner"
		}
		if kwargs != "" {
			c.Kwargs = json.RawMessage(kwargs)
		}
		return c
	}
	list := []load.Call{
		call("xmlrpc", "object", "read", "execute_kw", `[[1],["a<b"]]`, `{"limit":5}`), call("xmlrpc", "object", "read", "execute", `[[1],["name"]]`, ""), call("xmlrpc", "object", "read", "", `[[1]]`, ""),
		call("xmlrpc", "common", "version", "", ``, ""), call("xmlrpc", "object", "read", "", `["\u0001"]`, ""), call("xmlrpc", "report", "read", "", `[]`, ""),
		call("jsonrpc", "object", "read", "execute", `[[1], ["name"]]`, ""), call("jsonrpc", "object", "read", "execute", `[]`, ""), call("jsonrpc", "common", "version", "", `[]`, ""),
		{Transport: "http", Verb: "GET", Path: "/web/image", Query: json.RawMessage(`[["model","res.partner"],["data",{"a":"b & c"}],["db","prod"]]`)},
		{Transport: "http", Verb: "GET", Path: "/web/image", Query: json.RawMessage(`[["access_token","(secret)"]]`)},
		{Transport: "http", Verb: "GET", Path: "/web/image", Lacks: "query"},
	}
	list[3].Path, list[0].Path, list[1].Path = "/xmlrpc/2/common", "/xmlrpc/2/object", "/xmlrpc/object"
	var out bytes.Buffer
	done, err := HAR(&out, odoo(list...), "http://server", Config{})
	if err != nil || done.Calls != 8 || done.Left[LeftForm] != 1 || done.Left[LeftExcluded] != 1 || done.Left[LeftArguments] != 2 {
		t.Fatalf("%+v, %v", done, err)
	}
	var har struct {
		Log struct {
			Entries []struct {
				Request struct {
					URL         string
					QueryString []header
					PostData    struct{ MimeType, Text string }
				}
			}
		}
	}
	if err := json.Unmarshal(out.Bytes(), &har); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range har.Log.Entries {
		text := e.Request.PostData.Text
		if e.Request.PostData.MimeType == "text/xml" {
			method, params, err := xmlrpc.Call([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			text = fmt.Sprint(method, params)
		}
		got = append(got, strings.TrimSpace(strings.TrimPrefix(e.Request.URL, "http://server")+" "+text)+strings.TrimPrefix(fmt.Sprint(e.Request.QueryString), "[]"))
	}
	jsonRPC := func(id int, rest string) string {
		return fmt.Sprintf(`/jsonrpc {"jsonrpc":"2.0","method":"call","id":%d,"params":{"service":%s}}`, id, rest)
	}
	want := []string{
		"/xmlrpc/2/object execute_kw[DATABASE 0 PASSWORD res.partner read [[1] [a<b]] map[limit:5]]",
		"/xmlrpc/object execute[DATABASE 0 PASSWORD res.partner read [1] [name]]",
		"/xmlrpc/2/object execute_kw[DATABASE 0 PASSWORD res.partner read [[1]]]",
		"/xmlrpc/2/common version[]",
		jsonRPC(7, `"object","method":"execute","args":["DATABASE",0,"PASSWORD","res.partner","read",[1], ["name"]]`),
		jsonRPC(8, `"object","method":"execute","args":["DATABASE",0,"PASSWORD","res.partner","read"]`),
		jsonRPC(9, `"common","method":"version","args":[]`),
		"/web/image?model=res.partner&data=%7B%22a%22%3A%22b+%26+c%22%7D[{model res.partner} {data {\"a\":\"b & c\"}}]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	out.Reset()
	if _, err := K6(&out, odoo(list...), Config{}); err != nil {
		t.Fatal(err)
	}
	k6 := sessionsOf(t, out.String())[0]
	if len(k6.Calls) != 8 {
		t.Fatalf("%d calls", len(k6.Calls))
	}
	body := k6.Calls[1].Body
	if k6.Calls[1].Kind != "xml" || k6.Calls[4].Form != "execute" || k6.Calls[3].Kind != "version" ||
		k6.Calls[7].Query != "model=res.partner&data=%7B%22a%22%3A%22b+%26+c%22%7D" {
		t.Errorf("%+v", k6.Calls)
	}
	if method, params, err := xmlrpc.Call([]byte(body)); err != nil || fmt.Sprint(method, params) != "execute[res.partner read [1] [name]]" {
		t.Errorf("%s %v, %v", method, params, err)
	}
}

// TestPlainRoutes: forms and JSON bodies of plain routes are exported with places for what is the session's own; what had a
// secret in it, or reaches into another session, is not.
func TestPlainRoutes(t *testing.T) {
	plain := func(verb, path, form, fields string) load.Call {
		return load.Call{Transport: "http", Verb: verb, Path: path, Form: form, Fields: json.RawMessage(fields)}
	}
	hook := plain("POST", "/shop/webhook", "", "")
	hook.Fields, hook.Params, hook.Query = nil, json.RawMessage(`{"order":1.50,"name":"a</script>"}`), json.RawMessage(`[["state","done"]]`)
	secret, climbs := hook, hook
	secret.Params, climbs.Path = json.RawMessage(`{"api_key":"(secret)"}`), "/shop/%2e%2e/web/session/logout"
	file := plain("GET", "/web/content/12/Invoice%20A.pdf", "", "")
	file.Fields = nil
	list := []load.Call{
		plain("POST", "/my/account", load.FormURLEncoded, `[["name","Bob & Co"],["db","prod"],["csrf_token","(secret)"]]`),
		plain("POST", "/web/export/csv", load.FormMultipart, `[["data",{"ids":[1]}],["token","(secret)"],["ufile","",{"filename":"a b.png","type":"image/png","size":7}]]`),
		hook, file,
		plain("POST", "/my/account", load.FormURLEncoded, `[["new_password","(secret)"]]`), plain("POST", "/my/account", load.FormURLEncoded, `[["session_id","x"]]`), secret, climbs,
	}
	var out bytes.Buffer
	done, err := HAR(&out, odoo(list...), "http://server", Config{Writes: true})
	if err != nil || done.Calls != 4 || done.Left[LeftArguments] != 3 || done.Left[LeftExcluded] != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	for _, want := range []string{
		`"postData":{"mimeType":"application/x-www-form-urlencoded","params":[{"name":"name","value":"Bob \u0026 Co"},{"name":"db","value":"DATABASE"},{"name":"csrf_token","value":"CSRF_TOKEN"}]}`,
		`"postData":{"mimeType":"multipart/form-data","params":[{"name":"data","value":"{\"ids\":[1]}"},{"name":"token","value":"perfd-replay"},{"name":"ufile","value":"","fileName":"a b.png","contentType":"image/png"}]}`,
		`"postData":{"mimeType":"application/json","text":"{\"order\":1.50,\"name\":\"a\u003c/script\u003e\"}"}`, `"url":"http://server/shop/webhook?state=done"`,
		`"url":"http://server/web/content/12/Invoice%20A.pdf"`,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is not in %s", want, out.String())
		}
	}
	out.Reset()
	if done, err := HAR(&out, odoo(list...), "http://server", Config{}); err != nil || done.Calls != 1 || done.Left[LeftWrite] != 6 {
		t.Errorf("without writes %+v, %v", done, err)
	}
	out.Reset()
	if _, err := K6(&out, odoo(list...), Config{Writes: true}); err != nil {
		t.Fatal(err)
	}
	got := sessionsOf(t, out.String())[0].Calls
	if len(got) != 4 || got[0].Kind != ofForm || fmt.Sprint(got[0].Fields) != "[[name Bob & Co] [db ] [csrf_token ]]" || !got[1].Multipart || fmt.Sprint(got[1].Fields) != `[[data {"ids":[1]}] [token perfd-replay] [ufile  map[name:a b.png size:7 type:image/png]]]` ||
		got[2].Kind != ofJSON || got[2].Body != string(hook.Params) || got[2].Query != "state=done" || got[3].Path != file.Path {
		t.Errorf("%+v", got)
	}
}

// TestMadeRecords: what is done to a record that the load makes is left out, since nothing tells its id at the target.
func TestMadeRecords(t *testing.T) {
	create := read(`[{"name":"x"}]`)
	create.Method, create.Minted = "create", []load.Minted{{Model: "res.partner", IDs: []int64{77}}}
	opened := read(`[[5]]`)
	opened.Method, opened.Minted = "get_formview_action", []load.Minted{{Model: "res.partner", IDs: []int64{8}}}
	other := read(`[[77]]`)
	other.Model = "res.users"
	key := load.Call{Verb: "POST", Transport: "json2", Path: "/json/2/res.partner/read", Model: "res.partner", Method: "read", Kwargs: json.RawMessage(`{"ids":[77]}`)}
	tryton := load.Call{Transport: "tryton", Verb: "POST", Service: "model", Model: "party.party", Method: "create", Args: json.RawMessage(`[[{}],{}]`), Minted: []load.Minted{{Model: "party.party", IDs: []int64{3}}}}
	after := tryton
	after.Method, after.Args, after.Minted = "read", json.RawMessage(`[[3],["name"],{}]`), nil
	for _, tt := range []struct {
		m          *memory
		sent, left int
	}{
		{odoo(read(`[[77]]`), create, read(`[[1]]`), read(`[[1,77]]`), read(`[77]`), other, opened, read(`[[8]]`), key), 6, 3},
		{&memory{header: load.Header{Product: "tryton", Database: "prod"}, calls: []load.Call{tryton, after}}, 1, 1},
	} {
		if done, err := K6(io.Discard, tt.m, Config{Writes: true}); err != nil || done.Calls != tt.sent || done.Left[LeftMade] != int64(tt.left) {
			t.Errorf("%+v, %v", done, err)
		}
	}
}

// sessionsOf are those of a script.
func sessionsOf(t *testing.T, script string) (list []k6Session) {
	t.Helper()
	for _, line := range strings.Split(script, "\n") {
		text, ok := strings.CutPrefix(line, "    JSON.parse(\"")
		if !ok {
			continue
		}
		var inner string
		var s k6Session
		if err := json.Unmarshal([]byte(`"`+strings.TrimSuffix(text, "),")), &inner); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if err := json.Unmarshal([]byte(inner), &s); err != nil {
			t.Fatalf("%v in %s", err, inner)
		}
		list = append(list, s)
	}
	return list
}

// TestSessionsLogIn: each session of a script logs in as its calls have it, visitors do not, and what was refused when it was
// recorded may be again.
func TestSessionsLogIn(t *testing.T) {
	of := func(session, transport, path, service string) load.Call {
		c := read(`[[1]]`)
		c.Session, c.Transport, c.Path, c.Service = session, transport, path, service
		return c
	}
	web := of("web", "jsonrpc", "/web/dataset/call_kw/res.partner/read", "")
	web.Error = "odoo.exceptions.AccessError"
	page := load.Call{Session: "visitor", Transport: "http", Verb: "GET", Path: "/web/image", Status: 303}
	version := load.Call{Session: "version", Transport: "xmlrpc", Path: "/xmlrpc/2/common", Service: "common", Method: "version", Verb: "POST"}
	about := of("about", "jsonrpc", "/jsonrpc", "common")
	about.Model, about.Method = "", "version"
	var out bytes.Buffer
	m := odoo(web, page, of("rpc", "jsonrpc", "/jsonrpc", "object"), of("xml", "xmlrpc", "/xmlrpc/2/object", "object"), of("key", "json2", "/json/2/res.partner/read", ""),
		of("both", "jsonrpc", "/jsonrpc", "object"), of("both", "jsonrpc", "/web/dataset/call_kw/res.partner/read", ""), version, about)
	m.calls[6].Kwargs, m.calls[4].Kwargs = json.RawMessage(`{}`), json.RawMessage(`{}`)
	if _, err := K6(&out, m, Config{}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range sessionsOf(t, out.String()) {
		got = append(got, s.ID+"="+s.Sign)
		if c := s.Calls[0]; c.Refused != (s.ID == "web") || (c.Status == 303) != (s.ID == "visitor") {
			t.Errorf("%+v", c)
		}
	}
	if want := []string{"web=web", "visitor=", "rpc=jsonrpc", "xml=xmlrpc", "key=json2", "both=web", "version=", "about="}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTryton(t *testing.T) {
	m := &memory{header: load.Header{Product: "tryton", Database: "prod"}, calls: []load.Call{{
		Seq: 1, Session: "s1", Transport: "tryton", Verb: "POST", Path: "/prod/", Service: "model", Model: "party.party", Method: "read",
		Args: json.RawMessage(`[[1],["name"],{}]`), Status: 200,
	}}}
	var out bytes.Buffer
	done, err := HAR(&out, m, "", Config{Database: "copy"})
	if err != nil || done.Calls != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	if got := out.String(); !strings.Contains(got, `"url":"http://localhost:8069/copy/"`) || !strings.Contains(got, `{\"id\":1,\"method\":\"model.party.party.read\",\"params\":[[1],[\"name\"],{}]}`) {
		t.Error(got)
	}
}

func TestBounds(t *testing.T) {
	for _, c := range []Config{{MaxCalls: 2}, {MaxBytes: 250}} {
		var out bytes.Buffer
		done, err := HAR(&out, odoo(read(`[[1]]`), read(`[[2]]`), read(`[[3]]`)), "", c)
		if err != nil || done.Calls != 2 || done.Left[LeftBound] != 1 || !json.Valid(out.Bytes()) {
			t.Errorf("%+v: %+v, %v", c, done, err)
		}
	}
	if done, err := K6(io.Discard, odoo(read(`[[1]]`), calls().calls[4], read(`[[1]]`)), Config{maxSessions: 1}); err != nil || done.Sessions != 1 || done.Calls != 2 || done.Left[LeftBound] != 1 {
		t.Errorf("%+v, %v", done, err)
	}
}

// TestAnythingIsData: whatever stands in a load, a HAR is JSON with addresses of the server alone, and a script holds
// strings alone.
func TestAnythingIsData(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		make := func() load.Call {
			return load.Call{
				Session: rapid.String().Draw(t, "session"), Path: "/" + rapid.String().Draw(t, "path"), Verb: rapid.SampledFrom([]string{"GET", "POST", "X"}).Draw(t, "verb"),
				Model: rapid.String().Draw(t, "model"), Method: "read", Transport: rapid.SampledFrom([]string{"jsonrpc", "json2", "http", "tryton", "xmlrpc"}).Draw(t, "transport"),
				Service: rapid.SampledFrom([]string{"", "object", "common"}).Draw(t, "service"), Query: json.RawMessage(rapid.SampledFrom([]string{`[["a","</script>"],["b\u2028",{"c":"&"}]]`, `[1]`, ``}).Draw(t, "query")),
				Args: json.RawMessage(rapid.SampledFrom([]string{`[1]`, `["</script>"]`, `{}`}).Draw(t, "args")), Kwargs: json.RawMessage(`{}`), Error: rapid.String().Draw(t, "error"),
			}
		}
		list := []load.Call{make(), make()}
		var out bytes.Buffer
		if _, err := HAR(&out, odoo(list...), "http://server", Config{Writes: true}); err != nil || !json.Valid(out.Bytes()) {
			t.Fatalf("%v: %s", err, out.Bytes())
		}
		for _, m := range regexp.MustCompile(`"url":"([^"]*)"`).FindAllStringSubmatch(out.String(), -1) {
			if !strings.HasPrefix(m[1], "http://server/") {
				t.Fatal(m[1])
			}
		}
		out.Reset()
		if _, err := K6(&out, odoo(list...), Config{Writes: true, Name: rapid.String().Draw(t, "name")}); err != nil {
			t.Fatal(err)
		}
		before, after, _ := strings.Cut(out.String(), k6Program)
		before += after
		if strings.Contains(before, "<") || strings.ContainsAny(before, "\u2028\u2029\r") {
			t.Fatalf("%q", before)
		}
	})
}
