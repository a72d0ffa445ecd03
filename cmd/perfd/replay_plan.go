package main

import (
	"fmt"
	"time"

	"github.com/perfd/perfd/replay"
	"github.com/perfd/perfd/replay/bench"
)

// tellPlan says before the passes how many there will be, and how long each takes at least where the mode says so.
func (o *replayOptions) tellPlan(t terminal, c *bench.Config) error {
	passes := c.Passes()
	warm := 0
	for _, p := range passes {
		if p.Round == 0 {
			warm++
		}
	}
	text := "perfd sends the load once"
	if len(passes) > 1 {
		text = fmt.Sprintf("perfd sends the load %d times", len(passes))
	}
	if warm > 0 {
		text += fmt.Sprintf(", %d of them to warm up", warm)
	}
	if o.mode == string(replay.Timeline) || o.mode == string(replay.Think) {
		each, err := o.length()
		if err != nil {
			return err
		}
		if text += ", for about " + about(each); len(passes) > 1 {
			text += " each, " + about(time.Duration(len(passes))*each) + " in all"
		}
	}
	_, _ = fmt.Fprintln(t.err, text)
	return nil
}

// length is how long the load takes from its first call to its last, at the speed that is asked for.
func (o *replayOptions) length() (time.Duration, error) {
	src, done, err := o.open()
	if err != nil {
		return 0, err
	}
	defer done()
	var from, last, cut time.Duration
	for n := 0; ; n++ {
		call, err := src.Next()
		if err != nil { // of a load that cannot be read the first pass tells
			return time.Duration(float64(last-from-cut) / o.speed), nil //nolint:nilerr // so far it is known
		}
		if n == 0 {
			from, last = call.At, call.At
		}
		if o.maxGap > 0 {
			cut += max(0, call.At-last-o.maxGap)
		}
		last = max(last, call.At)
	}
}

// about is a duration of which whole seconds tell enough.
func about(d time.Duration) string {
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
