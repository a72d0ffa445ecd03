package capture

import (
	"encoding/binary"
	"net/netip"

	"github.com/google/gopacket/layers"
)

// LinkTypeLinuxSLL2 stands for LINKTYPE_LINUX_SLL2 (276), which layers.LinkType is too narrow to hold.
const LinkTypeLinuxSLL2 layers.LinkType = 255

// linkTypeUnsupported stands for every link type of a file that cannot be decoded.
const linkTypeUnsupported layers.LinkType = 254

// TCP flags (RFC 9293 §3.1).
const (
	flagFIN = 1 << iota
	flagSYN
	flagRST
	_
	flagACK
)

// flow names the two ends of a connection independent of direction: the lesser end is a.
// IPv4 addresses stand in their IPv4-mapped form (RFC 4291 §2.5.5.2).
type flow struct {
	aHi, aLo, bHi, bLo uint64
	ports              uint32 // a's in the upper half
}

const mappedIPv4 = 0xffff << 32

// side returns the address and port of side 0 (a) or 1 (b).
func (f *flow) side(i uint8) netip.AddrPort {
	hi, lo, port := f.aHi, f.aLo, uint16(f.ports>>16)
	if i == 1 {
		hi, lo, port = f.bHi, f.bLo, uint16(f.ports)
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], hi)
	binary.BigEndian.PutUint64(b[8:], lo)
	return netip.AddrPortFrom(netip.AddrFrom16(b).Unmap(), port)
}

func (f *flow) port(i uint8) uint16 {
	if i == 0 {
		return uint16(f.ports >> 16)
	}
	return uint16(f.ports)
}

// slot is where Engine.recent has the flow.
func (f *flow) slot() uint8 { return uint8(f.ports * 0x9e3779b1 >> 24) }

// segment is one decoded TCP segment. payload lies in the packet's buffer.
type segment struct {
	flow     flow
	seq, ack uint32
	wire     uint32 // payload bytes on the wire; more than len(payload) where the snap length cut
	flags    uint8
	side     uint8 // sender: 0 is the flow's a
	payload  []byte
}

// outcome of decoding a packet.
type outcome uint8

const (
	isTCP outcome = iota
	isOther
	isFragment
	isMalformed
	isUnsupported
)

const maxVLANTags = 4

// decode reads the headers of a packet into s. It slices the common headers by hand and leaves the rest
// (IPv6 extension headers, PPP, MPLS) to gopacket's layers. size is the packet's length on the wire.
func (e *Engine) decode(link layers.LinkType, data []byte, size int, s *segment) outcome {
	var kind uint16
	var off int
	switch link {
	case layers.LinkTypeEthernet:
		if len(data) < 14 {
			return isMalformed
		}
		kind, off = binary.BigEndian.Uint16(data[12:]), 14
	case layers.LinkTypeLinuxSLL:
		if len(data) < 16 {
			return isMalformed
		}
		kind, off = binary.BigEndian.Uint16(data[14:]), 16
	case LinkTypeLinuxSLL2:
		if len(data) < 20 {
			return isMalformed
		}
		kind, off = binary.BigEndian.Uint16(data), 20
	case layers.LinkTypeNull, layers.LinkTypeLoop:
		if len(data) < 5 {
			return isMalformed
		}
		// The address family's number and byte order differ between systems; the IP version tells enough.
		kind, off = rawKind(data[4]), 4
	case layers.LinkTypeRaw, layers.LinkTypeIPv4, layers.LinkTypeIPv6:
		if len(data) < 1 {
			return isMalformed
		}
		kind, off = rawKind(data[0]), 0
	case layers.LinkTypePPP:
		return e.general.decode(layers.LayerTypePPP, data, size, s)
	default:
		return isUnsupported
	}
	for tags := 0; kind == 0x8100 || kind == 0x88a8 || kind == 0x9100; tags++ {
		if len(data) < off+4 || tags == maxVLANTags {
			return isMalformed
		}
		kind = binary.BigEndian.Uint16(data[off+2:])
		off += 4
	}
	switch kind {
	case 0x0800:
		return decodeIPv4(data[off:], size-off, s)
	case 0x86dd:
		r := decodeIPv6(data[off:], size-off, s)
		if r == isUnsupported {
			return e.general.decode(layers.LayerTypeIPv6, data[off:], size-off, s)
		}
		return r
	case 0x8864:
		return e.general.decode(layers.LayerTypePPPoE, data[off:], size-off, s)
	case 0x8847:
		return e.general.decode(layers.LayerTypeMPLS, data[off:], size-off, s)
	}
	return isOther
}

