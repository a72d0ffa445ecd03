package rpclog

import (
	"fmt"
	"strings"
	"testing"

	"github.com/perfd/perfd/capture"
)

const okBody = `{"jsonrpc":"2.0","result":"some text that is long enough to be cut"}`

func TestLossWithinBody(t *testing.T) {
	req := request("/web/dataset/call_kw/a.b/read", asJSON, `{"jsonrpc":"2.0","params":{"model":"a.b","method":"read","args":[]}}`)
	head := strings.Index(req, "\r\n\r\n") + 4
	r := play(t, ask(req[:head+5]), ask(req[head+25:]).after(20), tell(answer(asJSON, okBody)),
		ask(callKW("a.b", "next", "[]")), tell(answer(asJSON, okBody)))
	if c := r.calls[0]; c.Gaps != GapRequest || c.BodyHash != 0 || c.Model != "a.b" || c.Method != "read" || c.RequestBytes != int64(len(req)) || c.Status != 200 {
		t.Errorf("loss in the request: %s", r)
	}
	if c := r.calls[1]; c.Gaps != 0 || c.Method != "next" || c.BodyHash == 0 {
		t.Errorf("the call after a loss: %s", r)
	}

	res := answer(asJSON, okBody)
	body := strings.Index(res, "\r\n\r\n") + 4
	r = play(t, ask(callKW("a.b", "read", "[]")), tell(res[:body+5]), tell(res[body+25:]).after(20), ask(callKW("a.b", "next", "[]")), tell(res))
	if c := r.calls[0]; c.Gaps != GapResponse || second(c.End) != 3 || c.ResponseBytes != int64(len(res)) {
		t.Errorf("loss in the response: %s", r)
	}
	if c := r.calls[1]; c.Gaps != 0 || second(c.End) != 5 {
		t.Errorf("the call after a loss: %s", r)
	}

	// The end of a body is lost together with nothing else.
	r = play(t, ask(callKW("a.b", "read", "[]")), tell(res[:body+5]), ask(callKW("a.b", "next", "[]")), tell(res).after(int64(len(res)-body-5)))
	if r.calls[0].Gaps != GapResponse || second(r.calls[0].End) != 2 || r.calls[1].Gaps != 0 || second(r.calls[1].First) != 4 {
		t.Errorf("loss of a body's end: %s", r)
	}
}

func TestLossWithinChunkedBody(t *testing.T) {
	res := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + asJSON + "\r\n" + chunked(okBody, 30, "")
	head := strings.Index(res, "\r\n\r\n") + 4
	first := head + len("1e;name=value\r\n")
	r := play(t, ask(callKW("a.b", "read", "[]")), tell(res[:first+5]), tell(res[first+15:]).after(10), ask(callKW("a.b", "next", "[]")), tell(answer(asJSON, okBody)))
	if r.calls[0].Gaps != GapResponse || second(r.calls[0].End) != 3 || r.calls[1].Gaps != 0 || second(r.calls[1].End) != 5 {
		t.Errorf("loss within a chunk: %s", r)
	}
	r = play(t, ask(callKW("a.b", "read", "[]")), tell(res[:first+5]), tell(res[first+40:]).after(35), ask(callKW("a.b", "next", "[]")), tell(answer(asJSON, okBody)))
	if r.calls[0].Gaps != GapResponse || second(r.calls[0].End) != 3 || r.calls[1].Gaps != 0 || second(r.calls[1].End) != 5 {
		t.Errorf("loss across chunks: %s", r)
	}
}

