package bench_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/perfd/perfd/client"
	"github.com/perfd/perfd/replay"
	"github.com/perfd/perfd/replay/bench"
	"github.com/perfd/perfd/replay/compare"
	"github.com/perfd/perfd/replay/load"
)

// tape is a load in memory.
type tape struct {
	calls []load.Call
	at    int
}

func (t *tape) Header() load.Header { return load.Header{Product: "odoo", Arguments: true} }
func (t *tape) Session(id string) (load.Session, bool) {
	return load.Session{ID: id, Login: id, Transport: "jsonrpc"}, true
}

func (t *tape) Next() (load.Call, error) {
	if t.at++; t.at > len(t.calls) {
		return load.Call{}, io.EOF
	}
	return t.calls[t.at-1], nil
}

// server answers with a text after a while, and notes who was asked.
func server(t *testing.T, name string, takes time.Duration, log *[]string, mu *sync.Mutex) string {
	t.Helper()
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/web/session/"):
			_, _ = fmt.Fprint(w, `{"result":{"uid":2,"username":"x","user_context":{},"user_companies":{"current_company":1,"allowed_companies":{"1":{}}}}}`)
			return
		case strings.Contains(r.URL.Path, "ir.config_parameter"):
			_, _ = fmt.Fprint(w, `{"result":[]}`)
			return
		}
		mu.Lock()
		if len(*log) == 0 || (*log)[len(*log)-1] != name {
			*log = append(*log, name)
		}
		n++
		count := n
		mu.Unlock()
		<-time.After(takes) // the work that is measured
		_, _ = fmt.Fprintf(w, `{"result":[{"id":1,"name":%q,"now":%d}]}`, name, count)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func config(t *testing.T, rounds int) (bench.Config, *[]string) {
	t.Helper()
	var calls []load.Call
	for i := range 24 {
		calls = append(calls, load.Call{
			Seq: int64(i + 1), Session: fmt.Sprint("s", i%3), At: time.Duration(i) * time.Millisecond, Duration: time.Millisecond, Transport: "jsonrpc", Verb: "POST",
			Path: "/web/dataset/call_kw/m/read", Model: "m", Method: "read", Args: []byte("[[1]]"), Kwargs: []byte("{}"), Status: 200,
		})
	}
	var log []string
	var mu sync.Mutex
	arm := func(url string) bench.Arm {
		return bench.Arm{Replay: replay.Config{Target: url, Database: "x", Password: client.Secret("x"), Mode: replay.Max}}
	}
	b := arm(server(t, "b", 12*time.Millisecond, &log, &mu))
	return bench.Config{
		A: arm(server(t, "a", 3*time.Millisecond, &log, &mu)), B: &b, Rounds: rounds,
		Open: func() (replay.Source, func(), error) { return &tape{calls: calls}, func() {}, nil },
	}, &log
}

// TestArmsTakeTurns runs two servers of which one is slower: in turn, after a pass of each to warm up, with what is to be
// done before each pass; and finds the slower one, and in what they answer differently.
func TestArmsTakeTurns(t *testing.T) {
	c, log := config(t, 4)
	var before []string
	c.A.Before = func(context.Context) error { before = append(before, "a"); return nil }
	c.B.Before = func(context.Context) error { before = append(before, "b"); return nil }
	around := map[compare.Arm]int{}
	c.Around = func(ctx context.Context, p bench.Pass, send func(context.Context) error) error {
		if p.Round > 0 {
			around[p.Arm] += 2
		}
		return send(ctx)
	}
	out, err := bench.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	turns := []string{"a", "b", "a", "b", "b", "a", "a", "b", "b", "a"}
	if !slices.Equal(before, turns) || !slices.Equal(*log, slices.Compact(turns)) || len(out.Passes) != 10 {
		t.Errorf("prepared %v, served %v, %d passes", before, *log, len(out.Passes))
	}
	if around[compare.A] != 8 || around[compare.B] != 8 {
		t.Errorf("around %v, want twice in each counted pass", around)
	}
	all := out.Comparison.Overall
	if all.Typical.Delta < 0.3 || all.Verdict == compare.Faster || out.Comparison.Rounds != 4 || all.A.Calls != 4*24 {
		t.Errorf("%s after %d rounds of %d calls: %+v %s %q", all.Verdict, out.Comparison.Rounds, all.A.Calls, all.Typical, all.Reason, out.Comparison.Doubts)
	}
	if out.Answers.Compared != 24 || out.Answers.Alike != 0 || len(out.Answers.Places) == 0 {
		t.Fatalf("answers %+v", out.Answers)
	}
	for _, p := range out.Answers.Places {
		if noise := strings.HasSuffix(p.Path, ".now"); p.Cancelled != noise {
			t.Errorf("%s is noise: %v", p.Path, p.Cancelled)
		}
	}
}

