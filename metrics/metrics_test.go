package metrics

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

var began = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

func trace(model, method string, took time.Duration, statements int) *analyzer.Trace {
	t := &analyzer.Trace{
		Call: &rpclog.Call{Start: began, End: began.Add(took), Transport: rpclog.JSONRPC, Model: model, Method: method, Status: 200, Login: "canary-login", UID: 4711, Path: "/web/dataset/call_kw/4711"},
		Time: analyzer.Breakdown{SQL: took / 2, Application: took - took/2},
	}
	for range statements {
		t.Spans = append(t.Spans, analyzer.Span{Statement: &sqltrace.Statement{}, By: analyzer.Process, Probability: 1})
	}
	return t
}

func newMetricsForTest(t testing.TB, c Config) *Metrics {
	t.Helper()
	m, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *Metrics) give(t testing.TB, traces ...*analyzer.Trace) {
	t.Helper()
	for _, x := range traces {
		if err := m.Trace(x); err != nil {
			t.Fatal(err)
		}
	}
}

// full tells something of everything.
func full() Self {
	return Self{
		Tap:        func() Tap { return Tap{Packets: 10, Bytes: 1000, Drops: 1, Freezes: 2, Errors: 3, ClockSteps: 4} },
		Interfaces: func() []Interface { return []Interface{{"lo", true, 9, 0}, {"eth0", false, 1, 2}} },
		Logs:       func() []Log { return []Log{{"postgresql", true, 7, 1, 2}, {Name: "odoo"}} },
		Proxies: func() []Proxy {
			return []Proxy{{Listen: "127.0.0.1:8070", Up: true, Open: 1, Connections: 2, Requests: 3, FromClients: 4, ToClients: 5, Refused: 6, UpstreamErrors: 7},
				{Listen: "127.0.0.1:6432", ClientTLS: 8, UpstreamTLS: 9}}
		},
		Engine: func() Engine {
			return Engine{HTTPConnections: 1, SQLConnections: 2, OtherConnections: 3, EncryptedSQL: 4, LostBytes: 5, Gaps: 6}
		},
		Queues:    func() []Queue { return []Queue{{"feed", 1, 2, 3}} },
		Shed:      func() Shed { return Shed{Level: 1, Texts: 7, Statements: 8, Calls: 9, HTTPBytes: 10, SQLBytes: 11} },
		Store:     func() Store { return Store{Bytes: 4096, Flushes: 2, FlushSeconds: 0.5, LastFlushedTime: 1.5e9} },
		Process:   func() Process { return Process{Threads: true, Lookups: 3, Found: 2, ThreadEvents: 8, ThreadLost: 1} },
		Agreement: func() Agreement { return Agreement{Equal: 41, Different: 1} },
		Memory:    func() Memory { return Memory{Bound: 256 << 20, Used: 100 << 20} },
	}
}

