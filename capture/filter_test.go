package capture

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/net/bpf"
	"pgregory.net/rapid"
)

// seen is a packet as the kernel shows it to a filter.
type seen struct {
	index, hardware, direction int
	kind                       uint16
	data                       []byte
}

// passes runs a filter on p: the loads that ask the kernel become constants.
func passes(t interface{ Fatalf(string, ...any) }, prog []bpf.Instruction, p seen) bool {
	prog = slices.Clone(prog)
	for i, ins := range prog {
		ext, is := ins.(bpf.LoadExtension)
		if !is {
			continue
		}
		v := map[bpf.Extension]int{
			bpf.ExtInterfaceIndex: p.index, bpf.ExtLinkLayerType: p.hardware, bpf.ExtType: p.direction, bpf.ExtProto: int(p.kind),
		}[ext.Num]
		prog[i] = bpf.LoadConstant{Dst: bpf.RegA, Val: uint32(v)}
	}
	vm, err := bpf.NewVM(prog)
	if err != nil {
		t.Fatalf("filter is not valid: %v", err)
	}
	n, err := vm.Run(p.data)
	if err != nil {
		t.Fatalf("run filter: %v", err)
	}
	return n > 0
}

// cooked turns an Ethernet frame into what a packet socket without link headers sees: what follows the type.
func cooked(frame []byte) seen {
	return seen{hardware: 1, kind: binary.BigEndian.Uint16(frame[12:]), data: frame[14:]}
}

func TestFilter(t *testing.T) {
	v4 := stack{src: "10.0.0.1", dst: "10.0.0.2", sport: 40000, dport: 8069, flags: flagACK, payload: []byte("hello")}
	v6 := stack{src: "fd00::1", dst: "fd00::2", sport: 40000, dport: 8069, flags: flagACK, payload: []byte("hello")}
	answer, other, options := v4, v4, v4
	answer.sport, answer.dport = 8069, 40000
	other.dport = 8070
	options.ipOptions, options.tcpOptions = 3, 7
	with := func(s stack, tags int, change func(*seen)) seen {
		p := cooked(s.ethernet(t, tags))
		if change != nil {
			change(&p)
		}
		return p
	}
	udp := func() seen {
		ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: []byte{10, 0, 0, 1}, DstIP: []byte{10, 0, 0, 2}}
		udp := &layers.UDP{SrcPort: 8069, DstPort: 8069}
		_ = udp.SetNetworkLayerForChecksum(ip)
		return seen{kind: kindIPv4, data: serialize(t, ip, udp)}
	}()
	extended := func(next layers.IPProtocol, header []byte) seen {
		ip, _ := v6.network()
		whole := serialize(t, ip, v6.transport(ip), gopacket.Payload("hello"))
		whole[5] += byte(len(header))
		whole[6] = byte(next)
		return seen{kind: kindIPv6, data: slices.Concat(whole[:40], header, whole[40:])}
	}
	atomic := []byte{6, 0, 0, 1, 0, 0, 0, 1}
	later := []byte{6, 0, 0, 8, 0, 0, 0, 1}
	for _, c := range []struct {
		name string
		p    seen
		want bool
	}{
		{"request", with(v4, 0, nil), true},
		{"answer", with(answer, 0, nil), true},
		{"IPv6", with(v6, 0, nil), true},
		{"options", with(options, 0, nil), true},
		{"one tag", with(v4, 1, nil), true},
		{"IPv6, one tag", with(v6, 1, nil), true},
		{"service tag", with(v6, 1, func(p *seen) { p.kind = 0x88a8 }), true},
		{"tag taken off, kind left", with(v4, 0, func(p *seen) { p.kind = 0x8100 }), true},
		{"IPv6, tag taken off, kind left", with(v6, 0, func(p *seen) { p.kind = 0x88a8 }), true},
		{"three tags", with(v4, 3, nil), false},
		{"other port", with(other, 0, nil), false},
		{"other port, one tag", with(other, 1, nil), false},
		{"other port, IPv6", func() seen { o := v6; o.dport = 8070; return with(o, 0, nil) }(), false},
		{"UDP", udp, false},
		{"ARP", seen{kind: 0x0806, data: make([]byte, 46)}, false},
		{"no bytes", seen{kind: kindIPv4}, false},
		{"tag alone", seen{kind: 0x8100, data: []byte{0, 1, 8}}, false},
		{"first fragment", with(v4, 0, func(p *seen) { p.data[6] = 0x20 }), true},
		{"later fragment", with(v4, 0, func(p *seen) { p.data[7] = 0x10 }), false},
		{"hop-by-hop header", extended(0, []byte{6, 0, 1, 4, 0, 0, 0, 0}), true},
		{"long destination options", extended(60, append([]byte{6, 2}, make([]byte, 22)...)), true},
		{"UDP behind a header", extended(60, []byte{17, 0, 1, 4, 0, 0, 0, 0}), false},
		{"first IPv6 fragment", extended(44, atomic), true},
		{"later IPv6 fragment", extended(44, later), false},
		{"loopback, arriving", with(v4, 0, func(p *seen) { p.hardware = hardwareLoopback }), true},
		{"loopback, sent", with(v4, 0, func(p *seen) { p.hardware, p.direction = hardwareLoopback, packetOutgoing }), false},
		{"sent elsewhere", with(v4, 0, func(p *seen) { p.direction = packetOutgoing }), true},
		{"another interface", with(v4, 0, func(p *seen) { p.index = 9 }), false},
	} {
		if c.p.index == 0 {
			c.p.index = 3
		}
		prog := filterProgram([]int{2, 3}, []uint16{5432, 8069}, 4096)
		if got := passes(t, prog, c.p); got != c.want {
			t.Errorf("%s: passes %v, want %v", c.name, got, c.want)
		}
		if c.want {
			kinds := []uint16{c.p.kind}
			if isVLAN(c.p.kind) {
				kinds = append(kinds, rawKind(network(c.p.kind, c.p.data)[0])) // as newer kernels have it
			}
			for _, kind := range kinds {
				if ip := network(kind, c.p.data); len(ip) == 0 || rawKind(ip[0]) == 0 || !bytes.Contains(ip, []byte("hello")) {
					t.Errorf("%s: no packet in what passed as %#x", c.name, kind)
				}
			}
		}
		all := filterProgram(nil, nil, 4096)
		tcp := c.want || c.name == "other port" || c.name == "other port, one tag" || c.name == "other port, IPv6" || c.name == "another interface"
		if got := passes(t, all, c.p); got != tcp {
			t.Errorf("%s: passes %v without ports and interfaces, want %v", c.name, got, tcp)
		}
	}
}

