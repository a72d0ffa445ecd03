package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/perfd/perfd/fixtures"
	"github.com/perfd/perfd/fixtures/synth"
)

// replay runs a capture file through an engine and returns the streams by their ends and order.
func replay(t testing.TB, cfg Config, file []byte) (map[string]*recorded, Stats) {
	t.Helper()
	f, err := NewFile(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := &recorder{t: t, claims: func(Conn, []byte) Verdict { return FromClient }}
	e := NewEngine(cfg, &lenient{r})
	if err := f.Run(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	e.Flush()
	checkLaws(t, e.Stats())
	streams := map[string]*recorded{}
	for _, s := range r.streams {
		key := s.conn.Client.String() + " " + s.conn.Server.String()
		for n := 0; ; n++ {
			if _, taken := streams[fmt.Sprintf("%s %d", key, n)]; !taken {
				streams[fmt.Sprintf("%s %d", key, n)] = s
				break
			}
		}
	}
	return streams, e.Stats()
}

// lenient claims from whoever sends first, without notes of each chunk.
type lenient struct{ *recorder }

func (l *lenient) Claims(c Conn, b []byte) Verdict { return l.recorder.Claims(c, b) }
func (l *lenient) NewStream(c Conn) Stream {
	return &silent{l.recorder.NewStream(c).(*recorded)}
}

type silent struct{ *recorded }

func (s *silent) Chunk(c Chunk) {
	if c.Time.Before(s.last[c.Dir]) {
		s.r.t.Errorf("time went back to %v", c.Time)
	}
	s.last[c.Dir] = c.Time
	s.lost[c.Dir] += c.Lost
	s.data[c.Dir] = append(append(s.data[c.Dir], make([]byte, c.Lost)...), c.Data...)
}

func summary(s *recorded) string {
	var parts []string
	for d := range s.data {
		h := fnv.New64a()
		_, _ = h.Write(s.data[d])
		parts = append(parts, fmt.Sprintf("%d bytes %x lost %d fin %v", len(s.data[d]), h.Sum64(), s.lost[d], s.fin[d]))
	}
	return strings.Join(parts, ", ")
}

// TestVariants: whatever order, copies, format or link a recording comes in, its streams are the same.
func TestVariants(t *testing.T) {
	for _, name := range []string{"odoo18-a", "odoo18-h"} {
		r, err := synth.Read(fixtures.Tap(t, name))
		if err != nil {
			t.Fatal(err)
		}
		want, st := replay(t, Config{}, r.Pcap())
		if len(want) < 100 || st.Lost != 0 {
			t.Fatalf("%s: %d streams, %+v", name, len(want), st)
		}
		variants := map[string][]byte{
			"doubled":            r.Double().Pcap(),
			"swapped":            r.Swap(1, 0.2, 8).Pcap(),
			"overlapping":        r.Overlap(1, 0.3).Pcap(),
			"small segments":     r.MSS(1400).Pcap(),
			"small, swapped":     r.MSS(1400).Swap(2, 0.3, 8).Pcap(),
			"small, overlapping": r.MSS(1400).Overlap(3, 0.3).Double().Pcap(),
			"pcapng":             r.Pcapng(binary.LittleEndian),
			"pcapng big-endian":  r.Pcapng(binary.BigEndian),
			"nanoseconds":        r.Nanosecond().Pcap(),
			"cooked":             r.SLL().Pcap(),
			"cooked, second":     r.SLL2().Pcap(),
			"raw":                r.Raw().Pcap(),
			"null":               r.Null().Pcap(),
			"loop":               r.Loop().Pcap(),
			"vlan":               r.VLAN(7, 8).Pcap(),
		}
		for v, file := range variants {
			t.Run(name+"/"+v, func(t *testing.T) {
				got, st := replay(t, Config{}, file)
				for key, w := range want {
					switch g := got[key]; {
					case g == nil:
						t.Errorf("%s: missing", key)
					case summary(g) != summary(w):
						t.Errorf("%s: got %s, want %s", key, summary(g), summary(w))
					}
				}
				if len(got) != len(want) || st.Lost != 0 {
					t.Errorf("%d streams, want %d; %+v", len(got), len(want), st)
				}
			})
		}
		t.Run(name+"/ipv6", func(t *testing.T) {
			got, ipv6 := replay(t, Config{}, r.IPv6().Pcap())
			if len(got) != len(want) || ipv6.Delivered != st.Delivered {
				t.Errorf("%d streams with %d bytes, want %d with %d", len(got), ipv6.Delivered, len(want), st.Delivered)
			}
		})
	}
}

// TestReordered: packets recorded out of order across directions and connections lose nothing either.
func TestReordered(t *testing.T) {
	r, err := synth.Read(fixtures.Tap(t, "odoo18-a"))
	if err != nil {
		t.Fatal(err)
	}
	_, want := replay(t, Config{}, r.Pcap())
	for seed := range uint64(3) {
		_, st := replay(t, Config{}, r.Reorder(seed, 6).Pcap())
		if st.Lost != 0 || st.Delivered != want.Delivered {
			t.Errorf("seed %d: delivered %d of %d, lost %d", seed, st.Delivered, want.Delivered, st.Lost)
		}
		if !st.Disordered() {
			t.Errorf("seed %d: %d of %d packets have times before what they acknowledge, want more", seed, st.Acausal, st.Packets)
		}
	}
	for name, v := range map[string]synth.Recording{
		"as recorded": r, "late, with times of their own": r.Late(1, 6), "swapped in one direction": r.MSS(536).Swap(1, 0.3, 8), "with loss": r.Drop(1, 0.05),
	} {
		if _, st := replay(t, Config{}, v.Pcap()); st.Acausal > 2 {
			t.Errorf("%s: %d packets have times before what they acknowledge", name, st.Acausal)
		}
	}
}

// TestLossy: with packets missing, what is delivered stands where it belongs and the rest counts as lost.
func TestLossy(t *testing.T) {
	r, err := synth.Read(fixtures.Tap(t, "odoo18-a"))
	if err != nil {
		t.Fatal(err)
	}
	want, _ := replay(t, Config{}, r.Pcap())
	var exact, longer int
	for seed := range uint64(5) {
		got, st := replay(t, Config{}, r.Drop(seed, 0.01).Pcap())
		if st.Gaps == 0 || st.OutOfOrder == 0 {
			t.Errorf("seed %d: %+v", seed, st)
		}
		for key, w := range want {
			g := got[key]
			if g == nil || g.conn.Joined || w.conn.Joined {
				continue // starts elsewhere
			}
			for d := range g.data {
				switch n := len(g.data[d]) - len(w.data[d]); {
				case n == 0:
					exact++
				case n == 1: // data and FIN were lost in one packet, and the FIN counts as one
					longer++
				case n > 0 || g.fin[d]:
					t.Errorf("seed %d: %s %s has %d bytes, want %d", seed, key, Dir(d), len(g.data[d]), len(w.data[d]))
					continue
				}
				for i, b := range g.data[d][:min(len(g.data[d]), len(w.data[d]))] {
					if b != w.data[d][i] && b != 0 {
						t.Errorf("seed %d: %s %s differs at %d", seed, key, Dir(d), i)
						break
					}
				}
			}
		}
	}
	if exact < 1000 || longer > exact/100 {
		t.Errorf("%d directions exact, %d a byte longer", exact, longer)
	}
}

func TestCorruptedAndTruncated(t *testing.T) {
	r, err := synth.Read(fixtures.Tap(t, "odoo18-a"))
	if err != nil {
		t.Fatal(err)
	}
	_, st := replay(t, Config{}, r.Truncate(120).Pcap())
	if st.Truncated == 0 || st.Lost+st.Delivered != st.Space || st.Lost < st.Delivered {
		t.Errorf("truncated: %+v", st)
	}
	whole := st.Space
	for seed := range uint64(5) {
		_, st := replay(t, Config{}, r.Corrupt(seed, 0.05).Pcap())
		if st.Delivered < whole/2 {
			t.Errorf("seed %d: %+v", seed, st)
		}
	}
}

// TestHandshakeStorm: a million half-open connections cost little memory.
func TestHandshakeStorm(t *testing.T) {
	in, out := io.Pipe()
	go func() { _ = out.CloseWithError(synth.HandshakeStorm(out, 1_000_000)) }()
	f, err := NewFile(in)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	e := NewEngine(Config{}, &recorder{t: t})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if err := f.Run(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if st := e.Stats(); st.Connections != 1_000_000 || len(e.conns) > 8192 {
		t.Errorf("%d of %d connections kept", len(e.conns), st.Connections)
	}
	if n := int64(after.HeapAlloc) - int64(before.HeapAlloc); n > 16<<20 {
		t.Errorf("%d MiB kept", n>>20)
	}
	e.Flush()
}

// BenchmarkEngine is the whole way from file to a protocol that does nothing.
func BenchmarkEngine(b *testing.B) {
	r, err := synth.Read(fixtures.Tap(b, "odoo18-a"))
	if err != nil {
		b.Fatal(err)
	}
	for name, file := range map[string][]byte{
		"plain": r.Pcap(), "doubled": r.Double().Pcap(), "swapped": r.Swap(1, 0.1, 8).Pcap(), "lossy": r.Drop(1, 0.01).Pcap(),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(file)))
			for b.Loop() {
				f, err := NewFile(bytes.NewReader(file))
				if err != nil {
					b.Fatal(err)
				}
				e := NewEngine(Config{}, nothing{})
				if err := f.Run(b.Context(), e); err != nil {
					b.Fatal(err)
				}
				e.Flush()
			}
		})
	}
}

// BenchmarkPacket is the cost of one more packet of an open connection.
func BenchmarkPacket(b *testing.B) {
	e := NewEngine(Config{}, nothing{})
	feed(e, opening()...)
	p := packet{from: client, seq: 101, ack: 501, flags: flagACK, data: text(1000)}
	frame, size := p.frame()
	at := epoch
	b.ReportAllocs()
	b.SetBytes(int64(size))
	for b.Loop() {
		binary.BigEndian.PutUint32(frame[38:], p.seq)
		p.seq += 1000
		at = at.Add(time.Microsecond)
		e.Packet(at, 1, frame, size)
	}
	if st := e.Stats(); st.Lost != 0 || st.Delivered != st.Payload {
		b.Errorf("%+v", st)
	}
}

// nothing is a protocol that takes every connection and does nothing with it.
type nothing struct{}

func (nothing) Claims(Conn, []byte) Verdict { return FromClient }
func (nothing) NewStream(Conn) Stream       { return nothing{} }
func (nothing) Chunk(Chunk)                 {}
func (nothing) Fin(Dir, time.Time)          {}
func (nothing) Close(time.Time)             {}
