package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"time"

	"github.com/google/gopacket/layers"
)

// Block types of pcapng (draft-ietf-opsawg-pcapng §4).
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockPacket    = 2 // obsolete, still written by old tools
	blockSimple    = 3
	blockEnhanced  = 6
)

const (
	maxInterfaces = 4096
	maxDescribed  = 1 << 20 // bytes of a section or interface block
	maxSeconds    = 1 << 33 // beyond this a time is damaged; keeps nanoseconds within int64
)

// pcapng reads the block format. Blocks of other types than packets are skipped, whatever their length.
type pcapng struct {
	w          *window
	swap       bool // big-endian section
	interfaces []iface
	last       time.Time // for simple packet blocks, which carry none
}

type iface struct {
	link    layers.LinkType
	snap    uint32 // 0 is unlimited
	binary  bool   // resolution is a power of two
	power   uint8  // of ten or two
	unit    uint64 // ticks of a second, where the resolution is a power of ten
	seconds int64  // added to each time
}

var _ packetReader = (*pcapng)(nil)

func newPcapng(w *window) (*pcapng, error) {
	p := &pcapng{w: w}
	head, err := w.peek(12)
	if err != nil {
		return nil, fmt.Errorf("file is shorter than its header: %w", ErrFormat)
	}
	if !p.setOrder(head[8:]) {
		return nil, fmt.Errorf("section header has byte-order mark % x: %w", head[8:12], ErrFormat)
	}
	return p, nil
}

// snapLen returns the smallest limit of the section's interfaces.
func (p *pcapng) snapLen() int {
	least := uint32(0)
	for _, i := range p.interfaces {
		if i.snap > 0 && (least == 0 || i.snap < least) {
			least = i.snap
		}
	}
	return int(min(least, maxPacket))
}

func (p *pcapng) setOrder(mark []byte) bool {
	switch binary.LittleEndian.Uint32(mark) {
	case 0x1a2b3c4d:
		p.swap = false
	case 0x4d3c2b1a:
		p.swap = true
	default:
		return false
	}
	return true
}

func (p *pcapng) uint32(b []byte) uint32 {
	if p.swap {
		return binary.BigEndian.Uint32(b)
	}
	return binary.LittleEndian.Uint32(b)
}

func (p *pcapng) uint16(b []byte) uint16 {
	if p.swap {
		return binary.BigEndian.Uint16(b)
	}
	return binary.LittleEndian.Uint16(b)
}

func (p *pcapng) next(rec *record) error {
	for {
		head, err := p.w.peek(8)
		if err != nil {
			if p.w.end == p.w.start && isEOF(err) {
				return io.EOF
			}
			return damaged(err, p.w)
		}
		kind, size := p.uint32(head), p.uint32(head[4:])
		if kind == blockSection {
			if head, err = p.w.peek(12); err != nil {
				return damaged(err, p.w)
			}
			if !p.setOrder(head[8:]) {
				return p.corrupt("section has an unknown byte order")
			}
			size = p.uint32(head[4:])
		}
		if size < 12 {
			return p.corrupt("block is shorter than its frame")
		}
		length := (int64(size) + 3) &^ 3
		limit := int64(0) // of a block to be looked into
		switch kind {
		case blockSection, blockInterface:
			limit = maxDescribed
		case blockPacket, blockSimple, blockEnhanced:
			limit = maxPacket
		default:
			if err := p.w.discard(length); err != nil {
				return damaged(err, p.w)
			}
			continue
		}
		if length > limit {
			return p.corrupt(fmt.Sprintf("block claims %d bytes", size))
		}
		block, err := p.w.peek(int(length))
		if err != nil {
			return damaged(err, p.w)
		}
		body := block[8 : length-4]
		var got bool
		switch kind {
		case blockSection:
			p.interfaces = p.interfaces[:0]
		case blockInterface:
			err = p.addInterface(body)
		default:
			got, err = p.packet(kind, body, rec)
		}
		if err != nil {
			return err
		}
		p.w.skip(int(length))
		if got {
			return nil
		}
	}
}

