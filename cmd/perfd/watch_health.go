package main

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/metrics"
	"github.com/perfd/perfd/process"
	"github.com/perfd/perfd/sidecar"
)

const (
	checkEvery = 250 * time.Millisecond
	findEvery  = 2 * time.Second
)

// health holds perfd to its bounds: it looks at the load four times a second and says what is to be left out.
type health struct {
	w       *watcher
	current atomic.Uint32 // sidecar.Level
	memory  atomic.Int64
	cpu1000 atomic.Int64 // thousandths of a core in use
	changed atomic.Int64 // Unix nanoseconds: since when the level is what it is
	shedder *sidecar.Shedder
	cpu     cpuClock

	measured *memory

	losses  losses
	steps   int64 // of the clock, as told
	links   map[string]capture.LinkState
	servers roll
}

func newHealth(w *watcher) *health {
	c := w.settings.Load()
	if share := float64(c.CPU); share > 0 && share <= 1 {
		runtime.GOMAXPROCS(1)
	}
	return &health{w: w, losses: losses{w: w}, shedder: sidecar.NewShedder(sidecar.ShedConfig{}), measured: newMemory(int64(c.Memory)), links: make(map[string]capture.LinkState)}
}

// level is what is left out now; any goroutine may ask.
func (h *health) level() sidecar.Level { return sidecar.Level(h.current.Load()) }

// run checks until ctx is done.
func (h *health) run(ctx context.Context) error {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	found := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := time.Now()
		before := h.level()
		level := h.shedder.Observe(now, h.load(now))
		h.current.Store(uint32(level))
		if level != before {
			h.changed.Store(now.UnixNano())
			s := h.w.shed()
			h.w.log.Warn("load", "left out", level.String(), "before", before.String(),
				"texts", s.Texts, "statements", s.Statements, "calls", s.Calls, "bytes not decoded", s.HTTPBytes+s.SQLBytes)
		}
		h.losses.tell(now)
		h.tellLinks()
		h.tellClock()
		for _, j := range h.w.logs {
			j.tell(h.w.log)
		}
		if now.Sub(found) >= findEvery {
			found = now
			h.w.front.rediscover()
			h.servers.tell(h.w)
		}
	}
}

// tellClock tells that the system's clock was set.
func (h *health) tellClock() {
	if s := h.w.front.links(); s.Steps > h.steps {
		h.w.log.Warn("the system's clock was set: what ran at that moment has wrong times", "times", s.Steps-h.steps, "shown ahead of it by", s.ClockAhead)
		h.steps = s.Steps
	}
}

// tellLinks tells of interfaces that went down or came back. That one which nobody named is down from the start is
// as it should be.
func (h *health) tellLinks() {
	var idle []string
	for _, i := range h.w.front.links().Interfaces {
		switch before, known := h.links[i.Name]; {
		case known && before == i.State || !known && i.State == capture.LinkUp:
		case !known && i.State == capture.LinkDown && !slices.Contains(h.w.settings.Load().Interfaces, i.Name):
			idle = append(idle, i.Name)
		case i.State == capture.LinkUp:
			h.w.log.Info("interface is tapped again", "interface", i.Name)
		default:
			h.w.log.Warn("interface cannot be tapped", "interface", i.Name, "state", string(i.State))
		}
		h.links[i.Name] = i.State
	}
	if len(idle) > 0 {
		h.w.log.Info("interfaces that are down are tapped when they come up", "interfaces", strings.Join(idle, ", "))
	}
}

// load measures.
func (h *health) load(now time.Time) sidecar.Load {
	c := h.w.settings.Load()
	memory, needed := h.measured.measure()
	h.memory.Store(memory)
	q := h.w.queue.Stats()
	l := sidecar.Load{
		Lag:    time.Duration(h.w.front.parts().lag.Load()),
		Queue:  float64(q.Bytes) / float64(q.Bound),
		Memory: needed,
	}
	used := h.cpu.share(now)
	h.cpu1000.Store(int64(1000 * used))
	if share := float64(c.CPU); share > 0 {
		l.CPU = used / share
	}
	return l
}

