package analyzer

import (
	"net/netip"
	"testing"
	"time"

	"github.com/perfd/perfd/rpclog"
)

func exchange(id int, server string, start, first, end int, body uint64) *rpclog.Call {
	at := func(ms int) time.Time { return time.Unix(1000, int64(ms)*1e6) }
	return &rpclog.Call{
		ID: rpclog.CallID(id), Server: netip.MustParseAddrPort(server), Client: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), uint16(40000+id)),
		Start: at(start), Head: at(start), Sent: at(start), First: at(first), End: at(end), Path: "/jsonrpc", BodyHash: body,
	}
}

func TestHopsJoinsProxyAndServer(t *testing.T) {
	outer := exchange(1, "127.0.0.1:8080", 0, 50, 52, 7)
	inner := exchange(2, "127.0.0.1:8069", 1, 49, 51, 7)
	later := exchange(3, "127.0.0.1:8069", 60, 70, 71, 7) // same body, but not within
	calls, fronts := hops([]*rpclog.Call{outer, inner, later})
	if len(calls) != 2 || calls[0] != inner || calls[1] != later {
		t.Fatalf("calls left: %v", calls)
	}
	f := fronts[inner]
	if f == nil || f.Server != outer.Server || !f.End.Equal(outer.End) {
		t.Errorf("front of the inner call: %+v", f)
	}
	if fronts[later] != nil {
		t.Errorf("a call outside of the outer exchange got a front")
	}
}

func TestHopsKeepsTwinsApart(t *testing.T) {
	// Two users send the same body at once; each inner exchange must find an outer one of its own.
	a, b := exchange(1, "127.0.0.1:8080", 0, 50, 52, 7), exchange(2, "127.0.0.1:8080", 1, 60, 62, 7)
	a.Session, b.Session = 1, 2
	x, y := exchange(3, "127.0.0.1:8069", 2, 58, 59, 7), exchange(4, "127.0.0.1:8069", 3, 48, 49, 7)
	x.Session, y.Session = 2, 1
	_, fronts := hops([]*rpclog.Call{a, b, x, y})
	if fronts[x] == nil || fronts[x].Client != b.Client || fronts[y] == nil || fronts[y].Client != a.Client {
		t.Errorf("twins crossed: %+v %+v", fronts[x], fronts[y])
	}
}

func TestHopsWithoutBody(t *testing.T) {
	outer, inner := exchange(1, "127.0.0.1:8080", 0, 50, 52, 0), exchange(2, "127.0.0.1:8069", 1, 49, 51, 9)
	outer.Gaps = rpclog.GapRequest
	if calls, _ := hops([]*rpclog.Call{outer, inner}); len(calls) != 2 {
		t.Errorf("joined without a sign of forwarding")
	}
	inner.Forwarded = true
	if calls, fronts := hops([]*rpclog.Call{outer, inner}); len(calls) != 1 || fronts[inner] == nil {
		t.Errorf("not joined: %v", calls)
	}
}

func TestHopsOfAConnectionJoinedLate(t *testing.T) {
	outer, inner := exchange(1, "127.0.0.1:8080", 3, 50, 52, 0), exchange(2, "127.0.0.1:8069", 1, 49, 51, 9)
	outer.Gaps, inner.Forwarded = rpclog.GapRequest, true
	first, behind := exchange(3, "127.0.0.1:8080", 60, 70, 72, 5), exchange(4, "127.0.0.1:8069", 61, 69, 71, 5)
	calls, fronts := hops([]*rpclog.Call{inner, outer, first, behind})
	if len(calls) != 2 || fronts[inner] == nil || fronts[behind] == nil {
		t.Errorf("calls left: %d, fronts: %v", len(calls), fronts)
	}
}
