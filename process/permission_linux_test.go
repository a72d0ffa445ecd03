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

// powerless runs f on a thread without any capability, which ends with it.
func powerless(t *testing.T, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: no other goroutine may get this thread
		err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &make([]unix.CapUserData, 2)[0])
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatalf("give up capabilities: %v", err)
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
