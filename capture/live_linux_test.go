package capture

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openTap opens a tap. Where this process may not, it checks that the error says so and returns nil.
func openTap(t testing.TB, cfg LiveConfig) *Live {
	t.Helper()
	if LivePermitted() != nil {
		testNotPermitted(t)
		return nil
	}
	l, err := OpenLive(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func testNotPermitted(t testing.TB) {
	t.Helper()
	l, err := OpenLive(LiveConfig{})
	var told *LiveError
	if l != nil || !errors.As(err, &told) || !strings.Contains(err.Error(), "CAP_NET_RAW") {
		t.Fatalf("without permission: %v", err)
	}
	for _, way := range []string{"setcap", "AmbientCapabilities", "--cap-add", "capabilities.add"} {
		if !strings.Contains(told.Hint, way) {
			t.Errorf("hint %q does not name %s", told.Hint, way)
		}
	}
	if !errors.Is(err, unix.EPERM) {
		t.Errorf("%v hides its cause", err)
	}
}

func TestLiveWithoutPermission(t *testing.T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&head, &none[0]); err != nil {
			t.Error(err)
			return
		}
		testNotPermitted(t)
		if err := LivePermitted(); !errors.Is(err, unix.EPERM) {
			t.Errorf("LivePermitted: %v", err)
		}
	}()
	<-done
}

// tap runs a tap in the background. stop ends it after all that was sent before, and flushes the engine.
func tap(t *testing.T, l *Live, e *Engine) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx, e) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
		e.Flush()
		checkLaws(t, e.Stats())
	}
}

// echo listens on address and answers each connection with what it sent.
func echo(t testing.TB, address string) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// exchange sends data and reads its echo.
func exchange(t testing.TB, c net.Conn, data []byte) {
	t.Helper()
	go func() { _, _ = c.Write(data) }()
	got := make([]byte, len(data))
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, data) {
		t.Fatal("echo differs")
	}
}

func dial(t testing.TB, to netip.AddrPort) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// claimPort claims connections to one port.
func claimPort(port uint16) func(Conn, []byte) Verdict {
	return func(c Conn, _ []byte) Verdict {
		switch port {
		case c.Server.Port():
			return FromClient
		case c.Client.Port():
			return FromServer
		}
		return Reject
	}
}

func TestLiveLoopback(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(address, func(t *testing.T) {
			server, other := echo(t, address), echo(t, address)
			l := openTap(t, LiveConfig{Interfaces: []string{"lo"}, RPCPorts: []uint16{server.Port()}})
			if l == nil {
				return
			}
			r := &recorder{t: t, claims: claimPort(server.Port())}
			e := NewEngine(Config{}, r)
			stop := tap(t, l, e)
			c := dial(t, server)
			exchange(t, dial(t, other), text(1000))
			for _, n := range []int{1, 1000, 70_000, 3_000_000} {
				exchange(t, c, text(n))
			}
			_ = c.Close()
			stop()
			if len(r.streams) != 1 {
				t.Fatalf("%d streams, want one", len(r.streams))
			}
			s := r.streams[0]
			want := slices.Concat(text(1), text(1000), text(70_000), text(3_000_000))
			for _, dir := range []Dir{ToServer, ToClient} {
				if !bytes.Equal(s.data[dir], want) || s.lost[dir] != 0 || !s.fin[dir] {
					t.Errorf("%s: %d bytes, want %d; %d lost; ended %v", dir, len(s.data[dir]), len(want), s.lost[dir], s.fin[dir])
				}
			}
			st, live := e.Stats(), l.Stats()
			if s.conn.Joined || s.conn.Server != server || s.conn.Client.String() != c.LocalAddr().String() {
				t.Errorf("connection %+v", s.conn)
			}
			if st.Connections != 1 || st.Duplicate*10 > st.Payload || st.NonTCP+st.Malformed+st.Unsupported+st.Truncated != 0 {
				t.Errorf("engine %+v", st)
			}
			if live.Drops != 0 || live.Packets != st.Packets || live.Bytes != st.Bytes || live.Misdated != 0 {
				t.Errorf("live %+v, engine has %d packets", live, st.Packets)
			}
			if since := time.Since(st.Last); since < 0 || since > time.Minute {
				t.Errorf("last packet %v ago", since)
			}
		})
	}
}

