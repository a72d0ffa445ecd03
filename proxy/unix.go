package proxy

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
)

// Connections over Unix sockets have no addresses, and calls and statements are told apart by theirs. Those that
// perfd makes up lie in 100::/64, which no packet ever carries (RFC 6666): the client's holds a number that
// counts connections, the server's is 100::, with the port in the name of PostgreSQL's socket.
var discard = netip.MustParsePrefix("100::/64")

var lastUnix atomic.Uint64

// IsUnix tells whether an address stands for an end of a Unix socket.
func IsUnix(a netip.AddrPort) bool { return discard.Contains(a.Addr()) }

// unixEnds makes up the addresses of a connection.
func unixEnds(port uint16) (client, server netip.AddrPort) {
	n := lastUnix.Add(1)
	b := discard.Addr().As16()
	server = netip.AddrPortFrom(netip.AddrFrom16(b), port)
	binary.BigEndian.PutUint64(b[8:], n)
	return netip.AddrPortFrom(netip.AddrFrom16(b), uint16(1+n%65535)), server
}
