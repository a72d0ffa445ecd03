package profile

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestNothingIsSentUnlessAsked(t *testing.T) {
	p, err := Start(Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
}

func TestStagesAreLabelled(t *testing.T) {
	for _, s := range []Stage{Capture, Solve, Store, Web} {
		seen := false
		Do(t.Context(), s, func(ctx context.Context) {
			got, _ := pprof.Label(ctx, "stage")
			seen = got == string(s)
		})
		if !seen {
			t.Errorf("work in %s is not labelled", s)
		}
	}
}

func TestProfilesReachTheServer(t *testing.T) {
	type push struct {
		path, name, user string
		body             []byte
	}
	pushed := make(chan push, 64)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20)) // what is short is found below
		user, _, _ := r.BasicAuth()
		select {
		case pushed <- push{r.URL.Path, r.URL.Query().Get("name"), user, b}:
		default:
		}
	}))
	defer server.Close()
	p, err := Start(Config{URL: server.URL, User: "perfd", Password: "x", Tags: map[string]string{"host": "erp1"}, Every: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	got := <-pushed
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if !strings.HasPrefix(got.path, "/ingest") || !strings.Contains(got.name, "host=erp1") || !strings.HasPrefix(got.name, "perfd") || got.user != "perfd" || len(got.body) == 0 {
		t.Errorf("pushed %s %s by %s, %d bytes", got.path, got.name, got.user, len(got.body))
	}
}

// A server that refuses is told in the log, and keeps nothing from going on.
func TestRefusal(t *testing.T) {
	refused := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no", http.StatusForbidden)
		select {
		case refused <- struct{}{}:
		default:
		}
	}))
	defer server.Close()
	var log locked
	p, err := Start(Config{URL: server.URL, Every: 100 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	<-refused
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if text := log.String(); !strings.Contains(text, "level=WARN") || strings.Contains(text, "level=DEBUG") {
		t.Errorf("the log says %q", text)
	}
}

// TestLabelsAndTheLastProfile has work done under labels for less than an interval: what is sent at the end is a CPU profile
// whose samples carry them.
func TestLabelsAndTheLastProfile(t *testing.T) {
	var mu sync.Mutex
	var bodies [][]byte
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		f, _, err := r.FormFile("profile")
		if err != nil {
			return
		}
		z, err := gzip.NewReader(io.LimitReader(f, 1<<22))
		if err != nil {
			return
		}
		b, _ := io.ReadAll(io.LimitReader(z, 1<<24))
		mu.Lock()
		defer mu.Unlock()
		bodies = append(bodies, b)
	}))
	defer server.Close()
	p, err := Start(Config{URL: server.URL, Tags: map[string]string{"run": "7"}, Every: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	With(t.Context(), map[string]string{"side": "sideB", "round": "round3"}, func(ctx context.Context) {
		if side, _ := pprof.Label(ctx, "side"); side != "sideB" {
			t.Errorf("side %q", side)
		}
		sum := sha256.Sum256(nil)
		for began := time.Now(); time.Since(began) < 200*time.Millisecond; { // work that is measured
			for range 1000 {
				sum = sha256.Sum256(sum[:])
			}
		}
	})
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, b := range bodies {
		if bytes.Contains(b, []byte("sideB")) && bytes.Contains(b, []byte("round3")) {
			return
		}
	}
	t.Errorf("none of %d profiles has the labels", len(bodies))
}

// TestServerThatHangs does not keep perfd from ending.
func TestServerThatHangs(t *testing.T) {
	stay := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-stay
	}))
	defer server.Close()
	defer close(stay)
	var log locked
	p, err := Start(Config{URL: server.URL, Every: time.Hour, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	p.patience = 50 * time.Millisecond
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "did not take the last ones") {
		t.Errorf("the log says %q", log.String())
	}
}

func TestTag(t *testing.T) {
	if got := Tag("2026-03-04T05:06:07 {a=b},é"); got != "2026-03-04T05:06:07--a-b---" {
		t.Error(got)
	}
}

type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
