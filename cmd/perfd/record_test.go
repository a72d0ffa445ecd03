package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/fixtures"
	"github.com/perfd/perfd/fixtures/truth"
	"github.com/perfd/perfd/replay/load"
)

var recordFixtures = []string{"odoo18-a", "odoo18-e", "odoo18-h", "tryton60-a"}

// record runs perfd record on a fixture and returns the load file.
func record(t *testing.T, name string, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	key, out := filepath.Join(dir, "key"), filepath.Join(dir, "out.load")
	if err := os.WriteFile(key, bytes.Repeat([]byte("k"), 32), 0o600); err != nil {
		t.Fatal(err)
	}
	args = append([]string{"record", out, "--from", fixtures.Path(t, name), "--key-file", key}, args...)
	if code, stdout, errOut := perfd(t, nil, args...); code != exitOK || stdout != "" || !strings.HasPrefix(errOut, "perfd recorded ") {
		t.Fatalf("exit %d, %s%s", code, stdout, errOut)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	return out
}

// readLoad reads a load file whole.
func readLoad(t *testing.T, path string) (h load.Header, calls []load.Call, sessions map[string]load.Session) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	r, err := load.NewReader(f, path, load.ReaderConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	sessions = map[string]load.Session{}
	for {
		c, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r.Header(), calls, sessions
		}
		if err != nil {
			t.Fatal(err)
		}
		calls = append(calls, c)
		sessions[c.Session], _ = r.Session(c.Session)
	}
}

// TestRecordHoldsTheTruth: every request that the recorded server noted is in the load, with its names, its status, its user
// and its time.
func TestRecordHoldsTheTruth(t *testing.T) {
	for _, name := range recordFixtures {
		t.Run(name, func(t *testing.T) {
			want, err := truth.Read(fixtures.Truth(t, name))
			if err != nil {
				t.Fatal(err)
			}
			h, calls, sessions := readLoad(t, record(t, name))
			taken := make([]bool, len(calls))
			for _, w := range want.Calls {
				found := false
				for i, c := range calls {
					from := float64(h.Start.Add(c.At).UnixNano()) / 1e9
					if !taken[i] && c.Path == w.Path && c.Status == w.Status && (c.Error != "") == w.Failed && from <= w.Start+0.001 && from+c.Duration.Seconds() >= w.End-0.001 &&
						(w.Model == "" || c.Model == w.Model && c.Method == w.Method) && (w.UID == 0 || sessions[c.Session].UID == w.UID) {
						taken[i], found = true, true
						break
					}
				}
				if !found {
					t.Errorf("%s %s.%s at %.3f is not in the load", w.Path, w.Model, w.Method, w.Start)
				}
			}
			if len(calls) != len(want.Calls) || h.Database == "" || h.Server == "" || h.Arguments || h.Product != strings.TrimRight(strings.SplitN(name, "-", 2)[0], "0123456789") {
				t.Errorf("%d calls of %d; %+v", len(calls), len(want.Calls), h)
			}
			statements, digests := 0, 0
			for _, c := range calls {
				statements += c.Statements
				if c.Args != nil || c.Kwargs != nil || c.Params != nil || c.Answer != nil {
					t.Fatalf("arguments were kept: %+v", c)
				}
				if c.Digest != "" {
					digests++
				}
			}
			if statements < len(want.Statements) || digests < len(calls)*8/10 {
				t.Errorf("%d statements of %d, %d digests", statements, len(want.Statements), digests)
			}
		})
	}
}

// exchange is a request and its answer as net/http reads them: nothing of package rpclog is in it.
type exchange struct {
	at           time.Time
	header, told http.Header
	path         string
	ask, answer  []byte
}

// wire notes the bytes of connections.
type wire struct{ conns []*wireConn }

type wireConn struct {
	bytes [2]bytes.Buffer
	times []time.Time // of the first byte of what comes to the server after an answer
	last  capture.Dir
}

func (w *wire) Claims(_ capture.Conn, b []byte) capture.Verdict {
	if bytes.HasPrefix(b, []byte("POST ")) || bytes.HasPrefix(b, []byte("GET ")) {
		return capture.FromClient
	}
	return capture.Reject
}

func (w *wire) NewStream(capture.Conn) capture.Stream {
	c := &wireConn{last: capture.ToClient}
	w.conns = append(w.conns, c)
	return c
}

func (c *wireConn) Chunk(k capture.Chunk) {
	if k.Dir == capture.ToServer && c.last == capture.ToClient {
		c.times = append(c.times, k.Time)
	}
	c.last = k.Dir
	c.bytes[k.Dir].Write(k.Data)
}
func (c *wireConn) Fin(capture.Dir, time.Time) {}
func (c *wireConn) Close(time.Time)            {}

