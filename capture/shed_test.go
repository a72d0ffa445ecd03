package capture_test

import (
	"testing"
	"time"

	"github.com/google/gopacket/layers"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/fixtures"
	"github.com/perfd/perfd/fixtures/synth"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
)

type shedSink struct{ calls, statements, marked int }

func (*shedSink) Begin(*rpclog.Call)                  {}
func (s *shedSink) End(*rpclog.Call)                  { s.calls++ }
func (*shedSink) Message(rpclog.Message)              {}
func (*shedSink) Opened(*sqltrace.Session)            {}
func (*shedSink) Closed(*sqltrace.Session, time.Time) {}
func (s *shedSink) Statement(st *sqltrace.Statement) {
	s.statements++
	if st.Gaps != 0 {
		s.marked++
	}
}

// TestShed lets go of one protocol for the middle third of a recording: the other one is whole, the laws of Stats
// hold, and what follows the gap says so.
func TestShed(t *testing.T) {
	r, err := synth.Read(fixtures.Tap(t, "odoo18-a"))
	if err != nil {
		t.Fatal(err)
	}
	play := func(shed bool) (shedSink, capture.Stats) {
		var sink shedSink
		e := capture.NewEngine(capture.Config{}, rpclog.New(rpclog.Config{}, &sink), sqltrace.New(sqltrace.Config{}, &sink))
		for i, p := range r.Packets {
			e.Shed(1, shed && i > len(r.Packets)/3 && i < 2*len(r.Packets)/3)
			e.Packet(p.At, layers.LinkType(r.Link), p.Data, len(p.Data))
		}
		e.Flush()
		if stats := e.Stats(); e.ShedBytes(0) != 0 || e.ShedBytes(1) != stats.Shed {
			t.Errorf("shed %d and %d bytes, %d in all", e.ShedBytes(0), e.ShedBytes(1), stats.Shed)
		}
		return sink, e.Stats()
	}
	whole, _ := play(false)
	part, stats := play(true)
	if part.calls != whole.calls {
		t.Errorf("%d calls, want all %d", part.calls, whole.calls)
	}
	if part.statements > whole.statements*3/4 || part.statements < whole.statements/2 || part.marked == 0 {
		t.Errorf("%d of %d statements, %d of them marked", part.statements, whole.statements, part.marked)
	}
	if stats.Shed == 0 || stats.Lost < stats.Shed ||
		stats.Payload != stats.Delivered+stats.Unclaimed+stats.Duplicate+stats.Dropped || stats.Space != stats.Delivered+stats.Unclaimed+stats.Lost {
		t.Errorf("shed %d, lost %d, payload %d, delivered %d, unclaimed %d, duplicate %d, dropped %d, space %d", stats.Shed, stats.Lost,
			stats.Payload, stats.Delivered, stats.Unclaimed, stats.Duplicate, stats.Dropped, stats.Space)
	}
}
