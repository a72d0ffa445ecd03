package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

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
