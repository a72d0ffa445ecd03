package perfd_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/fixtures"
	"github.com/perfd/perfd/report"
)

// writer is the JSON report as a sink of the stages.
type writer struct{ json *report.JSON }

func (w *writer) Trace(t *analyzer.Trace) error           { return w.json.Trace(t) }
func (w *writer) Background(b *analyzer.Background) error { return w.json.Background(b) }

// BenchmarkAnalyze reads each fixture from memory, through all stages, to JSON lines.
func BenchmarkAnalyze(b *testing.B) {
	for _, name := range fixtures.Names() {
		tap := fixtures.Tap(b, name)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(tap)))
			for b.Loop() {
				var w writer
				h := newHouse(&w)
				w.json = report.NewJSON(io.Discard, h.sql.Dictionary())
				if err := h.read(b.Context(), bytes.NewReader(tap)); err != nil {
					b.Fatal(err)
				}
				if err := h.flush(); err != nil {
					b.Fatal(err)
				}
				if err := w.json.Flush(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
