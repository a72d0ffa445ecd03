package process

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"
)

const (
	maxTapped = 8192
	// initialNamespace is the inode of the host's own pid namespace.
	initialNamespace = 0xeffffffc
	// settle is how long after its stamp a record may still be on its way into the buffer.
	settle = time.Millisecond
)

// threads takes in which thread used which socket, from programs in the kernel.
type threads struct {
	source  ThreadSource
	err     error
	layout  layout
	table   *table
	tapped  *ebpf.Map
	unix    unixEnds
	uses    *ebpf.Map
	dropped *ebpf.Map
	links   []link.Link
	reader  *ringbuf.Reader
	pause   time.Duration
	since   map[int32]int64 // the processes that were tapped after their beginning

	fault           atomic.Pointer[error] // of the last watch
	drops           atomic.Uint64         // what the kernel counted in dropped, when it was last looked at
	events, foreign atomic.Uint64
	horizon         atomic.Int64
}

// openThreads starts thread evidence where it is wanted and permitted; otherwise it says why not.
func openThreads(cfg Config, t *table) *threads {
	th := &threads{source: ThreadsOff, table: t, pause: cfg.RingPause}
	if cfg.Threads == ThreadsOff {
		return th
	}
	if err := th.start(cfg); err != nil {
		th.close()
		th.source, th.err = ThreadsOff, explain(err)
		return th
	}
	return th
}

func explain(err error) error {
	e := &Error{Op: "observe threads", Err: err}
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		var no unix.Errno
		if errors.As(err, &no) { // without the library's advice about memory locks, which is not what is missing
			e.Err = no
		}
		e.Hint = "give perfd CAP_BPF and CAP_PERFMON (systemd: AmbientCapabilities and CapabilityBoundingSet); without them statements of threaded servers are attributed by inference"
	case errors.Is(err, unix.E2BIG):
		e.Hint = fmt.Sprintf("at most %d processes are tapped", maxTapped)
	case errors.Is(err, ebpf.ErrNotSupported), errors.Is(err, os.ErrNotExist):
		e.Hint = "thread evidence needs Linux 5.8 or later with type information (CONFIG_DEBUG_INFO_BTF)"
	default:
		return fmt.Errorf("observe threads: %w", err)
	}
	return e
}

func (th *threads) start(cfg Config) error {
	ns, err := ownNamespace(cfg.Root)
	if err != nil {
		return err
	}
	if th.layout, err = kernelLayout(); err != nil {
		return fmt.Errorf("read kernel types: %w", err)
	}
	_ = rlimit.RemoveMemlock() // needed before Linux 5.11 only; creating the maps tells
	maps := []struct {
		to   **ebpf.Map
		spec ebpf.MapSpec
	}{
		{&th.tapped, ebpf.MapSpec{Name: "perfd_tapped", Type: ebpf.Hash, KeySize: 4, ValueSize: 4, MaxEntries: maxTapped}},
		{&th.unix.wanted, ebpf.MapSpec{Name: "perfd_unix", Type: ebpf.Hash, KeySize: 8, ValueSize: 4, MaxEntries: maxUnix}},
		{&th.uses, ebpf.MapSpec{Name: "perfd_uses", Type: ebpf.RingBuf, MaxEntries: ringSize(cfg.RingBytes)}},
		{&th.dropped, ebpf.MapSpec{Name: "perfd_dropped", Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 8, MaxEntries: 1}},
	}
	for _, m := range maps {
		if *m.to, err = ebpf.NewMap(&m.spec); err != nil {
			return fmt.Errorf("create map %s: %w", m.spec.Name, err)
		}
	}
	if th.reader, err = ringbuf.NewReader(th.uses); err != nil {
		return fmt.Errorf("open ring buffer: %w", err)
	}
	if err := th.attachUses(cfg.Threads, ns); err != nil {
		return err
	}
	if ns == (pidNamespace{}) {
		return th.attach("sched_process_fork", th.assembler(ns).forked())
	}
	return nil // children are found when processes are looked at next
}

