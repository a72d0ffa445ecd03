package collect_test

import (
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/perfd/perfd/cache"
	"github.com/perfd/perfd/client"
	"github.com/perfd/perfd/metrics/collect"
)

// odoo answers searches, and refuses what is called refuse.
func odoo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	switch {
	case strings.HasSuffix(r.URL.Path, "/authenticate"):
		fmt.Fprint(w, `{"result":{"uid":2,"user_context":{}}}`)
	case strings.Contains(string(body), `"refuse"`):
		fmt.Fprint(w, `{"error":{"code":200,"message":"m","data":{"name":"odoo.exceptions.UserError","message":"no"}}}`)
	default:
		fmt.Fprint(w, `{"result":[1]}`)
	}
}

func connect(t testing.TB, url string) *client.Client {
	t.Helper()
	memory, err := cache.NewMemory(cache.MemoryConfig{})
	if err != nil {
		t.Fatal(err)
	}
	loader := cache.NewLoader(memory, cache.LoaderConfig{})
	t.Cleanup(func() { _ = loader.Close() })
	c, err := client.New(client.Config{Servers: []string{url}, Database: "db", Login: "me", Password: "p", Cache: loader})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestFiguresOfAClient: what was called is told, once, and as what it is.
func TestFiguresOfAClient(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(odoo))
	defer s.Close()
	c := connect(t, s.URL)
	for range 3 {
		if _, err := c.Call(t.Context(), "res.partner", "search", []any{[]any{}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Call(t.Context(), "res.partner", "refuse", nil, nil); err == nil {
		t.Fatal("not refused")
	}
	page := httptest.NewRecorder()
	collect.Handler(
		collect.New(collect.Client(c), collect.Config{Labels: map[string]string{"of": "one"}}),
		collect.New(collect.Client(c), collect.Config{Labels: map[string]string{"of": "two"}}),
	).ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	lines := strings.Split(page.Body.String(), "\n")
	for _, want := range []string{
		`perfd_cache_lookups_total{model="res.partner",of="one",result="hit"} 2`,
		`perfd_cache_lookups_total{model="res.partner",of="two",result="hit"} 2`,
		`perfd_cache_lookups_total{model="res.partner",of="one",result="miss"} 1`,
		`perfd_cache_events_total{event="hit",of="one",tier="memory"} 2`,
		`perfd_cache_load_seconds_count{of="one"} 1`,
		`perfd_cache_load_seconds_bucket{of="one",le="+Inf"} 1`,
		`perfd_client_attempts_total{of="one",outcome="answered",server="` + s.URL + `"} 2`,
		`perfd_client_attempts_total{of="one",outcome="user error",server="` + s.URL + `"} 1`,
		`perfd_client_circuit{of="one",server="` + s.URL + `",state="closed"} 1`,
		`perfd_client_in_flight{of="one",server="` + s.URL + `"} 0`,
		`# TYPE perfd_cache_load_seconds histogram`,
		`# TYPE perfd_client_attempts_total counter`,
		`# TYPE perfd_client_in_flight gauge`,
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("no %s in\n%s", want, page.Body)
		}
	}
}

// TestBucketsAddUp: the buckets of Prometheus hold what is below them.
func TestBucketsAddUp(t *testing.T) {
	h := &cache.Histogram{Buckets: []cache.Bucket{{UpTo: 1e6, Count: 2}, {UpTo: 1e9, Count: 3}, {UpTo: 1 << 62, Count: 4}}, Count: 9, Sum: 5e9}
	var out strings.Builder
	source := func() iter.Seq[cache.Sample] {
		return slices.Values([]cache.Sample{{Name: "d", Help: "h", Kind: cache.Durations, Histogram: h}})
	}
	if err := collect.Write(&out, source); err != nil {
		t.Fatal(err)
	}
	const want = `# HELP perfd_d h
# TYPE perfd_d histogram
perfd_d_bucket{le="0.001"} 2
perfd_d_bucket{le="1"} 5
perfd_d_bucket{le="+Inf"} 9
perfd_d_sum 5
perfd_d_count 9
`
	if out.String() != want {
		t.Errorf("got\n%s", out.String())
	}
}

// TestWrongFigures: what cannot be told is an error of the scrape, not a wrong figure.
func TestWrongFigures(t *testing.T) {
	for name, s := range map[string][]cache.Sample{
		"without durations": {{Name: "d", Kind: cache.Durations}},
		"twice":             {{Name: "c", Kind: cache.Counter}, {Name: "c", Kind: cache.Counter}},
		"two kinds":         {{Name: "c", Kind: cache.Counter}, {Name: "c", Kind: cache.Gauge, Labels: [][2]string{{"a", "b"}}}},
	} {
		if err := collect.Write(io.Discard, func() iter.Seq[cache.Sample] { return slices.Values(s) }); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func Example() {
	memory, err := cache.NewMemory(cache.MemoryConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	loader := cache.NewLoader(memory, cache.LoaderConfig{})
	defer loader.Close()

	page := httptest.NewRecorder()
	handler := collect.Handler(collect.New(collect.Cache(loader), collect.Config{}))
	handler.ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(page.Body.String()) {
		if strings.HasPrefix(line, "perfd_cache_items") {
			fmt.Print(line)
		}
	}
	// Output:
	// perfd_cache_items{tier="memory"} 0
}
