package perfd_test

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/fixtures"
	"github.com/perfd/perfd/fixtures/synth"
	"github.com/perfd/perfd/rpclog"
)

// TestSameAnswerFromEqualRecordings sends variants that hold the same bytes: the answer has to be the same.
func TestSameAnswerFromEqualRecordings(t *testing.T) {
	for _, name := range []string{"tryton60-a", "demo"} {
		t.Run(name, func(t *testing.T) { sameAnswer(t, name) })
	}
}

func sameAnswer(t *testing.T, name string) {
	r, err := synth.Read(fixtures.Tap(t, name))
	if err != nil {
		t.Fatal(err)
	}
	want := describe(run(t, r.Pcap()))
	for _, v := range []struct {
		name string
		rec  synth.Recording
	}{
		{"again", r}, {"double", r.Double()}, {"overlap", r.Overlap(1, 0.2)}, {"swap", r.MSS(536).Swap(1, 0.3, 8)}, {"late", r.Late(1, 4)}, {"mss", r.MSS(536)},
		{"sll", r.SLL()}, {"sll2", r.SLL2()}, {"raw", r.Raw()}, {"null", r.Null()}, {"loop", r.Loop()},
		{"vlan", r.VLAN(7)}, {"qinq", r.VLAN(7, 8)}, {"shift", r.Shift(3*time.Hour, 0)}, {"nanosecond", r.Nanosecond()},
	} {
		t.Run(v.name, func(t *testing.T) { compare(t, want, describe(run(t, v.rec.Pcap()))) })
	}
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		t.Run("pcapng "+order.String(), func(t *testing.T) { compare(t, want, describe(run(t, r.Pcapng(order)))) })
	}
}

// describe words the traces, times aside: variants move bytes a little.
func describe(c *collector) []string {
	var out []string
	for _, t := range c.traces {
		line := identity(t.Call) + fmt.Sprintf(" uid=%d login=%s gaps=%d:", t.Call.UID, t.Call.Login, t.Call.Gaps)
		for _, s := range t.Spans {
			line += fmt.Sprintf(" %x/%d/%d/%s", s.Statement.TextHash, s.Statement.TextBytes, s.Statement.Rows, s.Statement.SQLState)
		}
		out = append(out, line)
	}
	return out
}

func identity(c *rpclog.Call) string {
	return fmt.Sprintf("%s %s %s.%s ids=%d status=%d error=%s in=%d out=%d", c.Client, c.Path, c.Model, c.Method, c.IDs, c.Status, c.Error,
		c.RequestBytes, c.ResponseBytes)
}

func compare(t *testing.T, want, got []string) {
	t.Helper()
	if len(want) != len(got) || len(want) == 0 {
		t.Fatalf("%d calls, want %d", len(got), len(want))
	}
	wrong := 0
	for i := range want {
		if want[i] != got[i] {
			if wrong++; wrong <= 2 {
				t.Errorf("call %d differs\n got %.300s\nwant %.300s", i, got[i], want[i])
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%d of %d calls differ", wrong, len(want))
	}
}

// TestDegraded sends variants in which bytes are missing or late: attribution may lose a little, and what
// differs from the whole recording's answer is marked.
func TestDegraded(t *testing.T) {
	const unmarked = 1 // call: two that are hard to tell apart may come out exchanged for any reason
	for _, name := range []string{"demo", "odoo18-e", "odoo18-h", "tryton60-a", "tryton60-c"} {
		r, err := synth.Read(fixtures.Tap(t, name))
		if err != nil {
			t.Fatal(err)
		}
		whole := run(t, r.Pcap())
		before := judge(t, name, whole)
		known := map[string]map[string]bool{}
		for _, c := range whole.traces {
			if known[identity(c.Call)] == nil {
				known[identity(c.Call)] = map[string]bool{}
			}
			known[identity(c.Call)][statementsOf(c)] = true
		}
		for _, v := range []struct {
			name     string
			rec      synth.Recording
			costs    float64 // at most, of the attribution
			disorder bool
		}{
			{"drop 1", r.Drop(1, 0.01), 0.05, false}, {"drop 2", r.Drop(2, 0.01), 0.05, false}, {"drop 3", r.Drop(3, 0.01), 0.05, false},
			{"reorder 3", r.Reorder(1, 3), 0.05, true}, {"reorder 8", r.Reorder(2, 8), 0.12, true},
		} {
			t.Run(name+"/"+v.name, func(t *testing.T) {
				t.Parallel()
				got := run(t, v.rec.Pcap())
				after := judge(t, name, got)
				if before.Attributed.Rate()-after.Attributed.Rate() > v.costs {
					t.Errorf("attributed %.2f %%, of the whole recording %.2f %%", 100*after.Attributed.Rate(), 100*before.Attributed.Rate())
				}
				differ := 0
				for _, c := range got.traces {
					if c.Call.Gaps&rpclog.GapOrder != 0 != v.disorder {
						t.Fatalf("gaps %b of %s: packets were given times after their order was lost: %v", c.Call.Gaps, identity(c.Call), v.disorder)
					}
					for _, s := range c.Spans {
						if v.disorder && s.By.Exact() {
							t.Fatalf("%s has a statement that is said to be beyond doubt where no time is", identity(c.Call))
						}
					}
					if c.Call.Gaps != 0 {
						continue
					}
					answers := known[identity(c.Call)]
					if answers == nil {
						t.Errorf("not marked, yet unlike any call of the whole recording: %s", identity(c.Call))
					} else if !answers[statementsOf(c)] {
						differ++
					}
				}
				if differ > unmarked {
					t.Errorf("%d of %d calls have other statements than in the whole recording and are not marked", differ, len(got.traces))
				}
				if n := after.Extra; n*100 > len(got.traces) {
					t.Errorf("%d of %d calls were none", n, len(got.traces))
				}
			})
		}
	}
}

// statementsOf words which statements a call was given, times aside: late packets move them.
func statementsOf(t *analyzer.Trace) string {
	var b strings.Builder
	for _, s := range t.Spans {
		fmt.Fprintf(&b, " %s/%x", s.Statement.Session.Client, s.Statement.TextHash)
	}
	return b.String()
}
