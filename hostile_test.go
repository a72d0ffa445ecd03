package perfd_test

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"testing"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/fixtures"
	"github.com/perfd/perfd/fixtures/synth"
)

// maxHeap is what the stages may hold after a hostile recording, before they are told that it is over.
const maxHeap = 64 << 20

// heldBy returns the bytes that f leaves in the heap.
func heldBy(f func()) int64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.GC()
	runtime.ReadMemStats(&after)
	return int64(after.HeapAlloc) - int64(before.HeapAlloc)
}

// TestMemoryIsBounded sends recordings whose peers promise more than anyone can hold.
func TestMemoryIsBounded(t *testing.T) {
	body := synth.HugeBody(10<<30, 48<<20).Pcap()
	message := synth.HugeMessage(1<<32-1, 48<<20).Pcap()
	for _, c := range []struct {
		name string
		open func() io.Reader
	}{
		{"half-open connections", func() io.Reader {
			r, w := io.Pipe()
			go func() { w.CloseWithError(synth.HandshakeStorm(w, 1_000_000)) }()
			return r
		}},
		{"content length of 10 GB", func() io.Reader { return bytes.NewReader(body) }},
		{"message of 4 GB", func() io.Reader { return bytes.NewReader(message) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(&collector{})
			held := heldBy(func() {
				if err := h.read(t.Context(), c.open()); err != nil {
					t.Fatal(err)
				}
			})
			if held > maxHeap {
				t.Errorf("%d MiB held, want %d or less", held>>20, maxHeap>>20)
			}
			if err := h.flush(); err != nil {
				t.Fatal(err)
			}
			runtime.KeepAlive(h)
		})
	}
}

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
