package capture

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"pgregory.net/rapid"
)

// stack builds packets with gopacket, the other side of the comparison with the fast path.
type stack struct {
	src, dst     string
	sport, dport uint16
	seq, ack     uint32
	flags        uint8
	ipOptions    int // no-operation options of IPv4
	tcpOptions   int
	payload      []byte
}

func (s stack) network() (gopacket.SerializableLayer, layers.EthernetType) {
	src, dst := net.ParseIP(s.src), net.ParseIP(s.dst)
	if src.To4() != nil {
		ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: src, DstIP: dst}
		for range s.ipOptions {
			ip.Options = append(ip.Options, layers.IPv4Option{OptionType: 1, OptionLength: 1})
		}
		return ip, layers.EthernetTypeIPv4
	}
	return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolTCP, SrcIP: src, DstIP: dst}, layers.EthernetTypeIPv6
}

func (s stack) transport(ip gopacket.SerializableLayer) *layers.TCP {
	tcp := &layers.TCP{SrcPort: layers.TCPPort(s.sport), DstPort: layers.TCPPort(s.dport), Seq: s.seq, Ack: s.ack, Window: 1024}
	tcp.FIN, tcp.SYN, tcp.RST, tcp.ACK = s.flags&flagFIN != 0, s.flags&flagSYN != 0, s.flags&flagRST != 0, s.flags&flagACK != 0
	for range s.tcpOptions {
		tcp.Options = append(tcp.Options, layers.TCPOption{OptionType: layers.TCPOptionKindNop, OptionLength: 1})
	}
	if n, ok := ip.(gopacket.NetworkLayer); ok {
		_ = tcp.SetNetworkLayerForChecksum(n)
	}
	return tcp
}

func serialize(t interface{ Fatalf(string, ...any) }, all ...gopacket.SerializableLayer) []byte {
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, all...); err != nil {
		t.Fatalf("serialize: %v", err)
	}
	return bytes.Clone(b.Bytes())
}

var macs = layers.Ethernet{SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2}}

func (s stack) ethernet(t interface{ Fatalf(string, ...any) }, tags int) []byte {
	ip, kind := s.network()
	eth := macs
	eth.EthernetType = kind
	all := []gopacket.SerializableLayer{&eth}
	for i := range tags {
		eth.EthernetType = layers.EthernetTypeDot1Q
		tag := &layers.Dot1Q{VLANIdentifier: uint16(i + 1), Type: kind}
		if i+1 < tags {
			tag.Type = layers.EthernetTypeDot1Q
		}
		all = append(all, tag)
	}
	return serialize(t, append(all, ip, s.transport(ip), gopacket.Payload(s.payload))...)
}

func equalSegments(a, b *segment) bool {
	return a.flow == b.flow && a.seq == b.seq && a.ack == b.ack && a.wire == b.wire && a.side == b.side &&
		a.flags == b.flags && bytes.Equal(a.payload, b.payload)
}

// TestFastPathAgrees: both decoders read the same from every Ethernet frame, cut anywhere behind the headers.
func TestFastPathAgrees(t *testing.T) {
	addresses := []string{"10.0.0.1", "10.0.0.2", "192.168.1.9", "fe80::1", "2001:db8::2", "2001:db8::3"}
	var e Engine
	rapid.Check(t, func(rt *rapid.T) {
		first := rapid.IntRange(0, 2).Draw(rt, "from")
		family := 3 * rapid.IntRange(0, 1).Draw(rt, "family")
		s := stack{
			src: addresses[family+first], dst: addresses[family+(first+1)%3],
			sport: rapid.Uint16().Draw(rt, "sport"), dport: rapid.Uint16().Draw(rt, "dport"),
			seq: rapid.Uint32().Draw(rt, "seq"), ack: rapid.Uint32().Draw(rt, "ack"),
			flags:      uint8(rapid.IntRange(0, 31).Draw(rt, "flags")) &^ 8,
			ipOptions:  4 * rapid.IntRange(0, 10).Draw(rt, "ip options"),
			tcpOptions: 4 * rapid.IntRange(0, 10).Draw(rt, "tcp options"),
			payload:    rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(rt, "payload"),
		}
		tags := rapid.IntRange(0, 3).Draw(rt, "tags")
		size := 14 + 4*tags + 40 + s.ipOptions + s.tcpOptions + len(s.payload)
		if family > 0 {
			size += 20 - s.ipOptions
		}
		b := s.ethernet(rt, tags) // padded to Ethernet's least
		pad := rapid.IntRange(0, 6).Draw(rt, "padding")
		b = append(b, make([]byte, pad)...)
		cut := rapid.IntRange(0, len(s.payload)).Draw(rt, "cut")
		data := b[: size-cut : size-cut]
		if cut == 0 {
			data = b[:len(b):len(b)]
		}
		var fast, general segment
		if got := e.decode(layers.LinkTypeEthernet, data, len(b), &fast); got != isTCP {
			rt.Fatalf("fast path: outcome %d", got)
		}
		if got := e.general.decode(layers.LayerTypeEthernet, data, len(b), &general); got != isTCP {
			rt.Fatalf("general path: outcome %d", got)
		}
		if !equalSegments(&fast, &general) {
			rt.Fatalf("fast %+v\ngeneral %+v", fast, general)
		}
		if int(fast.wire) != len(s.payload) || !bytes.Equal(fast.payload, s.payload[:len(s.payload)-cut]) {
			rt.Fatalf("payload: %+v", fast)
		}
		if from := fast.flow.side(fast.side); from != netip.AddrPortFrom(netip.MustParseAddr(s.src), s.sport) {
			rt.Fatalf("sender %v, want %s:%d", from, s.src, s.sport)
		}
	})
}

