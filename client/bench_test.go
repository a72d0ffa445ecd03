package client_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/perfd/perfd/client"
)

const benchAnswer = `{"jsonrpc": "2.0", "id": 1, "result": [{"id": 1, "name": "A partner", "email": "someone@example.com"}]}`

// benchServer answers at once and always the same.
func benchServer(b *testing.B) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/web/session/authenticate" {
			_, _ = io.WriteString(w, `{"result": {"uid": 2, "user_context": {"lang": "en_US", "tz": "UTC", "uid": 2}}}`)
			return
		}
		_, _ = io.WriteString(w, benchAnswer)
	}))
	b.Cleanup(s.Close)
	return s.URL
}

// processor reports the processor time of an operation, which other programs on the machine disturb less than its
// duration.
func processor(b *testing.B) func() {
	used := func() time.Duration {
		var r syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
			b.Fatal(err)
		}
		return time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	b.ReportAllocs()
	start := used()
	return func() { b.ReportMetric(float64(used()-start)/float64(b.N), "cpu-ns/op") }
}

// BenchmarkCall is a call without a cache; what it takes over BenchmarkNetHTTP is the client's own.
func BenchmarkCall(b *testing.B) {
	k, err := client.New(client.Config{Servers: []string{benchServer(b)}, Database: "db", Login: "me", Password: "p"})
	if err != nil {
		b.Fatal(err)
	}
	defer k.Close()
	callAgain(b, k)
}

// callAgain makes one call again and again.
func callAgain(b *testing.B, k *client.Client) {
	b.Helper()
	args, kwargs := []any{[]any{1}}, map[string]any{"fields": []any{"name", "email"}}
	defer processor(b)()
	for b.Loop() {
		if _, err := k.Call(b.Context(), "res.partner", "read", args, kwargs); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkNetHTTP is the same request and answer by net/http alone.
func BenchmarkNetHTTP(b *testing.B) {
	url := benchServer(b) + "/web/dataset/call_kw/res.partner/read"
	hc := &http.Client{Transport: &http.Transport{}}
	defer hc.CloseIdleConnections()
	body := []byte(`{"jsonrpc":"2.0","method":"call","id":1,"params":{"model":"res.partner","method":"read","args":[[1]],"kwargs":{"context":{"lang":"en_US","tz":"UTC","uid":2},"fields":["name","email"]}}}`)
	defer processor(b)()
	for b.Loop() {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := hc.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			b.Fatal(err)
		}
		_ = resp.Body.Close()
	}
}

// instant answers without a network.
type instant struct{ answer []byte }

func (i instant) RoundTrip(r *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, r.Body)
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(i.answer)), ContentLength: int64(len(i.answer))}, nil
}

// BenchmarkOverhead is what the client itself takes for a call, with no network behind it.
func BenchmarkOverhead(b *testing.B) {
	k, err := client.New(client.Config{Servers: []string{"one"}, Transport: client.TransportJSONRPC, Database: "db", Login: "me", Password: "p", BareLogin: true, HTTP: instant{[]byte(`{"result": 2}`)}})
	if err != nil {
		b.Fatal(err)
	}
	defer k.Close()
	callAgain(b, k)
}

// BenchmarkCachedCall is a call that the memory answers.
func BenchmarkCachedCall(b *testing.B) {
	_, k := cached(b)
	callAgain(b, k)
}
