package proxy

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"
)

// checkThread has a chain tell the thread behind a client of PostgreSQL where the next witness knows it, else the
// process behind a Unix socket.
func checkThread(t *testing.T, p *PostgreSQL, client, server netip.AddrPort) {
	t.Helper()
	now, own := time.Now(), int32(0)
	if IsUnix(client) {
		own = int32(os.Getpid())
	}
	knows := next(func(local, remote netip.AddrPort) (int32, int32) {
		if local == client && remote == server {
			return 11, 12
		}
		return 0, 0
	})
	doesNot := next(func(netip.AddrPort, netip.AddrPort) (int32, int32) { return 0, 0 })
	for name, c := range map[string]struct {
		next     Witness
		pid, tid int32
	}{"known": {knows, 11, 12}, "not known": {doesNot, own, 0}, "nobody to ask": {nil, own, 0}} {
		if pid, tid := (Chain{PostgreSQL: []*PostgreSQL{p}, Next: c.next}).Worker(client, server, now, now); pid != c.pid || tid != c.tid {
			t.Errorf("thread of %s %s: %d, %d, want %d, %d", client, name, pid, tid, c.pid, c.tid)
		}
	}
}

// A call that came to a server on a Unix socket is witnessed on the connection behind the proxy, which is told by the
// inode number of the proxy's end.
func TestHTTPBehindUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "http")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	up := &httptest.Server{Listener: ln, Config: &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), ReadHeaderTimeout: time.Minute}}
	up.Start()
	defer up.Close()
	type seen struct {
		local, remote netip.AddrPort
		inode         uint64
	}
	told := make(chan seen, 2)
	p, addr := startHTTP(t, HTTPConfig{
		Upstream: Address{"unix", path},
		Seen:     func(local, remote netip.AddrPort) { t.Errorf("%s, %s told of as TCP", local, remote) },
		SeenUnix: func(local, remote netip.AddrPort, inode uint64) { told <- seen{local, remote, inode} },
	}, nil)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	if _, err := conn.Read(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	after := time.Now()
	own, client := addrPort(conn.RemoteAddr()), addrPort(conn.LocalAddr())
	server, proxy, ok := p.Behind(own, client, after, after)
	if !ok || !IsUnix(server) || !IsUnix(proxy) || server == proxy {
		t.Fatalf("behind it: %s, %s, %v", server, proxy, ok)
	}
	if runtime.GOOS != "linux" {
		return
	}
	got := <-told
	if got.local != server || got.remote != proxy {
		t.Errorf("told of %+v, want %s, %s", got, server, proxy)
	}
	// It is the number of a socket that this process has open.
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(open, func(e os.DirEntry) bool {
		name, _ := os.Readlink("/proc/self/fd/" + e.Name())
		return name == fmt.Sprintf("socket:[%d]", got.inode)
	}) {
		t.Errorf("no open socket has inode number %d", got.inode)
	}
}
