package main

import (
	"fmt"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/perfd/perfd/figures"
	"github.com/perfd/perfd/replay"
	"github.com/perfd/perfd/replay/bench"
)

// watchReplay shows on a terminal how each pass does, and elsewhere says it in a line when it is over.
func watchReplay(t terminal) func(bench.Pass, *replay.Runner) func() {
	if !isTerminal(t.err) {
		return func(p bench.Pass, r *replay.Runner) func() {
			begun := time.Now()
			return func() {
				l := r.Live()
				_, _ = fmt.Fprintf(t.err, "%s: %d sent, %s, in %s\n", passName(p), l.Sent, figures.Plural(l.Errors, "error"), about(time.Since(begun)))
			}
		}
	}
	return func(p bench.Pass, r *replay.Runner) func() {
		bar := progressbar.NewOptions64(-1, progressbar.OptionSetWriter(t.err), progressbar.OptionSetDescription(passName(p)),
			progressbar.OptionClearOnFinish(), progressbar.OptionSetElapsedTime(true), progressbar.OptionSpinnerType(14))
		return redraw(bar, 200*time.Millisecond, func() {
			l := r.Live()
			text := fmt.Sprintf("%s: %d sent, %s, p50 %s, p95 %s, late %s, %d waiting", passName(p), l.Sent, figures.Plural(l.Errors, "error"), brief(l.P50), brief(l.P95),
				brief(l.LateP99), l.Waiting)
			if l.Dropped > 0 {
				text += fmt.Sprintf(", %d DROPPED", l.Dropped)
			}
			bar.Describe(text)
			_ = bar.Set64(l.Sent)
		})
	}
}

func passName(p bench.Pass) string {
	if p.Round == 0 {
		return fmt.Sprintf("%d/%d %s, to warm up", p.Number, p.Of, p.Arm)
	}
	return fmt.Sprintf("%d/%d %s", p.Number, p.Of, p.Arm)
}

// brief is a duration with three digits.
func brief(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= 10*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}
