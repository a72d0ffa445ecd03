package proxy

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/perfd/perfd/capture"
)

const (
	smallBuffer  = 8 << 10
	answerBuffer = 16 << 10
	largeBuffer  = 64 << 10
)

// Buffers of connections that move much; one that is idle holds none.
var (
	largeBuffers  = sync.Pool{New: func() any { b := make([]byte, largeBuffer); return &b }}
	answerBuffers = sync.Pool{New: func() any { b := make([]byte, answerBuffer); return &b }}
)

// inbound is what was read of a connection and not yet used.
type inbound struct {
	buf  []byte
	r, w int
}

func (in *inbound) bytes() []byte { return in.buf[in.r:in.w] }

// put replaces what is there by a copy of b.
func (in *inbound) put(b []byte) {
	if len(b) > len(in.buf) {
		in.buf = make([]byte, len(b))
	}
	in.r, in.w = 0, copy(in.buf, b)
}

// room makes room behind what is there.
func (in *inbound) room() {
	switch {
	case in.r == in.w:
		in.r, in.w = 0, 0
	case in.w < len(in.buf):
	case in.r > 0:
		in.w = copy(in.buf, in.buf[in.r:in.w])
		in.r = 0
	default:
		in.buf = append(in.buf, make([]byte, len(in.buf))...)
	}
}

// relay copies one direction of a connection until it ends, the bytes in first before others, and shows them
// to tee before it passes them on. An end in order is passed on as well.
func relay(to, from net.Conn, tee tee, dir capture.Dir, first []byte) error {
	if len(first) > 0 {
		if _, err := to.Write(first); err != nil {
			return err
		}
	}
	small := make([]byte, smallBuffer)
	buf := small
	var large *[]byte
	defer func() {
		if large != nil {
			largeBuffers.Put(large)
		}
	}()
	for {
		n, err := from.Read(buf)
		if n > 0 {
			tee.Write(dir, time.Now(), buf[:n])
			if _, werr := to.Write(buf[:n]); werr != nil {
				return werr
			}
		}
		switch {
		case err != nil:
			tee.Fin(dir, time.Now())
			if errors.Is(err, io.EOF) {
				return closeWrite(to)
			}
			return err
		case n == len(buf) && large == nil:
			large = largeBuffers.Get().(*[]byte)
			buf = *large
		case n < smallBuffer && large != nil:
			largeBuffers.Put(large)
			large, buf = nil, small
		}
	}
}

// relayBoth copies both directions until both have ended, or one has failed.
func relayBoth(client, server net.Conn, tee tee, fromClient, fromServer []byte) {
	var wg sync.WaitGroup
	one := func(to, from net.Conn, dir capture.Dir, first []byte) {
		if relay(to, from, tee, dir, first) != nil {
			_ = to.Close()
			_ = from.Close()
		}
	}
	wg.Go(func() { one(server, client, capture.ToServer, fromClient) })
	one(client, server, capture.ToClient, fromServer)
	wg.Wait()
}

// closeWrite ends the direction that conn is written in.
func closeWrite(conn net.Conn) error {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return conn.Close()
}
