package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/proxy"
	"github.com/perfd/perfd/rpclog"
	"github.com/perfd/perfd/sqltrace"
	"github.com/perfd/perfd/store"
)

// proxyOptions are the flags of `perfd proxy`.
type proxyOptions struct {
	http, pg        []string
	trusted         []string
	appendForwarded bool
	scheme          string

	server          proxy.ServerTLS
	tlsCert, tlsKey string
	requireTLS      bool
	analyzeOptions  // what becomes of the result
	routes          []route
	networks        []netip.Prefix
	certificate     *tls.Certificate
}

// route is one LISTEN=UPSTREAM.
type route struct {
	protocol   int // index in the feed's list
	listen, to proxy.Address
}

// Protocols by their place in the feed's list.
const (
	feedHTTP = iota
	feedPG
)

func proxyCommand(t terminal) *cobra.Command {
	var o proxyOptions
	cmd := &cobra.Command{
		Use:   "proxy (--http LISTEN=UPSTREAM | --pg LISTEN=UPSTREAM)…",
		Short: "Relay HTTP and PostgreSQL, and report on what passed",
		Long: "Proxy stands in front of the application server, of PostgreSQL, or of both, and sees what a tap cannot:\n" +
			"TLS and Unix sockets. It relays until interrupted, then reports.\n\n" +
			"LISTEN and UPSTREAM are host:port, a port of 127.0.0.1, or the path of a Unix socket; a folder stands for\n" +
			"PostgreSQL's socket in it. In odoo.conf, db_host and db_port name where --pg listens. Odoo's proxy_mode\n" +
			"takes the client's address from the proxy.\n\n" +
			"TLS to PostgreSQL is asked for as libpq does (--pg-sslmode). Clients may encrypt if --pg-tls-cert names a\n" +
			"certificate; where both sides do and it is not the server's own, they need channel_binding=disable.\n" + exitHelp,
		Example: "  perfd proxy --http 8070=8069 --pg 6432=5432\n" +
			"  perfd proxy --http 8070=8069 --http 8073=8072 --pg /run/perfd/=/var/run/postgresql --store odoo.db\n" +
			"  perfd proxy --pg 6432=db.example:5432 --pg-sslmode verify-full --pg-sslrootcert system",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.serve = cmd.Flags().Changed("listen")
			if err := o.validate(); err != nil {
				return err
			}
			return o.run(cmd.Context(), t)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.http, "http", nil, "relay HTTP: `LISTEN=UPSTREAM`, also several times")
	f.StringArrayVar(&o.pg, "pg", nil, "relay PostgreSQL: `LISTEN=UPSTREAM`, also several times")
	f.StringSliceVar(&o.trusted, "trust", []string{"127.0.0.0/8", "::1/128"}, "`networks` of proxies whose X-Forwarded-For and the like are believed")
	f.BoolVar(&o.appendForwarded, "append-forwarded", false, "add a trusted proxy's address to the X-Forwarded-For it sent")
	f.StringVar(&o.scheme, "scheme", "http", "`scheme` that X-Forwarded-Proto says of other clients")
	f.StringVar(&o.server.Mode, "pg-sslmode", "prefer", "TLS to PostgreSQL, a `mode` of libpq: "+strings.Join(proxy.SSLModes, ", "))
	f.StringVar(&o.server.RootCert, "pg-sslrootcert", "", "`file` of the certificates that PostgreSQL's is verified by, or system")
	f.StringVar(&o.server.Cert, "pg-sslcert", "", "`file` of the client certificate for PostgreSQL")
	f.StringVar(&o.server.Key, "pg-sslkey", "", "`file` of its key")
	f.StringVar(&o.tlsCert, "pg-tls-cert", "", "`file` of the certificate that PostgreSQL's clients are shown")
	f.StringVar(&o.tlsKey, "pg-tls-key", "", "`file` of its key")
	f.BoolVar(&o.requireTLS, "pg-tls-require", false, "refuse PostgreSQL's clients that do not encrypt")
	f.StringVar(&o.format, "format", "text", "`kind` of report: text, json or html")
	f.StringVarP(&o.output, "output", "o", "", "`file` to write the report to instead of standard output")
	f.StringVar(&o.store, "store", "", "also write the result to this perfd store `file`")
	f.StringVar(&o.listen, "listen", defaultListen, "`address` to show the result on in the browser, after the first Ctrl-C")
	return cmd
}

