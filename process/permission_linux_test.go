package process

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
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

func TestThreadsNotPermitted(t *testing.T) {
	powerless(t, func() {
		for _, source := range []ThreadSource{ThreadsBest, ThreadsSockets, ThreadsSyscalls} {
			o, err := New(Config{Threads: source})
			if err != nil {
				t.Errorf("%v: %v", source, err)
				return
			}
			o.threads.watch([]int32{1}, func(int32) bool { return true })
			st := o.Stats().Threads
			var explained *Error
			if st.Source != ThreadsOff || !errors.As(st.Err, &explained) || !errors.Is(st.Err, unix.EPERM) || !strings.Contains(explained.Hint, "CAP_BPF") {
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

func TestNoProc(t *testing.T) {
	_, err := New(Config{Root: filepath.Join(t.TempDir(), "proc")})
	var explained *Error
	if !errors.As(err, &explained) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want one that says what to do", err)
	}
}
