package perfd_test

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"testing"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/fixtures"
	"github.com/perfd/perfd/fixtures/synth"
)

// gauge reads a recording and takes the heap's measure at each step. Between two steps the heap holds at most what it
// held at the first and what was allocated since, so that nothing is missed, however soon it is given up again.
type gauge struct {
	from    io.Reader
	sample  [2]metrics.Sample
	before  uint64 // bytes in the heap at the beginning
	held    uint64 // at the last step
	made    uint64 // by then since the program began
	highest uint64
}

// newGauge begins with a clean heap that is collected often, until the test's end.
func newGauge(t *testing.T, from io.Reader) *gauge {
	t.Helper()
	percent := debug.SetGCPercent(10)
	t.Cleanup(func() { debug.SetGCPercent(percent) })
	runtime.GC()
	g := &gauge{from: from}
	g.sample[0].Name, g.sample[1].Name = "/memory/classes/heap/objects:bytes", "/gc/heap/allocs:bytes"
	g.step()
	g.before, g.highest = g.held, g.held
	return g
}

func (g *gauge) step() {
	metrics.Read(g.sample[:])
	held, made := g.sample[0].Value.Uint64(), g.sample[1].Value.Uint64()
	g.highest = max(g.highest, g.held+made-g.made)
	g.held, g.made = held, made
}

// Read is one step.
func (g *gauge) Read(b []byte) (int, error) {
	g.step()
	return g.from.Read(b[:min(len(b), 64<<10)])
}

// peak is the most that was held, beside what was there before.
func (g *gauge) peak() uint64 {
	g.step()
	return g.highest - g.before
}

// TestMemoryIsBounded sends recordings whose peers promise more than anyone can hold. What is held of each, at any moment
// and garbage included, is a fraction of what was sent.
func TestMemoryIsBounded(t *testing.T) {
	body := synth.HugeBody(10<<30, 48<<20).Pcap()
	message := synth.HugeMessage(1<<32-1, 48<<20).Pcap()
	for _, c := range []struct {
		name string
		most uint64 // MiB
		open func() io.Reader
	}{
		{"half-open connections", 48, func() io.Reader {
			r, w := io.Pipe()
			go func() { w.CloseWithError(synth.HandshakeStorm(w, 1_000_000)) }()
			return r
		}},
		{"content length of 10 GB", 8, func() io.Reader { return bytes.NewReader(body) }},
		{"message of 4 GB", 8, func() io.Reader { return bytes.NewReader(message) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, g := newHouse(&collector{}), newGauge(t, c.open())
			if err := h.read(t.Context(), g); err != nil {
				t.Fatal(err)
			}
			if peak := g.peak(); peak > c.most<<20 {
				t.Errorf("up to %d MiB held, want %d or less", peak>>20, c.most)
			}
			if err := h.flush(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestGauge holds much for a moment, and little again and again.
func TestGauge(t *testing.T) {
	const much, little = 64 << 20, 4 << 20
	g := newGauge(t, strings.NewReader(strings.Repeat("x", 1<<20)))
	for buffer := make([]byte, 1<<20); ; {
		if n, err := g.Read(buffer); err != nil || n == 0 {
			break
		}
		hold(make([]byte, little))
	}
	if peak := g.peak(); peak < little || peak > 10*little {
		t.Errorf("%d MiB held, want %d and a little", peak>>20, little>>20)
	}
	hold(make([]byte, much))
	hold(nil)
	if peak := g.peak(); peak < much {
		t.Errorf("a moment of %d MiB shows as %d", much>>20, peak>>20)
	}
}

// held keeps allocations from being optimised away.
var held []byte

func hold(b []byte) { held = b }

// TestDamagedRecordings sends recordings with damage of every kind. Each must come to an end; where the file
// itself is damaged, what stands before the damage counts and the error says so.
func TestDamagedRecordings(t *testing.T) {
	r, err := synth.Read(fixtures.Tap(t, "tryton60-a"))
	if err != nil {
		t.Fatal(err)
	}
	whole := len(run(t, r.Pcap()).traces)
	for name, rec := range map[string]synth.Recording{
		"bytes flipped in each packet":    r.Corrupt(1, 1),
		"bytes flipped in some packets":   r.Corrupt(2, 0.01),
		"cut packets":                     r.Truncate(96),
		"headers alone":                   r.Truncate(54),
		"half of the packets lost":        r.Drop(1, 0.5),
		"begun in the middle":             r.MidStream(r.Duration() / 2),
		"shuffled far":                    r.Reorder(1, 500),
		"shuffled, doubled, lossy, flips": r.Reorder(2, 50).Double().Drop(2, 0.05).Corrupt(3, 0.02),
	} {
		t.Run(name, func(t *testing.T) {
			if n := len(run(t, rec.Pcap()).traces); n > 2*whole {
				t.Errorf("%d calls of a recording that holds %d", n, whole)
			}
		})
	}
	t.Run("file cut", func(t *testing.T) {
		b := r.Pcap()
		var out collector
		h := newHouse(&out)
		err := h.read(t.Context(), bytes.NewReader(b[:len(b)/2+5]))
		if !errors.Is(err, capture.ErrPartial) {
			t.Errorf("error %v, want one that says the recording is partial", err)
		}
		if err := h.flush(); err != nil {
			t.Fatal(err)
		}
		if n := len(out.traces); n < whole/4 || n > whole {
			t.Errorf("%d calls of the first half, the whole has %d", n, whole)
		}
	})
	t.Run("no recording", func(t *testing.T) {
		for _, b := range []string{"", "GET / HTTP/1.1", "\x1f\x8b", "\xd4\xc3\xb2\xa1"} {
			if err := newHouse(&collector{}).read(t.Context(), bytes.NewReader([]byte(b))); err == nil {
				t.Errorf("%q: no error", b)
			}
		}
	})
}
