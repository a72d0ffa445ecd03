package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/config"
	"github.com/perfd/perfd/privilege"
	"github.com/perfd/perfd/sqltrace"
)

// live records what passes on the interfaces until ctx is done or the time is over.
func (o *recordOptions) live(ctx context.Context, t terminal, c *config.Config, r *loadWriter) (rec analyzer.Recording, err error) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
	defer stop()
	ctx, over := context.WithCancel(ctx)
	defer over()
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(int64(c.Memory)))
	c.PGLog.Path, c.Privacy.Users = "", "" // the load file has aliases of its own
	w := &watcher{level: new(slog.LevelVar)}
	w.settings.Store(c)
	w.log = newLog(t.err, c.Log, w.level)
	observing, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	r.sources = []string{"live"}
	front, err := openTapOf(observing, w, stagesConfig{
		sink: func(sqltrace.Dictionary) (analyzer.Sink, error) { return r, nil }, keep: r.keeping(),
	})
	if err != nil {
		return rec, err
	}
	defer func() { err = errors.Join(err, front.close()) }()
	keep := append(front.needed(), privilege.DACOverride) // the load gets its name at the end, in a folder of whomever
	if err := privilege.Drop(keep...); err != nil && !errors.Is(err, privilege.ErrCgo) {
		w.log.Warn("capabilities are kept", "why", err)
	}
	for _, line := range front.describe() {
		fmt.Fprintln(t.err, line)
	}
	if fmt.Fprint(t.err, "perfd records"); o.length > 0 {
		fmt.Fprintf(t.err, " for %s, or", config.FormatDuration(o.length))
	}
	fmt.Fprintln(t.err, " until it is interrupted (Ctrl-C)")
	if o.length > 0 {
		defer time.AfterFunc(o.length, over).Stop()
	}
	err = front.run(ctx)
	if end(); front.observer != nil {
		err = errors.Join(err, quiet(<-front.observed))
	}
	return front.recording(), err
}
