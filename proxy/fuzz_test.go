package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net/http"
	"strings"
	"testing"
)

// seeds of header sections, the odd ones among them.
var heads = []string{
	"GET /web HTTP/1.1\r\nHost: h\r\n\r\n",
	"POST /jsonrpc HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\nConnection: keep-alive, X-A\r\nX-A: 1\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n",
	"GET /ws HTTP/1.1\nHost: h\nUpgrade: websocket\nConnection: Upgrade\n\n",
	"GET / HTTP/1.0\r\nConnection: keep-alive\r\nX_Forwarded_Proto: https\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: a=b\r\n x\r\n\r\n",
	"HTTP/1.0 304 Not Modified\r\n\r\n",
}

// What is passed on is one request, and Go's reader and this one agree on where it ends.
func FuzzRequestHead(f *testing.F) {
	for _, s := range heads {
		f.Add([]byte(s), true, false)
	}
	f.Fuzz(func(t *testing.T, b []byte, trusted, add bool) {
		n := endOfHead(b, 0)
		if n == 0 {
			return
		}
		var h head
		if h.request(b[:n]) != nil {
			return
		}
		edited := h.appendRequest(nil, &sender{addr: "192.0.2.1", trusted: trusted, proto: "http"}, add)
		if endOfHead(edited, 0) != len(edited) {
			t.Fatalf("%q became %q, which ends early", b[:n], edited)
		}
		var again head
		if err := again.request(edited); err != nil {
			t.Fatalf("%q became %q: %v", b[:n], edited, err)
		}
		if again.length != h.length || again.chunked != h.chunked || again.minor != h.minor || string(again.verb) != string(h.verb) ||
			string(again.target) != string(h.target) || !again.id || again.named || again.upgrade != h.upgrade {
			t.Fatalf("%q became %q", b[:n], edited)
		}
		for _, f := range again.fields {
			if !trusted && f.kind == origin && equalFold(f.name, "x-forwarded-for") && string(f.value) != "192.0.2.1" {
				t.Fatalf("%q became %q: believed", b[:n], edited)
			}
		}
		theirs, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(edited)))
		if err != nil {
			return // Go refuses more: odd targets, hosts and values
		}
		want := h.length
		if h.chunked {
			want = -1
		}
		if theirs.Method != string(h.verb) || theirs.ContentLength != want {
			t.Fatalf("%q: Go reads %s with %d bytes, not %s with %d", edited, theirs.Method, theirs.ContentLength, h.verb, want)
		}
	})
}

func FuzzResponseHead(f *testing.F) {
	for _, s := range heads {
		f.Add([]byte(s), true, false)
	}
	f.Fuzz(func(t *testing.T, b []byte, keep, old bool) {
		n := endOfHead(b, 0)
		if n == 0 {
			return
		}
		var h, again head
		if !h.response(b[:n], []byte("GET")) {
			return
		}
		edited := h.appendResponse(nil, keep, old)
		if endOfHead(edited, 0) != len(edited) || !again.response(edited, []byte("GET")) {
			t.Fatalf("%q became %q", b[:n], edited)
		}
		if again.length != h.length || again.chunked != h.chunked || again.status != h.status || again.close == keep && again.status >= 200 {
			t.Fatalf("%q became %q", b[:n], edited)
		}
	})
}

// Where the body ends does not depend on how it is cut, and Go's reader finds the same end.
func FuzzChunked(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\n0\r\n\r\nGET"), uint8(1))
	f.Add([]byte("a;x=y\r\n0123456789\r\n000\r\nA: b\r\n\r\n"), uint8(3))
	f.Add([]byte("5\nhello"), uint8(2))
	f.Add([]byte("ffffffffffffffffff\r\n"), uint8(2))
	f.Fuzz(func(t *testing.T, b []byte, step uint8) {
		var whole chunked
		n, done, err := whole.feed(b)
		var parts chunked
		var taken int
		var ended bool
		var failed error
		for at := 0; at < len(b) && !ended && failed == nil; at += int(step) + 1 {
			var k int
			k, ended, failed = parts.feed(b[at:min(at+int(step)+1, len(b))])
			taken += k
		}
		if taken != n || ended != done || (failed != nil) != (err != nil) {
			t.Fatalf("%q: whole %d %t %v, in parts %d %t %v", b, n, done, err, taken, ended, failed)
		}
		if !done {
			return
		}
		r := strings.NewReader("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + string(b))
		br := bufio.NewReader(r)
		req, err := http.ReadRequest(br)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return // Go refuses more: trailers that are none, long lines
		}
		if rest := br.Buffered() + r.Len(); rest != len(b)-n {
			t.Fatalf("%q: Go leaves %d bytes, this reader %d", b, rest, len(b)-n)
		}
	})
}

func FuzzAuthentication(f *testing.F) {
	f.Add([]byte("R\x00\x00\x00\x2a\x00\x00\x00\x0aSCRAM-SHA-256-PLUS\x00SCRAM-SHA-256\x00\x00"))
	f.Add([]byte("R\x00\x00\x00\x08\x00\x00\x00\x00"))
	f.Add([]byte("p\x00\x00\x00\x36SCRAM-SHA-256\x00\x00\x00\x00\x20y,,n=,r=abc"))
	f.Fuzz(func(t *testing.T, b []byte) {
		couldBind(b)
		if len(b) < 5 || int64(binary.BigEndian.Uint32(b[1:]))+1 != int64(len(b)) {
			return
		}
		stripped, changed := withoutBinding(b)
		if int(binary.BigEndian.Uint32(stripped[1:]))+1 != len(stripped) {
			t.Fatalf("%q became %q", b, stripped)
		}
		if again, more := withoutBinding(stripped); more || !bytes.Equal(again, stripped) || !changed && !bytes.Equal(stripped, b) {
			t.Fatalf("%q became %q", b, stripped)
		}
	})
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"8069", ":8069", "[::1]:5432", "/run/postgresql/", "unix:/x", "h:1", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAddress(s)
		if err != nil {
			return
		}
		a.port()
		if a.Network != "tcp" && a.Network != "unix" || a.Host == "" {
			t.Fatalf("%q: %+v", s, a)
		}
		if again, err := ParseAddress(a.String()); !a.Unix() && (err != nil || again != a) {
			t.Fatalf("%q: %+v, again %+v, %v", s, a, again, err)
		}
	})
}

func BenchmarkRequestHead(b *testing.B) {
	text := []byte("POST /web/dataset/call_kw/res.partner/web_search_read HTTP/1.1\r\nHost: odoo.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n" +
		"Accept: */*\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate\r\nReferer: http://odoo.example/odoo\r\n" +
		"Content-Type: application/json\r\nContent-Length: 431\r\nOrigin: http://odoo.example\r\nConnection: keep-alive\r\n" +
		"Cookie: session_id=0123456789012345678901234567890123456789; frontend_lang=en_US\r\n\r\n")
	var h head
	var out []byte
	from := sender{addr: "192.0.2.1", proto: "http"}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if h.request(text[:endOfHead(text, 0)]) != nil {
			b.Fatal("refused")
		}
		out = h.appendRequest(out[:0], &from, false)
	}
}

func BenchmarkChunked(b *testing.B) {
	body := []byte(strings.Repeat("2000\r\n"+strings.Repeat("x", 0x2000)+"\r\n", 8) + "0\r\n\r\n")
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		var c chunked
		if _, done, err := c.feed(body); !done || err != nil {
			b.Fatal(err)
		}
	}
}
