package proxy

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	"github.com/perfd/perfd/capture"
)

// startHTTP runs a proxy in front of an upstream and returns its address.
func startHTTP(t testing.TB, cfg HTTPConfig, feed *capture.Feed) (*HTTP, string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ln, err := Listen(ctx, Address{"tcp", "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	p := NewHTTP(cfg, feed)
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return p, ln.Addr().String()
}

func upstreamOf(s *httptest.Server) Address {
	return Address{"tcp", s.Listener.Addr().String()}
}

func TestHTTPRelays(t *testing.T) {
	var seen http.Header
	var host string
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen, host = r.Header.Clone(), r.Host
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("X-Answer", "yes")
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		fmt.Fprintf(w, "%s %s %s", r.Method, r.URL, body)
	}))
	defer up.Close()
	p, addr := startHTTP(t, HTTPConfig{Upstream: upstreamOf(up)}, nil)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for _, tt := range []struct {
		verb, path string
		body       io.Reader
		want       string
	}{
		{"GET", "/web?db=x", nil, "GET /web?db=x "},
		{"POST", "/jsonrpc", strings.NewReader(`{"a":1}`), `POST /jsonrpc {"a":1}`},
		{"POST", "/chunked", struct{ io.Reader }{strings.NewReader("in pieces")}, "POST /chunked in pieces"},
		{"PUT", "/large", strings.NewReader(strings.Repeat("x", 1<<20)), "PUT /large " + strings.Repeat("x", 1<<20)},
	} {
		req, _ := http.NewRequest(tt.verb, "http://"+addr+tt.path, tt.body)
		req.Host = "odoo.example"
		res, err := client.Do(req)
		if err != nil {
			t.Fatalf("%s %s: %v", tt.verb, tt.path, err)
		}
		got, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || string(got) != tt.want || res.Header.Get("X-Answer") != "yes" || len(res.Header["Set-Cookie"]) != 2 {
			t.Errorf("%s %s: %d, %.80q, %v, %v", tt.verb, tt.path, res.StatusCode, got, err, res.Header)
		}
		if host != "odoo.example" || seen.Get("X-Forwarded-For") != "127.0.0.1" || seen.Get("X-Forwarded-Proto") != "http" ||
			seen.Get("X-Forwarded-Host") != "odoo.example" || len(seen.Get("X-Request-Id")) != 32 {
			t.Errorf("%s %s: the upstream saw %q %v", tt.verb, tt.path, host, seen)
		}
	}
	if s := p.Stats(); s.Requests != 4 || s.Connections != 1 || s.Dialed != 1 || s.Refused+s.Unreachable+s.Aborted != 0 ||
		s.FromClients < 1<<20 || s.ToClients < 1<<20 || s.Down != "" {
		t.Errorf("stats %+v, want one connection on each side", s)
	}
}

// talk sends raw bytes and returns what comes back until the connection closes.
func talk(t *testing.T, addr, text string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil {
		t.Errorf("%.60q: %v", text, err)
	}
	return string(got)
}

func TestHTTPRefuses(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("the upstream was asked %s %s", r.Method, r.URL)
	}))
	defer up.Close()
	p, addr := startHTTP(t, HTTPConfig{Upstream: upstreamOf(up)}, nil)
	cases := []struct{ text, want string }{
		{"GET / HTTP/1.1\r\n\r\n", "400"},
		{"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"},
		{"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", "400"},
		{"GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400"},
		{"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", "400"},
		{"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "505"},
		{"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505"},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "400"},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc", "400"},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
		{"POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", "400"},
		{"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
		{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "400"},
		{"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", "405"},
		{"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("y", 70<<10) + "\r\n\r\n", "431"},
		{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400"},
	}
	for _, tt := range cases {
		got := talk(t, addr, tt.text)
		if !strings.HasPrefix(got, "HTTP/1.1 "+tt.want+" ") || !strings.Contains(got, "Connection: close\r\n") {
			t.Errorf("%.60q: got %.80q, want %s", tt.text, got, tt.want)
		}
	}
	if s := p.Stats(); s.Refused != int64(len(cases)) || s.Requests != 0 {
		t.Errorf("stats %+v", s)
	}
}

// raw serves each connection by a function of its own.
func raw(t *testing.T, serve func(n int, conn net.Conn, r *bufio.Reader)) Address {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 0; ; n++ {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				serve(n, conn, bufio.NewReader(conn))
			})
		}
	})
	t.Cleanup(func() { _ = ln.Close(); wg.Wait() })
	return Address{"tcp", ln.Addr().String()}
}

// request reads one request and returns its header section.
func request(r *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		b.WriteString(line)
		if err != nil || line == "\r\n" {
			return b.String(), err
		}
	}
}

