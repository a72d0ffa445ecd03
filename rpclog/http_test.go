package rpclog

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"github.com/perfd/perfd/capture"
)

func TestOneCall(t *testing.T) {
	req := callKW("res.partner", "read", "[[3,4,5],[\"name\"]]")
	res := answer(asJSON, `{"jsonrpc":"2.0","id":7,"result":[{"id":3,"name":"Azure Interior"}]}`)
	head := strings.Index(req, "\r\n\r\n") + 4
	r := play(t, ask(req[:10]), ask(req[10:head]), ask(req[head:head+5]), ask(req[head+5:]), tell(res[:20]), tell(res[20:]))
	c := r.one(t)
	if c.Verb != "POST" || c.Path != "/web/dataset/call_kw/res.partner/read" || c.Transport != JSONRPC || c.Class != Ordinary ||
		c.Model != "res.partner" || c.Method != "read" || c.IDs != 3 || c.Status != 200 || c.Error != "" || c.Gaps != 0 || c.Session == 0 {
		t.Errorf("call is %s", r)
	}
	if got := []int{second(c.Start), second(c.Head), second(c.Sent), second(c.First), second(c.End)}; !cmp.Equal(got, []int{1, 2, 4, 5, 6}) {
		t.Errorf("times are %v", got)
	}
	if c.RequestBytes != int64(len(req)) || c.ResponseBytes != int64(len(res)) {
		t.Errorf("bytes are %d, %d; want %d, %d", c.RequestBytes, c.ResponseBytes, len(req), len(res))
	}
	if !has(&c.Request, "name") || !has(&c.Request, "abcdefabcdefabcdefabcdefabcdefabcdefabcd") || !has(&c.Response, "Azure Interior") || has(&c.Response, "result") {
		t.Errorf("values are wrong")
	}
}

