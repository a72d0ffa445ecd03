package process

import (
	"container/list"
	"encoding/binary"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// record makes a record as the kernel's side writes it.
func record(l layout, local, remote netip.AddrPort, pid, tid int32, at uint64) []byte {
	b := make([]byte, recordSock+int(l.span))
	binary.NativeEndian.PutUint64(b[recordTime:], at)
	binary.NativeEndian.PutUint64(b[recordWho:], uint64(pid)<<32|uint64(uint32(tid)))
	sock := b[recordSock:]
	binary.NativeEndian.PutUint16(sock[l.localPort:], local.Port())
	binary.BigEndian.PutUint16(sock[l.remotePort:], remote.Port())
	if local.Addr().Is4() {
		binary.NativeEndian.PutUint16(sock[l.family:], unix.AF_INET)
		copy(sock[l.local4:], local.Addr().AsSlice())
		copy(sock[l.remote4:], remote.Addr().AsSlice())
		return b
	}
	binary.NativeEndian.PutUint16(sock[l.family:], unix.AF_INET6)
	copy(sock[l.local6:], local.Addr().AsSlice())
	copy(sock[l.remote6:], remote.Addr().AsSlice())
	return b
}

// unixRecord makes a record of a Unix socket.
func unixRecord(inode uint64) []byte {
	b := make([]byte, recordSock+int(testLayout.span))
	binary.NativeEndian.PutUint64(b[recordWho:], 1<<32|2)
	binary.NativeEndian.PutUint64(b[recordInode:], inode)
	binary.NativeEndian.PutUint16(b[recordSock+testLayout.family:], unix.AF_UNIX)
	return b
}

var testLayout = layout{family: 16, localPort: 14, remotePort: 12, local4: 4, remote4: 0, local6: 72, remote6: 56, span: 88}

func TestRecords(t *testing.T) {
	v4, v4b := netip.MustParseAddrPort("127.0.0.1:8069"), netip.MustParseAddrPort("10.1.2.3:40000")
	mapped := func(a netip.AddrPort) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr().As16()), a.Port())
	}
	want := endOf(v4, v4b)
	for name, b := range map[string][]byte{
		"IPv4":         record(testLayout, v4, v4b, 1, 2, 3),
		"IPv4 in IPv6": record(testLayout, mapped(v4), mapped(v4b), 1, 2, 3),
	} {
		if e, ok := testLayout.end(b); !ok || e != want {
			t.Errorf("%s: %+v, %v", name, e, ok)
		}
	}
	v6, v6b := netip.MustParseAddrPort("[2001:db8::1]:8069"), netip.MustParseAddrPort("[fe80::2]:40000")
	if e, ok := testLayout.end(record(testLayout, v6, v6b, 1, 2, 3)); !ok || e != endOf(v6, v6b) {
		t.Errorf("IPv6: %+v, %v", e, ok)
	}
	if _, ok := testLayout.end(record(testLayout, v4, v4b, 1, 2, 3)[:60]); ok {
		t.Error("a cut record was read")
	}
	if _, ok := testLayout.end(record(testLayout, v4, netip.MustParseAddrPort("10.1.2.3:0"), 1, 2, 3)); ok {
		t.Error("a socket without a peer was taken for a connection")
	}
}

func FuzzRecord(f *testing.F) {
	f.Add(record(testLayout, netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("127.0.0.1:2"), 1, 2, 3))
	f.Add(unixRecord(7))
	f.Add([]byte{})
	f.Fuzz(func(_ *testing.T, b []byte) {
		th := &threads{layout: testLayout, table: newTable(Config{Connections: 64, Memory: 1024}.withDefaults())}
		th.unix.ends = map[uint64]*list.Element{7: th.unix.order.PushFront(unixEnd{7, endOf(appEnd, peerEnd)})}
		th.take(b, 0)
		th.take(b, 1)
	})
}
