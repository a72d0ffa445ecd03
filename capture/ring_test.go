package capture

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"
)

// blockOf lays packets out as the kernel does.
func blockOf(packets ...ringPacket) []byte {
	const first = 48
	b := make([]byte, first)
	order := binary.NativeEndian
	order.PutUint32(b[blockCount:], uint32(len(packets)))
	order.PutUint32(b[blockFirst:], first)
	for i, p := range packets {
		const start = 82
		h := make([]byte, start, start+len(p.data)+8)
		order.PutUint32(h[packetSec:], uint32(p.at/1e9))
		order.PutUint32(h[packetNsec:], uint32(p.at%1e9))
		order.PutUint32(h[packetSnap:], uint32(len(p.data)))
		order.PutUint32(h[packetLen:], uint32(p.size))
		order.PutUint16(h[packetMac:], start)
		binary.BigEndian.PutUint16(h[addrProtocol:], p.kind)
		order.PutUint32(h[addrIndex:], uint32(p.index))
		h = append(h, p.data...)
		for len(h)%8 != 0 {
			h = append(h, 0)
		}
		if i+1 < len(packets) {
			order.PutUint32(h[packetNext:], uint32(len(h)))
		}
		b = append(b, h...)
	}
	return b
}

func TestReadBlock(t *testing.T) {
	want := []ringPacket{
		{at: 1_700_000_000_123_456_789, index: 1, kind: kindIPv4, size: 5, data: []byte("hello")},
		{at: 1_700_000_000_123_456_790, index: 7, kind: kindIPv6, size: 9000, data: []byte("cut")},
		{at: 4_000_000_000_000_000_001, index: 1, kind: 0x8100, size: 0, data: nil}, // beyond 2038
	}
	block := blockOf(want...)
	r := readBlock(block)
	var p ringPacket
	for i, w := range want {
		if !r.next(&p) {
			t.Fatalf("no packet %d", i)
		}
		if p.at != w.at || p.index != w.index || p.kind != w.kind || p.size != w.size || !bytes.Equal(p.data, w.data) {
			t.Errorf("packet %d: %+v, want %+v", i, p, w)
		}
	}
	if r.next(&p) {
		t.Errorf("one more: %+v", p)
	}
	for n := range block { // a block that ends anywhere
		for r := readBlock(block[:n]); r.next(&p); {
			if cap(p.data) > len(p.data) {
				t.Fatal("a packet reaches beyond its end")
			}
		}
	}
}

func FuzzReadBlock(f *testing.F) {
	f.Add(blockOf(ringPacket{at: 1, data: []byte("hello")}, ringPacket{at: 2, data: []byte("again")}))
	endless := blockOf(ringPacket{at: 1})
	binary.NativeEndian.PutUint32(endless[blockCount:], math.MaxUint32)
	f.Add(endless)
	f.Fuzz(func(t *testing.T, block []byte) {
		var p ringPacket
		n := 0
		for r := readBlock(block); r.next(&p); n++ {
			if n > len(block) {
				t.Fatal("more packets than bytes")
			}
			_ = network(p.kind, p.data)
		}
	})
}
