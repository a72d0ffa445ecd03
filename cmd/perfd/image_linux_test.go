package main

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	linux "golang.org/x/sys/unix"
)

// container is a root folder as the image has it, deploy/docker/Dockerfile: the program, two folders to write to, and
// nothing else but the /proc that every container gets.
type container struct {
	root string
	uid  uint32
	caps []int // what the program may have at most
	last bool  // no exec gives more: no_new_privs
}

const imageUser = 65532

// fileCapabilities is the value of security.capability for cap_net_raw+ep: revision 2, effective, permitted,
// inheritable (linux/capability.h).
func fileCapabilities() []byte {
	value := make([]byte, 20)
	binary.LittleEndian.PutUint32(value, 0x02000001)
	binary.LittleEndian.PutUint32(value[4:], 1<<linux.CAP_NET_RAW)
	return value
}

// newImage makes the root folder.
func newImage(t *testing.T) (root string) {
	t.Helper()
	root = t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil { // the image's user passes through
		t.Fatal(err)
	}
	for _, dir := range []string{"usr/bin", "var/lib/perfd", "tmp", "proc"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"var/lib/perfd", "tmp"} {
		if err := os.Chmod(filepath.Join(root, dir), 0o777|os.ModeSticky); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(root, "usr/bin/perfd")
	static(t, program)
	if err := linux.Setxattr(program, "security.capability", fileCapabilities(), 0); err != nil {
		t.Fatal(err)
	}
	proc := filepath.Join(root, "proc")
	if err := linux.Mount("proc", proc, "proc", linux.MS_NOSUID|linux.MS_NODEV|linux.MS_NOEXEC, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = linux.Unmount(proc, linux.MNT_DETACH) })
	return root
}

// static puts a program there that needs no other file: this one or, where it was built with cgo, one built without.
func static(t *testing.T, to string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		build := exec.Command("go", "build", "-o", to, ".")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build perfd: %v: %s", err, out)
		}
		return
	}
	in, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

// start starts perfd in a container.
func (c container) start(t *testing.T, args ...string) *perfdProcess {
	t.Helper()
	cmd := exec.Command("/usr/bin/perfd", args...)
	cmd.Dir, cmd.Env = "/var/lib/perfd", []string{"PATH=/usr/bin", runAsPerfd + "=1"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: c.root, Credential: &syscall.Credential{Uid: c.uid, Gid: c.uid}}
	started := make(chan *perfdProcess)
	go func() {
		defer close(started)
		runtime.LockOSThread() // and never unlocked: what the thread gives up ends with it
		for capability := 0; capability <= linux.CAP_LAST_CAP; capability++ {
			if slices.Contains(c.caps, capability) {
				continue
			}
			if err := linux.Prctl(linux.PR_CAPBSET_DROP, uintptr(capability), 0, 0, 0); err != nil && err != linux.EINVAL {
				t.Errorf("drop capability %d: %v", capability, err)
			}
		}
		if c.last {
			if err := linux.Prctl(linux.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
				t.Error(err)
			}
		}
		started <- startCommand(t, cmd)
	}()
	p := <-started
	if p == nil {
		t.Fatal("perfd was not started")
	}
	return p
}

// testImage runs perfd as the image does: by itself, in the two forms that docs/operations.md names.
func testImage(t *testing.T) {
	o := newOffice(t, nil)
	for _, form := range []struct {
		name string
		container
	}{
		{"as another user with the capability on the program", container{uid: imageUser, caps: []int{linux.CAP_NET_RAW}}},
		{"as root without other capabilities", container{caps: []int{linux.CAP_NET_RAW}, last: true}},
	} {
		t.Run(form.name, func(t *testing.T) {
			c := form.container
			c.root = newImage(t)
			said := func(args ...string) string {
				p := c.start(t, args...)
				<-p.ended
				return p.out.String() + p.stderr()
			}
			if text := said("version"); !strings.HasPrefix(text, "perfd ") {
				t.Errorf("perfd version: %s", text)
			}
			if text := said("doctor", "--rpc-port", o.port, "--pg-port", "1"); !regexp.MustCompile(`(?m)^ok +packet tap +packets may be tapped$`).MatchString(text) || strings.Contains(text, "lacks CAP_NET_RAW") {
				t.Errorf("perfd doctor: %s", text)
			}
			p := c.start(t, "watch", "--rpc-port", o.port, "--pg-port", "1")
			w := &watch{perfdProcess: p, base: p.await(`perfd is serving on (http://\S+)`)[1]}
			w.sees(o, "inside", 0)
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{
				fmt.Sprintf(`(?m)^Uid:\t%d\t`, c.uid), `(?m)^CapEff:\t0000000000002000$`, `(?m)^CapPrm:\t0000000000002000$`, `(?m)^CapBnd:\t0000000000002000$`,
			} {
				if !regexp.MustCompile(want).Match(status) {
					t.Errorf("%s is not so:\n%s", want, status)
				}
			}
			w.end()
			files, err := filepath.Glob(filepath.Join(c.root, "var/lib/perfd", "*"))
			if err != nil || len(files) != 1 {
				t.Fatalf("files %v, %v", files, err)
			}
			info, err := os.Stat(files[0])
			if err != nil {
				t.Fatal(err)
			}
			if owner := info.Sys().(*syscall.Stat_t).Uid; info.Mode() != 0o600 || owner != c.uid {
				t.Errorf("%s has mode %v and is of %d", files[0], info.Mode(), owner)
			}
			if text := said("analyze", filepath.Join("/var/lib/perfd", filepath.Base(files[0]))); !strings.Contains(text, "res.partner.inside") {
				t.Errorf("perfd analyze: %s", text)
			}
		})
	}
}
