package capture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/google/gopacket/layers"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Live taps network interfaces: a packet socket on all of them with one ring that it shares with the kernel
// (TPACKET_V3), from which packets go to the engine uncopied. Nothing is sent, no interface is changed, and
// when the reader is too slow the kernel drops packets and counts them; the server never waits.
//
// One socket for all interfaces, and a filter that knows the chosen ones, needs nothing when an interface goes
// down, comes back, is renamed or appears: at most another filter. Its packets begin with the network header,
// so that the kind of an interface does not matter.
//
// Capture time is the system's clock. When that is set back, capture time goes on without a step, ahead of the
// clock by as much, for the life of the Live: an engine's connections and calls must not go back in time.
// LiveStats.ClockAhead tells, and a new Live and engine set it right. Set forward, capture time follows: connections
// go on (Engine.Step), and what was under way seems to have lasted longer by as much.
type Live struct {
	cfg   LiveConfig
	fd    int
	ring  []byte
	block int // next to read
	links *links
	clock liveClock

	told int64 // of liveClock.jumped, to the engine

	packets, bytes, drops, freezes, errors int64
	nextTick                               time.Time

	mu        sync.Mutex
	published LiveStats
}

var _ Source = (*Live)(nil)

// LivePermitted tells whether this process may tap packets: nil, or the error that OpenLive would return.
func LivePermitted() error {
	fd, err := packetSocket()
	if err != nil {
		return err
	}
	_ = unix.Close(fd)
	return nil
}

// packetSocket opens a socket that receives nothing before it is bound to a protocol.
func packetSocket() (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	switch {
	case err == nil:
		return fd, nil
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return 0, &LiveError{
			Op: "open tap",
			Hint: "run it as root (everything but CAP_NET_RAW is dropped), or give it that capability: " +
				"setcap cap_net_raw+ep /path/to/perfd; in a systemd unit AmbientCapabilities=CAP_NET_RAW; " +
				"docker run --cap-add NET_RAW; in Kubernetes securityContext.capabilities.add: [NET_RAW]",
			Err: fmt.Errorf("capability CAP_NET_RAW is missing: %w", err),
		}
	case errors.Is(err, unix.EAFNOSUPPORT):
		return 0, &LiveError{
			Op: "open tap",
			Hint: "load the module af_packet; in a systemd unit RestrictAddressFamilies= must list AF_PACKET; " +
				"or use `perfd proxy`",
			Err: fmt.Errorf("packet sockets are not available here: %w", err),
		}
	}
	return 0, &LiveError{Op: "open tap", Err: fmt.Errorf("create packet socket: %w", err)}
}

// OpenLive opens a tap. Packets are recorded from then on, in the ring until Run takes them. Errors that a
// person can do something about are *LiveError. Once it is open, the process needs no capability for it.
func OpenLive(cfg LiveConfig) (_ *Live, err error) {
	cfg = cfg.withDefaults()
	if err := cfg.checkPorts(); err != nil {
		return nil, fmt.Errorf("open tap: %w", err)
	}
	if n := len(cfg.Interfaces); n > maxFilterLinks {
		return nil, fmt.Errorf("open tap: %d interfaces, more than %d", n, maxFilterLinks)
	}
	l := &Live{cfg: cfg}
	l.clock.read = readClocks
	if l.fd, err = packetSocket(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = l.Close()
		}
	}()
	if l.links, err = watchLinks(cfg.Interfaces); err != nil {
		return nil, err
	}
	if err := l.shareRing(); err != nil {
		return nil, fmt.Errorf("open tap: %w", err)
	}
	if err := l.choose(); err != nil {
		return nil, fmt.Errorf("open tap: %w", err)
	}
	all := &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL)}
	if err := unix.Bind(l.fd, all); err != nil {
		return nil, fmt.Errorf("open tap: bind packet socket: %w", err)
	}
	l.publish()
	return l, nil
}