// onTheWire reads a fixture's exchanges.
func onTheWire(t *testing.T, name string) (list []exchange) {
	t.Helper()
	w := &wire{}
	e := capture.NewEngine(capture.Config{}, w)
	f, err := capture.NewFile(bytes.NewReader(fixtures.Tap(t, name)))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Run(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	e.Flush()
	for _, c := range w.conns {
		asks, answers := bufio.NewReader(&c.bytes[capture.ToServer]), bufio.NewReader(&c.bytes[capture.ToClient])
		for i := 0; ; i++ {
			req, err := http.ReadRequest(asks)
			if err != nil {
				break
			}
			x := exchange{header: req.Header, path: req.URL.Path}
			if i < len(c.times) {
				x.at = c.times[i]
			}
			x.ask, _ = io.ReadAll(req.Body)
			if res, err := http.ReadResponse(answers, req); err == nil {
				x.told = res.Header
				x.answer, _ = io.ReadAll(res.Body)
				_ = res.Body.Close()
			}
			list = append(list, x)
		}
	}
	if len(list) < 50 {
		t.Fatalf("%d exchanges in %s", len(list), name)
	}
	return list
}

// sameJSON compares two JSON values by what they say; nothing equals nothing.
func sameJSON(t *testing.T, a, b json.RawMessage) bool {
	t.Helper()
	read := func(raw json.RawMessage) (v any) {
		if len(raw) == 0 {
			return nil
		}
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		return v
	}
	return reflect.DeepEqual(read(a), read(b))
}

// TestRecordKeepsArguments: the arguments in the load are those that were on the wire, and so are the answers.
func TestRecordKeepsArguments(t *testing.T) {
	for _, name := range recordFixtures {
		t.Run(name, func(t *testing.T) {
			h, calls, _ := readLoad(t, record(t, name, "--keep-args", "*:*", "--keep-answers"))
			byTime := map[string]load.Call{}
			for _, c := range calls {
				byTime[fmt.Sprint(h.Start.Add(c.At).UnixMicro(), c.Path)] = c
			}
			checked, answers := 0, 0
			for _, x := range onTheWire(t, name) {
				c, ok := byTime[fmt.Sprint(x.at.UnixMicro(), x.path)]
				if !ok {
					t.Fatalf("%s at %v is not in the load", x.path, x.at)
				}
				var body struct {
					Params, Result json.RawMessage
				}
				if json.Unmarshal(x.ask, &body) != nil || body.Params == nil || c.Lacks != "" {
					continue // XML, or a secret
				}
				checked++
				args, kwargs, params := splitParams(t, c, body.Params)
				if !sameJSON(t, args, c.Args) || !sameJSON(t, kwargs, c.Kwargs) || !sameJSON(t, params, c.Params) {
					t.Errorf("%s: %s\nkept as %s %s %s", c.Path, body.Params, c.Args, c.Kwargs, c.Params)
				}
				if body.Result = nil; json.Unmarshal(x.answer, &body) == nil && c.Answer != nil && !strings.Contains(string(c.Answer), "(secret)") {
					if answers++; !sameJSON(t, body.Result, c.Answer) {
						t.Errorf("%s: another answer than on the wire", c.Path)
					}
				}
			}
			if xmlOnly := name == "odoo18-e"; checked < len(calls)/3 || !xmlOnly && checked < len(calls)*9/10 || answers < checked*7/10 {
				t.Errorf("%d arguments and %d answers of %d calls were compared", checked, answers, len(calls))
			}
		})
	}
}

// splitParams says where the params of a request belong in a load.
func splitParams(t *testing.T, c load.Call, raw json.RawMessage) (args, kwargs, params json.RawMessage) {
	t.Helper()
	if c.Transport == "tryton" {
		return raw, nil, nil
	}
	var p struct {
		Service, Method string
		Args            []json.RawMessage
		Kwargs          json.RawMessage
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		t.Fatal(err)
	}
	list := func(items []json.RawMessage) json.RawMessage {
		b, err := json.Marshal(append([]json.RawMessage{}, items...))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	switch {
	case p.Service == "object" && p.Method == "execute":
		return list(p.Args[5:]), nil, nil
	case p.Service == "object" && len(p.Args) > 6:
		return p.Args[5], p.Args[6], nil
	case p.Service == "object":
		return p.Args[5], nil, nil
	case p.Service != "" || c.Model != "":
		return list(p.Args), p.Kwargs, nil
	}
	return nil, nil, raw
}

// TestRecordKeepsXML: arguments that travelled as XML are in the load as JSON.
func TestRecordKeepsXML(t *testing.T) {
	_, calls, _ := readLoad(t, record(t, "odoo18-e", "--keep-args", "*:*"))
	seen := 0
	for _, c := range calls {
		if c.Transport != "xmlrpc" || c.Model == "" {
			continue
		}
		seen++
		if c.Args == nil || !json.Valid(c.Args) || c.Args[0] != '[' || strings.Contains(string(c.Args), c.Model) {
			t.Errorf("%s.%s: %s %s (%s)", c.Model, c.Method, c.Args, c.Kwargs, c.Lacks)
		}
	}
	if seen < 20 {
		t.Errorf("%d calls by XML-RPC", seen)
	}
}

func TestRecordTwiceGivesTheSameBytes(t *testing.T) {
	for _, name := range recordFixtures {
		one, err1 := os.ReadFile(record(t, name, "--keep-args", "*", "--keep-answers"))
		two, err2 := os.ReadFile(record(t, name, "--keep-args", "*", "--keep-answers"))
		if err1 != nil || err2 != nil || len(one) < 1000 || !bytes.Equal(one, two) {
			t.Errorf("%s: %d and %d bytes, %v %v", name, len(one), len(two), err1, err2)
		}
	}
}

// TestRecordHoldsNoSecret: of the passwords, cookies, tokens and keys that were on the wire none is in a load, even if
// everything is chosen to be kept. In a load of default rules no text that users typed is either.
func TestRecordHoldsNoSecret(t *testing.T) {
	for _, name := range recordFixtures {
		t.Run(name, func(t *testing.T) {
			secrets := map[string]string{}
			for _, x := range onTheWire(t, name) {
				secretsOf(x, secrets)
			}
			if len(secrets) < 2 {
				t.Fatalf("only %d secrets were found", len(secrets))
			}
			everything := unpacked(t, record(t, name, "--keep-args", "*:*", "--keep-answers", "--keep-logins"))
			hidden := unpacked(t, record(t, name, "--keep-args", "*"))
			for secret, of := range secrets {
				isLogin := strings.Contains(everything, `"login":"`+secret+`"`) // the laboratory's administrator has his name for a password
				if strings.Contains(everything, secret) && !isLogin || strings.Contains(hidden, secret) {
					t.Errorf("the load holds a secret of %s: %.12s…", of, secret)
				}
			}
			logins := regexp.MustCompile(`"login":"[^"]+"`)
			if !logins.MatchString(everything) || strings.Contains(everything, `"login":"user1"`) {
				t.Error("logins were to be kept")
			}
			if logins.MatchString(strings.ReplaceAll(hidden, `"login":"user`, "")) {
				t.Error("logins are in the load")
			}
		})
	}
}

func unpacked(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// secretsOf collects what an exchange shows of secrets.
func secretsOf(x exchange, into map[string]string) {
	add := func(s, of string) {
		if len(s) >= 4 && s != "false" {
			into[s] = of
		}
	}
	for _, c := range (&http.Request{Header: x.header}).Cookies() {
		add(c.Value, "a cookie")
	}
	for _, c := range (&http.Response{Header: x.told}).Cookies() {
		if c.Name == "session_id" {
			add(c.Value, "a cookie")
		}
	}
	if kind, value, ok := strings.Cut(x.header.Get("Authorization"), " "); ok {
		add(value, kind)
		if plain, err := base64.StdEncoding.DecodeString(value); err == nil {
			parts := strings.Split(string(plain), ":")
			add(parts[len(parts)-1], kind)
		}
	}
	var body struct {
		Method string
		Params json.RawMessage
		Result json.RawMessage
	}
	_ = json.Unmarshal(x.ask, &body)
	var p struct {
		Service, Password string
		Args              []json.RawMessage
	}
	_ = json.Unmarshal(body.Params, &p)
	add(p.Password, "authenticate")
	var text string
	if p.Service != "" && len(p.Args) > 2 && json.Unmarshal(p.Args[2], &text) == nil {
		add(text, p.Service)
	}
	if body.Method == "common.db.login" {
		var login []json.RawMessage
		var named struct{ Password string }
		_ = json.Unmarshal(body.Params, &login)
		if len(login) > 1 && json.Unmarshal(login[1], &named) == nil {
			add(named.Password, "log-in")
		}
		_ = json.Unmarshal(x.answer, &body)
		_ = json.Unmarshal(body.Result, &login)
		if len(login) > 1 && json.Unmarshal(login[1], &text) == nil {
			add(text, "session")
		}
	}
	var call struct {
		Params []string `xml:"params>param>value>string"`
	}
	if xml.Unmarshal(x.ask, &call) == nil && len(call.Params) > 1 { // database, then the password: the uid is a number
		add(call.Params[1], "XML-RPC")
		if strings.HasSuffix(x.path, "/common") && len(call.Params) > 2 {
			delete(into, call.Params[1]) // the login
			add(call.Params[2], "XML-RPC")
		}
	}
}
