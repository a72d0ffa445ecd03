package main

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/perfd/perfd/analyzer"
	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/report"
	"github.com/perfd/perfd/sqltrace"
	"github.com/perfd/perfd/store"
)

// analyzeOptions are the flags of `perfd analyze`.
type analyzeOptions struct {
	files             []string
	format, output    string
	serve             bool
	listen            string
	from, to          string
	rpcPorts, pgPorts []uint
	top               int
	store             string
}

func analyzeCommand(t terminal) *cobra.Command {
	var o analyzeOptions
	cmd := &cobra.Command{
		Use:   "analyze FILE…",
		Short: "Report on recordings: pcap, pcapng, either gzipped, or a perfd store",
		Long: "Analyze reads recordings of HTTP and PostgreSQL traffic and reports who waited, how long and on what.\n\n" +
			"FILE is a pcap or pcapng file, plain or gzipped, - for standard input, or a store that --store wrote.\n" +
			"Several captures are read one after the other, in order of their first packets, as one recording.\n" +
			"On standard input the first Ctrl-C ends the recording, and the report follows.\n" +
			"--from and --to pick calls by their start; the whole recording is read all the same.\n" + exitHelp,
		Example: "  perfd analyze odoo.pcap\n" +
			"  perfd analyze --serve odoo.pcap\n" +
			"  perfd analyze --format json --from +30s --to +60s odoo.pcap.gz\n" +
			"  tcpdump -i any -s 0 -w - 'port 8069 or port 5432' | perfd analyze -",
		RunE: func(cmd *cobra.Command, args []string) error {
			o.files = args
			if err := o.validate(cmd.Flags().Changed("listen")); err != nil {
				return err
			}
			return o.run(cmd.Context(), t)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.format, "format", "text", "`kind` of report: text, json (one object a line, docs/trace-format.md) or html")
	f.StringVarP(&o.output, "output", "o", "", "`file` to write the report to instead of standard output")
	f.BoolVar(&o.serve, "serve", false, "show the result in the browser, until interrupted")
	f.StringVar(&o.listen, "listen", defaultListen, "`address` to serve on")
	f.StringVar(&o.from, "from", "", "only calls from this `time` on: 15:04:05, 2006-01-02 15:04:05, RFC 3339, Unix seconds, +5s")
	f.StringVar(&o.to, "to", "", "only calls before this `time`")
	f.UintSliceVar(&o.rpcPorts, "rpc-port", nil, "`port` the RPC server listens on, also several: 8069,8072 (default: found by content)")
	f.UintSliceVar(&o.pgPorts, "pg-port", nil, "`port` PostgreSQL listens on (default: found by content)")
	for _, name := range []string{"rpc-port", "pg-port"} {
		f.Lookup(name).DefValue = "" // said in words
	}
	f.IntVar(&o.top, "top", 0, "`rows` of each list (default: 10; html 25)")
	f.StringVar(&o.store, "store", "", "also write the result to this perfd store `file`")
	return cmd
}

// validate is the one place where options are checked.
func (o *analyzeOptions) validate(listenGiven bool) error {
	switch {
	case len(o.files) == 0:
		return usagef("analyze needs a FILE: a capture, a store, or - for standard input")
	case !slices.Contains([]string{"text", "json", "html"}, o.format):
		return usagef("--format must be text, json or html, not %q", o.format)
	case o.top < 0:
		return usagef("--top must not be negative")
	case listenGiven && !o.serve:
		return usagef("--listen needs --serve")
	case slices.Contains(o.files, "-") && len(o.files) > 1:
		return usagef("standard input cannot be read together with other files")
	case slices.ContainsFunc(o.files, isPipe) && len(o.files) > 1:
		return usagef("a pipe can be read once, and several files are read twice to put them in order: name files alone, or the pipe alone")
	}
	for _, list := range []struct {
		flag  string
		ports []uint
	}{{"rpc-port", o.rpcPorts}, {"pg-port", o.pgPorts}} {
		for _, n := range list.ports {
			if n == 0 || n > 65535 {
				return usagef("--%s must be a port from 1 to 65535, not %d", list.flag, n)
			}
			if list.flag == "pg-port" && slices.Contains(o.rpcPorts, n) {
				return usagef("port %d is named by --rpc-port and --pg-port", n)
			}
		}
	}
	from, err := parseMoment("from", o.from)
	if err != nil {
		return err
	}
	to, err := parseMoment("to", o.to)
	if err != nil {
		return err
	}
	if from.set && to.set && from.kind == to.kind && !to.resolve(to.at).After(from.resolve(from.at)) {
		return usagef("--to must be after --from")
	}
	return o.validatePaths()
}

// validatePaths keeps what is written from taking the place of what is read, and of each other.
func (o *analyzeOptions) validatePaths() error {
	for _, target := range []struct{ flag, path string }{{"output", o.output}, {"store", o.store}} {
		if target.path == "" || target.path == "-" {
			continue
		}
		for _, file := range o.files {
			if file != "-" && same(file, target.path) {
				return usagef("--%s would overwrite the input %s", target.flag, file)
			}
		}
	}
	if o.output != "" && o.store != "" && same(o.output, o.store) {
		return usagef("--output would overwrite the store %s: name another file", o.store)
	}
	return nil
}

func (o *analyzeOptions) run(ctx context.Context, t terminal) error {
	for _, file := range o.files {
		if file != "-" && store.IsStore(file) {
			if len(o.files) > 1 {
				return usagef("a perfd store is read alone: %s", file)
			}
			return o.runStore(ctx, t, file)
		}
	}
	var ln net.Listener
	if o.serve { // a port in use is told before the work, not after it
		var err error
		if ln, err = listenOn(ctx, o.listen); err != nil {
			return err
		}
		defer func() { _ = ln.Close() }() // the server closes it too
	}
	out, err := openOutput(o.output, t)
	if err != nil {
		return err
	}
	defer out.discard()
	return o.analyze(ctx, t, out, ln)
}

// analyze runs the pipeline into the report, the store and the pages that were asked for.
func (o *analyzeOptions) analyze(ctx context.Context, t terminal, out *output, ln net.Listener) (err error) {
	p := &pipeline{rpcPorts: toPorts(o.rpcPorts), pgPorts: toPorts(o.pgPorts)}
	reading, cut := ctx, new(atomic.Bool)
	for _, file := range o.files {
		if file == "-" {
			var in input
			in, cut = stdinInput(ctx, t.in)
			p.inputs = append(p.inputs, in)
			reading = context.WithoutCancel(ctx) // the first signal ends the recording, not the analysis
			continue
		}
		p.inputs = append(p.inputs, fileInput(file))
	}
	if p.from, err = parseMoment("from", o.from); err != nil {
		return err
	}
	if p.to, err = parseMoment("to", o.to); err != nil {
		return err
	}
	p.watch = func(name string, progress func() (done, total int64)) func() {
		return showProgress(t.err, filepath.Base(name), progress)
	}
	res := &results{names: o.names()}
	defer func() { err = errors.Join(err, res.recorder.close()) }()

	rec, partial := p.run(reading, func(dict sqltrace.Dictionary) (analyzer.Sink, error) { return o.sinks(res, dict, out) })
	if partial != nil && !errors.Is(partial, capture.ErrPartial) {
		return partial
	}
	if cut.Load() { // in the middle of a packet, as like as not
		partial, rec.Partial = nil, ""
	}
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
	if err := out.commit(); err != nil {
		return err
	}
	if o.serve {
		if ctx.Err() != nil { // the signal ended the recording; the next one ends the pages
			var stop context.CancelFunc
			ctx, stop = signal.NotifyContext(context.WithoutCancel(ctx), os.Interrupt, syscall.SIGTERM)
			defer stop()
		}
		if err := serveStore(ctx, t, ln, res.recorder); err != nil {
			return err
		}
	}
	return partial
}

// results are the sinks of one analysis.
type results struct {
	names      []string
	summarizer *analyzer.Summarizer
	json       *report.JSON
	recorder   *newStore // may be nil
	agreement  string    // of a store with the server's log; empty if unknown
}

func (o *analyzeOptions) sinks(res *results, dict sqltrace.Dictionary, out io.Writer) (analyzer.Sink, error) {
	totals := o.format == "json" && o.store == "" && !o.serve // JSON lines end with them; their readers group for themselves
	res.summarizer = analyzer.NewSummarizer(analyzer.SummaryConfig{Totals: totals}, dict)
	all := fanout{res.summarizer}
	if o.format == "json" && o.reports() {
		res.json = report.NewJSON(out, dict)
		all = append(all, res.json)
	}
	if o.store != "" || o.serve {
		var err error
		if res.recorder, err = createStore(o.store, dict); err != nil {
			return nil, err
		}
		all = append(all, res.recorder)
	}
	return all, nil
}

// reports tells whether a report is written: pages in the browser take the place of the one on the terminal.
func (o *analyzeOptions) reports() bool { return !o.serve || o.output != "" || o.format != "text" }

func (o *analyzeOptions) report(res *results, s analyzer.Summary, t terminal, out io.Writer) error {
	if !o.reports() {
		return nil
	}
	switch o.format {
	case "json":
		return res.json.Finish(s)
	case "html":
		return report.HTML(out, s, report.HTMLConfig{Names: res.names, Top: o.top, Version: version(false)})
	default:
		cfg := report.TextConfig{Names: res.names, Agreement: res.agreement, Top: o.top}
		cfg.Gone = len(o.files) == 0 || slices.Contains(o.files, "-") || slices.ContainsFunc(o.files, isPipe) // a proxy's, or standard input
		if o.output == "" || o.output == "-" {
			cfg.Color = hasColor(t.out)
			cfg.Width, cfg.Height = sizeOf(t.out)
		}
		return report.Text(out, s, cfg)
	}
}

// names are the files as a report shows them.
func (o *analyzeOptions) names() []string {
	names := make([]string, 0, len(o.files))
	for _, file := range o.files {
		if file == "-" {
			file = "standard input"
		}
		names = append(names, filepath.Base(file))
	}
	return names
}

func toPorts(list []uint) []uint16 {
	ports := make([]uint16, 0, len(list))
	for _, n := range list {
		ports = append(ports, uint16(n))
	}
	return ports
}
