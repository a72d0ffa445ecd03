package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/perfd/perfd/capture"
)

// phase is what a client's connection waits for.
type phase uint8

const (
	phaseIdle   phase = iota // the client's next request
	phaseHead                // the rest of a request's header section
	phaseAnswer              // the application server
	phaseWrite               // the client, to take the response
	phaseTunnel              // either side
)

const (
	phaseBits  = 8
	firstRead  = 4 << 10
	maxInterim = 64       // responses before the final one
	maxOut     = 64 << 10 // of the buffer for header sections kept
)

// httpConn is one client's connection.
type httpConn struct {
	p        *HTTP
	ctx      context.Context
	id       uint64
	client   net.Conn
	raw      syscall.RawConn
	key      [2]netip.AddrPort // client, perfd
	from     sender
	tee      tee
	in       inbound
	out      []byte
	req      head
	resp     head
	bodiless bool      // the request was HEAD
	last     *upstream // the one noted in hands
	begun    time.Time // when the exchange before had ended: all of the request is later

	state   atomic.Int64 // phase, and since when in milliseconds
	pumping atomic.Pointer[pump]
	slow    atomic.Bool // the answer timed out
	left    atomic.Bool // the client did, or was made to

	mu sync.Mutex
	up *upstream // in use
}

func newHTTPConn(ctx context.Context, p *HTTP, conn net.Conn) *httpConn {
	c := &httpConn{p: p, ctx: ctx, id: p.ids.Add(1), client: conn, raw: rawConn(conn), in: inbound{buf: make([]byte, firstRead)}, tee: tee{passed: &p.passed}}
	peer, own := ends(conn, p.cfg.Upstream.port())
	c.key = [2]netip.AddrPort{peer, own}
	c.from = sender{proto: p.cfg.Scheme, trusted: IsUnix(peer)}
	if !IsUnix(peer) {
		c.from.addr, c.from.trusted = peer.Addr().String(), prefixes(p.cfg.Trusted, peer.Addr())
	}
	if p.feed != nil {
		c.tee.FeedConn = p.feed.Open(capture.Conn{Client: peer, Server: own, Opened: time.Now()}, p.cfg.Protocol)
	}
	return c
}

func (c *httpConn) enter(ph phase, now time.Time) {
	c.state.Store(now.UnixMilli()<<phaseBits | int64(ph))
}

func (c *httpConn) doing() (phase, time.Time) {
	s := c.state.Load()
	return phase(s & (1<<phaseBits - 1)), time.UnixMilli(s >> phaseBits)
}

// look closes what has waited too long or has nobody left to wait for. It runs on the watcher's goroutine.
func (c *httpConn) look(now time.Time) {
	ph, since := c.doing()
	waited := now.Sub(since)
	cfg := &c.p.cfg
	timeout := func(limit time.Duration, end func()) {
		if limit > 0 && waited > limit {
			c.p.timedOut.Add(1)
			end()
		}
	}
	pm := c.pumping.Load()
	switch ph {
	case phaseIdle:
		timeout(cfg.IdleTimeout, c.abort)
	case phaseHead:
		timeout(cfg.HeadTimeout, c.abort)
	case phaseWrite:
		timeout(cfg.StallTimeout, c.abort)
	case phaseAnswer:
		switch {
		case pm != nil && !pm.all.Load():
			since = time.UnixMilli(pm.since.Load())
			waited = now.Sub(since)
			timeout(cfg.StallTimeout, c.abort)
		case waited > watchInterval/2 && peek(c.raw) == peerGone:
			c.abort()
		default:
			timeout(cfg.AnswerTimeout, func() {
				c.slow.Store(true)
				c.drop()
			})
		}
	}
}

// abort closes both sides.
func (c *httpConn) abort() {
	c.left.Store(true)
	c.drop()
	_ = c.client.Close()
}

// drop closes the connection to the application server that is in use.
func (c *httpConn) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.up != nil {
		_ = c.up.Close()
	}
}

// hold takes u into use.
func (c *httpConn) hold(u *upstream) {
	c.mu.Lock()
	c.up = u
	c.mu.Unlock()
	if c.left.Load() { // abort found nothing to close
		c.drop()
	}
	if u != c.last && u.local.IsValid() {
		c.p.hands.note(c.key, c.begun, u.local, u.remote, 0)
	}
	c.last = u
}

// done takes the connection in use out of it. It goes back to the pool if reuse, else it is closed.
func (c *httpConn) done(reuse bool) {
	c.mu.Lock()
	u := c.up
	c.up = nil
	c.mu.Unlock()
	switch {
	case u == nil:
	case reuse:
		c.p.pool.put(u, c.id, time.Now().UnixNano())
	default:
		_ = u.Close()
		c.last = nil
	}
}

func (c *httpConn) close() {
	c.done(false)
	_ = c.client.Close()
	c.tee.Close(time.Now())
}

// next relays one request and its response, and tells whether the connection stays open.
func (c *httpConn) next() bool {
	now := time.Now()
	c.begun = now
	if c.enter(phaseHead, now); c.in.r == c.in.w {
		c.enter(phaseIdle, now)
		if c.p.ending.Load() { // after the phase, which end looks at after it began
			return false
		}
	}
	n, err := c.readHead(&c.in, c.client, capture.ToServer)
	if err != nil {
		if errors.Is(err, errLong) {
			c.refuse(errTooLong)
		}
		return false
	}
	c.bodiless = false
	refusal := c.req.request(c.in.bytes()[:n])
	c.in.r += n
	if refusal != nil {
		c.refuse(refusal)
		return false
	}
	return c.exchange()
}

var errLong = errors.New("header section too long")

// readHead reads until in holds a whole header section and returns its length.
func (c *httpConn) readHead(in *inbound, from net.Conn, dir capture.Dir) (int, error) {
	for seen := 0; ; {
		for dir == capture.ToServer && in.r < in.w && (in.buf[in.r] == '\r' || in.buf[in.r] == '\n') { // RFC 9112, section 2.2
			in.r++
		}
		have := in.bytes()
		if n := endOfHead(have, seen); n > 0 {
			return n, nil
		}
		if seen = len(have); seen >= c.p.cfg.MaxHead {
			return 0, errLong
		}
		in.room()
		n, err := from.Read(in.buf[in.w:])
		if n > 0 {
			now := time.Now()
			if dir == capture.ToServer {
				c.enter(phaseHead, now)
			}
			c.tee.Write(dir, now, in.buf[in.w:in.w+n])
			in.w += n
			continue
		}
		if err != nil {
			if dir == capture.ToServer && errors.Is(err, io.EOF) {
				c.tee.Fin(dir, time.Now())
			}
			return 0, err
		}
	}
}

// refuse answers in the application server's place.
func (c *httpConn) refuse(e *httpError) {
	switch e.status {
	case 502, 504:
		c.p.unreachable.Add(1)
	default:
		c.p.refused.Add(1)
	}
	c.out = appendRefusal(c.out[:0], e, !c.bodiless)
	now := time.Now()
	c.enter(phaseWrite, now)
	c.tee.Write(capture.ToClient, now, c.out)
	if _, err := c.client.Write(c.out); err == nil {
		c.linger()
	}
}

// Bounds of the wait for a client to take a response that was given before its request had ended.
const (
	lingerTime  = 2 * time.Second
	lingerBytes = 1 << 20
)

// linger lets the client read a last response before the connection closes: what it still sends would else
// make its kernel throw the response away.
func (c *httpConn) linger() {
	if closeWrite(c.client) != nil || c.client.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, c.client, lingerBytes)
}