// shed is what was left out so far. Calls and statements are counted where they are known; of what is not even decoded
// it is known how many bytes it was.
func (w *watcher) shed() metrics.Shed {
	c, q := w.front.parts().counts.Load(), w.queue.Stats()
	return metrics.Shed{
		Level: int(w.health.level()), Texts: c.sql.Plain, Statements: q.DroppedStatements + w.writer.spared.Load(), Calls: q.DroppedCalls + w.writer.sparedCalls.Load(),
		HTTPBytes: c.httpShed, SQLBytes: c.sqlShed,
	}
}

// cores is how many cores perfd uses.
func (h *health) cores() float64 { return float64(h.cpu1000.Load()) / 1000 }

// since is when the level became what it is.
func (h *health) since() time.Time { return time.Unix(0, h.changed.Load()) }

// recording is what the tap saw, as the summary of a recording wants it.
func (t *tap) recording() analyzer.Recording {
	n := t.counts.Load()
	rec := recording(n.capture, n.rpc, n.sql)
	rec.Evicted += t.links().Drops
	return rec
}

// self tells Prometheus of perfd itself.
func (w *watcher) self() metrics.Self {
	return metrics.Self{
		Tap: func() metrics.Tap {
			s := w.front.links()
			return metrics.Tap{Packets: s.Packets, Bytes: s.Bytes, Drops: s.Drops, Freezes: s.Freezes, Errors: s.Errors, ClockSteps: s.Steps}
		},
		Interfaces: func() (list []metrics.Interface) {
			for _, i := range w.front.links().Interfaces {
				list = append(list, metrics.Interface{Name: i.Name, Up: i.State == "up", Packets: i.Packets, Downs: i.Downs})
			}
			return list
		},
		Logs: w.logFigures,
		Engine: func() metrics.Engine {
			r := w.front.recording()
			return metrics.Engine{
				HTTPConnections: r.HTTPConnections, SQLConnections: r.SQLConnections, OtherConnections: r.OtherConnections,
				EncryptedHTTP: r.EncryptedHTTP, EncryptedSQL: r.EncryptedSQL, LostBytes: r.LostBytes, Gaps: r.Gaps, Truncated: r.Truncated, Evicted: r.Evicted,
			}
		},
		Proxies: w.front.relays,
		Queues: func() []metrics.Queue {
			s := w.queue.Stats()
			return []metrics.Queue{{Name: "results", Depth: s.Bytes, Bound: s.Bound, Dropped: s.Dropped}}
		},
		Shed: w.shed,
		Store: func() metrics.Store {
			s := w.writer.recorder.Stats()
			return metrics.Store{
				Bytes: s.FileBytes + s.LogBytes, Flushes: s.Commits, FlushErrors: w.writer.failures.Load(),
				FlushSeconds: time.Duration(w.writer.flushing.Load()).Seconds(), LostTraces: s.Lost, PrunedTraces: s.Pruned,
			}
		},
		Process: func() metrics.Process {
			observer := w.front.parts().observer
			if observer == nil {
				return metrics.Process{}
			}
			s := observer.Stats()
			return metrics.Process{
				Threads: s.Threads.Source != process.ThreadsOff, Lookups: int64(s.Lookups), Found: int64(s.Found), Unresolved: int64(s.Unresolved),
				Ambiguous: int64(s.Ambiguous), Drops: int64(s.Dropped), ThreadEvents: int64(s.Threads.Events), ThreadLost: int64(s.Threads.Lost),
			}
		},
		Agreement: func() metrics.Agreement {
			if w.writer.agreement == nil {
				return metrics.Agreement{}
			}
			f := w.writer.agreement.Figures()
			return metrics.Agreement{Equal: f.Equal, Different: f.More + f.Fewer, Unmatched: f.OnlySeen + f.OnlyLogged}
		},
		Memory: func() metrics.Memory {
			return metrics.Memory{Bound: int64(w.settings.Load().Memory), Used: w.health.memory.Load()}
		},
	}
}
