package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/privilege"
	"github.com/perfd/perfd/profile"
	"github.com/perfd/perfd/sidecar"
)

// Ports that are tapped where no server is found: Odoo's, its evented server's, Tryton's and PostgreSQL's.
var (
	usualRPCPorts = []uint16{8069, 8072, 8000}
	usualPGPorts  = []uint16{5432}
)

// What a log is given to show a statement: logPoll until it is read again, and what the server takes to write it.
const (
	logPoll  = 50 * time.Millisecond
	logGrace = 600 * time.Millisecond
)

const inboxBytes = 4 << 20 // of log lines that wait for the decoders

// tap is the front of a watch that reads packets.
type tap struct {
	*stages

	live  atomic.Pointer[capture.Live]
	ports atomic.Pointer[ports]
	again atomic.Bool // the ports are to be found again

	shed   sidecar.Level
	leave  func()    // ends the run under way
	looked time.Time // when counts were taken
}

// ports are those tapped. Found says that they belong to a server that runs, and are not a guess.
type ports struct {
	rpc, pg []uint16
	found   bool
}

func (p *ports) same(o *ports) bool { return slices.Equal(p.rpc, o.rpc) && slices.Equal(p.pg, o.pg) }

// protocols assigns the ports to the decoders, by their place in NewEngine.
func (p *ports) protocols() map[uint16]int {
	return (&pipeline{rpcPorts: p.rpc, pgPorts: p.pg}).ports()
}

// orUsual returns ports in order, each once, or the usual ones if there are none.
func orUsual(found, usual []uint16) []uint16 {
	if len(found) == 0 {
		return usual
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// openTap asks what is there and opens the tap; the packets wait in the ring until run.
func openTap(ctx context.Context, w *watcher) (front, error) {
	c := w.settings.Load()
	s, err := newStages(ctx, w, stagesConfig{look: len(c.RPCPorts) == 0 || len(c.PGPorts) == 0, pgPorts: c.PGPorts})
	if err != nil {
		return nil, err
	}
	t := &tap{stages: s}
	t.ports.Store(t.find())
	live, err := t.open(t.ports.Load())
	if err != nil {
		return nil, err
	}
	t.live.Store(live)
	return t, nil
}

// find says which ports to tap: those set, else those of the servers on this host, else the usual ones.
func (t *tap) find() *ports {
	c := t.w.settings.Load()
	p := &ports{rpc: slices.Clone(c.RPCPorts), pg: slices.Clone(c.PGPorts), found: true}
	var rpc, pg []uint16
	if t.observer != nil {
		for _, s := range t.observer.Servers() {
			for _, a := range s.Listen {
				rpc = append(rpc, a.Port())
			}
			for _, l := range s.Databases {
				if a, err := netip.ParseAddrPort(l.Address); err == nil && l.Network == "tcp" {
					pg = append(pg, a.Port())
				}
			}
		}
	}
	if len(p.rpc) == 0 {
		p.found = len(rpc) > 0
		p.rpc = orUsual(rpc, usualRPCPorts)
	}
	if len(p.pg) == 0 {
		p.pg = orUsual(pg, usualPGPorts)
	}
	if c.PGLog.Path != "" {
		p.pg = nil // statements come from the log, and once is enough
	}
	return p
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

// run decodes until ctx is done, and delivers what is left. It opens the tap anew when the server's ports change.
func (t *tap) run(ctx context.Context) (err error) {
	p := t.ports.Load()
	protocols := []capture.Protocol{t.protocol(t.rpc), t.protocol(t.pg)}
	engine := capture.NewEngine(capture.Config{Ports: p.protocols()}, protocols...)
	t.relay.engine = engine
	profile.Do(ctx, profile.Capture, func(ctx context.Context) {
		for err == nil && ctx.Err() == nil {
			err = t.runOnce(ctx, engine)
			if next := t.find(); err == nil && ctx.Err() == nil && next.found && !next.same(t.ports.Load()) {
				var live *capture.Live
				if live, err = t.open(next); err == nil {
					t.w.log.Info("other ports are tapped", "rpc", next.rpc, "postgresql", next.pg)
					err = t.live.Swap(live).Close()
					engine.Flush()
					t.ports.Store(next)
					engine = capture.NewEngine(capture.Config{Ports: next.protocols()}, protocols...)
					t.relay.engine = engine
				}
			}
		}
	})
	t.endLog()
	engine.Flush()
	t.take(engine)
	return errors.Join(err, t.relay.Flush())
}

// runOnce runs the tap until ctx is done or the ports are to be found again and are others.
func (t *tap) runOnce(ctx context.Context, engine *capture.Engine) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t.leave = cancel
	return quiet(t.live.Load().Run(ctx, engine))
}

// between is called by the tap, between two of its blocks.
func (t *tap) between(now time.Time) {
	t.lag.Store(int64(max(0, time.Since(now)+t.live.Load().Stats().ClockAhead)))
	t.inbox.Do()
	t.relay.Advance(now)
	if t.again.CompareAndSwap(true, false) {
		if next := t.find(); next.found && !next.same(t.ports.Load()) {
			t.leave() // run goes on with other ports
		}
	}
	if level := t.w.health.level(); level != t.shed {
		t.shed = level
		t.pg.Plain(level >= sidecar.Texts)
		t.relay.engine.Shed(1, level >= sidecar.Statements)
		t.relay.engine.Shed(0, level >= sidecar.Calls)
	}
	if now.Sub(t.looked) >= 500*time.Millisecond {
		t.looked = now
		t.take(t.relay.engine)
	}
}

// take copies the stages' counts.
func (t *tap) take(engine *capture.Engine) {
	t.counts.Store(&counts{engine.Stats(), t.rpc.Stats(), t.pg.Stats()})
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
	lines := []string{fmt.Sprintf("perfd taps %s: HTTP on %s, PostgreSQL on %s", where, portWords(p.rpc), portWords(p.pg))}
	if t.observer != nil && !p.found {
		lines = append(lines, "perfd has found no Odoo or Tryton on this host yet: it taps the usual ports")
	}
	return append(lines, t.stages.describe()...)
}

func portWords(list []uint16) string {
	if len(list) == 0 {
		return "no port"
	}
	words := make([]string, len(list))
	for i, p := range list {
		words[i] = strconv.Itoa(int(p))
	}
	return strings.Join(words, ", ")
}

func (t *tap) close() error { return t.live.Load().Close() }

// tapping implements front.
func (t *tap) tapping() bool { return true }

// links implements front.
func (t *tap) links() capture.LiveStats { return t.live.Load().Stats() }

// unready implements front.
func (t *tap) unready() string {
	for _, i := range t.links().Interfaces {
		if i.State == "up" {
			return ""
		}
	}
	return "no interface is up"
}
