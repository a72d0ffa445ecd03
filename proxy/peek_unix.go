//go:build unix

package proxy

import "syscall"

// peek looks at what a connection's peer did.
func peek(raw syscall.RawConn) peerState {
	state := peerUnknown
	if raw == nil {
		return state
	}
	err := raw.Control(func(fd uintptr) {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		switch {
		case err == syscall.EAGAIN || err == syscall.EINTR: //nolint:errorlint // a bare errno
			state = peerSilent
		case err != nil || n == 0:
			state = peerGone
		default:
			state = peerTalks
		}
	})
	if err != nil {
		return peerGone
	}
	return state
}
