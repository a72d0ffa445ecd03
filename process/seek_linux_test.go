package process

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestHintsAreBounded(t *testing.T) {
	o, err := New(Config{Threads: ThreadsOff, Queue: 10})
	if err != nil {
		t.Fatal(err)
	}
	defer o.closeAll()
	for i := range 100 {
		o.Seen(appEnd, netip.AddrPortFrom(peerEnd.Addr(), uint16(i+1)), time.Now())
	}
	if st := o.Stats(); st.Hints != 100 || st.Dropped != 90 || st.Pending != 10 {
		t.Errorf("%+v", st)
	}
}

// TestSeeker follows a connection through all that can become of it: not accepted, in vain and at last, and closed.
func TestSeeker(t *testing.T) {
	o, err := New(Config{Threads: ThreadsOff, Patience: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer o.closeAll()
	s := newSeeker(o)
	own := int32(unix.Getpid())
	l, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(l) }()
	if err := unix.Bind(l, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(l, 5); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(l)
	if err != nil {
		t.Fatal(err)
	}
	server := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(name.(*unix.SockaddrInet4).Port))
	o.view.Store(&view{pids: []int32{own}, listen: map[uint16]bool{server.Port(): true}})

	c, err := net.Dial("tcp", server.String())
	if err != nil {
		t.Fatal(err)
	}
	client := addrOf(c.LocalAddr())
	now := time.Now()
	s.take(hint{client, server, now.UnixNano()})
	if len(s.pending) != 1 || s.pending[0].local != server {
		t.Fatalf("sought: %+v, want the server's end", s.pending)
	}
	for range 5 {
		now = now.Add(lastPause)
		s.step(now)
	}
	if len(s.pending) != 1 || s.pending[0].pause != 32*firstPause {
		t.Fatalf("not accepted yet: %+v", s.pending)
	}
	fd, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(lastPause)
	s.step(now)
	if pid, tid := o.Worker(server, client, now, now); pid != own || tid != 0 || len(s.pending) != 0 {
		t.Errorf("accepted: %d, %d, pending %+v", pid, tid, s.pending)
	}

	// One that several processes have open, and one of a stranger: their owners are not told.
	s.owners = map[uint32]int32{}
	for _, w := range []wanted{{local: appEnd, remote: peerEnd, inode: 1}, {local: peerEnd, remote: appEnd, inode: 2}} {
		claim(s.owners, 1, 100)
		claim(s.owners, 1, 101)
		claim(s.owners, 1, 101)
		s.attribute([]wanted{w})
		if pid, _ := o.Worker(w.local, w.remote, now, now); pid != 0 {
			t.Errorf("%+v belongs to %d", w, pid)
		}
	}
	if st := o.Stats(); st.Ambiguous != 1 || st.Foreign != 1 || st.Found != 1 || st.Lookups != 6 {
		t.Errorf("%+v", st)
	}

	// Closed by both before it was looked for; and not taken before patience ends.
	if err := unix.Shutdown(fd, unix.SHUT_RDWR); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(fd)
	s.take(hint{server, client, now.UnixNano() + 1})
	s.step(now.Add(time.Second))
	if st := o.Stats(); st.Gone != 1 || len(s.pending) != 0 {
		t.Errorf("closed: %+v, pending %+v", st, s.pending)
	}
	c, err = net.Dial("tcp", server.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s.take(hint{server, addrOf(c.LocalAddr()), now.UnixNano() + 2})
	s.step(now.Add(time.Second))
	s.step(now.Add(time.Hour))
	if st := o.Stats(); st.Unresolved != 1 || len(s.pending) != 0 {
		t.Errorf("never accepted: %+v, pending %+v", st, s.pending)
	}
}
