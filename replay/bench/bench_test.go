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

// TestStoppedBetweenPasses keeps what was run.
func TestStoppedBetweenPasses(t *testing.T) {
	c, _ := config(t, 5)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c.Watch = func(p bench.Pass, _ *replay.Runner) func() {
		if p.Number == 6 {
			cancel()
		}
		return nil
	}
	out, err := bench.Run(ctx, c)
	if err != nil || !out.Stopped || len(out.Passes) < 5 || len(out.Passes) > 6 || out.Comparison.Rounds < 1 {
		t.Errorf("%v, stopped %v, %d passes", err, out.Stopped, len(out.Passes))
	}
}

// TestWhatGoesWrongBefore is told with the pass.
func TestWhatGoesWrongBefore(t *testing.T) {
	c, _ := config(t, 2)
	bad := errors.New("no snapshot")
	c.B.Before = func(context.Context) error { return bad }
	if _, err := bench.Run(t.Context(), c); !errors.Is(err, bad) || !strings.Contains(err.Error(), "pass 2 of 7 (B)") {
		t.Errorf("%v", err)
	}
}

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
