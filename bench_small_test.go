//go:build unix

package perfd_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/gopacket/layers"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/fixtures/synth"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

// BenchmarkSmallCalls is the load of which the tap's processor time is measured (fixtures/load), from memory:
// small calls on 16 connections, each with three small statements on a connection to the database. It counts
// the processor time of one packet, as far as the engine and the decoders.
func BenchmarkSmallCalls(b *testing.B) {
	packets := smallCalls(16, 250)
	stage := func(name string, start func() (*capture.Engine, func() error)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			least := int64(math.MaxInt64) // what other programs disturbed least
			for b.Loop() {
				before := processorTime()
				e, flush := start()
				for i := range packets {
					p := &packets[i]
					e.Packet(p.At, layers.LinkTypeEthernet, p.Data, p.Orig)
				}
				e.Flush()
				if err := flush(); err != nil {
					b.Fatal(err)
				}
				least = min(least, processorTime()-before)
			}
			b.ReportMetric(float64(least)/float64(len(packets)), "cpu-ns/packet")
		})
	}
	stage("engine", func() (*capture.Engine, func() error) {
		return capture.NewEngine(capture.Config{}, unread{}), func() error { return nil }
	})
	stage("decoders", func() (*capture.Engine, func() error) {
		var end counter
		e := capture.NewEngine(capture.Config{}, rpclog.New(rpclog.Config{}, &end), sqltrace.New(sqltrace.Config{}, &end))
		return e, func() error {
			if end.calls*8 != len(packets)-8*16 || end.statements != 3*end.calls {
				return fmt.Errorf("%d calls and %d statements of %d packets", end.calls, end.statements, len(packets))
			}
			return nil
		}
	})
}

// processorTime is what this process has taken, in nanoseconds: other programs on the machine do not count.
func processorTime() int64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // never fails with these arguments
	return u.Utime.Nano() + u.Stime.Nano()
}

// counter counts what comes.
type counter struct{ calls, statements int }

func (*counter) Begin(*rpclog.Call)                  {}
func (c *counter) End(*rpclog.Call)                  { c.calls++ }
func (*counter) Message(rpclog.Message)              {}
func (*counter) Opened(*sqltrace.Session)            {}
func (c *counter) Statement(*sqltrace.Statement)     { c.statements++ }
func (*counter) Closed(*sqltrace.Session, time.Time) {}

// unread claims all connections and looks at nothing.
type unread struct{}

func (unread) Claims(capture.Conn, []byte) capture.Verdict { return capture.FromClient }
func (unread) NewStream(capture.Conn) capture.Stream       { return unread{} }
func (unread) Chunk(capture.Chunk)                         {}
func (unread) Fin(capture.Dir, time.Time)                  {}
func (unread) Close(time.Time)                             {}

// smallCalls makes the packets of clients that make calls at the same time, one after the other each.
func smallCalls(clients, calls int) []synth.Packet {
	const step = 10 * time.Microsecond
	var (
		began  = time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC)
		local  = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		all    []synth.Packet
		answer = `{"jsonrpc":"2.0","id":null,"result":[{"id":1,"name":"Azure Interior"}]}`
		result = message('T', "\x00\x01name\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x19\xff\xff\xff\xff\xff\xff\x00\x00") +
			message('D', "\x00\x01\x00\x00\x00\x0eAzure Interior") + message('C', "SELECT 1\x00") + message('Z', "I")
		params = "user\x00odoo\x00database\x00odoo\x00\x00"
	)
	answer = fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(answer), answer)
	for i := range clients {
		at := began.Add(time.Duration(i) * step / 4)
		http := synth.NewDialogue(netip.AddrPortFrom(local, uint16(40000+i)), netip.AddrPortFrom(local, 8069), at, step).Open()
		db := synth.NewDialogue(netip.AddrPortFrom(local, uint16(50000+i)), netip.AddrPortFrom(local, 5432), at, step).Open()
		startup := binary.BigEndian.AppendUint32(nil, uint32(8+len(params)))
		db.Client(append(binary.BigEndian.AppendUint32(startup, 3<<16), params...))
		db.Server([]byte(message('R', "\x00\x00\x00\x00") + message('K', "\x00\x00\x00\x01\x00\x00\x00\x02") + message('Z', "I")))
		http.Pause(2 * step)
		for n := range calls {
			body := fmt.Sprintf(`{"jsonrpc":"2.0","method":"call","params":{"model":"res.partner","method":"read","args":[[%09d],["name"]],"kwargs":{"context":{"uid":%d}}}}`, n, i%9+1)
			http.Client(fmt.Appendf(nil, "POST /web/dataset/call_kw/res.partner/read HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
			db.Pause(step)
			for k := range 3 {
				text := fmt.Sprintf(`SELECT "res_partner"."id", "res_partner"."name", "res_partner"."write_date" FROM "res_partner" WHERE ("res_partner"."id" IN (%d, %d)) ORDER BY "res_partner"."id"`, n*clients+i, k)
				db.Client([]byte(message('Q', text+"\x00"))).Server([]byte(result))
			}
			http.Pause(6 * step).Server([]byte(answer))
			db.Pause(step)
		}
		all = append(append(all, http.Recording().Packets...), db.Recording().Packets...)
	}
	slices.SortStableFunc(all, func(a, b synth.Packet) int { return a.At.Compare(b.At) })
	// Packets as they would stand in a ring: behind one another.
	var ring []byte
	for i := range all {
		ring = append(ring, all[i].Data...)
	}
	for i := range all {
		n := len(all[i].Data)
		all[i].Data, ring = ring[:n:n], ring[n:]
	}
	return all
}

// message frames a PostgreSQL message.
func message(kind byte, body string) string {
	return string(binary.BigEndian.AppendUint32([]byte{kind}, uint32(4+len(body)))) + body
}
