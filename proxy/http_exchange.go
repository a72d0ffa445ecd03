package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/perfd/perfd/capture"
)

// asked is what relaying an answer needs to know of its request, whose bytes are gone by then.
type asked struct {
	verb    string // HEAD or nothing
	old     bool   // HTTP/1.0
	keep    bool   // the client's connection may stay open
	upgrade bool
	body    *pump // nil where the whole request was sent at once
}

// exchange relays the request in c.req and its response.
func (c *httpConn) exchange() bool {
	req := &c.req
	a := asked{old: req.minor == 0, keep: req.persists(), upgrade: req.upgrade}
	safe := false // to be sent again over another connection
	switch string(req.verb) {
	case "HEAD":
		a.verb, safe, c.bodiless = "HEAD", true, true
	case "GET", "OPTIONS":
		safe = true
	}
	c.p.requests.Add(1)
	c.out = req.appendRequest(c.out[:0], &c.from, c.p.cfg.AppendForwarded)
	if have := c.in.bytes(); req.chunked || req.length > int64(len(have)) {
		a.body = newPump(req)
	} else {
		c.out = append(c.out, have[:req.length]...)
		c.in.r += int(req.length)
	}
	safe = safe && a.body == nil
	answer := answerBuffers.Get().(*[]byte)
	defer answerBuffers.Put(answer)
	in := inbound{buf: *answer}
	n, err := c.ask(&a, &in, safe)
	if cap(c.out) > maxOut {
		c.out = nil
	}
	if err != nil {
		return c.failed(&a, err)
	}
	return c.answer(&a, &in, n)
}

// ask sends the request and reads the header section that comes back. A free connection may prove to be
// closed: where that harms nothing, the request is sent again over a new one.
func (c *httpConn) ask(a *asked, in *inbound, safe bool) (n int, err error) {
	c.enter(phaseAnswer, time.Now())
	for try := 0; ; try++ {
		u, err := c.p.pool.get(c.ctx, c.id, try > 0, !safe)
		if err != nil {
			c.p.trouble.say(err)
			c.p.reach.note(err)
			return 0, dialError{err}
		}
		if !u.used {
			c.p.dialed.Add(1)
			c.p.reach.note(nil)
			c.p.cfg.seen(u)
		}
		c.hold(u)
		if _, err = u.Write(c.out); err == nil {
			if a.body != nil {
				c.pumping.Store(a.body)
				go c.pump(a.body, u)
			}
			if n, err = c.readHead(in, u, capture.ToClient); err == nil {
				return n, nil
			}
		}
		if !u.used || !safe || in.w > 0 || c.left.Load() || c.slow.Load() {
			return 0, err
		}
		c.done(false)
	}
}

// dialError is a failure to reach the application server.
type dialError struct{ error }

// failed answers a request that got no answer.
func (c *httpConn) failed(a *asked, err error) bool {
	c.done(false)
	var dial dialError
	refusal := errNoAnswer
	switch {
	case c.gone(a):
		c.p.aborted.Add(1)
		refusal = nil
	case a.body != nil && a.body.malformed.Load():
		refusal = errBody
	case c.slow.Load():
		refusal = errSlow
	case errors.As(err, &dial):
		refusal = errUpstream
		if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
			refusal = errSlow
		}
	case errors.Is(err, errLong):
		refusal = errBadAnswer
	default:
		c.p.trouble.say(fmt.Errorf("read answer of %s: %w", c.p.cfg.Upstream, err))
	}
	if refusal != nil {
		c.refuse(refusal)
	}
	_ = c.client.Close()
	c.wait(a)
	return false
}

// gone tells whether the client left.
func (c *httpConn) gone(a *asked) bool {
	return c.left.Load() || a.body != nil && a.body.gone.Load()
}

// answer relays the response of which in holds the header section, n bytes.
func (c *httpConn) answer(a *asked, in *inbound, n int) bool {
	u := c.up
	for interim := 0; ; interim++ {
		ok := c.resp.response(in.bytes()[:n], []byte(a.verb))
		if !ok || c.resp.status == 101 && !a.upgrade || interim > maxInterim {
			return c.failed(a, errLong)
		}
		in.r += n
		if c.resp.status >= 200 || c.resp.status == 101 {
			break
		}
		if c.out = c.resp.appendResponse(c.out[:0], true, false); !a.old && !c.write(c.out) {
			return c.aborted(a)
		}
		var err error
		if n, err = c.readHead(in, u, capture.ToClient); err != nil {
			return c.failed(a, err)
		}
	}
	if c.resp.status == 101 {
		c.tunnel(a, in, u)
		return false
	}
	keep := a.keep && c.resp.length != untilEOF && (a.body == nil || a.body.all.Load()) && !c.p.ending.Load()
	c.out = c.resp.appendResponse(c.out[:0], keep, a.old)
	whole, clean := c.relayBody(in, u)
	if !whole {
		return c.aborted(a)
	}
	reuse := clean && c.resp.persists()
	if a.body != nil {
		if !a.body.all.Load() { // answered before it was asked in full
			c.drop()
			c.linger()
			c.done(false)
			_ = c.client.Close()
			c.wait(a)
			return false
		}
		late := time.AfterFunc(lingerTime, c.drop)
		c.wait(a)
		reuse = late.Stop() && reuse && !a.body.failed.Load()
	}
	c.done(reuse)
	if !keep && c.resp.length == untilEOF {
		c.tee.Fin(capture.ToClient, time.Now())
	}
	return keep
}

// aborted ends an exchange in the middle of its response. The client must not take what it got for the whole.
func (c *httpConn) aborted(a *asked) bool {
	if c.gone(a) {
		c.p.aborted.Add(1)
	}
	if tcp, ok := c.client.(*net.TCPConn); ok && c.resp.length == untilEOF {
		_ = tcp.SetLinger(0)
	}
	c.done(false)
	_ = c.client.Close()
	c.wait(a)
	return false
}

// wait waits for the pump, which what was closed before has ended.
func (c *httpConn) wait(a *asked) {
	if a.body != nil && c.pumping.Load() != nil {
		<-a.body.done
		c.pumping.Store(nil)
	}
}

// write gives bytes to the client; false means that it does not take them.
func (c *httpConn) write(b []byte) bool {
	now := time.Now()
	c.enter(phaseWrite, now)
	_, err := c.client.Write(b)
	c.enter(phaseAnswer, now)
	if err != nil {
		c.left.Store(true)
	}
	return err == nil
}

// tunnel relays what is no longer HTTP.
func (c *httpConn) tunnel(a *asked, in *inbound, u *upstream) {
	c.p.upgraded.Add(1)
	c.out = c.resp.appendResponse(c.out[:0], true, false)
	c.enter(phaseTunnel, time.Now())
	if a.body != nil {
		c.wait(a)
	}
	if _, err := c.client.Write(c.out); err != nil || a.body != nil && a.body.failed.Load() {
		return
	}
	relayBoth(c.client, u, c.tee, c.in.bytes(), in.bytes())
}

// ends returns the addresses of a client's connection: the client's and perfd's. A Unix socket gets synthetic
// ones, the server's with port.
func ends(conn net.Conn, port uint16) (peer, own netip.AddrPort) {
	if peer = addrPort(conn.RemoteAddr()); peer.IsValid() {
		return peer, addrPort(conn.LocalAddr())
	}
	return unixEnds(port)
}
