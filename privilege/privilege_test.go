//go:build linux

package privilege_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/perfd/perfd/privilege"
)

// child names the environment variable that makes the test's binary drop its privileges and say what is left.
const child = "PERFD_TEST_KEEP"

func TestMain(m *testing.M) {
	keep, is := os.LookupEnv(child)
	if !is {
		os.Exit(m.Run())
	}
	if err := drop(keep); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// drop drops everything while several threads run, and prints the state of each thread.
func drop(keep string) error {
	var ready, done sync.WaitGroup
	stop := make(chan struct{})
	for range 5 {
		ready.Add(1)
		done.Go(func() {
			runtime.LockOSThread()
			ready.Done()
			<-stop
		})
	}
	ready.Wait()
	var list []privilege.Capability
	if keep == "net_raw" {
		list = append(list, privilege.NetRaw)
	}
	if err := privilege.Drop(list...); errors.Is(err, privilege.ErrCgo) {
		fmt.Println("cgo")
		return nil
	} else if err != nil {
		return err
	}
	if err := privilege.Drop(list...); err != nil {
		return fmt.Errorf("second time: %w", err)
	}
	fmt.Println("has", privilege.Has(privilege.NetRaw), privilege.Has(privilege.SetPCap))
	files, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil {
		return err
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		fmt.Println("thread")
		for line := range strings.Lines(string(b)) {
			if strings.HasPrefix(line, "Cap") || strings.HasPrefix(line, "NoNewPrivs") {
				fmt.Print(line)
			}
		}
	}
	// A socket that needs the capability.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM, 0)
	fmt.Println("socket", err == nil)
	if err == nil {
		_ = unix.Close(fd)
	}
	close(stop)
	done.Wait()
	return nil
}

func TestDrop(t *testing.T) {
	all := func() bool { return privilege.Has(privilege.NetRaw) && privilege.Has(privilege.SetPCap) }()
	for _, c := range []struct {
		keep, mask string
		socket     bool
	}{
		{"nothing", "0000000000000000", false},
		{"net_raw", "0000000000002000", true},
	} {
		t.Run(c.keep, func(t *testing.T) {
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(self)
			cmd.Env = append(os.Environ(), child+"="+c.keep)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if string(out) == "cgo\n" {
				if !builtWithCgo {
					t.Error("dropping is said to need a build without cgo, in one")
				}
				return
			}
			mask := c.mask
			if !all { // a user without capabilities has nothing to keep
				mask = "0000000000000000"
			}
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			threads := 0
			for _, line := range lines {
				name, value, _ := strings.Cut(line, ":\t")
				switch name {
				case "thread":
					threads++
				case "CapPrm", "CapEff":
					if value != mask {
						t.Errorf("thread %d: %s, want %s", threads, line, mask)
					}
				case "CapBnd":
					if all && value != c.mask {
						t.Errorf("thread %d: %s, want %s", threads, line, c.mask)
					}
				case "CapInh", "CapAmb":
					if value != "0000000000000000" {
						t.Errorf("thread %d: %s, want none", threads, line)
					}
				case "NoNewPrivs":
					if value != "1" {
						t.Errorf("thread %d: %s, want 1", threads, line)
					}
				}
			}
			if threads < 6 {
				t.Errorf("%d threads seen, want those five that wait and the main one", threads)
			}
			for _, want := range []string{
				fmt.Sprintf("has %v false", c.socket && all),
				fmt.Sprintf("socket %v", c.socket && all),
			} {
				if !slices.Contains(lines, want) {
					t.Errorf("no line %q in\n%s", want, out)
				}
			}
		})
	}
}

func TestNames(t *testing.T) {
	for c, want := range map[privilege.Capability]string{
		privilege.NetRaw: "CAP_NET_RAW", privilege.BPF: "CAP_BPF", privilege.Perfmon: "CAP_PERFMON",
		privilege.SysPtrace: "CAP_SYS_PTRACE", privilege.SetPCap: "CAP_SETPCAP", privilege.DACOverride: "CAP_DAC_OVERRIDE", 7: "capability 7",
	} {
		if c.String() != want {
			t.Errorf("%d is named %s, want %s", c, c, want)
		}
	}
	if privilege.Has(200) {
		t.Error("a capability that does not exist is in effect")
	}
}
