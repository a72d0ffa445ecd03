package client_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
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

// used is the processor time of this process so far.
func used(b *testing.B) time.Duration {
	b.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// processor reports the processor time of an operation, which other programs on the machine disturb less than its
// duration.
func processor(b *testing.B) func() {
	b.ReportAllocs()
	start := used(b)
	return func() { b.ReportMetric(float64(used(b)-start)/float64(b.N), "cpu-ns/op") }
}

// BenchmarkBeside makes calls without a cache, and requests of the same bytes by net/http alone, in turns, so that both
// have the same machine. added-ns is the processor time that the client takes over net/http, the server's included: the
// median of all turns.
func BenchmarkBeside(b *testing.B) {
	const turn = 100
	call, request := caller(b), requester(b)
	var client, plain, added []float64
	for b.Loop() {
		var took [2]float64
		for i, run := range []func(){call, request} {
			start := used(b)
			for range turn {
				run()
			}
			took[i] = float64(used(b)-start) / turn
		}
		client, plain, added = append(client, took[0]), append(plain, took[1]), append(added, took[0]-took[1])
	}
	b.ReportMetric(0, "ns/op")
	for name, of := range map[string][]float64{"client-ns": client, "nethttp-ns": plain, "added-ns": added} {
		slices.Sort(of)
		b.ReportMetric(of[len(of)/2], name)
	}
	b.ReportMetric(slices.Min(client)-slices.Min(plain), "least-added-ns")
}

// BenchmarkCall is a call without a cache; what it takes over BenchmarkNetHTTP is the client's own.
func BenchmarkCall(b *testing.B) {
	call := caller(b)
	defer processor(b)()
	for b.Loop() {
		call()
	}
}

// caller makes a call on a server over HTTP.
func caller(b *testing.B) func() {
	k, err := client.New(client.Config{Servers: []string{benchServer(b)}, Database: "db", Login: "me", Password: "p"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = k.Close() })
	return func() { callOnce(b, k) }
}

var (
	benchArgs   = []any{[]any{1}}
	benchKwargs = map[string]any{"fields": []any{"name", "email"}}
)

func callOnce(b *testing.B, k *client.Client) {
	if _, err := k.Call(b.Context(), "res.partner", "read", benchArgs, benchKwargs); err != nil {
		b.Fatal(err)
	}
}

// callAgain makes one call again and again.
func callAgain(b *testing.B, k *client.Client) {
	b.Helper()
	defer processor(b)()
	for b.Loop() {
		callOnce(b, k)
	}
}

// BenchmarkNetHTTP is the same request and answer by net/http alone.
func BenchmarkNetHTTP(b *testing.B) {
	request := requester(b)
	defer processor(b)()
	for b.Loop() {
		request()
	}
}

// requester makes the request of a caller with net/http alone.
func requester(b *testing.B) func() {
	url := benchServer(b) + "/web/dataset/call_kw/res.partner/read"
	hc := &http.Client{Transport: &http.Transport{}}
	b.Cleanup(hc.CloseIdleConnections)
	body := []byte(`{"jsonrpc":"2.0","method":"call","id":1,"params":{"model":"res.partner","method":"read","args":[[1]],"kwargs":{"context":{"lang":"en_US","tz":"UTC","uid":2},"fields":["name","email"]}}}`)
	return func() {
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
