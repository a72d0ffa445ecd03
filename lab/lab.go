// Package lab starts real servers for tests: PostgreSQL, trytond on it and Redis, from the programs that the
// machine has installed, and a crowd of users that works with them. trytond notes what each request really did,
// so that what perfd makes of the traffic can be scored.
//
// All servers listen on 127.0.0.1 and on Unix sockets in a folder of their own, and end with the test that
// started them. Started by root, PostgreSQL runs as the user postgres and the others as nobody.
package lab

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Limits of waiting for a server.
const (
	startLimit = 60 * time.Second
	stopLimit  = 10 * time.Second
)

// account is who a server runs as; nil is the one who runs the test.
type account struct{ uid, gid uint32 }

// servant is the account of that name if the test runs as root.
func servant(t testing.TB, name, debian string) *account {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatalf("look up user %s: %v: install the Debian package %s", name, err, debian)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err1 != nil || err2 != nil {
		t.Fatalf("look up user %s: ids %q and %q are no numbers", name, u.Uid, u.Gid)
	}
	return &account{uint32(uid), uint32(gid)}
}

// folder makes a folder that belongs to a, that other accounts can pass through and that ends with the test. It
// is not t.TempDir, which they cannot reach.
func folder(t testing.TB, a *account) string {
	t.Helper()
	base := "/var/tmp" // short, because paths of Unix sockets are limited to about 100 bytes
	if _, err := os.Stat(base); err != nil {
		base = ""
	}
	dir, err := os.MkdirTemp(base, "perfd-lab-")
	if err != nil {
		t.Fatalf("make a folder for a server: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // others pass through it
		t.Fatalf("open the folder of a server: %v", err)
	}
	own(t, dir, a)
	return dir
}

// Folder makes a folder that all servers can reach, for sockets. It ends with the test.
func Folder(t testing.TB) string {
	t.Helper()
	return folder(t, nil)
}

// own gives a file or folder to a.
func own(t testing.TB, name string, a *account) {
	t.Helper()
	if a == nil {
		return
	}
	if err := os.Chown(name, int(a.uid), int(a.gid)); err != nil {
		t.Fatalf("give %s away: %v", name, err)
	}
}

// write makes a file that belongs to a.
func write(t testing.TB, name string, a *account, mode os.FileMode, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatalf("write %s: %v", name, err)
	}
	own(t, name, a)
}

// program finds a program or tells which Debian package has it.
func program(t testing.TB, name, debian string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("find %s: %v: install the Debian package %s", name, err, debian)
	}
	return path
}

// FreePort finds a port of 127.0.0.1 that nobody listens on. It lies below those that the kernel gives to
// clients, so that none of them takes it before the server does.
func FreePort(t testing.TB) uint16 {
	t.Helper()
	for range 100 {
		port := uint16(20000 + rand.IntN(12000))
		l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(loopback(port)))
		if err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("find a free port: 100 attempts failed")
	return 0
}

func loopback(port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
}

// accepts tells whether somebody listens at addr.
func accepts(network, addr string) bool {
	c, err := net.DialTimeout(network, addr, time.Second)
	if err == nil {
		_ = c.Close()
	}
	return err == nil
}

// server is a running program.
type server struct {
	name string
	log  string // file with its output
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// start runs a program as a in dir, with what it says going to a log file, and waits until ready says so. It
// is stopped by sig at the end of the test.
func start(t testing.TB, name, dir string, a *account, sig syscall.Signal, ready func() bool, env []string, argv ...string) *server {
	t.Helper()
	s := &server{name: name, log: dir + "/" + name + ".log", done: make(chan struct{})}
	out, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644) //nolint:gosec // a log of a test
	if err != nil {
		t.Fatalf("open the log of %s: %v", name, err)
	}
	defer out.Close()
	own(t, s.log, a)
	s.cmd = command(dir, a, env, argv...)
	s.cmd.Stdout, s.cmd.Stderr = out, out
	if err := launch(s.cmd); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.done)
	}()
	t.Cleanup(func() { s.stop(sig) })
	limit := time.After(startLimit)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !ready() {
		select {
		case <-again.C:
		case <-s.done:
			t.Fatalf("start %s: it ended at once:\n%s", name, s.tail())
		case <-limit:
			t.Fatalf("start %s: not ready after %v:\n%s", name, startLimit, s.tail())
		}
	}
	return s
}

// command is a program that is going to run as a in dir, and not longer than the test if the system can do that.
func command(dir string, a *account, env []string, argv ...string) *exec.Cmd {
	c := exec.Command(argv[0], argv[1:]...)
	c.Dir = dir
	c.Env = append(os.Environ(), append([]string{"HOME=" + dir}, env...)...)
	c.SysProcAttr = mortal()
	if a != nil {
		c.SysProcAttr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	return c
}

// launch starts programs from one thread that never ends: the kernel takes a program's starter to be a thread.
func launch(c *exec.Cmd) error {
	failed := make(chan error)
	launcher() <- func() { failed <- c.Start() }
	return <-failed
}

var launcher = sync.OnceValue(func() chan<- func() {
	jobs := make(chan func())
	go func() {
		runtime.LockOSThread()
		for job := range jobs {
			job()
		}
	}()
	return jobs
})

// do runs a program to its end.
func do(t testing.TB, dir string, a *account, env []string, argv ...string) {
	t.Helper()
	c := command(dir, a, env, argv...)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := launch(c)
	if err == nil {
		err = c.Wait()
	}
	if err != nil {
		t.Fatalf("run %s: %v\n%s", strings.Join(argv, " "), err, out.Bytes())
	}
}

// stop ends the server and waits for its end.
func (s *server) stop(sig syscall.Signal) {
	select {
	case <-s.done:
		return
	default:
	}
	_ = s.cmd.Process.Signal(sig)
	select {
	case <-s.done:
	case <-time.After(stopLimit):
		_ = s.cmd.Process.Kill()
		<-s.done
	}
}

// tail is the end of what the server said.
func (s *server) tail() string {
	b, err := os.ReadFile(s.log)
	if err != nil {
		return fmt.Sprint(err)
	}
	return string(b[max(0, len(b)-4000):])
}
