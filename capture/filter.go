package capture

import (
	"fmt"

	"golang.org/x/net/bpf"
)

// Link-level numbers as Linux gives them to filters and in struct sockaddr_ll.
const (
	hardwareLoopback = 772 // ARPHRD_LOOPBACK
	packetOutgoing   = 4   // PACKET_OUTGOING

	kindIPv4 = 0x0800
	kindIPv6 = 0x86dd
)

func isVLAN(kind uint16) bool { return kind == 0x8100 || kind == 0x88a8 || kind == 0x9100 }

// filter writes the program by which the kernel chooses packets, for a socket whose packets begin with the
// network header (SOCK_DGRAM), whatever their link layer:
//
//   - of the interfaces with these indices (nil: all),
//   - on loopback the arriving copy of each packet only, for there each is seen twice,
//   - TCP on IPv4 or IPv6, behind at most one extension header and, besides the tag that the kernel has taken
//     off, one VLAN tag, from or to one of the ports (none: all); of fragments the first, which tells the ports.
//
// It yields snap, the number of bytes to capture, or 0.
func filter(indices []int, ports []uint16, snap int) ([]bpf.RawInstruction, error) {
	raw, err := bpf.Assemble(filterProgram(indices, ports, snap))
	if err != nil {
		return nil, fmt.Errorf("assemble filter: %w", err)
	}
	return raw, nil
}

func filterProgram(indices []int, ports []uint16, snap int) []bpf.Instruction {
	var p program
	if indices != nil {
		p.add(bpf.LoadExtension{Num: bpf.ExtInterfaceIndex})
		for _, i := range indices {
			p.add(bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(i), SkipTrue: 1})
			p.jump("interface")
		}
		p.add(bpf.RetConstant{Val: 0})
	}
	p.label("interface")
	p.add(bpf.LoadExtension{Num: bpf.ExtLinkLayerType})
	p.unless(hardwareLoopback, "kind")
	p.add(bpf.LoadExtension{Num: bpf.ExtType})
	p.when(packetOutgoing, "drop")

	p.label("kind")
	p.add(bpf.LoadExtension{Num: bpf.ExtProto})
	p.when(kindIPv4, "ipv4")
	p.when(kindIPv6, "ipv6")
	p.when(0x8100, "tag")
	p.when(0x88a8, "tag")
	p.when(0x9100, "tag")
	p.jump("drop")

	// See network for the two shapes of a packet whose kind is that of a VLAN tag.
	p.label("tag")
	p.add(bpf.LoadAbsolute{Off: 2, Size: 2})
	p.when(kindIPv4, "tagged ipv4")
	p.unless(kindIPv6, "untagged")
	p.version(4)
	p.when(0x60, "ipv6 at 4")
	p.jump("untagged")
	p.label("tagged ipv4")
	p.version(4)
	p.when(0x40, "ipv4 at 4")
	p.label("untagged")
	p.version(0)
	p.when(0x40, "ipv4")
	p.when(0x60, "ipv6")
	p.jump("drop")

	p.ipv4("ipv4", 0)
	p.ipv4("ipv4 at 4", 4)
	p.ipv6("ipv6", 0)
	p.ipv6("ipv6 at 4", 4)

	p.label("ports") // X is where the TCP header begins
	if len(ports) == 0 {
		p.add(bpf.RetConstant{Val: uint32(snap)})
	}
	for _, off := range []uint32{0, 2} {
		p.add(bpf.LoadIndirect{Off: off, Size: 2})
		for _, port := range ports {
			p.add(bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(port), SkipTrue: 1},
				bpf.RetConstant{Val: uint32(snap)})
		}
	}
	p.label("drop")
	p.add(bpf.RetConstant{Val: 0})
	return p.link()
}

// program is a filter in the making: jumps name labels that may come later.
type program struct {
	ins    []bpf.Instruction
	labels map[string]int
	jumps  map[int]string // instructions whose target is still open
}

