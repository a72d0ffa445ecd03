package main

import (
	"io"
	"path/filepath"
	"testing"

	"github.com/perfd/perfd/fixtures"
)

// BenchmarkAnalyze is the whole way from a file of packets to a report.
func BenchmarkAnalyze(b *testing.B) {
	for _, name := range []string{sequential, fixtures.Demo()} {
		pcap := fixtures.Tap(b, name)
		file := filepath.Join(b.TempDir(), "tap.pcap")
		write(b, file, pcap)
		for _, format := range []string{"text", "json"} {
			b.Run(name+"/"+format, func(b *testing.B) {
				b.SetBytes(int64(len(pcap)))
				b.ReportAllocs()
				for b.Loop() {
					if code := run(b.Context(), []string{"analyze", "--format", format, file}, nil, io.Discard, io.Discard); code != exitOK {
						b.Fatalf("exit %d", code)
					}
				}
			})
		}
	}
}
