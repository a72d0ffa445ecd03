package rpclog

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

func jsonOK(result string) string {
	return answer(asJSON, `{"jsonrpc":"2.0","id":1,"result":`+result+`}`)
}

func trytonCall(method, params string) string {
	return request("/prod/", asJSON+sessionHeader, `{"id":1,"method":"`+method+`","params":`+params+`}`)
}

// TestNothingOfASecretIsKept sends a canary to each place where one stands, with everything kept, and looks for it in all that
// leaves the package, which is all that loads, stores and reports are made of.
func TestNothingOfASecretIsKept(t *testing.T) {
	const canary = "Zx9CANARYq7"
	in := func(text string) string { return strings.ReplaceAll(text, "@@", canary) }
	portal := "op=password&old=@@&new1=@@&new2=@@"
	route := func(path, params string) string {
		return request(path, asJSON, `{"jsonrpc":"2.0","params":`+params+`}`)
	}
	for name, c := range map[string]struct{ ask, tell string }{
		"portal":               {ask: request("/my/security", asForm, portal)},
		"portal, French":       {ask: request("/fr_BE/my/security", asForm, portal)},
		"portal, elsewhere":    {ask: request("/account/x", asForm, portal)},
		"report":               {ask: request("/jsonrpc", asJSON, service("report", "render_report", `["prod",2,"@@","r",[1]]`))},
		"report, answer":       {ask: request("/jsonrpc", asJSON, service("report", "report_get", `["prod",2,"x",1]`)), tell: jsonOK(`"@@"`)},
		"report, XML":          {ask: request("/xmlrpc/report", asXML, xmlCall("render", param("prod")+param("<int>2</int>")+param("@@")+param("r")))},
		"report, XML 2":        {ask: request("/xmlrpc/2/report", asXML, xmlCall("render", param("prod")+param("<int>2</int>")+param("@@")+param("r")))},
		"any service":          {ask: request("/jsonrpc", asJSON, service("wizard", "x", `["prod","anna","@@"]`))},
		"no service":           {ask: request("/jsonrpc", asJSON, service("", "execute", `["prod",2,"@@"]`))},
		"service, other route": {ask: route("/fr/jsonrpc", `{"service":"object","method":"execute","args":["prod",2,"@@","a","b"]}`)},
		"signup":               {ask: callKW("res.users", "signup", `[{"login":"x"},"@@"]`)},
		"change_password":      {ask: callKW("res.users", "change_password", `["@@","@@"]`), tell: jsonOK(`"@@"`)},
		"authenticate":         {ask: callKW("res.users", "authenticate", `["prod","x","@@",{}]`)},
		"check":                {ask: callKW("res.users", "check", `["prod",2,"@@"]`)},
		"check_credentials":    {ask: callKW("res.users", "_check_credentials", `["@@",{}]`)},
		"credentials 2":        {ask: callKW("res.users", "check_credentials", `[{"login":"x","password":"@@"}]`)},
		"reset":                {ask: callKW("res.users", "reset_password", `["@@"]`)},
		"oauth":                {ask: callKW("res.users", "auth_oauth", `[3,{"access_token":"@@","state":"@@"}]`)},
		"apikeys":              {ask: callKW("res.users.apikeys", "generate", `["@@"]`), tell: jsonOK(`"@@"`)},
		"apikeys /json/2":      {ask: request("/json/2/res.users.apikeys/generate", asJSON+"Authorization: bearer x\r\n", `{"key":"@@"}`), tell: answer(asJSON, `"@@"`)},
		"pin":                  {ask: callKW("hr.employee", "write", `[[1],{"pin":"@@","barcode":"@@"}]`), tell: jsonOK(`[{"pin":"@@","barcode":"@@"}]`)},
		"pin of a user":        {ask: callKW("res.users", "write", `[[1],{"employee_ids":[[1,2,{"barcode":"@@"}]]}]`)},
		"pin in a search":      {ask: callKW("hr.employee", "search", `[[["pin","=","@@"],["employee_id.barcode","in",["@@"]]]]`)},
		"pins of a till":       {ask: callKW("pos.session", "load_data", `[[1]]`), tell: jsonOK(`{"hr.employee":{"records":[{"_barcode":"@@","_pin":"@@"}]},"pos.config":[{"access_token":"@@"}]}`)},
		"attendance":           {ask: callKW("hr.employee", "attendance_manual", `[[1],"x","@@"]`)},
		"kiosk":                {ask: route("/hr_attendance/attendance_barcode_scanned", `{"token":"@@","barcode":"@@"}`)},
		"kiosk pin":            {ask: route("/hr_attendance/manual_selection", `{"employee_id":1,"pin_code":"@@"}`)},
		"import":               {ask: callKW("res.users", "load", `[["login","password"],[["x","@@"],["y","@@"]]]`)},
		"export":               {ask: callKW("res.users", "export_data", `[[1],["login","password"]]`), tell: jsonOK(`{"datas":[["x","@@"]]}`)},
		"setting":              {ask: callKW("x.y", "put", `["smtp_password","@@"]`)},
		"setting, named":       {ask: callKW("x.y", "put", `[{"name":"api_key","value":"@@"}]`), tell: jsonOK(`[{"key":"access_token","value":"@@"}]`)},
		"a name and more":      {ask: callKW("x.y", "put", `[{"accessToken":"@@","otp":"@@","security_code":"@@","openai_key":"@@","card":{"cvv":"@@"},"credentials":{"user":"@@"}}]`)},
		"DSN":                  {ask: callKW("x.y", "put", `["postgresql://user:@@@host/db"]`), tell: jsonOK(`[{"x":"go to https://user:@@@host now"}]`)},
		"DSN, words":           {ask: callKW("x.y", "put", `["host=h user=u password=@@"]`)},
		"DSN, slash":           {ask: callKW("x.y", "put", `["postgresql://user:a/@@@host/db"]`)},
		"token in a URL":       {ask: callKW("x.y", "put", `["https://@@@git.example/x"]`)},
		"header":               {ask: callKW("x.y", "put", `[{"x":"Authorization: Bearer @@"}]`)},
		"JSON in a text":       {ask: callKW("x.y", "put", `["{\"password\":\"@@\"}"]`)},
		"Python in a text":     {ask: callKW("x.y", "put", `["{'default_token': '@@'}"]`)},
		"URL with a token":     {tell: jsonOK(`{"url":"/my/orders/1?access_token=@@"}`), ask: callKW("sale.order", "preview", `[[1]]`)},
		"URL of a chat":        {tell: jsonOK(`{"invitation_url":"https://a.example/chat/7/@@","uuid":"@@"}`), ask: callKW("discuss.channel", "channel_info", `[[1]]`)},
		"chat":                 {ask: get("/chat/7/@@")},
		"chat, French":         {ask: get("/fr/chat/7/@@")},
		"order":                {ask: get("/my/orders/5?access_token=@@")},
		"signup page":          {ask: get("/web/signup?token=@@")},
		"survey":               {ask: get("/survey/start/@@")},
		"calendar":             {ask: get("/calendar/join_videocall/@@")},
		"meeting":              {ask: get("/calendar/meeting/accept?token=@@&id=1")},
		"query":                {ask: get("/web?key=@@&sig=@@&signature=@@&hash=@@&pin=@@")},
		"session":              {ask: route("/web/session/get_session_info", `{}`), tell: jsonOK(`{"session_id":"@@0123456789abcdef","csrf_token":"@@"}`)},
		"Tryton session":       {ask: trytonCall("model.web.user.session.read", `[[1],["key"],{}]`), tell: jsonOK(`[{"key":"@@"}]`)},
		"Tryton application":   {ask: trytonCall("model.res.user.application.read", `[[1],["key"],{}]`), tell: jsonOK(`[{"key":"@@"}]`)},
		"Tryton preferences":   {ask: trytonCall("model.res.user.set_preferences", `[{"password":"@@"},"@@",{}]`)},
		"Tryton log-in":        {ask: trytonCall("common.db.login", `["anna",{"password":"@@"},"@@"]`)},
		"Tryton web log-in":    {ask: trytonCall("model.web.user.authenticate", `["e","@@",{}]`), tell: jsonOK(`"@@"`)},
		"Tryton new session":   {ask: trytonCall("model.web.user.new_session", `[1,{}]`), tell: jsonOK(`"@@"`)},
		"Tryton carrier":       {ask: trytonCall("model.carrier.credential.ups.write", `[[1],{"user_id":"@@"},{}]`)},
		"Tryton import":        {ask: trytonCall("model.party.x.import_data", `[["name","x/password"],[["a","@@"]],{}]`)},
		"Tryton stripe":        {ask: trytonCall("model.account.payment.stripe.account.read", `[[1],["secret_key"],{}]`), tell: jsonOK(`[{"secret_key":"@@","webhook_identifier":"@@"}]`)},
		"form of JSON":         {ask: request("/x", asForm, "data="+url.QueryEscape(`{"a":{"pin":"@@"}}`))},
	} {
		t.Run(name, func(t *testing.T) {
			asked, told := in(c.ask), in(c.tell)
			if head, body, _ := strings.Cut(asked, "\r\n\r\n"); body != "" { // whose length is another now
				first, headers, _ := strings.Cut(head, "\r\n")
				headers = headers[:strings.Index(headers, "Content-Length")]
				asked = request(strings.Fields(first)[1], headers, body)
			}
			if told == "" {
				told = jsonOK("true")
			} else {
				_, body, _ := strings.Cut(told, "\r\n\r\n")
				told = answer(asJSON, body)
			}
			calls := keeping(t, Config{}, ask(asked), tell(told))
			if len(calls) != 1 {
				t.Fatalf("%d calls", len(calls))
			}
			all, err := json.Marshal(calls)
			o := calls[0].Content
			if text := string(all) + fmt.Sprintf("%s %s %s", o, o.Query, o.Fields); err != nil || strings.Contains(text, "CANARY") {
				t.Errorf("the canary got out: %v %s", err, text)
			}
		})
	}
}

