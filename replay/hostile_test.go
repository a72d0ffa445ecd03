package replay_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/perfd/perfd/cache"
	"github.com/perfd/perfd/client"
	"github.com/perfd/perfd/replay"
	"github.com/perfd/perfd/replay/load"
	"github.com/perfd/perfd/replay/safety/safetytest"
)

// TestNothingHarmfulLeaves replays calls whose parts contradict each other, with a cache and without: whatever a server
// makes of what it gets, it is a read or a log-in.
func TestNothingHarmfulLeaves(t *testing.T) {
	var mu sync.Mutex
	var harm []string
	sent := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		sent++
		if h := safetytest.Harm(r.Method, r.RequestURI, body); h != "" {
			harm = append(harm, fmt.Sprintf("%s: %s %s %.300s", h, r.Method, r.RequestURI, body))
		}
		mu.Unlock()
		switch {
		case strings.Contains(r.URL.Path, "authenticate"):
			http.SetCookie(w, &http.Cookie{Name: "session_id", Value: "x", Path: "/"})
			_, _ = io.WriteString(w, `{"result":{"uid":2,"username":"u","user_context":{"lang":"en_US"},"user_companies":{"current_company":1,"allowed_companies":{"1":{}}}}}`)
		case strings.HasPrefix(r.URL.Path, "/json/2"):
			_, _ = io.WriteString(w, `[]`)
		case strings.HasPrefix(r.URL.Path, "/xmlrpc"):
			_, _ = io.WriteString(w, `<methodResponse><params><param><value><int>2</int></value></param></params></methodResponse>`)
		case r.URL.Path == "/copy/":
			_, _ = io.WriteString(w, `{"id":1,"result":[2,"token"]}`)
		default:
			_, _ = io.WriteString(w, `{"result":[]}`)
		}
	}))
	t.Cleanup(s.Close)
	total := 0
	rapid.Check(t, func(t *rapid.T) {
		product := rapid.SampledFrom([]string{"odoo", "tryton", ""}).Draw(t, "product")
		calls := rapid.SliceOfN(rapid.Custom(safetytest.Call), 8, 40).Draw(t, "calls")
		src := recorded(calls...)
		src.header.Product = product
		src.sessions = map[string]load.Session{"a": {ID: "a", Login: "anna", Transport: calls[0].Transport}, "b": {ID: "b", Anonymous: true, Transport: "http"}}
		cfg := replay.Config{Target: s.URL, Database: "copy", Password: client.Secret("secret"), Mode: replay.Max}
		if rapid.Bool().Draw(t, "cached") {
			m, err := cache.NewMemory(cache.MemoryConfig{})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			cfg.Cache = cache.NewLoader(m, cache.LoaderConfig{})
		}
		r, err := replay.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		rep, err := r.Run(t.Context(), src)
		if err != nil && rep.Sent > 0 {
			t.Fatal(err)
		}
		mu.Lock()
		defer mu.Unlock()
		if len(harm) > 0 {
			t.Fatalf("%q", harm[0])
		}
		total += int(rep.Sent)
	})
	t.Logf("%d calls were sent", total)
	if total < 100 {
		t.Errorf("only %d calls were sent: the test tells nothing", total)
	}
}
