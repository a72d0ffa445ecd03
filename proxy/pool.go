package proxy

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// upstream is a connection to the application server.
type upstream struct {
	net.Conn
	raw           syscall.RawConn // nil where the connection cannot be looked at
	local, remote netip.AddrPort  // made up where it is a Unix socket
	used          bool            // an exchange went over it before
	owner         uint64          // client connection that used it last
	since         int64           // when it fell idle, Unix nanoseconds
}

// pool keeps connections to the application server that are free, the latest used last.
type pool struct {
	to      Address
	timeout time.Duration
	max     int
	life    time.Duration // how long one may be idle

	mu     sync.Mutex
	free   []*upstream
	closed bool
}

// get returns a free connection, by preference the one that client used last, or dials. sure says that the
// connection must not turn out to be closed already, because what will be sent cannot be sent twice.
func (p *pool) get(ctx context.Context, client uint64, fresh, sure bool) (*upstream, error) {
	for !fresh {
		u := p.take(client)
		if u == nil {
			break
		}
		if !sure || u.alive() {
			return u, nil
		}
		_ = u.Close()
	}
	conn, err := p.to.dial(ctx, p.timeout)
	if err != nil {
		return nil, err
	}
	u := &upstream{Conn: conn, local: addrPort(conn.LocalAddr()), remote: addrPort(conn.RemoteAddr())}
	if p.to.Unix() {
		u.local, u.remote = unixEnds(p.to.port())
	}
	u.raw = rawConn(conn)
	return u, nil
}

func (p *pool) take(client uint64) *upstream {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.free)
	if n == 0 {
		return nil
	}
	at := n - 1
	for i := n - 1; i >= max(n-32, 0); i-- {
		if p.free[i].owner == client {
			at = i
			break
		}
	}
	u := p.free[at]
	copy(p.free[at:], p.free[at+1:])
	p.free[n-1] = nil
	p.free = p.free[:n-1]
	return u
}

// put takes back a connection over which an exchange ended in order.
func (p *pool) put(u *upstream, client uint64, now int64) {
	u.used, u.owner, u.since = true, client, now
	p.mu.Lock()
	if !p.closed && len(p.free) < p.max {
		p.free = append(p.free, u)
		u = nil
	}
	p.mu.Unlock()
	if u != nil {
		_ = u.Close()
	}
}

// sweep closes what was idle too long. The idlest stand first, give or take those that changed hands.
func (p *pool) sweep(now int64) {
	var old []*upstream
	p.mu.Lock()
	kept := p.free[:0]
	for _, u := range p.free {
		if now-u.since > int64(p.life) {
			old = append(old, u)
		} else {
			kept = append(kept, u)
		}
	}
	clear(p.free[len(kept):])
	p.free = kept
	p.mu.Unlock()
	for _, u := range old {
		_ = u.Close()
	}
}

func (p *pool) close() {
	p.mu.Lock()
	free := p.free
	p.free, p.closed = nil, true
	p.mu.Unlock()
	for _, u := range free {
		_ = u.Close()
	}
}

// rawConn returns a connection's descriptor, nil if it has none.
func rawConn(c net.Conn) syscall.RawConn {
	if sc, ok := c.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			return raw
		}
	}
	return nil
}

// alive tells whether an idle connection is open and silent.
func (u *upstream) alive() bool {
	state := peek(u.raw)
	return state == peerSilent || state == peerUnknown
}

// peerState is what a look at a connection tells without reading from it.
type peerState uint8

const (
	peerUnknown peerState = iota
	peerSilent            // open, with nothing to read
	peerTalks             // there are bytes to read
	peerGone              // closed or reset
)