func scrape(t testing.TB, m *Metrics) string {
	t.Helper()
	r := httptest.NewRecorder()
	m.Handler().ServeHTTP(r, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	b, err := io.ReadAll(r.Body)
	if err != nil || r.Code != http.StatusOK {
		t.Fatalf("status %d, %v: %s", r.Code, err, b)
	}
	return string(b)
}

func TestCounts(t *testing.T) {
	m := newMetricsForTest(t, Config{Version: "1.2.3", Self: full()})
	slow := trace("res.partner", "web_search_read", 2*time.Second, 3)
	slow.Findings = []analyzer.Finding{{Rule: "n-plus-one"}}
	wrong := trace("res.partner", "web_search_read", time.Millisecond, 0)
	wrong.Call.Error = "odoo.exceptions.AccessError"
	lost := trace("", "login", time.Second, 0)
	lost.Call.Service, lost.Call.Gaps, lost.Call.Transport = "common", rpclog.GapUnanswered, rpclog.XMLRPC
	poll := trace("", "", time.Minute, 1)
	poll.Call.Class = rpclog.Poll
	page := trace("", "", time.Second, 0)
	page.Call.Transport, page.Call.Path = rpclog.HTTP, "/web/content/4711/canary-login"
	m.give(t, slow, wrong, lost, poll, page)
	if err := m.Background(&analyzer.Background{Group: "cron", Spans: make([]analyzer.Span, 5)}); err != nil {
		t.Fatal(err)
	}
	text := scrape(t, m)
	for _, want := range []string{
		`perfd_build_info{version="1.2.3"} 1`,
		`perfd_calls_total{method="web_search_read",model="res.partner",outcome="ok",transport="jsonrpc"} 1`,
		`perfd_calls_total{method="web_search_read",model="res.partner",outcome="error",transport="jsonrpc"} 1`,
		`perfd_calls_total{method="common.login",model="",outcome="unanswered",transport="xmlrpc"} 1`,
		`perfd_calls_total{method="/web/content/…",model="",outcome="ok",transport="http"} 1`,
		`perfd_call_duration_seconds_bucket{method="web_search_read",model="res.partner",le="2.5"} 2`,
		`perfd_call_duration_seconds_sum{method="web_search_read",model="res.partner"} 2.001`,
		`perfd_call_seconds_total{method="web_search_read",model="res.partner",part="sql"} 1.0005`,
		`perfd_call_statements_total{method="web_search_read",model="res.partner"} 3`,
		`perfd_attributed_statements_total{evidence="process"} 4`,
		`perfd_background_statements_total{group="cron"} 5`,
		`perfd_other_exchanges_total{class="poll"} 1`,
		`perfd_findings_total{rule="n-plus-one"} 1`,
		`perfd_tap_dropped_packets_total 1`,
		`perfd_clock_steps_total 4`,
		`perfd_interface_up{interface="eth0"} 0`,
		`perfd_log_up{log="postgresql"} 1`,
		`perfd_log_up{log="odoo"} 0`,
		`perfd_log_lines_total{log="postgresql"} 7`,
		`perfd_log_rotations_total{log="postgresql"} 1`,
		`perfd_log_behind_bytes{log="postgresql"} 2`,
		`perfd_proxy_upstream_up{listen="127.0.0.1:8070"} 1`,
		`perfd_proxy_open_connections{listen="127.0.0.1:8070"} 1`,
		`perfd_proxy_connections_total{listen="127.0.0.1:8070"} 2`,
		`perfd_proxy_requests_total{listen="127.0.0.1:8070"} 3`,
		`perfd_proxy_received_bytes_total{listen="127.0.0.1:8070"} 4`,
		`perfd_proxy_sent_bytes_total{listen="127.0.0.1:8070"} 5`,
		`perfd_proxy_refused_total{listen="127.0.0.1:8070"} 6`,
		`perfd_proxy_upstream_errors_total{listen="127.0.0.1:8070"} 7`,
		`perfd_proxy_upstream_up{listen="127.0.0.1:6432"} 0`,
		`perfd_proxy_client_tls_connections_total{listen="127.0.0.1:6432"} 8`,
		`perfd_proxy_upstream_tls_connections_total{listen="127.0.0.1:6432"} 9`,
		`perfd_encrypted_connections_total{protocol="postgresql"} 4`,
		`perfd_queue_dropped_total{queue="feed"} 3`,
		`perfd_shed_level 1`,
		`perfd_shed_total{kind="text"} 7`,
		`perfd_shed_total{kind="statement"} 8`,
		`perfd_shed_total{kind="call"} 9`,
		`perfd_shed_bytes_total{protocol="http"} 10`,
		`perfd_shed_bytes_total{protocol="postgresql"} 11`,
		`perfd_store_size_bytes 4096`,
		`perfd_thread_events_lost_total 1`,
		`perfd_log_requests_total{result="equal"} 41`,
		`perfd_memory_bound_bytes 2.68435456e+08`,
		`process_resident_memory_bytes`,
		`go_goroutines`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if strings.Contains(text, "canary-login") || strings.Contains(text, "4711") || strings.Contains(text, "store_oldest") {
		t.Errorf("the metrics tell too much:\n%s", text)
	}
}

func TestLint(t *testing.T) {
	m := newMetricsForTest(t, Config{Self: full()})
	m.give(t, trace("a", "b", time.Second, 1))
	if err := m.Background(&analyzer.Background{Group: "cron"}); err != nil {
		t.Fatal(err)
	}
	problems, err := testutil.GatherAndLint(m.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	if n, err := testutil.GatherAndCount(m.registry, "perfd_call_duration_seconds"); err != nil || n != 1 {
		t.Errorf("%d histograms, %v", n, err)
	}
}

// Scrapers that know native histograms get them.
func TestNativeHistogram(t *testing.T) {
	m := newMetricsForTest(t, Config{})
	m.give(t, trace("a", "b", time.Second, 1))
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "perfd_call_duration_seconds" {
			if h := f.GetMetric()[0].GetHistogram(); h.Schema == nil || len(h.GetPositiveSpan()) == 0 || len(h.GetBucket()) != len(buckets) {
				t.Errorf("native and classic buckets are wanted: %v", h)
			}
			return
		}
	}
	t.Error("no histogram")
}

func TestSeriesAreBounded(t *testing.T) {
	const room = 10
	m := newMetricsForTest(t, Config{MaxMethods: room})
	for i := range 5000 {
		m.give(t, trace("scan", fmt.Sprintf("x%d", i), time.Millisecond, 0))
		if i%2 == 0 {
			m.give(t, trace("sale.order", "often", time.Millisecond, 0))
		}
	}
	if n := len(m.methods.own); n > room {
		t.Errorf("%d methods have series, want at most %d", n, room)
	}
	if n := len(m.methods.waiting); n > candidates*room {
		t.Errorf("%d methods are waiting, want at most %d", n, candidates*room)
	}
	if m.methods.own[name{"sale.order", "often"}] == nil {
		t.Error("the method called most has no series of its own")
	}
	if n, err := testutil.GatherAndCount(m.registry, "perfd_calls_total"); err != nil || n > room+1 {
		t.Errorf("%d series of calls, %v", n, err)
	}
	if !strings.Contains(scrape(t, m), `perfd_calls_total{method="other",model="",outcome="ok",transport="jsonrpc"}`) {
		t.Error("the rest is not counted")
	}
}

// A method that comes late but often gets a place in the second half of the room.
func TestFrequentMethodsGetAPlace(t *testing.T) {
	m := newMethods(4)
	made := 0
	series := func(n name) *series {
		made++
		return &series{name: n}
	}
	for _, early := range []string{"a", "b"} {
		m.of(name{method: early}, series)
	}
	for i := range 2*proof + 10 {
		if got := m.of(name{method: "late"}, series).name.method; (got == "late") != (i >= proof-1) {
			t.Fatalf("call %d is counted as %s", i+1, got)
		}
	}
	for range proof {
		m.of(name{method: "later"}, series)
		m.of(name{method: "latest"}, series)
	}
	if len(m.own) != 4 || m.own[name{method: "latest"}] != nil || m.own[name{method: "a"}] == nil {
		t.Errorf("places: %v", m.own)
	}
}

func TestRoute(t *testing.T) {
	for path, want := range map[string]string{
		"/web/login": "/web/login", "/": "/", "": "/", "/web/content/12/a": "/web/content/…", "/web/image/x/y": "/web/image/…", "/web/": "/web",
		"/shop/Bob": "/shop/…", "/my/bob-1": "/my/…", "/12": "/", "*": "/", "/a/b/c": "/a/b/…", "//x": "/", "/web/\xff": "/web/…",
	} {
		if got := route(path); got != want {
			t.Errorf("%q is %q, want %q", path, got, want)
		}
	}
}

func TestScrapeWhileCounting(t *testing.T) {
	m := newMetricsForTest(t, Config{MaxMethods: 5, Self: full()})
	var work sync.WaitGroup
	work.Go(func() {
		for i := range 2000 {
			m.give(t, trace("m", fmt.Sprint(i%50), time.Millisecond, 1))
		}
	})
	for range 10 {
		scrape(t, m)
	}
	work.Wait()
}

func TestZeroSelf(t *testing.T) {
	m := newMetricsForTest(t, Config{})
	if text := scrape(t, m); strings.Contains(text, "perfd_tap") || !strings.Contains(text, `version="unknown"`) {
		t.Error("what is not known must be left out")
	}
}

func BenchmarkTrace(b *testing.B) {
	m := newMetricsForTest(b, Config{})
	x := trace("res.partner", "web_search_read", time.Second, 10)
	b.ReportAllocs()
	for b.Loop() {
		if err := m.Trace(x); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzNames(f *testing.F) {
	f.Add("res.partner", "read", "/web/login")
	f.Add("\xff", "\x00", "/\xff/é")
	f.Fuzz(func(t *testing.T, model, method, path string) {
		m := newMetricsForTest(t, Config{})
		x := trace(model, method, time.Second, 1)
		x.Call.Path = path
		m.give(t, x)
		if _, err := m.registry.Gather(); err != nil {
			t.Error(err)
		}
	})
}
