package main

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/perfd/perfd/replay/bench"
)

// TestPlanIsTold: before a replay it is said how often the load is sent, and how long that takes at its speed.
func TestPlanIsTold(t *testing.T) {
	file := record(t, "odoo18-h", "--keep-args", "*:*")
	length := func(speed float64) time.Duration {
		o := replayOptions{file: file, mode: "timeline", speed: speed}
		d, err := o.length()
		if err != nil || d <= 0 {
			t.Fatalf("%s, %v", d, err)
		}
		return d
	}
	if one, two := length(1), length(2); (one/2 - two).Abs() > time.Microsecond {
		t.Errorf("%s, at twice the speed %s", one, two)
	}
	for want, c := range map[string]bench.Config{
		`^perfd sends the load once, for about [0-9.]+m?s\n$`:                                                  {Rounds: 1},
		`^perfd sends the load 12 times, 2 of them to warm up, for about [0-9.]+m?s each, [0-9m.]+s in all\n$`: {Rounds: 5, B: &bench.Arm{}},
	} {
		o := replayOptions{file: file, mode: "think", speed: 1}
		var said strings.Builder
		if err := o.tellPlan(terminal{err: &said}, &c); err != nil || !regexp.MustCompile(want).MatchString(said.String()) {
			t.Errorf("%v, %q", err, said.String())
		}
	}
}