// validate is the one place where options are checked.
func (o *proxyOptions) validate() error {
	switch {
	case len(o.http)+len(o.pg) == 0:
		return usagef("proxy needs --http or --pg")
	case !slices.Contains([]string{"text", "json", "html"}, o.format):
		return usagef("--format must be text, json or html, not %q", o.format)
	case (o.tlsCert == "") != (o.tlsKey == ""):
		return usagef("--pg-tls-cert and --pg-tls-key go together")
	case o.requireTLS && o.tlsCert == "":
		return usagef("--pg-tls-require needs --pg-tls-cert")
	case o.scheme != "http" && o.scheme != "https":
		return usagef("--scheme must be http or https, not %q", o.scheme)
	}
	for protocol, list := range [][]string{feedHTTP: o.http, feedPG: o.pg} {
		flag := [...]string{feedHTTP: "http", feedPG: "pg"}[protocol]
		for _, text := range list {
			listen, to, ok := strings.Cut(text, "=")
			if !ok {
				return usagef("--%s must be LISTEN=UPSTREAM, not %q", flag, text)
			}
			r := route{protocol: protocol}
			var err1, err2 error
			r.listen, err1 = proxy.ParseAddress(listen)
			r.to, err2 = proxy.ParseAddress(to)
			if err := errors.Join(err1, err2); err != nil {
				return usagef("--%s %s: %w", flag, text, err)
			}
			if r.listen == r.to {
				return usagef("--%s %s relays to itself", flag, text)
			}
			o.routes = append(o.routes, r)
		}
	}
	o.networks = []netip.Prefix{}
	for _, text := range o.trusted {
		n, err := netip.ParsePrefix(text)
		if a, bad := netip.ParseAddr(text); bad == nil {
			n, err = a.Prefix(a.BitLen())
		}
		if err != nil {
			return usagef("--trust must be networks such as 10.0.0.0/8, not %q", text)
		}
		o.networks = append(o.networks, n)
	}
	if o.tlsCert != "" {
		pair, err := tls.LoadX509KeyPair(o.tlsCert, o.tlsKey)
		if err != nil {
			return hinted{fmt.Errorf("read certificate: %w", err), "check --pg-tls-cert and --pg-tls-key: PEM files of one pair"}
		}
		o.certificate = &pair
	}
	return o.validatePaths()
}

// fed closes the circle between the decoders, which need a sink, and the analyzer, which needs theirs.
type fed struct{ *analyzer.Analyzer }

var (
	_ rpclog.Sink      = (*fed)(nil)
	_ sqltrace.Sink    = (*fed)(nil)
	_ analyzer.Witness = proxy.Chain{}
)

// server is what both proxies have in common.
type server interface {
	Run(ctx context.Context, ln net.Listener) error
}

func (o *proxyOptions) run(ctx context.Context, t terminal) (err error) {
	var pages net.Listener
	if o.serve { // a port in use is told before the work, not after it
		if pages, err = listenOn(ctx, o.listen); err != nil {
			return err
		}
		defer func() { _ = pages.Close() }() // the server closes it too
	}
	out, err := openOutput(o.output, t)
	if err != nil {
		return err
	}
	defer out.discard()

	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	r := &fed{}
	rpc := rpclog.New(rpclog.Config{}, r)
	pg := sqltrace.New(sqltrace.Config{}, r)
	res := &results{names: o.names()}
	sink, err := o.sinks(res, pg.Dictionary(), out)
	defer func() { err = errors.Join(err, res.recorder.close()) }()
	if err != nil {
		return err
	}
	r.Analyzer = analyzer.New(analyzer.Config{}, pg.Dictionary(), rpc.Identify, sink)
	feed := capture.NewFeed(capture.FeedConfig{}, []capture.Protocol{feedHTTP: rpc, feedPG: pg}...)
	if err := o.relay(ctx, t, feed); err != nil {
		return errors.Join(err, r.Flush())
	}
	if err := r.Flush(); err != nil {
		return fmt.Errorf("deliver results: %w", err)
	}
	return o.finish(ctx, t, res, fedRecording(feed.Stats(), rpc.Stats(), pg.Stats()), out, pages)
}

