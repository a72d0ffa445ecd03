package process

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
)

// The messages of sock_diag(7), netlink's way of asking for sockets. They are in the byte order of the host
// except for addresses and ports.
const (
	headerBytes     = 16 // struct nlmsghdr
	attrBytes       = 4  // struct nlattr
	inetBytes       = 72 // struct inet_diag_msg
	unixBytes       = 16 // struct unix_diag_msg
	diagByFamily    = 20
	messageDone     = 3
	messageError    = 2
	familyUnix      = 1
	familyIPv4      = 2
	familyIPv6      = 10
	protocolTCP     = 6
	stateListen     = 10
	stateEstab      = 1
	unixName        = 0 // UNIX_DIAG_NAME
	unixPeer        = 2 // UNIX_DIAG_PEER
	unixUser        = 7 // UNIX_DIAG_UID, since Linux 5.3
	flagRequest     = 1
	flagDump        = 0x300
	askUnixName     = 1
	askUnixPeer     = 4
	askUnixUser     = 64
	maxSocketName   = 108
	establishedMask = 1<<1 | 1<<4 | 1<<5 | 1<<8 | 1<<9 // established, both FIN-WAITs, CLOSE-WAIT, LAST-ACK
)

// socket is what the kernel says of one socket. Inode 0: no process has it (yet, or any more).
type socket struct {
	local, remote netip.AddrPort
	path          string // of a Unix socket
	inode, peer   uint32
	user          uint32
	state         uint8
}

func header(b []byte, flags uint16, seq uint32) {
	binary.NativeEndian.PutUint32(b[0:], uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], diagByFamily)
	binary.NativeEndian.PutUint16(b[6:], flags)
	binary.NativeEndian.PutUint32(b[8:], seq)
}

// inetRequest asks for TCP sockets: the one of a whole connection, or, with dump, all that are in the states.
func inetRequest(seq uint32, family uint8, states uint32, dump bool, local, remote netip.AddrPort) []byte {
	b := make([]byte, headerBytes+56)
	flags := uint16(flagRequest)
	if dump {
		flags |= flagDump
	}
	header(b, flags, seq)
	r := b[headerBytes:]
	r[0], r[1] = family, protocolTCP
	binary.NativeEndian.PutUint32(r[4:], states)
	id := r[8:]
	binary.BigEndian.PutUint16(id[0:], local.Port())
	binary.BigEndian.PutUint16(id[2:], remote.Port())
	copy(id[4:20], addressBytes(local.Addr(), family))
	copy(id[20:36], addressBytes(remote.Addr(), family))
	binary.NativeEndian.PutUint64(id[40:], ^uint64(0)) // no cookie
	return b
}

func addressBytes(a netip.Addr, family uint8) []byte {
	if family == familyIPv4 && a.Unmap().Is4() {
		b := a.Unmap().As4()
		return b[:]
	}
	b := a.As16()
	return b[:]
}

// unixRequest asks for all Unix sockets with their names and peers.
func unixRequest(seq uint32) []byte {
	b := make([]byte, headerBytes+24)
	header(b, flagRequest|flagDump, seq)
	r := b[headerBytes:]
	r[0] = familyUnix
	binary.NativeEndian.PutUint32(r[4:], 1<<stateEstab|1<<stateListen)
	binary.NativeEndian.PutUint32(r[12:], askUnixName|askUnixPeer|askUnixUser)
	binary.NativeEndian.PutUint64(r[16:], ^uint64(0))
	return b
}

// diagError is what the kernel answered instead of a socket.
type diagError struct{ errno int32 }

func (e diagError) Error() string { return fmt.Sprintf("sock_diag error %d", e.errno) }

// readMessages reads the netlink messages of one datagram and gives each socket in them to yield. Messages of other
// requests are skipped. It reports whether the answer is complete.
func readMessages(b []byte, seq uint32, yield func(socket)) (done bool, err error) {
	for len(b) >= headerBytes {
		size := int64(binary.NativeEndian.Uint32(b))
		if size < headerBytes || size > int64(len(b)) {
			return true, fmt.Errorf("read netlink message: %d bytes announced, %d there", size, len(b))
		}
		kind, own := binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint32(b[8:]) == seq
		body := b[headerBytes:size]
		b = b[min(int64(len(b)), (size+3)&^3):]
		if !own {
			continue
		}
		switch kind {
		case messageDone:
			return true, nil
		case messageError:
			if len(body) < 4 {
				return true, fmt.Errorf("read netlink error: %d bytes", len(body))
			}
			return true, diagError{-int32(binary.NativeEndian.Uint32(body))}
		case diagByFamily:
			if s, ok := readSocket(body); ok {
				yield(s)
			}
		}
	}
	return false, nil
}

func readSocket(b []byte) (socket, bool) {
	if len(b) == 0 {
		return socket{}, false
	}
	switch b[0] {
	case familyIPv4, familyIPv6:
		return readInet(b)
	case familyUnix:
		return readUnix(b)
	}
	return socket{}, false
}

func readInet(b []byte) (socket, bool) {
	if len(b) < inetBytes {
		return socket{}, false
	}
	s := socket{state: b[1], user: binary.NativeEndian.Uint32(b[64:]), inode: binary.NativeEndian.Uint32(b[68:])}
	id := b[4:]
	s.local = addrPort(b[0], id[4:20], id[0:2])
	s.remote = addrPort(b[0], id[20:36], id[2:4])
	return s, true
}

func addrPort(family uint8, addr, port []byte) netip.AddrPort {
	a := netip.AddrFrom4([4]byte(addr))
	if family == familyIPv6 {
		a = netip.AddrFrom16([16]byte(addr)).Unmap()
	}
	return netip.AddrPortFrom(a, binary.BigEndian.Uint16(port))
}

func readUnix(b []byte) (socket, bool) {
	if len(b) < unixBytes {
		return socket{}, false
	}
	s := socket{state: b[2], inode: binary.NativeEndian.Uint32(b[4:])}
	for b = b[unixBytes:]; len(b) >= attrBytes; {
		size := int(binary.NativeEndian.Uint16(b))
		if size < attrBytes || size > len(b) {
			break
		}
		value := b[attrBytes:size]
		switch binary.NativeEndian.Uint16(b[2:]) {
		case unixName:
			s.path = clipPath(value)
		case unixPeer:
			if len(value) >= 4 {
				s.peer = binary.NativeEndian.Uint32(value)
			}
		case unixUser:
			if len(value) >= 4 {
				s.user = binary.NativeEndian.Uint32(value)
			}
		}
		b = b[min(len(b), (size+3)&^3):]
	}
	return s, true
}

func clipPath(b []byte) string {
	return strings.TrimRight(string(b[:min(len(b), maxSocketName)]), "\x00")
}
