package process

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/perfd/perfd/lab"
)

// powerless runs f on a thread without any capability but those given, which ends with it. It reports false if
// this process does not have them.
func powerless(t *testing.T, f func(), but ...uint) bool {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: no other goroutine may get this thread
		var sets [2]unix.CapUserData
		for _, c := range but {
			sets[c/32].Effective |= 1 << (c % 32)
			sets[c/32].Permitted |= 1 << (c % 32)
		}
		err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &sets[0])
		if err == nil {
			f()
		}
		done <- err
	}()
	err := <-done
	if err != nil && len(but) == 0 {
		t.Fatalf("give up capabilities: %v", err)
	}
	return err == nil
}

// TestThreadsPermitted holds to what is said of the capabilities: these two are enough.
func TestThreadsPermitted(t *testing.T) {
	for _, source := range sources(t) {
		if !powerless(t, func() {
			th := openThreads(Config{Threads: source}.withDefaults(), newTable(Config{}.withDefaults()))
			if th.err != nil || th.source != source {
				t.Errorf("%v: %v, %v", source, th.source, th.err)
			}
			th.watch([]int32{int32(os.Getpid())}, func(int32) bool { return true })
			th.close()
		}, unix.CAP_BPF, unix.CAP_PERFMON) {
			t.Errorf("%v works, but the capabilities are not there", source)
		}
	}
}

// TestCapabilitiesGivenUp taps more processes without the capabilities that the start needed, as Linux allows since
// 5.19; an older kernel's refusal is told.
func TestCapabilitiesGivenUp(t *testing.T) {
	for _, source := range sources(t) {
		th := openThreads(Config{Threads: source}.withDefaults(), newTable(Config{}.withDefaults()))
		powerless(t, func() { th.watch([]int32{int32(os.Getpid())}, func(int32) bool { return true }) })
		var value uint32
		tapped := th.tapped.Lookup(uint32(os.Getpid()), &value) == nil
		if err := th.stats().Err; tapped != (err == nil) || err != nil && !errors.Is(err, unix.EPERM) {
			t.Errorf("%v: tapped: %v, error %v", source, tapped, err)
		}
		th.close()
	}
}

func TestMoreProcessesThanRoom(t *testing.T) {
	for _, source := range sources(t) {
		th := openThreads(Config{Threads: source}.withDefaults(), newTable(Config{}.withDefaults()))
		pids := make([]int32, maxTapped+1)
		for i := range pids {
			pids[i] = int32(1<<24 + i)
		}
		th.watch(pids, func(int32) bool { return true })
		var explained *Error
		if err := th.stats().Err; !errors.As(err, &explained) || !errors.Is(err, unix.E2BIG) {
			t.Errorf("%v: %v", source, err)
		}
		th.close()
	}
}

func TestThreadsNotPermitted(t *testing.T) {
	powerless(t, func() {
		for _, source := range []ThreadSource{ThreadsBest, ThreadsSockets, ThreadsSyscalls} {
			o, err := New(Config{Threads: source})
			if err != nil {
				t.Errorf("%v: %v", source, err)
				return
			}
			o.threads.watch([]int32{1}, func(int32) bool { return true })
			o.SeenUnix(appEnd, peerEnd, 1)
			if pid, tid := o.Worker(appEnd, peerEnd, time.Now(), time.Now()); pid != 0 || tid != 0 {
				t.Errorf("%v: a Unix socket was used by %d, %d", source, pid, tid)
			}
			st := o.Stats().Threads
			var explained *Error
			if st.Source != ThreadsOff || !errors.As(st.Err, &explained) || !errors.Is(st.Err, unix.EPERM) || !strings.Contains(explained.Hint, "CAP_BPF") ||
				strings.Contains(st.Err.Error(), "MEMLOCK") {
				t.Errorf("%v: %+v", source, st)
			}
			if st := o.Stats(); st.Sockets != nil {
				t.Errorf("owners of sockets need no permission to be asked for: %v", st.Sockets)
			}
			o.closeAll()
		}
	})
}

// TestOpenFilesNotPermitted has an application server that perfd may not look into. A process with capabilities is
// one, for an observer of the same user without them.
func TestOpenFilesNotPermitted(t *testing.T) {
	a := startApp(t, "serve", "", 1, 0, "python3", "odoo-bin")
	powerless(t, func() {
		o, err := New(Config{Threads: ThreadsOff})
		if err != nil {
			t.Error(err)
			return
		}
		defer o.closeAll()
		newScanner(o).step(time.Now())
		server := o.Servers()[slices.IndexFunc(o.Servers(), func(s Server) bool { return s.Pid == a.pid })]
		_, err = os.Readlink(procs{o.cfg.Root}.path(a.pid, "fd/0"))
		var explained *Error
		st := o.Stats()
		if denied := errors.Is(err, os.ErrPermission); denied != (server.Denied == 1) || denied && !errors.As(st.Sockets, &explained) {
			t.Errorf("reading open files: %v; server: %+v, stats: %+v", err, server, st)
		}
		if explained != nil && !strings.Contains(explained.Hint, "CAP_SYS_PTRACE") {
			t.Errorf("hint: %s", explained.Hint)
		}
	})
}

// TestSocketsOfUsers has a server that perfd may not look into be told by the user whose sockets it has.
func TestSocketsOfUsers(t *testing.T) {
	pg := lab.PostgreSQL(t, lab.PostgresConfig{})
	for _, want := range []Link{{"tcp", pg.Addr.String(), 2}, {"unix", pg.SocketPath(), 2}} {
		t.Setenv("PERFD_TEST_HOLD", want.Network+" "+want.Address)
		const someone = 54321 // a user that nothing else on the machine runs as
		a, err := tryApp("serve", "", 1, 0, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: someone, Gid: someone}}, "python3", "odoo-bin")
		if errors.Is(err, unix.EPERM) {
			t.Log("programs may not be run as another user here")
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		powerless(t, func() {
			o, err := New(Config{Threads: ThreadsOff, DatabasePorts: []uint16{pg.Addr.Port()}})
			if err != nil {
				t.Error(err)
				return
			}
			defer o.closeAll()
			newScanner(o).step(time.Now())
			server := serverAt(o, a.addr)
			if server == nil || server.Pid != a.pid || !server.Inferred || server.Denied != 1 || len(server.Databases) != 1 || server.Databases[0] != want {
				t.Errorf("%s: %+v", want.Network, server)
			}
			if pid, _ := o.Worker(netip.MustParseAddrPort(a.addr), peerEnd, time.Now(), time.Now()); pid != 0 {
				t.Errorf("a guess became evidence: process %d", pid)
			}
		})
		a.stop()
	}
}

func TestNoProc(t *testing.T) {
	_, err := New(Config{Root: filepath.Join(t.TempDir(), "proc")})
	var explained *Error
	if !errors.As(err, &explained) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want one that says what to do", err)
	}
}
