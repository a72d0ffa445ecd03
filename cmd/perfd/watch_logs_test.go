package main

import (
	"net/netip"
	"testing"
)

func TestReached(t *testing.T) {
	addresses := func(list ...string) (out []netip.AddrPort) {
		for _, s := range list {
			out = append(out, netip.MustParseAddrPort(s))
		}
		return out
	}
	for _, tt := range []struct {
		client          string
		used, listening []netip.AddrPort
		want            string
	}{
		{"127.0.0.1:40000", addresses("10.0.0.7:5433", "127.0.0.1:5432"), addresses("0.0.0.0:6000"), "127.0.0.1:5432"},
		{"127.0.0.1:40000", addresses("[::ffff:127.0.0.1]:5432"), nil, "127.0.0.1:5432"},
		{"10.0.0.2:40000", addresses("10.0.0.7:5433"), addresses("0.0.0.0:5433"), "10.0.0.7:5433"},
		{"127.0.0.1:40000", nil, addresses("0.0.0.0:5434"), "127.0.0.1:5434"},
		{"[::1]:40000", nil, addresses("[::]:5434"), "[::1]:5434"},
	} {
		if got := reached(netip.MustParseAddrPort(tt.client), tt.used, tt.listening); got.String() != tt.want {
			t.Errorf("%s with %v and %v reaches %s, want %s", tt.client, tt.used, tt.listening, got, tt.want)
		}
	}
	if got := reached(netip.MustParseAddrPort("127.0.0.1:40000"), nil, nil); got.IsValid() {
		t.Errorf("where nothing is known, %s is reached", got)
	}
}
