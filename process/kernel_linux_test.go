package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tap opens thread evidence of one source for this process and those that it starts.
func tap(t testing.TB, source ThreadSource, cfg Config) *threads {
	t.Helper()
	cfg.Threads = source
	cfg = cfg.withDefaults()
	th := openThreads(cfg, newTable(cfg))
	t.Cleanup(th.close)
	if th.err != nil {
		t.Fatal(th.err)
	}
	th.watch([]int32{int32(os.Getpid())}, func(int32) bool { return false })
	return th
}

// drain takes in what the kernel has written until now.
func drain(t testing.TB, th *threads) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { th.run(ctx); close(done) }()
	end := time.Now()
	eventually(t, "all taken in", func() bool { return th.stats().Horizon.After(end) })
	cancel()
	<-done
}

func TestLossIsCounted(t *testing.T) {
	for _, source := range sources(t) {
		t.Run(source.String(), func(t *testing.T) {
			th := tap(t, source, Config{RingBytes: os.Getpagesize()})
			a, b := tcpPair(t)
			var buf [1]byte
			for range 500 {
				if _, err := unix.Write(a, buf[:]); err != nil {
					t.Fatal(err)
				}
				if _, err := unix.Read(b, buf[:]); err != nil {
					t.Fatal(err)
				}
			}
			lost := th.lost()
			drain(t, th)
			if n := th.stats().Events; lost == 0 || n+lost < 1000 || n > 200 {
				t.Errorf("%d events and %d lost, want 1000 together and most of them lost", n, lost)
			}
		})
	}
}

// TestOnlyTCP has files and Unix sockets that nobody asked for leave no trace, also under descriptors that were
// connections before.
func TestOnlyTCP(t *testing.T) {
	for _, source := range sources(t) {
		t.Run(source.String(), func(t *testing.T) {
			th := tap(t, source, Config{})
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			a, b := tcpPair(t)
			must := func(n int, err error) {
				t.Helper()
				if err != nil || n != 1 {
					t.Fatalf("%d bytes, %v", n, err)
				}
			}
			var buf [1]byte
			must(unix.Write(a, buf[:]))
			must(unix.Read(b, buf[:]))
			name, err := unix.Getsockname(a)
			if err != nil {
				t.Fatal(err)
			}
			peer, err := unix.Getpeername(a)
			if err != nil {
				t.Fatal(err)
			}
			address := func(s unix.Sockaddr) netip.AddrPort {
				in := s.(*unix.SockaddrInet4)
				return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), uint16(in.Port))
			}
			pair := unixSockets(t)
			file, err := os.Open("/dev/zero")
			if err != nil {
				t.Fatal(err)
			}
			for _, step := range []error{unix.Dup3(pair[0], a, unix.O_CLOEXEC), unix.Dup3(int(file.Fd()), b, unix.O_CLOEXEC)} {
				if step != nil {
					t.Fatal(step)
				}
			}
			for range 10 {
				must(unix.Write(a, buf[:]))
				must(unix.Read(pair[1], buf[:]))
				must(unix.Read(b, buf[:]))
			}
			after := time.Now()
			drain(t, th)
			if st := th.stats(); st.Events < 2 || st.Foreign != 0 {
				t.Errorf("%+v", st)
			}
			for _, e := range []end{endOf(address(name), address(peer)), endOf(address(peer), address(name))} {
				h := th.table.shards[e.shard()].ends[e]
				if h == nil || len(h.runs) == 0 || h.at(1) != nil || h.at(0).tid != int32(unix.Gettid()) || h.at(0).from != h.at(0).to {
					t.Errorf("%+v: one use by thread %d wanted, got %+v", e, unix.Gettid(), h)
				} else if d := time.Duration(after.UnixNano() - h.at(0).from); d < 0 || d > 5*time.Second {
					t.Errorf("the use was stamped %v ago", d)
				}
			}
			_ = file.Close()
		})
	}
}

