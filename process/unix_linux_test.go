package process

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inodeOf is the inode number of a connection's own end.
func inodeOf(t testing.TB, c net.Conn) uint64 {
	t.Helper()
	var st unix.Stat_t
	raw, err := c.(*net.UnixConn).SyscallConn()
	if err == nil {
		var failed error
		err = raw.Control(func(fd uintptr) { failed = unix.Fstat(int(fd), &st) })
		err = errors.Join(err, failed)
	}
	if err != nil {
		t.Error(err)
	}
	return st.Ino
}

// unixEndsOf makes up addresses for a connection, as a proxy does.
func unixEndsOf(n uint32) (local, remote netip.AddrPort) {
	b := netip.MustParseAddr("100::").As16()
	remote = netip.AddrPortFrom(netip.AddrFrom16(b), 5432)
	binary.BigEndian.PutUint32(b[12:], n)
	return netip.AddrPortFrom(netip.AddrFrom16(b), uint16(n)), remote
}

func listenUnix(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// TestThreadsOfUnixSockets names the thread of each query that a server makes over Unix sockets.
func TestThreadsOfUnixSockets(t *testing.T) {
	for _, source := range sources(t) {
		for _, form := range []struct {
			role             string
			threads, workers int
		}{{"serve", 6, 0}, {"prefork", 2, 3}} {
			t.Run(source.String()+"/"+form.role, func(t *testing.T) {
				o := observe(t, Config{Threads: source, Rescan: 20 * time.Millisecond})
				db := &database{Listener: listenUnix(t)}
				var connections atomic.Uint32
				db.follow(func(c net.Conn) (app, own netip.AddrPort) {
					app, own = unixEndsOf(connections.Add(1))
					o.SeenUnix(app, own, inodeOf(t, c))
					return app, own
				})
				a := startApp(t, form.role, db.Addr().String(), form.threads, form.workers, "python3", "-u", "/usr/bin/odoo-bin", "-c", "x.conf")
				eventually(t, "server found", func() bool {
					s := serverAt(o, a.addr)
					return s != nil && s.Count(HTTP) == form.workers
				})
				crowd(t, o, a.addr, 6, 30, 3, 3)
				end := time.Now()
				eventually(t, "all taken in", func() bool { return o.Stats().Threads.Horizon.After(end) })
				queries := db.all()
				if want := 6 * 30 * 3 * 3; len(queries) != want {
					t.Errorf("%d queries, want %d", len(queries), want)
				}
				if got := score(t, o, "queries", queries); got < 0.999 {
					t.Errorf("%.3f %% of queries right, want 99.9", 100*got)
				}
				for i := range queries { // the narrowest window
					queries[i].from = queries[i].to
				}
				if got := score(t, o, "queries, in an instant", queries); got < 0.999 {
					t.Errorf("%.3f %% of queries right, want 99.9", 100*got)
				}
				for _, u := range queries {
					if pid, _ := o.Worker(u.remote, u.local, u.from, u.to); pid != 0 {
						t.Fatal("the database's end belongs to somebody")
					}
				}
				if st := o.Stats().Threads; st.Err != nil || st.Lost != 0 {
					t.Errorf("stats: %+v", st)
				}
			})
		}
	}
}

// unixPair connects two ends.
func unixPair(t testing.TB) (connected, accepted net.Conn) {
	t.Helper()
	l := listenUnix(t)
	connected, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connected.Close() })
	if accepted, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = accepted.Close() })
	return connected, accepted
}