func (l *Live) shareRing() error {
	if err := unix.SetsockoptInt(l.fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return fmt.Errorf("ask for a version 3 ring: %w", err)
	}
	block := l.cfg.BlockBytes
	blocks := l.cfg.RingBytes / block
	const frame = 2048 // of no meaning in version 3, but checked
	req := unix.TpacketReq3{
		Block_size: uint32(block), Block_nr: uint32(blocks),
		Frame_size: frame, Frame_nr: uint32(block / frame * blocks),
		Retire_blk_tov: uint32(l.cfg.Retire.Milliseconds()),
	}
	if err := unix.SetsockoptTpacketReq3(l.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return fmt.Errorf("allocate a ring of %d KiB: %w", block*blocks>>10, err)
	}
	ring, err := unix.Mmap(l.fd, 0, block*blocks, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map the ring: %w", err)
	}
	l.ring = ring
	return nil
}

// choose gives the kernel the filter for the interfaces as they are now.
func (l *Live) choose() error {
	raw, err := filter(l.links.indices(), l.cfg.ports(), l.cfg.SnapLen)
	if err != nil {
		return err
	}
	if err := attach(l.fd, raw); err != nil {
		return err
	}
	// Copies of sent packets cost their sender a clone each; where only loopback is tapped, none is wanted.
	ignore := 0
	if l.links.onlyLoopback() {
		ignore = 1
	}
	if err := unix.SetsockoptInt(l.fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, ignore); err != nil && !errors.Is(err, unix.ENOPROTOOPT) {
		return fmt.Errorf("choose directions: %w", err)
	}
	if l.cfg.Promiscuous {
		return l.links.promiscuous(l.fd)
	}
	return nil
}

// SetPorts changes the ports that the kernel's filter lets through, and nothing else: packets that both sets let
// through come without a gap, and those in the ring stay. After an error the ports are as before. It must not be
// called while Run runs, but by LiveConfig.Between.
func (l *Live) SetPorts(rpc, pg []uint16) error {
	before := l.cfg
	l.cfg.RPCPorts, l.cfg.PGPorts = slices.Clone(rpc), slices.Clone(pg)
	err := l.cfg.checkPorts()
	if err == nil {
		err = l.choose()
	}
	if err != nil {
		l.cfg = before
		return fmt.Errorf("change ports of the tap: %w", err)
	}
	return nil
}

func attach(fd int, raw []bpf.RawInstruction) error {
	code := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		code[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	prog := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog); err != nil {
		return fmt.Errorf("attach filter of %d instructions: %w", len(code), err)
	}
	return nil
}

// Run gives packets to e until ctx is done, and then those recorded before that; it returns nil then. What the
// interfaces do does not end it.
func (l *Live) Run(ctx context.Context, e *Engine) error {
	stopAt := int64(0)
	blocks := len(l.ring) / l.cfg.BlockBytes
	for {
		if stopAt == 0 && ctx.Err() != nil {
			l.clock.look(false)
			stopAt = max(l.clock.wall+l.clock.ahead, 1)
		}
		block := l.ring[l.block*l.cfg.BlockBytes:][:l.cfg.BlockBytes]
		status := (*uint32)(unsafe.Pointer(&block[blockStatus]))
		ready := atomic.LoadUint32(status)&statusUser != 0
		l.clock.look(!ready)
		if ready {
			l.give(e, block)
			atomic.StoreUint32(status, 0)
			l.block = (l.block + 1) % blocks
		}
		now := l.clock.last
		if !ready {
			now = l.clock.now(int64(2*l.cfg.Retire + retireSlack))
		}
		l.tellStep(e)
		e.Advance(unixNano(now))
		if err := l.housekeep(); err != nil {
			return err
		}
		if l.cfg.Between != nil {
			l.cfg.Between(unixNano(now))
		}
		if stopAt != 0 && now >= stopAt {
			l.publish()
			return nil
		}
		if !ready {
			if err := l.wait(stopAt != 0); err != nil {
				return err
			}
		}
	}
}