// A reader that is too slow loses packets, which are counted, and nothing else: the next connection is whole.
func TestLiveOverload(t *testing.T) {
	server := echo(t, "127.0.0.1:0")
	l := openTap(t, LiveConfig{Interfaces: []string{"lo"}, PGPorts: []uint16{server.Port()}, RingBytes: 1, BlockBytes: 1})
	if l == nil {
		return
	}
	exchange(t, dial(t, server), text(2_000_000)) // into a ring of 128 KiB
	r := &recorder{t: t, claims: claimPort(server.Port())}
	e := NewEngine(Config{}, r)
	drained := make(chan bool, 1)
	l.cfg.Between = func(time.Time) {
		if full := (l.ring[blockStatus] | l.ring[l.cfg.BlockBytes+blockStatus]) & statusUser; l.packets > 0 && full == 0 {
			select {
			case drained <- true:
			default:
			}
		}
	}
	stop := tap(t, l, e)
	<-drained
	exchange(t, dial(t, server), text(20_000))
	stop()
	if st := l.Stats(); st.Drops == 0 || st.Freezes == 0 {
		t.Errorf("nothing dropped: %+v", st)
	}
	if len(r.streams) != 2 {
		t.Fatalf("%d streams, want 2", len(r.streams))
	}
	if got := len(r.streams[0].data[ToServer]); got == 0 || got == 2_000_000 {
		t.Errorf("%d bytes of the first connection, want some", got)
	}
	if s := r.streams[1]; !bytes.Equal(s.data[ToServer], text(20_000)) || !bytes.Equal(s.data[ToClient], text(20_000)) {
		t.Errorf("%d and %d bytes of the second connection, want 20000", len(s.data[0]), len(s.data[1]))
	}
}

// Between is called though nothing comes, capture time goes on meanwhile, and never back.
func TestLiveTimeGoesOn(t *testing.T) {
	var times []time.Time
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	began := time.Now()
	l := openTap(t, LiveConfig{Interfaces: []string{"lo"}, RPCPorts: []uint16{1}, Between: func(now time.Time) {
		if times = append(times, now); now.After(began.Add(100 * time.Millisecond)) {
			cancel()
		}
	}})
	if l == nil {
		return
	}
	e := NewEngine(Config{}, &recorder{t: t})
	if err := l.Run(ctx, e); err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(times, time.Time.Compare) {
		t.Errorf("times go back: %v", times)
	}
	for _, now := range times {
		if now.After(time.Now()) {
			t.Errorf("%v is in the future", now)
		}
	}
	if got := time.Unix(0, e.clock); got.Before(began) {
		t.Errorf("the engine's clock stands at %v, before %v", got, began)
	}
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Errorf("closed twice: %v", err)
	}
}

func TestLiveRefusesTooMany(t *testing.T) {
	if _, err := OpenLive(LiveConfig{PGPorts: manyPorts(maxFilterPorts + 1)}); err == nil {
		t.Error("a filter of too many ports is accepted")
	}
	if _, err := OpenLive(LiveConfig{Interfaces: make([]string, maxFilterLinks+1)}); err == nil {
		t.Error("a filter of too many interfaces is accepted")
	}
}

func manyPorts(n int) (ports []uint16) {
	for i := range n {
		ports = append(ports, uint16(i+1))
	}
	return ports
}

// Ports change under traffic: what goes on is not interrupted, and what was not let through before is from then on.
func TestLiveSetPorts(t *testing.T) {
	stays, comes := echo(t, "127.0.0.1:0"), echo(t, "127.0.0.1:0")
	var l *Live
	change := make(chan []uint16)
	changed := make(chan error)
	l = openTap(t, LiveConfig{Interfaces: []string{"lo"}, RPCPorts: []uint16{stays.Port()}, Between: func(time.Time) {
		select {
		case ports := <-change:
			changed <- l.SetPorts(ports, nil)
		default:
		}
	}})
	if l == nil {
		return
	}
	old, fresh := &recorder{t: t, claims: claimPort(stays.Port())}, &recorder{t: t, claims: claimPort(comes.Port())}
	e := NewEngine(Config{}, old, fresh)
	stop := tap(t, l, e)
	c, other := dial(t, stays), dial(t, comes)
	exchange(t, c, text(1000))
	exchange(t, other, text(10))
	busy := make(chan struct{})
	go func() { // without a pause, so that packets come while the filter is changed
		defer close(busy)
		exchange(t, c, text(3_000_000))
	}()
	for _, ports := range [][]uint16{{stays.Port(), 1}, manyPorts(maxFilterPorts + 1), {comes.Port(), stays.Port()}} {
		change <- ports
		if err := <-changed; (err != nil) != (len(ports) > maxFilterPorts) {
			t.Errorf("%d ports: %v", len(ports), err)
		}
	}
	<-busy
	exchange(t, c, text(500))
	exchange(t, other, text(20))
	stop()
	if len(old.streams) != 1 || len(fresh.streams) != 1 {
		t.Fatalf("%d and %d streams, want one each", len(old.streams), len(fresh.streams))
	}
	want := slices.Concat(text(1000), text(3_000_000), text(500))
	if s := old.streams[0]; !bytes.Equal(s.data[ToServer], want) || !bytes.Equal(s.data[ToClient], want) || s.lost != [2]int64{} {
		t.Errorf("%d and %d bytes, want %d; %d lost", len(s.data[0]), len(s.data[1]), len(want), s.lost)
	}
	if s := fresh.streams[0]; !s.conn.Joined || !bytes.Equal(s.data[ToServer], text(20)) {
		t.Errorf("of the port that came: %q, joined %v", s.data[ToServer], s.conn.Joined)
	}
	if n := l.Stats().Drops; n != 0 {
		t.Errorf("%d packets dropped", n)
	}
}