// TestStoppedAnywhere ends a benchmark in each of its passes, before the first answer and after some: what is compared are
// the rounds of which both arms were sent to their end, and their calls alone.
func TestStoppedAnywhere(t *testing.T) {
	for _, x := range []struct{ pass, after, rounds int }{{1, 5, 0}, {3, 5, 0}, {4, 0, 0}, {4, 5, 0}, {5, 0, 1}, {6, 5, 1}, {7, 5, 2}, {10, 20, 3}} {
		t.Run(fmt.Sprintf("pass %d after %d", x.pass, x.after), func(t *testing.T) {
			t.Parallel()
			c, _ := config(t, 4)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			number, answered := 0, 0
			c.Watch = func(p bench.Pass, _ *replay.Runner) func() {
				if number, answered = p.Number, 0; number == x.pass && x.after == 0 {
					cancel()
				}
				return nil
			}
			sink := func(*replay.Result) {
				if answered++; number == x.pass && answered == x.after {
					cancel()
				}
			}
			c.A.Replay.Sink, c.B.Replay.Sink = sink, sink
			var inTheMiddle []error
			c.Around = func(ctx context.Context, _ bench.Pass, send func(context.Context) error) error {
				err := send(ctx)
				if err != nil {
					inTheMiddle = append(inTheMiddle, err)
				}
				return err
			}
			out, err := bench.Run(ctx, c)
			all := &out.Comparison.Overall
			if err != nil || !out.Stopped || out.Failed != "" || out.Comparison.Rounds != x.rounds || len(inTheMiddle) != 1 {
				t.Fatalf("%v, stopped %v, %d rounds, %v", err, out.Stopped, out.Comparison.Rounds, inTheMiddle)
			}
			if n := int64(24 * x.rounds); x.rounds > 0 && (all.A.Calls != n || all.B.Calls != n || all.A.Errors+all.B.Errors > 0) {
				t.Errorf("%d calls of A, %d of B, want %d: %+v", all.A.Calls, all.B.Calls, n, all)
			}
			if x.rounds == 0 && all.B.Calls > 0 {
				t.Errorf("%d calls of a pass that was stopped", all.B.Calls)
			}
			if doubts := strings.Join(out.Doubts, " "); !strings.Contains(doubts, "Only rounds of which both arms were sent to their end") {
				t.Errorf("doubts %q", doubts)
			}
			if last := out.Passes[len(out.Passes)-1]; x.after > 0 && (!last.Report.Stopped || last.Number != x.pass || last.Report.Sent == 24) {
				t.Errorf("the last pass: %+v", last)
			}
		})
	}
}

// TestEndedAfterTheLastCall is no benchmark that was stopped: all was sent.
func TestEndedAfterTheLastCall(t *testing.T) {
	c, _ := config(t, 1)
	c.B = nil
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	c.A.Replay.Sink = func(*replay.Result) {
		if n++; n == 24 {
			cancel()
		}
	}
	out, err := bench.Run(ctx, c)
	if err != nil || out.Stopped || out.Passes[0].Report.Stopped || out.Comparison.Overall.A.Calls != 24 {
		t.Errorf("%v, %+v", err, out)
	}
}

// TestWhatGoesWrongBefore is told with the pass, and what was measured before is not lost.
func TestWhatGoesWrongBefore(t *testing.T) {
	for number, rounds := range map[int]int{2: 0, 5: 1, 8: 2, 9: 3} {
		c, _ := config(t, 4)
		bad := errors.New("no snapshot")
		n := 0
		before := func(context.Context) error {
			if n++; n == number {
				return bad
			}
			return nil
		}
		c.A.Before, c.B.Before = before, before
		out, err := bench.Run(t.Context(), c)
		if !errors.Is(err, bad) || !strings.Contains(err.Error(), fmt.Sprintf("pass %d of 10", number)) || out.Failed != err.Error() {
			t.Errorf("%v, failed %q", err, out.Failed)
		}
		if len(out.Passes) != number-1 || out.Comparison == nil || out.Comparison.Rounds != rounds || out.Measured() != (number > 3) {
			t.Errorf("in pass %d: %d passes, %+v", number, len(out.Passes), out.Comparison)
		}
	}
}

// TestTheTargetDies in the middle of a pass: calls fail, the next log-in does too, and the rounds before are told.
func TestTheTargetDies(t *testing.T) {
	c, _ := config(t, 4)
	var answered atomic.Int64
	c.B.Replay.HTTP = roundTrip(func(r *http.Request) (*http.Response, error) {
		if answered.Load() > 24*3+10 {
			return nil, errors.New("connection refused")
		}
		return http.DefaultTransport.RoundTrip(r)
	})
	c.B.Replay.Sink = func(*replay.Result) { answered.Add(1) }
	out, err := bench.Run(t.Context(), c)
	if err == nil || out.Failed == "" || !strings.Contains(out.Failed, "pass 9 of 10 (B)") || out.Comparison.Rounds != 3 {
		t.Errorf("%v: %d rounds, %d passes", err, out.Comparison.Rounds, len(out.Passes))
	}
	if all := &out.Comparison.Overall; all.Verdict != compare.NotCompared || !strings.Contains(all.Reason, "errors differ") || all.B.Errors == 0 {
		t.Errorf("%+v", all)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestOrder holds for any number of rounds: each arm runs once a round, neither is always first, and somewhere A follows
// upon A, for the noise.
func TestOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 50).Draw(t, "rounds")
		count := map[string]int{}
		adjacent := false
		for i, p := range bench.Order(n) {
			count[fmt.Sprint(p.Arm, p.Round)]++
			if i > 0 && p.Arm != compare.B && bench.Order(n)[i-1].Arm != compare.B {
				adjacent = true
			}
		}
		for round := 1; round <= n; round++ {
			if count[fmt.Sprint(compare.A, round)] != 1 || count[fmt.Sprint(compare.B, round)] != 1 {
				t.Fatalf("round %d: %v", round, count)
			}
		}
		if !adjacent {
			t.Fatalf("%d rounds tell nothing of the noise", n)
		}
	})
}

// TestSample has what the statistics ask of a call.
func TestSample(t *testing.T) {
	got := bench.Sample(&replay.Result{Seq: 3, Session: "s", Name: "m.read", Due: time.Second, Latency: 2 * time.Second, Error: "x", Cached: true, Retried: true})
	if want := (compare.Sample{Seq: 3, Session: "s", Method: "m.read", At: 1, Seconds: 2, Error: true, Cached: true, Retried: true}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
