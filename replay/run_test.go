package replay_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/perfd/perfd/replay"
	"github.com/perfd/perfd/replay/load"
)

const ms = time.Millisecond

func nothing(asked) any { return nil }

// TestOrderWithinASession sends calls of several sessions as fast as it goes: each session's come in their order, and
// those that overlapped in the recording may overlap again.
func TestOrderWithinASession(t *testing.T) {
	for _, mode := range []replay.Mode{replay.Timeline, replay.Think, replay.Rate, replay.Max} {
		t.Run(string(mode), func(t *testing.T) {
			var calls []load.Call
			for i := range 300 {
				calls = append(calls, call(fmt.Sprint("s", i%7), time.Duration(i)*ms, 5*ms, "m", "read", fmt.Sprintf("[[%d]]", i)))
			}
			o := newOdoo(t, nothing)
			rep, results := run(t, o, replay.Config{Mode: mode, Speed: 20, Rate: 2000}, recorded(calls...))
			if rep.Sent != 300 || rep.Errors != 0 || len(results) != 300 {
				t.Fatalf("%+v", rep)
			}
			for _, r := range results {
				if r.Due < 0 || r.Sent < r.Due || r.Latency < r.Service || r.Service <= 0 || r.Wait != 0 {
					t.Fatalf("due %s, sent %s, latency %s, service %s, waited %s", r.Due, r.Sent, r.Latency, r.Service, r.Wait)
				}
			}
			last := map[string]int64{}
			for _, a := range o.all() {
				n, _ := a.Args[0].([]any)[0].(json.Number).Int64()
				if n <= last[a.Session] && last[a.Session] > 0 {
					t.Fatalf("session %s: %d after %d", a.Session, n, last[a.Session])
				}
				last[a.Session] = n
			}
			if len(last) != 7 {
				t.Errorf("%d sessions", len(last))
			}
		})
	}
}

// TestOverlapIsKept sends three calls that a browser made at once, and one that came after their answers.
func TestOverlapIsKept(t *testing.T) {
	var mu sync.Mutex
	together := make(chan struct{})
	n := 0
	o := newOdoo(t, func(a asked) any {
		if a.Method == "search" {
			return nil
		}
		mu.Lock()
		if n++; n == 3 {
			close(together)
		}
		mu.Unlock()
		<-together // all three are here, or nobody ever goes on
		return nil
	})
	rep, _ := run(t, o, replay.Config{Mode: replay.Max}, recorded(
		call("a", 0, 10*ms, "m", "read", "[1]"), call("a", 1*ms, 10*ms, "m", "read", "[2]"), call("a", 2*ms, 10*ms, "m", "read", "[3]"),
		call("a", 20*ms, 1*ms, "m", "search", "[[]]"),
	))
	if got := o.all(); rep.Sent != 4 || got[3].Method != "search" {
		t.Fatalf("%+v", got)
	}
}

// TestAStallIsCharged has the server stand still for a second: in the open modes the calls that were due meanwhile
// are as late as they were for those who would have waited, in the tail and not only in one call.
func TestAStallIsCharged(t *testing.T) {
	var once sync.Once
	var gate sync.RWMutex
	o := newOdoo(t, func(a asked) any {
		once.Do(func() {
			gate.Lock()
			time.AfterFunc(time.Second, gate.Unlock)
		})
		gate.RLock()
		gate.RUnlock() //nolint:staticcheck // it waits
		return nil
	})
	var calls []load.Call
	for i := range 300 {
		calls = append(calls, call(fmt.Sprint("s", i%3), time.Duration(i)*5*ms, ms, "m", "read", "[[1]]"))
	}
	rep, _ := run(t, o, replay.Config{}, recorded(calls...))
	if rep.Latency.P99 < 900*ms || rep.Latency.P50 < 200*ms || rep.Latency.Max < 990*ms {
		t.Errorf("latency %+v", rep.Latency)
	}
	if rep.Service.P50 > rep.Latency.P50/2 {
		t.Errorf("service %+v hides nothing; latency %+v", rep.Service, rep.Latency)
	}
}

// TestDueTimesDoNotDrift holds the moments of sending against the recorded ones.
func TestDueTimesDoNotDrift(t *testing.T) {
	o := newOdoo(t, nothing)
	var calls []load.Call
	for i := range 400 {
		calls = append(calls, call(fmt.Sprint("s", i%50), time.Duration(i)*2*ms+time.Second, ms, "m", "read", "[[1]]"))
	}
	_, results := run(t, o, replay.Config{Speed: 2}, recorded(calls...))
	slices.SortFunc(results, func(a, b replay.Result) int { return int(a.Seq - b.Seq) })
	for i, r := range results {
		if want := time.Duration(i) * ms; r.Due != want {
			t.Fatalf("call %d is due at %s, want %s", i, r.Due, want)
		}
		if r.Sent < r.Due {
			t.Fatalf("call %d was sent at %s, before %s", i, r.Sent, r.Due)
		}
	}
}

