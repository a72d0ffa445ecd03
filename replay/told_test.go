package replay_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/perfd/perfd/replay"
	"github.com/perfd/perfd/replay/load"
)

// TestFailuresHaveNoDuration: what failed stands among the errors, and in none of the durations of the server, by which the
// generator's own lateness is judged.
func TestFailuresHaveNoDuration(t *testing.T) {
	for name, every := range map[string]int{"half": 2, "all": 1} {
		o := newOdoo(t, func(a asked) any {
			n, _ := a.Args[0].([]any)[0].(json.Number).Int64()
			if n%int64(every) == 0 {
				return fault{200, "odoo.exceptions.UserError"}
			}
			<-time.After(20 * time.Millisecond) // the work that is measured
			return []any{}
		})
		var calls []load.Call
		for i := range 20 {
			calls = append(calls, call(fmt.Sprint("s", i), time.Duration(i)*10*ms, ms, "m", "read", fmt.Sprintf("[[%d]]", i)))
		}
		rep, _ := run(t, o, replay.Config{}, recorded(calls...))
		answered := rep.Sent - rep.Errors
		if rep.Sent != 20 || rep.Errors != int64(20/every) || rep.Latency.Calls != answered || rep.Service.Calls != answered || rep.First.Calls != answered || rep.Late.Calls != 20 {
			t.Errorf("%s: %d of %d failed: %+v", name, rep.Errors, rep.Sent, rep)
		}
		if answered > 0 && rep.Service.P50 < 20*ms {
			t.Errorf("%s: failures make the median %s", name, rep.Service.P50)
		}
		if answered == 0 && rep.Invalid != "" {
			t.Errorf("%s: no call succeeded, and lateness is judged: %s", name, rep.Invalid)
		}
	}
}

// TestCutOffIsNoFailure ends a run whose server answers nobody: what was under way was stopped, and did not fail.
func TestCutOffIsNoFailure(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	release := make(chan struct{})
	o := newOdoo(t, func(asked) any {
		cancel()
		<-release
		return nil
	})
	defer close(release)
	r, err := replay.New(replay.Config{Target: o.URL, Database: "copy", Password: "x", Mode: replay.Max, Grace: 50 * ms})
	if err != nil {
		t.Fatal(err)
	}
	rep, err := r.Run(ctx, recorded(call("a", 0, ms, "m", "read", "[[1]]"), call("a", 10*ms, ms, "m", "read", "[[2]]"), call("b", 0, ms, "m", "read", "[[3]]")))
	if err != nil || !rep.Stopped || rep.Sent != 0 || rep.Errors != 0 || rep.Left[replay.LeftStopped] != 3 {
		t.Errorf("%v: %+v", err, rep)
	}
}

// TestWhyAnswersAreNotCompared counts the answers that cannot be compared by the reason.
func TestWhyAnswersAreNotCompared(t *testing.T) {
	o := newOdoo(t, func(asked) any { return []any{1} })
	unanswered := call("a", 0, ms, "m", "read", "[[1]]")
	unanswered.Status = 0
	without := call("a", 10*ms, ms, "m", "read", "[[1]]")
	aliases := call("a", 20*ms, ms, "m", "read", `[["alias"]]`)
	aliases.Lacks, aliases.Digest = "values", "of another answer"
	rep, results := run(t, o, replay.Config{Mode: replay.Max}, recorded(unanswered, without, without, aliases))
	total := int64(0)
	for _, n := range rep.Unjudged {
		total += n
	}
	if len(rep.Unjudged) != 3 || total != 4 || rep.Matches["unknown"] != 4 || rep.Aliased != 1 || rep.Unjudged[results[1].Unjudged] != 2 {
		t.Errorf("%v, %v, %d with aliases", rep.Matches, rep.Unjudged, rep.Aliased)
	}
}
