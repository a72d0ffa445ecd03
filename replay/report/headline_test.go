package report

import (
	"strings"
	"testing"
	"time"

	"github.com/perfd/perfd/replay"
	"github.com/perfd/perfd/replay/bench"
	"github.com/perfd/perfd/replay/compare"
)

// TestFirstLineOfOneArm is what an operator reads first: how many answers were as recorded, what failed, what cannot be told
// and why.
func TestFirstLineOfOneArm(t *testing.T) {
	for name, c := range map[string]struct {
		run        replay.Report
		word, want string
	}{
		"all well": {replay.Report{Sent: 394, Matches: map[string]int64{"same": 394}}, "", "394 of 394 calls answered as recorded."},
		"one call": {replay.Report{Sent: 1, Matches: map[string]int64{"same": 1}}, "", "1 of 1 call answered as recorded."},
		"one failed": {
			replay.Report{Sent: 1, Errors: 1, Matches: map[string]int64{"failed": 1}, Failures: map[string]int64{"UserError": 1}}, "",
			"0 of 1 call answered as recorded; 1 call failed.",
		},
		"aliases": {
			replay.Report{Sent: 394, Matches: map[string]int64{"same": 198, "different": 1, "unknown": 195}, Unjudged: map[string]int64{"it was asked with aliases": 195}}, "",
			"198 of the 199 answers that can be compared are as recorded; 195 cannot be compared: it was asked with aliases.",
		},
		"failures": {
			replay.Report{Sent: 100, Errors: 5, Matches: map[string]int64{"same": 97, "failed": 3}, Failures: map[string]int64{"UserError": 5}}, "",
			"97 of 100 calls answered as recorded; 5 calls failed (3 not when recorded).",
		},
		"all failed": {
			replay.Report{Sent: 100, Errors: 100, Matches: map[string]int64{"failed": 100}, Failures: map[string]int64{"connect": 98, "timeout": 2}}, "",
			"All 100 calls failed: connect (98) and others.",
		},
		"late": {
			replay.Report{Sent: 10, Matches: map[string]int64{"same": 10}, Invalid: "perfd sent calls late by 3 ms"}, "invalid",
			"10 of 10 calls answered as recorded. The durations do not count: perfd sent calls late by 3 ms. Run perfd on another machine than the server, or more slowly (--speed).",
		},
		"writes": {
			replay.Report{Sent: 10, Matches: map[string]int64{"same": 10}, Left: map[replay.Left]int64{replay.LeftWrite: 1200, replay.LeftOut: 7}}, "",
			"10 of 10 calls answered as recorded. 1,200 more calls were not sent.",
		},
		"nothing": {
			replay.Report{Invalid: "no call was sent", Left: map[replay.Left]int64{replay.LeftWrite: 12, replay.LeftArguments: 30}}, "invalid",
			"No call was sent: 30 without arguments in the load (perfd record --keep-args), 12 writing (--allow-writes).",
		},
	} {
		r := &Report{A: "http://a", Passes: []bench.Pass{{Arm: compare.A, Round: 1, Number: 1, Of: 1, Report: c.run}}, Comparison: &compare.Comparison{}}
		if word, got := r.Headline(); word != c.word || got != c.want {
			t.Errorf("%s: %q %q\nwant %q %q", name, word, got, c.word, c.want)
		}
		for _, line := range strings.Split(text(t, r, TextConfig{}), "\n") {
			if len([]rune(line)) > columns {
				t.Errorf("%s: %q", name, line)
			}
		}
	}
}

// TestEndedByAnError tells what was measured before, and what ended it.
func TestEndedByAnError(t *testing.T) {
	r := full()
	r.Stopped, r.Failed = true, "pass 9 of 12 (B): prepare: run make: exit status 2"
	if got := text(t, r, TextConfig{}); !strings.Contains(got, "The replay could not go on: pass 9 of 12 (B): prepare: run make: exit status 2.") || !strings.Contains(got, "B is faster") {
		t.Error(got)
	}
	r.Passes = nil
	if word, got := r.Headline(); word != "invalid" || got != "Nothing was measured: "+r.Failed+"." {
		t.Errorf("%q %q", word, got)
	}
}

// TestErrorsBesideEachOther has the errors of A beside those of B, of all rounds and not of the last pass.
func TestErrorsBesideEachOther(t *testing.T) {
	r := full()
	failed := func(arm compare.Arm, round int, n int64) bench.Pass {
		return bench.Pass{Arm: arm, Round: round, Report: replay.Report{Sent: 100, Errors: n, Failures: map[string]int64{"odoo.exceptions.UserError": n}}}
	}
	r.Passes = []bench.Pass{failed(compare.A, 0, 50), failed(compare.A, 1, 3), failed(compare.B, 1, 4), failed(compare.B, 2, 2), failed(compare.A, 2, 1)}
	if got := text(t, r, TextConfig{}); !strings.Contains(got, "       4         6  odoo.exceptions.UserError") {
		t.Error(got)
	}
}

// TestBothArmsFail, and are the same: it is said so.
func TestBothArmsFail(t *testing.T) {
	s := compare.New(compare.Config{})
	r := &Report{A: "http://a", B: "http://a"}
	for round := 1; round <= 4; round++ {
		for _, arm := range []compare.Arm{compare.A, compare.B} {
			p := s.Begin(arm, round)
			for i := range 30 {
				p.Add(compare.Sample{Seq: int64(i), Method: "m.read", Seconds: 0.1, Error: true})
			}
			p.End()
			r.Passes = append(r.Passes, bench.Pass{Arm: arm, Round: round, Report: replay.Report{Sent: 30, Errors: 30, Failures: map[string]int64{"connection": 30}}})
		}
	}
	r.Comparison = s.Result()
	word, got := r.Headline()
	if word != "not compared" || got != "A and B are not compared: every call failed, mostly connection." {
		t.Errorf("%q %q", word, got)
	}
	page := text(t, r, TextConfig{})
	for _, want := range []string{"A and B are the same server", "Of A 120 of 120 calls failed, of B 120 of 120 calls", "     120       120  connection"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
	for _, text := range []string{"p95(all) > 1s", "errors(all) > 50%"} {
		th, err := compare.ParseThreshold(text)
		if err != nil {
			t.Fatal(err)
		}
		if o := th.Check(r.Comparison); o.State.Holds() {
			t.Errorf("%s holds though every call failed: %+v", text, o)
		}
	}
}

// TestAWarmUpJudgesNothing: a pass to warm up, or one that was stopped, may be late as it likes.
func TestAWarmUpJudgesNothing(t *testing.T) {
	r := full()
	late := replay.Report{Sent: 7, Invalid: "perfd was late", Stopped: true, Late: replay.Durations{P99: time.Second}}
	r.Passes = append(r.Passes, bench.Pass{Arm: compare.A, Report: late}, bench.Pass{Arm: compare.B, Round: 6, Report: late})
	if word, got := r.Headline(); word != "faster" {
		t.Errorf("%s: %s", word, got)
	}
}