func compressed(t testing.TB, coding, body string) string {
	t.Helper()
	var b bytes.Buffer
	var err error
	write := func(w interface {
		Write([]byte) (int, error)
		Close() error
	}) {
		_, err = w.Write([]byte(body))
		if err == nil {
			err = w.Close()
		}
	}
	switch coding {
	case "gzip":
		write(gzip.NewWriter(&b))
	case "deflate":
		write(zlib.NewWriter(&b))
	case "raw deflate":
		w, _ := flate.NewWriter(&b, 6)
		write(w)
	case "br":
		write(brotli.NewWriter(&b))
	case "zstd":
		w, _ := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
		write(w)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// chunked applies the chunked transfer coding in pieces of n bytes.
func chunked(body string, n int, trailer string) string {
	var b strings.Builder
	for len(body) > 0 {
		k := min(n, len(body))
		fmt.Fprintf(&b, "%x;name=value\r\n%s\r\n", k, body[:k])
		body = body[k:]
	}
	return b.String() + "0\r\n" + trailer + "\r\n"
}

var contentCodings = []string{"gzip", "deflate", "raw deflate", "br", "zstd"}

func TestContentCodings(t *testing.T) {
	body := `{"jsonrpc":"2.0","result":[` + strings.Repeat(`{"name":"Azure Interior","ref":"A-0815"},`, 3000) + `{"name":"the last one"}]}`
	for _, coding := range contentCodings {
		name := strings.TrimPrefix(coding, "raw ")
		packed := compressed(t, coding, body)
		for _, res := range []string{
			answer(asJSON+"Content-Encoding: "+name+"\r\n", packed),
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: " + name + "\r\n" + asJSON + "\r\n" + chunked(packed, 100, "X-Sum: 1\r\n"),
		} {
			r := &recorder{}
			d := New(Config{}, r)
			for range 2 { // decompressors are used again
				run(d, testConn, nil, ask(callKW("res.partner", "read", "[]")), tell(res[:len(res)/2]), tell(res[len(res)/2:]))
			}
			r.check(t)
			for _, c := range r.calls {
				if !has(&c.Response, "Azure Interior") || !has(&c.Response, "the last one") || c.Gaps != 0 || c.ResponseBytes != int64(len(res)) {
					t.Errorf("%s: values or bytes missing: %s", coding, r)
				}
			}
			if d.Stats().Undecoded != 0 || d.idle.busy != 0 {
				t.Errorf("%s: %d undecoded, %d busy", coding, d.Stats().Undecoded, d.idle.busy)
			}
		}
	}
}

func TestCompressedRequest(t *testing.T) {
	body := compressed(t, "gzip", `{"id":1,"method":"model.party.party.read","params":[[7,8],["name"],{}]}`)
	c := play(t, ask(request("/tryton/", asJSON+"Content-Encoding: gzip\r\n", body)), tell(answer(asJSON, `{"id":1,"result":[]}`))).one(t)
	if c.Transport != Tryton || c.Model != "party.party" || c.Method != "read" || c.IDs != 2 {
		t.Errorf("call is %+v", c)
	}
}

func TestDecodingIsBounded(t *testing.T) {
	bomb := compressed(t, "gzip", `{"jsonrpc":"2.0","result":"`+strings.Repeat("A", 1<<20)+`","x":"late value"}`)
	r := &recorder{}
	d := New(Config{DecodedBytes: 4096}, r)
	run(d, testConn, nil, ask(callKW("a.b", "read", "[]")), tell(answer(asJSON+"Content-Encoding: gzip\r\n", bomb)))
	if c := r.one(t); has(&c.Response, "late value") || d.Stats().Undecoded != 1 || d.idle.busy != 0 {
		t.Errorf("bomb was decoded: %+v", d.Stats())
	}
	garbage := answer(asJSON+"Content-Encoding: br\r\n", "\xff\xfe\xfd\xfc\x00\x01\x02garbage")
	r2 := play(t, ask(callKW("a.b", "read", "[]")), tell(garbage), ask(callKW("a.c", "read", "[]")), tell(answer(asJSON, `{}`)))
	if len(r2.calls) != 2 || r2.calls[1].Status != 200 {
		t.Errorf("garbage stopped the stream: %s", r2)
	}
}

func TestPipelining(t *testing.T) {
	r := play(t,
		ask(callKW("a.a", "one", "[]"), callKW("a.a", "two", "[]")),
		ask(callKW("a.a", "three", "[]")),
		tell(answer(asJSON, `{"result":"r1"}`), answer(asJSON, `{"result":"r2"}`)[:30]),
		tell(answer(asJSON, `{"result":"r2"}`)[30:], answer(asJSON, `{"result":"r3"}`)))
	for i, want := range []string{"one r1", "two r2", "three r3"} {
		method, value, _ := strings.Cut(want, " ")
		if c := r.calls[i]; c.Method != method || !has(&c.Response, value) || c.ID != CallID(i+1) || c.Gaps != 0 {
			t.Errorf("answer %d went to %s: %s", i, c.Method, r)
		}
	}
}

func TestPipelineIsBounded(t *testing.T) {
	r := &recorder{}
	d := New(Config{Pipelined: 3}, r)
	var events []event
	for range 5 {
		events = append(events, ask(callKW("a.a", "one", "[]")))
	}
	run(d, testConn, nil, events...)
	r.check(t)
	if d.Stats().GivenUp != 2 || len(r.calls) != 5 || r.calls[0].Gaps != GapResponse || r.calls[4].Gaps != GapUnanswered || !r.calls[4].End.IsZero() {
		t.Errorf("%+v: %s", d.Stats(), r)
	}
}

func TestContinue(t *testing.T) {
	req := request("/jsonrpc", asJSON+"Expect: 100-continue\r\n", `{"jsonrpc":"2.0"}`)
	head := strings.Index(req, "\r\n\r\n") + 4
	interim := "HTTP/1.1 100 Continue\r\n\r\n"
	res := answer(asJSON, `{"result":true}`)
	c := play(t, ask(req[:head]), tell(interim), ask(req[head:]), tell(interim), tell(interim, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"), tell(res)).one(t)
	if c.Status != 200 || second(c.First) != 6 || second(c.End) != 6 || second(c.Sent) != 3 || c.ResponseBytes != int64(len(res)) {
		t.Errorf("call is %+v", c)
	}
}

func TestExpectationRefused(t *testing.T) {
	req := request("/jsonrpc", asJSON+"Expect: 100-continue\r\n", `{"jsonrpc":"2.0"}`)
	r := play(t, ask(req[:strings.Index(req, "\r\n\r\n")+4]), tell("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n"),
		ask(callKW("a.a", "one", "[]")), tell(answer(asJSON, "{}")))
	if len(r.calls) != 2 || r.calls[0].Status != 417 || r.calls[1].Method != "one" || r.calls[1].Status != 200 {
		t.Errorf("calls are %s", r)
	}
}

func TestBodylessResponses(t *testing.T) {
	get := "GET /web/image/3 HTTP/1.1\r\nHost: a\r\n\r\n"
	r := play(t,
		ask(strings.Replace(get, "GET", "HEAD", 1)), tell("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"),
		ask(get), tell("HTTP/1.1 304 Not Modified\r\nContent-Length: 5000\r\n\r\n"),
		ask(get), tell("HTTP/1.1 204 No Content\r\n\r\n"),
		ask(get), tell("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
		ask(get), tell("HTTP/1.1 404 NOT FOUND\r\nContent-Length: 2\r\n\r\nno"))
	var got []int
	for _, c := range r.calls {
		got = append(got, c.Status, second(c.End))
	}
	if want := []int{200, 2, 304, 4, 204, 6, 200, 8, 404, 10}; !cmp.Equal(got, want) {
		t.Errorf("status and end: %v, want %v", got, want)
	}
	if got := r.calls[4].Error; got != "HTTP 404" {
		t.Errorf("error is %q", got)
	}
}

func TestResponseEndedByFin(t *testing.T) {
	c := play(t, ask(callKW("a.a", "one", "[]")), tell("HTTP/1.0 200 OK\r\n"+asJSON+"\r\n{\"result\":\"some"), tell(" text\"}"), fin(capture.ToClient)).one(t)
	if c.Gaps != 0 || second(c.End) != 3 || !has(&c.Response, "some text") {
		t.Errorf("call is %+v", c)
	}
	c = play(t, ask(callKW("a.a", "one", "[]")), tell("HTTP/1.0 200 OK\r\n"+asJSON+"\r\n{\"result\":\"some")).one(t)
	if c.Gaps != GapUnanswered {
		t.Errorf("a response cut off by the capture's end has gaps %d", c.Gaps)
	}
	c = play(t, ask(callKW("a.a", "one", "[]")), tell("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"), fin(capture.ToClient)).one(t)
	if c.Gaps&GapResponse == 0 || second(c.End) != 2 {
		t.Errorf("a short response has gaps %d, end %d", c.Gaps, second(c.End))
	}
}

func TestAnsweredBeforeSent(t *testing.T) {
	req := request("/web/binary/upload", "Content-Type: multipart/form-data\r\n", strings.Repeat("x", 100))
	r := play(t, ask(req[:150]), tell("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"), ask(req[150:], callKW("a.a", "one", "[]")), tell(answer("", "")))
	if len(r.calls) != 2 || r.calls[0].Status != 413 || r.calls[0].BodyHash != 0 || second(r.calls[0].Sent) != 1 || r.calls[1].Method != "one" {
		t.Errorf("calls are %s", r)
	}
}

func TestConnectIsOpaque(t *testing.T) {
	r := play(t, ask("CONNECT secret.example:443 HTTP/1.1\r\n\r\n"), tell("HTTP/1.1 200 OK\r\n\r\n"),
		ask(callKW("a.a", "one", "[]")), tell(answer(asJSON, "{}")))
	if c := r.one(t); c.Path != "" || c.Status != 200 {
		t.Errorf("call is %+v", c)
	}
}

func TestWebsocket(t *testing.T) {
	upgrade := "GET /websocket?version=18.0 HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nCookie: a=b; session_id=abcdefghijklmnop\r\n\r\n"
	masked := func(op byte, n int) string {
		switch {
		case n < 126:
			return string([]byte{0x80 | op, 0x80 | byte(n), 1, 2, 3, 4}) + strings.Repeat("p", n)
		case n < 1<<16:
			return string([]byte{0x80 | op, 0x80 | 126, byte(n >> 8), byte(n), 1, 2, 3, 4}) + strings.Repeat("p", n)
		}
		return string([]byte{0x80 | op, 0x80 | 127, 0, 0, 0, 0, 0, byte(n >> 16), byte(n >> 8), byte(n), 1, 2, 3, 4}) + strings.Repeat("p", n)
	}
	r := play(t, ask(upgrade), tell("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x03abc"),
		ask(masked(1, 5), masked(1, 300)), ask(masked(2, 70000)), tell("\x89\x00\x88\x02\x03\xe8"), ask(masked(8, 2)))
	c := r.one(t)
	if c.Class != Handshake || c.Status != 101 || c.Path != "/websocket" || c.Session == 0 || second(c.End) != 2 {
		t.Errorf("handshake is %+v", c)
	}
	var got []string
	for _, m := range r.messages {
		got = append(got, fmt.Sprint(m.Dir, m.Opcode, m.Bytes, second(m.Time)))
	}
	want := []string{"to client 1 5 2", "to server 1 11 3", "to server 1 308 3", "to server 2 70014 4", "to client 9 2 5", "to client 8 4 5", "to server 8 8 6"}
	if !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	r = play(t, ask(upgrade), tell("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), ask(callKW("a.a", "one", "[]")), tell(answer(asJSON, "{}")))
	if len(r.calls) != 2 || r.calls[0].Class != Ordinary || r.calls[1].Method != "one" {
		t.Errorf("refused upgrade: %s", r)
	}
	r = play(t, ask(upgrade), tell("HTTP/1.1 101 OK\r\n\r\n\x81\x7d"+strings.Repeat("x", 10)), tell(strings.Repeat("x", 15), "\x81\x01a").after(100),
		tell("\x81\x01b").after(5))
	if len(r.messages) != 3 {
		t.Errorf("frames after loss: %s", r)
	}
}

func TestAnyCutGivesTheSame(t *testing.T) {
	conversation := conversation(t)
	whole := &recorder{}
	run(New(Config{}, whole), testConn, nil, conversation...)
	want := whole.String()
	if n := len(whole.calls); n != 14 || len(whole.messages) != 2 {
		t.Fatalf("%d calls, %d messages", n, len(whole.messages))
	}
	for n := 1; n <= 3; n++ {
		r := &recorder{}
		run(New(Config{}, r), testConn, func(data string) []string {
			var out []string
			for len(data) > n {
				out, data = append(out, data[:n]), data[n:]
			}
			return append(out, data)
		}, conversation...)
		if got := r.String(); got != want {
			t.Fatalf("pieces of %d bytes: %s", n, cmp.Diff(want, got))
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		r := &recorder{}
		run(New(Config{}, r), testConn, func(data string) []string {
			var out []string
			for len(data) > 0 {
				n := min(rapid.IntRange(1, 200).Draw(t, "piece"), len(data))
				out, data = append(out, data[:n]), data[n:]
			}
			return out
		}, conversation...)
		if got := r.String(); got != want {
			t.Fatal(cmp.Diff(want, got))
		}
	})
}

// conversation is one of everything.
func conversation(t testing.TB) []event {
	get := "GET /web/image/3?access_token=x HTTP/1.1\r\nHost: a\r\n\r\n"
	long := `{"jsonrpc":"2.0","id":1,"result":{"records":[{"id":31,"name":"caf\u00e9 \ud83d\ude00 \"q\"","amount":24.50,"note":"<p>` + strings.Repeat("long ", 100) + `</p>","active":true}]}}`
	events := []event{
		ask(callKW("res.partner", "web_search_read", `[[["name","ilike","O'Brien"],["id","in",[11,12]]]]`)), tell(answer(asJSON, long)),
		ask("\r\n", callKW("res.partner", "write", `[[11,12],{"name":"x\ty"}]`), callKW("a.b", "unlink", `[5]`)),
		tell("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", asJSON, "\r\n", chunked(long, 7, "A: b\r\n")),
		tell(answer(asJSON, `{"jsonrpc":"2.0","error":{"code":200,"message":"Odoo Server Error","data":{"name":"odoo.exceptions.AccessError","debug":"Traceback","message":"no"}}}`)),
		ask("POST /jsonrpc HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", asJSON, "\r\n",
			chunked(`{"jsonrpc":"2.0","params":{"service":"object","method":"execute_kw","args":["db",16,"pw","res.partner","read",[[1,2,3]],{}]}}`, 11, "")),
		tell("HTTP/1.1 100 Continue\r\n\r\n", answer(asJSON, `{"result":[]}`)),
		ask(request("/xmlrpc/2/common", asXML, `<?xml version="1.0"?><methodCall><methodName>login</methodName><params><param><value><string>db</string></value></param><param><value>alice</value></param><param><value><string>pw</string></value></param></params></methodCall>`)),
		tell(answer(asXML, `<?xml version="1.0"?><methodResponse><params><param><value><int>17</int></value></param></params></methodResponse>`)),
		ask(strings.Replace(get, "GET", "HEAD", 1), get), tell("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", "HTTP/1.1 304 Not Modified\r\n\r\n"),
	}
	for _, coding := range contentCodings {
		events = append(events, ask(callKW("a.b", "read", "[]")),
			tell(answer(asJSON+"Content-Encoding: "+strings.TrimPrefix(coding, "raw ")+"\r\n", compressed(t, coding, long))))
	}
	events = append(events, ask(request("/tryton/", asJSON+"Authorization: Session YWxpY2U6MjphYmNkZWY=\r\n", `{"id":1,"method":"common.db.logout","params":[{}]}`)),
		tell(answer(asJSON, `{"id":1,"result":null}`)))
	return append(events, ask("GET /websocket HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"),
		tell("HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x01a"), ask("\x81\x82abcdef"))
}

func TestHugeBodyIsNotHeld(t *testing.T) {
	d := New(Config{}, &recorder{})
	s := d.NewStream(testConn)
	const size = 10 << 30
	piece := bytes.Repeat([]byte("A"), 1<<20)
	s.Chunk(capture.Chunk{Dir: capture.ToServer, Time: epoch, Data: []byte(callKW("a.b", "read", "[]"))})
	s.Chunk(capture.Chunk{Dir: capture.ToClient, Time: epoch, Data: []byte(fmt.Sprintf("HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n[\"", asJSON, size))})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const pieces = 300
	for range pieces {
		s.Chunk(capture.Chunk{Dir: capture.ToClient, Time: epoch, Data: piece})
	}
	s.Chunk(capture.Chunk{Dir: capture.ToClient, Time: epoch.Add(time.Second), Data: []byte("ab"), Lost: size - pieces<<20 - 4})
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
		t.Errorf("allocated %d bytes", grown)
	}
	c := d.sink.(*recorder).one(t)
	if c.Gaps != GapResponse || !c.End.Equal(epoch.Add(time.Second)) {
		t.Errorf("call is %+v", c)
	}
}