// TestUnixEnds has the uses of one end be reported, whichever it is, and not those of the other.
func TestUnixEnds(t *testing.T) {
	for _, source := range sources(t) {
		t.Run(source.String(), func(t *testing.T) {
			th := tap(t, source, Config{})
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			transfer := func(from, to net.Conn) {
				t.Helper()
				var buf [1]byte
				if _, err := from.Write(buf[:]); err != nil {
					t.Fatal(err)
				}
				if _, err := to.Read(buf[:]); err != nil {
					t.Fatal(err)
				}
			}
			connected, accepted := unixPair(t)
			connected2, accepted2 := unixPair(t)
			closed, gone := unixPair(t)
			mine := func(n uint32) end { return endOf(unixEndsOf(n)) }
			th.unix.note(inodeOf(t, accepted), mine(1))
			th.unix.note(inodeOf(t, connected2), mine(2))
			th.unix.note(inodeOf(t, gone), mine(3))
			transfer(connected, accepted)
			transfer(connected2, accepted2)
			transfer(gone, closed)
			_ = gone.Close() // whose number nobody can ask for any more
			if n, err := closed.Read(make([]byte, 1)); err == nil {
				t.Fatalf("%d bytes of a closed connection", n)
			}
			drain(t, th)
			for n := range uint32(3) {
				e := mine(n + 1)
				h := th.table.shards[e.shard()].ends[e]
				if h == nil || h.at(0) == nil || h.at(1) != nil || h.at(0).tid != int32(unix.Gettid()) || h.at(0).from != h.at(0).to {
					t.Errorf("connection %d: one use by thread %d wanted, got %+v", n+1, unix.Gettid(), h)
				}
			}
			if st := th.stats(); st.Foreign != 0 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// TestUnixAcrossNetworks has a thread of another network, such as a container's, use a Unix socket.
func TestUnixAcrossNetworks(t *testing.T) {
	for _, source := range sources(t) {
		th := tap(t, source, Config{})
		l := listenUnix(t)
		type result struct {
			tid int32
			err error
		}
		dialled, noted, used := make(chan error), make(chan struct{}), make(chan result)
		go func() {
			runtime.LockOSThread() // never unlocked: no other goroutine may get this thread
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				dialled <- err
				return
			}
			c, err := net.Dial("unix", l.Addr().String())
			dialled <- err
			if err != nil {
				return
			}
			defer c.Close()
			<-noted
			_, err = c.Write([]byte{0})
			used <- result{int32(unix.Gettid()), err}
		}()
		switch err := <-dialled; {
		case errors.Is(err, unix.EPERM):
			t.Log("networks may not be made here")
			return
		case err != nil:
			t.Fatal(err)
		}
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		local, remote := unixEndsOf(1)
		before := time.Now()
		th.unix.note(inodeOf(t, c), endOf(local, remote))
		close(noted)
		u := <-used
		if u.err != nil {
			t.Fatal(u.err)
		}
		drain(t, th)
		if pid, tid := th.table.worker(endOf(local, remote), before.UnixNano(), time.Now().UnixNano()); pid != int32(unix.Getpid()) || tid != u.tid {
			t.Errorf("%v: %d, %d, want %d, %d", source, pid, tid, unix.Getpid(), u.tid)
		}
		_ = c.Close()
	}
}

// TestUnixEndsAreBounded has the longest unused make room, for the kernel's side as well.
func TestUnixEndsAreBounded(t *testing.T) {
	for _, source := range sources(t) {
		th := tap(t, source, Config{})
		wanted := func(inode uint64) bool {
			var v uint32
			return th.unix.wanted.Lookup(inode, &v) == nil
		}
		th.unix.note(0, end{})
		for i := range uint64(maxUnix + 10) {
			th.unix.note(i+1, end{localPort: uint16(i)})
			if i == maxUnix/2 {
				th.take(unixRecord(1), 0)
				th.unix.note(2, end{localPort: 7}) // a number that comes round again
			}
		}
		if n := len(th.unix.ends); n != maxUnix || th.unix.order.Len() != n {
			t.Errorf("%d connections in %d places, want %d", n, th.unix.order.Len(), maxUnix)
		}
		for inode, want := range map[uint64]bool{0: false, 1: true, 2: true, 3: false, 12: false, 13: true, maxUnix + 10: true} {
			if _, ok := th.unix.end(inode); ok != want || wanted(inode) != want {
				t.Errorf("number %d: known %v, to the kernel %v, want %v", inode, ok, wanted(inode), want)
			}
		}
		if e, _ := th.unix.end(2); e.localPort != 7 {
			t.Errorf("number 2 is of %+v", e)
		}
		th.take(unixRecord(3), 0)
		if st := th.stats(); st.Foreign != 1 || st.Events != 1 {
			t.Errorf("%+v", st)
		}
		th.close()
		th.unix.note(1<<20, end{}) // after the Observer has ended
		if _, ok := th.unix.end(1 << 20); ok {
			t.Error("taken in after the end")
		}
	}
}

// TestKernelWithoutUnix has a kernel that does not tell Unix sockets apart tell the threads of TCP all the same.
func TestKernelWithoutUnix(t *testing.T) {
	for _, source := range sources(t) {
		th := tap(t, source, Config{})
		l := th.layout
		l.unixPeer = 0
		a := &assembler{layout: l, tapped: th.tapped, unix: th.unix.wanted, uses: th.uses, dropped: th.dropped}
		tracepoint, code := "sys_exit", a.syscallDone
		if source == ThreadsSockets {
			tracepoint, code = "sock_send_length", a.socketUsed
		}
		for _, l := range th.links {
			_ = l.Close()
		}
		if err := th.attach(tracepoint, code()); err != nil {
			t.Fatal(err)
		}
		connected, accepted := unixPair(t)
		th.unix.note(inodeOf(t, accepted), endOf(unixEndsOf(1)))
		from, _ := tcpPair(t)
		var buf [1]byte
		for _, err := range []error{second(connected.Write(buf[:])), second(unix.Write(from, buf[:]))} {
			if err != nil {
				t.Fatal(err)
			}
		}
		drain(t, th)
		e := endOf(unixEndsOf(1))
		if st := th.stats(); st.Events == 0 || th.table.shards[e.shard()].ends[e] != nil {
			t.Errorf("%v: %+v", source, st)
		}
	}
}

func second(_ int, err error) error { return err }
