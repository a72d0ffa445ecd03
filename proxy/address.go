package proxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Address is where to listen or whom to connect to: a TCP address or the path of a Unix socket.
type Address struct {
	Network string // "tcp" or "unix"
	Host    string // host and port, or path
}

// ParseAddress reads host:port, :port, a bare port, which means the loopback address, or a path. A folder, or a
// path that ends in a slash, stands for PostgreSQL's socket in it, as libpq has it.
func ParseAddress(s string) (Address, error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok || strings.HasPrefix(s, "/") {
		if ok {
			s = path
		}
		if info, err := os.Stat(s); strings.HasSuffix(s, "/") || err == nil && info.IsDir() {
			s = filepath.Join(s, ".s.PGSQL.5432")
		}
		if s == "" || len(s) > 107 { // sun_path, its NUL included, has 108 bytes
			return Address{}, fmt.Errorf("read address: %q is no path of a Unix socket", s)
		}
		return Address{"unix", s}, nil
	}
	if _, err := strconv.ParseUint(s, 10, 16); err == nil {
		s = "127.0.0.1:" + s
	}
	host, port, err := net.SplitHostPort(s)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n > 65535 || strings.ContainsAny(host, " /@") {
		return Address{}, fmt.Errorf("read address: %q is not host:port, a port or a path", s)
	}
	return Address{"tcp", s}, nil
}

// String returns the address as ParseAddress reads it.
func (a Address) String() string { return a.Host }

// Unix reports whether a is a Unix socket.
func (a Address) Unix() bool { return a.Network == "unix" }

// port is the TCP port, or the one in the name of PostgreSQL's socket; 0 if there is none.
func (a Address) port() uint16 {
	name := a.Host
	if a.Unix() {
		name = strings.TrimPrefix(filepath.Base(name), ".s.PGSQL.")
	} else {
		_, name, _ = net.SplitHostPort(name)
	}
	n, _ := strconv.ParseUint(name, 10, 16)
	return uint16(n)
}

// Listen opens a listener on a. The socket file of a process that is gone is replaced, that of a living one is
// not. Whoever may reach the folder may connect to a Unix socket, as PostgreSQL has it.
func Listen(ctx context.Context, a Address) (net.Listener, error) {
	var lc net.ListenConfig
	if a.Unix() {
		if err := clearSocket(ctx, a); err != nil {
			return nil, fmt.Errorf("listen on %s: %w", a, err)
		}
	}
	ln, err := lc.Listen(ctx, a.Network, a.Host)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", a, errors.Unwrap(err))
	}
	if a.Unix() {
		if err := os.Chmod(a.Host, 0o777); err != nil { //nolint:gosec // what PostgreSQL does by default
			return nil, errors.Join(fmt.Errorf("listen on %s: %w", a, err), ln.Close())
		}
	}
	return ln, nil
}

// clearSocket removes a socket file that nobody listens on.
func clearSocket(ctx context.Context, a Address) error {
	info, err := os.Lstat(a.Host)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&os.ModeSocket == 0:
		return fmt.Errorf("%w: it is no socket", fs.ErrExist)
	}
	conn, err := a.dial(ctx, time.Second)
	if err == nil {
		_ = conn.Close()
		return syscall.EADDRINUSE
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return os.Remove(a.Host)
	}
	return err
}

// dial connects to a.
func (a Address) dial(ctx context.Context, timeout time.Duration) (net.Conn, error) {
	d := net.Dialer{Timeout: timeout}
	conn, err := d.DialContext(ctx, a.Network, a.Host)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", a, err)
	}
	return conn, nil
}

// addrPort returns the address of a TCP connection's end, in the form that packets show: an IPv4 address is one.
func addrPort(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		ap := tcp.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
	}
	return netip.AddrPort{}
}
