package capture

import "encoding/binary"

// Layout of a TPACKET_V3 ring, as linux/if_packet.h gives it. Numbers stand in the machine's byte order.
const (
	blockStatus = 8  // tpacket_block_desc.hdr.bh1.block_status
	blockCount  = 12 // .num_pkts
	blockFirst  = 16 // .offset_to_first_pkt

	packetNext    = 0 // tpacket3_hdr.tp_next_offset
	packetSec     = 4
	packetNsec    = 8
	packetSnap    = 12
	packetLen     = 16
	packetMac     = 24
	packetHeader  = 48 // aligned size of tpacket3_hdr; struct sockaddr_ll follows
	addrProtocol  = packetHeader + 2
	addrIndex     = packetHeader + 4
	addrEnd       = packetHeader + 20
	statusUser    = 1 // TP_STATUS_USER
	fewestInBlock = blockFirst + 4
)

// ringPacket is one packet of a block. data lies in the ring.
type ringPacket struct {
	at    int64 // Unix nanoseconds, by the system's clock
	index int32 // of the interface
	kind  uint16
	size  int // on the wire
	data  []byte
}

// blockReader walks the packets of a block that the kernel has handed over. It trusts nothing in it: an
// impossible length ends the block.
type blockReader struct {
	block []byte
	left  uint32
	off   uint64
}

func readBlock(block []byte) blockReader {
	if len(block) < fewestInBlock {
		return blockReader{}
	}
	return blockReader{
		block: block,
		left:  binary.NativeEndian.Uint32(block[blockCount:]),
		off:   uint64(binary.NativeEndian.Uint32(block[blockFirst:])),
	}
}

// next reads one packet into p and tells whether there was one.
func (r *blockReader) next(p *ringPacket) bool {
	if r.left == 0 || r.off+addrEnd > uint64(len(r.block)) {
		return false
	}
	h := r.block[r.off:]
	order := binary.NativeEndian
	start := uint64(order.Uint16(h[packetMac:]))
	end := start + uint64(order.Uint32(h[packetSnap:]))
	if start < addrEnd || end > uint64(len(h)) {
		return false
	}
	p.at = int64(order.Uint32(h[packetSec:]))*1e9 + int64(order.Uint32(h[packetNsec:]))
	p.index = int32(order.Uint32(h[addrIndex:]))
	p.kind = binary.BigEndian.Uint16(h[addrProtocol:])
	p.size = int(min(order.Uint32(h[packetLen:]), maxWire))
	p.data = h[start:end:end]
	r.left--
	step := uint64(order.Uint32(h[packetNext:]))
	if step < addrEnd {
		r.left = 0
	}
	r.off += step
	return true
}