// relay runs the proxies until ctx is done or one of them fails, and the feed until they have ended.
func (o *proxyOptions) relay(ctx context.Context, t terminal, feed *capture.Feed) error {
	servers, listeners, err := o.open(ctx, t, feed)
	if err != nil {
		return err
	}
	feeding, done := context.WithCancel(context.WithoutCancel(ctx))
	var decode sync.WaitGroup
	var feedErr error
	decode.Go(func() { feedErr = feed.Run(feeding) })
	group, relaying := errgroup.WithContext(ctx)
	for i, s := range servers {
		group.Go(func() error { return s.Run(relaying, listeners[i]) })
	}
	err = group.Wait()
	done()
	decode.Wait()
	return errors.Join(err, feedErr)
}

// open makes all proxies and opens where they listen.
func (o *proxyOptions) open(ctx context.Context, t terminal, feed *capture.Feed) (servers []server, listeners []net.Listener, err error) {
	defer func() {
		if err != nil {
			for _, ln := range listeners {
				_ = ln.Close() // the failure before it is the one to tell
			}
		}
	}()
	trouble := func(err error) { fmt.Fprintf(t.err, "perfd: %v\n", err) }
	for _, r := range o.routes {
		var s server
		if r.protocol == feedHTTP {
			s = proxy.NewHTTP(proxy.HTTPConfig{
				Upstream: r.to, Protocol: feedHTTP, Trusted: o.networks, AppendForwarded: o.appendForwarded,
				Scheme: o.scheme, Trouble: trouble,
			}, feed)
		} else {
			s, err = proxy.NewPostgreSQL(proxy.PostgreSQLConfig{
				Upstream: r.to, Protocol: feedPG, TLS: o.server, Certificate: o.certificate, RequireTLS: o.requireTLS, Trouble: trouble,
			}, feed)
		}
		var wrong *proxy.TLSError
		if errors.As(err, &wrong) {
			return nil, listeners, hinted{err, wrong.Hint}
		}
		if err != nil {
			return nil, listeners, err
		}
		ln, err := proxy.Listen(ctx, r.listen)
		if err != nil {
			return nil, listeners, hinted{err, "choose another address, and check who listens there"}
		}
		servers, listeners = append(servers, s), append(listeners, ln)
		name := [...]string{feedHTTP: "HTTP", feedPG: "PostgreSQL"}[r.protocol]
		fmt.Fprintf(t.err, "perfd relays %s from %s to %s (Ctrl-C ends it)\n", name, ln.Addr(), r.to)
	}
	return servers, listeners, nil
}

// names are the routes as a report shows them.
func (o *proxyOptions) names() []string {
	return append(slices.Clone(o.http), o.pg...)
}

// finish writes what was asked for, and shows it.
func (o *proxyOptions) finish(ctx context.Context, t terminal, res *results, rec analyzer.Recording, out *output, pages net.Listener) error {
	summary := res.summarizer.Summary(rec)
	if err := o.report(res, summary, t, out); err != nil {
		return err
	}
	if res.recorder != nil {
		if err := res.recorder.Finish(store.Source{Version: version(false), Files: res.names}, summary); err != nil {
			return err
		}
		if err := res.recorder.commit(); err != nil {
			return err
		}
	}
	if err := out.commit(); err != nil || pages == nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.WithoutCancel(ctx), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return serveStore(ctx, t, pages, res.recorder)
}

// fedRecording gathers what the stages counted.
func fedRecording(f capture.FeedStats, rpc rpclog.Stats, pg sqltrace.Stats) analyzer.Recording {
	return analyzer.Recording{
		From: f.First, To: f.Last, Packets: f.Chunks, Bytes: f.Bytes, LostBytes: f.Dropped, Gaps: f.Gaps, Evicted: f.Refused,
		HTTPConnections: rpc.Streams, SQLConnections: pg.Connections, EncryptedSQL: pg.Encrypted, UnknownTexts: pg.Unknown,
	}
}