func (p *program) add(ins ...bpf.Instruction) { p.ins = append(p.ins, ins...) }

func (p *program) label(name string) {
	if p.labels == nil {
		p.labels = make(map[string]int)
	}
	p.labels[name] = len(p.ins)
}

func (p *program) jump(to string) {
	if p.jumps == nil {
		p.jumps = make(map[int]string)
	}
	p.jumps[len(p.ins)] = to
	p.add(bpf.Jump{})
}

// when jumps if A is v, unless if it is not. A conditional jump reaches 255 instructions at most, a plain one
// any distance.
func (p *program) when(v uint32, to string) {
	p.add(bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: v, SkipTrue: 1})
	p.jump(to)
}

func (p *program) unless(v uint32, to string) {
	p.add(bpf.JumpIf{Cond: bpf.JumpEqual, Val: v, SkipTrue: 1})
	p.jump(to)
}

// whenAny jumps if A has any of the bits.
func (p *program) whenAny(bits uint32, to string) {
	p.add(bpf.JumpIf{Cond: bpf.JumpBitsNotSet, Val: bits, SkipTrue: 1})
	p.jump(to)
}

func (p *program) load(off uint32, size int) { p.add(bpf.LoadAbsolute{Off: off, Size: size}) }

// version loads the upper half of the byte at off.
func (p *program) version(off uint32) {
	p.load(off, 1)
	p.add(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf0})
}

func (p *program) ipv4(name string, at uint32) {
	p.label(name)
	p.load(at+9, 1)
	p.unless(6, "drop")
	p.load(at+6, 2)
	p.whenAny(0x1fff, "drop") // a fragment that is not the first
	p.add(bpf.LoadMemShift{Off: at}, bpf.TXA{}, bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: at}, bpf.TAX{})
	p.jump("ports")
}

func (p *program) ipv6(name string, at uint32) {
	p.label(name)
	p.load(at+6, 1)
	p.when(6, name+" tcp")
	p.when(44, name+" fragment")
	p.when(0, name+" extension") // hop by hop: jumbograms of large offload have it
	p.when(43, name+" extension")
	p.when(60, name+" extension")
	p.jump("drop")

	p.label(name + " tcp")
	p.add(bpf.LoadConstant{Dst: bpf.RegX, Val: at + 40})
	p.jump("ports")

	p.label(name + " extension")
	p.load(at+40, 1)
	p.unless(6, "drop")
	p.load(at+41, 1)
	p.add(bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: 1}, bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: 3},
		bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: at + 40}, bpf.TAX{})
	p.jump("ports")

	p.label(name + " fragment")
	p.load(at+40, 1)
	p.unless(6, "drop")
	p.load(at+42, 2)
	p.whenAny(0xfff8, "drop")
	p.add(bpf.LoadConstant{Dst: bpf.RegX, Val: at + 48})
	p.jump("ports")
}

// link gives every jump its distance.
func (p *program) link() []bpf.Instruction {
	for i, to := range p.jumps {
		p.ins[i] = bpf.Jump{Skip: uint32(p.labels[to] - i - 1)}
	}
	return p.ins
}

// network returns the part of a packet that begins with its IP header, nil if there is none. kind is the
// protocol that the kernel gives with the packet. Besides the IP header, data may begin with what follows the
// first two bytes of a VLAN tag: the second tag of a packet received, or the one of a packet sent through an
// interface that does not insert tags itself. kind is then the tag's, or, since Linux 6.11, that behind it.
func network(kind uint16, data []byte) []byte {
	plain := len(data) > 0 && rawKind(data[0]) != 0
	switch {
	case plain && rawKind(data[0]) == kind:
		return data
	case !isVLAN(kind) && kind != kindIPv4 && kind != kindIPv6:
		return nil
	case len(data) > 4 && rawKind(data[4]) != 0 && rawKind(data[4]) == uint16(data[2])<<8|uint16(data[3]):
		return data[4:]
	case plain && isVLAN(kind):
		return data
	}
	return nil
}
