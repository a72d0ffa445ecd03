package cache_test

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// weakLink is a way to a server that can be made slow, deaf or broken.
type weakLink struct {
	addr     string
	to       string
	delay    atomic.Int64 // of each answer
	deaf     atomic.Bool  // nothing passes, though connections are accepted
	refuse   atomic.Bool  // connections are closed at once
	refusals atomic.Int64 // so many are, and no more
	accepted atomic.Int64

	mu   sync.Mutex
	open map[net.Conn]bool
}

func newWeakLink(t testing.TB, to string) *weakLink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &weakLink{addr: l.Addr().String(), to: to, open: map[net.Conn]bool{}}
	t.Cleanup(func() {
		_ = l.Close()
		w.cut()
	})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			w.accepted.Add(1)
			if w.refuse.Load() || w.refusals.Add(-1) >= 0 {
				_ = c.Close()
				continue
			}
			w.keep(c)
			go w.serve(c)
		}
	}()
	return w
}

func (w *weakLink) keep(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open[c] = true
}

// cut breaks all connections.
func (w *weakLink) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.open {
		_ = c.Close()
	}
	clear(w.open)
}

func (w *weakLink) serve(c net.Conn) {
	defer c.Close()
	s, err := net.Dial("tcp", w.to)
	if err != nil {
		return
	}
	defer s.Close()
	w.keep(s)
	go func() {
		defer s.Close()
		w.pass(s, c, nil)
	}()
	w.pass(c, s, &w.delay)
}

func (w *weakLink) pass(to, from net.Conn, delay *atomic.Int64) {
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		if delay != nil {
			<-time.After(time.Duration(delay.Load()))
		}
		if w.deaf.Load() {
			_, _ = io.Copy(io.Discard, from)
			return
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}
