package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/client"
	"github.com/perfd/perfd/config"
	"github.com/perfd/perfd/replay"
	"github.com/perfd/perfd/replay/bench"
	"github.com/perfd/perfd/replay/observe"
	"github.com/perfd/perfd/sqltrace"
)

// replayTap is the tap of perfd watch beside a replay: what it sees goes to a study instead of a store.
type replayTap struct {
	tap   *tap
	study *observe.Study
	over  context.CancelFunc // of the tap
	end   context.CancelFunc // of the observer of processes
	ended chan error
}

// openReplayTap begins to tap where the target is reached.
func (o *replayOptions) openReplayTap(ctx context.Context, t terminal, product string) (*replayTap, error) {
	c := o.settings()
	if len(c.RPCPorts) == 0 {
		for _, address := range []string{o.target, o.targetB} {
			if port := portOf(address, product); port != 0 && !slices.Contains(c.RPCPorts, port) {
				c.RPCPorts = append(c.RPCPorts, port)
			}
		}
	}
	w := &watcher{level: new(slog.LevelVar)}
	w.settings.Store(&c)
	w.log = newLog(t.err, config.Log{Level: "warn"}, w.level)
	r := &replayTap{ended: make(chan error, 1)}
	observing, end := context.WithCancel(context.WithoutCancel(ctx))
	running, over := context.WithCancel(context.WithoutCancel(ctx))
	r.end, r.over = end, over
	var err error
	r.tap, err = openTapOf(observing, w, stagesConfig{sink: func(d sqltrace.Dictionary) (analyzer.Sink, error) {
		r.study = observe.New(observe.Config{}, d)
		return r.study, nil
	}})
	if err != nil {
		over()
		end()
		return nil, err
	}
	for _, line := range r.tap.describe() {
		fmt.Fprintln(t.err, line)
	}
	go func() { r.ended <- r.tap.run(running) }()
	return r, nil
}

// portOf is the port of a server's address.
func portOf(address, product string) uint16 {
	p := client.Odoo
	if product == "tryton" {
		p = client.Tryton
	}
	u, err := client.ParseAddress(address, p)
	if address == "" || err != nil {
		return 0
	}
	port := cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	n, _ := strconv.ParseUint(port, 10, 16)
	return uint16(n)
}

// around tells the study when a counted pass is sent.
func (r *replayTap) around(ctx context.Context, p bench.Pass, send func(context.Context) error) error {
	if p.Round == 0 {
		return send(ctx)
	}
	before := r.tap.links().Drops
	r.study.Begin(p.Arm, p.Round, time.Now())
	err := send(ctx)
	r.study.End(time.Now(), r.tap.links().Drops-before, err == nil)
	return err
}

// sent tells the study of a call that went to the server.
func (r *replayTap) sent(x *replay.Result) {
	if !x.Cached {
		r.study.Sent(x.Name)
	}
}

// close ends the tap, and waits until all that it saw has been told.
func (r *replayTap) close(context.Context) (*observe.Result, error) {
	r.over()
	err := <-r.ended
	r.end()
	if r.tap.observer != nil {
		err = errors.Join(err, quiet(<-r.tap.observed))
	}
	rec := r.tap.recording()
	return r.study.Result(observe.Sight{EncryptedHTTP: rec.EncryptedHTTP, EncryptedSQL: rec.EncryptedSQL, LostBytes: rec.LostBytes}), errors.Join(err, r.tap.close())
}
