package capture

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/perfd/perfd/fixtures"
	"github.com/perfd/perfd/fixtures/synth"
)

// sample is a short recording with times of nanoseconds.
func sample(t testing.TB) synth.Recording {
	t.Helper()
	r, err := synth.Read(fixtures.Tap(t, "odoo18-a"))
	if err != nil {
		t.Fatal(err)
	}
	r.Packets = r.Packets[:50]
	return r
}

// readAll returns copies of all records of a file, and the error that ended it.
func readAll(t testing.TB, b []byte) ([]record, error) {
	t.Helper()
	f, err := NewFile(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []record
	for {
		var rec record
		if err := f.packets.next(&rec); err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return all, err
		}
		rec.data = bytes.Clone(rec.data)
		all = append(all, rec)
	}
}

func zip(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := z.Write(b)
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// bigEndian turns the headers of a little-endian pcap around.
func bigEndian(b []byte) []byte {
	b = bytes.Clone(b)
	swap := func(at int, sizes ...int) {
		for _, n := range sizes {
			for i := range n / 2 {
				b[at+i], b[at+n-1-i] = b[at+n-1-i], b[at+i]
			}
			at += n
		}
	}
	swap(0, 4, 2, 2, 4, 4, 4, 4)
	for at := 24; at < len(b); {
		n := int(binary.LittleEndian.Uint32(b[at+8:]))
		swap(at, 4, 4, 4, 4)
		at += 16 + n
	}
	return b
}

func TestFormats(t *testing.T) {
	r := sample(t).Nanosecond()
	micro := r
	micro.Nano = false
	le, be := r.Pcapng(binary.LittleEndian), r.Pcapng(binary.BigEndian)
	tests := []struct {
		name string
		file []byte
		tick time.Duration
	}{
		{"pcap", micro.Pcap(), time.Microsecond},
		{"pcap nanoseconds", r.Pcap(), 1},
		{"pcap big-endian", bigEndian(micro.Pcap()), time.Microsecond},
		{"pcap big-endian nanoseconds", bigEndian(r.Pcap()), 1},
		{"pcap gzip", zip(t, r.Pcap()), 1},
		{"pcapng", le, 1},
		{"pcapng big-endian", be, 1},
		{"pcapng gzip", zip(t, le), 1},
		{"gzip of two members", append(zip(t, micro.Pcap()[:1000]), zip(t, micro.Pcap()[1000:])...), time.Microsecond},
		{"pcapng of two sections", append(bytes.Clone(le[:0]), le...), 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readAll(t, tt.file)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(r.Packets) {
				t.Fatalf("%d packets, want %d", len(got), len(r.Packets))
			}
			for i, p := range r.Packets {
				g := got[i]
				if !g.at.Equal(p.At.Truncate(tt.tick)) && !g.at.Equal(p.At.Truncate(time.Microsecond)) {
					t.Fatalf("packet %d at %v, want %v", i, g.at, p.At)
				}
				if !bytes.Equal(g.data, p.Data) || g.size != max(p.Orig, len(p.Data)) || g.link != layers.LinkTypeEthernet {
					t.Fatalf("packet %d: %d of %d bytes, link %d", i, len(g.data), g.size, g.link)
				}
			}
		})
	}
}

// appendBlock appends a pcapng block in little-endian order.
func appendBlock(out []byte, kind uint32, body []byte) []byte {
	le := binary.LittleEndian
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	size := uint32(len(body) + 12)
	out = le.AppendUint32(le.AppendUint32(out, kind), size)
	return le.AppendUint32(append(out, body...), size)
}