// tellStep tells the engine that the clock was set forward.
func (l *Live) tellStep(e *Engine) {
	if by := l.clock.jumped - l.told; by != 0 {
		l.told = l.clock.jumped
		e.Step(time.Duration(by))
	}
}

// give gives the packets of a block to e.
func (l *Live) give(e *Engine, block []byte) {
	var p ringPacket
	for r := readBlock(block); r.next(&p); {
		ip := network(p.kind, p.data)
		if ip == nil {
			continue // of before the filter stood, or none of ours
		}
		l.packets++
		l.bytes += int64(len(ip))
		l.links.count(p.index)
		at := l.clock.time(p.at)
		l.tellStep(e)
		e.Packet(unixNano(at), layers.LinkTypeRaw, ip, p.size-(len(p.data)-len(ip)))
	}
}

// wait sleeps until a block is ready, and not beyond the next call of Between.
func (l *Live) wait(stopping bool) error {
	timeout := tick
	if stopping {
		timeout = l.cfg.Retire
	}
	fds := []unix.PollFd{{Fd: int32(l.fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, int(max(timeout.Milliseconds(), 1)))
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("wait for packets: %w", err)
	}
	if n > 0 && fds[0].Revents&(unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) != 0 {
		if fds[0].Revents&unix.POLLNVAL != 0 {
			return fmt.Errorf("wait for packets: %w", os.ErrClosed)
		}
		l.errors++ // such as ENETDOWN: reading it clears it
		_, _ = unix.GetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	}
	return nil
}

// housekeep does what is due every tick: it follows the interfaces and publishes the counts.
func (l *Live) housekeep() error {
	now := time.Now()
	if now.Before(l.nextTick) {
		return nil
	}
	l.nextTick = now.Add(tick)
	changed, err := l.links.changed()
	if err != nil {
		return err
	}
	if changed {
		if err := l.choose(); err != nil {
			return fmt.Errorf("follow interfaces: %w", err)
		}
	}
	l.publish()
	return nil
}

// publish reads the kernel's counters, which this clears, and makes the counts readable.
func (l *Live) publish() {
	if st, err := unix.GetsockoptTpacketStatsV3(l.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
		l.drops += int64(st.Drops)
		l.freezes += int64(st.Freeze_q_cnt)
	}
	s := LiveStats{
		Packets: l.packets, Bytes: l.bytes, Drops: l.drops, Freezes: l.freezes, Errors: l.errors,
		Steps: l.clock.steps, ClockAhead: time.Duration(l.clock.ahead), Misdated: l.clock.misdated,
		Interfaces: l.links.list(),
	}
	l.mu.Lock()
	l.published = s
	l.mu.Unlock()
}

// Stats returns the counts of the last tick, at most 100 ms ago while Run runs. It may be called from any
// goroutine.
func (l *Live) Stats() LiveStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.published
	s.Interfaces = append([]LiveInterface(nil), s.Interfaces...)
	return s
}

// Close ends the tap. It must not be called while Run runs.
func (l *Live) Close() error {
	var errs []error
	if l.ring != nil {
		errs = append(errs, unix.Munmap(l.ring))
		l.ring = nil
	}
	if l.links != nil {
		errs = append(errs, l.links.close())
		l.links = nil
	}
	if l.fd >= 0 {
		errs = append(errs, unix.Close(l.fd))
		l.fd = -1
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close tap: %w", err)
	}
	return nil
}

// readClocks reads the system's clock and, at the same moment, the time since boot.
func readClocks() (wall, boot int64) {
	for range 4 {
		var ts unix.Timespec
		before := time.Now()
		_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) // cannot fail on a kernel that has rings of version 3
		wall, boot = before.UnixNano(), ts.Nano()
		if time.Since(before) < time.Millisecond { // else it was interrupted between the two
			break
		}
	}
	return wall, boot
}

func htons(v uint16) uint16 { return v<<8 | v>>8 }