// TestCapsDropLoudly has a server that answers nobody until the end: what exceeds the caps is counted, and nothing waits.
func TestCapsDropLoudly(t *testing.T) {
	release := make(chan struct{})
	o := newOdoo(t, func(asked) any { <-release; return nil })
	var calls []load.Call
	for i := range 50 {
		calls = append(calls, call(fmt.Sprint("s", i), time.Duration(i)*ms, ms, "m", "read", "[[1]]"))
	}
	calls = append(calls, call("s0", 80*ms, ms, "m", "read", "[[2]]"))
	time.AfterFunc(time.Second, func() { close(release) })
	rep, _ := run(t, o, replay.Config{MaxInFlight: 10, MaxQueued: 30}, recorded(calls...))
	if rep.Sent != 10 && rep.Sent != 11 || rep.Left[replay.LeftInFlight] == 0 || rep.Sent+rep.Left[replay.LeftInFlight]+rep.Left[replay.LeftQueue] != 51 {
		t.Errorf("%+v", rep)
	}
	if !slices.Contains(rep.Notes, replay.DroppedNote) {
		t.Errorf("notes %q do not tell of it", rep.Notes)
	}
}

// TestLogInsInEachOthersWay: a log-in that another transaction was in the way of is made again, and no call is lost.
func TestLogInsInEachOthersWay(t *testing.T) {
	o := newOdoo(t, nothing)
	o.busy = 3
	if rep, _ := run(t, o, replay.Config{Mode: replay.Max}, recorded(call("a", 0, ms, "m", "read", "[[1]]"))); rep.Sent != 1 || rep.Errors != 0 || o.logins.Load() != 4 {
		t.Errorf("%d sent, %d errors, left %v, %d log-ins", rep.Sent, rep.Errors, rep.Left, o.logins.Load())
	}
}

// TestExpiredSession has the server forget a session: it logs in again, and the call is not charged for it.
func TestExpiredSession(t *testing.T) {
	o := newOdoo(t, nothing)
	o.answer = func(a asked) any {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.expire[a.Session] = o.logins.Load() == 1
		return nil
	}
	rep, results := run(t, o, replay.Config{Mode: replay.Max}, recorded(call("a", 0, ms, "m", "read", "[[1]]"), call("a", 2*ms, ms, "m", "read", "[[2]]")))
	if rep.Sent != 2 || rep.Errors != 0 || rep.LogIns != 1 || o.logins.Load() != 2 {
		t.Errorf("%+v, %d log-ins", rep, o.logins.Load())
	}
	if results[0].Retried || !results[1].Retried || rep.Retried != 1 {
		t.Errorf("retried: %v, %v, %d of the run", results[0].Retried, results[1].Retried, rep.Retried)
	}
	if results[0].Wait != 0 || results[1].Wait == 0 {
		t.Errorf("waits %s and %s", results[0].Wait, results[1].Wait)
	}
}

// TestActionsOpenWhatIsThere: an action that opens the record that it was called for waits for nothing, and a record that
// an action opened which is not sent can be read all the same.
func TestActionsOpenWhatIsThere(t *testing.T) {
	o := newOdoo(t, nothing)
	opens := call("a", 0, ms, "sale.order", "get_formview_action", "[[7]]")
	opens.Minted = []load.Minted{{Model: "sale.order", IDs: []int64{7}}}
	unsent := call("a", 2*ms, ms, "sale.order", "action_view_invoice", "[[7]]")
	unsent.Minted = []load.Minted{{Model: "account.move", IDs: []int64{12}}}
	opened := call("a", 3*ms, ms, "sale.order", "get_formview_action", "[[7]]") // another's, which the target does not say
	opened.Minted = []load.Minted{{Model: "res.partner", IDs: []int64{42}}}
	rep, _ := run(t, o, replay.Config{Mode: replay.Max}, recorded(opens, unsent, opened, call("a", 4*ms, ms, "account.move", "read", "[[12]]"),
		call("a", 6*ms, ms, "sale.order", "read", "[[7]]"), call("a", 8*ms, ms, "res.partner", "read", "[[42]]")))
	if rep.Sent != 5 || rep.Left[replay.LeftWrite] != 1 || rep.Left[replay.LeftDependency] != 0 {
		t.Errorf("%d sent, left %v", rep.Sent, rep.Left)
	}
}

// TestWhatIsReadAheadIsBounded: calls of which few fit into memory are read as those before them are answered.
func TestWhatIsReadAheadIsBounded(t *testing.T) {
	const size, queued, many = 1 << 20, 16 << 20, 300
	answer := json.RawMessage(`"` + strings.Repeat("x", size) + `"`)
	var made, answered, most atomic.Int64
	enough := make(chan struct{})
	o := newOdoo(t, func(asked) any {
		<-enough
		answered.Add(1)
		return true
	})
	src := recorded()
	src.many, src.make = many, func(i int) load.Call {
		if n := made.Add(1); n == 15 {
			close(enough)
		}
		most.Store(max(most.Load(), made.Load()-answered.Load()))
		c := call("a", time.Duration(i)*ms, ms, "m", "read", "[[1]]")
		c.Seq, c.Answer = int64(i), answer
		return c
	}
	rep, _ := run(t, o, replay.Config{Mode: replay.Max, MaxQueuedBytes: queued}, src)
	if limit := int64(queued/size + queued/size/4 + 6); rep.Sent != many || most.Load() > limit {
		t.Errorf("%d sent, %d at once in memory, want at most %d", rep.Sent, most.Load(), limit)
	}
}
