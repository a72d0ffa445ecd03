package process

import (
	"context"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tcpPair connects two blocking sockets over loopback.
func tcpPair(t testing.TB) (a, b int) {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	l, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(err)
	defer func() { _ = unix.Close(l) }()
	must(unix.Bind(l, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(unix.Listen(l, 1))
	name, err := unix.Getsockname(l)
	must(err)
	a, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(err)
	must(unix.Connect(a, name))
	b, _, err = unix.Accept(l)
	must(err)
	for _, fd := range []int{a, b} {
		must(unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1))
		t.Cleanup(func() { _ = unix.Close(fd) })
	}
	return a, b
}

// unixSockets connects two of them.
func unixSockets(t testing.TB) [2]int {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(pair[0]); _ = unix.Close(pair[1]) })
	return pair
}

// threadTime is the processor time of the calling thread, which other processes on the machine do not change.
func threadTime() int64 {
	var at unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &at); err != nil {
		return 0
	}
	return at.Nano()
}

// BenchmarkCost is what thread evidence costs the processes of a host: without it, for a process that is not
// tapped, and for one that is.
func BenchmarkCost(b *testing.B) {
	zero, err := unix.Open("/dev/zero", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = unix.Close(zero) })
	pair := unixSockets(b)
	seen := unixSockets(b)
	from, to := tcpPair(b)
	var buf [1]byte
	transfer := func(b *testing.B, w, r int) {
		if _, err := unix.Write(w, buf[:]); err != nil {
			b.Fatal(err)
		}
		if _, err := unix.Read(r, buf[:]); err != nil {
			b.Fatal(err)
		}
	}
	work := []struct {
		name string
		do   func(*testing.B)
	}{
		{"getppid", func(*testing.B) { unix.Getppid() }},
		{"read-file", func(b *testing.B) {
			if _, err := unix.Read(zero, buf[:]); err != nil {
				b.Fatal(err)
			}
		}},
		{"write-read-unix", func(b *testing.B) { transfer(b, pair[0], pair[1]) }},
		{"write-read-unix-seen", func(b *testing.B) { transfer(b, seen[0], seen[1]) }},
		{"write-read-tcp", func(b *testing.B) { transfer(b, from, to) }},
	}
	none := func(int32) bool { return false }
	for _, source := range append([]ThreadSource{ThreadsOff}, sources(b)...) {
		for _, tapped := range []bool{false, true} {
			if source == ThreadsOff && tapped {
				continue
			}
			cfg := Config{Threads: source}.withDefaults()
			th := openThreads(cfg, newTable(cfg))
			name := source.String() + "/other"
			if tapped {
				name = source.String() + "/tapped"
				th.watch([]int32{int32(os.Getpid())}, none)
			}
			for _, fd := range seen {
				var st unix.Stat_t
				if err := unix.Fstat(fd, &st); err != nil {
					b.Fatal(err)
				}
				th.unix.note(st.Ino, endOf(unixEndsOf(uint32(fd))))
			}
			ctx, cancel := context.WithCancel(b.Context())
			done := make(chan struct{})
			go func() { th.run(ctx); close(done) }()
			for _, w := range work {
				b.Run(name+"/"+w.name, func(b *testing.B) {
					runtime.LockOSThread()
					defer runtime.UnlockOSThread()
					before := threadTime()
					for b.Loop() {
						w.do(b)
					}
					b.ReportMetric(float64(threadTime()-before)/float64(b.N), "cpu-ns/op")
				})
			}
			cancel()
			<-done
			if n := th.stats().Lost; n > 0 {
				b.Logf("%s: %d uses lost", name, n)
			}
			th.close()
		}
	}
}

func BenchmarkWorker(b *testing.B) {
	t := newTable(Config{}.withDefaults())
	o := &Observer{table: t}
	local, remote := netip.MustParseAddrPort("10.0.0.1:8069"), netip.MustParseAddrPort("10.0.0.2:40000")
	base := time.Unix(1_700_000_000, 0)
	for i := range 200 {
		t.use(endOf(local, remote), 100, 100+int32(i%7), base.UnixNano()+int64(i)*1e6)
	}
	from := base.Add(190 * time.Millisecond)
	to := from.Add(100 * time.Microsecond)
	b.ReportAllocs()
	for b.Loop() {
		if pid, _ := o.Worker(local, remote, from, to); pid != 100 {
			b.Fatal("not known")
		}
	}
}

// BenchmarkTake is perfd's own cost of one use of a socket.
func BenchmarkTake(b *testing.B) {
	l := testLayout
	th := &threads{layout: l, table: newTable(Config{}.withDefaults())}
	records := make([][]byte, 1024)
	for i := range records {
		records[i] = record(l, netip.MustParseAddrPort("127.0.0.1:8069"), netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(30000+i)), 7, int32(i%5+7), uint64(i))
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		th.take(records[i%len(records)], 0)
		i++
	}
}

func BenchmarkReadMessages(b *testing.B) {
	var datagram []byte
	for i := range 64 {
		datagram = append(datagram, inetMessage(1, familyIPv4, stateEstab, netip.MustParseAddrPort("127.0.0.1:8069"), netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(i+1)), uint32(i))...)
	}
	b.SetBytes(int64(len(datagram)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := readMessages(datagram, 1, func(socket) {}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkClassify(b *testing.B) {
	line := []byte("/usr/bin/python3\x00/usr/bin/odoo\x00gevent\x00--config=/etc/odoo/odoo.conf\x00")
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := Classify(line); !ok {
			b.Fatal("not classified")
		}
	}
}

// BenchmarkScan is a look at all processes of this host.
func BenchmarkScan(b *testing.B) {
	o, err := New(Config{Threads: ThreadsOff})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(o.closeAll)
	s := newScanner(o)
	s.step(time.Now())
	b.ReportAllocs()
	for b.Loop() {
		s.step(time.Now())
	}
	b.ReportMetric(float64(len(s.known)), "processes")
}

// BenchmarkFind asks the kernel for one connection.
func BenchmarkFind(b *testing.B) {
	d, err := openDiagnoser()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(d.close)
	from, _ := tcpPair(b)
	name, err := unix.Getsockname(from)
	if err != nil {
		b.Fatal(err)
	}
	peer, err := unix.Getpeername(from)
	if err != nil {
		b.Fatal(err)
	}
	local, remote := name.(*unix.SockaddrInet4), peer.(*unix.SockaddrInet4)
	x, y := netip.AddrPortFrom(netip.AddrFrom4(local.Addr), uint16(local.Port)), netip.AddrPortFrom(netip.AddrFrom4(remote.Addr), uint16(remote.Port))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.find(x, y); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen is the start of thread evidence, once in the life of perfd.
func BenchmarkOpen(b *testing.B) {
	if len(sources(b)) == 0 {
		return
	}
	cfg := Config{}.withDefaults()
	b.ReportAllocs()
	for b.Loop() {
		th := openThreads(cfg, newTable(cfg))
		if th.err != nil {
			b.Fatal(th.err)
		}
		th.close()
	}
}
