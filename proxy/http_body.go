package proxy

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/perfd/perfd/capture"
)

// framed follows a body to its end.
type framed struct {
	chunks  chunked
	chunked bool
	left    int64 // untilEOF, or bytes still to come
}

// take returns how many of b belong to the body, and whether it ends there.
func (f *framed) take(b []byte) (n int, done bool, err error) {
	switch {
	case f.chunked:
		return f.chunks.feed(b)
	case f.left == untilEOF:
		return len(b), false, nil
	}
	n = int(min(f.left, int64(len(b))))
	f.left -= int64(n)
	return n, f.left == 0, nil
}

// pump brings a request's body to the application server while its answer is awaited. It reads from the
// client's connection as long as it runs.
type pump struct {
	body      framed
	done      chan struct{}
	since     atomic.Int64 // when it began to wait for the client, in milliseconds
	all       atomic.Bool  // the whole body was read
	gone      atomic.Bool  // the client left
	failed    atomic.Bool  // the application server did not take it
	malformed atomic.Bool
}

func newPump(req *head) *pump {
	pm := &pump{body: framed{chunked: req.chunked, left: req.length}, done: make(chan struct{})}
	pm.since.Store(time.Now().UnixMilli())
	return pm
}

func (c *httpConn) pump(pm *pump, u *upstream) {
	defer close(pm.done)
	large := largeBuffers.Get().(*[]byte)
	defer largeBuffers.Put(large)
	piece := c.in.bytes()
	for {
		n, done, err := pm.body.take(piece)
		if err != nil {
			pm.malformed.Store(true)
			c.drop()
			return
		}
		rest := piece[n:]
		if done {
			pm.all.Store(true)
		}
		if n > 0 {
			if _, err := u.Write(piece[:n]); err != nil {
				pm.failed.Store(true)
				if !done {
					return
				}
			}
		}
		if done {
			c.in.put(rest) // of the next request
			return
		}
		room := *large
		if pm.body.left > 0 && !pm.body.chunked {
			room = room[:min(int64(len(room)), pm.body.left)]
		}
		pm.since.Store(time.Now().UnixMilli())
		k, err := c.client.Read(room)
		if k == 0 && err != nil {
			pm.gone.Store(true)
			if errors.Is(err, io.EOF) {
				c.tee.Fin(capture.ToServer, time.Now())
			}
			c.drop()
			return
		}
		piece = room[:k]
		c.tee.Write(capture.ToServer, time.Now(), piece)
	}
}

// spliceFrom is the length of a rest of a body from which the kernel moves it without showing it.
const spliceFrom = 256 << 10

// relayBody sends the header section in c.out and the response's body. whole says that all of it was relayed,
// clean that nothing followed it.
func (c *httpConn) relayBody(in *inbound, u *upstream) (whole, clean bool) {
	body := framed{chunked: c.resp.chunked, left: c.resp.length}
	have := in.bytes()
	n, done, err := body.take(have)
	c.out = append(c.out, have[:n]...)
	if !c.write(c.out) || err != nil {
		return false, false
	}
	if done || !body.chunked && body.left == 0 {
		return true, n == len(have)
	}
	if !body.chunked && body.left >= spliceFrom && c.resp.plain {
		if done, ok := c.splice(&body, u); done || !ok {
			return ok, true
		}
	}
	buf := in.buf
	var large *[]byte
	defer func() {
		if large != nil {
			largeBuffers.Put(large)
		}
	}()
	for {
		k, err := u.Read(buf)
		if k > 0 {
			c.tee.Write(capture.ToClient, time.Now(), buf[:k])
			n, done, bad := body.take(buf[:k])
			if !c.write(buf[:n]) || bad != nil {
				return false, false
			}
			if done {
				return true, n == k
			}
			if k == len(buf) && large == nil {
				large = largeBuffers.Get().(*[]byte)
				buf = *large
			}
		}
		if err != nil {
			return body.left == untilEOF && !body.chunked && errors.Is(err, io.EOF), false
		}
	}
}

// splice lets the kernel move the rest of a body between two sockets, in parts so that a client that takes
// nothing is noticed. The feed is told its length alone. Where the two are no plain sockets, it does nothing.
func (c *httpConn) splice(body *framed, u *upstream) (done, ok bool) {
	client, isTCP := c.client.(*net.TCPConn)
	if !isTCP {
		return false, true
	}
	const part = 1 << 20
	for body.left > 0 {
		c.enter(phaseWrite, time.Now())
		n, err := io.CopyN(client, u.Conn, min(body.left, part))
		c.tee.Skip(capture.ToClient, time.Now(), n)
		c.p.spliced.Add(n)
		body.left -= n
		if err != nil {
			c.left.Store(c.left.Load() || !errors.Is(err, io.EOF))
			return true, false
		}
	}
	c.enter(phaseAnswer, time.Now())
	return true, true
}