func (p *pcapng) corrupt(what string) error {
	return fmt.Errorf("%s at %s%s: %w", what, p.w.place(), p.w.unread(), ErrPartial)
}

// addInterface reads an interface description block's body (§4.2).
func (p *pcapng) addInterface(b []byte) error {
	if len(b) < 8 {
		return p.corrupt("interface description is too short")
	}
	if len(p.interfaces) == maxInterfaces {
		return p.corrupt("section has too many interfaces")
	}
	i := iface{link: fileLink(p.uint16(b)), snap: p.uint32(b[4:]), power: 6}
	for b = b[8:]; len(b) >= 4; {
		code, n := p.uint16(b), int(p.uint16(b[2:]))
		if code == 0 || len(b) < 4+n {
			break
		}
		value := b[4 : 4+n]
		switch {
		case code == 9 && n == 1: // if_tsresol
			i.binary, i.power = value[0]&0x80 != 0, value[0]&0x7f
		case code == 14 && n == 8: // if_tsoffset
			hi, lo := p.uint32(value), p.uint32(value[4:])
			if !p.swap {
				hi, lo = lo, hi
			}
			i.seconds = int64(uint64(hi)<<32 | uint64(lo))
		}
		b = b[min(len(b), 4+(n+3)&^3):]
	}
	if !i.binary && i.power <= 19 {
		i.unit = 1
		for range i.power {
			i.unit *= 10
		}
	}
	p.interfaces = append(p.interfaces, i)
	return nil
}

// packet reads the body of an enhanced (§4.3), simple (§4.4) or obsolete packet block (appendix A).
func (p *pcapng) packet(kind uint32, b []byte, rec *record) (bool, error) {
	head, index := 20, uint32(0)
	switch kind {
	case blockSimple:
		head = 4
	case blockEnhanced:
		if len(b) >= 4 {
			index = p.uint32(b)
		}
	case blockPacket:
		if len(b) >= 2 {
			index = uint32(p.uint16(b))
		}
	}
	if len(b) < head {
		return false, p.corrupt("packet block is too short")
	}
	if index >= uint32(len(p.interfaces)) {
		return false, p.corrupt("packet names an interface that is not described")
	}
	i := &p.interfaces[index]
	var n, size uint32
	if kind == blockSimple {
		size = p.uint32(b)
		n = min(size, uint32(len(b)-head))
		if i.snap > 0 {
			n = min(n, i.snap)
		}
	} else {
		n, size = p.uint32(b[12:]), p.uint32(b[16:])
		p.last = i.time(uint64(p.uint32(b[4:]))<<32 | uint64(p.uint32(b[8:])))
	}
	if uint64(n) > uint64(len(b)-head) {
		return false, p.corrupt("packet is longer than its block")
	}
	rec.at = p.last
	rec.link = i.link
	rec.data = b[head : head+int(n)]
	rec.size = int(min(max(size, n), maxWire))
	return true, nil
}

// time converts a count of the interface's ticks.
func (i *iface) time(ticks uint64) time.Time {
	var sec, ns uint64
	switch {
	case i.binary && i.power < 64:
		sec = ticks >> i.power
		hi, lo := bits.Mul64(ticks-sec<<i.power, 1e9)
		ns = lo>>i.power | hi<<(64-i.power)
	case i.unit != 0 && i.unit <= 1e9:
		sec = ticks / i.unit
		ns = (ticks % i.unit) * (1e9 / i.unit)
	case i.unit != 0:
		sec = ticks / i.unit
		ns = (ticks % i.unit) / (i.unit / 1e9)
	}
	s := min(max(int64(min(sec, maxSeconds))+min(max(i.seconds, -maxSeconds), maxSeconds), 0), maxSeconds)
	return time.Unix(s, int64(ns)).UTC()
}

func isEOF(err error) bool {
	return errors.Is(err, io.EOF)
}