func words(w ...uint32) []byte {
	var b []byte
	for _, v := range w {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

func TestPcapngDetails(t *testing.T) {
	section := appendBlock(nil, blockSection, append(words(0x1a2b3c4d, 1), bytes.Repeat([]byte{0xff}, 8)...))
	described := func(out []byte, link uint16, snap uint32, options ...byte) []byte {
		return appendBlock(out, blockInterface, append(words(uint32(link), snap), options...))
	}
	ticks := func(v uint64) (uint32, uint32) { return uint32(v >> 32), uint32(v) }
	enhanced := func(out []byte, index uint32, at uint64, data string, size int) []byte {
		hi, lo := ticks(at)
		return appendBlock(out, blockEnhanced, append(words(index, hi, lo, uint32(len(data)), uint32(size)), data...))
	}
	b := section
	b = described(b, 1, 0)                                                            // 0: microseconds
	b = described(b, 101, 3, 9, 0, 1, 0, 9, 0, 0, 0)                                  // 1: nanoseconds, 3 bytes kept
	b = described(b, 276, 0, 9, 0, 1, 0, 0x80|10, 0, 0, 0)                            // 2: 1/1024 s
	b = described(b, 105, 0, 14, 0, 8, 0, 100, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 9) // 3: 100 s later, options cut
	b = described(b, 1, 0, 9, 0, 1, 0, 12, 0, 0, 0)                                   // 4: picoseconds
	b = appendBlock(b, 0x0bad, bytes.Repeat([]byte("unknown"), 100_000))              // longer than the buffer
	b = enhanced(b, 0, 1_500_000_000_000_007, "micro", 5)                             // 1500000000.000007
	b = enhanced(b, 1, 1_500_000_000_000_000_007, "na", 99)                           // …000000007
	b = enhanced(b, 2, 1_500_000_000<<10|512, "binary", 6)                            // ….5
	b = enhanced(b, 3, 1_500_000_000_000_000, "later", 5)                             // 1500000100
	b = enhanced(b, 4, 7_000_000_000_123, "pico", 4)                                  // 7.000000000123
	b = appendBlock(b, blockSimple, append(words(9), "simple..."...))                 // of interface 0, time of the last
	b = appendBlock(b, blockPacket, append(words(1, 0, 8, 3, 3), "old"...))           // 8 ns
	b = append(b, section...)                                                         // forgets the interfaces
	b = described(b, 1, 4)                                                            // 0: snap length 4
	b = appendBlock(b, blockSimple, append(words(9), "simple..."...))                 //
	got, err := readAll(t, b)
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		at   time.Time
		link layers.LinkType
		data string
		size int
	}{
		{time.Unix(1_500_000_000, 7000), layers.LinkTypeEthernet, "micro", 5},
		{time.Unix(1_500_000_000, 7), layers.LinkTypeRaw, "na", 99},
		{time.Unix(1_500_000_000, 5e8), LinkTypeLinuxSLL2, "binary", 6},
		{time.Unix(1_500_000_100, 0), linkTypeUnsupported, "later", 5},
		{time.Unix(7, 0), layers.LinkTypeEthernet, "pico", 4},
		{time.Unix(7, 0), layers.LinkTypeEthernet, "simple...", 9},
		{time.Unix(0, 8), layers.LinkTypeRaw, "old", 3},
		{time.Unix(0, 8), layers.LinkTypeEthernet, "simp", 9},
	}
	if len(got) != len(want) {
		t.Fatalf("%d packets, want %d", len(got), len(want))
	}
	for i, w := range want {
		if g := got[i]; !g.at.Equal(w.at) || g.link != w.link || string(g.data) != w.data || g.size != w.size {
			t.Errorf("packet %d: %v link %d %q of %d, want %+v", i, g.at, g.link, g.data, g.size, w)
		}
	}
}

// TestDamaged: a file cut anywhere, or with a hostile length, gives its first packets and an error that says so.
func TestDamaged(t *testing.T) {
	r := sample(t)
	for name, file := range map[string][]byte{
		"pcap": r.Pcap(), "pcapng": r.Pcapng(binary.LittleEndian), "gzip": zip(t, r.Pcap()),
	} {
		t.Run(name, func(t *testing.T) {
			whole, err := readAll(t, file)
			if err != nil {
				t.Fatal(err)
			}
			var partial int
			for cut := len(file) - 1; cut > 0; cut -= 41 {
				got, err := readAll(t, file[:cut])
				switch {
				case errors.Is(err, ErrPartial):
					partial++
				case err == nil && name != "gzip": // between two packets
				case errors.Is(err, ErrFormat) && len(got) == 0 && cut < 4096:
				default:
					t.Fatalf("cut at %d: %v", cut, err)
				}
				for i := range got {
					if !bytes.Equal(got[i].data, whole[i].data) {
						t.Fatalf("cut at %d: packet %d differs", cut, i)
					}
				}
			}
			if partial < 50 {
				t.Errorf("%d cuts were noticed", partial)
			}
		})
	}
	giant := r.Pcap()
	binary.LittleEndian.PutUint32(giant[24+8:], 0xfffffff0)
	if _, err := readAll(t, giant); !errors.Is(err, ErrPartial) {
		t.Errorf("giant packet: %v", err)
	}
	flipped := zip(t, r.Pcap())
	flipped[len(flipped)/2] ^= 0xff
	if _, err := readAll(t, flipped); !errors.Is(err, ErrPartial) {
		t.Errorf("flipped gzip: %v", err)
	}
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	write := func(b []byte) string {
		p := filepath.Join(dir, "x")
		if err := os.WriteFile(p, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	for name, b := range map[string][]byte{
		"empty": {}, "text": []byte("GET / HTTP/1.1\r\n\r\n"), "gzip of text": zip(t, []byte("hello, world")),
		"short": {0xd4, 0xc3, 0xb2, 0xa1}, "gzip of nothing": zip(t, nil),
		"gzip cut in its header": zip(t, nil)[:5],
	} {
		if _, err := OpenFile(write(b)); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	wireless := sample(t).Pcap()
	wireless[20] = 105
	if _, err := OpenFile(write(wireless)); err == nil || !strings.Contains(err.Error(), "link type 105") {
		t.Errorf("link type: %v", err)
	}
	if _, err := OpenFile(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

func TestRunProgressAndCancel(t *testing.T) {
	path := fixtures.Path(t, "odoo18-a")
	f, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	e := NewEngine(Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Run(ctx, e); !errors.Is(err, context.Canceled) || e.Stats().Packets != 0 {
		t.Errorf("canceled run: %v after %d packets", err, e.Stats().Packets)
	}
	if err := f.Run(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if done, total := f.Progress(); done != total || total == 0 {
		t.Errorf("progress %d of %d", done, total)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	f, err = OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ahead := f.closers[0].(*readahead)
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	<-ahead.ended // the goroutine does not outlive its file
}

func FuzzFile(f *testing.F) {
	r := sample(f)
	r.Packets = r.Packets[:5]
	f.Add(r.Pcap())
	f.Add(bigEndian(r.Pcap()))
	f.Add(r.Pcapng(binary.LittleEndian))
	f.Add(r.Pcapng(binary.BigEndian))
	f.Add(zip(f, r.Pcap()))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := NewFile(bytes.NewReader(b))
		if err != nil {
			return
		}
		e := NewEngine(Config{}, &recorder{t: t})
		err = file.Run(t.Context(), e)
		e.Flush()
		checkLaws(t, e.Stats())
		if err != nil && !errors.Is(err, ErrPartial) {
			t.Errorf("error of another kind: %v", err)
		}
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	})
}

// BenchmarkRead compares the readers with gopacket's, whose packets are copies.
func BenchmarkRead(b *testing.B) {
	raw := fixtures.Tap(b, "odoo18-a")
	r, err := synth.Read(raw)
	if err != nil {
		b.Fatal(err)
	}
	ng := r.Pcapng(binary.LittleEndian)
	own := func(file []byte) func(*testing.B) {
		return func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(file)))
			for b.Loop() {
				f, err := NewFile(bytes.NewReader(file))
				if err != nil {
					b.Fatal(err)
				}
				var rec record
				for err = f.packets.next(&rec); err == nil; err = f.packets.next(&rec) {
				}
			}
		}
	}
	theirs := func(file []byte, open func(io.Reader) (gopacket.PacketDataSource, error)) func(*testing.B) {
		return func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(file)))
			for b.Loop() {
				f, err := open(bytes.NewReader(file))
				if err != nil {
					b.Fatal(err)
				}
				for err == nil {
					_, _, err = f.ReadPacketData()
				}
			}
		}
	}
	b.Run("pcap", own(raw))
	b.Run("pcap/pcapgo", theirs(raw, func(r io.Reader) (gopacket.PacketDataSource, error) { return pcapgo.NewReader(r) }))
	b.Run("pcapng", own(ng))
	b.Run("pcapng/pcapgo", theirs(ng, func(r io.Reader) (gopacket.PacketDataSource, error) {
		return pcapgo.NewNgReader(r, pcapgo.DefaultNgReaderOptions)
	}))
}