func rawKind(first byte) uint16 {
	switch first >> 4 {
	case 4:
		return 0x0800
	case 6:
		return 0x86dd
	}
	return 0
}

// decodeIPv4 reads an IPv4 header (RFC 791 §3.1). A total length of 0 means that segmentation is left to the
// interface: the packet then reaches to the end of the frame.
func decodeIPv4(data []byte, size int, s *segment) outcome {
	if len(data) < 20 || data[0]>>4 != 4 {
		return isMalformed
	}
	header := int(data[0]&0xf) * 4
	total := int(binary.BigEndian.Uint16(data[2:]))
	if total == 0 {
		total = size
	}
	if header < 20 || header > total {
		return isMalformed
	}
	if binary.BigEndian.Uint16(data[6:])&0x3fff != 0 {
		return isFragment
	}
	if data[9] != 6 {
		return isOther
	}
	if len(data) > total {
		data = data[:total]
	}
	if len(data) < header+20 {
		return isMalformed
	}
	src := uint64(binary.BigEndian.Uint32(data[12:]))
	dst := uint64(binary.BigEndian.Uint32(data[16:]))
	return decodeTCP(data[header:], total-header, 0, mappedIPv4|src, 0, mappedIPv4|dst, s)
}

// decodeIPv6 reads an IPv6 header (RFC 8200 §3) and returns isUnsupported where extension headers follow.
func decodeIPv6(data []byte, size int, s *segment) outcome {
	if len(data) < 40 || data[0]>>4 != 6 {
		return isMalformed
	}
	switch data[6] {
	case 6:
	case 44:
		return isFragment
	case 0, 43, 60, 135, 139, 140:
		return isUnsupported
	default:
		return isOther
	}
	total := int(binary.BigEndian.Uint16(data[4:]))
	if total == 0 {
		total = size - 40 // left to the interface, as in IPv4
	}
	if len(data) > total+40 {
		data = data[:total+40]
	}
	if len(data) < 60 {
		return isMalformed
	}
	return decodeTCP(data[40:], total,
		binary.BigEndian.Uint64(data[8:]), binary.BigEndian.Uint64(data[16:]),
		binary.BigEndian.Uint64(data[24:]), binary.BigEndian.Uint64(data[32:]), s)
}

// decodeTCP reads a TCP header (RFC 9293 §3.1); data holds at least 20 bytes, size is its length on the wire.
func decodeTCP(data []byte, size int, srcHi, srcLo, dstHi, dstLo uint64, s *segment) outcome {
	header := int(data[12]>>4) * 4
	if header < 20 || header > size {
		return isMalformed
	}
	src, dst := binary.BigEndian.Uint16(data), binary.BigEndian.Uint16(data[2:])
	s.setFlow(srcHi, srcLo, src, dstHi, dstLo, dst)
	s.seq = binary.BigEndian.Uint32(data[4:])
	s.ack = binary.BigEndian.Uint32(data[8:])
	s.flags = data[13]
	s.wire = uint32(size - header)
	s.payload = nil
	if len(data) > header {
		s.payload = data[header:]
	}
	return isTCP
}

func (s *segment) setFlow(srcHi, srcLo uint64, src uint16, dstHi, dstLo uint64, dst uint16) {
	less := srcHi < dstHi
	if srcHi == dstHi {
		less = srcLo < dstLo || srcLo == dstLo && src <= dst
	}
	if less {
		s.side = 0
		s.flow = flow{srcHi, srcLo, dstHi, dstLo, uint32(src)<<16 | uint32(dst)}
	} else {
		s.side = 1
		s.flow = flow{dstHi, dstLo, srcHi, srcLo, uint32(dst)<<16 | uint32(src)}
	}
}
