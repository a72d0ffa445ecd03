package lab

import (
	"net/netip"
	"strconv"
	"syscall"
	"testing"
)

// Redis starts a Redis server that keeps nothing on disk, and returns its address.
func Redis(t testing.TB) netip.AddrPort {
	t.Helper()
	a := servant(t, "nobody", "base-passwd")
	dir := folder(t, a)
	addr := loopback(FreePort(t))
	ready := func() bool { return accepts("tcp", addr.String()) }
	start(t, "redis", dir, a, syscall.SIGTERM, ready, nil, program(t, "redis-server", "redis-server"),
		"--bind", addr.Addr().String(), "--port", strconv.Itoa(int(addr.Port())), "--save", "", "--appendonly", "no")
	return addr
}
