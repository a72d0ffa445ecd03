package rpclog

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/evidence"
)

// FuzzHTTP plays two byte streams to the decoder, in turns of a few bytes with losses between as plan
// says. The decoder must not fail, end each call once and stay within its bounds; without losses the cut
// must not matter.
func FuzzHTTP(f *testing.F) {
	for _, req := range []string{
		callKW("res.partner", "read", "[[3]]"),
		"POST /jsonrpc HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + asJSON + "\r\n" + chunked(`{"jsonrpc":"2.0"}`, 5, "A: b\r\n"),
		"GET /websocket HTTP/1.1\r\nUpgrade: websocket\r\n\r\n\x81\x82abcdef",
		request("/xmlrpc/2/object", asXML, xmlCall("execute", param("db")+param("<int>2</int>"))),
		"CONNECT a:1 HTTP/1.1\r\n\r\nHEAD / HTTP/1.0\r\n\r\n",
		"POST /a/ HTTP/1.1\r\nExpect: 100-continue\r\nAuthorization: Session YWxpY2U6MjphYmNkZWY=\r\nContent-Length: 5\r\n\r\n",
	} {
		f.Add([]byte(req+req), []byte(answer(asJSON, okBody)+"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n\r\n"+okBody), []byte{3, 200, 7, 90, 0, 16})
		f.Add([]byte(req), []byte("HTTP/1.1 101 OK\r\n\r\n\x81\x01a\x82\x7e\x01\x00"), []byte{255, 9, 1})
		f.Add([]byte(req), []byte("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"+asJSON+"Transfer-Encoding: chunked\r\n\r\n"+chunked(compressed(f, "gzip", okBody), 9, "")), []byte{255, 9, 1})
	}
	f.Add([]byte("POST / HTTP/1.1\r\n\r\n"), []byte("HTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\n"+asJSON+"\r\n"+compressed(f, "zstd", okBody)), []byte{40})
	f.Add([]byte("POST / HTTP/1.1\r\n\r\n"), []byte("HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n"+asJSON+"\r\n"+compressed(f, "br", okBody)), []byte{40})
	f.Fuzz(func(t *testing.T, up, down, plan []byte) {
		if len(up) > 1<<16 || len(down) > 1<<16 || len(plan) > 64 {
			return
		}
		fuzzOnce(t, up, down, plan, true)
		a := fuzzOnce(t, up, down, nil, false)
		b := fuzzOnce(t, up, down, []byte{1}, false)
		if joined := strings.Contains(a+b, "gaps=1"); !joined && len(up) < 2000 && a != b && singles(up, down) {
			t.Errorf("the cut matters:\n%s\n%s", a, b)
		}
	})
}

// singles says that the streams never need resynchronisation, which may look at where packets begin, and
// hold no corrupt compressed body, of which a decompressor may yield more or less.
func singles(up, down []byte) bool {
	r := &recorder{}
	d := New(Config{}, r)
	s := d.NewStream(testConn)
	s.Chunk(capture.Chunk{Dir: capture.ToServer, Time: epoch, Data: slices.Clone(up)})
	s.Chunk(capture.Chunk{Dir: capture.ToClient, Time: epoch, Data: slices.Clone(down)})
	s.Close(epoch)
	return d.Stats().Malformed == 0 && d.Stats().Undecoded == 0
}

