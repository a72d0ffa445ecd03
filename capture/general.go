package capture

import (
	"encoding/binary"
	"net"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

const maxLayers = 16 // headers of one packet

// general decodes any stack of headers that leads to TCP with gopacket's layers, reusing their memory.
// It is several times slower than slicing by hand and takes what the fast path leaves.
type general struct {
	eth      layers.Ethernet
	vlan     layers.Dot1Q
	sll      layers.LinuxSLL
	loopback layers.Loopback
	ip4      layers.IPv4
	ip6      layers.IPv6
	ext      layers.IPv6ExtensionSkipper
	tcp      layers.TCP
}

// layer is what general needs of a gopacket layer.
type layer interface {
	DecodeFromBytes([]byte, gopacket.DecodeFeedback) error
	NextLayerType() gopacket.LayerType
	LayerPayload() []byte
}

// decode reads headers from the layer first on; size is the length of data on the wire.
func (g *general) decode(first gopacket.LayerType, data []byte, size int, s *segment) (r outcome) {
	// gopacket slices some lengths off the wire unchecked.
	defer func() {
		if recover() != nil {
			r = isMalformed
		}
	}()
	var src, dst net.IP
	next, rest := first, data
	end := size // of the innermost IP packet, from the start of data on the wire
	for range maxLayers {
		at := cap(data) - cap(rest) // every layer's payload is a slice of the same array
		var l layer
		switch next {
		case layers.LayerTypeTCP:
			if src == nil {
				return isMalformed
			}
			if err := g.tcp.DecodeFromBytes(rest, gopacket.NilDecodeFeedback); err != nil {
				return isMalformed
			}
			return g.segment(src, dst, end-at, s)
		case layers.LayerTypeEthernet:
			l = &g.eth
		case layers.LayerTypeDot1Q:
			l = &g.vlan
		case layers.LayerTypeLinuxSLL:
			l = &g.sll
		case layers.LayerTypeLoopback:
			l = &g.loopback
		case layers.LayerTypePPPoE:
			if len(rest) < 6 {
				return isMalformed
			}
			next, rest = layers.LayerTypePPP, rest[6:]
			continue
		case layers.LayerTypePPP:
			kind, n := pppProtocol(rest)
			if n == 0 {
				return isMalformed
			}
			next, rest = kind, rest[n:]
			continue
		case layers.LayerTypeMPLS:
			if len(rest) < 5 {
				return isMalformed
			}
			next = layers.LayerTypeMPLS
			if rest[2]&1 == 1 { // bottom of the stack
				next = versionLayer(rest[4])
			}
			rest = rest[4:]
			continue
		case layers.LayerTypeIPv4:
			l = &g.ip4
		case layers.LayerTypeIPv6:
			l = &g.ip6
		case layers.LayerTypeIPv6Fragment:
			return isFragment
		case layers.LayerTypeIPv6HopByHop, layers.LayerTypeIPv6Routing, layers.LayerTypeIPv6Destination:
			l = &g.ext
		default:
			return isOther
		}
		if err := l.DecodeFromBytes(rest, gopacket.NilDecodeFeedback); err != nil {
			return isMalformed
		}
		switch next {
		case layers.LayerTypeIPv4:
			if g.ip4.Flags&layers.IPv4MoreFragments != 0 || g.ip4.FragOffset != 0 {
				return isFragment
			}
			src, dst = g.ip4.SrcIP, g.ip4.DstIP
			if n := int(binary.BigEndian.Uint16(rest[2:])); n != 0 {
				end = at + n
			}
		case layers.LayerTypeIPv6:
			src, dst = g.ip6.SrcIP, g.ip6.DstIP
			if g.ip6.Length != 0 {
				end = at + 40 + int(g.ip6.Length)
			} else { // jumbogram (RFC 2675): gopacket leaves the hop-by-hop header in the payload
				next, rest = l.NextLayerType(), l.LayerPayload()[g.ip6.HopByHop.ActualLength:]
				continue
			}
		}
		next, rest = l.NextLayerType(), l.LayerPayload()
	}
	return isMalformed
}

// segment fills s from the decoded TCP header; size is the segment's length on the wire, header included.
func (g *general) segment(src, dst net.IP, size int, s *segment) outcome {
	header := int(g.tcp.DataOffset) * 4
	if header > size {
		return isMalformed
	}
	srcHi, srcLo := addrBits(src)
	dstHi, dstLo := addrBits(dst)
	s.setFlow(srcHi, srcLo, uint16(g.tcp.SrcPort), dstHi, dstLo, uint16(g.tcp.DstPort))
	s.seq, s.ack = g.tcp.Seq, g.tcp.Ack
	s.flags = g.tcp.Contents[13]
	s.wire = uint32(size - header)
	s.payload = g.tcp.Payload
	if len(s.payload) > int(s.wire) {
		s.payload = s.payload[:s.wire]
	}
	return isTCP
}

func addrBits(ip net.IP) (hi, lo uint64) {
	if len(ip) == 4 {
		return 0, mappedIPv4 | uint64(binary.BigEndian.Uint32(ip))
	}
	return binary.BigEndian.Uint64(ip), binary.BigEndian.Uint64(ip[8:])
}

// pppProtocol returns the layer in a PPP frame and the length of the header before it, 0 if it is no frame
// (RFC 1661 §2, RFC 1662 §3.1).
func pppProtocol(b []byte) (gopacket.LayerType, int) {
	n := 0
	if len(b) > 2 && b[0] == 0xff && b[1] == 0x03 {
		n = 2
	}
	if len(b) < n+2 {
		return 0, 0
	}
	kind, n := uint16(b[n]), n+1
	if kind&1 == 0 { // protocol field not compressed to one byte
		kind, n = kind<<8|uint16(b[n]), n+1
	}
	switch kind {
	case 0x21:
		return layers.LayerTypeIPv4, n
	case 0x57:
		return layers.LayerTypeIPv6, n
	}
	return gopacket.LayerTypePayload, n
}

func versionLayer(first byte) gopacket.LayerType {
	switch first >> 4 {
	case 4:
		return layers.LayerTypeIPv4
	case 6:
		return layers.LayerTypeIPv6
	}
	return gopacket.LayerTypePayload
}