func TestLossOfHeaders(t *testing.T) {
	req, res := callKW("a.b", "read", "[]"), answer(asJSON, okBody)
	// The rest of the header section and the body: the start line told enough.
	r := play(t, ask(req[:60]), ask(callKW("a.b", "next", "[]")).after(int64(len(req)-60)), tell(res, res))
	if c := r.calls[0]; c.Gaps != GapRequest || c.Model != "a.b" || c.Method != "read" || c.BodyHash != 0 {
		t.Errorf("loss in the request's headers: %s", r)
	}
	if len(r.calls) != 2 || r.calls[1].Method != "next" || r.calls[1].Gaps != 0 {
		t.Errorf("the call after: %s", r)
	}
	// A whole request: its response begins a call of its own.
	r = play(t, ask(req), tell(res), tell(res), ask(callKW("a.b", "next", "[]")).after(int64(len(req))), tell(res))
	if len(r.calls) != 3 || r.calls[1].Gaps != GapRequest || r.calls[1].Path != "" || second(r.calls[1].Start) != 2 || r.calls[2].Method != "next" || r.calls[2].Gaps != 0 {
		t.Errorf("loss of a request: %s", r)
	}
	// A whole response: the next one belongs to the next request.
	r = play(t, ask(req), ask(callKW("a.b", "next", "[]")), tell(res).after(int64(len(res))), ask(req), tell(res))
	if len(r.calls) != 3 || r.calls[0].Gaps != GapResponse || second(r.calls[0].End) < 2 || r.calls[1].Method != "next" || r.calls[1].Status != 200 || r.calls[1].Gaps != 0 || r.calls[2].Gaps != 0 {
		t.Errorf("loss of a response: %s", r)
	}
	// The response's headers after its status line.
	r = play(t, ask(req), tell(res[:20]), tell(okBody[30:]).after(int64(len(res)-20-len(okBody)+30)), ask(callKW("a.b", "next", "[]")), tell(res))
	if len(r.calls) != 2 || r.calls[0].Gaps != GapResponse || r.calls[0].Status != 200 || second(r.calls[0].End) != 3 || r.calls[1].Gaps != 0 || second(r.calls[1].First) != 5 {
		t.Errorf("loss in the response's headers: %s", r)
	}
}

func TestLossBeforeFin(t *testing.T) {
	req := callKW("a.b", "read", "[]")
	c := play(t, ask(req), tell("").after(100), fin(capture.ToClient)).one(t)
	if c.Gaps != GapResponse || second(c.End) != 3 {
		t.Errorf("a lost response: gaps %d, end %d", c.Gaps, second(c.End))
	}
	c = play(t, ask(req), fin(capture.ToClient)).one(t)
	if c.Gaps != GapUnanswered || !c.End.IsZero() {
		t.Errorf("no response: gaps %d, end %d", c.Gaps, second(c.End))
	}
	// The connection's end is lost too: the report of the loss is the latest there is.
	c = play(t, ask(req), tell("").after(100), fin(capture.ToServer)).one(t)
	if c.Gaps != GapResponse || second(c.End) != 2 {
		t.Errorf("a lost response and end: gaps %d, end %d", c.Gaps, second(c.End))
	}
	c = play(t, tell("").after(100), ask(req)).one(t)
	if c.Gaps != GapUnanswered || !c.End.IsZero() {
		t.Errorf("no response after a loss: gaps %d, end %d", c.Gaps, second(c.End))
	}
}

func TestLossAnywhere(t *testing.T) {
	// Whatever single range is lost, the call after it is right and no call is silently wrong.
	req, res := callKW("a.b", "read", "[]"), answer(asJSON, okBody)
	next := callKW("a.b", "next", "[[1]]")
	for _, side := range []string{req, res} {
		for from := 0; from < len(side); from += 3 {
			for _, to := range []int{from + 1, from + 40, len(side)} {
				to = min(to, len(side))
				lost := int64(to - from)
				var events []event
				if side == req {
					events = []event{ask(req[:from])}
					if to < len(side) {
						events = append(events, ask(req[to:]).after(lost))
						lost = 0
					}
					events = append(events, tell(res), ask(next).after(lost), tell(res))
				} else {
					events = []event{ask(req), tell(res[:from])}
					if to < len(side) {
						events = append(events, tell(res[to:]).after(lost))
						lost = 0
					}
					events = append(events, ask(next), tell(res).after(lost))
				}
				r := play(t, events...)
				name := fmt.Sprintf("bytes %d to %d of %.4s", from, to, side)
				last := r.calls[len(r.calls)-1]
				if last.Method != "next" || last.Status != 200 || last.Gaps != 0 {
					t.Fatalf("%s: the call after is %s", name, r)
				}
				for _, c := range r.calls[:len(r.calls)-1] {
					if c.Gaps == 0 {
						t.Fatalf("%s: not marked: %s", name, r)
					}
				}
			}
		}
	}
}

