package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/config"
)

// linked is a front of which only the interfaces are known.
type linked struct {
	front
	list []capture.LiveInterface
}

func (l *linked) links() capture.LiveStats { return capture.LiveStats{Interfaces: l.list} }

// What is down from the start and was not asked for is worth one line, and no warning.
func TestTellLinks(t *testing.T) {
	var out bytes.Buffer
	f := &linked{list: []capture.LiveInterface{{Name: "lo", State: capture.LinkUp}, {Name: "ifb0", State: capture.LinkDown}, {Name: "ifb1", State: capture.LinkDown}, {Name: "eth7", State: capture.LinkDown}}}
	w := &watcher{log: slog.New(slog.NewTextHandler(&out, nil)), front: f}
	w.settings.Store(&config.Config{Interfaces: []string{"eth7"}})
	h := &health{w: w, links: map[string]capture.LinkState{}}
	said := func() string {
		out.Reset()
		h.tellLinks()
		return out.String()
	}
	first := said()
	if n := strings.Count(first, "\n"); n != 2 || !strings.Contains(first, `level=INFO msg="interfaces that are down are tapped when they come up" interfaces="ifb0, ifb1"`) ||
		!strings.Contains(first, `level=WARN msg="interface cannot be tapped" interface=eth7 state=down`) {
		t.Errorf("at the start:\n%s", first)
	}
	if got := said(); got != "" {
		t.Errorf("again:\n%s", got)
	}
	f.list[0].State, f.list[1].State = capture.LinkDown, capture.LinkUp
	if got := said(); !strings.Contains(got, `level=WARN msg="interface cannot be tapped" interface=lo`) || !strings.Contains(got, `msg="interface is tapped again" interface=ifb0`) {
		t.Errorf("after a change:\n%s", got)
	}
}

// That the clock was set is said once for each time, and figures and pages have it from the same place.
func TestTellClock(t *testing.T) {
	var out bytes.Buffer
	f := &lossy{}
	h := &health{w: &watcher{log: slog.New(slog.NewTextHandler(&out, nil)), front: f}}
	for _, tt := range []struct {
		steps int64
		ahead time.Duration
		want  string
	}{{0, 0, ""}, {1, time.Hour, `level=WARN msg="the system's clock was set: what ran at that moment has wrong times" times=1 "shown ahead of it by"=1h0m0s`}, {1, time.Hour, ""}, {3, 0, "times=2"}} {
		out.Reset()
		f.stats.Steps, f.stats.ClockAhead = tt.steps, tt.ahead
		h.tellClock()
		if said := out.String(); (said == "") != (tt.want == "") || !strings.Contains(said, tt.want) {
			t.Errorf("after %d steps: said %q, want %q", tt.steps, said, tt.want)
		}
	}
	if got := h.w.self().Tap().ClockSteps; got != 3 {
		t.Errorf("the figures say %d steps", got)
	}
}

func TestPortsInWords(t *testing.T) {
	p := &ports{rpc: []uint16{8069, 8072}, pg: []uint16{5432}}
	if got, want := p.words(""), "HTTP on 8069, 8072, PostgreSQL on 5432"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	p.pg = nil
	if got, want := p.words("/var/log/pg.csv"), "HTTP on 8069, 8072; statements come from PostgreSQL's log, /var/log/pg.csv"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