func (th *threads) assembler(ns pidNamespace) *assembler {
	return &assembler{layout: th.layout, ns: ns, tapped: th.tapped, unix: th.unix.wanted, uses: th.uses, dropped: th.dropped}
}

func (th *threads) attachUses(want ThreadSource, ns pidNamespace) error {
	if want != ThreadsSyscalls {
		err := th.attach("sock_send_length", th.assembler(ns).socketUsed())
		if err == nil {
			err = th.attach("sock_recv_length", th.assembler(ns).socketUsed())
		}
		if err == nil {
			th.source = ThreadsSockets
			return nil
		}
		if want == ThreadsSockets || !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if err := th.attach("sys_exit", th.assembler(ns).syscallDone()); err != nil {
		return err
	}
	th.source = ThreadsSyscalls
	return nil
}

func (th *threads) attach(tracepoint string, code asm.Instructions) error {
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "perfd_" + tracepoint[:min(9, len(tracepoint))], Type: ebpf.RawTracepoint, License: kernelLicense, Instructions: code,
	})
	if err != nil {
		return fmt.Errorf("load program for %s: %w", tracepoint, err)
	}
	defer program.Close() // the link keeps it
	l, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: tracepoint, Program: program})
	if err != nil {
		return fmt.Errorf("attach to %s: %w", tracepoint, err)
	}
	th.links = append(th.links, l)
	return nil
}

func ringSize(n int) uint32 {
	n = min(max(n, os.Getpagesize()), 1<<30)
	return 1 << bits.Len32(uint32(n-1))
}

// ownNamespace is the pid namespace of perfd, zero if it is the host's.
func ownNamespace(root string) (pidNamespace, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(root+"/self/ns/pid", &st); err != nil {
		return pidNamespace{}, fmt.Errorf("find own pid namespace: %w", err)
	}
	if st.Ino == initialNamespace {
		return pidNamespace{}, nil
	}
	// The kernel compares with the device as it keeps it itself.
	return pidNamespace{dev: uint64(unix.Major(st.Dev))<<20 | uint64(unix.Minor(st.Dev)), inode: st.Ino}, nil
}

func (th *threads) on() bool { return th.source != ThreadsOff }

// watch sets which processes are tapped. Those that it has not heard of stay while idle says no: the kernel's side
// adds children by itself.
func (th *threads) watch(pids []int32, idle func(pid int32) bool) {
	if !th.on() {
		return
	}
	var fault error
	since := make(map[int32]int64, len(pids))
	wanted := make(map[uint32]bool, len(pids))
	for _, pid := range pids {
		wanted[uint32(pid)] = true
		since[pid] = th.since[pid]
		switch err := th.tapped.Update(uint32(pid), uint32(1), ebpf.UpdateNoExist); {
		case err == nil:
			since[pid] = time.Now().UnixNano()
		case !errors.Is(err, ebpf.ErrKeyExist):
			since[pid] = math.MaxInt64 // nothing will be known
			fault = fmt.Errorf("tap process %d: %w", pid, err)
		}
	}
	th.fault.Store(&fault)
	th.since = since
	th.table.gaps.started(since)
	var stale []uint32
	var pid, value uint32
	for entries := th.tapped.Iterate(); entries.Next(&pid, &value); {
		if !wanted[pid] && idle(int32(pid)) {
			stale = append(stale, pid)
		}
	}
	for _, pid := range stale {
		_ = th.tapped.Delete(pid)
	}
}