func TestFilterWithoutInterfaces(t *testing.T) {
	p := cooked(stack{src: "10.0.0.1", dst: "10.0.0.2", sport: 1, dport: 2}.ethernet(t, 0))
	if passes(t, filterProgram([]int{}, nil, 4096), p) {
		t.Error("a packet passes though no interface is left")
	}
}

// The largest filter is one that the kernel's limit of 4,096 instructions takes.
func TestFilterOfManyPorts(t *testing.T) {
	var ports []uint16
	for i := range maxFilterPorts {
		ports = append(ports, uint16(1000+i))
	}
	var indices []int
	for i := range maxFilterLinks {
		indices = append(indices, i+1)
	}
	raw, err := filter(indices, ports, 4096)
	if err != nil || len(raw) > 4096 {
		t.Errorf("%d instructions, error %v", len(raw), err)
	}
	prog := filterProgram(indices, ports, 4096)
	p := cooked(stack{src: "10.0.0.1", dst: "10.0.0.2", sport: 1000 + maxFilterPorts - 1, dport: 2}.ethernet(t, 0))
	p.index = maxFilterLinks
	if !passes(t, prog, p) {
		t.Error("the last port does not pass")
	}
}

// Whatever the engine would make a segment of passes the filter if its port is wanted, and nothing else does.
func TestFilterAgreesWithEngine(t *testing.T) {
	prog := filterProgram(nil, []uint16{8069, 5432}, 4096)
	rapid.Check(t, func(t *rapid.T) {
		s := stack{
			src: "10.1.2.3", dst: "10.1.2.4",
			sport:     rapid.SampledFrom([]uint16{8069, 5432, 40000}).Draw(t, "sport"),
			dport:     rapid.SampledFrom([]uint16{8069, 5432, 40001}).Draw(t, "dport"),
			ipOptions: rapid.IntRange(0, 10).Draw(t, "options") * 4,
			payload:   rapid.SliceOfN(rapid.Byte(), 0, 50).Draw(t, "payload"),
		}
		if rapid.Bool().Draw(t, "IPv6") {
			s.src, s.dst = "fd00::3", "fd00::4"
		}
		p := cooked(s.ethernet(t, rapid.IntRange(0, 1).Draw(t, "tags")))
		checkFilter(t, prog, p)
	})
}

func checkFilter(t interface {
	Fatalf(string, ...any)
	Errorf(string, ...any)
}, prog []bpf.Instruction, p seen,
) {
	if len(p.data) > 0 && (p.kind == kindIPv4 && p.data[0]>>4 != 4 || p.kind == kindIPv6 && p.data[0]>>4 != 6) {
		return // a kind that lies
	}
	pass := passes(t, prog, p)
	ip := network(p.kind, p.data)
	if pass && ip == nil {
		t.Fatalf("%x of kind %#x passes and holds no packet", p.data, p.kind)
	}
	var e Engine
	var s segment
	if ip == nil || e.decode(layers.LinkTypeRaw, ip, len(ip), &s) != isTCP || ip[0]>>4 == 6 && ip[6] != 6 {
		return
	}
	wanted := false
	for i := range uint8(2) {
		wanted = wanted || s.flow.port(i) == 8069 || s.flow.port(i) == 5432
	}
	if pass != wanted {
		t.Errorf("%x of kind %#x: passes %v, wanted %v", p.data, p.kind, pass, wanted)
	}
}

func FuzzFilter(f *testing.F) {
	v4 := stack{src: "10.0.0.1", dst: "10.0.0.2", sport: 40000, dport: 8069, payload: []byte("hello")}
	v6 := stack{src: "fd00::1", dst: "fd00::2", sport: 5432, dport: 40000, payload: []byte("hello")}
	for tags := range 3 {
		for _, s := range []stack{v4, v6} {
			p := cooked(s.ethernet(f, tags))
			f.Add(p.kind, p.data)
		}
	}
	prog := filterProgram(nil, []uint16{8069, 5432}, 4096)
	f.Fuzz(func(t *testing.T, kind uint16, data []byte) {
		checkFilter(t, prog, seen{kind: kind, data: data})
	})
}
