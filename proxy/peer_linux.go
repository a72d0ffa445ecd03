package proxy

import (
	"net"

	"golang.org/x/sys/unix"
)

// unixPeer returns the process at the other end of a Unix socket, which connected it or began to listen, as the
// kernel noted it then, and the inode number of perfd's own end; 0 if not known.
func unixPeer(conn net.Conn) (pid int32, inode uint64) {
	raw := rawConn(conn)
	if raw == nil {
		return 0, 0
	}
	err := raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			pid = cred.Pid
		}
		var st unix.Stat_t
		if unix.Fstat(int(fd), &st) == nil {
			inode = st.Ino
		}
	})
	if err != nil {
		return 0, 0
	}
	return pid, inode
}