func TestHTTPForwarded(t *testing.T) {
	got := make(chan string, 1)
	up := raw(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		text, err := request(r)
		if err == nil {
			got <- text
			_, _ = io.WriteString(conn, "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	const start = "GET / HTTP/1.1\r\nHost: h\r\nX-Request-Id: mine\r\nConnection: close, x-secret\r\nX-Secret: 1\r\nKeep-Alive: 5\r\nTE: gzip\r\nUpgrade: h2c\r\n"
	const claims = "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX_Forwarded_Host: evil\r\nForwarded: for=10.0.0.1\r\nX-Real-IP: 10.0.0.1\r\n"
	for _, tt := range []struct {
		name, claims string
		cfg          HTTPConfig
		want         string
	}{
		{"plain", "", HTTPConfig{}, "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\n"},
		{"trusted", claims, HTTPConfig{}, claims},
		{"appended", claims, HTTPConfig{AppendForwarded: true}, claims + "X-Forwarded-For: 127.0.0.1\r\n"},
		{"not trusted", claims, HTTPConfig{Trusted: []netip.Prefix{}, Scheme: "https"}, "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: h\r\n"},
	} {
		tt.cfg.Upstream = up
		_, addr := startHTTP(t, tt.cfg, nil)
		answer := talk(t, addr, start+tt.claims+"\r\n")
		if want := "GET / HTTP/1.1\r\nHost: h\r\nX-Request-Id: mine\r\n" + tt.want + "\r\n"; <-got != want {
			t.Errorf("%s: the upstream did not get %q", tt.name, want)
		}
		if answer != "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" {
			t.Errorf("%s: answer %q", tt.name, answer)
		}
	}
}

func TestHTTPAnswers(t *testing.T) {
	const get = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
	const get10 = "GET / HTTP/1.0\r\n\r\n"
	for _, tt := range []struct{ name, ask, answer, want string }{
		{"until the end", get, "HTTP/1.0 200 OK\r\n\r\nall of it", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it"},
		{"chunked with a trailer", get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n3;ext=1\r\nabc\r\n0\r\nX: y\r\n\r\n",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\nConnection: close\r\n\r\n3;ext=1\r\nabc\r\n0\r\nX: y\r\n\r\n"},
		{"length given twice over", get, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n"},
		{"interim", get, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
			"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"},
		{"interim for an old client", get10, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"},
		{"HEAD", "HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n"},
		{"folded", get, "HTTP/1.1 200 OK\r\nX: a\r\n  b\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nX: a b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"},
		{"bare line feeds", get, "HTTP/1.1 200 OK\nContent-Length: 1\n\nx", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"},
		{"old keep-alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + get10, "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
			"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\nx" + "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"},
		{"pipelined", "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n" + get, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
			"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx" + "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"},
		{"no HTTP", get, "SSH-2.0-x\r\n\r\n", "HTTP/1.1 502 "},
		{"nothing", get, "", "HTTP/1.1 502 "},
		{"an upgrade nobody asked for", get, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "HTTP/1.1 502 "},
	} {
		up := raw(t, func(_ int, conn net.Conn, r *bufio.Reader) {
			if _, err := request(r); err == nil {
				_, _ = io.WriteString(conn, tt.answer)
			}
		})
		_, addr := startHTTP(t, HTTPConfig{Upstream: up}, nil)
		got := talk(t, addr, tt.ask)
		if refused := strings.HasSuffix(tt.want, "502 "); !refused && got != tt.want || refused && !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s:\ngot  %q\nwant %q", tt.name, got, tt.want)
		}
	}
}

func TestHTTPUnreachable(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close()
	trouble := make(chan error, 1)
	p, addr := startHTTP(t, HTTPConfig{Upstream: Address{"tcp", ln.Addr().String()}, Trouble: func(err error) { trouble <- err }}, nil)
	got := talk(t, addr, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nbeginning")
	if !strings.HasPrefix(got, "HTTP/1.1 502 Bad Gateway\r\n") || !strings.Contains(got, "cannot be reached") {
		t.Errorf("got %q", got)
	}
	if err := <-trouble; !strings.Contains(err.Error(), "refused") || p.Stats().Unreachable != 1 {
		t.Errorf("trouble %v, stats %+v", err, p.Stats())
	}
	if down := p.Stats().Down; !strings.Contains(down, "refused") {
		t.Errorf("down: %q", down)
	}
	if ln, err = net.Listen("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if p.Probe(t.Context()); p.Stats().Down != "" {
		t.Errorf("down: %q, though somebody listens", p.Stats().Down)
	}
}

func TestHTTPAnswerTimeout(t *testing.T) {
	up := raw(t, func(_ int, _ net.Conn, r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) })
	p, addr := startHTTP(t, HTTPConfig{Upstream: up, AnswerTimeout: time.Millisecond}, nil)
	if got := talk(t, addr, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 504 ") {
		t.Errorf("got %q", got)
	}
	if s := p.Stats(); s.TimedOut != 1 {
		t.Errorf("stats %+v", s)
	}
}

// A client that leaves takes its request with it.
func TestHTTPAbort(t *testing.T) {
	asked, left := make(chan bool), make(chan error, 1)
	up := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- true
		<-r.Context().Done()
		left <- r.Context().Err()
	}))
	defer up.Close()
	p, addr := startHTTP(t, HTTPConfig{Upstream: upstreamOf(up)}, nil)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET /poll HTTP/1.1\r\nHost: h\r\n\r\n")
	<-asked
	_ = conn.Close()
	if err := <-left; err == nil {
		t.Error("the upstream was not told")
	}
	waitFor(t, func() bool { return p.Stats().Aborted == 1 && p.Stats().Open == 0 })
}

// waitFor waits for what another goroutine is about to count.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for !ok() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatal("it did not happen")
		}
	}
}

