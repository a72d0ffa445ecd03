package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/privilege"
	"github.com/perfd/perfd/process"
	"github.com/perfd/perfd/profile"
	"github.com/perfd/perfd/proxy"
	"github.com/perfd/perfd/sidecar"
	"github.com/perfd/perfd/web"
)

// doors are the front of proxies: what passes them is decoded.
type doors struct {
	*stages
	o     *proxyOptions
	feed  *capture.Feed
	chain proxy.Chain // whole before anything passes
	doors []door

	shed   sidecar.Level
	looked time.Time // when counts were taken
}

// door is one route that is open.
type door struct {
	route
	net.Listener
	http *proxy.HTTP // or
	pg   *proxy.PostgreSQL
}

var (
	_ front            = (*doors)(nil)
	_ analyzer.Witness = (*doors)(nil)
)

var protocolNames = [...]string{feedHTTP: "HTTP", feedPG: "PostgreSQL"}

// open opens what to listen on, as an opener.
func (o *proxyOptions) open(ctx context.Context, w *watcher) (front, error) {
	return o.openDoors(ctx, w, stagesConfig{})
}

func (o *proxyOptions) openDoors(ctx context.Context, w *watcher, cfg stagesConfig) (d *doors, err error) {
	d = &doors{o: o}
	defer func() {
		if err != nil {
			_ = d.close() // the failure before it is the one to tell
		}
	}()
	for _, r := range o.routes {
		ln, err := proxy.Listen(ctx, r.listen)
		if err != nil {
			return d, hinted{err, "choose another address, and check who listens there"}
		}
		d.doors = append(d.doors, door{route: r, Listener: ln})
		if tcp, ok := ln.Addr().(*net.TCPAddr); ok && r.protocol == feedPG {
			cfg.pgPorts = append(cfg.pgPorts, uint16(tcp.Port))
		}
	}
	cfg.witness = func(next *process.Observer) analyzer.Witness {
		d.chain.Next = next
		return d
	}
	if d.stages, err = newStages(ctx, w, cfg); err != nil {
		return d, err
	}
	d.feed = capture.NewFeed(capture.FeedConfig{
		QueueBytes: int(w.settings.Load().Memory / ringShare), Between: d.between,
	}, []capture.Protocol{feedHTTP: d.rpc, feedPG: d.pg}...)
	for i := range d.doors {
		if err := d.install(&d.doors[i]); err != nil {
			return d, err
		}
	}
	return d, nil
}

// install puts a proxy behind a door.
func (d *doors) install(r *door) (err error) {
	trouble := func(err error) { d.w.log.Warn("relay", "why", err) }
	var seen func(local, remote netip.AddrPort)
	if d.observer != nil {
		seen = func(local, remote netip.AddrPort) { d.observer.Seen(local, remote, time.Now()) }
	}
	if r.protocol == feedHTTP {
		r.http = proxy.NewHTTP(proxy.HTTPConfig{
			Upstream: r.to, Protocol: feedHTTP, Trusted: d.o.networks, AppendForwarded: d.o.appendForwarded,
			Scheme: d.o.scheme, Seen: seen, Trouble: trouble,
		}, d.feed)
		d.chain.HTTP = append(d.chain.HTTP, r.http)
		return nil
	}
	r.pg, err = proxy.NewPostgreSQL(proxy.PostgreSQLConfig{
		Upstream: r.to, Protocol: feedPG, TLS: d.o.server, Certificate: d.o.certificate, RequireTLS: d.o.requireTLS,
		Seen: seen, Trouble: trouble,
	}, d.feed)
	var wrong *proxy.TLSError
	if errors.As(err, &wrong) {
		return hinted{err, wrong.Hint}
	}
	d.chain.PostgreSQL = append(d.chain.PostgreSQL, r.pg)
	return err
}

// Worker implements analyzer.Witness.
func (d *doors) Worker(local, remote netip.AddrPort, from, to time.Time) (pid, tid int32) {
	return d.chain.Worker(local, remote, from, to)
}