func fuzzOnce(t *testing.T, up, down, plan []byte, turns bool) string {
	r := &recorder{}
	d := New(Config{HeaderBytes: 2048, Pipelined: 4, DecodedBytes: 1 << 16, Decompressors: 2, Names: 8, Sessions: 4}, r)
	conn := testConn
	conn.Joined = turns && len(plan)%2 == 1
	s := d.NewStream(conn)
	at := epoch
	send := func(dir capture.Dir, b []byte, lost int64) {
		s.Chunk(capture.Chunk{Dir: dir, Time: at, Data: slices.Clone(b), Lost: lost})
	}
	if !turns {
		n := max(len(up), len(down), 1)
		if len(plan) > 0 {
			n = int(plan[0])
		}
		for ; len(up) > 0; up = up[min(n, len(up)):] {
			send(capture.ToServer, up[:min(n, len(up))], 0)
		}
		for ; len(down) > 0; down = down[min(n, len(down)):] {
			send(capture.ToClient, down[:min(n, len(down))], 0)
		}
	}
	for i := 0; len(up)+len(down) > 0; i++ {
		at = at.Add(time.Millisecond)
		n, lost := 50, 0
		if len(plan) > 0 {
			p := int(plan[i%len(plan)])
			n = 1 + p%97
			if p > 200 {
				lost = p - 200
			}
		}
		side := &up
		dir := capture.ToServer
		if i%2 == 1 {
			side, dir = &down, capture.ToClient
		}
		*side = (*side)[min(lost, len(*side)):]
		k := min(n, len(*side))
		send(dir, (*side)[:k], int64(lost))
		*side = (*side)[k:]
		if len(s.(*stream).queue) > 4 {
			t.Fatalf("%d requests wait", len(s.(*stream).queue))
		}
	}
	if len(plan) > 2 {
		s.Fin(capture.ToServer, at)
		s.Fin(capture.ToClient, at)
	}
	s.Close(at)
	r.check(t)
	if d.idle.busy != 0 {
		t.Fatalf("%d decompressors are left running", d.idle.busy)
	}
	for _, c := range r.calls {
		if len(c.Path) > maxPath || len(c.Model) > maxName || len(c.Method) > maxPath || len(c.Error) > maxName {
			t.Fatalf("long text in %+v", c)
		}
		if c.End.Before(c.First) && !c.End.IsZero() || c.RequestBytes < 0 || c.ResponseBytes < 0 {
			t.Fatalf("times or bytes of %s", r)
		}
	}
	return r.String()
}

// FuzzJSON holds the scanner against encoding/json.
func FuzzJSON(f *testing.F) {
	for _, in := range []string{okBody, `[1,-2.50,1e5,"\u00e9\ud83d\ude00",{"params":{"args":[[1]]}},true,null]`, `"`, `{"a":`, `[[[[]]]]`, `{"password":"x","k":"v"}`} {
		f.Add([]byte(in), 3)
	}
	f.Fuzz(func(t *testing.T, in []byte, cut int) {
		if len(in) > 1<<14 {
			return
		}
		cut = min(max(cut, 0), len(in))
		whole, parts := scanJSON(string(in)), scanJSON(string(in[:cut]), string(in[cut:]))
		if !slices.Equal(whole.list, parts.list) || !slices.Equal(whole.set.Hashes(), parts.set.Hashes()) {
			t.Fatalf("the cut at %d matters", cut)
		}
		v, err := decode(in)
		if err != nil || !json.Valid(in) || repeats(in) || deep(in) {
			return
		}
		want := evidence.NewSet(1 << 20)
		hashes(v, &want)
		if !slices.Equal(whole.set.Hashes(), want.Hashes()) {
			t.Fatalf("%q: other values than encoding/json's", in)
		}
	})
}

// repeats says that a member name may occur twice or hold escapes, where a decoder into maps sees less than a scanner, or
// that a string is no UTF-8, which a decoder replaces.
func repeats(in []byte) bool {
	s := string(in)
	return strings.Count(s, ":") > 1 || strings.Contains(s, "\\") || strings.ToValidUTF8(s, "") != s
}

func deep(in []byte) bool { return strings.Count(string(in), "[")+strings.Count(string(in), "{") >= 8 }

// FuzzXMLRPC checks that the scanner survives anything and that the cut does not matter.
func FuzzXMLRPC(f *testing.F) {
	f.Add([]byte(xmlCall("execute", param("db")+param("<int>2</int>")+param("<struct><member><name>ids</name><value><array><data><value>1</value></data></array></value></member></struct>"))), 9)
	f.Add([]byte("<fault><value>&#xfffffff;&amp;</value><!-- -- --><a/></array></struct>"), 2)
	f.Fuzz(func(t *testing.T, in []byte, cut int) {
		if len(in) > 1<<14 {
			return
		}
		cut = min(max(cut, 0), len(in))
		whole, parts := scanXML(string(in)), scanXML(string(in[:cut]), string(in[cut:]))
		if !slices.Equal(whole.list, parts.list) || !slices.Equal(whole.set.Hashes(), parts.set.Hashes()) {
			t.Fatalf("the cut at %d matters", cut)
		}
	})
}
