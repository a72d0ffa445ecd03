package store

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/sqltrace"
)

var sameSpan = cmp.Options{cmp.AllowUnexported(Span{}), cmpopts.EquateApprox(0, 0.000051)}

func drawSpans(t *rapid.T) ([]uint64, []Span) {
	leases := rapid.SliceOfN(rapid.Uint64(), 1, 4).Draw(t, "leases")
	duration := rapid.Int64Range(0, int64(time.Hour))
	n := rapid.IntRange(0, 20).Draw(t, "n")
	spans := make([]Span, n)
	for i := range spans {
		spans[i] = Span{
			Start:    time.Duration(rapid.Int64Range(-int64(time.Hour), int64(time.Hour)).Draw(t, "start")),
			Duration: time.Duration(duration.Draw(t, "duration")), First: time.Duration(duration.Draw(t, "first") - 1),
			Lease: rapid.IntRange(0, len(leases)-1).Draw(t, "lease"), Kind: sqltrace.Kind(rapid.IntRange(0, 7).Draw(t, "kind")),
			Duplicate: rapid.IntRange(0, n).Draw(t, "duplicate"), Rows: rapid.Int64Range(-1, math.MaxInt64-1).Draw(t, "rows"),
			TextBytes: duration.Draw(t, "text"), In: duration.Draw(t, "in"), Out: duration.Draw(t, "out"),
			SQLState: rapid.StringMatching(`|[0-9A-Z]{5}`).Draw(t, "state"), Tx: rapid.SampledFrom([]byte{0, 'I', 'T', 'E'}).Draw(t, "tx"),
			Extended: rapid.Bool().Draw(t, "extended"), Gaps: sqltrace.Gap(rapid.IntRange(0, 7).Draw(t, "gaps")),
			By: analyzer.Evidence(rapid.IntRange(0, 4).Draw(t, "by")), Probability: rapid.Float64Range(0, 1).Draw(t, "probability"),
			shape: rapid.Uint64().Draw(t, "shape"),
		}
	}
	return leases, spans
}

// TestSpansRoundTrip packs any spans and reads them back: equal, and with no byte to spare.
func TestSpansRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		leases, spans := drawSpans(t)
		blob := appendSpans([]byte("before"), leases, spans)[len("before"):]
		gotLeases, got, err := readSpans(blob, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(leases, gotLeases) {
			t.Fatalf("leases %v, want %v", gotLeases, leases)
		}
		if diff := cmp.Diff(spans, got, sameSpan, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
		cut := rapid.IntRange(0, len(blob)-1).Draw(t, "cut")
		if _, _, err := readSpans(blob[:cut], nil, nil); err == nil {
			t.Fatalf("%d of %d bytes are taken for whole", cut, len(blob))
		}
		if _, _, err := readSpans(append(blob, 0), nil, nil); err == nil {
			t.Fatal("a byte too many is overlooked")
		}
	})
}

func TestSpansVersion(t *testing.T) {
	if _, _, err := readSpans([]byte{2, 0, 0}, nil, nil); err == nil || err.Error() != "spans of version 2, this perfd reads version 1" {
		t.Error(err)
	}
}

func FuzzReadSpans(f *testing.F) {
	f.Add(appendSpans(nil, []uint64{7}, []Span{{Start: 5, Duration: 9, First: -1, Rows: -1, Probability: 1, shape: 3, SQLState: "40001", Gaps: 1}}))
	f.Add([]byte{1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, blob []byte) {
		leases, spans, err := readSpans(blob, nil, nil)
		if err != nil {
			return
		}
		if len(spans)*minSpanBytes > len(blob) || len(leases) > len(blob) {
			t.Fatalf("%d spans and %d leases out of %d bytes", len(spans), len(leases), len(blob))
		}
		again := appendSpans(nil, leases, spans)
		_, twice, err := readSpans(again, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(spans, twice, sameSpan); diff != "" {
			t.Fatal(diff)
		}
	})
}

func BenchmarkSpans(b *testing.B) {
	spans := make([]Span, 1000)
	for i := range spans {
		spans[i] = Span{Start: time.Duration(i) * time.Millisecond, Duration: 900 * time.Microsecond, First: 800 * time.Microsecond, Rows: 10,
			TextBytes: 400, In: 420, Out: 5000, Tx: 'T', Probability: 1, By: analyzer.Exclusive, shape: uint64(i % 50)}
	}
	blob := appendSpans(nil, []uint64{4}, spans)
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(blob)))
		buf := slices.Clone(blob)
		for b.Loop() {
			buf = appendSpans(buf[:0], []uint64{4}, spans)
		}
	})
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(blob)))
		var leases []uint64
		var out []Span
		for b.Loop() {
			var err error
			if leases, out, err = readSpans(blob, leases, out); err != nil {
				b.Fatal(err)
			}
		}
	})
}
