package process

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strconv"
)

// readTCPLine reads a line of /proc/PID/net/tcp or tcp6, which list the sockets of that process's network.
func readTCPLine(line []byte) (socket, bool) {
	f := bytes.Fields(line)
	if len(f) < 10 {
		return socket{}, false
	}
	local, ok1 := readTCPAddress(f[1])
	remote, ok2 := readTCPAddress(f[2])
	state, err1 := strconv.ParseUint(string(f[3]), 16, 8)
	user, err3 := strconv.ParseUint(string(f[7]), 10, 32)
	inode, err2 := strconv.ParseUint(string(f[9]), 10, 32)
	if !ok1 || !ok2 || err1 != nil || err2 != nil || err3 != nil {
		return socket{}, false
	}
	return socket{local: local, remote: remote, state: uint8(state), inode: uint32(inode), user: uint32(user)}, true
}

// readTCPAddress reads "0100007F:1F85": words of four bytes in the host's order, then the port.
func readTCPAddress(text []byte) (netip.AddrPort, bool) {
	address, port, ok := bytes.Cut(text, []byte(":"))
	if !ok || len(address) != 8 && len(address) != 32 {
		return netip.AddrPort{}, false
	}
	var b [16]byte
	for i := 0; i < len(address); i += 8 {
		word, err := strconv.ParseUint(string(address[i:i+8]), 16, 32)
		if err != nil {
			return netip.AddrPort{}, false
		}
		binary.NativeEndian.PutUint32(b[i/2:], uint32(word))
	}
	n, err := strconv.ParseUint(string(port), 16, 16)
	if err != nil {
		return netip.AddrPort{}, false
	}
	if len(address) == 8 {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[:4])), uint16(n)), true
	}
	return netip.AddrPortFrom(netip.AddrFrom16(b).Unmap(), uint16(n)), true
}
