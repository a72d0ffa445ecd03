package analyzer

import (
	"fmt"
	"testing"

	"github.com/perfd/perfd/sqltrace"
)

// TestServing serves two calls in four ways.
func TestServing(t *testing.T) {
	// Each call runs on a connection of its own; the second begins while the first is under way.
	serve := func(t *testing.T, apart float64, length float64, names ...string) []Serving {
		s := newScene(t)
		for round := range 3 { // what is seen of the first tells of the others
			base := float64(round) * 1000
			for i, name := range names {
				from := base + float64(i)*apart
				value := fmt.Sprintf("%s of round %d, call %d", name, round, i)
				c := s.call(from, from+600, "res.partner", value)
				s.work(c, i, from+250, shapePartner, value)
				s.sessions[i].Application = name
				query := s.events[len(s.events)-2] // before the commit
				query.First, query.End = at(from+252+length), at(from+252+length)
				end := s.events[len(s.events)-1]
				end.Start, end.End = at(from+253+length), at(from+254+length)
			}
		}
		var list []Serving
		for _, tr := range s.play(Config{Leases: 2}).traces {
			if len(tr.Spans) == 0 {
				continue // given to the other one, or to none: of no matter here
			}
			list = append(list, tr.Serving)
		}
		return list
	}
	last := func(list []Serving) Serving { return list[len(list)-1] }
	if got := last(serve(t, 20, 100, "odoo-7", "odoo-7")); got != ServingThreads {
		t.Errorf("two statements of one process at once: got %v, want threads", got)
	}
	if got := last(serve(t, 20, 100, "odoo-7", "odoo-8")); got != ServingWorkers {
		t.Errorf("two processes at once: got %v, want workers", got)
	}
	if got := last(serve(t, 20, 1, "odoo-7", "odoo-7")); got != ServingUnknown {
		t.Errorf("two calls in turn: got %v, want unknown", got)
	}
	if got := last(serve(t, 20, 100, "mine", "mine")); got != ServingUnknown {
		t.Errorf("a name without a process: got %v, want unknown", got)
	}
}

// TestServingOfOneName has the workers of a prefork server bear their master's name: that two statements of that name
// were under way at once says nothing then.
func TestServingOfOneName(t *testing.T) {
	l := lease{session: &sqltrace.Session{Application: "odoo-7"}}
	w := &window{leases: []lease{l}, buf: []int32{0}}
	for _, tt := range []struct {
		workers, threads int
		pid              int32
		want             Serving
	}{
		{0, 0, 0, ServingThreads},
		{0, 5, 0, ServingThreads},
		{0, 1, 0, ServingUnknown},
		{3, 0, 0, ServingWorkers},
		{3, 1, 0, ServingWorkers},
		{3, 0, 7, ServingThreads}, // the operating system says that it is one process
	} {
		c := crew{members: map[int32]*member{7: {threads: true}}, pids: map[string]int32{}}
		c.seen[ServingWorkers], c.seen[ServingThreads] = tt.workers, tt.threads
		w.leases[0].worker.pid = tt.pid
		if got := c.serving(w, &owner{}); got != tt.want {
			t.Errorf("%+v: got %v", tt, got)
		}
	}
}

func TestTogether(t *testing.T) {
	list := func(times ...float64) (out []*sqltrace.Statement) {
		for i := 0; i < len(times); i += 2 {
			out = append(out, stmt(selectPartner, times[i], times[i+1]).Statement)
		}
		return out
	}
	if !together(list(0, 1, 5, 50), list(2, 3, 20, 90)) || !together(list(0, 1, 5, 100), list(20, 30, 40, 50)) {
		t.Error("two statements under way at once are not seen")
	}
	if together(list(0, 10, 20, 30), list(10, 20, 29, 40)) || together(nil, list(0, 10)) {
		t.Error("statements that take turns, or meet for less than clocks differ, are taken for threads")
	}
	open := list(0, 100)
	open[0].Gaps = sqltrace.GapUnanswered
	if together(open, list(20, 30)) {
		t.Error("a statement of unknown end is taken for one under way")
	}
}

func TestCrewForgets(t *testing.T) {
	var c crew
	for pid := range int32(3 * crewMost) {
		l := lease{session: &sqltrace.Session{}, worker: worker{pid: pid + 1}, statements: []*sqltrace.Statement{{}}}
		c.observe([]lease{l})
	}
	if n := len(c.members); n > crewMost+1 {
		t.Errorf("%d processes are remembered", n)
	}
	for name, want := range map[string]int32{"odoo-12": 12, "odoo-": 0, "odoo--3": 0, "odoo-99999999999": 0, "odoo-prod": 0, "trytond": 0} {
		if got := c.named(name); got != want {
			t.Errorf("%s: process %d, want %d", name, got, want)
		}
	}
}
