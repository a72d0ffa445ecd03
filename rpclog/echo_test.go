package rpclog

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/perfd/perfd/capture"
)

// proxied plays a call behind a reverse proxy whose server answers inner, unless that is empty, and then the
// same call in front of it. It returns what came of the latter and whether a body was unpacked.
func proxied(t *testing.T, cfg Config, inner string, cut func(string) []string, outer ...event) (call string, unpacked bool) {
	t.Helper()
	r := &recorder{}
	d := New(cfg, r)
	body := `{"jsonrpc":"2.0","params":{"model":"res.partner","method":"read","args":[[5]]}}`
	if inner != "" {
		conn := testConn
		conn.ID, conn.Client = 2, netip.MustParseAddrPort("192.0.2.3:41000")
		run(d, conn, cut, ask(request("/web/dataset/call_kw", asJSON+"X-Forwarded-For: 192.0.2.1\r\n", body)), tell(inner))
		*r = recorder{}
		d.ids = 0
	}
	run(d, testConn, cut, append([]event{ask(request("/web/dataset/call_kw", asJSON, body))}, outer...)...)
	r.check(t)
	if d.aside != 0 {
		t.Errorf("%d bytes are still put aside", d.aside)
	}
	return r.String(), len(d.idle.inflaters[gzipped]) > 0
}

func TestEchoesChangeNothing(t *testing.T) {
	list := records(40)
	other := strings.Replace(list, "1003", "1999", 1)
	fault := `{"jsonrpc":"2.0","error":{"code":200,"message":"Odoo","data":{"name":"odoo.exceptions.UserError"}}}`
	gzip := func(s string) string { return answer(asJSON+"Content-Encoding: gzip\r\n", compressed(t, "gzip", s)) }
	whole := gzip(list)
	tests := []struct {
		name, inner string
		outer       []event
		cfg         Config
		unpacked    bool // the echo does not serve
	}{
		{name: "compressed", inner: answer(asJSON, list), outer: []event{tell(whole)}},
		{name: "plain", inner: answer(asJSON, list), outer: []event{tell(answer(asJSON, list))}},
		{name: "chunked", inner: "HTTP/1.1 200 OK\r\n" + asJSON + "Transfer-Encoding: chunked\r\n\r\n" + chunked(list, 100, ""),
			outer: []event{tell("HTTP/1.1 200 OK\r\n" + asJSON + "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" +
				chunked(compressed(t, "gzip", list), 50, ""))}},
		{name: "two in a row", inner: answer(asJSON, list) + answer(asJSON, list), outer: []event{tell(whole)}},
		{name: "another answer", inner: answer(asJSON, other), outer: []event{tell(whole)}, unpacked: true},
		{name: "a longer answer", inner: answer(asJSON, list+" "), outer: []event{tell(whole)}, unpacked: true},
		{name: "an error", inner: answer(asJSON, fault), outer: []event{tell(gzip(fault))}, unpacked: true},
		{name: "a session begins", inner: answer(asJSON+"Set-Cookie: session_id=abcdefabcdefabcdefabcdef\r\n", list), outer: []event{tell(whole)}, unpacked: true},
		{name: "an unfinished one", inner: answer(asJSON, list)[:400], outer: []event{tell(whole)}, unpacked: true},
		{name: "too long", inner: answer(asJSON, list), outer: []event{tell(whole)}, cfg: Config{EchoBytes: 100}, unpacked: true},
		{name: "too long to decode", inner: answer(asJSON, list), outer: []event{tell(whole)}, cfg: Config{DecodedBytes: 300}, unpacked: true},
		{name: "cut off", inner: answer(asJSON, list), outer: []event{tell(whole[:len(whole)-20])}, unpacked: true},
		{name: "closed early", inner: answer(asJSON, list), outer: []event{tell(whole[:len(whole)-20]), fin(capture.ToClient)}, unpacked: true},
		{name: "lost bytes", inner: answer(asJSON, list), outer: []event{tell(whole[:200]), tell(whole[220:]).after(20)}, unpacked: true},
		{name: "lost bytes of a plain one", inner: answer(asJSON, list),
			outer: []event{tell(answer(asJSON, list)[:300]), tell(answer(asJSON, list)[350:]).after(50)}},
		{name: "the next request", inner: answer(asJSON, list),
			outer: []event{tell(whole[:len(whole)-30]), ask(request("/x", "", "")), tell(answer("", "")).after(30)}, unpacked: true},
	}
	for _, tc := range tests {
		for _, size := range []int{0, 1, 97} {
			t.Run(fmt.Sprintf("%s/%d", tc.name, size), func(t *testing.T) {
				var cut func(string) []string
				if size > 0 {
					cut = func(s string) (pieces []string) {
						for ; len(s) > size; s = s[size:] {
							pieces = append(pieces, s[:size])
						}
						return append(pieces, s)
					}
				}
				want, _ := proxied(t, tc.cfg, "", cut, tc.outer...)
				got, unpacked := proxied(t, tc.cfg, tc.inner, cut, tc.outer...)
				if got != want {
					t.Errorf("with the inner call seen:\n%s\nwithout:\n%s", got, want)
				}
				if unpacked != tc.unpacked {
					t.Errorf("unpacked: %t", unpacked)
				}
			})
		}
	}
}
