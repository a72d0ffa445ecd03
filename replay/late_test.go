package replay

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/perfd/perfd/replay/rewrite"
)

// TestLatenessIsJudged in every mode in which a call has a time of its own; with Max it is the processors that tell.
func TestLatenessIsJudged(t *testing.T) {
	late := Report{Sent: 100, Duration: time.Minute, CPU: 0.1, Service: Durations{Calls: 100, P50: 20 * time.Millisecond}, Late: Durations{Calls: 100, P99: 3 * time.Millisecond}}
	soon, busy, short, woken := late, late, late, late
	woken.Late.P99 = 2 * time.Millisecond // which timers may take
	soon.Late.P99 = 900 * time.Microsecond
	busy.CPU = 0.95 * float64(runtime.GOMAXPROCS(0))
	short.CPU, short.Duration = busy.CPU, time.Millisecond
	for _, c := range []struct {
		mode Mode
		rep  Report
		want string
	}{
		{Timeline, late, "late by 3 ms"}, {Rate, late, "late by 3 ms"}, {Think, late, "late by 3 ms"}, {Max, late, ""},
		{Timeline, soon, ""}, {Think, soon, ""}, {Timeline, woken, "late by 2 ms"}, {Think, woken, ""}, {Think, busy, "late by 3 ms"}, {Max, busy, "95 % of the"}, {Max, short, ""}, {Max, Report{}, "no call was sent"},
	} {
		got := (&tally{}).invalid(&Runner{cfg: Config{Mode: c.mode}}, &c.rep)
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.mode, got, c.want)
		}
	}
}

// TestUnknownUsageIsTold where nothing judges a run with Max.
func TestUnknownUsageIsTold(t *testing.T) {
	var ta tally
	ta.init()
	ta.rep.Sent = 1
	notes := strings.Join(ta.report(&Runner{cfg: Config{Mode: Max}, ids: rewrite.NewTable(1)}, time.Second, 0).Notes, " ")
	if !strings.Contains(notes, "cannot be measured") {
		t.Errorf("%q", notes)
	}
}