func TestLinkTypes(t *testing.T) {
	s := stack{src: "10.0.0.1", dst: "10.0.0.2", sport: 1, dport: 2, seq: 3, ack: 4, flags: flagACK, payload: []byte("hello")}
	frame := s.ethernet(t, 0)
	ip4 := frame[14:59] // without Ethernet's padding
	s6 := s
	s6.src, s6.dst = "fe80::1", "fe80::2"
	ip6 := s6.ethernet(t, 0)[14:]
	join := func(head []byte, rest []byte) []byte { return append(bytes.Clone(head), rest...) }
	sll := func(kind uint16) []byte {
		return []byte{0, 0, 3, 4, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, byte(kind >> 8), byte(kind)}
	}
	sll2 := func(kind uint16) []byte {
		return append([]byte{byte(kind >> 8), byte(kind)}, make([]byte, 18)...)
	}
	extended := func(next byte, ext ...byte) []byte { // IPv6 with extension headers
		b := append(bytes.Clone(ip6[:40]), ext...)
		b[6] = next
		b[5] += byte(len(ext))
		return append(b, ip6[40:]...)
	}
	noLength := bytes.Clone(ip4)
	noLength[2], noLength[3] = 0, 0
	noLength6 := bytes.Clone(ip6)
	noLength6[4], noLength6[5] = 0, 0
	fragment := bytes.Clone(ip4)
	fragment[6] = 0x20
	udp := bytes.Clone(ip4)
	udp[9] = 17
	tests := []struct {
		name string
		link layers.LinkType
		data []byte
		want outcome
	}{
		{"ethernet", layers.LinkTypeEthernet, frame, isTCP},
		{"q-in-q", layers.LinkTypeEthernet, join(join(frame[:12], []byte{0x88, 0xa8, 0, 1, 0x81, 0, 0, 2, 8, 0}), ip4), isTCP},
		{"too many tags", layers.LinkTypeEthernet, join(frame[:12], bytes.Repeat([]byte{0x81, 0, 0, 1}, 9)), isMalformed},
		{"arp", layers.LinkTypeEthernet, join(frame[:12], []byte{8, 6, 0, 0}), isOther},
		{"pppoe", layers.LinkTypeEthernet, join(join(frame[:12], []byte{0x88, 0x64, 0x11, 0, 0, 1, 0, 47, 0, 0x21}), ip4), isTCP},
		{"mpls", layers.LinkTypeEthernet, join(join(frame[:12], []byte{0x88, 0x47, 0, 1, 0, 64, 0, 1, 1, 64}), ip4), isTCP},
		{"mpls cut", layers.LinkTypeEthernet, join(frame[:12], []byte{0x88, 0x47, 0, 1, 0, 64}), isMalformed},
		{"sll", layers.LinkTypeLinuxSLL, join(sll(0x0800), ip4), isTCP},
		{"sll ipv6", layers.LinkTypeLinuxSLL, join(sll(0x86dd), ip6), isTCP},
		{"sll2", LinkTypeLinuxSLL2, join(sll2(0x0800), ip4), isTCP},
		{"sll2 ipv6", LinkTypeLinuxSLL2, join(sll2(0x86dd), ip6), isTCP},
		{"null", layers.LinkTypeNull, join([]byte{2, 0, 0, 0}, ip4), isTCP},
		{"null ipv6 of another system", layers.LinkTypeNull, join([]byte{30, 0, 0, 0}, ip6), isTCP},
		{"loop", layers.LinkTypeLoop, join([]byte{0, 0, 0, 2}, ip4), isTCP},
		{"raw", layers.LinkTypeRaw, ip4, isTCP},
		{"raw ipv6", layers.LinkTypeRaw, ip6, isTCP},
		{"raw of no version", layers.LinkTypeRaw, []byte{0}, isOther},
		{"ppp", layers.LinkTypePPP, join([]byte{0xff, 3, 0, 0x21}, ip4), isTCP},
		{"ppp compressed", layers.LinkTypePPP, join([]byte{0x57}, ip6), isTCP},
		{"segmentation left to the interface", layers.LinkTypeRaw, noLength, isTCP},
		{"the same in ipv6", layers.LinkTypeRaw, noLength6, isTCP},
		{"extension headers", layers.LinkTypeRaw, extended(60, 43, 0, 1, 4, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0), isTCP},
		{"extension header cut", layers.LinkTypeRaw, extended(60, 6, 99, 0, 0, 0, 0, 0, 0)[:50], isMalformed},
		{"hop by hop cut", layers.LinkTypeRaw, extended(0, 6, 99)[:42], isMalformed},
		{"fragment", layers.LinkTypeRaw, fragment, isFragment},
		{"fragment of ipv6", layers.LinkTypeRaw, extended(44, 6, 0, 0, 1, 0, 0, 0, 0), isFragment},
		{"fragment behind options", layers.LinkTypeRaw, extended(60, 44, 0, 1, 4, 0, 0, 0, 0, 6, 0, 0, 1, 0, 0, 0, 0), isFragment},
		{"udp", layers.LinkTypeRaw, udp, isOther},
		{"wireless", layers.LinkTypeIEEE802_11, frame, isUnsupported},
		{"empty", layers.LinkTypeEthernet, nil, isMalformed},
		{"cut tcp header", layers.LinkTypeRaw, ip4[:39], isMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var e Engine
			var got segment
			if r := e.decode(tt.link, tt.data, len(tt.data), &got); r != tt.want {
				t.Fatalf("outcome %d, want %d", r, tt.want)
			}
			if tt.want == isTCP && (string(got.payload) != "hello" || got.wire != 5 || got.seq != 3 || got.ack != 4 || got.flags != flagACK) {
				t.Errorf("segment %+v", got)
			}
		})
	}
}

