package profile

import (
	"bytes"
	"context"
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
