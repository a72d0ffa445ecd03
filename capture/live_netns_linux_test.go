package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inNetwork marks the process that runs TestLiveNetwork in a network of its own.
const inNetwork = "PERFD_TEST_NETWORK"

// TestLiveNetwork runs on interfaces that it makes in a network namespace of its own, in a process of its own.
func TestLiveNetwork(t *testing.T) {
	if os.Getenv(inNetwork) != "" {
		testNetwork(t)
		return
	}
	if LivePermitted() != nil {
		testNotPermitted(t)
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^TestLiveNetwork$", "-test.v")
	cmd.Env = append(os.Environ(), inNetwork+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, unix.EPERM) {
		t.Logf("a network of its own takes CAP_SYS_ADMIN: %v", err)
		return
	}
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestLiveNetwork (")) {
		t.Errorf("%v\n%s", err, out)
	}
}

// ip runs commands of iproute2 in the network of the calling thread.
func ip(t testing.TB, commands ...string) {
	t.Helper()
	for _, args := range commands {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Errorf("ip %s: %v: %s", args, err, out)
		}
	}
}

var farV4, farV6 = netip.MustParseAddrPort("10.9.0.2:8069"), netip.MustParseAddrPort("[fd09::2]:8069")

func testNetwork(t *testing.T) {
	ip(t, "link set lo up", "link add v0 type veth peer name v1")
	thread, moved, ready, done := make(chan int), make(chan bool), make(chan bool), make(chan bool)
	defer close(done)
	go func() { // the far end of v0
		defer close(ready)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine, and its network with it
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Errorf("unshare: %v", err)
		}
		thread <- unix.Gettid()
		<-moved
		ip(t, "addr add 10.9.0.2/24 dev v1", "addr add fd09::2/64 dev v1 nodad", "link set v1 up")
		echo(t, farV4.String())
		echo(t, farV6.String())
		ready <- true
		<-done
	}()
	ip(t, fmt.Sprintf("link set v1 netns %d", <-thread))
	moved <- true
	ip(t, "addr add 10.9.0.1/24 dev v0", "addr add fd09::1/64 dev v0 nodad", "link set v0 up")
	<-ready
	if t.Failed() {
		return
	}
	t.Run("several interfaces", testSeveralInterfaces)
	t.Run("VLAN", testVLAN)
	t.Run("down and up", testDownAndUp)
	t.Run("removed, made again, renamed", testRemoved)
	t.Run("unknown interface", func(t *testing.T) {
		_, err := OpenLive(LiveConfig{Interfaces: []string{"lo", "eth9"}})
		var told *LiveError
		if !errors.As(err, &told) || !strings.Contains(err.Error(), `"eth9"`) || !strings.Contains(told.Hint, "lo, v0") {
			t.Errorf("error %v, %+v", err, told)
		}
	})
}

// taps is a running tap that tells after each tick what it counted.
type taps struct {
	*recorder
	live   *Live
	engine *Engine
	ticks  chan LiveStats
	stop   func()
}

func runTap(t *testing.T, interfaces ...string) *taps {
	t.Helper()
	s := &taps{recorder: &recorder{t: t, claims: claimPort(8069)}, ticks: make(chan LiveStats)}
	cfg := LiveConfig{Interfaces: interfaces, RPCPorts: []uint16{8069}, Between: func(time.Time) {
		select {
		case s.ticks <- s.live.Stats():
		default:
		}
	}}
	var err error
	if s.live, err = OpenLive(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.live.Close() })
	s.engine = NewEngine(Config{}, s.recorder)
	s.stop = tap(t, s.live, s.engine)
	return s
}

// until waits for the counts to be as wanted.
func (s *taps) until(t *testing.T, what string, want func(LiveStats) bool) {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		select {
		case st := <-s.ticks:
			if want(st) {
				return
			}
		case <-timeout:
			t.Fatalf("%s: not so after 20 s: %+v", what, s.live.Stats())
		}
	}
}

func (s LiveStats) link(name string) LiveInterface {
	i := slices.IndexFunc(s.Interfaces, func(l LiveInterface) bool { return l.Name == name })
	if i < 0 {
		return LiveInterface{}
	}
	return s.Interfaces[i]
}

func testSeveralInterfaces(t *testing.T) {
	near := echo(t, "127.0.0.1:8069")
	for _, c := range []struct {
		interfaces []string
		want       int
	}{{nil, 3}, {[]string{"lo", "any"}, 3}, {[]string{"v0", "lo", "v0"}, 3}, {[]string{"lo"}, 1}, {[]string{"v0"}, 2}} {
		t.Run(fmt.Sprint(c.interfaces), func(t *testing.T) {
			s := runTap(t, c.interfaces...)
			for _, to := range []netip.AddrPort{near, farV4, farV6} {
				conn := dial(t, to)
				exchange(t, conn, text(300_000))
				_ = conn.Close()
			}
			s.stop()
			if len(s.streams) != c.want {
				t.Errorf("%d connections, want %d", len(s.streams), c.want)
			}
			for _, got := range s.streams {
				if !bytes.Equal(got.data[ToServer], text(300_000)) || !bytes.Equal(got.data[ToClient], text(300_000)) {
					t.Errorf("%v: %d and %d bytes, %v lost", got.conn.Server, len(got.data[0]), len(got.data[1]), got.lost)
				}
			}
			st, live := s.engine.Stats(), s.live.Stats()
			if st.Duplicate*10 > st.Payload || st.NonTCP+st.Malformed+st.Truncated != 0 || live.Drops != 0 {
				t.Errorf("engine %+v, live %+v", st, live)
			}
			if sum := live.link("lo").Packets + live.link("v0").Packets; sum != live.Packets || sum != st.Packets {
				t.Errorf("interfaces count %d packets, the tap %d, the engine %d", sum, live.Packets, st.Packets)
			}
		})
	}
}