// TestChildrenAreTapped has a child of a tapped process be tapped before anybody has looked at processes again.
func TestChildrenAreTapped(t *testing.T) {
	for _, source := range sources(t) {
		t.Run(source.String(), func(t *testing.T) {
			th := tap(t, source, Config{})
			a := startApp(t, "serve", "", 1, 0, "child")
			c, err := net.Dial("tcp", a.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			u, err := request(c, 0)
			if err != nil {
				t.Fatal(err)
			}
			drain(t, th)
			if pid, tid := th.table.worker(endOf(u.local, u.remote), u.from.UnixNano(), u.to.UnixNano()); pid != a.pid || tid != u.tid {
				t.Errorf("%d, %d, want %d, %d", pid, tid, a.pid, u.tid)
			}
			// It stays while it may yet become a server, and goes when it is known not to.
			own := int32(os.Getpid())
			tapped := func() int {
				n := 0
				var pid, value uint32
				for i := th.tapped.Iterate(); i.Next(&pid, &value); {
					n++
				}
				return n
			}
			before := tapped()
			th.watch([]int32{own}, func(int32) bool { return false })
			if got := tapped(); got != before || got < 2 {
				t.Errorf("%d processes tapped, were %d", got, before)
			}
			th.watch([]int32{own}, func(int32) bool { return true })
			if got := tapped(); got != 1 {
				t.Errorf("%d processes tapped, want 1", got)
			}
		})
	}
}

// TestFamilies has sockets of all families of addresses tell their owners and threads.
func TestFamilies(t *testing.T) {
	for _, source := range append(sources(t), ThreadsOff) {
		for listen, dial := range map[string]string{"127.0.0.1:0": "127.0.0.1", "[::1]:0": "::1", "[::]:0": "127.0.0.1"} {
			t.Run(fmt.Sprint(source, "/", listen, "/", dial), func(t *testing.T) {
				t.Setenv("PERFD_TEST_LISTEN", listen)
				o := observe(t, Config{Threads: source, Rescan: 20 * time.Millisecond})
				a := startApp(t, "serve", "", 1, 0, "python3", "odoo-bin")
				eventually(t, "server found", func() bool { return serverAt(o, a.addr) != nil })
				_, port, err := net.SplitHostPort(a.addr)
				if err != nil {
					t.Fatal(err)
				}
				c, err := net.Dial("tcp", net.JoinHostPort(dial, port))
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				o.Seen(addrOf(c.RemoteAddr()), addrOf(c.LocalAddr()), time.Now())
				u, err := request(c, 0)
				if err != nil {
					t.Fatal(err)
				}
				want := u.tid
				if source == ThreadsOff {
					want = 0
				}
				eventually(t, "owner found", func() bool {
					pid, tid := o.Worker(u.local, u.remote, u.from, u.to.Add(time.Second))
					return pid == a.pid && tid == want
				})
			})
		}
	}
}

// TestNamespace watches from a pid namespace of its own, where processes have other numbers than on the host.
func TestNamespace(t *testing.T) {
	if os.Getenv("PERFD_TEST_NAMESPACE") != "" {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
			t.Fatal(err)
		}
		if ns, err := ownNamespace("/proc"); err != nil || ns == (pidNamespace{}) || os.Getpid() > 100 {
			t.Fatalf("namespace %+v of process %d, %v", ns, os.Getpid(), err)
		}
		TestThreadsOfUses(t)
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^TestNamespace$", "-test.v")
	cmd.Env = append(os.Environ(), "PERFD_TEST_NAMESPACE=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
	b, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, unix.EPERM) && os.Getuid() != 0:
		t.Log("namespaces may not be made here")
	case err != nil:
		t.Errorf("%v\n%s", err, b)
	case len(sources(t)) > 0 && !strings.Contains(string(b), "% right"):
		t.Errorf("nothing was scored:\n%s", b)
	}
}

// TestNetworks finds servers in networks of their own.
func TestNetworks(t *testing.T) {
	for _, source := range append(sources(t), ThreadsOff) {
		t.Run(source.String(), func(t *testing.T) {
			o := observe(t, Config{Threads: source, Rescan: 20 * time.Millisecond})
			a, err := tryApp("lonely", "", 1, 0, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}, "python3", "odoo-bin")
			if errors.Is(err, unix.EPERM) {
				t.Log("networks may not be made here")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer a.stop()
			eventually(t, "server found", func() bool { return serverAt(o, a.addr) != nil })
			if pid := serverAt(o, a.addr).Pid; pid != a.pid {
				t.Errorf("process %d, want %d", pid, a.pid)
			}
		})
	}
}
