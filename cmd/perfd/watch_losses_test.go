package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/sidecar"
)

// lossy is a front of which only what it lost is known.
type lossy struct {
	front
	rec   analyzer.Recording
	stats capture.LiveStats
}

func (l *lossy) recording() analyzer.Recording { return l.rec }
func (l *lossy) links() capture.LiveStats      { return l.stats }

func TestLossesAreTold(t *testing.T) {
	var out bytes.Buffer
	f := &lossy{}
	l := &losses{w: &watcher{log: slog.New(slog.NewTextHandler(&out, nil)), front: f, queue: sidecar.NewQueue(sidecar.QueueConfig{})}}
	now := time.Unix(1_800_000_000, 0)
	after := func(d time.Duration, packets, gaps, bytes int64) string {
		t.Helper()
		out.Reset()
		now = now.Add(d)
		f.rec.Packets, f.rec.Gaps, f.rec.LostBytes = f.rec.Packets+packets, f.rec.Gaps+gaps, f.rec.LostBytes+bytes
		f.rec.Bytes += 1000 * packets
		l.tell(now)
		return out.String()
	}
	quiet := func(what, said string) {
		t.Helper()
		if said != "" {
			t.Errorf("%s: said %s", what, said)
		}
	}
	quiet("nothing is lost", after(time.Second, 100_000, 0, 0))
	quiet("two connections are cut off", after(time.Minute, 1000, 2, 10))
	quiet("few of many packets", after(time.Minute, 1_000_000, 400, 100))
	if n, ok := l.notice(now); ok {
		t.Errorf("the pages say %+v", n)
	}
	if said := after(time.Minute, 6000, 3, 4500); !strings.Contains(said, "connections lack bytes") || !strings.Contains(said, "gaps=405 bytes=4610") {
		t.Errorf("said %q", said)
	}
	quiet("at once again", after(time.Second, 1000, 100, 4500))
	n, ok := l.notice(now.Add(lossShown))
	if !ok || n.Severity != "warning" || !strings.HasPrefix(n.Title, "Connections lack bytes: 9,110 bytes lost in 505 gaps") || !strings.Contains(n.Fix, "mirror port") {
		t.Errorf("the pages say %+v", n)
	}
	if n, ok := l.notice(now.Add(lossShown + time.Second)); ok {
		t.Errorf("long after, the pages say %+v", n)
	}
	f.stats.Drops = 7
	if said := after(time.Minute, 100, 100, 1); !strings.Contains(said, "packets were dropped") || !strings.Contains(said, "connections lack bytes") {
		t.Errorf("said %q", said)
	}
	if n, ok := l.notice(now); !ok || !strings.Contains(n.Fix, "CPU") {
		t.Errorf("the pages say %+v", n)
	}
	quiet("told already", after(time.Second, 100, 0, 0))
	quiet("a long file is cut off", after(time.Minute, 100_000, 1, 100_000))
	if said := after(time.Minute, 10_000, 1, 30_000_000); !strings.Contains(said, "connections lack bytes") {
		t.Errorf("said %q of a long stretch", said)
	}
}
