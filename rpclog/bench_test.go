package rpclog

import (
	"fmt"
	"strings"
	"testing"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/evidence"
)

// nowhere is a Sink that drops everything.
type nowhere struct{}

func (nowhere) Begin(*Call)     {}
func (nowhere) End(*Call)       {}
func (nowhere) Message(Message) {}

// records is the answer of a list view of n records.
func records(n int) string {
	var b strings.Builder
	b.WriteString(`{"jsonrpc": "2.0", "id": 7, "result": {"length": 80, "records": [`)
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, `{"id": %d, "name": "Azure Interior %d", "email": "azure%d@example.com", "city": "Fremont", "country_id": {"id": 233, "display_name": "United States"}, "active": true, "amount_total": %d.50, "write_date": "2031-01-02 03:04:%02d", "phone": false, "category_id": [1, 2]}`, i+1000, i, i, i*7, i%60)
	}
	return b.String() + "]}}"
}

func BenchmarkCall(b *testing.B) {
	for _, n := range []int{1, 80} {
		b.Run(fmt.Sprintf("records=%d", n), func(b *testing.B) {
			req := []byte(callKW("res.partner", "web_search_read", `[[["name","ilike","azure"]]]`))
			res := []byte(answer(asJSON, records(n)))
			s := New(Config{}, nowhere{}).NewStream(testConn)
			b.SetBytes(int64(len(req) + len(res)))
			b.ReportAllocs()
			for b.Loop() {
				s.Chunk(capture.Chunk{Dir: capture.ToServer, Time: epoch, Data: req})
				s.Chunk(capture.Chunk{Dir: capture.ToClient, Time: epoch, Data: res})
			}
		})
	}
}

// BenchmarkCallKept is BenchmarkCall with arguments and answer kept.
func BenchmarkCallKept(b *testing.B) {
	req := []byte(callKW("res.partner", "web_search_read", `[[["name","ilike","azure"]]]`))
	res := []byte(answer(asJSON, records(80)))
	s := New(Config{Keep: func(*Call) Keep { return KeepRequest | KeepAnswer }}, nowhere{}).NewStream(testConn)
	b.SetBytes(int64(len(req) + len(res)))
	b.ReportAllocs()
	for b.Loop() {
		s.Chunk(capture.Chunk{Dir: capture.ToServer, Time: epoch, Data: req})
		s.Chunk(capture.Chunk{Dir: capture.ToClient, Time: epoch, Data: res})
	}
}

func BenchmarkCallGzip(b *testing.B) {
	body := records(80)
	req := []byte(callKW("res.partner", "web_search_read", `[]`))
	res := []byte(answer(asJSON+"Content-Encoding: gzip\r\n", compressed(b, "gzip", body)))
	s := New(Config{}, nowhere{}).NewStream(testConn)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		s.Chunk(capture.Chunk{Dir: capture.ToServer, Time: epoch, Data: req})
		s.Chunk(capture.Chunk{Dir: capture.ToClient, Time: epoch, Data: res})
	}
}

func benchmarkScan(b *testing.B, in string, start func(tokens) scanner) {
	data := []byte(in)
	set := evidence.NewSet(4096)
	t := tokens{set: &set, depth: -1}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		start(t).write(data)
	}
}

func BenchmarkJSON(b *testing.B) {
	var j jsonScanner
	start := func(t tokens) scanner { j.start(t); return &j }
	b.Run("records", func(b *testing.B) { benchmarkScan(b, records(500), start) })
	b.Run("binary", func(b *testing.B) {
		benchmarkScan(b, `{"result":[{"datas":"`+strings.Repeat("iVBORw0KGgo=", 1<<16)+`"}]}`, start)
	})
}

func BenchmarkXML(b *testing.B) {
	var x xmlScanner
	start := func(t tokens) scanner { x.start(t); return &x }
	one := `<value><struct><member><name>name</name><value><string>Azure Interior</string></value></member><member><name>id</name><value><int>1234</int></value></member></struct></value>`
	benchmarkScan(b, `<methodResponse><params><param><value><array><data>`+strings.Repeat(one, 500)+`</data></array></value></param></params></methodResponse>`, start)
}

func BenchmarkFile(b *testing.B) {
	req := []byte("GET /web/content/3 HTTP/1.1\r\nHost: a\r\n\r\n")
	res := []byte(answer("Content-Type: application/pdf\r\n", strings.Repeat("x", 1<<20)))
	s := New(Config{}, nowhere{}).NewStream(testConn)
	b.SetBytes(int64(len(req) + len(res)))
	b.ReportAllocs()
	for b.Loop() {
		s.Chunk(capture.Chunk{Dir: capture.ToServer, Time: epoch, Data: req})
		s.Chunk(capture.Chunk{Dir: capture.ToClient, Time: epoch, Data: res})
	}
}
