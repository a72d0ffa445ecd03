package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/perfd/perfd/capture"
)

// HTTPConfig says how an HTTP proxy relays. The zero value works but for Upstream.
type HTTPConfig struct {
	// Upstream is where the application server listens.
	Upstream Address
	// Protocol is the index of the HTTP decoder in the feed's list. Defaults to 0.
	Protocol int

	// Trusted are the networks of proxies whose word on where a request came from is believed: what they say
	// in X-Forwarded-For, -Proto and -Host, Forwarded and X-Real-IP passes as it is. From others these fields
	// are replaced by what perfd sees. Defaults to the loopback addresses and Unix sockets.
	Trusted []netip.Prefix
	// AppendForwarded adds the address of a trusted proxy to the X-Forwarded-For that it sent, for servers that
	// count their proxies. Odoo's proxy_mode believes one, the one in front of perfd. Defaults to false.
	AppendForwarded bool
	// Scheme is what X-Forwarded-Proto says of clients that are not trusted. Defaults to http.
	Scheme string

	// MaxConns bounds the clients connected; further ones wait to be accepted. Defaults to 4096.
	MaxConns int
	// MaxIdle bounds the free connections kept to the application server. Defaults to 128.
	MaxIdle int
	// MaxHead bounds a header section. Defaults to 64 KiB.
	MaxHead int
	// DialTimeout bounds connecting to the application server. Defaults to 10 seconds.
	DialTimeout time.Duration
	// UpstreamIdle is how long a free connection to the application server is kept, less than servers keep
	// theirs. Defaults to 1 second.
	UpstreamIdle time.Duration
	// IdleTimeout is how long a client may stay connected without a request. Defaults to 2 minutes.
	IdleTimeout time.Duration
	// HeadTimeout is how long a request's header section may take to arrive. Defaults to 30 seconds.
	HeadTimeout time.Duration
	// StallTimeout is how long a client may neither send of the body that is awaited nor take of the response.
	// Defaults to 5 minutes.
	StallTimeout time.Duration
	// AnswerTimeout is how long the application server may take to answer. Defaults to none: it has limits of
	// its own, and long polling waits by design.
	AnswerTimeout time.Duration
	// Grace is how long requests under way may take to end once Run is told to. Defaults to 10 seconds.
	Grace time.Duration

	// Seen is told of each connection to the application server, in its own terms, when it opens: local is its
	// end, remote perfd's. Called from many goroutines. Defaults to nothing.
	Seen func(local, remote netip.AddrPort)
	// SeenUnix is told in Seen's place of a connection over a Unix socket: the addresses that stand for its ends, the
	// server's first, and the inode number of perfd's. On Linux alone. Defaults to nothing.
	SeenUnix func(local, remote netip.AddrPort, inode uint64)
	// Trouble is told why the application server could not be reached, at most once a second.
	// Defaults to nothing.
	Trouble func(error)
}

// seen tells of a new connection to the application server.
func (c *HTTPConfig) seen(u *upstream) {
	switch {
	case !IsUnix(u.remote):
		if c.Seen != nil && u.remote.IsValid() {
			c.Seen(u.remote, u.local)
		}
	case c.SeenUnix != nil:
		if _, inode := unixPeer(u.Conn); inode != 0 {
			c.SeenUnix(u.remote, u.local, inode)
		}
	}
}

func (c HTTPConfig) withDefaults() HTTPConfig {
	if c.Trusted == nil {
		c.Trusted = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	}
	if c.Scheme == "" {
		c.Scheme = "http"
	}
	positive(&c.MaxConns, 4096)
	positive(&c.MaxIdle, 128)
	positive(&c.MaxHead, 64<<10)
	positive(&c.DialTimeout, 10*time.Second)
	positive(&c.UpstreamIdle, time.Second)
	positive(&c.IdleTimeout, 2*time.Minute)
	positive(&c.HeadTimeout, 30*time.Second)
	positive(&c.StallTimeout, 5*time.Minute)
	positive(&c.Grace, 10*time.Second)
	return c
}

func positive[T int | time.Duration](v *T, otherwise T) {
	if *v <= 0 {
		*v = otherwise
	}
}

// HTTPStats counts what an HTTP proxy did.
type HTTPStats struct {
	Connections int64  // clients accepted
	Open        int64  // of these, connected now
	Requests    int64  // relayed
	Upgraded    int64  // of these, turned into websockets or the like
	Dialed      int64  // connections opened to the application server
	Unreachable int64  // requests refused because it could not be reached, or did not answer
	Refused     int64  // requests refused because they are malformed
	Aborted     int64  // requests that their client gave up
	TimedOut    int64  // connections closed because one end was silent for too long
	Spliced     int64  // bytes that the kernel moved without showing them
	FromClients int64  // bytes that clients sent, and
	ToClients   int64  // that they were sent
	Down        string // why the application server could not be reached when it was tried last; empty if it could
}

