package process

import (
	"net/netip"
	"testing"
)

// The lines are of a little-endian host, as are all that perfd is built for.
func TestReadTCPLine(t *testing.T) {
	for line, want := range map[string]socket{
		"   0: 0100007F:1F85 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 ff 100 0 0 10 0":                                           {local: netip.MustParseAddrPort("127.0.0.1:8069"), remote: netip.MustParseAddrPort("0.0.0.0:0"), state: stateListen, inode: 4711},
		"   1: 0302010A:9C40 0403020A:1538 01 00000000:00000000 02:00000A00 00000000  1000        0 4712 2 ff":                                                        {local: netip.MustParseAddrPort("10.1.2.3:40000"), remote: netip.MustParseAddrPort("10.2.3.4:5432"), state: stateEstab, inode: 4712, user: 1000},
		"   2: 0000000000000000FFFF00000100007F:1F85 0000000000000000FFFF00000100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4713 1 ff 20 4 0": {local: netip.MustParseAddrPort("127.0.0.1:8069"), remote: netip.MustParseAddrPort("127.0.0.1:40000"), state: stateEstab, inode: 4713},
		"   3: B80D0120000000000000000001000000:1F85 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4714 1 ff 20 4 0": {local: netip.MustParseAddrPort("[2001:db8::1]:8069"), remote: netip.MustParseAddrPort("[::]:0"), state: stateListen, inode: 4714},
	} {
		if got, ok := readTCPLine([]byte(line)); !ok || got != want {
			t.Errorf("%s\n%+v, %v, want %+v", line, got, ok, want)
		}
	}
	for _, line := range []string{"", "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode", "0: 01:02 03:04 01 a b c d e 1"} {
		if got, ok := readTCPLine([]byte(line)); ok {
			t.Errorf("%q was read as %+v", line, got)
		}
	}
}

func FuzzReadTCPLine(f *testing.F) {
	f.Add([]byte("   0: 0100007F:1F85 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 ff 100 0 0 10 0"))
	f.Add([]byte("   2: 0000000000000000FFFF00000100007F:1F85 0000000000000000FFFF00000100007F:9C40 01 0:0 0:0 0 0 0 4713"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, ok := readTCPLine(b); ok && (!s.local.IsValid() || !s.remote.IsValid() || s.local.Addr().Is4In6()) {
			t.Errorf("%+v", s)
		}
	})
}
