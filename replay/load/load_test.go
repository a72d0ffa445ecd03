package load

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

var testHeader = Header{Product: "odoo", Database: "prod", Server: "192.0.2.2:8069", Start: time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC), Sources: []string{"tap.pcap.gz"}}

var testKey = []byte("a key of tests")

// write writes calls of one session and returns the file.
func write(t testing.TB, cfg Config, calls ...Call) []byte {
	t.Helper()
	var out bytes.Buffer
	if cfg.Key == nil {
		cfg.Key = testKey
	}
	w, err := NewWriter(&out, testHeader, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Session(Session{ID: "cookie", Login: "alice", UID: 2, Transport: "jsonrpc", Database: "prod"}); err != nil {
		t.Fatal(err)
	}
	for _, c := range calls {
		c.Session = "cookie"
		if c.Transport == "" {
			c.Transport = "jsonrpc"
		}
		if err := w.Call(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// read reads a whole file.
func read(t testing.TB, file []byte) (Header, []Call) {
	t.Helper()
	r, err := NewReader(bytes.NewReader(file), "x.load", ReaderConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var calls []Call
	for {
		c, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r.Header(), calls
		}
		if err != nil {
			t.Fatal(err)
		}
		calls = append(calls, c)
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	full := Call{
		At: time.Second, Duration: 20 * time.Millisecond, First: 15 * time.Millisecond, Transport: "jsonrpc", Verb: "POST",
		Path: "/web/dataset/call_kw/res.partner/create", Model: "res.partner", Method: "create", Status: 200, Digest: "abc",
		Minted: []Minted{{"res.partner", []int64{7, 8}}}, RequestBytes: 10, ResponseBytes: 20, Statements: 3, SQL: time.Millisecond, Wait: 7, Lacks: "statements",
	}
	h, got := read(t, write(t, Config{}, Call{Verb: "GET", Path: "/web", Status: 303}, full))
	full.Seq, full.Session = 2, "s1"
	if len(got) != 2 || !reflect.DeepEqual(got[1], full) {
		t.Errorf("got %+v", got)
	}
	if got[0].Seq != 1 || h.Version != Version || h.Arguments || !h.Redacted || h.Pepper == "" || h.Server != testHeader.Server || !h.Start.Equal(testHeader.Start) {
		t.Errorf("got %+v, %+v", h, got[0])
	}
}

func TestSessionsAndLoginsAreAliases(t *testing.T) {
	file := write(t, Config{}, Call{})
	if text := unpack(t, file); strings.Contains(text, "alice") || strings.Contains(text, "cookie") || !strings.Contains(text, `"login":"user1"`) {
		t.Error(text)
	}
}

func unpack(t testing.TB, file []byte) string {
	t.Helper()
	z, err := zstd.NewReader(bytes.NewReader(file))
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

var packer, _ = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))

func pack(t testing.TB, text string) []byte {
	t.Helper()
	return packer.EncodeAll([]byte(text), nil)
}

func TestAmend(t *testing.T) {
	var first, second bytes.Buffer
	w, err := NewWriter(&first, Header{}, Config{Key: testKey})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Session(Session{ID: "x", Transport: "tryton"}); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if err := w.Call(Call{Session: "x", Transport: "tryton"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Amend(&second, bytes.NewReader(first.Bytes()), Header{Product: "tryton", Lacks: []string{"much"}}); err != nil {
		t.Fatal(err)
	}
	if h, calls := read(t, second.Bytes()); h.Product != "tryton" || len(h.Lacks) != 1 || len(calls) != 100 {
		t.Errorf("%+v, %d calls", h, len(calls))
	}
}

func TestWhatIsNoNameIsLeftOut(t *testing.T) {
	_, got := read(t, write(t, Config{}, Call{Path: "/a/../../etc/passwd"}, Call{Model: "<script>alert(1)</script>", Method: "read"},
		Call{Path: "/%2e%2e/x"}, Call{Path: "//evil.example/"}, Call{Path: "/a\x1b[2J"}, Call{Error: "a\nb"}))
	for i, want := range []string{"path", "name", "path", "path", "path", ""} {
		if c := got[i]; c.Lacks != want || c.Path != "" || c.Model != "" {
			t.Errorf("call %d: %+v", i, c)
		}
	}
}

func TestOrderIsKept(t *testing.T) {
	w, err := NewWriter(io.Discard, testHeader, Config{Key: testKey})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Call(Call{Session: "x", Transport: "http"}); err == nil {
		t.Error("a call without its session was taken")
	}
	if _, err := w.Session(Session{ID: "x", Transport: "http"}); err != nil {
		t.Fatal(err)
	}
	if err := w.Call(Call{Session: "x", Transport: "http", At: 2}); err != nil {
		t.Fatal(err)
	}
	if err := w.Call(Call{Session: "x", Transport: "http", At: 1}); err == nil {
		t.Error("a call out of order was taken")
	}
}

// TestHostileFiles: each ends in an error that names the file, the line and what to do.
func TestHostileFiles(t *testing.T) {
	head := "perfd-load 1\n" + `{"load":{"version":1,"start":"2031-01-02T03:04:05Z"}}` + "\n"
	session := `{"session":{"id":"s1","transport":"jsonrpc"}}` + "\n"
	call := func(more string) string {
		return `{"call":{"seq":1,"session":"s1","at":0,"duration":1,"transport":"jsonrpc","status":200` + more + `}}` + "\n"
	}
	end := `{"end":{"calls":1,"sessions":1}}` + "\n"
	if _, calls := read(t, pack(t, head+session+call("")+end)); len(calls) != 1 {
		t.Fatal("the sound file is not read")
	}
	for name, c := range map[string]struct {
		file []byte
		want error
		line int64
	}{
		"empty":          {nil, ErrFormat, 0},
		"no zstd":        {[]byte("PK\x03\x04 is another thing"), ErrFormat, 0},
		"another text":   {pack(t, "hello\n"), ErrFormat, 0},
		"long first":     {pack(t, strings.Repeat("x", 1<<20)), ErrFormat, 0},
		"newer":          {pack(t, "perfd-load 9\n"), ErrVersion, 0},
		"no header":      {pack(t, "perfd-load 1\n"+session), ErrFormat, 2},
		"cut off":        {pack(t, head+session+call("")), ErrCutOff, 5},
		"in two":         {pack(t, head+session+call(""))[:60], nil, 0},
		"more after end": {pack(t, head+session+call("")+end+call("")), ErrFormat, 5},
		"wrong count":    {pack(t, head+session+call("")+strings.Replace(end, "1", "2", 1)), ErrFormat, 5},
		"no JSON":        {pack(t, head+"{]\n"), ErrFormat, 3},
		"another type":   {pack(t, head+session+call(`,"path":7`)), ErrFormat, 4},
		"long line":      {pack(t, head+session+call(`,"args":["`+strings.Repeat("a", defaultLine)+`"]`)), ErrBound, 4},
		"deep":           {pack(t, head+session+call(`,"args":`+strings.Repeat("[", 1<<17)+strings.Repeat("]", 1<<17))), ErrBound, 4},
		"args no list":   {pack(t, head+session+call(`,"args":{"a":1}`)), ErrFormat, 4},
		"kwargs no map":  {pack(t, head+session+call(`,"kwargs":[1]`)), ErrFormat, 4},
		"traversal":      {pack(t, head+session+call(`,"path":"/web/../../etc/passwd"`)), errPath, 4},
		"escaped":        {pack(t, head+session+call(`,"path":"/web/%2E%2e/x"`)), errPath, 4},
		"other host":     {pack(t, head+session+call(`,"path":"http://evil.example/"`)), errPath, 4},
		"header split":   {pack(t, head+session+call(`,"path":"/a\r\nX: y"`)), errPath, 4},
		"script":         {pack(t, head+session+call(`,"model":"<script>alert(1)</script>"`)), errName, 4},
		"terminal":       {pack(t, head+session+call(`,"error":"\u001b[2J"`)), errName, 4},
		"script session": {pack(t, head+`{"session":{"id":"\"><script>","transport":"jsonrpc"}}`+"\n"), errName, 3},
		"bidi login":     {pack(t, head+`{"session":{"id":"s1","login":"a\u202eb","transport":"jsonrpc"}}`+"\n"), errName, 3},
		"unknown":        {pack(t, head+call("")), errOrder, 3},
		"twice":          {pack(t, head+session+call("")+call("")), errOrder, 5},
		"negative":       {pack(t, head+session+strings.Replace(call(""), `"at":0`, `"at":-5`, 1)), errRange, 4},
		"far":            {pack(t, head+session+strings.Replace(call(""), `"at":0`, `"at":9000000000000000000`, 1)), errRange, 4},
		"too far":        {pack(t, head+session+strings.Replace(call(""), `"at":0`, `"at":1e300`, 1)), ErrFormat, 4},
		"minted name":    {pack(t, head+session+call(`,"minted":[{"model":"../x","ids":[1]}]`)), errName, 4},
		"minted type":    {pack(t, head+session+call(`,"minted":[{"model":"x","ids":"a"}]`)), ErrFormat, 4},
		"much minted":    {pack(t, head+session+call(`,"minted":[`+strings.Repeat("{},", 1<<20)+`{}]`)), ErrBound, 4},
		"long header":    {pack(t, "perfd-load 1\n"+`{"load":{"version":1,"lacks":["`+strings.Repeat(`","`, 1<<20)+`"]}}`+"\n"), ErrBound, 2},
		"source":         {pack(t, "perfd-load 1\n"+`{"load":{"version":1,"sources":["../../x"]}}`+"\n"), errName, 2},
		"nothing":        {pack(t, head+"{}\n"), ErrFormat, 3},
	} {
		t.Run(name, func(t *testing.T) {
			err := drain(c.file)
			var e *Error
			if !errors.As(err, &e) || c.want != nil && !errors.Is(err, c.want) || c.want != nil && e.Line != c.line {
				t.Fatalf("got %v, want %v in line %d", err, c.want, c.line)
			}
			if e.File != "x.load" || e.Hint == "" || strings.Contains(err.Error(), "script") || strings.Contains(err.Error(), "\x1b") {
				t.Errorf("%v; %q", err, e.Hint)
			}
		})
	}
}

func drain(file []byte) error {
	r, err := NewReader(bytes.NewReader(file), "/some/folder/x.load", ReaderConfig{})
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		if _, err := r.Next(); err != nil {
			return err
		}
	}
}

// TestBomb: what unpacks to a thousand times its size is given up at the bound, in the memory of one line.
func TestBomb(t *testing.T) {
	var file bytes.Buffer
	z, err := zstd.NewWriter(&file)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(z, "perfd-load 1\n"+`{"load":{"version":1,"sources":["`)
	zeros := bytes.Repeat([]byte{'0'}, 1<<20)
	for range 64 {
		_, _ = z.Write(zeros)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := NewReader(&file, "x.load", ReaderConfig{LineBytes: 1 << 20})
	if r != nil || !errors.Is(err, ErrBound) {
		t.Errorf("got %v", err)
	}
}

func TestLongArgumentsAreLeftOut(t *testing.T) {
	_, got := read(t, write(t, Config{LineBytes: 1000, Rules: mustRules(t, "*:*")}, Call{Model: "m", Method: "write", Args: json.RawMessage(fmt.Sprintf("[[1],{%q:%q}]", "name", strings.Repeat("x", 5000)))}))
	if got[0].Args != nil || got[0].Lacks != "arguments" {
		t.Errorf("%+v", got[0])
	}
}

func mustRules(t testing.TB, rules ...string) Rules {
	t.Helper()
	r, err := ParseRules(rules...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestCutOff: of a file that ends early nearly all can be read.
func TestCutOff(t *testing.T) {
	calls := make([]Call, 20000)
	for i := range calls {
		calls[i] = Call{At: time.Duration(i), Model: "res.partner", Method: "read", RequestBytes: int64(i * 7919 % 1000003)}
	}
	file := write(t, Config{}, calls...)
	r, err := NewReader(bytes.NewReader(file[:len(file)*3/4]), "x.load", ReaderConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for n := 0; ; n++ {
		if _, err = r.Next(); err != nil {
			if n < len(calls)/2 || !errors.Is(err, ErrCutOff) {
				t.Errorf("%d calls of %d: %v", n, len(calls), err)
			}
			return
		}
	}
}
