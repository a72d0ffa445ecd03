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
	"github.com/perfd/perfd/doctor"
	"github.com/perfd/perfd/metrics"
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

const probeEvery = 2 * time.Second

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
	var seenUnix func(local, remote netip.AddrPort, inode uint64)
	if d.observer != nil {
		seenUnix = d.observer.SeenUnix
		seen = func(local, remote netip.AddrPort) { d.observer.Seen(local, remote, time.Now()) }
	}
	if r.protocol == feedHTTP {
		r.http = proxy.NewHTTP(proxy.HTTPConfig{
			Upstream: r.to, Protocol: feedHTTP, Trusted: d.o.networks, AppendForwarded: d.o.appendForwarded,
			Scheme: d.o.scheme, Seen: seen, SeenUnix: seenUnix, Trouble: trouble,
		}, d.feed)
		d.chain.HTTP = append(d.chain.HTTP, r.http)
		return nil
	}
	r.pg, err = proxy.NewPostgreSQL(proxy.PostgreSQLConfig{
		Upstream: r.to, Protocol: feedPG, TLS: d.o.server, Certificate: d.o.certificate, RequireTLS: d.o.requireTLS,
		Seen: seen, SeenUnix: seenUnix, Trouble: trouble,
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
	if d.w.health != nil { // which nobody asks for where a report at the end is all
		group.Go(func() error {
			d.probe(relaying)
			return nil
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
func (d *doors) take() {
	d.counts.Store(&counts{rpc: d.rpc.Stats(), sql: d.pg.Stats(), httpShed: d.feed.ShedBytes(feedHTTP), sqlShed: d.feed.ShedBytes(feedPG)})
}

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

// examine implements front.
func (d *doors) examine(c *doctor.Config) {
	c.Relays = func() (list []doctor.Relay) {
		for _, r := range d.doors {
			s := r.stats()
			list = append(list, doctor.Relay{
				Protocol: protocolNames[r.protocol], Listen: s.Listen, Upstream: r.to.String(), Down: r.down(),
				For: time.Since(d.w.started), Connections: s.Connections,
			})
		}
		return list
	}
}

// relays implements front.
func (d *doors) relays() (list []metrics.Proxy) {
	for _, r := range d.doors {
		list = append(list, r.stats())
	}
	return list
}

// stats is what a door counted.
func (r *door) stats() metrics.Proxy {
	if r.http != nil {
		s := r.http.Stats()
		return metrics.Proxy{
			Listen: r.Addr().String(), Up: s.Down == "", Open: s.Open, Connections: s.Connections, Requests: s.Requests,
			FromClients: s.FromClients, ToClients: s.ToClients, Refused: s.Refused, UpstreamErrors: s.Unreachable,
		}
	}
	s := r.pg.Stats()
	return metrics.Proxy{
		Listen: r.Addr().String(), Up: s.Down == "", Open: s.Open, Connections: s.Connections,
		FromClients: s.FromClients, ToClients: s.ToClients, Refused: s.Refused, UpstreamErrors: s.Unreachable,
		ClientTLS: s.Encrypted, UpstreamTLS: s.ServerTLS,
	}
}

// down is why what is behind a door cannot be reached; empty if it can.
func (r *door) down() string {
	if r.http != nil {
		return r.http.Stats().Down
	}
	return r.pg.Stats().Down
}

// unready implements front: nothing can be seen of what cannot be reached.
func (d *doors) unready() string {
	for _, r := range d.doors {
		if why := r.down(); why != "" {
			return fmt.Sprintf("%s behind %s cannot be reached: %s", protocolNames[r.protocol], r.Addr(), why)
		}
	}
	return ""
}

// probe tries whether what is behind the doors can be reached: all at first, then what could not be, which nobody
// else may try while perfd says that it is not ready.
func (d *doors) probe(ctx context.Context) {
	again := time.NewTicker(probeEvery)
	defer again.Stop()
	for first := true; ; first = false {
		for _, r := range d.doors {
			switch {
			case !first && r.down() == "":
			case r.http != nil:
				r.http.Probe(ctx)
			default:
				r.pg.Probe(ctx)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
	}
}

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
		if r.down() != "" {
			tap.State = "down"
		}
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
