package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/doctor"
	"github.com/perfd/perfd/metrics"
	"github.com/perfd/perfd/privilege"
	"github.com/perfd/perfd/profile"
	"github.com/perfd/perfd/sidecar"
)

// logPoll is how often PostgreSQL's log is looked at, logPatience how long calls wait for one that is not being read.
const (
	logPoll     = 50 * time.Millisecond
	logPatience = 5 * time.Second
)

const inboxBytes = 4 << 20 // of log lines that wait for the decoders

// tap is the front of a watch that reads packets.
type tap struct {
	*stages

	live  *capture.Live
	ports atomic.Pointer[ports]
	again atomic.Bool // the ports are to be found again

	shed       sidecar.Level
	looked     time.Time // when counts were taken
	complained time.Time // that other ports cannot be tapped
}

// openTap asks what is there and opens the tap; the packets wait in the ring until run.
func openTap(ctx context.Context, w *watcher) (front, error) {
	t, err := openTapOf(ctx, w, stagesConfig{})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// openTapOf is openTap with another end than a watcher's queue.
func openTapOf(ctx context.Context, w *watcher, cfg stagesConfig) (*tap, error) {
	c := w.settings.Load()
	cfg.look, cfg.pgPorts = len(c.RPCPorts) == 0 || len(c.PGPorts) == 0, c.PGPorts
	s, err := newStages(ctx, w, cfg)
	if err != nil {
		return nil, err
	}
	t := &tap{stages: s}
	t.ports.Store(t.find(&ports{}))
	if t.live, err = t.open(t.ports.Load()); err != nil {
		return nil, err
	}
	return t, nil
}

// open opens interfaces on some ports.
func (t *tap) open(p *ports) (*capture.Live, error) {
	c := t.w.settings.Load()
	live, err := capture.OpenLive(capture.LiveConfig{
		Interfaces: c.Interfaces, RPCPorts: p.rpc, PGPorts: p.pg, RingBytes: int(c.Memory / ringShare), Between: t.between,
	})
	var told *capture.LiveError
	if errors.As(err, &told) {
		return nil, hinted{err, cmp.Or(told.Hint, "perfd doctor tells what is missing")}
	}
	return live, err
}

// run decodes until ctx is done, and delivers what is left.
func (t *tap) run(ctx context.Context) (err error) {
	engine := capture.NewEngine(capture.Config{Ports: t.ports.Load().protocols()}, t.protocol(t.rpc), t.protocol(t.pg))
	t.relay.engine = engine
	profile.Do(ctx, profile.Capture, func(ctx context.Context) { err = quiet(t.live.Run(ctx, engine)) })
	t.endLog()
	engine.Flush()
	t.take(engine)
	return errors.Join(err, t.relay.Flush())
}

// between is called by the tap, between two of its blocks.
func (t *tap) between(now time.Time) {
	t.lag.Store(int64(max(0, time.Since(now)+t.live.Stats().ClockAhead)))
	t.inbox.Do()
	t.relay.Advance(t.known(now))
	if t.again.CompareAndSwap(true, false) {
		t.follow()
	}
	if t.w.health != nil { // a recorder has none
		if level := t.w.health.level(); level != t.shed {
			t.leaveOut(level)
		}
	}
	if now.Sub(t.looked) >= 500*time.Millisecond {
		t.looked = now
		t.take(t.relay.engine)
	}
}

// leaveOut sheds what a level says, and nothing else.
func (t *tap) leaveOut(level sidecar.Level) {
	t.shed = level
	t.pg.Plain(level >= sidecar.Texts)
	t.relay.engine.Shed(1, level >= sidecar.Statements)
	t.relay.engine.Shed(0, level >= sidecar.Calls)
}

// take copies the stages' counts.
func (t *tap) take(engine *capture.Engine) {
	t.counts.Store(&counts{engine.Stats(), t.rpc.Stats(), t.pg.Stats(), engine.ShedBytes(0), engine.ShedBytes(1)})
}

// rediscover asks for the ports to be found again; any goroutine may call it.
func (t *tap) rediscover() { t.again.Store(true) }

// needed implements front.
func (t *tap) needed() []privilege.Capability {
	return append(t.stages.needed(), privilege.NetRaw)
}

// describe says what is tapped, a line each.
func (t *tap) describe() []string {
	c, p := t.w.settings.Load(), t.ports.Load()
	where := "all interfaces"
	if len(c.Interfaces) > 0 {
		where = strings.Join(c.Interfaces, ", ")
	}
	lines := []string{fmt.Sprintf("perfd taps %s: %s", where, p.words(c.PGLog.Path))}
	if t.observer != nil && !p.rpcKnown {
		lines = append(lines, "perfd has found no Odoo or Tryton on this host yet: it taps the usual ports")
	}
	return append(lines, t.stages.describe()...)
}

// words says what the ports are tapped for. Where PostgreSQL's log is followed, statements come from it.
func (p *ports) words(log string) string {
	text := "HTTP on " + portWords(p.rpc)
	if log != "" {
		return text + "; statements come from PostgreSQL's log, " + log
	}
	return text + ", PostgreSQL on " + portWords(p.pg)
}

func portWords(list []uint16) string {
	words := make([]string, len(list))
	for i, p := range list {
		words[i] = strconv.Itoa(int(p))
	}
	return strings.Join(words, ", ")
}

func (t *tap) close() error { return t.live.Close() }

// examine implements front.
func (t *tap) examine(c *doctor.Config) { c.Tap = t.w.traffic }

// relays implements front.
func (t *tap) relays() []metrics.Proxy { return nil }

// links implements front.
func (t *tap) links() capture.LiveStats { return t.live.Stats() }

// unready implements front.
func (t *tap) unready() string {
	for _, i := range t.links().Interfaces {
		if i.State == "up" {
			return ""
		}
	}
	return "no interface is up"
}