// Each piece of a response arrives before the next one is made.
func TestHTTPStreams(t *testing.T) {
	next := make(chan bool)
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i := range 5 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
			<-next
		}
	}))
	defer up.Close()
	_, addr := startHTTP(t, HTTPConfig{Upstream: upstreamOf(up)}, nil)
	res, err := http.Get("http://" + addr + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	r := bufio.NewReader(res.Body)
	for i := range 5 {
		line, err := r.ReadString('\n')
		if _, empty := r.ReadString('\n'); err != nil || empty != nil || line != fmt.Sprintf("data: %d\n", i) {
			t.Fatalf("piece %d: %q, %v", i, line, err)
		}
		next <- true
	}
}

func TestHTTPExpectContinue(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(http.StatusExpectationFailed)
			return
		}
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%d %v", n, err)
	}))
	defer up.Close()
	_, addr := startHTTP(t, HTTPConfig{Upstream: upstreamOf(up)}, nil)
	for path, want := range map[string]string{"/yes": "HTTP/1.1 100 Continue\r\n\r\n", "/no": "HTTP/1.1 417 Expectation Failed\r\n"} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", path)
		got := make([]byte, len(want))
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", path, got, err)
		}
		if path == "/yes" {
			fmt.Fprint(conn, "hello")
			if rest, err := io.ReadAll(conn); err != nil || !strings.HasSuffix(string(rest), "5 <nil>") {
				t.Errorf("after the body: %q, %v", rest, err)
			}
		}
		_ = conn.Close()
	}
}

func TestHTTPWebsocket(t *testing.T) {
	up := httptest.NewServer(websocket.Handler(func(ws *websocket.Conn) { _, _ = io.Copy(ws, ws) }))
	defer up.Close()
	p, addr := startHTTP(t, HTTPConfig{Upstream: upstreamOf(up)}, nil)
	ws, err := websocket.Dial("ws://"+addr+"/websocket", "", "http://"+addr)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 125, 70000} {
		sent, got := bytes.Repeat([]byte{'w'}, n), make([]byte, n)
		if err := websocket.Message.Send(ws, sent); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(ws, got); err != nil || !bytes.Equal(got, sent) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
	_ = ws.Close()
	waitFor(t, func() bool { return p.Stats().Open == 0 })
	if s := p.Stats(); s.Upgraded != 1 {
		t.Errorf("stats %+v", s)
	}
}

func TestHTTPEarlyAnswer(t *testing.T) {
	up := raw(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		if _, err := request(r); err == nil {
			_, _ = io.WriteString(conn, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nbig\n")
		}
	})
	_, addr := startHTTP(t, HTTPConfig{Upstream: up}, nil)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\n%s", strings.Repeat("x", 100000))
	got, err := io.ReadAll(conn)
	if err != nil || string(got) != "HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbig\n" {
		t.Errorf("got %q, %v", got, err)
	}
}

// A free connection that the upstream closed is not the client's trouble.
func TestHTTPStaleConnection(t *testing.T) {
	up := raw(t, func(n int, conn net.Conn, r *bufio.Reader) {
		if _, err := request(r); err == nil {
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d", n%10) // and closes without a word
		}
	})
	p, addr := startHTTP(t, HTTPConfig{Upstream: up, UpstreamIdle: time.Hour}, nil)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for i := range 6 {
		var res *http.Response
		var err error
		if i%2 == 0 {
			res, err = client.Get("http://" + addr)
		} else {
			waitFor(t, func() bool {
				p.pool.mu.Lock()
				defer p.pool.mu.Unlock()
				return len(p.pool.free) == 1 && peek(p.pool.free[0].raw) == peerGone
			})
			res, err = client.Post("http://"+addr, "text/plain", strings.NewReader("once"))
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK || string(body) != fmt.Sprint(i) {
			t.Errorf("request %d: %d %q %v", i, res.StatusCode, body, err)
		}
	}
}