// run implements front: the proxies relay until ctx is done or one of them fails, and decoding goes on until they
// have ended.
func (d *doors) run(ctx context.Context) error {
	feeding, done := context.WithCancel(context.WithoutCancel(ctx))
	defer done()
	var decode sync.WaitGroup
	var failed error
	decode.Go(func() {
		profile.Do(feeding, profile.Capture, func(ctx context.Context) { failed = d.feed.Run(ctx) })
	})
	group, relaying := errgroup.WithContext(ctx)
	for _, r := range d.doors {
		group.Go(func() error {
			if r.http != nil {
				return r.http.Run(relaying, r)
			}
			return r.pg.Run(relaying, r)
		})
	}
	err := group.Wait()
	done()
	decode.Wait()
	d.endLog()
	d.take()
	return errors.Join(err, failed, d.relay.Flush())
}

// between is called by the feed, between bytes.
func (d *doors) between(now time.Time) {
	d.lag.Store(int64(d.feed.Stats().Lag))
	d.inbox.Do()
	d.relay.Advance(d.known(now))
	if d.w.health == nil { // of a report at the end
		return
	}
	if level := d.w.health.level(); level != d.shed {
		d.shed = level
		d.pg.Plain(level >= sidecar.Texts)
		d.feed.Shed(feedPG, level >= sidecar.Statements)
		d.feed.Shed(feedHTTP, level >= sidecar.Calls)
	}
	if now.Sub(d.looked) >= 500*time.Millisecond {
		d.looked = now
		d.take()
	}
}

// take copies the stages' counts.
func (d *doors) take() { d.counts.Store(&counts{rpc: d.rpc.Stats(), sql: d.pg.Stats()}) }

// close implements front. Doors that run closed already.
func (d *doors) close() error {
	for _, r := range d.doors {
		_ = r.Close() // it is closed by now, unless what followed its opening failed
	}
	return nil
}

// describe implements front.
func (d *doors) describe() []string {
	lines := make([]string, 0, len(d.doors)+1)
	for _, r := range d.doors {
		lines = append(lines, fmt.Sprintf("perfd relays %s from %s to %s", protocolNames[r.protocol], r.Addr(), r.to))
	}
	return append(lines, d.stages.describe()...)
}

// needed implements front. Sockets of others, and folders that sockets of ours are deleted from, need a right.
func (d *doors) needed() []privilege.Capability {
	keep := d.stages.needed()
	for _, r := range d.doors {
		if r.listen.Unix() || r.to.Unix() {
			return append(keep, privilege.DACOverride)
		}
	}
	return keep
}

// rediscover implements front: the routes are given.
func (d *doors) rediscover() {}

// tapping implements front.
func (d *doors) tapping() bool { return false }

// unready implements front: who listens sees.
func (d *doors) unready() string { return "" }

// recording implements front.
func (d *doors) recording() analyzer.Recording {
	f, n := d.feed.Stats(), d.counts.Load()
	return analyzer.Recording{
		From: f.First, To: f.Last, Packets: f.Chunks, Bytes: f.Bytes, LostBytes: f.Dropped, Gaps: f.Gaps, Evicted: f.Refused,
		HTTPConnections: n.rpc.Streams, SQLConnections: n.sql.Connections, EncryptedSQL: n.sql.Encrypted, UnknownTexts: n.sql.Unknown,
	}
}

// links implements front.
func (d *doors) links() capture.LiveStats {
	f := d.feed.Stats()
	return capture.LiveStats{Packets: f.Chunks, Bytes: f.Bytes, Drops: f.Gaps}
}

// taps implements front.
func (d *doors) taps() (list []web.Tap) {
	for _, r := range d.doors {
		tap := web.Tap{Name: r.Addr().String(), Kind: "proxy", State: "up"}
		if r.http != nil {
			s := r.http.Stats()
			tap.Detail = fmt.Sprintf("HTTP to %s: %d requests, %d connections open, %d requests without an answer", r.to, s.Requests, s.Open, s.Unreachable)
		} else {
			s := r.pg.Stats()
			tap.Detail = fmt.Sprintf("PostgreSQL to %s: %d connections, %d open, %d could not be made", r.to, s.Connections, s.Open, s.Unreachable)
		}
		list = append(list, tap)
	}
	f := d.feed.Stats()
	return append(list, web.Tap{Name: "copies", Kind: "proxy", State: "up", Packets: f.Chunks, Bytes: f.Bytes, Drops: f.Gaps, Detail: "of all that passed, for the decoders"})
}
