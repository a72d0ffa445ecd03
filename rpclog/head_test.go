package rpclog

import (
	"testing"

	"github.com/perfd/perfd/capture"
)

func TestHeaderFields(t *testing.T) {
	for line, want := range map[string]func(request, response *head) bool{
		"CONTENT-length:\t 12 \t":         func(q, r *head) bool { return q.length == 12 && r.length == 12 },
		"Content-Length : 12":             func(q, r *head) bool { return q.length == -1 && r.length == -1 },
		"Content-Length: 12, 12":          func(q, r *head) bool { return q.length == 12 && r.length == 12 },
		"Content-Length:":                 func(q, r *head) bool { return q.bad && r.bad },
		"content-type:application/json":   func(q, r *head) bool { return q.content == contentJSON && r.content == contentJSON },
		"Content-Type: Text/XML; a=b":     func(q, r *head) bool { return q.content == contentXML && r.content == contentXML },
		"Content-Encoding: GZIP":          func(q, r *head) bool { return q.coding == gzipped && r.coding == gzipped },
		"Transfer-Encoding: gzip,Chunked": func(q, r *head) bool { return q.chunked && r.chunked && !q.bad },
		"transfer-encoding: gzip":         func(q, r *head) bool { return q.bad && r.bad },
		"EXPECT: 100-Continue":            func(q, r *head) bool { return q.expects && !r.expects },
		"Upgrade: WebSocket":              func(q, r *head) bool { return q.websocket && !r.websocket },
		"Forwarded:":                      func(q, r *head) bool { return q.forwarded && !r.forwarded },
		"X-Forwarded-For: a":              func(q, r *head) bool { return q.forwarded && !r.forwarded },
		"X-Odoo-Database: db":             func(q, r *head) bool { return string(q.database.bytes()) == "db" && r.database.n == 0 },
		"Authorization: Bearer abc":       func(q, r *head) bool { return q.session != 0 && r.session == 0 },
		"Cookie: a=b; session_id=abc":     func(q, r *head) bool { return q.session != 0 && r.session == 0 },
		"Set-Cookie: session_id=abc":      func(q, r *head) bool { return q.session == 0 && r.session != 0 },
		"Set-Cookie: a=b; session_id=abc": func(q, r *head) bool { return q.session == 0 && r.session == 0 },
		"Cookie":                          nothingTold,
		":Cookie: session_id=abc":         nothingTold,
		"\tCookie: session_id=abc":        nothingTold,
		"Cookies: session_id=abc":         nothingTold,
		"c":                               nothingTold,
	} {
		d := New(Config{}, nowhere{})
		var heads [2]head
		for dir := range heads {
			heads[dir].reset()
			heads[dir].field(d, &half{dir: capture.Dir(dir)}, []byte(line))
		}
		if !want(&heads[capture.ToServer], &heads[capture.ToClient]) {
			t.Errorf("%q is read as %+v", line, heads)
		}
		if heads[0].reset(); heads[0].facts != (facts{length: -1}) || heads[0].login.n+heads[0].database.n > 0 {
			t.Errorf("%q stays after reset", line)
		}
	}
}

func nothingTold(q, r *head) bool {
	return q.facts == facts{length: -1} && r.facts == facts{length: -1}
}
