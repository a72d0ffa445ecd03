package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/perfd/perfd/config"
	"github.com/perfd/perfd/privilege"
	"github.com/perfd/perfd/profile"
	"github.com/perfd/perfd/sidecar"
	"github.com/perfd/perfd/web"
)

func watchCommand(t terminal) *cobra.Command {
	var input func() config.Input
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Watch a running Odoo or Tryton beside which perfd runs, and show its calls as they end",
		Long: "Watch taps the network interfaces of this host, finds an Odoo or Tryton by itself unless ports are named, and\n" +
			"shows its calls in the browser within a second of their end. It sends nothing to the server, keeps to its\n" +
			"memory, and can stay on for weeks: the store forgets what is old. SIGHUP reads the settings again; SIGINT\n" +
			"and SIGTERM end it, after which perfd analyze reads the store.\n\n" +
			"It needs CAP_NET_RAW, and more for exact attribution; perfd doctor tells what is missing.\n" + exitHelp,
		Example: "  sudo perfd watch\n" +
			"  perfd watch --interface lo --rpc-port 8069 --pg-port 5432 --store odoo.db\n" +
			"  perfd watch --config /etc/perfd/perfd.yaml",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadSettings(t, input)
			if err != nil {
				return err
			}
			return runWatch(cmd.Context(), t, c, input, openTap)
		},
	}
	input = settingFlags(cmd.Flags())
	return cmd
}

// watcher is a perfd that watches: what its goroutines share. Everything else belongs to one of them.
type watcher struct {
	settings atomic.Pointer[config.Config]
	log      *slog.Logger
	level    *slog.LevelVar

	started time.Time
	pages   atomic.Pointer[web.Server] // nil where none are served
	notices atomic.Pointer[[]web.Notice]
	logs    []*journal

	front  front
	queue  *sidecar.Queue
	writer *writer
	health *health
}

// opener opens what a watcher gets its bytes from.
type opener func(context.Context, *watcher) (front, error)

// runWatch wires the stages and runs them until ctx is done or SIGTERM comes, then ends them from the front to the
// back, so that nothing seen is lost.
func runWatch(ctx context.Context, t terminal, c *config.Config, input func() config.Input, open opener) (err error) {
	defer debug.SetGCPercent(debug.SetGCPercent(watchGC))
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	hup := make(chan os.Signal, 1) // it must not end a perfd that still starts
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	w := &watcher{started: time.Now(), level: new(slog.LevelVar)}
	w.settings.Store(c)
	w.log = newLog(t.err, c.Log, w.level)
	var pages net.Listener
	if c.Listen != "off" { // a port in use is told before the work, not after it
		if pages, err = listenTo(ctx, c.Listen); err != nil {
			return err
		}
		defer func() { _ = pages.Close() }() // the server closes it too
	}
	profiler, err := startProfiler(c.Pyroscope)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, profiler.Stop()) }()

	w.queue = sidecar.NewQueue(sidecar.QueueConfig{Bytes: int64(c.Memory) / queueShare})
	w.health = newHealth(w)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if w.front, err = open(ctx, w); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.front.close()) }()
	if w.writer, err = openWriter(w); err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, w.writer.close()); err == nil {
			w.farewell(t.err)
		}
	}()
	switch err := privilege.Drop(w.front.needed()...); {
	case errors.Is(err, privilege.ErrCgo):
		w.log.Debug("capabilities are kept", "why", err)
	case err != nil:
		w.log.Warn("capabilities are kept", "why", err)
	}
	w.announce(t, pages)
	w.logs = w.journals()

	// Two lives: the front and all that feeds it end with ctx; what is behind them ends when they have nothing more.
	back, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	behind, back := errgroup.WithContext(back)
	front, ctx := errgroup.WithContext(ctx)
	go func() { <-ctx.Done(); cancel() }() // the observer ends with the rest
	behind.Go(func() (err error) {
		profile.Do(back, profile.Store, func(ctx context.Context) { err = w.queue.Run(ctx, w.writer) })
		return err
	})
	front.Go(func() error { return w.health.run(ctx) })
	front.Go(func() error { return w.reloads(ctx, hup, input) })
	front.Go(func() error { return w.follow(ctx) })
	front.Go(func() error { return w.examine(ctx) })
	if pages != nil {
		front.Go(func() error { return w.serve(ctx, pages) })
	}
	if err := w.serveMetrics(ctx, front); err != nil {
		return err
	}
	if s := w.front.parts(); s.observer != nil {
		front.Go(func() error { return quiet(<-s.observed) })
	}
	front.Go(func() error {
		defer w.queue.Close()
		return w.front.run(ctx)
	})
	go func() { // a store that cannot be written at all ends the watch
		if behind.Wait() != nil {
			stop()
		}
	}()
	err = front.Wait()
	w.queue.Close()
	return errors.Join(quiet(err), behind.Wait())
}

// quiet is err unless it says no more than that the watch was to end.
func quiet(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// announce prints what is being watched.
func (w *watcher) announce(t terminal, pages net.Listener) {
	c := w.settings.Load()
	for _, line := range w.front.describe() {
		fmt.Fprintln(t.err, line)
	}
	if o := w.front.parts().observer; o != nil {
		w.health.servers.note(o.Servers()) // described above
	}
	fmt.Fprintf(t.err, "perfd keeps calls for %s in %s\n", config.FormatDuration(c.Retention.Age), c.Store)
	if pages != nil {
		fmt.Fprintf(t.out, "perfd is serving on http://%s (Ctrl-C ends it)\n", pages.Addr())
	}
}

// reloads reads the settings again at SIGHUP.
func (w *watcher) reloads(ctx context.Context, hup <-chan os.Signal, input func() config.Input) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hup:
		}
		next, changed, restart, problems := config.Reload(w.settings.Load(), input())
		for _, p := range problems {
			w.log.Warn("settings", "problem", p.String())
		}
		if problems.Err() != nil {
			w.log.Error("settings are not reloaded")
			continue
		}
		w.settings.Store(next)
		w.level.Set(logLevel(next.Log.Level))
		w.front.rediscover()
		if pages := w.pages.Load(); pages != nil && slices.ContainsFunc(changed, func(key string) bool { return strings.HasPrefix(key, "auth.") }) {
			pages.SignOut() // who knew the old secret may not know the new one
		}
		w.log.Info("settings are reloaded", "changed", changed, "after a restart", restart)
	}
}

// newLog returns perfd's own log.
func newLog(to interface{ Write([]byte) (int, error) }, c config.Log, level *slog.LevelVar) *slog.Logger {
	level.Set(logLevel(c.Level))
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(to, options))
	}
	return slog.New(slog.NewTextHandler(to, options))
}

func logLevel(name string) slog.Level {
	var l slog.Level
	_ = l.UnmarshalText([]byte(name)) // config allows known names only
	return l
}

func startProfiler(c config.Pyroscope) (*profile.Profiler, error) {
	p, err := profile.Start(profile.Config{URL: c.URL, Tags: c.Tags, User: c.User, Password: string(c.Password)})
	if err != nil {
		return nil, hinted{fmt.Errorf("start profiling: %w", err), "check pyroscope.url"}
	}
	return p, nil
}

// Parts of the memory that settings allow.
const (
	ringShare     = 8
	queueShare    = 8
	evidenceShare = 8
	lookTime      = 1500 * time.Millisecond // at the processes of this host, before the tap is opened
)
