package proxy

import (
	"bufio"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/rpclog"
)

// pattern is a body of n bytes that tells where each of them belongs.
type pattern struct {
	n   int64
	sum uint32
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (p *pattern) Read(b []byte) (int, error) {
	if p.n == 0 {
		return 0, io.EOF
	}
	b = b[:min(int64(len(b)), p.n)]
	for i := 0; i < len(b); i += 64 {
		b[i] = byte(p.n>>12) + byte(i>>6)
	}
	p.n -= int64(len(b))
	p.sum = crc32.Update(p.sum, castagnoli, b)
	return len(b), nil
}

// drain reads a body to its end and returns its length and sum.
func drain(r io.Reader) (n int64, sum uint32, err error) {
	buf := make([]byte, 256<<10)
	for {
		k, err := r.Read(buf)
		n += int64(k)
		sum = crc32.Update(sum, castagnoli, buf[:k])
		if err == io.EOF {
			return n, sum, nil
		}
		if err != nil {
			return n, sum, err
		}
	}
}

// calls collects what the decoder makes of a feed.
type calls struct {
	ended    []*rpclog.Call
	messages int
}

func (c *calls) Begin(*rpclog.Call)     {}
func (c *calls) End(call *rpclog.Call)  { c.ended = append(c.ended, call) }
func (c *calls) Message(rpclog.Message) { c.messages++ }

// decoded runs a feed into an HTTP decoder. What it found is there after end.
func decoded(t testing.TB, cfg capture.FeedConfig) (feed *capture.Feed, found *calls, end func()) {
	t.Helper()
	found = &calls{}
	feed = capture.NewFeed(cfg, rpclog.New(rpclog.Config{}, found))
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := feed.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	end = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
	})
	t.Cleanup(end)
	return feed, found, end
}

// Bodies of any length pass through memory of constant size, and the decoder knows their length.
func TestHTTPHugeBodies(t *testing.T) {
	const huge, large = 1 << 30, 128 << 20
	sums := make(chan uint32, 1)
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, sum, err := drain(r.Body)
		body := &pattern{}
		switch r.URL.Path {
		case "/spliced":
			body.n = huge
			w.Header().Set("Content-Length", fmt.Sprint(huge))
			w.Header().Set("Content-Type", "application/octet-stream")
		case "/chunked":
			body.n = large
			w.Header().Set("Content-Type", "text/plain")
		case "/sized":
			body.n = large
			w.Header().Set("Content-Length", fmt.Sprint(large))
			w.Header().Set("Content-Type", "text/csv")
		default:
			if err != nil || n != large {
				t.Errorf("the upstream got %d bytes, %v", n, err)
			}
			sums <- sum
			return
		}
		if _, err := io.Copy(w, struct{ io.Reader }{body}); err != nil {
			t.Error(err)
		}
		sums <- body.sum
	}))
	defer up.Close()
	feed, found, end := decoded(t, capture.FeedConfig{})
	p, addr := startHTTP(t, HTTPConfig{Upstream: upstreamOf(up)}, feed)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	heap := watchHeap(t)
	for _, path := range []string{"/spliced", "/chunked", "/sized"} {
		res, err := client.Get("http://" + addr + path)
		if err != nil {
			t.Fatal(err)
		}
		n, sum, err := drain(res.Body)
		_ = res.Body.Close()
		want := int64(large)
		if path == "/spliced" {
			want = huge
		}
		if err != nil || n != want || sum != <-sums {
			t.Errorf("%s: %d bytes, %v", path, n, err)
		}
	}
	for _, length := range []int64{large, -1} {
		body := &pattern{n: large}
		req, _ := http.NewRequest(http.MethodPost, "http://"+addr+"/upload", struct{ io.Reader }{body})
		req.ContentLength = length
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if <-sums != body.sum {
			t.Errorf("upload of length %d: changed on the way", length)
		}
	}
	if grown := heap(); grown > 48<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
	s := p.Stats()
	if s.Requests != 5 || s.Connections != 1 || runtime.GOOS == "linux" && s.Spliced < huge-largeBuffer {
		t.Errorf("stats %+v", s)
	}
	client.CloseIdleConnections()
	waitFor(t, func() bool { return p.Stats().Open == 0 })
	end()
	if len(found.ended) != 5 {
		t.Fatalf("%d calls", len(found.ended))
	}
	lossless := feed.Stats().Dropped == 0
	for i, call := range found.ended {
		if call.Status != 200 || lossless && call.Gaps != 0 || i == 0 && call.ResponseBytes < huge || i > 2 && lossless && call.RequestBytes < large {
			t.Errorf("call %+v", *call)
		}
	}
}

// watchHeap returns a function that tells by how much the heap has grown at most since.
func watchHeap(t *testing.T) func() int64 {
	read := func() int64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapInuse)
	}
	runtime.GC()
	base, most := read(), int64(0)
	quit, done := make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-quit:
				return
			case <-ticker.C:
				most = max(most, read()-base)
			}
		}
	}()
	stop := sync.OnceFunc(func() { close(quit); <-done })
	t.Cleanup(stop)
	return func() int64 { stop(); return most }
}

