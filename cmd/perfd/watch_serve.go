package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/perfd/perfd/profile"
	"github.com/perfd/perfd/web"
)

// listenTo opens an address that the settings were checked for.
func listenTo(ctx context.Context, address string) (net.Listener, error) {
	var c net.ListenConfig
	ln, err := c.Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, hinted{fmt.Errorf("listen on %s: the port is in use", address), "choose another with --listen, or none with --listen off"}
	case err != nil:
		return nil, hinted{fmt.Errorf("listen on %s: %w", address, cause(err)), "choose another address with --listen"}
	}
	return ln, nil
}

// serve shows the pages until ctx is done.
func (w *watcher) serve(ctx context.Context, ln net.Listener) error {
	reader, err := w.writer.recorder.Reader()
	if err != nil {
		return err
	}
	c := w.settings.Load()
	cfg := web.Config{Version: version(false), Hosts: c.Hosts, Live: w, Auth: visitors{w}}
	if c.Metrics.Enabled && c.Metrics.Listen == "" {
		cfg.Handlers = map[string]http.Handler{"/metrics": w.writer.metrics.Handler()}
	}
	pages, err := web.New(cfg, reader)
	if err != nil {
		return errors.Join(fmt.Errorf("serve pages: %w", err), reader.Close())
	}
	w.pages.Store(pages)
	mux := http.NewServeMux()
	mux.Handle("/", pages)
	mux.HandleFunc("GET /healthz", w.healthz)
	mux.HandleFunc("GET /readyz", w.readyz)
	profile.Do(ctx, profile.Web, func(ctx context.Context) { err = serveUntil(ctx, ln, mux, pages.Stop) })
	return errors.Join(err, reader.Close())
}

// visitors are those who may look at the pages, by the settings of the moment.
type visitors struct{ *watcher }

var _ web.Auth = visitors{}

// Required implements web.Auth.
func (v visitors) Required() bool { return v.settings.Load().Auth.Required() }

// AllowsToken implements web.Auth.
func (v visitors) AllowsToken(token string) bool { return v.settings.Load().Auth.AllowsToken(token) }

// AllowsPassword implements web.Auth.
func (v visitors) AllowsPassword(password string) bool {
	return v.settings.Load().Auth.AllowsPassword(password)
}

// serveMetrics answers Prometheus on an address of its own, if the settings name one.
func (w *watcher) serveMetrics(ctx context.Context, group *errgroup.Group) error {
	c := w.settings.Load()
	if !c.Metrics.Enabled || c.Metrics.Listen == "" {
		return nil
	}
	ln, err := listenTo(ctx, c.Metrics.Listen)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", w.writer.metrics.Handler())
	mux.HandleFunc("GET /healthz", w.healthz)
	mux.HandleFunc("GET /readyz", w.readyz)
	group.Go(func() error { return serveUntil(ctx, ln, mux, func() {}) })
	return nil
}

// healthz says that perfd runs.
func (w *watcher) healthz(rw http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(rw, "ok\n") // who asked has gone
}

// readyz says whether perfd sees and stores: an interface is up, or what is behind the proxies
// can be reached, and the last write succeeded.
func (w *watcher) readyz(rw http.ResponseWriter, _ *http.Request) {
	if why := w.unready(); why != "" {
		http.Error(rw, why, http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(rw, "ready\n") // who asked has gone
}

func (w *watcher) unready() string {
	if failing := w.writer.failing.Load(); failing != nil {
		return "the store cannot be written"
	}
	return w.front.unready()
}