func TestJumbogram(t *testing.T) {
	s := stack{src: "fe80::1", dst: "fe80::2", sport: 1, dport: 2, seq: 3, flags: flagACK}
	header := s.ethernet(t, 0)[14:]
	size := 8 + 20 + 70_000
	b := append(bytes.Clone(header[:40]), 6, 0, 0xc2, 4, 0, byte(size>>16), byte(size>>8), byte(size))
	b[4], b[5], b[6] = 0, 0, 0 // length; next header: hop by hop
	b = append(append(b, header[40:60]...), text(70_000)...)
	var e Engine
	var got segment
	if r := e.decode(layers.LinkTypeRaw, b[:60_000:60_000], len(b), &got); r != isTCP {
		t.Fatalf("outcome %d", r)
	}
	if got.wire != 70_000 || !bytes.HasPrefix(text(70_000), got.payload) || len(got.payload) != 60_000-68 || got.seq != 3 {
		t.Errorf("%d bytes of %d, seq %d", len(got.payload), got.wire, got.seq)
	}
}

func FuzzPacket(f *testing.F) {
	s := stack{src: "10.0.0.1", dst: "10.0.0.2", sport: 1, dport: 2, seq: 3, flags: flagACK, payload: []byte("hello")}
	f.Add(uint8(layers.LinkTypeEthernet), s.ethernet(f, 2))
	s.src, s.dst = "fe80::1", "fe80::2"
	frame := s.ethernet(f, 0)
	f.Add(uint8(layers.LinkTypeRaw), frame[14:])
	f.Add(uint8(layers.LinkTypeRaw), append(append(append([]byte{}, frame[14:20]...), 0), frame[21:]...))
	f.Fuzz(func(t *testing.T, link uint8, b []byte) {
		var e Engine
		var fast, general segment
		r := e.decode(layers.LinkType(link), b, len(b), &fast)
		if r == isTCP && int(fast.wire) < len(fast.payload) {
			t.Fatalf("%d bytes on the wire, %d captured", fast.wire, len(fast.payload))
		}
		// Where gopacket reads TCP from a frame at all, the fast path reads the same.
		if layers.LinkType(link) == layers.LinkTypeEthernet && len(b) < 1<<16 &&
			e.general.decode(layers.LayerTypeEthernet, b[:len(b):len(b)], len(b), &general) == isTCP && r == isTCP &&
			!equalSegments(&fast, &general) {
			t.Fatalf("fast %+v\ngeneral %+v", fast, general)
		}
	})
}

// BenchmarkDecode compares slicing by hand with gopacket's layers, which is what the fast path is for.
func BenchmarkDecode(b *testing.B) {
	for _, s := range []stack{
		{src: "10.0.0.1", dst: "10.0.0.2", tcpOptions: 12, payload: text(900)},
		{src: "2001:db8::1", dst: "2001:db8::2", tcpOptions: 12, payload: text(900)},
	} {
		frame := s.ethernet(b, 0)
		var e Engine
		var seg segment
		family := fmt.Sprintf("IPv%d", frame[14]>>4)
		b.Run(family+"/fast", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(frame)))
			for b.Loop() {
				e.decode(layers.LinkTypeEthernet, frame, len(frame), &seg)
			}
		})
		b.Run(family+"/gopacket", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(frame)))
			for b.Loop() {
				e.general.decode(layers.LayerTypeEthernet, frame, len(frame), &seg)
			}
		})
	}
}
