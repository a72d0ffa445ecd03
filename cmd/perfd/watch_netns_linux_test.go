package main

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	linux "golang.org/x/sys/unix"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/store"
)

// inNamespaces marks the process that runs TestWatchHost with a network and mounts of its own.
const inNamespaces = "PERFD_TEST_NAMESPACES"

// TestWatchHost has a host go wrong that is made for that: its interfaces, its packets, its disks.
func TestWatchHost(t *testing.T) {
	if os.Getenv(inNamespaces) != "" {
		testHost(t)
		return
	}
	if capture.LivePermitted() != nil {
		canTap(t) // checks what is said then
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^TestWatchHost$", "-test.v", "-test.timeout=8m")
	cmd.Env = append(os.Environ(), inNamespaces+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: linux.CLONE_NEWNET | linux.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, linux.EPERM) {
		t.Logf("a network and mounts of its own take CAP_SYS_ADMIN: %v", err)
		return
	}
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestWatchHost (")) {
		t.Errorf("%v\n%s", err, out)
	}
}

func testHost(t *testing.T) {
	if err := linux.Mount("none", "/", "", linux.MS_REC|linux.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	tool(t, "ip", "link set lo up")
	t.Run("interface down and up", testInterfaceDown)
	t.Run("packets lost on the way", testPacketLoss)
	t.Run("packets lost to the tap", testMirrorLoss)
	t.Run("image", testImage)
	t.Run("disk full", testDiskFull)
	t.Run("disk that cannot be written", testReadOnly)
}

func tool(t *testing.T, name, args string) string {
	t.Helper()
	out, err := exec.Command(name, strings.Fields(args)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, args, err, out)
	}
	return string(out)
}

// testInterfaceDown has the only interface go down and up, and then one that the pages do not depend on.
func testInterfaceDown(t *testing.T) {
	o := newOffice(t, nil)
	w := startWatch(t, "--rpc-port", o.port, "--pg-port", "1", "--evidence-process", "off")
	w.sees(o, "before", 0)
	tool(t, "ip", "link set lo down")
	w.await(`interface cannot be tapped.*interface=lo state=down`)
	tool(t, "ip", "link set lo up")
	w.await(`interface is tapped again.*interface=lo`)
	until(t, "the interruption is told", func() bool {
		_, text := w.get("/metrics")
		return strings.Contains(text, `perfd_interface_downs_total{interface="lo"} 1`) && strings.Contains(text, `perfd_interface_up{interface="lo"} 1`)
	})
	w.sees(o, "after", 0)
	w.well()

	// Where the tapped interface is another than that of the pages, those tell while it is down.
	tool(t, "ip", "link add d0 type veth peer name d1")
	tool(t, "ip", "link set d1 up")
	tool(t, "ip", "link set d0 up")
	other := startPerfd(t, "watch", "--interface", "d0", "--rpc-port", o.port, "--pg-port", "1", "--evidence-process", "off",
		"--listen", "127.0.0.1:0", "--store", filepath.Join(t.TempDir(), "other.db"))
	d := &watch{perfdProcess: other, base: other.await(`perfd is serving on (http://\S+)`)[1]}
	until(t, "ready", func() bool { status, _ := d.get("/readyz"); return status == http.StatusOK })
	tool(t, "ip", "link set d0 down")
	until(t, "not ready", func() bool {
		status, body := d.get("/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "no interface is up")
	})
	until(t, "the pages and the figures tell", func() bool {
		state, _ := d.source("d0")
		_, text := d.get("/metrics")
		return state == "down" && strings.Contains(text, `perfd_interface_up{interface="d0"} 0`) && strings.Contains(text, `perfd_interface_downs_total{interface="d0"} 1`)
	})
	if status, _ := d.get("/healthz"); status != http.StatusOK {
		t.Errorf("/healthz: status %d while an interface is down", status)
	}
	tool(t, "ip", "link set d0 up")
	until(t, "ready again", func() bool { status, _ := d.get("/readyz"); return status == http.StatusOK })
	d.end()
	w.end()
}

// small mounts a file system of some size.
func small(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := linux.Mount("perfd", dir, "tmpfs", 0, options); err != nil {
		t.Fatalf("mount: %v", err)
	}
	t.Cleanup(func() { _ = linux.Unmount(dir, linux.MNT_DETACH) })
	return dir
}

func testDiskFull(t *testing.T) {
	o := newOffice(t, nil)
	dir := small(t, "size=8m")
	w := startWatchOf(t, filepath.Join(dir, "full.db"), "--rpc-port", o.port, "--pg-port", "1", "--evidence-process", "off")
	w.sees(o, "before", 0)
	ballast := filepath.Join(dir, "ballast")
	fill(t, ballast)
	for n := 0; ; n++ {
		o.call(50, "meanwhile")
		if status, body := w.get("/readyz"); status == http.StatusServiceUnavailable && strings.Contains(body, "the store cannot be written") {
			break
		}
		if n > 400 {
			t.Fatalf("the disk is full, and nothing says so: %s", w.stderr())
		}
	}
	w.await(`calls cannot be stored.*no room left`)
	if w.metric("store_errors_total") == 0 {
		t.Error("no error is counted")
	}
	until(t, "the pages say so", func() bool { return strings.Contains(w.condition().Store.Error, "full") })
	until(t, "lost calls are counted", func() bool {
		o.call(50, "meanwhile")
		return w.metric("store_lost_traces_total") > 0 && w.condition().Store.Lost > 0
	})
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	o.call(10, "room")
	until(t, "writing goes on", func() bool { status, _ := w.get("/readyz"); return status == http.StatusOK })
	w.sees(o, "after", 0)
	w.well()
	until(t, "the pages say that it is mended", func() bool { return w.condition().Store.Error == "" })
	w.end()
	s, err := store.Open(w.store, store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Scan(t.Context(), store.Filter{AllCalls: true}, func(*store.Brief) {}); err != nil {
		t.Errorf("the store after a full disk: %v", err)
	}
}

// fill writes a file until there is no room.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 4096)
	for err == nil {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	_ = f.Close()
}

func testReadOnly(t *testing.T) {
	dir := small(t, "ro,size=1m")
	began := time.Now()
	p := startPerfd(t, "watch", "--interface", "lo", "--rpc-port", "1", "--pg-port", "2", "--evidence-process", "off",
		"--listen", "127.0.0.1:0", "--store", filepath.Join(dir, "x.db"))
	<-p.ended
	said := p.stderr()
	if code := p.cmd.ProcessState.ExitCode(); code != exitFailure || !strings.Contains(said, "read-only file system") || strings.Count(said, "\n") != 1 {
		t.Errorf("exit %d after %v, said %s", code, time.Since(began), said)
	}
}
