package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

type shapes map[sqltrace.Fingerprint]sqltrace.Shape

func (d shapes) Shape(f sqltrace.Fingerprint) sqltrace.Shape {
	sh := d[f]
	sh.Fingerprint = f
	return sh
}

var testShapes = shapes{
	7: {Text: "SELECT \"name\"\nFROM res_partner WHERE id = ?", Tables: []string{"res_partner"}},
}

func at(us int64) time.Time { return time.UnixMicro(1795325459_625074 + us).UTC() }

func testTrace() *analyzer.Trace {
	session := &sqltrace.Session{Client: netip.MustParseAddrPort("127.0.0.1:55680"), Backend: 21717, Database: "odoo18"}
	return &analyzer.Trace{
		Call: &rpclog.Call{
			ID: 1, Client: netip.MustParseAddrPort("127.0.0.1:38050"), Server: netip.MustParseAddrPort("[::1]:8069"),
			Start: at(0), Sent: at(1000), First: at(40000), End: at(41000), Transport: rpclog.JSONRPC,
			Path: "/web/dataset/call_kw/res.partner/web_search_read", Model: "res.partner", Method: "web_search_read",
			Database: "odoo18", UID: 9, Login: "bruno", Session: 0xabc, Status: 200, RequestBytes: 512, ResponseBytes: 20480,
			Gaps: rpclog.GapRequest | rpclog.GapUnanswered,
		},
		Front: &analyzer.Hop{Client: netip.MustParseAddrPort("10.0.0.9:1234"), Server: netip.MustParseAddrPort("10.0.0.1:80"), Start: at(-500), End: at(41500)},
		Time:  analyzer.Breakdown{Wait: time.Millisecond, Application: 37700 * time.Microsecond, SQL: 1300 * time.Microsecond, Transfer: time.Millisecond},
		Spans: []analyzer.Span{{
			Statement: &sqltrace.Statement{
				Session: session, Start: at(5000), End: at(6300), Kind: sqltrace.Query, Fingerprint: 7, TextBytes: 459, Rows: 1,
				Gaps: sqltrace.GapResult,
			}, Lease: 1, By: analyzer.Content, Probability: 0.93456,
		}},
		Findings: []analyzer.Finding{{Rule: "n-plus-one", Title: "41 × SELECT res_partner", Fix: "Batch it.", Cost: 120 * time.Millisecond, Spans: []int{0}}},
	}
}

const wantCall = `{"type":"call","start":1795325459.625074,"sent":1795325459.626074,"first":1795325459.665074,"end":1795325459.666074,` +
	`"client":"127.0.0.1:38050","server":"[::1]:8069","transport":"jsonrpc","path":"/web/dataset/call_kw/res.partner/web_search_read",` +
	`"service":"","model":"res.partner","method":"web_search_read","ids":0,"db":"odoo18","uid":9,"login":"bruno",` +
	`"session":"0000000000000abc","status":200,"error":"","request_bytes":512,"response_bytes":20480,` +
	`"front":{"client":"10.0.0.9:1234","server":"10.0.0.1:80","start":1795325459.624574,"end":1795325459.666574},` +
	`"gaps":["request","unanswered"],` +
	`"time":{"wait":0.001,"application":0.0377,"sql":0.0013,"lock":0,"retry":0,"transfer":0.001,"unknown":0},` +
	`"statements":[{"start":1795325459.630074,"duration":0.0013,"client":"127.0.0.1:55680","backend":21717,"kind":"query",` +
	`"fingerprint":"0000000000000007","text":"SELECT \"name\"\nFROM res_partner WHERE id = ?","bytes":459,"rows":1,"sqlstate":"",` +
	`"lease":1,"gaps":["result"],"by":"content","probability":0.9346}],` +
	`"findings":[{"rule":"n-plus-one","title":"41 × SELECT res_partner","cost":0.12,"fix":"Batch it.","statements":[0]}]}` + "\n"

