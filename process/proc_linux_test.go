package process

import (
	"io"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

func TestProc(t *testing.T) {
	p, own := procs{"/proc"}, int32(os.Getpid())
	st, err := p.status(own)
	if err != nil || st.parent != int32(os.Getppid()) || st.started == 0 || st.command == "" {
		t.Errorf("status %+v, %v", st, err)
	}
	if user, ok := p.user(own); !ok || user != uint32(os.Geteuid()) {
		t.Errorf("user %d, %v, want %d", user, ok, os.Geteuid())
	}
	if p.network(own) == "" {
		t.Error("own network is not known")
	}
	found := false
	if err := p.pids(func(pid int32) { found = found || pid == own }); err != nil || !found {
		t.Errorf("own process found: %v, %v", found, err)
	}
	st, ok := readStatus([]byte("7 (a) (b) x) S 3 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 1\n"))
	if !ok || st != (status{command: "a) (b) x", parent: 3, started: 4711}) {
		t.Errorf("%+v, %v", st, ok)
	}
	for link, want := range map[string]uint32{"socket:[4294967295]": 4294967295, "socket:[]": 0, "socket:[12": 0, "pipe:[12]": 0, "socket:[4294967296]": 0, "socket:[-1]": 0} {
		if got, ok := socketInode([]byte(link)); ok != (want != 0) || ok && got != want {
			t.Errorf("%s: %d, %v", link, got, ok)
		}
	}
}

func FuzzStatus(f *testing.F) {
	f.Add([]byte("7 (a) S 3 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 1\n"))
	f.Add([]byte("socket:[1]"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		readStatus(b)
		socketInode(b)
	})
}

// TestEnded asks for the sockets of a process that has ended and that nobody has waited for: it has none, which is
// not the same as that they may not be looked at.
func TestEnded(t *testing.T) {
	ended := exec.Command("true")
	out, err := ended.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := ended.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(out); err != nil {
		t.Fatal(err)
	}
	p, pid := procs{"/proc"}, int32(ended.Process.Pid)
	var left unix.Siginfo
	if err := unix.Waitid(unix.P_PID, int(pid), &left, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	if err := p.sockets(pid, func(inode uint32) { t.Errorf("socket %d", inode) }); err != nil {
		t.Error(err)
	}
	if err := ended.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := p.sockets(pid, func(uint32) {}); err == nil {
		t.Error("a process that is gone has files")
	}
}
