package process

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	maxCmdline = 4096
	maxFiles   = 1 << 16 // of one process that are looked at
)

// procs reads the proc file system.
type procs struct{ root string }

func (p procs) path(pid int32, name string) string {
	return p.root + "/" + strconv.Itoa(int(pid)) + "/" + name
}

// pids calls yield for each process.
func (p procs) pids(yield func(pid int32)) error {
	d, err := os.Open(p.root)
	if err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	for _, name := range names {
		if pid, err := strconv.ParseInt(name, 10, 32); err == nil && pid > 0 {
			yield(int32(pid))
		}
	}
	return nil
}

// head reads the beginning of a small file.
func (p procs) head(pid int32, name string, buf []byte) ([]byte, error) {
	fd, err := unix.Open(p.path(pid, name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	n, err := unix.Read(fd, buf)
	_ = unix.Close(fd)
	if err != nil {
		return nil, err
	}
	return buf[:n], nil
}

// status is what /proc/PID/stat says.
type status struct {
	command string
	parent  int32
	started uint64 // ticks since boot; with the pid it names a process for good
}

func (p procs) status(pid int32) (status, error) {
	var buf [512]byte
	b, err := p.head(pid, "stat", buf[:])
	if err != nil {
		return status{}, err
	}
	s, ok := readStatus(b)
	if !ok {
		return status{}, fmt.Errorf("read stat of process %d: not understood", pid)
	}
	return s, nil
}

// readStatus reads a line whose second word is a command in parentheses, which may hold any byte.
func readStatus(b []byte) (status, bool) {
	open, closed := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || closed < open {
		return status{}, false
	}
	rest := bytes.Fields(b[closed+1:])
	if len(rest) < 20 {
		return status{}, false
	}
	parent, err := strconv.ParseInt(string(rest[1]), 10, 32)
	if err != nil {
		return status{}, false
	}
	started, err := strconv.ParseUint(string(rest[19]), 10, 64)
	if err != nil {
		return status{}, false
	}
	return status{command: string(b[open+1 : closed]), parent: int32(parent), started: started}, true
}

// user is the one that a process acts as.
func (p procs) user(pid int32) (uint32, bool) {
	var buf [2048]byte
	b, err := p.head(pid, "status", buf[:])
	if err != nil {
		return 0, false
	}
	_, rest, ok := bytes.Cut(b, []byte("\nUid:"))
	if !ok {
		return 0, false
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	f := bytes.Fields(line) // real, effective, saved, for files
	if len(f) < 2 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(f[1]), 10, 32)
	return uint32(n), err == nil
}

// sockets yields the inodes of the sockets that a process has open.
func (p procs) sockets(pid int32, yield func(inode uint32)) error {
	d, err := os.Open(p.path(pid, "fd"))
	if err != nil {
		return err
	}
	defer d.Close()
	names, err := d.Readdirnames(maxFiles)
	if err != nil && !errors.Is(err, io.EOF) && len(names) == 0 { // one that has ended has none, until its parent takes note
		return err
	}
	var buf [64]byte
	for _, name := range names {
		n, err := unix.Readlinkat(int(d.Fd()), name, buf[:])
		switch {
		case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
			return err // of another user, or more powerful than perfd: none of its files may be looked at
		case err != nil:
			continue // closed meanwhile
		}
		if inode, ok := socketInode(buf[:n]); ok {
			yield(inode)
		}
	}
	return nil
}

// socketInode reads "socket:[123]".
func socketInode(link []byte) (uint32, bool) {
	rest, ok := bytes.CutPrefix(link, []byte("socket:["))
	if !ok || len(rest) < 2 || rest[len(rest)-1] != ']' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(rest[:len(rest)-1]), 10, 32)
	return uint32(n), err == nil
}

// network names the network that a process is in; empty if it may not be known.
func (p procs) network(pid int32) string {
	name, err := os.Readlink(p.path(pid, "ns/net"))
	if err != nil {
		return ""
	}
	return name
}

// tcp yields the TCP sockets of a process's network that are in the states.
func (p procs) tcp(pid int32, states uint32, yield func(socket)) {
	for _, name := range []string{"net/tcp", "net/tcp6"} {
		f, err := os.Open(p.path(pid, name))
		if err != nil {
			continue
		}
		lines := bufio.NewScanner(f)
		for n := 0; n < maxFiles && lines.Scan(); n++ {
			if s, ok := readTCPLine(lines.Bytes()); ok && s.state < 32 && states&(1<<s.state) != 0 {
				yield(s)
			}
		}
		_ = f.Close()
	}
}
