package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func ownCapabilities() (capabilities, error) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("read status: %w", err)
	}
	return parseCapabilities(string(b))
}

func clock() (clockState, error) {
	var t unix.Timex // no mode: it only asks
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return clockState{}, fmt.Errorf("ask adjtimex: %w", err)
	}
	return clockState{
		synchronized: state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0,
		maxError:     time.Duration(t.Maxerror) * time.Microsecond,
	}, nil
}

func diskFree(path string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, fmt.Errorf("ask statfs: %w", err)
	}
	return int64(s.Bavail) * int64(s.Bsize), nil //nolint:unconvert // narrower on 32-bit machines
}

func writable(path string) error {
	return unix.Faccessat(unix.AT_FDCWD, path, unix.W_OK, unix.AT_EACCESS)
}

func listening() (map[uint16]bool, error) {
	ports := make(map[uint16]bool)
	var read error
	for _, name := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		b, err := os.ReadFile(name)
		if err != nil {
			read = err // a host without IPv6 has one of them
			continue
		}
		listeners(string(b), ports)
		read = nil
	}
	return ports, read
}

// memoryLimit is the bound of perfd's control group, else what the host has left.
func memoryLimit() (int64, string, error) {
	if own, err := os.ReadFile("/proc/self/cgroup"); err == nil {
		for line := range strings.Lines(string(own)) {
			if group, v2 := strings.CutPrefix(strings.TrimSpace(line), "0::"); v2 {
				b, err := os.ReadFile(filepath.Join("/sys/fs/cgroup", group, "memory.max"))
				if n, bad := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && bad == nil {
					return n, "is the limit of the control group", nil
				}
			}
		}
	}
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, "", fmt.Errorf("read meminfo: %w", err)
	}
	n, err := availableMemory(string(b))
	return n, "of memory available", err
}
