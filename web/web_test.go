package web_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/perfd/perfd/store"
	"github.com/perfd/perfd/store/storetest"
	"github.com/perfd/perfd/web"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func server(t testing.TB, cfg web.Config, calls int) *web.Server {
	t.Helper()
	sample := storetest.Generate(storetest.SampleConfig{Seed: 2, Calls: calls, Users: 3, Methods: 6, Length: 10 * time.Second})
	w, err := store.Create(store.Memory, sample.Dictionary, store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := sample.WriteTo(w); err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(store.Source{Version: "v1.2.3", Files: []string{"a.pcap"}}, sample.Summary); err != nil {
		t.Fatal(err)
	}
	r, err := w.Reader()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := web.New(cfg, r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func get(h http.Handler, target string, header ...string) *httptest.ResponseRecorder {
	return send(h, http.MethodGet, target, header...)
}

func send(h http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.Host = "127.0.0.1:7070"
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestAnswers compares the answer of every endpoint with its golden file.
func TestAnswers(t *testing.T) {
	s := server(t, web.Config{}, 14)
	for name, target := range map[string]string{
		"source":              "source",
		"overview":            "overview?buckets=10&top=2",
		"overview-filtered":   "overview?buckets=10&top=2&user=user01&from=1767603602",
		"calls":               "calls?limit=3",
		"calls-sorted":        "calls?sort=wait&order=desc&limit=2&offset=1&class=all",
		"calls-none":          "calls?q=nothing+like+this",
		"call":                "calls/2?sort=duration",
		"call-front":          "calls/11",
		"sessions":            "sessions",
		"timeline":            "timeline",
		"methods":             "methods?sort=p95",
		"models":              "models?sort=name",
		"users":               "users",
		"shapes":              "shapes?limit=3",
		"shapes-of-a-kind":    "sql?kind=commit&sort=text",
		"shape":               "shapes/b000000000000003",
		"shape-of-calls":      "shapes/b000000000000001?user=user01",
		"findings":            "findings?examples=2",
		"background":          "background",
		"background-group":    "background/1",
		"missing-call":        "calls/999",
		"missing-shape":       "shapes/0000000000000001",
		"missing-group":       "background/999",
		"missing-route":       "nothing",
		"wrong-parameter":     "calls?min=fast",
		"unknown-parameter":   "calls?colour=red",
		"unknown-parameter-2": "source?limit=1",
	} {
		t.Run(name, func(t *testing.T) {
			w := get(s, "/api/v1/"+target)
			if kind := w.Header().Get("Content-Type"); kind != "application/json; charset=utf-8" {
				t.Errorf("type %q", kind)
			}
			if again := get(s, "/api/v1/"+target); again.Body.String() != w.Body.String() {
				t.Error("a second answer differs from the first")
			}
			var got bytes.Buffer
			if err := json.Indent(&got, w.Body.Bytes(), "", " "); err != nil {
				t.Fatalf("%v in %s", err, w.Body)
			}
			golden(t, name, http.StatusText(w.Code)+"\n"+got.String())
			if strings.Contains(strings.ReplaceAll(got.String(), `"message": null`, ""), "null") {
				t.Error("the answer holds a null")
			}
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got), run with -update if that is right:\n%s", path, diff)
	}
}

// TestWrongParameters expects each wrong parameter to be named.
func TestWrongParameters(t *testing.T) {
	s := server(t, web.Config{}, 5)
	for target, name := range map[string]string{
		"calls?min=-1": "min", "calls?max=1e3": "max", "calls?min=2&max=1": "max", "calls?from=yesterday": "from", "calls?to=.": "to",
		"calls?from=20&to=10": "to", "calls?from=99999999999999": "from", "calls?session=xyz": "session", "calls?shape=12345678901234567": "shape",
		"calls?class=odd": "class", "calls?sort=colour": "sort", "calls?order=up": "order", "calls?limit=0": "limit", "calls?limit=1001": "limit",
		"calls?offset=-1": "offset", "calls?limit=1&limit=2": "limit", "calls/x": "id", "calls/0": "id", "calls/-1": "id", "calls/1?limit=2": "limit",
		"overview?buckets=5": "buckets", "overview?top=51": "top", "timeline?limit=200001": "limit", "timeline?bins=1": "bins",
		"methods?sort=start": "sort", "shapes?kind=odd": "kind", "shapes/nothex": "fingerprint", "findings?examples=0": "examples",
		"background?sort=name": "sort", "background/x": "id", "sessions?limit=1": "limit", "calls?q=" + strings.Repeat("x", 5000): "q",
		"calls?" + strings.Repeat("user=a&", 101): "user",
	} {
		w := get(s, "/api/v1/"+target)
		var body struct {
			Error struct{ Code, Parameter, Message, Hint string }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
			t.Fatal(err)
		}
		if w.Code != http.StatusBadRequest || body.Error.Code != "invalid_parameter" || body.Error.Parameter != name || body.Error.Message == "" {
			t.Errorf("%.60s: %d %+v, want %s blamed", target, w.Code, body.Error, name)
		}
	}
	if w := get(s, "/api/v1/calls?q=%zz"); w.Code != http.StatusBadRequest {
		t.Errorf("a malformed query gives %d", w.Code)
	}
}

// TestGuard checks who is served and with which headers.
func TestGuard(t *testing.T) {
	s := server(t, web.Config{Hosts: []string{"Perf.example", "192.0.2.4"}}, 5)
	for host, want := range map[string]int{
		"127.0.0.1:7070": 200, "localhost:7070": 200, "LOCALHOST": 200, "localhost.:7070": 200, "[::1]:7070": 200, "127.9.9.9": 200,
		"perf.example:80": 200, "192.0.2.4:7070": 200,
		"evil.example:7070": 403, "127.0.0.1.evil.example": 403, "192.0.2.5": 403, "0.0.0.0:7070": 403, "": 403, "[::ffff:127.0.0.1]:7070": 200,
	} {
		for _, target := range []string{"/api/v1/source", "/", "/calls"} {
			if w := get(s, target, "Host", host); w.Code != want {
				t.Errorf("%s of host %q: %d, want %d", target, host, w.Code, want)
			}
		}
	}
	for _, c := range []struct {
		header []string
		want   int
	}{
		{[]string{"Origin", "http://127.0.0.1:7070"}, 200},
		{[]string{"Origin", "http://127.0.0.1:9999"}, 403},
		{[]string{"Origin", "https://evil.example"}, 403},
		{[]string{"Origin", "null"}, 403},
		{[]string{"Sec-Fetch-Site", "cross-site"}, 403},
		{[]string{"Sec-Fetch-Site", "same-origin"}, 200},
	} {
		if w := get(s, "/api/v1/source", c.header...); w.Code != c.want {
			t.Errorf("%v: %d, want %d", c.header, w.Code, c.want)
		}
	}
	if w := get(s, "/calls/1", "Sec-Fetch-Site", "cross-site"); w.Code != 200 {
		t.Errorf("a link from elsewhere gives %d", w.Code)
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"} {
		if w := send(s, method, "/api/v1/source"); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") == "" {
			t.Errorf("%s gives %d", method, w.Code)
		}
	}
	for _, target := range []string{"/", "/api/v1/source", "/api/v1/nothing", "/nothing.js"} {
		h := get(s, target).Header()
		policy := h.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'self';") || strings.Contains(policy, "unsafe") || h.Get("X-Content-Type-Options") != "nosniff" ||
			h.Get("Access-Control-Allow-Origin") != "" || h.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s has headers %v", target, h)
		}
	}
}

// TestPages checks the files of the UI, the addresses of its pages and the tags of both.
func TestPages(t *testing.T) {
	s := server(t, web.Config{}, 5)
	index := get(s, "/")
	if index.Code != 200 || index.Header().Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(index.Body.String(), "<html") {
		t.Fatalf("/ gives %d %q", index.Code, index.Body)
	}
	for _, target := range []string{"/calls", "/calls/17", "/sql/00c0ffee00c0ffee", "/methods/sale.order.action_confirm", "/index.html", "/overview?from=1"} {
		if w := get(s, target); w.Code != 200 || w.Body.String() != index.Body.String() {
			t.Errorf("%s does not give the index: %d", target, w.Code)
		}
	}
	for _, target := range []string{"/nothing.js", "/../web.go", "/ui/index.html", "/node_modules/typescript/package.json", "/package.json", "/vendor/preact.d.ts", "/api/v2/x", "/api"} {
		if w := get(s, target); w.Code == 200 && target != "/api" {
			t.Errorf("%s is served", target)
		}
	}
	script := get(s, "/app.js")
	if script.Code != 200 || script.Header().Get("Content-Type") != "text/javascript; charset=utf-8" {
		t.Fatalf("/app.js gives %d %q", script.Code, script.Header().Get("Content-Type"))
	}
	tag := script.Header().Get("ETag")
	if w := get(s, "/app.js", "If-None-Match", tag); tag == "" || w.Code != http.StatusNotModified || w.Body.Len() != 0 {
		t.Errorf("an unchanged file gives %d with %d bytes", w.Code, w.Body.Len())
	}
	if w := get(s, "/app.js", "If-None-Match", `"other"`); w.Code != 200 {
		t.Errorf("a changed file gives %d", w.Code)
	}
	if w := send(s, http.MethodHead, "/api/v1/source"); w.Code != 200 {
		t.Errorf("HEAD gives %d", w.Code)
	}
}

func TestVersion(t *testing.T) {
	w := get(server(t, web.Config{Version: "v9"}, 1), "/api/v1/source")
	if !strings.Contains(w.Body.String(), `"version":"v9"`) {
		t.Error(w.Body)
	}
}

func BenchmarkCalls(b *testing.B) {
	s := server(b, web.Config{CacheBytes: -1}, 20000)
	for _, target := range []string{"calls?limit=100", "calls?limit=100&sort=wait&offset=5000", "overview", "timeline", "calls/17"} {
		b.Run(target, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if w := get(s, "/api/v1/"+target); w.Code != 200 {
					b.Fatal(w.Body)
				}
			}
		})
	}
}