// HTTP is a reverse proxy in front of an application server.
type HTTP struct {
	cfg    HTTPConfig
	feed   *capture.Feed
	pool   pool
	hands  hands
	ids    atomic.Uint64
	ending atomic.Bool

	mu    sync.Mutex
	conns map[*httpConn]struct{}
	wg    sync.WaitGroup

	trouble throttle
	reach   reach
	passed  [2]atomic.Int64 // bytes, by capture.Dir

	connections, requests, upgraded, dialed, unreachable, refused, aborted, timedOut, spliced atomic.Int64
}

// NewHTTP returns a proxy that gives what it relays to feed, which may be nil.
func NewHTTP(cfg HTTPConfig, feed *capture.Feed) *HTTP {
	cfg = cfg.withDefaults()
	return &HTTP{
		cfg: cfg, feed: feed, conns: map[*httpConn]struct{}{}, trouble: throttle{tell: cfg.Trouble},
		pool: pool{to: cfg.Upstream, timeout: cfg.DialTimeout, max: cfg.MaxIdle, life: cfg.UpstreamIdle},
	}
}

// Stats returns the counts so far.
func (p *HTTP) Stats() HTTPStats {
	p.mu.Lock()
	open := int64(len(p.conns))
	p.mu.Unlock()
	return HTTPStats{
		Connections: p.connections.Load(), Open: open, Requests: p.requests.Load(), Upgraded: p.upgraded.Load(),
		Dialed: p.dialed.Load(), Unreachable: p.unreachable.Load(), Refused: p.refused.Load(),
		Aborted: p.aborted.Load(), TimedOut: p.timedOut.Load(), Spliced: p.spliced.Load(),
		FromClients: p.passed[capture.ToServer].Load(), ToClients: p.passed[capture.ToClient].Load(), Down: p.reach.down(),
	}
}

// probeTimeout bounds an attempt to reach an upstream of which nobody waits for the end.
const probeTimeout = 2 * time.Second

// Probe connects to the application server and leaves. Stats.Down tells what came of it.
func (p *HTTP) Probe(ctx context.Context) {
	conn, err := p.cfg.Upstream.dial(ctx, probeTimeout)
	if err == nil {
		_ = conn.Close()
	}
	if ctx.Err() == nil {
		p.reach.note(err)
	}
}

// Run serves ln until ctx is done, then lets requests under way end. It closes ln and returns when every
// connection is closed.
func (p *HTTP) Run(ctx context.Context, ln net.Listener) error {
	quit := make(chan struct{})
	go p.watch(quit)
	err := accept(ctx, ln, p.cfg.MaxConns, func(conn net.Conn, done func()) {
		p.wg.Go(func() {
			defer done()
			p.serve(context.WithoutCancel(ctx), conn)
		})
	})
	p.end()
	close(quit)
	p.pool.close()
	if err != nil {
		return fmt.Errorf("serve HTTP: %w", err)
	}
	return nil
}

// end closes idle connections at once and the others when their request is done or Grace is over.
func (p *HTTP) end() {
	p.ending.Store(true)
	p.each(func(c *httpConn) {
		if phase, _ := c.doing(); phase == phaseIdle || phase == phaseTunnel {
			_ = c.client.Close()
		}
	})
	force := time.AfterFunc(p.cfg.Grace, func() {
		p.each(func(c *httpConn) { c.abort() })
	})
	p.wg.Wait()
	force.Stop()
}

func (p *HTTP) each(do func(*httpConn)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		do(c)
	}
}

const watchInterval = 250 * time.Millisecond

// watch looks at all connections now and then, which costs a request nothing: it closes those that time out,
// and those of clients that left while their answer was being made.
func (p *HTTP) watch(quit <-chan struct{}) {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	for {
		select {
		case <-quit:
			return
		case now := <-ticker.C:
			p.pool.sweep(now.UnixNano())
			p.each(func(c *httpConn) { c.look(now) })
		}
	}
}

// serve relays one client's requests.
func (p *HTTP) serve(ctx context.Context, conn net.Conn) {
	p.connections.Add(1)
	c := newHTTPConn(ctx, p, conn)
	c.enter(phaseIdle, time.Now())
	p.mu.Lock()
	p.conns[c] = struct{}{}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.conns, c)
		p.mu.Unlock()
		c.close()
	}()
	for c.next() {
	}
}

// accept takes connections until ctx is done, at most max at a time.
func accept(ctx context.Context, ln net.Listener, limit int, take func(conn net.Conn, done func())) error {
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	defer func() { _ = ln.Close() }()
	slots := make(chan struct{}, limit)
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		conn, err := ln.Accept()
		switch {
		case err == nil:
			take(conn, func() { <-slots })
			continue
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		}
		<-slots
		// Descriptors or memory ran out, or the client was gone before it was accepted: others come.
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return nil
		}
	}
}

// throttle passes an error on at most once a second.
type throttle struct {
	tell func(error)
	last atomic.Int64
}

func (t *throttle) say(err error) {
	if t.tell == nil || err == nil {
		return
	}
	now := time.Now().UnixNano()
	if last := t.last.Load(); now-last >= int64(time.Second) && t.last.CompareAndSwap(last, now) {
		t.tell(err)
	}
}
