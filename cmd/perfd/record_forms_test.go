package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/perfd/perfd/fixtures/synth"
)

const capturedUUID = "0a1b2c3d-1111-2222-3333-444455556666"

// formsRecording is a browser's session of pages and forms, with its log-in, its secrets, and a look at the database's uuid.
func formsRecording(t *testing.T) string {
	t.Helper()
	d := synth.NewDialogue(netip.MustParseAddrPort("192.0.2.1:40000"), netip.MustParseAddrPort("192.0.2.2:8069"), time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC), time.Millisecond).Open()
	cookie := "Cookie: session_id=" + strings.Repeat("c", 40) + "\r\n"
	ask := func(verb, target, kind, body, status, answerKind, answer string) {
		if kind != "" {
			kind = "Content-Type: " + kind + "\r\n"
		}
		d.Client(fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: a\r\n%s%sContent-Length: %d\r\n\r\n%s", verb, target, cookie, kind, len(body), body))
		d.Server(fmt.Appendf(nil, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", status, answerKind, len(answer), answer))
		d.Pause(50 * time.Millisecond)
	}
	const form, asJSON, page, ok = "application/x-www-form-urlencoded", "application/json", "text/html", "200 OK"
	ask("POST", "/web/session/authenticate", asJSON, `{"jsonrpc":"2.0","params":{"db":"prod","login":"anna","password":"canary"}}`, ok, asJSON,
		`{"jsonrpc":"2.0","result":{"uid":2,"username":"anna","db":"prod","user_context":{}}}`)
	ask("POST", "/web/dataset/call_kw/ir.config_parameter/get_param", asJSON, `{"jsonrpc":"2.0","method":"call","params":{"model":"ir.config_parameter","method":"get_param","args":["database.uuid"],"kwargs":{}}}`, ok, asJSON,
		`{"jsonrpc":"2.0","result":"`+capturedUUID+`"}`)
	ask("GET", "/web/image?model=res.partner&id=7&field=image_128&unique=abc", "", "", ok, "image/png", "png")
	ask("GET", "/web/content/7?access_token=canary", "", "", ok, "image/png", "png")
	ask("POST", "/my/account", form, "name=Bob+Smith&city=Rome&csrf_token=canaryo123", "303 See Other", page, "")
	ask("POST", "/my/account", form, "name=Bob&new_password=canary&csrf_token=canaryo123", ok, page, "<p>")
	ask("POST", "/web/export/csv", "multipart/form-data; boundary=BoUnD", "--BoUnD\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\n{\"model\":\"res.partner\",\"fields\":[{\"name\":\"name\"}],\"ids\":[1,2],\"domain\":[[\"name\",\"=\",\"Bob Smith\"]]}\r\n"+
		"--BoUnD\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\ncanary\r\n--BoUnD\r\nContent-Disposition: form-data; name=\"csrf_token\"\r\n\r\ncanaryo123\r\n--BoUnD--\r\n", ok, "text/csv", "a,b")
	ask("POST", "/web/export/csv", form, "data="+url.QueryEscape(`{"model":"hr.payslip","ids":[1]}`)+"&csrf_token=canaryo123", ok, "text/csv", "a,b")
	ask("POST", "/shop/webhook?shop=7", asJSON, `{"order":{"id":7,"total":1.50},"note":"Bob"}`, ok, asJSON, `{"ok":true}`)
	file := filepath.Join(t.TempDir(), "forms.pcap")
	if err := os.WriteFile(file, d.Close().Recording().Pcap(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// formsServer is a server whose forms take the token of their session alone, and which says which database it has.
func formsServer(t *testing.T, uuid string) (s *httptest.Server, got func() []string) {
	t.Helper()
	var mu sync.Mutex
	var all []string
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _ := r.Cookie("session_id")
		switch r.URL.Path {
		case "/web/session/authenticate":
			http.SetCookie(w, &http.Cookie{Name: "session_id", Value: "fresh", Path: "/"})
			_, _ = fmt.Fprint(w, `{"result":{"uid":5,"username":"x","user_context":{}}}`)
			return
		case "/web/session/account":
			_, _ = fmt.Fprintf(w, `{"result":"https://accounts.example/?response_type=token&client_id=%s"}`, uuid)
			return
		case "/web/dataset/call_kw/ir.config_parameter/search_read":
			_, _ = fmt.Fprint(w, `{"error":{"code":200,"message":"no","data":{"name":"odoo.exceptions.AccessError","message":"no","debug":""}}}`)
			return
		case "/web/login":
			_, _ = fmt.Fprintf(w, `<input type="hidden" name="csrf_token" value="token-of-%s"/>`, c.Value)
			return
		}
		_ = r.ParseMultipartForm(1 << 20)
		_ = r.ParseForm()
		body := ""
		if r.URL.Path == "/shop/webhook" { // which has no token
			b, _ := io.ReadAll(r.Body)
			body = " " + string(b)
		} else if r.Method == http.MethodPost && r.Form.Get("csrf_token") != "token-of-fresh" {
			http.Error(w, "Session expired (invalid CSRF token)", http.StatusBadRequest)
			return
		}
		r.Form.Del("csrf_token")
		mu.Lock()
		all = append(all, r.Method+" "+r.URL.Path+" "+r.Form.Encode()+body)
		mu.Unlock()
		if r.URL.Path == "/my/account" {
			http.Redirect(w, r, "/my", http.StatusSeeOther)
		}
	}))
	t.Cleanup(s.Close)
	return s, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

// TestFormsFromCaptureToServer records pages and forms and replays them: what was typed goes where it went, no secret
// does, and the captured database is known by what the traffic told of it.
func TestFormsFromCaptureToServer(t *testing.T) {
	in, out := formsRecording(t), filepath.Join(t.TempDir(), "forms.load")
	if code, _, errOut := perfd(t, nil, "record", out, "--from", in, "--keep-args", "*:*", "--keep-args", "-hr.payslip", "--keep-logins"); code != exitOK {
		t.Fatal(errOut)
	}
	h, calls, _ := readLoad(t, out)
	text := unpacked(t, out)
	if h.DatabaseUUID != capturedUUID || strings.Contains(text, "canary") || strings.Contains(text, "payslip") || len(calls) != 9 {
		t.Fatalf("%d calls of %q: %s", len(calls), h.DatabaseUUID, text)
	}
	var lacks []string
	for _, c := range calls {
		lacks = append(lacks, c.Lacks)
	}
	if want := []string{"arguments", "arguments", "", "secrets", "secrets", "secrets", "secrets", "secrets, arguments", ""}; !slices.Equal(lacks, want) {
		t.Errorf("they lack %q, want %q", lacks, want)
	}
	t.Setenv("ODOO_PASSWORD", "x")
	s, got := formsServer(t, "0a1b2c3d-1111-2222-3333-444455557777")
	args := []string{"replay", out, "--database", "copy", "--mode", "max"}
	execute(t, exitOK, append(args, "--target", s.URL)...)
	if want := []string{"GET /web/image field=image_128&id=7&model=res.partner&unique=abc"}; !slices.Equal(got(), want) {
		t.Errorf("without writes %q", got())
	}
	execute(t, exitOK, append(args, "--target", s.URL, "--allow-writes")...)
	want := []string{
		"GET /web/image field=image_128&id=7&model=res.partner&unique=abc", "POST /my/account city=Rome&name=Bob+Smith",
		"POST /web/export/csv data=" + url.QueryEscape(`{"model":"res.partner","fields":[{"name":"name"}],"ids":[1,2],"domain":[["name","=","Bob Smith"]]}`) + "&token=perfd-replay",
		`POST /shop/webhook shop=7 {"order":{"id":7,"total":1.50},"note":"Bob"}`,
	}
	if all := got(); !slices.Equal(all[1:], want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(all[1:], "\n"), strings.Join(want, "\n"))
	}
	same, none := formsServer(t, capturedUUID)
	if _, errOut := execute(t, exitFailure, append(args, "--target", same.URL)...); !strings.Contains(errOut, "is the captured database") || len(none()) > 0 {
		t.Errorf("%s, %q", errOut, none())
	}
}

// TestFormsUnderAliases: without a rule for their fields what people typed into forms and queries stands as aliases.
func TestFormsUnderAliases(t *testing.T) {
	in, out := formsRecording(t), filepath.Join(t.TempDir(), "forms.load")
	for _, rules := range [][]string{{"--keep-args", "*"}, {}, {"--keep-args", "*", "--database-uuid", "abc"}} {
		if code, _, errOut := perfd(t, nil, append([]string{"record", out, "--force", "--from", in}, rules...)...); code != exitOK {
			t.Fatal(errOut)
		}
		h, _, _ := readLoad(t, out)
		text := unpacked(t, out)
		for _, typed := range []string{"Bob", "Smith", "Rome", "canary"} {
			if strings.Contains(text, typed) {
				t.Errorf("%v: %q stands in %s", rules, typed, text)
			}
		}
		uuid := capturedUUID
		if len(rules) > 2 {
			uuid = "abc"
		}
		if strings.Contains(text, `["city",`) != (len(rules) > 0) || h.DatabaseUUID != uuid {
			t.Errorf("%v: %q, %s", rules, h.DatabaseUUID, text)
		}
	}
}
