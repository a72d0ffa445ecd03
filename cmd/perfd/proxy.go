package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/perfd/perfd/config"
	"github.com/perfd/perfd/proxy"
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
	analyzeOptions  // how it reports at its end, unless it is a sidecar

	routes      []route
	networks    []netip.Prefix
	certificate *tls.Certificate
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
	var input func() config.Input
	cmd := &cobra.Command{
		Use:   "proxy (--http LISTEN=UPSTREAM | --pg LISTEN=UPSTREAM)…",
		Short: "Relay HTTP and PostgreSQL, and show the calls that pass",
		Long: "Proxy stands in front of the application server, of PostgreSQL, or of both, and sees what a tap cannot:\n" +
			"TLS and Unix sockets. It relays until interrupted, then reports.\n\n" +
			"With --store, --listen or --config it is a sidecar as perfd watch is: it shows calls as they end, keeps them\n" +
			"in the store and keeps to its memory, and takes the same settings.\n\n" +
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
			if err := o.validate(); err != nil {
				return err
			}
			f := cmd.Flags()
			live := f.Changed("store") || f.Changed("listen") || f.Changed("config")
			if err := o.fits(f, input(), live); err != nil {
				return err
			}
			c, err := loadSettings(t, input)
			switch {
			case err != nil:
				return err
			case live && len(o.pg) > 0 && c.PGLog.Path != "":
				return usagef("statements come from --pg or from pg_log, not from both")
			case live:
				return runWatch(cmd.Context(), t, c, input, o.open)
			}
			c.PGLog.Path = ""
			return o.run(cmd.Context(), t, c)
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
	under(f, headRelays, "http", "pg", "trust", "append-forwarded", "scheme")
	under(f, headTLS, "pg-sslmode", "pg-sslrootcert", "pg-sslcert", "pg-sslkey", "pg-tls-cert", "pg-tls-key", "pg-tls-require")
	under(f, headReport, "format", "output")
	input = settingFlags(f, "interfaces", "rpc_ports", "pg_ports")
	return cmd
}

// fits checks that the flags given are of one way of working: a report at the end, or a sidecar.
func (o *proxyOptions) fits(f *pflag.FlagSet, in config.Input, live bool) error {
	if live {
		for _, name := range []string{"format", "output"} {
			if f.Changed(name) {
				return hinted{usagef("--%s is of the report at the end, which there is none of with --store, --listen or --config", name),
					"perfd analyze STORE reports"}
			}
		}
		return nil
	}
	for _, s := range config.Flags() {
		section, _, _ := strings.Cut(s.Key, ".")
		if _, given := in.Flags[s.Key]; given && s.Key != "memory" && section != "evidence" && section != "log" {
			return usagef("--%s needs --store, --listen or --config", s.Name)
		}
	}
	return nil
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
	return nil
}