const wantRest = `{"type":"background","start":1795325459.625074,"end":1795325459.625084,"client":"127.0.0.1:55680","database":"odoo18",` +
	`"application":"","group":"cron","statements":[]}` + "\n" +
	`{"type":"summary","calls":151,"errors":0,"statements":3305,"attributed":3305,"exact":0,"packets":10472,"bytes":0,"gaps":0,"lost_bytes":0,` +
	`"start":1795325459.625074,"seconds":12,"waited":0,` +
	`"time":{"wait":0,"application":0,"sql":0,"lock":0,"retry":0,"transfer":0,"unknown":0},` +
	`"notices":[{"title":"a","fix":"b"}]}` + "\n"

func TestJSON(t *testing.T) {
	var out bytes.Buffer
	j := NewJSON(&out, testShapes)
	tr := testTrace()
	if err := j.Trace(tr); err != nil {
		t.Fatal(err)
	}
	if err := j.Background(&analyzer.Background{Session: tr.Spans[0].Statement.Session, Group: "cron", Start: at(0), End: at(10)}); err != nil {
		t.Fatal(err)
	}
	err := j.Finish(analyzer.Summary{From: at(0), To: at(12_000_000), Calls: 151, Statements: 3305, Attributed: 3305, Packets: 10472,
		Notices: []analyzer.Notice{{Title: "a", Fix: "b"}}})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(wantCall+wantRest, out.String()); d != "" {
		t.Errorf("lines differ (-want +got):\n%s", d)
	}
	for line := range bytes.Lines(out.Bytes()) {
		if !json.Valid(line) {
			t.Errorf("not JSON: %s", line)
		}
	}
}

func TestJSONOfUnansweredCall(t *testing.T) {
	var out bytes.Buffer
	j := NewJSON(&out, testShapes)
	tr := testTrace()
	tr.Call.First, tr.Call.End = time.Time{}, time.Time{}
	if err := errors.Join(j.Trace(tr), j.Flush()); err != nil {
		t.Fatal(err)
	}
	var got struct {
		First *float64
		Sent  float64
		End   float64
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.First != nil || got.End != got.Sent {
		t.Errorf("first %v, end %v; want null and the time of the last byte seen", got.First, got.End)
	}
}

// Every gap has a name, so that a new one cannot go unmarked.
func TestGapsHaveNames(t *testing.T) {
	if rpclog.GapOrder != 1<<(len(callGaps)-1) || sqltrace.GapBefore != 1<<(len(statementGaps)-1) {
		t.Error("the highest gap bit has no name")
	}
}

func TestAppendStringIsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.Custom(func(t *rapid.T) string {
			return string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		})).Draw(t, "s")
		var got string
		if err := json.Unmarshal(appendString(nil, s), &got); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		// Ranging over a string yields U+FFFD for each byte that is no UTF-8.
		if want := string([]rune(s)); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}

func TestAppendNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(-1e15, 1e15).Draw(t, "ns"))
		var got float64
		if err := json.Unmarshal(appendSeconds(nil, d), &got); err != nil {
			t.Fatal(err)
		}
		if math.Abs(got-d.Seconds()) > 0.6e-6 {
			t.Fatalf("%v became %v", d, got)
		}
	})
	if got := string(appendTime(nil, time.Unix(1, 42000))); got != "1.000042" {
		t.Errorf("got %s", got)
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestJSONReportsWriteErrors(t *testing.T) {
	j := NewJSON(failingWriter{}, testShapes)
	if err := j.Finish(analyzer.Summary{}); err == nil || err.Error() != "write trace: disk full" {
		t.Errorf("got %v", err)
	}
}

func BenchmarkJSON(b *testing.B) {
	tr := testTrace()
	for len(tr.Spans) < 20 {
		tr.Spans = append(tr.Spans, tr.Spans[0])
	}
	var n countingWriter
	j := NewJSON(&n, testShapes)
	b.ReportAllocs()
	for b.Loop() {
		if err := j.Trace(tr); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(n) / int64(b.N))
}

type countingWriter int64

func (c *countingWriter) Write(p []byte) (int, error) {
	*c += countingWriter(len(p))
	return len(p), nil
}