// TestBusinessIsKept: what is no secret stays as it is, however its name sounds.
func TestBusinessIsKept(t *testing.T) {
	for name, c := range map[string]struct{ ask, tell string }{
		"names":         {callKW("product.product", "write", `[[1],{"name":"Desk","ref":"A1","code":"SUMMER2024SALE","default_code":"FURN_7777","key":"website.homepage2","barcode":"5400000000123","signature":"<p>Bob 2024</p>","hash":"abc","state":"draft","is_pinned":true,"sort_key":"a1","state_code":"BE","zip_code":"1000"}]`), `[{"key":"website.s_banner_2","value":"x","iban":"BE71096123456769","barcode":"5400000000123","uuid":"0a1b2c3d-1111-2222-3333-444455556666"}]`},
		"fields":        {callKW("res.partner", "read", `[[1],["pin","name","email"]]`), `[{"id":1,"website":"https://www.example.com/@here","email":"bob@example.com","url":"/web/image/res.partner/7/avatar_128?unique=1700000000000"}]`},
		"a search":      {callKW("res.partner", "search", `[["|",["name","ilike","pin"],["ref","=","key=7"]]]`), `[1,2]`},
		"an import":     {callKW("res.partner", "load", `[["name","ref"],[["a","b"],["c","d"]]]`), `{"ids":[1,2]}`},
		"an export":     {callKW("res.partner", "export_data", `[[1],["name","ref"]]`), `{"datas":[["a","b"]]}`},
		"fields_get":    {callKW("res.users", "fields_get", `[]`), `{"password":{"type":"char","string":"Password","help":"Keep it"},"pin":{"type":"char","string":"PIN"}}`},
		"a view":        {callKW("res.users", "get_view", `[]`), `{"arch":"<form t-key=\"x\"><field name=\"pin\"/></form>"}`},
		"pinned":        {callKW("discuss.channel", "set_message_pin", `[[1],7,true]`), `true`},
		"a chat":        {callKW("discuss.channel", "message_post", `[[1]]`), `"Basic plan for bearer bonds: see http://a.example:8069/x"`},
		"a JSON text":   {callKW("x.y", "write", `[[1],{"layout":"{\"a\":[1,{\"b\":\"c\"}]}","py":"{'lang': 'en_US'}"}]`), `true`},
		"a translation": {callKW("ir.ui.view", "search_read", `[[["key","=","website.homepage"]],["key"]]`), `[{"key":"website.homepage"}]`},
	} {
		t.Run(name, func(t *testing.T) {
			o := keeping(t, Config{}, ask(c.ask), tell(jsonOK(c.tell)))[0].Content
			if text := fmt.Sprint(o); o.Secret || o.Args == nil || string(o.Result) != c.tell || strings.Contains(text, Hidden) {
				t.Errorf("got %s", text)
			}
		})
	}
	for _, path := range []string{"/my/orders/12", "/survey/print/customers-2024", "/shop/desk-combination-7", "/chat/7", "/fr/my/invoices/7", "/calendar/meeting/accept", "/slides/covid19-course-7"} {
		if got := keeping(t, Config{}, ask(get(path)), tell(answer("", "x")))[0].Path; got != path {
			t.Errorf("%s became %s", path, got)
		}
	}
}
