package capture

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/google/gopacket/layers"
)

// pcap reads the classic format (draft-ietf-opsawg-pcap): a header of 24 bytes, then for each packet a header
// of 16 bytes and the data.
type pcap struct {
	w    *window
	swap bool  // big-endian file
	tick int64 // nanoseconds of a time's fraction unit
	link layers.LinkType
	snap uint32
}

var _ packetReader = (*pcap)(nil)

func newPcap(w *window) (*pcap, error) {
	magic, err := w.peek(4)
	if err != nil {
		return nil, fmt.Errorf("read file header: %w", err)
	}
	p := &pcap{w: w, tick: 1}
	switch binary.LittleEndian.Uint32(magic) {
	case 0xa1b2c3d4:
		p.tick = 1000
	case 0xa1b23c4d:
	case 0xd4c3b2a1:
		p.swap, p.tick = true, 1000
	case 0x4d3cb2a1:
		p.swap = true
	default:
		return nil, fmt.Errorf("file starts with % x: %w", magic, ErrFormat)
	}
	head, err := w.peek(24)
	if err != nil {
		return nil, fmt.Errorf("file is shorter than its header: %w", ErrFormat)
	}
	network := p.uint32(head[20:])
	p.link = fileLink(uint16(network)) // the upper bits tell of frame check sequences
	if p.link == linkTypeUnsupported {
		return nil, fmt.Errorf("link type %d is not supported (record with Ethernet, Linux cooked, raw IP, loopback or PPP)", uint16(network))
	}
	p.snap = p.uint32(head[16:])
	w.skip(24)
	return p, nil
}

func (p *pcap) snapLen() int { return int(min(p.snap, maxPacket)) }

func (p *pcap) uint32(b []byte) uint32 {
	if p.swap {
		return binary.BigEndian.Uint32(b)
	}
	return binary.LittleEndian.Uint32(b)
}

func (p *pcap) next(rec *record) error {
	head, err := p.w.peek(16)
	if err != nil {
		if p.w.end == p.w.start && isEOF(err) {
			return io.EOF
		}
		return damaged(err, p.w)
	}
	sec, frac := p.uint32(head), p.uint32(head[4:])
	n, size := p.uint32(head[8:]), p.uint32(head[12:])
	if n > maxPacket {
		return fmt.Errorf("packet at %s claims %d bytes%s: %w", p.w.place(), n, p.w.unread(), ErrPartial)
	}
	all, err := p.w.peek(16 + int(n))
	if err != nil {
		return damaged(err, p.w)
	}
	p.w.skip(len(all))
	rec.at = time.Unix(int64(sec), int64(frac)*p.tick).UTC()
	rec.link = p.link
	rec.data = all[16:]
	rec.size = int(min(max(size, n), maxWire))
	return nil
}

// maxWire bounds the length on the wire that a file may claim for a packet.
const maxWire = 64 << 20

// fileLink maps a LINKTYPE_ value of a file (tcpdump.org/linktypes.html) to what the engine decodes.
func fileLink(n uint16) layers.LinkType {
	switch n {
	case 0, 1, 9, 101, 108, 113, 228, 229:
		return layers.LinkType(n)
	case 12, 14: // DLT_RAW of some systems, written by mistake
		return layers.LinkTypeRaw
	case 276:
		return LinkTypeLinuxSLL2
	}
	return linkTypeUnsupported
}
