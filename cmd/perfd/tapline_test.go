package main

import (
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/perfd/perfd/fixtures/synth"
)

// tapline passes connections on to a server and keeps what is said on them.
type tapline struct {
	listener net.Listener
	server   string
	mu       sync.Mutex
	said     []*synth.Dialogue
	open     sync.WaitGroup
}

func newTapline(t *testing.T, server string) *tapline {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &tapline{listener: l, server: server}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			w.open.Go(func() { w.pass(c) })
		}
	}()
	return w
}

func (w *tapline) pass(c net.Conn) {
	defer c.Close()
	s, err := net.Dial("tcp", w.server)
	if err != nil {
		return
	}
	defer s.Close()
	last := time.Now()
	w.mu.Lock()
	from := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(10000+len(w.said))) // the system gives a port again too soon for connections whose numbers all begin alike
	d := synth.NewDialogue(from, netip.MustParseAddrPort("127.0.0.1:8069"), last, 0).Open()
	w.said = append(w.said, d)
	w.mu.Unlock()
	tell := func(how func(*synth.Dialogue, []byte) *synth.Dialogue, b []byte) {
		w.mu.Lock()
		defer w.mu.Unlock()
		now := time.Now()
		how(d.Pause(now.Sub(last)), b)
		last = now
	}
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(s, io.TeeReader(c, listening(func(b []byte) { tell((*synth.Dialogue).Client, b) })))
		_ = s.Close()
	})
	_, _ = io.Copy(c, io.TeeReader(s, listening(func(b []byte) { tell((*synth.Dialogue).Server, b) })))
	_ = c.Close()
	both.Wait()
}

type listening func([]byte)

func (f listening) Write(b []byte) (int, error) {
	f(b)
	return len(b), nil
}

// recording is what was said until now, as a capture file.
func (w *tapline) recording(t *testing.T) string {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	all := synth.Recording{Link: synth.LinkEthernet}
	for _, d := range w.said {
		all.Packets = append(all.Packets, d.Recording().Packets...)
	}
	slices.SortStableFunc(all.Packets, func(a, b synth.Packet) int { return a.At.Compare(b.At) })
	file := filepath.Join(t.TempDir(), "odoo.pcap")
	write(t, file, all.Pcap())
	return file
}
