package main

import (
	"bytes"
	"context"
	"time"

	"github.com/perfd/perfd/replay/report"
	"github.com/perfd/perfd/store"
)

// keepReplay puts a replay's report into a store, beside those of earlier ones.
func keepReplay(ctx context.Context, path string, r *report.Report) error {
	var document bytes.Buffer
	if err := report.JSON(&document, r); err != nil {
		return err //nolint:wrapcheck // it says what it was about
	}
	b := store.Benchmark{Made: r.Made, Load: r.Load.Name, A: r.A, B: r.B, Document: document.Bytes(), Version: report.FormatVersion}
	b.Verdict, b.Sentence = r.Headline()
	if c := r.Comparison; c != nil {
		tried := &c.Overall.A
		if r.B != "" {
			tried = &c.Overall.B
		}
		b.P50, b.P95 = inSeconds(tried.P50.Seconds), inSeconds(tried.P95.Seconds)
	}
	_, err := store.KeepBenchmark(context.WithoutCancel(ctx), path, b) // also of a replay that was interrupted
	return err                                                         //nolint:wrapcheck // it says what it was about
}

func inSeconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
