package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/perfd/perfd/store"
	"github.com/perfd/perfd/web"
)

const (
	defaultListen   = "127.0.0.1:7070"
	headerTimeout   = 10 * time.Second
	shutdownTimeout = 3 * time.Second
)

// listenOn opens the address to serve on.
func listenOn(ctx context.Context, address string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil {
		return nil, usagef("--listen must be host:port, such as %s, not %q", defaultListen, address)
	}
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return nil, hinted{usagef("--listen must be a loopback address, not %q: the pages ask for no password", address),
			"reach them from elsewhere by ssh -L 7070:127.0.0.1:7070"}
	}
	var config net.ListenConfig
	ln, err := config.Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, hinted{fmt.Errorf("listen on %s: the port is in use", address), "choose another with --listen, 127.0.0.1:0 picks a free one"}
	case err != nil:
		return nil, hinted{fmt.Errorf("serve pages: %w", err), "choose another address with --listen"}
	}
	return ln, nil
}

// serveStore shows what was written until ctx is done.
func serveStore(ctx context.Context, t terminal, ln net.Listener, written *newStore) error {
	reader, err := written.reader()
	if err != nil {
		return err
	}
	return errors.Join(serve(ctx, t, ln, reader), reader.Close())
}

// serve shows a store's recording in the browser until ctx is done, which is its regular end.
func serve(ctx context.Context, t terminal, ln net.Listener, reader store.Reader) error {
	handler, err := web.New(web.Config{}, reader)
	if err != nil {
		return errors.Join(fmt.Errorf("serve pages: %w", err), ln.Close())
	}
	if _, err := fmt.Fprintf(t.out, "perfd is serving on http://%s (Ctrl-C ends it)\n", ln.Addr()); err != nil {
		return errors.Join(fmt.Errorf("print address: %w", err), ln.Close())
	}
	return serveUntil(ctx, ln, handler, func() {})
}

// serveUntil serves until ctx is done, which is its regular end; stop then ends what would go on for ever.
func serveUntil(ctx context.Context, ln net.Listener, handler http.Handler, stop func()) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: headerTimeout, BaseContext: func(net.Listener) context.Context { return ctx }}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve pages: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		stop()
		quit, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		if err := server.Shutdown(quit); err != nil {
			return server.Close()
		}
		return nil
	})
	return group.Wait()
}