// run takes records in until ctx ends. It looks for them itself at short intervals, which spares the tapped
// threads from waking it.
func (th *threads) run(ctx context.Context) {
	if !th.on() {
		return
	}
	stop := context.AfterFunc(ctx, func() { _ = th.reader.Close() })
	defer stop()
	var record ringbuf.Record
	before := time.Now()
	for {
		asked := time.Now()
		clock := clockOffset()
		th.reader.SetDeadline(asked.Add(th.pause))
		for {
			err := th.reader.ReadInto(&record)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return // closed
			}
			th.take(record.RawSample, clock)
		}
		if n := th.lost(); n != th.drops.Swap(n) {
			th.table.gaps.lost(before.Add(-settle).UnixNano(), time.Now().UnixNano())
		}
		before = asked
		th.horizon.Store(asked.Add(-settle).UnixNano())
	}
}

// take notes one use.
func (th *threads) take(b []byte, clock int64) {
	e, ok := th.end(b)
	if !ok {
		th.foreign.Add(1)
		return
	}
	th.events.Add(1)
	who := binary.NativeEndian.Uint64(b[recordWho:])
	th.table.use(e, int32(who>>32), int32(who), int64(binary.NativeEndian.Uint64(b[recordTime:]))+clock)
}

// end is the end of a connection that a record is about.
func (th *threads) end(b []byte) (e end, ok bool) {
	if len(b) >= recordSock {
		if inode := binary.NativeEndian.Uint64(b[recordInode:]); inode != 0 {
			return th.unix.end(inode)
		}
	}
	return th.layout.end(b)
}

// end reads the addresses of a record.
func (l *layout) end(b []byte) (e end, ok bool) {
	if len(b) < recordSock+int(l.span) {
		return e, false
	}
	sock := b[recordSock:]
	e.localPort = binary.NativeEndian.Uint16(sock[l.localPort:])
	e.remotePort = binary.BigEndian.Uint16(sock[l.remotePort:])
	switch binary.NativeEndian.Uint16(sock[l.family:]) {
	case unix.AF_INET:
		copy(e.local[12:], sock[l.local4:l.local4+4])
		copy(e.remote[12:], sock[l.remote4:l.remote4+4])
		e.local[10], e.local[11], e.remote[10], e.remote[11] = 0xff, 0xff, 0xff, 0xff
	case unix.AF_INET6:
		if l.local6 == 0 && l.remote6 == 0 {
			return e, false
		}
		copy(e.local[:], sock[l.local6:l.local6+16])
		copy(e.remote[:], sock[l.remote6:l.remote6+16])
	default:
		return e, false
	}
	return e, e.localPort != 0 && e.remotePort != 0
}

// clockOffset is what to add to the monotonic clock to get the time of day, as packets have it. It changes when the
// clock is set.
func clockOffset() int64 {
	var mono unix.Timespec
	best, offset := int64(1<<62), int64(0)
	for range 3 {
		before := time.Now().UnixNano()
		if unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono) != nil {
			return offset
		}
		after := time.Now().UnixNano()
		if d := after - before; d >= 0 && d < best {
			best, offset = d, before+d/2-mono.Nano()
		}
	}
	return offset
}

func (th *threads) stats() Threads {
	s := Threads{Source: th.source, Err: th.err, Events: th.events.Load(), Foreign: th.foreign.Load()}
	if !th.on() {
		return s
	}
	if at := th.horizon.Load(); at != 0 {
		s.Horizon = time.Unix(0, at)
	}
	s.Lost = th.drops.Load()
	if fault := th.fault.Load(); fault != nil && *fault != nil {
		s.Err = explain(*fault)
	}
	return s
}

// lost is how many records the kernel had no room for. It is of the goroutine that runs, as close is after it.
func (th *threads) lost() uint64 {
	var each []uint64 // one number a processor
	var all uint64
	if th.dropped.Lookup(uint32(0), &each) == nil {
		for _, n := range each {
			all += n
		}
	}
	return all
}

func (th *threads) close() {
	for _, l := range th.links {
		_ = l.Close()
	}
	if th.reader != nil {
		_ = th.reader.Close()
	}
	th.unix.close()
	for _, m := range []*ebpf.Map{th.tapped, th.uses, th.dropped} {
		if m != nil {
			_ = m.Close()
		}
	}
}
