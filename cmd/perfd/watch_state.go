package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/doctor"
	"github.com/perfd/perfd/process"
	"github.com/perfd/perfd/sidecar"
	"github.com/perfd/perfd/web"
)

// State implements web.Live: it tells the pages how the watch goes.
func (w *watcher) State() web.State {
	c, counts := w.settings.Load(), w.front.parts().counts.Load()
	queue, stored := w.queue.Stats(), w.writer.recorder.Stats()
	s := web.State{
		Started: w.started, Calls: counts.rpc.Calls, Statements: counts.sql.Statements,
		Queue:       web.Queue{Waiting: int64(queue.Waiting), Bytes: queue.Bytes, Limit: queue.Bound, Dropped: queue.Dropped},
		Store:       web.Storage{Bytes: stored.FileBytes, Limit: int64(c.Retention.Size), LogBytes: stored.LogBytes, MaxAge: c.Retention.Age, Stored: stored.Stored, Lost: stored.Lost},
		MemoryBytes: w.health.memory.Load(), MemoryLimit: int64(c.Memory), CPU: w.health.cores(), CPULimit: float64(c.CPU),
	}
	if failing := w.writer.failing.Load(); failing != nil {
		s.Store.Error = *failing
	}
	left := w.shed()
	s.Shed = web.Shed{Level: left.Level, Texts: left.Texts, Statements: left.Statements, Calls: left.Calls, Bytes: left.HTTPBytes + left.SQLBytes}
	if left.Level > 0 {
		s.Shed.Detail, s.Shed.Since = sidecar.Level(left.Level).String(), w.health.since()
	}
	s.Taps = w.front.taps()
	for _, j := range w.logs {
		s.Taps = append(s.Taps, j.tap())
	}
	s.Evidence = w.front.parts().evidence()
	if w.writer.agreement != nil {
		f := w.writer.agreement.Figures()
		s.Agreement = web.Agreement{Calls: f.Compared, Agreed: f.Equal, Recent: f.Recent}
	}
	if n := w.notices.Load(); n != nil {
		s.Notices = *n
	}
	if n, ok := clockNotice(w.front.links()); ok {
		s.Notices = append(slices.Clone(s.Notices), n)
	}
	if n, ok := w.health.losses.notice(time.Now()); ok {
		s.Notices = append(slices.Clone(s.Notices), n)
	}
	return s
}

// clockNotice words what became of times because the system's clock was set.
func clockNotice(l capture.LiveStats) (n web.Notice, ok bool) {
	switch {
	case l.ClockAhead >= time.Second:
		return web.Notice{
			Severity: "warning", Title: fmt.Sprintf("The clock was set back: times are shown %s ahead of it, and durations are right.", l.ClockAhead.Round(time.Second)),
			Fix: "Restart perfd to have it follow the clock again.",
		}, true
	case l.Steps > 0:
		return web.Notice{
			Severity: "info", Title: "The clock was set while perfd watched: what ran at that moment has wrong times.",
			Fix: "Run chrony or systemd-timesyncd on the host, which slew the clock.",
		}, true
	}
	return n, false
}

// taps implements front.
func (t *tap) taps() (list []web.Tap) {
	ports, live := t.ports.Load(), t.links()
	for _, i := range live.Interfaces {
		list = append(list, web.Tap{Name: i.Name, Kind: "interface", State: string(i.State), Packets: i.Packets,
			Detail: ports.words(t.w.settings.Load().PGLog.Path)})
	}
	return append(list, web.Tap{Name: "ring", Kind: "interface", State: "up", Packets: live.Packets, Bytes: live.Bytes, Drops: live.Drops,
		Freezes: live.Freezes, Detail: "of all interfaces"})
}

// evidence tells by what means statements are attributed.
func (s *stages) evidence() []web.Evidence {
	if s.observer == nil {
		return []web.Evidence{{Name: "process", Detail: "off"}, {Name: "thread", Detail: "off"}}
	}
	stats := s.observer.Stats()
	process0, thread := web.Evidence{Name: "process", Active: stats.Sockets == nil, Detail: "owners of sockets"}, web.Evidence{Name: "thread", Detail: "off"}
	if stats.Sockets != nil {
		process0.Detail = stats.Sockets.Error()
	}
	switch {
	case stats.Threads.Source != process.ThreadsOff:
		thread.Active, thread.Detail = true, "by "+stats.Threads.Source.String()
	case stats.Threads.Err != nil:
		thread.Detail = stats.Threads.Err.Error()
	}
	return []web.Evidence{process0, thread}
}

const (
	examineFirst = 5 * time.Second
	examineEvery = time.Minute
)

// examine looks for what keeps the watch from seeing everything, and tells of what is new in the log.
func (w *watcher) examine(ctx context.Context) error {
	told := map[string]bool{}
	next := time.NewTimer(examineFirst)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
		}
		next.Reset(examineEvery)
		c := doctor.Config{Settings: w.settings.Load(), Watching: true}
		w.front.examine(&c)
		if o := w.front.parts().observer; o != nil {
			c.Host = func(context.Context) (doctor.Host, error) { return hostOf(o), nil }
		}
		var notices []web.Notice
		for _, severity := range []doctor.State{doctor.Fail, doctor.Warn} {
			for _, f := range doctor.Examine(ctx, c).Findings {
				if f.State != severity {
					continue
				}
				n := web.Notice{Severity: "warning", Title: f.Found, Fix: f.Fix}
				if severity == doctor.Fail {
					n.Severity = "critical"
				}
				notices = append(notices, n)
				if key := f.Check + string(f.State); !told[key] {
					told[key] = true
					w.log.Warn(f.Found, "check", f.Check, "fix", f.Fix)
				}
			}
		}
		w.notices.Store(&notices)
	}
}

// traffic is what the tap saw since the start.
func (w *watcher) traffic(context.Context) (doctor.Traffic, error) {
	r, counts, live := w.front.recording(), w.front.parts().counts.Load(), w.front.links()
	return doctor.Traffic{
		For: time.Since(w.started).Round(time.Second), Packets: live.Packets, Drops: live.Drops, HTTP: r.HTTPConnections, SQL: r.SQLConnections,
		EncryptedHTTP: r.EncryptedHTTP, EncryptedSQL: r.EncryptedSQL, Calls: counts.rpc.Calls, Statements: counts.sql.Statements,
	}, nil
}

var _ web.Live = (*watcher)(nil)

// Wait implements web.Live: it tells of commits to the store.
func (w *watcher) Wait(ctx context.Context, after uint64) (uint64, error) {
	return w.writer.commits.Wait(ctx, after)
}
