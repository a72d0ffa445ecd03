package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/config"
	"github.com/perfd/perfd/sqltrace"
)

// run relays until ctx is done, then reports.
func (o *proxyOptions) run(ctx context.Context, t terminal, c *config.Config) error {
	out, err := openOutput(o.output, t)
	if err != nil {
		return err
	}
	defer out.discard()
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	w := &watcher{level: new(slog.LevelVar)}
	w.settings.Store(c)
	w.log = newLog(t.err, c.Log, w.level)
	observing, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	res := &results{names: o.names()}
	d, err := o.openDoors(observing, w, stagesConfig{
		sink: func(dict sqltrace.Dictionary) (analyzer.Sink, error) { return o.sinks(res, dict, out) },
	})
	if err != nil {
		return err
	}
	for _, line := range d.describe() {
		fmt.Fprintln(t.err, line)
	}
	fmt.Fprintln(t.err, "perfd reports when it is interrupted (Ctrl-C)")
	err = d.run(ctx)
	if end(); d.observer != nil {
		err = errors.Join(err, quiet(<-d.observed))
	}
	if err != nil {
		return err
	}
	if err := o.report(res, res.summarizer.Summary(d.recording()), t, out); err != nil {
		return err
	}
	return out.commit()
}

// names are the routes as a report shows them.
func (o *proxyOptions) names() []string {
	return append(slices.Clone(o.http), o.pg...)
}
