package capture

import (
	"testing"
	"time"
)

// BenchmarkLive gives blocks of the ring to an engine: 16 connections that ask and answer, 200 bytes a packet.
// The blocks are in the processor's cache, which those of a real ring are not.
func BenchmarkLive(b *testing.B) {
	const conns, perBlock, blocks = 16, 640, 64
	at := epoch.UnixNano()
	var all [][]byte
	seq := make([]uint32, conns)
	for range blocks {
		var packets []ringPacket
		for i := range perBlock {
			c := i / 2 % conns
			p := packet{from: uint8(i % 2), port: uint16(40000 + c), flags: flagACK, data: text(148)}
			p.seq, p.ack = 100+seq[c], 100+seq[c]
			if p.from == server {
				p.ack += 148
				seq[c] += 148
			}
			frame, _ := p.frame()
			at += 10_000
			packets = append(packets, ringPacket{at: at, index: 1, kind: kindIPv4, size: len(frame) - 14, data: frame[14:]})
		}
		all = append(all, blockOf(packets...))
	}
	links := &links{named: []string{"lo"}, byID: map[int]*link{1: {LiveInterface: LiveInterface{Name: "lo", Index: 1}}}}
	for _, c := range []struct {
		name   string
		protos []Protocol
	}{{"ignored", nil}, {"null protocol", []Protocol{null{}}}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			packets := int64(0)
			for b.Loop() {
				l := &Live{links: links}
				l.clock.read = func() (int64, int64) { return at, at }
				l.clock.look(true)
				e := NewEngine(Config{}, c.protos...)
				for _, block := range all {
					l.give(e, block)
				}
				packets += l.packets
				if s := e.Stats(); s.Segments != l.packets || s.Lost != 0 {
					b.Fatalf("%d packets given, engine %+v", l.packets, s)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(packets), "ns/packet")
		})
	}
}

// null claims every connection and looks at nothing.
type null struct{}

var (
	_ Protocol = null{}
	_ Stream   = null{}
)

func (null) Claims(c Conn, _ []byte) Verdict {
	if c.Server.Port() == 8069 {
		return FromClient
	}
	return FromServer
}
func (null) NewStream(Conn) Stream { return null{} }
func (null) Chunk(Chunk)           {}
func (null) Fin(Dir, time.Time)    {}
func (null) Close(time.Time)       {}
