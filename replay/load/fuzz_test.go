package load

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// FuzzReader: whatever a file says, reading ends in io.EOF or in an Error with a hint, and each call that came is within its
// bounds.
func FuzzReader(f *testing.F) {
	head := "perfd-load 1\n" + `{"load":{"version":1,"start":"2031-01-02T03:04:05Z","lacks":["a"]}}` + "\n"
	f.Add([]byte(head+`{"session":{"id":"s1","login":"user1","transport":"tryton"}}`+"\n"+`{"call":{"seq":1,"session":"s1","at":5,"duration":7,"transport":"tryton","path":"/db/","args":[[1],{"a":"b"}],"minted":[{"model":"a","ids":[1]}],"status":200}}`+"\n"+`{"end":{"calls":1,"sessions":1}}`+"\n"), true)
	f.Add([]byte(head+`{"call":{"path":"/a/%2e%2e/b","model":"<b>"}}`), true)
	f.Add([]byte(head+`{"session":{"id":"s1","transport":"http"}}`+"\n"+`{"call":{"seq":1,"session":"s1","at":5,"transport":"http","verb":"POST","path":"/a","query":[["a","b"]],"fields":[["a",{"b":[1]}],["c","",{"filename":"d","type":"e/f","size":7}]],"form":"multipart","status":200}}`+"\n"+`{"end":{"calls":1,"sessions":1}}`+"\n"), true)
	f.Add([]byte(head+`{"session":{"id":"s1","transport":"http"}}`+"\n"+`{"call":{"seq":1,"session":"s1","transport":"http","query":[["a"]]}}`), true)
	f.Add([]byte("perfd-load 2\n"), true)
	f.Add([]byte("\x28\xb5\x2f\xfd\x04\x00"), false)
	f.Add(write(f, Config{Rules: mustRules(f, "*:*")}, Call{Model: "a", Args: json.RawMessage(`[1]`)}), false)
	f.Fuzz(func(t *testing.T, text []byte, packed bool) {
		if len(text) > 1<<16 {
			return
		}
		file := text
		if packed {
			file = pack(t, string(text))
		}
		r, err := NewReader(bytes.NewReader(file), "x.load", ReaderConfig{LineBytes: 1 << 14, Depth: 20, Sessions: 8, Bytes: 1 << 20})
		var e *Error
		if err != nil {
			if !errors.As(err, &e) || e.Hint == "" {
				t.Fatalf("got %v", err)
			}
			return
		}
		defer r.Close()
		for {
			c, err := r.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				if !errors.As(err, &e) || e.Hint == "" || !isText(e.File, maxName) {
					t.Fatalf("got %v", err)
				}
				return
			}
			if s, ok := r.Session(c.Session); !ok || s.check() != nil || c.check() != nil || strings.Contains(c.Path, "..") && strings.Contains(c.Path, "/../") {
				t.Fatalf("got %+v", c)
			}
			for _, raw := range []json.RawMessage{c.Args, c.Kwargs, c.Params, c.Query, c.Fields, c.Answer} {
				if len(raw) > 0 && !json.Valid(raw) || deeper(raw, 20) {
					t.Fatalf("got %s", raw)
				}
			}
			for _, raw := range []json.RawMessage{c.Query, c.Fields} {
				fields, err := ParseFields(raw)
				if err != nil {
					t.Fatalf("%s: %v", raw, err)
				}
				if again, err := ParseFields(FormatFields(fields)); err != nil || len(again) != len(fields) {
					t.Fatalf("%s: %v", raw, err)
				}
			}
		}
	})
}

// FuzzWriter: what a Writer takes a Reader reads, whatever travelled on the wire.
func FuzzWriter(f *testing.F) {
	f.Add("res.partner", "read", "/web/dataset/call_kw", "alice", []byte(`[[1],{"a":"b"}]`), []byte(`{"context":{}}`), int64(5))
	f.Add("<script>", "..", "/../", "a\x00b", []byte(`{`), []byte(`[]`), int64(-1))
	f.Fuzz(func(t *testing.T, model, method, path, login string, args, kwargs []byte, n int64) {
		var out bytes.Buffer
		w, err := NewWriter(&out, testHeader, Config{Key: testKey, Rules: mustRules(t, "*:a,b"), Logins: true, LineBytes: 1 << 14})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Session(Session{ID: login, Login: login, Transport: "jsonrpc", Database: path}); err != nil {
			t.Fatal(err)
		}
		for _, kind := range []string{"jsonrpc", "tryton", "http"} {
			c := Call{
				Session: login, Transport: kind, Model: model, Method: method, Path: path, Verb: method, Error: login, Args: args, Kwargs: kwargs, Params: args, Query: args, Fields: kwargs, Form: method,
				Duration: time.Duration(n), RequestBytes: n, Status: int(n), Minted: []Minted{{model, []int64{n}}},
			}
			if err := w.Call(c); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if _, calls := read(t, out.Bytes()); len(calls) != 3 {
			t.Fatalf("%d calls", len(calls))
		}
	})
}

func BenchmarkWriter(b *testing.B) {
	w, err := NewWriter(io.Discard, testHeader, Config{Key: testKey, Rules: mustRules(b, "*:name")})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := w.Session(Session{ID: "x", Transport: "jsonrpc"}); err != nil {
		b.Fatal(err)
	}
	c := Call{Session: "x", Transport: "jsonrpc", Model: "res.partner", Method: "web_search_read", Kwargs: json.RawMessage(`{"domain":[["name","ilike","azure"]],"specification":{"name":{},"email":{}},"limit":80,"context":{"lang":"en_US","tz":"UTC","uid":2}}`)}
	b.ReportAllocs()
	for b.Loop() {
		if err := w.Call(c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReader(b *testing.B) {
	calls := make([]Call, 1000)
	for i := range calls {
		calls[i] = Call{Model: "res.partner", Method: "read", Path: "/web/dataset/call_kw/res.partner/read", Args: json.RawMessage(fmt.Sprintf(`[[%d],["name","email"]]`, i))}
	}
	file := write(b, Config{Rules: mustRules(b, "*:*")}, calls...)
	b.ReportAllocs()
	for b.Loop() {
		if err := drain(file); !errors.Is(err, io.EOF) {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(calls)), "ns/call")
}