// send puts a frame on an interface.
func send(t *testing.T, name string, frame []byte) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	i, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	to := &unix.SockaddrLinklayer{Ifindex: i.Index, Protocol: htons(binary.BigEndian.Uint16(frame[12:]))}
	if err := unix.Sendto(fd, frame, 0, to); err != nil {
		t.Fatal(err)
	}
}

// testVLAN sends tagged frames: x1's arrive at x0, where the kernel takes the first tag off, and what x0 sends
// is seen with all its tags.
func testVLAN(t *testing.T) {
	ip(t, "link add x0 type veth peer name x1", "link set x0 up", "link set x1 up")
	defer ip(t, "link del x0")
	s := runTap(t, "x0")
	var want []uint16
	for i, from := range []string{"x1", "x0"} {
		for tags := range 3 {
			for v, src := range []string{"10.8.0.1", "fd08::1"} {
				if from == "x0" && tags == 2 {
					continue // beyond what the filter looks behind
				}
				port := uint16(40000 + 100*i + 10*tags + v)
				dst := src[:len(src)-1] + "2"
				frame := stack{src: src, dst: dst, sport: port, dport: 8069, seq: 100, flags: flagACK, payload: text(500)}.ethernet(t, tags)
				if tags == 1 && v == 0 {
					binary.BigEndian.PutUint16(frame[12:], 0x88a8)
				}
				if tags > 0 {
					frame[14] |= 0xa0 // priority 5
				}
				send(t, from, frame)
				want = append(want, port)
			}
		}
	}
	s.stop()
	var got []uint16
	for _, r := range s.streams {
		got = append(got, r.conn.Client.Port())
		if !bytes.Equal(r.data[ToServer], text(500)) {
			t.Errorf("port %d: %d bytes", r.conn.Client.Port(), len(r.data[ToServer]))
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("ports %v, want %v", got, want)
	}
	if st := s.engine.Stats(); st.Malformed != 0 || st.Truncated != 0 || st.Duplicate != 0 {
		t.Errorf("engine %+v", st)
	}
}

func testDownAndUp(t *testing.T) {
	for _, interfaces := range [][]string{{"v0"}, nil} {
		s := runTap(t, interfaces...)
		exchange(t, dial(t, farV4), text(1000))
		ip(t, "link set v0 down")
		s.until(t, "v0 goes down", func(st LiveStats) bool { return st.link("v0").State == LinkDown })
		ip(t, "link set v0 up")
		s.until(t, "v0 comes up", func(st LiveStats) bool { return st.link("v0").State == LinkUp })
		exchange(t, dial(t, farV4), text(2000))
		s.stop()
		if len(s.streams) != 2 || !bytes.Equal(s.streams[1].data[ToClient], text(2000)) {
			t.Errorf("%v: %d connections", interfaces, len(s.streams))
		}
		if got := s.live.Stats().link("v0"); got.Downs != 1 || got.Packets == 0 {
			t.Errorf("%v: %+v", interfaces, got)
		}
	}
}

func testRemoved(t *testing.T) {
	frame := func(port uint16) []byte {
		return stack{src: "10.8.0.1", dst: "10.8.0.2", sport: port, dport: 8069, seq: 100, flags: flagACK, payload: text(500)}.ethernet(t, 0)
	}
	ip(t, "link add x0 type veth peer name x1", "link set x0 up", "link set x1 up")
	s := runTap(t, "x0")
	send(t, "x1", frame(40000))
	ip(t, "link del x0")
	s.until(t, "x0 goes away", func(st LiveStats) bool { return st.link("x0").State == LinkGone && st.Packets == 1 })
	ip(t, "link add x0 type veth peer name x1", "link set x0 up", "link set x1 up")
	s.until(t, "x0 comes back", func(st LiveStats) bool { return st.link("x0").State == LinkUp })
	send(t, "x1", frame(40001))
	s.until(t, "its packet comes", func(st LiveStats) bool { return st.link("x0").Packets == 1 })
	ip(t, "link set x0 down", "link set x0 name y0", "link set y0 up")
	s.until(t, "x0 is renamed", func(st LiveStats) bool { return st.link("x0").State == LinkGone })
	send(t, "x1", frame(40002))
	ip(t, "link set y0 down", "link set y0 name x0", "link set x0 up")
	s.until(t, "x0 is back", func(st LiveStats) bool { return st.link("x0").State == LinkUp })
	send(t, "x1", frame(40003))
	s.stop()
	ip(t, "link del x0")
	var ports []uint16
	for _, r := range s.streams {
		ports = append(ports, r.conn.Client.Port())
	}
	if want := []uint16{40000, 40001, 40003}; !slices.Equal(ports, want) {
		t.Errorf("ports %v, want %v", ports, want)
	}
}
