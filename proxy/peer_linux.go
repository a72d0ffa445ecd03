package proxy

import (
	"net"

	"golang.org/x/sys/unix"
)

// peerPID returns the process that connected a Unix socket, as the kernel noted it then; 0 if not known.
func peerPID(conn net.Conn) int32 {
	raw := rawConn(conn)
	if raw == nil {
		return 0
	}
	var pid int32
	err := raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			pid = cred.Pid
		}
	})
	if err != nil {
		return 0
	}
	return pid
}
