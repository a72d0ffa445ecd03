package clienttest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/perfd/perfd/client/xmlrpc"
)

// Server answers requests as the recorded server did.
type Server struct {
	URL string

	mu       sync.Mutex
	answers  map[string][][]byte // by question, in the order of the recording
	unknown  []string
	requests int
}

// Serve answers out of exchanges until the test ends. A request gets the answer of the recorded one that asked the
// same: the same path, session (cookie or Authorization) and parameters, whatever its message id, the order of its
// members and its other headers. Questions that were asked several times get the answers in their order, and then the
// last one again. Odoo ignores what follows /web/dataset/call_kw in a path and does the same for call_button but for
// its result's form, and common.login is common.authenticate with another number of arguments: so does this server.
// What nobody asked in the recording is answered with status 501, and Unknown tells of it.
func Serve(t testing.TB, exchanges []Exchange) *Server {
	t.Helper()
	s := &Server{answers: map[string][][]byte{}}
	for _, x := range exchanges {
		q := question(x.Path, x.Header, x.Body)
		s.answers[q] = append(s.answers[q], x.Answer)
	}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	s.URL = h.URL
	return s
}

var _ http.Handler = (*Server)(nil)

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	q := question(r.URL.Path, r.Header, body)
	s.mu.Lock()
	s.requests++
	list := s.answers[q]
	switch {
	case len(list) == 0:
		s.unknown = append(s.unknown, q)
	case len(list) > 1:
		s.answers[q] = list[1:]
	}
	s.mu.Unlock()
	if len(list) == 0 {
		http.Error(w, "nobody asked that in the recording: "+q, http.StatusNotImplemented)
		return
	}
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	_, _ = c.Write(list[0])
}

// Requests is how many requests came.
func (s *Server) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// Unknown are the questions that are not in the recording.
func (s *Server) Unknown() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.unknown...)
}

// question is what a request asks, in a form that is the same for all requests that ask it.
func question(path string, header http.Header, body []byte) string {
	if header.Get("Content-Encoding") == "gzip" {
		if z, err := gzip.NewReader(bytes.NewReader(body)); err == nil {
			body, _ = io.ReadAll(z)
		}
	}
	who := header.Get("Authorization")
	if cookies, err := http.ParseCookie(header.Get("Cookie")); err == nil {
		for _, c := range cookies {
			if c.Name == "session_id" {
				who += c.Value
			}
		}
	}
	var what any
	if method, params, err := xmlrpc.Call(body); err == nil {
		if service, ok := strings.CutPrefix(path, "/xmlrpc/"); ok && strings.TrimPrefix(service, "2/") == "common" {
			if path = "/xmlrpc/2/common"; method == "login" {
				method, params = "authenticate", append(params, map[string]any{})
			}
		}
		what = []any{method, params}
	} else {
		var m map[string]any
		_ = json.Unmarshal(body, &m)
		delete(m, "id")
		delete(m, "jsonrpc")
		if path == "/jsonrpc" {
			authenticate(m)
		}
		what = m
	}
	for _, route := range []string{"/web/dataset/call_kw", "/web/dataset/call_button"} {
		if strings.HasPrefix(path, route) {
			path = "/web/dataset/call_kw"
		}
	}
	if strings.HasPrefix(path, "/web/session/authenticate") || path == "/jsonrpc" {
		who = "" // the one before
	}
	text, _ := json.Marshal(what)
	return fmt.Sprintf("%s %s %s", path, who, text)
}

// authenticate makes common.authenticate of common.login.
func authenticate(m map[string]any) {
	p, _ := m["params"].(map[string]any)
	if p["service"] == "common" && p["method"] == "login" {
		args, _ := p["args"].([]any)
		p["method"], p["args"] = "authenticate", append(args, map[string]any{})
	}
}