// What is relayed is decoded: calls with their times and sizes, websocket frames, and perfd's own refusals.
func TestHTTPFeedsDecoder(t *testing.T) {
	up := raw(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		for {
			head, err := request(r)
			switch {
			case err != nil, strings.HasPrefix(head, "GET /gone"):
				return
			case strings.HasPrefix(head, "GET /ws"):
				_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x02hi")
				_, _ = io.ReadFull(r, make([]byte, 8))
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
		}
	})
	feed, found, end := decoded(t, capture.FeedConfig{})
	p, addr := startHTTP(t, HTTPConfig{Upstream: up}, feed)
	talk(t, addr, "GET /one HTTP/1.1\r\nHost: h\r\n\r\nGET /two HTTP/1.1\r\nHost: h\r\n\r\nGET /gone HTTP/1.1\r\nHost: h\r\n\r\n")
	ws, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	_ = ws.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprint(ws, "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	if _, err := io.ReadFull(ws, make([]byte, 81)); err != nil { // the response and the first frame
		t.Fatal(err)
	}
	fmt.Fprint(ws, "\x81\x82\x00\x00\x00\x00hi")
	if _, err := io.Copy(io.Discard, ws); err != nil {
		t.Fatal(err)
	}
	_ = ws.Close()
	waitFor(t, func() bool { return p.Stats().Open == 0 })
	end()
	var got []string
	for _, c := range found.ended {
		got = append(got, fmt.Sprintf("%s %d", c.Path, c.Status))
		if c.Client.Addr() != netip.MustParseAddr("127.0.0.1") || c.Server.String() != addr || c.Forwarded || c.Gaps != 0 ||
			c.Start.IsZero() || c.End.Before(c.Start) {
			t.Errorf("call %+v", *c)
		}
	}
	if want := "/one 200, /two 200, /gone 502, /ws 101"; strings.Join(got, ", ") != want || found.messages != 2 {
		t.Errorf("calls %v and %d messages, want %s and 2", got, found.messages, want)
	}
}

// A queue that is full, and a decoder that panics, change nothing of what is relayed.
func TestHTTPFailsOpen(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if _, werr := w.Write(body); err != nil || werr != nil {
			t.Error(err, werr)
		}
	}))
	defer up.Close()
	for name, feed := range map[string]*capture.Feed{
		"full":     capture.NewFeed(capture.FeedConfig{QueueBytes: 1}, rpclog.New(rpclog.Config{}, &calls{})),
		"no conns": capture.NewFeed(capture.FeedConfig{MaxConns: 1}, rpclog.New(rpclog.Config{}, &calls{})),
		"panics":   capture.NewFeed(capture.FeedConfig{}, faulty{}),
	} {
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = feed.Run(ctx) })
		_, addr := startHTTP(t, HTTPConfig{Upstream: upstreamOf(up)}, feed)
		for i := range 20 {
			want := strings.Repeat("x", i*1000)
			res, err := http.Post("http://"+addr, "text/plain", strings.NewReader(want))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err != nil || string(got) != want {
				t.Errorf("%s: %d bytes, %v", name, len(got), err)
			}
		}
		cancel()
		wg.Wait()
	}
}

// faulty is a decoder that fails.
type faulty struct{}

func (faulty) Claims(capture.Conn, []byte) capture.Verdict { return capture.Reject }
func (faulty) NewStream(capture.Conn) capture.Stream       { return faulty{} }
func (faulty) Chunk(capture.Chunk)                         { panic("as ordered") }
func (faulty) Fin(capture.Dir, time.Time)                  {}
func (faulty) Close(time.Time)                             {}

// A call that came through the proxy is witnessed on the connection behind it.
func TestHTTPBehind(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer up.Close()
	seen := make(chan [2]netip.AddrPort, 1)
	p, addr := startHTTP(t, HTTPConfig{Upstream: upstreamOf(up), Seen: func(local, remote netip.AddrPort) {
		seen <- [2]netip.AddrPort{local, remote}
	}}, nil)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	before := time.Now()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	if _, err := conn.Read(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	after := time.Now()
	pair := <-seen
	chain := Chain{HTTP: []*HTTP{p}, Next: next(func(local, remote netip.AddrPort) (int32, int32) {
		if local == pair[0] && remote == pair[1] {
			return 11, 12
		}
		return 0, 0
	})}
	own, client := addrPort(conn.RemoteAddr()), addrPort(conn.LocalAddr())
	if pair[0].String() != up.Listener.Addr().String() {
		t.Errorf("the server's end is %s", pair[0])
	}
	if pid, tid := chain.Worker(own, client, after, after); pid != 11 || tid != 12 {
		t.Errorf("worker %d %d, want 11 12", pid, tid)
	}
	if _, _, ok := p.Behind(own, client, before.Add(-time.Second), after); ok {
		t.Error("a time before the first request is served by a connection")
	}
	if pid, _ := chain.Worker(client, own, after, after); pid != 0 {
		t.Errorf("an unknown connection is witnessed by %d", pid)
	}
}

// Each call is asked about in the decoder's times, and a server that closes its connections serves each on another.
func TestHTTPBehindEachCall(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") }))
	defer up.Close()
	feed, found, end := decoded(t, capture.FeedConfig{})
	p, addr := startHTTP(t, HTTPConfig{Upstream: upstreamOf(up)}, feed)
	const n = 5
	for range n {
		res, err := http.Get("http://" + addr + "/web/login")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
	end()
	used := map[netip.AddrPort]bool{}
	for _, c := range found.ended {
		_, client, ok := p.Behind(c.Server, c.Client, c.Sent, c.First)
		if !ok {
			t.Errorf("it is not known who served the call from %s to %s", c.Sent, c.First)
		}
		used[client] = true
	}
	if len(found.ended) != n || len(used) != n {
		t.Errorf("%d calls over %d connections, want %d", len(found.ended), len(used), n)
	}
}

type next func(local, remote netip.AddrPort) (pid, tid int32)

func (n next) Worker(local, remote netip.AddrPort, _, _ time.Time) (pid, tid int32) {
	return n(local, remote)
}
