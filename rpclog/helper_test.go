package rpclog

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/evidence"
)

// recorder is a Sink that keeps everything.
type recorder struct {
	begun    []*Call
	calls    []*Call
	messages []Message
}

func (r *recorder) Begin(c *Call)     { r.begun = append(r.begun, c) }
func (r *recorder) End(c *Call)       { r.calls = append(r.calls, c) }
func (r *recorder) Message(m Message) { r.messages = append(r.messages, m) }

var _ Sink = (*recorder)(nil)

var epoch = time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC)

var testConn = capture.Conn{
	ID:     1,
	Client: netip.MustParseAddrPort("192.0.2.1:40000"),
	Server: netip.MustParseAddrPort("192.0.2.2:8069"),
	Opened: epoch,
}

// event is something that happens on a connection. Events are a second apart.
type event struct {
	dir  capture.Dir
	data string
	lost int64
	fin  bool
}

func ask(parts ...string) event {
	return event{dir: capture.ToServer, data: strings.Join(parts, "")}
}
func tell(parts ...string) event {
	return event{dir: capture.ToClient, data: strings.Join(parts, "")}
}
func (e event) after(lost int64) event { e.lost = lost; return e }

func fin(dir capture.Dir) event { return event{dir: dir, fin: true} }

// run plays events to a stream of d on conn, each chunk cut where cuts says (nil: not at all), and closes it.
func run(d *Decoder, conn capture.Conn, cut func(data string) []string, events ...event) {
	s := d.NewStream(conn)
	at := conn.Opened
	for _, e := range events {
		at = at.Add(time.Second)
		if e.fin {
			s.Fin(e.dir, at)
			continue
		}
		pieces := []string{e.data}
		if cut != nil {
			pieces = cut(e.data)
		}
		lost := e.lost
		for _, p := range pieces {
			data := []byte(p)
			s.Chunk(capture.Chunk{Dir: e.dir, Time: at, Data: data, Lost: lost})
			lost = 0
			for i := range data { // Data is valid only during the call
				data[i] = '#'
			}
		}
	}
	s.Close(at.Add(time.Second))
}

func play(t *testing.T, events ...event) *recorder {
	t.Helper()
	r := &recorder{}
	d := New(Config{}, r)
	run(d, testConn, nil, events...)
	r.check(t)
	return r
}

// check verifies what holds for every recording: each begun call ends once.
func (r *recorder) check(t *testing.T) {
	t.Helper()
	if len(r.begun) != len(r.calls) {
		t.Errorf("%d calls begun, %d ended", len(r.begun), len(r.calls))
	}
	ended := map[*Call]bool{}
	for _, c := range r.calls {
		if ended[c] {
			t.Errorf("call %d ended twice", c.ID)
		}
		ended[c] = true
	}
}

// one returns the only call.
func (r *recorder) one(t *testing.T) *Call {
	t.Helper()
	if len(r.calls) != 1 {
		t.Fatalf("%d calls, want 1: %s", len(r.calls), r)
	}
	return r.calls[0]
}

// second is the number of seconds from epoch, or -1 for the zero time.
func second(t time.Time) int {
	if t.IsZero() {
		return -1
	}
	return int(t.Sub(epoch) / time.Second)
}

// String writes all that was recorded, so that two recordings can be compared.
func (r *recorder) String() string {
	var b strings.Builder
	for _, c := range r.calls {
		fmt.Fprintf(&b, "%d %s %s %s %v/%d %q.%q.%q db=%q %d %q ids=%d uid=%d %q session=%x t=%d,%d,%d,%d,%d bytes=%d/%d gaps=%d body=%x %t\n  %v\n  %v\n",
			c.ID, c.Client, c.Verb, c.Path, c.Transport, c.Class, c.Service, c.Model, c.Method, c.Database, c.Status, c.Error, c.IDs, c.UID, c.Login,
			c.Session, second(c.Start), second(c.Head), second(c.Sent), second(c.First), second(c.End), c.RequestBytes, c.ResponseBytes, c.Gaps, c.BodyHash, c.Forwarded,
			c.Request.Hashes(), c.Response.Hashes())
	}
	for _, m := range r.messages {
		fmt.Fprintf(&b, "%v op=%d %d bytes at %d\n", m.Dir, m.Opcode, m.Bytes, second(m.Time))
	}
	return b.String()
}

// has says whether a set holds a value.
func has(s *evidence.Set, value string) bool {
	h := evidence.Value([]byte(value))
	for _, v := range s.Hashes() {
		if v == h {
			return true
		}
	}
	return false
}

// request builds a POST.
func request(path, headers, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: a.example\r\n%sContent-Length: %d\r\n\r\n%s", path, headers, len(body), body)
}

// answer builds a response.
func answer(headers, body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s", headers, len(body), body)
}

const asJSON = "Content-Type: application/json\r\n"
const asXML = "Content-Type: text/xml\r\n"

func callKW(model, method, args string) string {
	return request("/web/dataset/call_kw/"+model+"/"+method, asJSON+"Cookie: session_id=abcdefabcdefabcdefabcdefabcdefabcdefabcd\r\n",
		`{"id":7,"jsonrpc":"2.0","method":"call","params":{"model":"`+model+`","method":"`+method+`","args":`+args+`,"kwargs":{"context":{"lang":"en_US","uid":9}}}}`)
}
