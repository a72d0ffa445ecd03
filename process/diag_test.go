package process

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"
)

// inetMessage makes a message as the kernel does.
func inetMessage(seq uint32, family, state uint8, local, remote netip.AddrPort, inode uint32) []byte {
	b := make([]byte, headerBytes+inetBytes)
	header(b, 2, seq)
	r := b[headerBytes:]
	r[0], r[1] = family, state
	binary.BigEndian.PutUint16(r[4:], local.Port())
	binary.BigEndian.PutUint16(r[6:], remote.Port())
	copy(r[8:24], addressBytes(local.Addr(), family))
	copy(r[24:40], addressBytes(remote.Addr(), family))
	binary.NativeEndian.PutUint32(r[68:], inode)
	return b
}

func unixMessage(seq uint32, state uint8, inode, peer uint32, name string) []byte {
	b := make([]byte, headerBytes+unixBytes)
	r := b[headerBytes:]
	r[0], r[2] = familyUnix, state
	binary.NativeEndian.PutUint32(r[4:], inode)
	attr := func(kind uint16, value []byte) {
		a := make([]byte, attrBytes, attrBytes+len(value)+3)
		binary.NativeEndian.PutUint16(a, uint16(attrBytes+len(value)))
		binary.NativeEndian.PutUint16(a[2:], kind)
		a = append(a, value...)
		for len(a)%4 != 0 {
			a = append(a, 0)
		}
		b = append(b, a...)
	}
	attr(unixName, []byte(name))
	attr(unixPeer, binary.NativeEndian.AppendUint32(nil, peer))
	header(b, 2, seq)
	return b
}

func controlMessage(seq uint32, kind uint16, errno int32) []byte {
	b := make([]byte, headerBytes+4)
	header(b, 2, seq)
	binary.NativeEndian.PutUint16(b[4:], kind)
	binary.NativeEndian.PutUint32(b[headerBytes:], uint32(-errno))
	return b
}

func TestReadMessages(t *testing.T) {
	v4, v4b := netip.MustParseAddrPort("127.0.0.1:8069"), netip.MustParseAddrPort("10.1.2.3:40000")
	v6, mapped := netip.MustParseAddrPort("[2001:db8::1]:8069"), netip.MustParseAddrPort("[::ffff:127.0.0.1]:8069")
	b := bytes.Join([][]byte{
		inetMessage(7, familyIPv4, stateEstab, v4, v4b, 11),
		inetMessage(6, familyIPv4, stateEstab, v4, v4b, 99), // another request's
		inetMessage(7, familyIPv6, stateListen, v6, netip.MustParseAddrPort("[::]:0"), 12),
		inetMessage(7, familyIPv6, stateEstab, mapped, netip.MustParseAddrPort("[::ffff:10.1.2.3]:40000"), 13),
		unixMessage(7, stateEstab, 14, 15, "/run/postgresql/.s.PGSQL.5432\x00"),
		controlMessage(7, messageDone, 0),
		inetMessage(7, familyIPv4, stateEstab, v4, v4b, 98),
	}, nil)
	var got []socket
	done, err := readMessages(b, 7, func(s socket) { got = append(got, s) })
	if !done || err != nil {
		t.Fatalf("done %v, error %v", done, err)
	}
	want := []socket{
		{local: v4, remote: v4b, inode: 11, state: stateEstab},
		{local: v6, remote: netip.MustParseAddrPort("[::]:0"), inode: 12, state: stateListen},
		{local: v4, remote: v4b, inode: 13, state: stateEstab},
		{path: "/run/postgresql/.s.PGSQL.5432", inode: 14, peer: 15, state: stateEstab},
	}
	if len(got) != len(want) {
		t.Fatalf("%d sockets, want %d: %+v", len(got), len(want), got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("socket %d: %+v, want %+v", i, got[i], want[i])
		}
	}

	var refused diagError
	if _, err := readMessages(controlMessage(7, messageError, 2), 7, nil); !errors.As(err, &refused) || refused.errno != 2 {
		t.Errorf("error message: %v, want error 2", err)
	}
	cut := inetMessage(7, familyIPv4, stateEstab, v4, v4b, 11)
	if done, err := readMessages(cut[:40], 7, nil); !done || err == nil {
		t.Errorf("cut message: done %v, error %v, want an error", done, err)
	}
}

func TestRequestsNameTheSocket(t *testing.T) {
	b := inetRequest(3, familyIPv4, 1<<stateEstab, true, netip.MustParseAddrPort("127.0.0.1:8069"), netip.MustParseAddrPort("[::ffff:10.1.2.3]:40000"))
	if n := binary.NativeEndian.Uint32(b); int(n) != len(b) || len(b) != 72 {
		t.Errorf("length %d of %d bytes, want 72", n, len(b))
	}
	if got := b[headerBytes+8 : headerBytes+12]; !bytes.Equal(got, []byte{0x1f, 0x85, 0x9c, 0x40}) {
		t.Errorf("ports % x", got)
	}
	if got := b[headerBytes+12 : headerBytes+16]; !bytes.Equal(got, []byte{127, 0, 0, 1}) {
		t.Errorf("local address % x", got)
	}
	if got := b[headerBytes+28 : headerBytes+32]; !bytes.Equal(got, []byte{10, 1, 2, 3}) {
		t.Errorf("remote address % x", got)
	}
}

func FuzzReadMessages(f *testing.F) {
	f.Add(inetMessage(1, familyIPv4, stateEstab, netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("127.0.0.1:2"), 3))
	f.Add(inetMessage(1, familyIPv6, stateEstab, netip.MustParseAddrPort("[::1]:1"), netip.MustParseAddrPort("[::1]:2"), 3))
	f.Add(unixMessage(1, stateEstab, 4, 5, "/run/postgresql/.s.PGSQL.5432"))
	f.Add(controlMessage(1, messageError, 13))
	f.Add(controlMessage(1, messageDone, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		_, _ = readMessages(b, 1, func(s socket) {
			n++
			if len(s.path) > maxSocketName {
				t.Errorf("a path of %d bytes", len(s.path))
			}
			if s.local.IsValid() && s.local.Addr().Is4In6() {
				t.Errorf("%v is an IPv4 address in disguise", s.local)
			}
		})
		if n > len(b)/headerBytes {
			t.Errorf("%d sockets from %d bytes", n, len(b))
		}
	})
}
