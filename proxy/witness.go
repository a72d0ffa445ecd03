package proxy

import (
	"net/netip"
	"time"
)

// Witness tells which process, and which thread of it, used its end of a connection between two moments.
// package process has one; package analyzer asks.
type Witness interface {
	Worker(local, remote netip.AddrPort, from, to time.Time) (pid, tid int32)
}

// Chain answers for connections that proxies stand in, and passes other questions on.
//
// The application server's end of a call that came through an HTTP proxy is that of another connection, the one
// on which the proxy asked it. The process at the other end of a Unix socket is known to the PostgreSQL proxy; Next
// may know the thread.
type Chain struct {
	HTTP       []*HTTP
	PostgreSQL []*PostgreSQL
	Next       Witness // may be nil
}

var _ Witness = Chain{}

// Worker implements Witness.
func (c Chain) Worker(local, remote netip.AddrPort, from, to time.Time) (pid, tid int32) {
	for _, p := range c.PostgreSQL {
		peer := p.Peer(local)
		if peer == 0 {
			continue
		}
		if c.Next != nil {
			if pid, tid := c.Next.Worker(local, remote, from, to); pid != 0 { // who used it, not only connected it
				return pid, tid
			}
		}
		return peer, 0
	}
	for _, p := range c.HTTP {
		// The local end of a call's connection is the proxy's; what serves it is behind.
		if l, r, ok := p.Behind(local, remote, from, to); ok {
			local, remote = l, r
			break
		}
	}
	if c.Next == nil {
		return 0, 0
	}
	return c.Next.Worker(local, remote, from, to)
}

// Behind returns the connection on which the application server served what a client asked between two moments:
// its own end and perfd's. local and remote are the ends of the client's connection, perfd's first.
func (p *HTTP) Behind(local, remote netip.AddrPort, from, to time.Time) (server, client netip.AddrPort, ok bool) {
	h, ok := p.hands.find([2]netip.AddrPort{remote, local}, from, to)
	return h.remote, h.local, ok
}