func TestJoined(t *testing.T) {
	conn := testConn
	conn.Joined = true
	req, res := callKW("a.b", "read", "[]"), answer(asJSON, okBody)
	for name, events := range map[string][]event{
		"within a request":  {ask(okBody[20:]), ask(req), tell(res)},
		"within a response": {tell(okBody[20:]), ask(req), tell(res)},
		"between":           {ask(req), tell(res)},
	} {
		r := &recorder{}
		run(New(Config{}, r), conn, nil, events...)
		r.check(t)
		if c := r.one(t); c.Method != "read" || c.Status != 200 || c.Gaps != 0 {
			t.Errorf("joined %s: %s", name, r)
		}
	}
	r := &recorder{}
	run(New(Config{}, r), conn, nil, tell(res), ask(req), tell(res))
	if len(r.calls) != 2 || r.calls[0].Gaps != GapJoined|GapRequest || r.calls[0].Status != 200 || r.calls[1].Method != "read" || r.calls[1].Gaps != 0 {
		t.Errorf("joined before a response: %s", r)
	}
}

func TestMalformed(t *testing.T) {
	good := callKW("a.b", "read", "[]")
	for _, bad := range []string{
		"\x00\x01\x02\x03 binary\r\n",
		"GET  HTTP/1.1\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 1x\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("0", 5000) + "\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
		"POST / HTTP/1.1\r\nA: " + strings.Repeat("b", 70000) + "\r\n\r\n",
		"POST /" + strings.Repeat("b", 70000) + " HTTP/1.1\r\n\r\n",
	} {
		for _, cut := range []func(string) []string{nil, func(s string) []string { return strings.SplitAfter(s, "\n") }} {
			r := &recorder{}
			d := New(Config{}, r)
			run(d, testConn, cut, ask(bad), tell("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), ask(good), tell(answer(asJSON, okBody)))
			r.check(t)
			last := r.calls[len(r.calls)-1]
			if d.Stats().Malformed == 0 || last.Method != "read" || last.Gaps != 0 || last.Status != 200 {
				t.Errorf("%.60q: %+v %s", bad, d.Stats(), r)
			}
		}
	}
}

func TestClaims(t *testing.T) {
	d := New(Config{}, &recorder{})
	for data, want := range map[string]capture.Verdict{
		"POST /jsonrpc HTTP/1.1\r\nHost: a\r\n":    capture.FromClient,
		"GET /" + strings.Repeat("a", 3000):        capture.FromClient,
		"\r\nGET / HTTP/1.0\r\n\r\n":               capture.FromClient,
		"OPTIONS * HTTP/1.1\r\n":                   capture.FromClient,
		"POS":                                      capture.FromClient,
		"HTTP/1.1 200 OK\r\n":                      capture.FromServer,
		"HTTP/1.0 404":                             capture.FromServer,
		"HTTP/1.":                                  capture.FromServer,
		"HTTP/2 200":                               capture.Reject,
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n":         capture.Reject,
		"GET what HTTP/9.9\r\n":                    capture.Reject,
		`"jsonrpc": "2.0", "method": "call"}`:      capture.Reject,
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03": capture.Reject,
		"\x00\x00\x00\x08\x04\xd2\x16\x2f":         capture.Reject,
		"P\x00\x00\x00\x20":                        capture.Reject,
		"GET \x00":                                 capture.Reject,
		"":                                         capture.Reject,
	} {
		if got := d.Claims(testConn, []byte(data)); got != want {
			t.Errorf("Claims(%.40q) = %v, want %v", data, got, want)
		}
	}
}
